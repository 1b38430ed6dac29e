// SPDX-License-Identifier: Apache-2.0
/** A heartbeat's way through the appliance, stage by stage, from two readings of /metrics. */
import { bytes, count, decimal, duration, percent } from "@/lib/format";
import { histogramSince, latency, mean, quantile, rate, total, type Histogram, type Reading } from "@/lib/metrics";
import type { Tone } from "@/ui/badge";
import { HEARTBEAT_ROUTES } from "./metrics-feed";

export interface Stage {
  key: "frontends" | "rings" | "journal" | "writers" | "postgres";
  name: string;
  does: string;
  tone: Tone;
  /** In words, when all is not well. */
  trouble: string | null;
  /** Heartbeats a second that left it. */
  rate: number | null;
  /** What the latency is of. */
  timed: string;
  p50: number | null;
  p99: number | null;
  facts: [label: string, value: string][];
}

interface Window {
  before: Reading | undefined;
  now: Reading;
}

const perSecond = (value: number | null) => (value === null ? "–" : `${decimal(value)}/s`);
const value = (number: number | null, write: (value: number) => string = count) => (number === null ? "–" : write(number));
const gauge = ({ now }: Window, name: string, having = "") => total(now, name, having);
const speed = ({ before, now }: Window, name: string) => rate(before, now, name);
const spread = ({ before, now }: Window, name: string, having = ""): Histogram | null => histogramSince(before, now, name, having);
const quantiles = (of: Histogram | null) => ({ p50: quantile(of, 0.5), p99: quantile(of, 0.99) });

function frontends(window: Window): Stage {
  const shed = speed(window, "muster_heartbeats_shed_total") ?? 0;
  return {
    key: "frontends",
    name: "Frontends",
    does: "take requests, know the device, decode",
    tone: shed > 0 ? "warn" : "ok",
    trouble: shed > 0 ? `${perSecond(shed)} are told to come later` : null,
    rate: speed(window, "muster_heartbeats_acknowledged_total"),
    timed: "until answered",
    ...quantiles(spread(window, "muster_http_request_duration_seconds", HEARTBEAT_ROUTES)),
    facts: [
      ["Connections", value(gauge(window, "muster_http_connections"))],
      ["Repeated", perSecond(speed(window, "muster_heartbeats_duplicate_total"))],
      ["Refused", perSecond(speed(window, "muster_heartbeats_rejected_total"))],
    ],
  };
}

function rings(window: Window): Stage {
  return {
    key: "rings",
    name: "Rings",
    does: "hold heartbeats for the next group",
    tone: "ok",
    trouble: null,
    rate: speed(window, "muster_journal_records_total"),
    timed: "waited",
    ...quantiles(spread(window, "muster_journal_ring_wait_seconds")),
    facts: [
      ["In them", value(gauge(window, "muster_ring_used_bytes"), bytes)],
      ["Mean group", value(mean(spread(window, "muster_journal_group_records")), decimal)],
    ],
  };
}

const JOURNAL_STATES = ["accepts", "full", "refuses"];

function journal(window: Window): Stage {
  const state = gauge(window, "muster_journal_state") ?? 0;
  const used = gauge(window, "muster_journal_used_bytes") ?? 0;
  const capacity = gauge(window, "muster_journal_capacity_bytes") ?? 0;
  const errors = (speed(window, "muster_journal_write_errors_total") ?? 0) + (speed(window, "muster_journal_sync_errors_total") ?? 0);
  return {
    key: "journal",
    name: "Journal",
    does: "writes and syncs; then a device is answered",
    tone: state > 0 || errors > 0 ? "bad" : "ok",
    trouble: state > 0 ? `It is ${JOURNAL_STATES[state] ?? "stopped"}` : errors > 0 ? "Its disk reports errors" : null,
    rate: speed(window, "muster_journal_records_total"),
    timed: "write and sync",
    ...quantiles(spread(window, "muster_journal_write_duration_seconds")),
    facts: [
      ["Used", percent(used, capacity)],
      ["Written", value(gauge(window, "muster_journal_write_rate_bytes"), (rate) => `${bytes(rate)}/s`)],
      ["Full in", value(gauge(window, "muster_journal_left_seconds"), (left) => (Number.isFinite(left) ? duration(left) : "never"))],
    ],
  };
}

/** So many waiting are a batch under way, not a backlog. */
const BACKLOG_S = 10;

function writers(window: Window): Stage {
  const backlog = gauge(window, "muster_backlog_records") ?? 0;
  const oldest = Math.max(0, ...(window.now.families.get("muster_writer_oldest_unstored_seconds") ?? []).map((one) => one.value));
  const slow = backlog > 0 && oldest > BACKLOG_S;
  return {
    key: "writers",
    name: "Writers",
    does: "store batches, drop repeats",
    tone: slow ? "warn" : "ok",
    trouble: slow ? `${count(backlog)} wait, the oldest for ${duration(oldest)}` : null,
    rate: speed(window, "muster_writer_rows_total"),
    timed: "from arrival to stored",
    ...quantiles(spread(window, "muster_writer_stored_lag_seconds")),
    facts: [
      ["Backlog", count(backlog)],
      ["Mean batch", value(mean(spread(window, "muster_writer_batch_rows")), (rows) => `${decimal(rows)} rows`)],
      ["Drains", value(gauge(window, "muster_writer_drain_records_per_second"), (drain) => `${count(Math.round(drain))}/s`)],
    ],
  };
}

function postgres(window: Window): Stage {
  const available = window.now.families.get("muster_writer_available") ?? [];
  const away = available.filter((one) => one.value === 0).length;
  const used = gauge(window, "muster_pg_connections") ?? 0;
  const most = gauge(window, "muster_pg_connections_max");
  return {
    key: "postgres",
    name: "PostgreSQL",
    does: "history and last status, in one transaction",
    tone: away > 0 ? "bad" : "ok",
    trouble: away > 0 ? "It takes nothing at the moment" : null,
    rate: speed(window, "muster_writer_rows_total"),
    timed: "commit",
    ...quantiles(spread(window, "muster_writer_commit_duration_seconds")),
    facts: [
      ["Connections", `${count(used)} of ${value(most)}`],
      ["COPY p99", latency(quantile(spread(window, "muster_writer_copy_duration_seconds"), 0.99))],
      ["Status p99", latency(quantile(spread(window, "muster_writer_status_duration_seconds"), 0.99))],
    ],
  };
}

export function stagesOf(before: Reading | undefined, now: Reading): Stage[] {
  const window = { before, now };
  return [frontends, rings, journal, writers, postgres].map((stage) => stage(window));
}
