// SPDX-License-Identifier: Apache-2.0
import type { ReactNode } from "react";
import { Link } from "react-router";
import { cn } from "@/lib/cn";
import { count, percent } from "@/lib/format";

export type BarTone = "accent" | "ok" | "warn" | "bad" | "info" | "idle";

export interface Bar {
  key: string;
  label: ReactNode;
  value: number;
  tone?: BarTone;
  /** Where it leads: the list of what it counts. */
  to?: string;
}

const FILL: Record<BarTone, string> = {
  accent: "bg-accent",
  ok: "bg-ok-fill",
  warn: "bg-warn-fill",
  bad: "bg-bad-fill",
  info: "bg-info",
  idle: "bg-idle",
};

export interface BarsProps {
  label: string;
  bars: readonly Bar[];
  /** What 100 % is; without it the sum. */
  whole?: number;
  format?: (value: number) => string;
  className?: string;
}

/** How something is spread: a line for each kind, with how many and what share. */
export function Bars({ label, bars, whole, format = count, className }: BarsProps) {
  const sum = whole ?? bars.reduce((total, bar) => total + bar.value, 0);
  const most = Math.max(1e-9, ...bars.map((bar) => bar.value));
  return (
    <ul aria-label={label} className={cn("grid gap-1", className)}>
      {bars.map((bar) => {
        const inside = (
          <>
            <span className="flex items-baseline gap-3 text-sm">
              <span className="min-w-0 grow truncate">{bar.label}</span>
              <span className="font-medium tabular">{format(bar.value)}</span>
              <span className="w-14 text-right text-xs text-ink-3 tabular">{percent(bar.value, sum)}</span>
            </span>
            <span aria-hidden className="mt-1 block h-1.5 overflow-hidden rounded-full bg-surface-2">
              <span
                className={cn("block h-full rounded-full", FILL[bar.tone ?? "accent"])}
                style={{ width: `${(100 * bar.value) / most}%`, minWidth: bar.value > 0 ? 3 : 0 }}
              />
            </span>
          </>
        );
        return (
          <li key={bar.key}>
            {bar.to ? (
              <Link to={bar.to} className="-mx-2 block rounded-control px-2 py-1 hover:bg-surface-2/60 pointer-coarse:py-1.5">
                {inside}
              </Link>
            ) : (
              <div className="py-1">{inside}</div>
            )}
          </li>
        );
      })}
    </ul>
  );
}

/** One bar of several parts, with their names below: how many are online, late, silent. */
export function Shares({ label, bars, className }: Omit<BarsProps, "whole" | "format">) {
  const sum = bars.reduce((total, bar) => total + bar.value, 0);
  const shown = bars.filter((bar) => bar.value > 0);
  return (
    <div className={className}>
      <div aria-hidden className="flex h-2.5 gap-0.5 overflow-hidden rounded-full bg-surface-2">
        {shown.map((bar) => (
          <span key={bar.key} className={FILL[bar.tone ?? "accent"]} style={{ width: `${(100 * bar.value) / sum}%`, minWidth: 4 }} />
        ))}
      </div>
      <ul aria-label={label} className="mt-2.5 flex flex-wrap gap-x-5 gap-y-1 text-xs text-ink-2">
        {bars.map((bar) => (
          <li key={bar.key} className="flex items-center gap-1.5">
            <span aria-hidden className={cn("size-2 rounded-full", FILL[bar.tone ?? "accent"])} />
            {bar.label}
            <span className="font-medium text-ink tabular">{count(bar.value)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
