// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { api } from "@/api/client";
import { LiveSocket } from "./socket";
import { LiveStore } from "./store";

/** A connection whose other end the test plays. `close` says nothing back, as over a dead line. */
class Line {
  static all: Line[] = [];
  readonly sent: Record<string, unknown>[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  closed = false;

  constructor() {
    Line.all.push(this);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }
  close(): void {
    this.closed = true;
  }
  say(message: unknown): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  begin(seq: number): void {
    this.onopen?.();
    this.say({ type: "welcome", role: "admin", topics: ["fleet", "devices"] });
    this.say({ type: "ready", stream: "s", seq });
  }
}

const passed = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const newest = () => Line.all.at(-1)!;

describe("the live connection", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    Line.all = [];
    vi.stubGlobal("WebSocket", Line);
    vi.spyOn(api, "post").mockResolvedValue({ ticket: "once", expires_in: 30 } as never);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  async function connected() {
    const store = new LiveStore();
    const socket = new LiveSocket(store);
    socket.start();
    await passed(0);
    newest().begin(7);
    expect(store.state).toBe("live");
    return { store, socket };
  }

  it("gives up a line that has gone silent without waiting for its end, and resumes where it was", async () => {
    const { store, socket } = await connected();
    const dead = newest();
    await passed(45_000);
    expect([dead.closed, store.state]).toEqual([true, "reconnecting"]);
    await passed(2000);
    expect(Line.all).toHaveLength(2);
    newest().begin(9);
    expect(newest().sent.at(-1)).toMatchObject({ type: "resume", stream: "s", seq: 7 });
    dead.say({ type: "delta", seq: 8, removed: [] }); // what the dead line still brings is not heard
    dead.onclose?.({ code: 1006, reason: "" });
    expect([store.state, store.seq]).toEqual(["live", 9]);
    socket.stop();
  });

  it("keeps a line that speaks", async () => {
    const { store, socket } = await connected();
    for (let second = 0; second < 120; second += 30) {
      await passed(30_000);
      newest().say({ type: "delta", seq: 8 + second });
    }
    expect([Line.all.length, store.state]).toEqual([1, "live"]);
    socket.stop();
  });

  it("is over where one may not watch", async () => {
    const { store, socket } = await connected();
    newest().onclose?.({ code: 4403, reason: "" });
    await passed(120_000);
    expect([Line.all.length, store.state]).toEqual([1, "off"]);
    socket.stop();
  });
});
