// SPDX-License-Identifier: Apache-2.0
import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "@/api/client";
import { liveStore } from "@/live/store";
import { recover } from "./recovery";

const ready = (stream: string) => liveStore.take({ type: "ready", stream, seq: 1 });
const refusal = (status: number, retryAfterS: number | null = null) => new ApiError(status, "", "No.", null, null, retryAfterS);

let queries: QueryClient;
let stops: (() => void)[];
const after = (ms: number) => vi.advanceTimersByTimeAsync(ms);

/** A page that shows what `read` says. */
function shown(key: string, read: () => Promise<unknown>) {
  const queryFn = vi.fn(read);
  stops.push(new QueryObserver(queries, { queryKey: [key], queryFn }).subscribe(() => {}));
  return queryFn;
}

beforeEach(() => {
  vi.useFakeTimers();
  queries = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: 15_000 } } });
  liveStore.reset();
  stops = [recover(queries)];
});
afterEach(() => {
  for (const stop of stops) stop();
  queries.clear();
  vi.useRealTimers();
});

describe("what could not be read", () => {
  it("is read again when the wait is over that was asked for, and what is refused for good is not", async () => {
    let answer: unknown = refusal(429, 30);
    const busy = shown("busy", async () => Promise.reject(answer));
    const unknown = shown("unknown", async () => Promise.reject(refusal(404)));
    await after(29_000);
    expect(busy).toHaveBeenCalledTimes(1);
    answer = refusal(503);
    await after(4000);
    expect(busy).toHaveBeenCalledTimes(2);
    await after(18_000); // nobody said how long
    expect(busy).toHaveBeenCalledTimes(3);
    expect(unknown).toHaveBeenCalledTimes(1);
  });

  it("is read at once when the live channel is back", async () => {
    ready("a");
    const read = shown("audit", async () => Promise.reject(refusal(0)));
    await after(1);
    liveStore.setState("reconnecting");
    liveStore.setState("catching-up");
    expect(read).toHaveBeenCalledTimes(1);
    ready("a");
    expect(read).toHaveBeenCalledTimes(2);
  });
});

describe("what was read before the channel was lost", () => {
  it("is read again where the stream begins anew, unless the page has done so", async () => {
    ready("a");
    await after(1);
    const still = shown("people", async () => "as it was");
    const own = shown("alerts", async () => "read by the page");
    await after(60_000);
    expect(still).toHaveBeenCalledTimes(1);
    liveStore.setState("reconnecting");
    ready("b");
    await after(1000);
    await queries.invalidateQueries({ queryKey: ["alerts"] });
    await after(5000);
    expect([still.mock.calls.length, own.mock.calls.length]).toEqual([2, 2]);
    liveStore.setState("reconnecting");
    ready("b"); // nothing was missed
    await after(10_000);
    expect([still.mock.calls.length, own.mock.calls.length]).toEqual([2, 2]);
  });

  it("a page that is just being opened reads nothing twice", async () => {
    const read = shown("people", async () => "here");
    await after(300);
    ready("a");
    await after(10_000);
    expect(read).toHaveBeenCalledTimes(1);
  });
});
