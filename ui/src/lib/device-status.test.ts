// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { liveStore, type LiveFleet } from "@/live/store";
import { byAge, lastSeen, statusNow, type Read } from "./device-status";

const T = 1_760_000_000;
const at = (seconds: number) => new Date(seconds * 1000).toISOString();
const device = (change: Partial<Read> = {}): Read => ({
  status: "online",
  last_seen_at: at(T),
  heartbeat_interval_s: null,
  read_at: T + 10,
  ...change,
});

describe("the bounds", () => {
  it("are those of the appliance", () => {
    expect(byAge(450, null)).toBe("online");
    expect(byAge(451, null)).toBe("late");
    expect(byAge(720, null)).toBe("late");
    expect(byAge(721, null)).toBe("silent");
    expect(byAge(46, 30)).toBe("late");
    expect(byAge(721, 30)).toBe("silent");
    expect(byAge(1320, 600)).toBe("late");
    expect(byAge(1321, 600)).toBe("silent");
  });
  it("go by the fleet's interval, when it is known", () => {
    liveStore.fleet = { heartbeat_interval_s: 600 } as LiveFleet;
    expect(byAge(900, null)).toBe("online");
    expect(byAge(901, null)).toBe("late");
    expect(byAge(46, 30)).toBe("late");
    liveStore.fleet = null;
    expect(byAge(451, null)).toBe("late");
  });
});

describe("statusNow", () => {
  it("grows worse as time goes by, without a word from anybody", () => {
    expect(statusNow(device(), undefined, T + 400)).toBe("online");
    expect(statusNow(device(), undefined, T + 700)).toBe("late");
    expect(statusNow(device(), undefined, T + 1300)).toBe("silent");
  });
  it("leaves the appliance's word where the usual interval does not explain it", () => {
    const slow = device({ read_at: T + 3000 });
    expect(statusNow(slow, undefined, T + 5000)).toBe("online");
  });
  it("is online again with the news of a heartbeat", () => {
    const silent = device({ status: "silent", read_at: T + 9000 });
    expect(statusNow(silent, { id: "1", received_at: T + 9100 }, T + 9105)).toBe("online");
    const never = device({ status: "never", last_seen_at: null });
    expect(statusNow(never, { id: "1", received_at: T + 20 }, T + 21)).toBe("online");
    expect(statusNow(never, undefined, T + 21)).toBe("never");
  });
  it("believes the live channel about a quarantine, and shows what is deleted as such", () => {
    expect(statusNow(device(), { id: "1", quarantined: true }, T + 20)).toBe("quarantined");
    expect(statusNow(device({ status: "quarantined" }), { id: "1", quarantined: false, received_at: T }, T + 20)).toBe("online");
    expect(statusNow(device({ status: "quarantined" }), undefined, T + 20)).toBe("quarantined");
    expect(statusNow(device({ status: "deleted" }), { id: "1", received_at: T + 5 }, T + 20)).toBe("deleted");
  });
});

it("lastSeen is the newer of both", () => {
  expect(lastSeen({ last_seen_at: null }, undefined)).toBeNull();
  expect(lastSeen({ last_seen_at: at(T) }, { id: "1", received_at: T - 5 })).toBe(T);
  expect(lastSeen({ last_seen_at: at(T) }, { id: "1", received_at: T + 5 })).toBe(T + 5);
});
