// SPDX-License-Identifier: Apache-2.0
/**
 * Values over time:
 *
 *   <TimeChart label="Battery" times={times} series={[{ label: "Battery", values, tone: "accent", area: true, format: (v) => `${v} %` }]}
 *     least={0} most={100} thresholds={[{ value: 15, label: "low", tone: "bad" }]} sync="device" range={[from, to]} onZoom={setRange} />
 *
 * A drag zooms (without `onZoom` the chart keeps that to itself, and takes keys and fingers as a ZoomArea does), a double
 * click shows all again. Charts with the same `sync` share the cursor. What it shows is also said in words, for those who can't see it.
 */
import { ZoomOut } from "lucide-react";
import { useCallback, useRef, useState } from "react";
import "uplot/dist/uPlot.min.css";
import { cn } from "@/lib/cn";
import { exactTime } from "@/lib/format";
import { Button } from "./button";
import { describe, written, type ChartSeries, type ChartTone, type Threshold } from "./time-chart/series";
import { usePlot, type CursorAt } from "./time-chart/use-plot";
import { useZoom, type Zoom } from "./time-chart/use-zoom";
import type { Span } from "./time-chart/zoom";

export { withGaps } from "./time-chart/series";
export type { ChartSeries, ChartTone, Threshold } from "./time-chart/series";

export interface TimeChartProps {
  label: string;
  /** Epoch seconds, ascending. */
  times: readonly number[];
  series: readonly ChartSeries[];
  thresholds?: readonly Threshold[];
  height?: number;
  /** Ends of the value axis that do not follow the data. */
  least?: number;
  most?: number;
  /** Pixels for the value axis, so that charts under each other begin at the same place. */
  axisWidth?: number;
  /** Ends of the time axis; without it, what the data cover. */
  range?: readonly [number, number];
  /** null: all again. With it the range is the caller's to change, without it the chart's own. */
  onZoom?: (range: [number, number] | null) => void;
  sync?: string;
  legend?: boolean;
  className?: string;
}

const NONE: readonly Threshold[] = [];
const SWATCH: Record<ChartTone, string> = {
  accent: "bg-accent",
  info: "bg-info",
  ok: "bg-ok",
  warn: "bg-warn",
  bad: "bg-bad",
  idle: "bg-idle",
};

export const Swatch = ({ tone, className }: { tone: ChartTone; className?: string }) => (
  <span aria-hidden className={cn("inline-block h-2 w-2 shrink-0 rounded-[2px]", SWATCH[tone], className)} />
);

function Legend({ series }: { series: readonly ChartSeries[] }) {
  return (
    <ul className="mb-1 flex flex-wrap gap-x-4 gap-y-1 text-xs text-ink-2">
      {series.map((one) => (
        <li key={one.label} className="flex items-center gap-1.5">
          <Swatch tone={one.tone} />
          {one.label}
        </li>
      ))}
    </ul>
  );
}

const NOTE_WIDTH = 200;

/** The values beside the cursor. */
function Note({ at, time, series }: { at: CursorAt; time: number; series: readonly ChartSeries[] }) {
  const leftOf = at.left + NOTE_WIDTH + 24 > at.width;
  return (
    <div
      aria-hidden
      className="pointer-events-none absolute top-2 z-10 w-max max-w-60 rounded-control border border-line bg-raised px-2.5 py-2 text-xs shadow-float"
      style={leftOf ? { right: at.width - at.left + 12 } : { left: at.left + 12 }}
    >
      <p className="mb-1 text-ink-3">{exactTime(new Date(time * 1000))}</p>
      {series.map((one) => {
        const value = one.values[at.index] ?? null;
        const low = one.low?.[at.index] ?? null;
        const high = one.high?.[at.index] ?? null;
        return (
          <p key={one.label} className="flex items-center gap-2">
            <Swatch tone={one.tone} />
            <span className="grow pr-3 text-ink-2">{one.label}</span>
            <span className="font-medium tabular">
              {value === null ? "–" : written(one, value)}
              {low !== null && high !== null && low !== high && (
                <span className="font-normal text-ink-3">
                  {" "}
                  ({written(one, low)} – {written(one, high)})
                </span>
              )}
            </span>
          </p>
        );
      })}
    </div>
  );
}

/** A chart that zooms by itself takes the focus too. */
const focusable = (label: string, zoom: Zoom) => ({
  role: "group",
  tabIndex: 0,
  "aria-label": `${label}. Plus and minus zoom, arrow keys move, 0 shows all.`,
  ...zoom.area,
});

export function TimeChart(props: TimeChartProps) {
  const { label, times, series, thresholds = NONE, height = 200, range, onZoom, legend = series.length > 1 } = props;
  const box = useRef<HTMLDivElement>(null);
  const [own, setOwn] = useState<[number, number] | null>(null);
  const zoom = useCallback((next: [number, number] | null) => (onZoom ? onZoom(next) : setOwn(next)), [onZoom]);
  const first = times[0] ?? 0;
  const whole: Span = range ?? [first, Math.max(times.at(-1) ?? 0, first + 1)];
  const keys = useZoom(own ?? whole, whole, setOwn);
  const cursor = usePlot(box, {
    times,
    series,
    thresholds,
    height,
    sync: props.sync,
    least: props.least,
    most: props.most,
    axisWidth: props.axisWidth,
    span: onZoom ? (range ?? null) : keys.zoomed ? keys.shown : (range ?? null),
    onZoom: (from, to) => zoom([from, to]),
  });
  const time = cursor ? times[cursor.index] : undefined;
  const lines = thresholds.map((one) => `Line at ${one.value}: ${one.label}.`);
  const summary = [`${label}.`, ...series.map(describe), ...lines].join(" ");

  return (
    <figure className={cn("relative min-w-0", props.className)}>
      {legend && <Legend series={series} />}
      <div className={cn("relative", !onZoom && "touch-pan-y rounded-control")} {...(onZoom ? {} : focusable(label, keys))}>
        <div ref={box} aria-hidden className="min-w-0 overflow-hidden" style={{ height }} onDoubleClick={() => zoom(null)} />
        {cursor && time !== undefined && <Note at={cursor} time={time} series={series} />}
        {own && (
          <Button size="sm" className="absolute top-1 right-2 bg-raised" onClick={() => setOwn(null)}>
            <ZoomOut />
            All
          </Button>
        )}
      </div>
      <figcaption className="sr-only">{summary}</figcaption>
    </figure>
  );
}
