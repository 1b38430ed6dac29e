// SPDX-License-Identifier: Apache-2.0
/**
 * What GET /metrics says (Prometheus' text format), and what two readings of it tell: rates, and quantiles of the time between.
 *
 * The text has thousands of lines. `MetricsReader` takes it piece by piece as it comes over the network, so that the page
 * never stands still for it, and keeps only the families that are wanted.
 */
export interface Series {
  /** As written: `method="POST",route="/v1/heartbeat"`; empty without labels. */
  labels: string;
  value: number;
}

export type Families = Map<string, Series[]>;

/** One reading. */
export interface Reading {
  /** Epoch seconds. */
  at: number;
  families: Families;
}

/** Is a family, or one of its series, to be kept? */
export type Wanted = (name: string, labels: string) => boolean;

const everything: Wanted = () => true;

function number(text: string): number {
  if (text === "+Inf") return Number.POSITIVE_INFINITY;
  if (text === "-Inf") return Number.NEGATIVE_INFINITY;
  return text === "" ? Number.NaN : Number(text);
}

/** Where the labels end: the brace that is not inside quotes. */
function closing(line: string, from: number): number {
  let quoted = false;
  for (let index = from; index < line.length; index++) {
    const char = line[index];
    if (char === "\\") index++;
    else if (char === '"') quoted = !quoted;
    else if (char === "}" && !quoted) return index;
  }
  return -1;
}

export class MetricsReader {
  readonly families: Families = new Map();
  private rest = "";

  constructor(private readonly wanted: Wanted = everything) {}

  /** The next piece; it may end anywhere. */
  push(piece: string): void {
    const text = this.rest + piece;
    let from = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", from)) {
      this.line(text.slice(from, end));
      from = end + 1;
    }
    this.rest = text.slice(from);
  }

  /** Nothing follows. */
  end(): Families {
    this.line(this.rest);
    this.rest = "";
    return this.families;
  }

  private line(line: string): void {
    if (line === "" || line.startsWith("#")) return;
    const brace = line.indexOf("{");
    const space = line.indexOf(" ");
    const labelled = brace >= 0 && brace < space;
    const close = labelled ? closing(line, brace + 1) : -1;
    if (space < 0 || (labelled && close < 0)) return;
    const name = line.slice(0, labelled ? brace : space);
    const labels = labelled ? line.slice(brace + 1, close) : "";
    if (!this.wanted(name, labels)) return;
    const [text = ""] = line.slice(labelled ? close + 1 : space).trim().split(" ");
    const value = number(text);
    if (Number.isNaN(value)) return;
    const family = this.families.get(name);
    if (family) family.push({ labels, value });
    else this.families.set(name, [{ labels, value }]);
  }
}

export function parseMetrics(text: string, wanted?: Wanted): Families {
  const reader = new MetricsReader(wanted);
  reader.push(text);
  return reader.end();
}

const UNESCAPED: Record<string, string> = { n: "\n", '"': '"', "\\": "\\" };

export function labelsOf(labels: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [, name, value] of labels.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g))
    if (name !== undefined && value !== undefined) found[name] = value.replace(/\\(.)/g, (all, char: string) => UNESCAPED[char] ?? all);
  return found;
}

/** The sum of a family's series whose labels have this text; null: there is none. */
export function total(reading: Reading, name: string, having = ""): number | null {
  let sum: number | null = null;
  for (const series of reading.families.get(name) ?? []) if (series.labels.includes(having)) sum = (sum ?? 0) + series.value;
  return sum;
}

/** How much a counter grew a second; null without two readings. A counter that fell began anew. */
export function rate(before: Reading | undefined, now: Reading, name: string, having = ""): number | null {
  if (!before || now.at <= before.at) return null;
  const last = total(now, name, having);
  if (last === null) return null;
  const first = total(before, name, having) ?? 0;
  return (last < first ? last : last - first) / (now.at - before.at);
}

export interface Histogram {
  /** Upper ends, ascending; the last is Infinity. */
  bounds: number[];
  /** How many were in each bucket, not cumulated. */
  counts: number[];
  count: number;
  sum: number;
}

const BOUND = /le="([^"]*)"/;

/** All series of a histogram whose labels have this text, added up; null: there is none. */
export function histogram(reading: Reading, name: string, having = ""): Histogram | null {
  const buckets = new Map<number, number>();
  for (const series of reading.families.get(`${name}_bucket`) ?? []) {
    const bound = BOUND.exec(series.labels)?.[1];
    if (bound === undefined || !series.labels.includes(having)) continue;
    const end = number(bound);
    buckets.set(end, (buckets.get(end) ?? 0) + series.value);
  }
  if (buckets.size === 0) return null;
  const sorted = [...buckets].toSorted(([a], [b]) => a - b);
  const counts = sorted.map(([, cumulated], index) => cumulated - (sorted[index - 1]?.[1] ?? 0));
  return {
    bounds: sorted.map(([end]) => end),
    counts,
    count: sorted.at(-1)?.[1] ?? 0,
    sum: total(reading, `${name}_sum`, having) ?? 0,
  };
}

/** What came between two readings; since the start when there is no earlier one or counting began anew. */
export function histogramSince(before: Reading | undefined, now: Reading, name: string, having = ""): Histogram | null {
  const last = histogram(now, name, having);
  const first = before && histogram(before, name, having);
  if (!last || !first || first.count > last.count || first.bounds.length !== last.bounds.length) return last;
  return {
    bounds: last.bounds,
    counts: last.counts.map((count, index) => Math.max(0, count - (first.counts[index] ?? 0))),
    count: last.count - first.count,
    sum: last.sum - first.sum,
  };
}

/**
 * The value below which a share q of all were, taken as evenly spread within a bucket; null: nothing was
 * counted. Beyond the last finite end nothing is known but that end.
 */
export function quantile(from: Histogram | null, q: number): number | null {
  if (!from || from.count <= 0) return null;
  const rank = q * from.count;
  let below = 0;
  for (let index = 0; index < from.bounds.length; index++) {
    const here = from.counts[index] ?? 0;
    const end = from.bounds[index] ?? Number.POSITIVE_INFINITY;
    const start = index > 0 ? (from.bounds[index - 1] ?? 0) : 0;
    if (here > 0 && below + here >= rank) return Number.isFinite(end) ? start + (end - start) * ((rank - below) / here) : start;
    below += here;
  }
  return from.bounds.findLast(Number.isFinite) ?? null;
}

/** The end of the bucket in which that value lies: all that is known where buckets are wide. */
export function bucketOf(from: Histogram | null, q: number): number | null {
  if (!from || from.count <= 0) return null;
  let below = 0;
  for (let index = 0; index < from.bounds.length; index++) {
    below += from.counts[index] ?? 0;
    if (below >= q * from.count) return from.bounds[index] ?? null;
  }
  return null;
}

export const mean = (from: Histogram | null): number | null => (from && from.count > 0 ? from.sum / from.count : null);

/** 340 µs, 2.4 ms, 1.2 s. */
export function latency(seconds: number | null): string {
  if (seconds === null) return "–";
  const [value, unit] = seconds < 0.001 ? [seconds * 1e6, "µs"] : seconds < 1 ? [seconds * 1e3, "ms"] : [seconds, "s"];
  return `${value >= 100 ? Math.round(value) : Number(value.toPrecision(2))} ${unit}`;
}
