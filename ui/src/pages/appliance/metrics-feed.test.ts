// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseMetrics } from "@/lib/metrics";
import { MetricsFeed } from "./metrics-feed";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const text = (rows: number) =>
  parseMetrics(`muster_heartbeats_acknowledged_total ${rows}\nmuster_writer_rows_total ${rows}\nmuster_backlog_records 0`);

describe("the feed", () => {
  it("reads while somebody looks, and no longer", async () => {
    let rows = 0;
    const read = vi.fn(async () => text((rows += 20)));
    const feed = new MetricsFeed(read);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(read).not.toHaveBeenCalled();
    const stop = feed.subscribe(() => undefined);
    await vi.advanceTimersByTimeAsync(0);
    expect(feed.state.now).not.toBeNull();
    expect(feed.state.before).toBeUndefined();
    await vi.advanceTimersByTimeAsync(2000);
    expect(feed.state.before).toBeDefined();
    expect(feed.state.trend.at(-1)?.acknowledged).toBeCloseTo(10);
    await vi.advanceTimersByTimeAsync(7000);
    expect(read).toHaveBeenCalledTimes(3);
    stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(read).toHaveBeenCalledTimes(3);
  });

  it("keeps a minute of readings", async () => {
    const feed = new MetricsFeed(async () => text(1));
    const stop = feed.subscribe(() => undefined);
    await vi.advanceTimersByTimeAsync(300_000);
    const { now, before, trend } = feed.state;
    expect((now?.at ?? 0) - (before?.at ?? 0)).toBeGreaterThan(50);
    expect((now?.at ?? 0) - (before?.at ?? 0)).toBeLessThan(70);
    expect(trend.length).toBeGreaterThan(40);
    stop();
  });

  it("goes on after a failure, and tells of it meanwhile", async () => {
    const read = vi.fn(async () => text(1));
    read.mockRejectedValueOnce(new Error("away"));
    const feed = new MetricsFeed(read);
    const stop = feed.subscribe(() => undefined);
    await vi.advanceTimersByTimeAsync(0);
    expect(feed.state.error?.message).toBe("away");
    await vi.advanceTimersByTimeAsync(7000);
    expect(feed.state.error).toBeNull();
    stop();
  });
});
