// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import type { LiveFleet } from "@/live/store";
import { rateHistory } from "./curve";

const at = (moment: number, rate = 20): LiveFleet => ({
  at: moment,
  devices: 1,
  online: 1,
  late: 0,
  silent: 0,
  never: 0,
  quarantined: 0,
  heartbeat_interval_s: 300,
  heartbeats_per_s: rate,
  backlog: 0,
  storing: true,
});
const times = (moments: number[], windowS: number) =>
  rateHistory(
    moments.map((moment) => at(moment)),
    [],
    windowS,
  ).map((one) => one.at);
const remembered = (...moments: number[]) => moments.map((moment) => ({ at: moment, heartbeats_per_s: 7 }));

it("keeps the window", () => expect(times([1, 2, 3, 4, 5], 3)).toEqual([3, 4, 5]));
it("takes one of those that come at once", () => expect(times([10, 10.02, 11, 11.3, 12], 60)).toEqual([10, 11, 12]));
it("is empty of nothing", () => expect(times([], 60)).toEqual([]));

it("is a mean of five seconds", () => {
  const rates = [10, 0, 0, 0, 0, 0, 0, 50].map((rate, index) => at(100 + index, rate));
  expect(rateHistory(rates, [], 60).map((one) => one.heartbeats_per_s)).toEqual([10, 5, 10 / 3, 2.5, 2, 0, 0, 10]);
});

it("begins with what the appliance remembers", () =>
  expect(rateHistory([at(101), at(102)], remembered(30, 90, 95, 100), 60)).toEqual([
    ...remembered(90, 95, 100),
    { at: 101, heartbeats_per_s: 20 },
    { at: 102, heartbeats_per_s: 20 },
  ]));

it("fills what was not heard while the channel was away", () =>
  expect(rateHistory([at(100), at(101), at(120), at(121)], remembered(95, 100, 105, 110, 115, 120), 60).map((one) => one.at)).toEqual([
    95, 100, 101, 110, 115, 120, 121,
  ]));
