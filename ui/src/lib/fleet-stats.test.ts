// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, vi } from "vitest";
import type { LiveDevice } from "@/live/store";
import { compareVersions, countFleet, FleetCount, topOf } from "./fleet-stats";

const device = (id: number, rest: Partial<LiveDevice> = {}): LiveDevice => ({ id: String(id), received_at: 1, ...rest });

describe("counting", () => {
  it("puts each device into its bands", async () => {
    const stats = await countFleet([
      device(1, { battery: 0, charging: true, agent_version: "4.2.1", network: "wifi", power_ok: true }),
      device(2, { battery: 14, agent_version: "4.10.0", network: "wifi", power_ok: false }),
      device(3, { battery: 14.6, network: "cellular" }),
      device(4, { battery: 15 }),
      device(5, { battery: 100, agent_version: "4.2.1" }),
      device(6),
      { id: "7", battery: 50 },
    ]);
    expect(stats).toEqual({
      reported: 6,
      battery: [3, 1, 0, 0, 1],
      batteryUnknown: 1,
      charging: 1,
      versions: [
        { version: "4.10.0", count: 1 },
        { version: "4.2.1", count: 2 },
      ],
      versionUnknown: 3,
      networks: [
        { network: "wifi", count: 2 },
        { network: "cellular", count: 1 },
      ],
      networkUnknown: 3,
      powerNotOk: 1,
    });
  });

  it("is empty of nobody", async () => expect(await countFleet([])).toEqual(new FleetCount().result()));

  it("lets others have a turn, and stops when nobody needs it", async () => {
    let clock = 0;
    const pause = vi.fn(async () => undefined);
    const slicing = { now: () => (clock += 4), pause, sliceMs: 6 };
    const rows = Array.from({ length: 10_000 }, (_, index) => device(index));
    expect((await countFleet(rows, () => false, slicing))?.reported).toBe(10_000);
    expect(pause).toHaveBeenCalledTimes(10); // 20 looks 4 ms apart, a slice of 6 ms
    expect(await countFleet(rows, () => pause.mock.calls.length > 11, slicing)).toBeNull();
  });

  it("takes rows that come and go meanwhile", async () => {
    const rows = new Map(Array.from({ length: 3000 }, (_, index) => [index, device(index)]));
    const pause = async () => {
      rows.delete(0);
      rows.delete(2999);
    };
    const stats = await countFleet(rows.values(), () => false, { now: () => performance.now(), pause, sliceMs: 0 });
    expect(stats?.reported).toBe(2999);
  });

  it("holds nobody up for 100,000 devices", async () => {
    const rows = Array.from({ length: 100_000 }, (_, index) =>
      device(index, { battery: index % 101, agent_version: `4.${index % 12}.0`, network: "wifi" }),
    );
    let began = performance.now();
    const slices: number[] = [];
    const pause = async () => {
      slices.push(performance.now() - began);
      await new Promise((done) => setTimeout(done, 0));
      began = performance.now();
    };
    const stats = await countFleet(rows, () => false, { now: () => performance.now(), pause, sliceMs: 6 });
    slices.push(performance.now() - began);
    expect(stats?.reported).toBe(100_000);
    expect(slices.toSorted((a, b) => a - b)[Math.floor(slices.length / 2)]).toBeLessThan(50);
  });
});

describe("versions", () => {
  it("are compared number by number", () => {
    const sorted = ["4.9.1", "4.10.0", "4.9.1-beta", "5", "4.9.1-beta2", "4.9"].toSorted((a, b) => compareVersions(b, a));
    expect(sorted).toEqual(["5", "4.10.0", "4.9.1", "4.9.1-beta2", "4.9.1-beta", "4.9"]);
  });

  it("that are no numbers compare as equal, not as nonsense", () => expect(Number.isNaN(compareVersions("dev", "4.2"))).toBe(false));
});

describe("the first few", () => {
  const shares = [5, 1, 40, 2, 30].map((count, index) => ({ label: `v${index}`, count }));

  it("are all, when there are few", () => expect(topOf(shares, 5)).toEqual(shares));

  it("keep their order, and the rest is one", () => {
    expect(topOf(shares, 4)).toEqual([shares[0], shares[2], shares[4], { label: "2 others", count: 3 }]);
  });
});
