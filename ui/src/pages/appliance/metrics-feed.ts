// SPDX-License-Identifier: Apache-2.0
/**
 * Reads /metrics every few seconds while somebody looks. The text comes in pieces and is taken in as they come
 * (lib/metrics.ts), so no single piece of work is long; the readings of the last minute are kept whole, of
 * those before only what the charts show.
 */
import { useSyncExternalStore } from "react";
import { request } from "@/api/client";
import { histogramSince, MetricsReader, quantile, rate, total, type Families, type Reading, type Wanted } from "@/lib/metrics";

export const HEARTBEAT_ROUTES = 'route="/v1/heartbeat';
const FAMILIES = /^(process_|muster_(journal_|writer_|ring_|heartbeats_|http_connections$|pg_|backlog_|live_clients$|host_))/;

const wanted: Wanted = (name, labels) =>
  FAMILIES.test(name) || (name.startsWith("muster_http_request_duration_seconds") && labels.includes(HEARTBEAT_ROUTES));

/** A millisecond's work or two; over a fast line the whole text comes at once. */
const PIECE_BYTES = 65_536;
const EVERY_MS = 7000;
const SECOND_MS = 2000; // the second reading comes sooner: there are no rates before it
const WINDOW_S = 60;
const TREND_S = 900;

export interface TrendPoint {
  at: number;
  acknowledged: number | null;
  stored: number | null;
  backlog: number | null;
  answerP99: number | null;
  storedP99: number | null;
}

export interface MetricsState {
  now: Reading | null;
  /** About a minute ago; undefined: there is only one reading. */
  before: Reading | undefined;
  trend: TrendPoint[];
  error: Error | null;
}

async function readMetrics(signal: AbortSignal): Promise<Families> {
  const response = await request("GET", "/metrics", { signal });
  const reader = new MetricsReader(wanted);
  const pieces = response.body?.getReader();
  if (!pieces) {
    reader.push(await response.text());
    return reader.end();
  }
  const decoder = new TextDecoder();
  for (let piece = await pieces.read(); !piece.done; piece = await pieces.read())
    for (let from = 0; from < piece.value.length; from += PIECE_BYTES) {
      reader.push(decoder.decode(piece.value.subarray(from, from + PIECE_BYTES), { stream: true }));
      await new Promise((done) => setTimeout(done, 0)); // whoever scrolls goes first
    }
  return reader.end();
}

function trendPoint(before: Reading | undefined, now: Reading): TrendPoint {
  const p99 = (name: string, having = "") => (before ? quantile(histogramSince(before, now, name, having), 0.99) : null);
  return {
    at: now.at,
    acknowledged: rate(before, now, "muster_heartbeats_acknowledged_total"),
    stored: rate(before, now, "muster_writer_rows_total"),
    backlog: total(now, "muster_backlog_records"),
    answerP99: p99("muster_http_request_duration_seconds", HEARTBEAT_ROUTES),
    storedP99: p99("muster_writer_stored_lag_seconds"),
  };
}

export class MetricsFeed {
  state: MetricsState = { now: null, before: undefined, trend: [], error: null };
  private readings: Reading[] = [];
  private readonly listeners = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private reading: AbortController | null = null;

  constructor(private readonly read: (signal: AbortSignal) => Promise<Families> = readMetrics) {}

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    if (this.listeners.size === 1) this.start();
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) this.stop();
    };
  };

  /** What went wrong is tried again at once. */
  retry = (): void => {
    this.stop();
    this.start();
  };

  private start(): void {
    document.addEventListener("visibilitychange", this.shown);
    void this.take();
  }

  private stop(): void {
    document.removeEventListener("visibilitychange", this.shown);
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.reading?.abort();
    this.reading = null;
  }

  private shown = (): void => {
    if (!document.hidden && !this.timer && !this.reading) void this.take();
  };

  private async take(): Promise<void> {
    this.timer = null;
    if (document.hidden) return; // `shown` goes on
    const reading = new AbortController();
    this.reading = reading;
    try {
      const families = await this.read(reading.signal);
      if (!reading.signal.aborted) this.keep({ at: Date.now() / 1000, families });
    } catch (error) {
      if (!reading.signal.aborted) this.publish({ ...this.state, error: error instanceof Error ? error : new Error(String(error)) });
    }
    if (reading.signal.aborted) return;
    this.reading = null;
    this.timer = setTimeout(() => void this.take(), this.readings.length === 1 ? SECOND_MS : EVERY_MS);
  }

  private keep(now: Reading): void {
    const last = this.readings.at(-1);
    this.readings = [...this.readings.filter((one) => one.at > now.at - WINDOW_S - 5), now];
    const [oldest] = this.readings;
    const recent = last && last.at > now.at - WINDOW_S ? last : undefined;
    const trend = [...this.state.trend.filter((one) => one.at > now.at - TREND_S), trendPoint(recent, now)];
    this.publish({ now, before: oldest === now ? undefined : oldest, trend, error: null });
  }

  private publish(state: MetricsState): void {
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}

export const metricsFeed = new MetricsFeed();

export const useMetrics = () => useSyncExternalStore(metricsFeed.subscribe, () => metricsFeed.state);
