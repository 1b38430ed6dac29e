// SPDX-License-Identifier: Apache-2.0
import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { cn } from "@/lib/cn";
import { Dot, type Tone } from "./badge";
import { Skeleton } from "./states";

export interface StatProps {
  label: ReactNode;
  /** undefined: not known yet. */
  value: ReactNode | undefined;
  unit?: ReactNode;
  hint?: ReactNode;
  /** A dot of this colour before the name. */
  tone?: Tone;
  icon?: LucideIcon;
  /** Where the number leads. */
  to?: string;
  /** Under it: a Spark, a bar. */
  children?: ReactNode;
  className?: string;
}

/** Longer words are written smaller: a version, a package. */
const WORD_CHARS = 12;

/** One number to be read from across the room. */
export function Stat({ label, value, unit, hint, tone, icon: Icon, to, children, className }: StatProps) {
  const word = typeof value === "string" && /\p{L}/u.test(value); // a hyphen as wide as a figure is for figures alone
  const long = word && value.length > WORD_CHARS;
  const inside = (
    <>
      <p className="flex items-center gap-2 text-xs font-medium text-ink-2">
        {tone && <Dot tone={tone} />}
        {Icon && <Icon className="size-4 text-ink-3" aria-hidden />}
        <span className="truncate">{label}</span>
      </p>
      {value === undefined ? (
        <Skeleton className="mt-2 h-7 w-20" />
      ) : (
        <p
          className={cn(
            "mt-1 font-semibold tracking-tight [overflow-wrap:anywhere]",
            !word && "tabular",
            long ? "line-clamp-2 min-h-8 pt-1 text-base leading-6" : "text-2xl leading-8",
          )}
          title={long ? value : undefined}
        >
          {value}
          {unit && <span className="ml-1 text-sm font-normal tracking-normal text-ink-3">{unit}</span>}
        </p>
      )}
      {hint && <p className="mt-0.5 line-clamp-2 text-xs text-ink-3 [overflow-wrap:anywhere]">{hint}</p>}
      {children && <div className="mt-2">{children}</div>}
    </>
  );
  const classes = cn("block min-w-0 rounded-card border border-line bg-surface px-4 py-3.5 shadow-card", className);
  if (!to) return <div className={classes}>{inside}</div>;
  return (
    <Link to={to} className={cn(classes, "transition-colors hover:border-line-strong hover:bg-surface-2/40")}>
      {inside}
    </Link>
  );
}

/** A name and what it is, under each other: the facts of one thing. */
export function Facts({ children, className }: { children: ReactNode; className?: string }) {
  return <dl className={cn("grid grid-cols-[minmax(7rem,auto)_minmax(0,1fr)] gap-x-4 gap-y-2 text-sm", className)}>{children}</dl>;
}

export function Fact({ label, children }: { label: ReactNode; children: ReactNode }) {
  return (
    <>
      <dt className="text-ink-3">{label}</dt>
      <dd className="min-w-0 break-words text-ink">{children}</dd>
    </>
  );
}
