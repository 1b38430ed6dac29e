// SPDX-License-Identifier: Apache-2.0
/** What was the case when: segments of colour over one stretch of time, a line for each thing. */
import { useState, type PointerEvent } from "react";
import { cn } from "@/lib/cn";
import { clockTime, duration, exactTime, percent } from "@/lib/format";

export type SegmentTone = "accent" | "ok" | "warn" | "bad" | "info" | "idle" | "none";

export interface Segment {
  /** Epoch seconds. */
  from: number;
  to: number;
  /** The state, which gives the name in the legend. */
  state: string;
}

export interface StateLook {
  label: string;
  tone: SegmentTone;
}

export interface TimelineProps {
  label: string;
  lines: readonly { key: string; label?: string; segments: readonly Segment[] }[];
  /** Each state's name and colour; what is missing is named as it is and grey. */
  states: Readonly<Record<string, StateLook>>;
  range: readonly [number, number];
  legend?: boolean;
  className?: string;
}

const FILL: Record<SegmentTone, string> = {
  accent: "bg-accent",
  ok: "bg-ok-fill",
  warn: "bg-warn-fill",
  bad: "bg-bad-fill",
  info: "bg-info",
  idle: "bg-idle/60",
  none: "bg-line",
};

const DAY_S = 86_400;
const TICKS = 5;
const dayText = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const hourText = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** Seconds spent in each state within the range, the longest first. */
export function timeIn(segments: readonly Segment[], [from, to]: readonly [number, number]): [state: string, seconds: number][] {
  const sums = new Map<string, number>();
  for (const segment of segments) {
    const seconds = Math.min(segment.to, to) - Math.max(segment.from, from);
    if (seconds > 0) sums.set(segment.state, (sums.get(segment.state) ?? 0) + seconds);
  }
  return [...sums].sort((a, b) => b[1] - a[1]);
}

/** Neighbours of the same state are one: many short samples draw as few elements. */
export function joined(segments: readonly Segment[], slackS = 1): Segment[] {
  const out: Segment[] = [];
  for (const segment of segments) {
    const last = out.at(-1);
    if (last && last.state === segment.state && segment.from - last.to <= slackS) last.to = Math.max(last.to, segment.to);
    else out.push({ ...segment });
  }
  return out;
}

interface LineProps {
  segments: readonly Segment[];
  range: readonly [number, number];
  look: (state: string) => StateLook;
  label: string;
}

function Line({ segments, range, look, label }: LineProps) {
  const [over, setOver] = useState<{ segment: Segment; x: number } | null>(null);
  const [from, to] = range;
  const at = (time: number) => (100 * (Math.min(Math.max(time, from), to) - from)) / (to - from);
  const shown = joined(segments).filter((segment) => segment.to > from && segment.from < to);
  const words = timeIn(segments, range).map(([state, seconds]) => `${look(state).label} ${percent(seconds, to - from)}`);
  const point = (event: PointerEvent<HTMLDivElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const x = event.clientX - box.left;
    const time = from + (x / box.width) * (to - from);
    const segment = shown.find((one) => one.from <= time && time < one.to);
    setOver(segment ? { segment, x: Math.min(Math.max(x, 90), box.width - 90) } : null);
  };
  return (
    <div className="relative" onPointerMove={point} onPointerDown={point} onPointerLeave={() => setOver(null)}>
      <div
        role="img"
        aria-label={`${label}: ${words.join(", ") || "nothing known"}`}
        className="relative h-6 overflow-hidden rounded-[0.375rem] bg-surface-2"
      >
        {shown.map((segment) => (
          <span
            key={`${segment.from}-${segment.state}`}
            className={cn("absolute inset-y-0", FILL[look(segment.state).tone])}
            style={{ left: `${at(segment.from)}%`, width: `max(1px, ${at(segment.to) - at(segment.from)}%)` }}
          />
        ))}
      </div>
      {over && (
        <div
          aria-hidden
          className="pointer-events-none absolute bottom-full z-10 mb-1.5 w-max max-w-56 -translate-x-1/2 rounded-control border border-line bg-raised px-2.5 py-1.5 text-xs shadow-float"
          style={{ left: over.x }}
        >
          <p className="font-medium">
            {look(over.segment.state).label} <span className="font-normal text-ink-3">{duration(over.segment.to - over.segment.from)}</span>
          </p>
          <p className="text-ink-3 tabular" title={exactTime(new Date(over.segment.from * 1000))}>
            {clockTime(new Date(over.segment.from * 1000))} – {clockTime(new Date(over.segment.to * 1000))}
          </p>
        </div>
      )}
    </div>
  );
}

function Scale({ range: [from, to] }: { range: readonly [number, number] }) {
  const text = to - from > DAY_S * 1.5 ? dayText : hourText;
  return (
    <div aria-hidden className="mt-1 flex justify-between text-xs text-ink-3 tabular">
      {Array.from({ length: TICKS }, (_, index) => (
        <span key={index} className={index % 2 === 1 ? "max-sm:hidden" : undefined}>
          {text.format(new Date((from + ((to - from) * index) / (TICKS - 1)) * 1000))}
        </span>
      ))}
    </div>
  );
}

export function Timeline({ label, lines, states, range, legend = true, className }: TimelineProps) {
  const look = (state: string): StateLook => states[state] ?? { label: state, tone: "idle" };
  const named = lines.some((line) => line.label);
  const seconds = timeIn(
    lines.flatMap((line) => line.segments),
    range,
  );
  const whole = seconds.reduce((sum, [, each]) => sum + each, 0);
  return (
    <figure aria-label={label} className={cn("min-w-0", className)}>
      <div className={cn("grid items-center gap-x-3 gap-y-1.5", named && "grid-cols-[minmax(4rem,auto)_minmax(0,1fr)]")}>
        {lines.map((line) => (
          <div key={line.key} className="contents">
            {named && <span className="truncate text-xs text-ink-2">{line.label}</span>}
            <Line segments={line.segments} range={range} look={look} label={line.label ?? label} />
          </div>
        ))}
        {named && <span />}
        <Scale range={range} />
      </div>
      {legend && (
        <figcaption className="mt-2.5 flex flex-wrap gap-x-5 gap-y-1 text-xs text-ink-2">
          {seconds.map(([state, each]) => (
            <span key={state} className="flex items-center gap-1.5">
              <span aria-hidden className={cn("size-2 rounded-[2px]", FILL[look(state).tone])} />
              {look(state).label}
              <span className="text-ink-3 tabular">{percent(each, whole)}</span>
            </span>
          ))}
        </figcaption>
      )}
    </figure>
  );
}
