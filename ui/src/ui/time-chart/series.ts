// SPDX-License-Identifier: Apache-2.0
/** What a chart is given, and what can be said of it in words. */
import { decimal } from "@/lib/format";

export type ChartTone = "accent" | "info" | "ok" | "warn" | "bad" | "idle";
type Values = readonly (number | null)[];

export interface ChartSeries {
  label: string;
  /** One for each of the chart's times; null is a gap. */
  values: Values;
  tone: ChartTone;
  /** The spread of what a point sums up, drawn as a band. */
  low?: Values;
  high?: Values;
  /** How a value is written, with its unit. */
  format?: (value: number) => string;
  /** Filled down to the axis. */
  area?: boolean;
  /** Holds until the next point. */
  step?: boolean;
  /** Dashed, for what one compares with. */
  dashed?: boolean;
  /** A second axis, at the right. */
  right?: boolean;
}

export interface Threshold {
  value: number;
  label: string;
  tone: ChartTone;
}

export const written = (series: Pick<ChartSeries, "format">, value: number) => (series.format ?? decimal)(value);

/** "Battery: 86 % at the end; between 12 % and 100 %." */
export function describe(series: ChartSeries): string {
  const known = series.values.filter((value): value is number => value !== null);
  const last = known.at(-1);
  if (last === undefined) return `${series.label}: nothing known.`;
  let low = last;
  let high = last;
  for (const value of known) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const say = (value: number) => written(series, value);
  if (low === high) return `${series.label}: ${say(last)} throughout.`;
  return `${series.label}: ${say(last)} at the end; between ${say(low)} and ${say(high)}.`;
}

/** Where more than `gapS` passed between two points, a line must not join them: a null goes between. */
export function withGaps(
  times: readonly number[],
  columns: readonly Values[],
  gapS: number,
): { times: number[]; columns: (number | null)[][] } {
  const out = { times: [] as number[], columns: columns.map(() => [] as (number | null)[]) };
  times.forEach((time, index) => {
    const before = times[index - 1];
    if (before !== undefined && time - before > gapS) {
      out.times.push(before + gapS / 2);
      for (const column of out.columns) column.push(null);
    }
    out.times.push(time);
    out.columns.forEach((column, which) => column.push(columns[which]?.[index] ?? null));
  });
  return out;
}
