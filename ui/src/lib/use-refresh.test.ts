// SPDX-License-Identifier: Apache-2.0
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, renderHook } from "@testing-library/react";
import { createElement, type ReactNode } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { liveStore } from "@/live/store";
import { dueIn, isLong, useRefresh } from "./use-refresh";

const tell = (seq: number) => liveStore.take({ type: "delta", seq, alerts: [] });

describe("reading again", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("is due a second after the first change, later ones are put together", () => {
    expect(dueIn(100_000, 0)).toBe(1000);
    expect(dueIn(100_000, 98_000)).toBe(6000);
  });

  it("happens once for a flood, and not for what doesn't concern it", async () => {
    const queries = new QueryClient();
    const invalidate = vi.spyOn(queries, "invalidateQueries");
    const wrapper = ({ children }: { children: ReactNode }) => createElement(QueryClientProvider, { client: queries }, children);
    const { unmount } = renderHook(() => useRefresh(["alerts"], (delta) => Boolean(delta.alerts)), { wrapper });
    await act(async () => {
      liveStore.take({ type: "delta", seq: 1, commands: [] });
      await vi.advanceTimersByTimeAsync(2000);
    });
    expect(invalidate).not.toHaveBeenCalled();
    await act(async () => {
      for (let seq = 2; seq < 50; seq++) tell(seq);
      await vi.advanceTimersByTimeAsync(1100);
    });
    expect(invalidate).toHaveBeenCalledTimes(1);
    await act(async () => {
      tell(51);
      await vi.advanceTimersByTimeAsync(2000);
    });
    expect(invalidate).toHaveBeenCalledTimes(1);
    await act(async () => void (await vi.advanceTimersByTimeAsync(6000)));
    expect(invalidate).toHaveBeenCalledTimes(2);
    unmount();
    tell(52);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(invalidate).toHaveBeenCalledTimes(2);
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
