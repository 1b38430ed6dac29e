// SPDX-License-Identifier: Apache-2.0
import { cn } from "@/lib/cn";

export interface SparkProps {
  /** Oldest first; null is a gap. */
  values: readonly (number | null)[];
  /** What the line is, in words. */
  label: string;
  tone?: "accent" | "ok" | "warn" | "bad" | "info";
  /** The least height of the scale, so that small noise stays small. */
  spanMin?: number;
  className?: string;
}

const TONE = { accent: "text-accent", ok: "text-ok", warn: "text-warn", bad: "text-bad", info: "text-info" };
const WIDTH = 100;
const HEIGHT = 28;
const PAD = 2;

/** The line as SVG: a new `M` after each gap. */
export function sparkPath(values: readonly (number | null)[], spanMin = 0): string {
  const known = values.filter((value): value is number => value !== null);
  if (known.length < 2) return "";
  const low = Math.min(...known);
  const high = Math.max(...known);
  const span = Math.max(high - low, spanMin) || 1;
  const middle = (high + low) / 2;
  const step = WIDTH / (values.length - 1);
  let gap = true;
  let path = "";
  values.forEach((value, index) => {
    if (value === null) {
      gap = true;
      return;
    }
    const y = HEIGHT / 2 - ((value - middle) / span) * (HEIGHT - 2 * PAD);
    path += `${gap ? "M" : "L"}${(index * step).toFixed(2)} ${y.toFixed(2)}`;
    gap = false;
  });
  return path;
}

/** A line without axes, for a card: which way it went. */
export function Spark({ values, label, tone = "accent", spanMin = 0, className }: SparkProps) {
  const path = sparkPath(values, spanMin);
  const whole = !values.includes(null);
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      className={cn("h-8 w-full overflow-visible", TONE[tone], className)}
    >
      {whole && path && <path d={`${path}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`} fill="currentColor" opacity="0.1" />}
      <path
        d={path}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
        vectorEffect="non-scaling-stroke"
        strokeLinejoin="round"
        strokeLinecap="round"
      />
    </svg>
  );
}
