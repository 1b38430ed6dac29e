// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LiveStore, type LiveFleet, type Message } from "./store";

type Delta = Extract<Message, { type: "delta" }>;

const snapshot = (page: number, devices: { id: string; battery?: number }[]): Message => ({
  type: "snapshot",
  topic: "devices",
  stream: "s1",
  page,
  devices,
  seq: 1,
});
const delta = (seq: number, what: Partial<Delta>): Message => ({ type: "delta", seq, ...what });

let store: LiveStore;
beforeEach(() => {
  vi.useFakeTimers();
  store = new LiveStore();
});
afterEach(() => vi.useRealTimers());

describe("devices", () => {
  it("page 0 of a snapshot forgets all rows, later pages add", () => {
    store.take(snapshot(0, [{ id: "1" }, { id: "2" }]));
    store.take(snapshot(1, [{ id: "3" }]));
    expect([...store.devices.keys()]).toEqual(["1", "2", "3"]);
    store.take(snapshot(0, [{ id: "9" }]));
    expect([...store.devices.keys()]).toEqual(["9"]);
  });

  it("a delta changes what it tells and leaves the rest", () => {
    store.take(snapshot(0, [{ id: "1", battery: 80 }]));
    store.take(delta(5, { devices: [{ id: "1", network: "wifi" }] }));
    expect(store.devices.get("1")).toEqual({ id: "1", battery: 80, network: "wifi" });
    expect(store.seq).toBe(5);
  });

  it("null in a delta: it became unknown", () => {
    store.take(snapshot(0, [{ id: "1", battery: 80 }]));
    store.take(delta(5, { devices: [{ id: "1", battery: null as unknown as number }] }));
    expect(store.devices.get("1")).toEqual({ id: "1" });
  });

  it("what is removed goes, what is new comes", () => {
    store.take(snapshot(0, [{ id: "1" }]));
    store.take(delta(5, { devices: [{ id: "2" }], removed: ["1", "77"] }));
    expect([...store.devices.keys()]).toEqual(["2"]);
  });

  it("a row that changed is another object, one that did not is the same", () => {
    store.take(snapshot(0, [{ id: "1" }, { id: "2" }]));
    const [one, two] = [store.devices.get("1"), store.devices.get("2")];
    store.take(delta(2, { devices: [{ id: "1", battery: 5 }] }));
    expect(store.devices.get("1")).not.toBe(one);
    expect(store.devices.get("2")).toBe(two);
  });
});

describe("commands and alerts", () => {
  const command = (id: string, state: string) => ({ id, device_id: "1", type: "ping", state, at: 1 });

  it("keeps one line a command, the newest change first", () => {
    store.take(delta(1, { commands: [command("a", "queued"), command("b", "queued")] }));
    store.take(delta(2, { commands: [command("a", "done")] }));
    expect(store.commands.map((one) => [one.id, one.state])).toEqual([
      ["a", "done"],
      ["b", "queued"],
    ]);
  });

  it("keeps a bounded number of both", () => {
    const alert = (at: number) => ({ incident_id: "1", alert_id: null, device_id: null, rule: "offline", change: "fired", at });
    for (let seq = 1; seq <= 50; seq++)
      store.take(
        delta(seq, {
          commands: Array.from({ length: 10 }, (_, i) => command(`${seq}-${i}`, "sent")),
          alerts: Array.from({ length: 10 }, () => alert(seq)),
        }),
      );
    expect(store.commands).toHaveLength(200);
    expect(store.alerts).toHaveLength(200);
    expect(store.alerts[0]?.at).toBe(50);
  });

  it("hands each delta to who listens, until they stop", () => {
    const heard: number[] = [];
    const stop = store.onDelta((message) => heard.push(message.seq));
    store.take(delta(1, { edited: true }));
    stop();
    store.take(delta(2, {}));
    expect(heard).toEqual([1]);
  });
});

describe("connection", () => {
  it("is live from `ready` on, which says where to resume", () => {
    store.setState("catching-up");
    store.take({ type: "ready", stream: "s2", seq: 40 });
    expect([store.state, store.stream, store.seq]).toEqual(["live", "s2", 40]);
  });

  it("says once what a stream that begins anew can't tell: that changes before it were missed", () => {
    const missed: boolean[] = [];
    store.onDelta((one) => missed.push(one.missed ?? false));
    store.take(snapshot(0, [{ id: "1" }]));
    store.take({ type: "ready", stream: "s", seq: 1 });
    store.take(delta(2, { removed: ["1"] }));
    store.take({ type: "ready", stream: "s", seq: 2 }); // resumed: nothing was missed
    expect(missed).toEqual([true, false]);
    store.take({ type: "resync", seq: 2 });
    store.take({ type: "ready", stream: "s", seq: 9 });
    store.take({ type: "ready", stream: "another", seq: 0 });
    expect(missed).toEqual([true, false, true, true]);
  });

  it("a resync keeps the rows and is over with the next `ready`", () => {
    store.take(snapshot(0, [{ id: "1" }]));
    store.take({ type: "ready", stream: "s", seq: 1 });
    store.take({ type: "resync", seq: 1 });
    expect(store.state).toBe("catching-up");
    expect(store.devices.size).toBe(1);
    store.take(delta(9, { devices: [{ id: "2" }] }));
    store.take({ type: "ready", stream: "s", seq: 9 });
    expect([store.state, store.seq, store.devices.size]).toEqual(["live", 9, 2]);
  });

  it("says why it waits", () => {
    store.take({ type: "waiting", detail: "The database is away." });
    expect([store.state, store.detail]).toEqual(["catching-up", "The database is away."]);
  });

  it("knows the minutes before it was opened", () => {
    store.take({
      type: "pulse",
      heartbeats_per_s: [
        [10, 1.5],
        [15, 2],
      ],
    });
    expect(store.pulse).toEqual([
      { at: 10, heartbeats_per_s: 1.5 },
      { at: 15, heartbeats_per_s: 2 },
    ]);
    store.reset();
    expect(store.pulse).toEqual([]);
  });

  it("a reset forgets all", () => {
    store.take(snapshot(0, [{ id: "1" }]));
    store.take({ type: "ready", stream: "s", seq: 3 });
    store.reset();
    expect([store.devices.size, store.stream, store.seq, store.fleet]).toEqual([0, null, 0, null]);
  });
});

describe("publishing", () => {
  const fleet = (at: number): Message =>
    ({
      type: "fleet",
      at,
      devices: 1,
      online: 1,
      late: 0,
      silent: 0,
      never: 0,
      quarantined: 0,
      heartbeat_interval_s: 300,
      heartbeats_per_s: 1,
      backlog: 0,
      storing: true,
    }) satisfies LiveFleet & { type: "fleet" };

  it("a flood of messages costs one render in 250 ms", () => {
    const listener = vi.fn();
    store.subscribe(listener);
    for (let seq = 1; seq <= 500; seq++) store.take(delta(seq, { devices: [{ id: String(seq) }] }));
    expect(listener).not.toHaveBeenCalled();
    vi.advanceTimersByTime(250);
    expect(listener).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(1000);
    expect(listener).toHaveBeenCalledTimes(1);
  });

  it("keeps five minutes of the fleet's numbers", () => {
    for (let at = 1; at <= 400; at++) store.take(fleet(at));
    expect(store.fleetHistory).toHaveLength(300);
    expect(store.fleetHistory.at(-1)?.at).toBe(400);
    expect(store.fleet?.at).toBe(400);
  });

  it("who unsubscribed hears nothing", () => {
    const listener = vi.fn();
    store.subscribe(listener)();
    store.take(fleet(1));
    vi.advanceTimersByTime(300);
    expect(listener).not.toHaveBeenCalled();
  });
});
