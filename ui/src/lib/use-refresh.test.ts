// SPDX-License-Identifier: Apache-2.0
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, renderHook } from "@testing-library/react";
import { createElement, type ReactNode } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { liveStore } from "@/live/store";
import { isLong, useRefresh } from "./use-refresh";

const tell = (seq: number) => liveStore.take({ type: "delta", seq, alerts: [] });

describe("reading again", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("happens a second after each of a few changes, and every eight seconds in a flood", async () => {
    const queries = new QueryClient();
    const invalidate = vi.spyOn(queries, "invalidateQueries");
    const wrapper = ({ children }: { children: ReactNode }) => createElement(QueryClientProvider, { client: queries }, children);
    const { unmount } = renderHook(() => useRefresh(["alerts"], (delta) => Boolean(delta.alerts)), { wrapper });
    const after = (ms: number) => act(async () => void (await vi.advanceTimersByTimeAsync(ms)));
    liveStore.take({ type: "delta", seq: 1, commands: [] });
    await after(2000);
    expect(invalidate).not.toHaveBeenCalled();
    for (let change = 1; change <= 3; change++) {
      for (let seq = 0; seq < 50; seq++) tell(seq); // at once: one reading
      await after(1001);
      expect(invalidate).toHaveBeenCalledTimes(change);
    }
    for (let second = 0; second < 40; second++) {
      tell(second);
      await after(1000);
    }
    expect(invalidate).toHaveBeenCalledTimes(3 + 5);
    unmount();
    tell(52);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(invalidate).toHaveBeenCalledTimes(3 + 5);
  });

  it("leaves lists alone that were read far down", () => {
    const state = (pages: unknown) => ({ state: { data: pages } }) as never;
    expect([
      isLong(state({ pages: [1, 2] })),
      isLong(state({ pages: [1, 2, 3] })),
      isLong(state(undefined)),
      isLong(state([1, 2, 3])),
    ]).toEqual([false, true, false, false]);
  });
});
