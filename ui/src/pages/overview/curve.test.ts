// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import type { LiveFleet } from "@/live/store";
import { rateHistory } from "./curve";

const at = (moment: number): LiveFleet => ({
  at: moment,
  devices: 1,
  online: 1,
  late: 0,
  silent: 0,
  never: 0,
  quarantined: 0,
  heartbeats_per_s: 20,
  backlog: 0,
  storing: true,
});
const times = (moments: number[], windowS: number) => rateHistory(moments.map(at), windowS).map((one) => one.at);

it("keeps the window", () => expect(times([1, 2, 3, 4, 5], 3)).toEqual([3, 4, 5]));
it("takes one of those that come at once", () => expect(times([10, 10.02, 11, 11.3, 12], 60)).toEqual([10, 11, 12]));
it("is empty of nothing", () => expect(times([], 60)).toEqual([]));
