// SPDX-License-Identifier: Apache-2.0
/** uPlot's options in our words: colours by role, axes in the viewer's own way of writing time. */
import uPlot from "uplot";
import { decimal } from "@/lib/format";
import { written, type ChartSeries, type ChartTone, type Threshold } from "./series";

/** A canvas has no classes: the roles' colours of the theme that is on. */
export function colourOf(role: ChartTone | "ink-3" | "line" | "surface"): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${role}`).trim();
}

const translucent = (colour: string, percent: number) => `color-mix(in srgb, ${colour} ${percent}%, transparent)`;

const DAY_S = 86_400;
const EDGE_PX = 10;
const TIME_LABEL_PX = 50; // "01:24:00"
const seconds = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minutes = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const days = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

function timeLabels(splits: number[], stepS: number): string[] {
  return splits.map((split) => {
    const date = new Date(split * 1000);
    const midnight = date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0;
    if (stepS >= DAY_S || midnight) return days.format(date);
    return (stepS < 60 ? seconds : minutes).format(date);
  });
}

const FONT = '12px "Inter Variable", ui-sans-serif, system-ui, sans-serif';

function axis(series: ChartSeries | undefined, right: boolean, width?: number): uPlot.Axis {
  return {
    scale: right ? "right" : "y",
    side: right ? 1 : 3,
    stroke: colourOf("ink-3"),
    font: FONT,
    size: width ?? ((_, labels) => 16 + 6.8 * Math.max(2, ...(labels ?? []).map((label) => label.length))),
    gap: 6,
    space: 34,
    ticks: { show: false },
    grid: { show: !right, stroke: colourOf("line"), width: 1 },
    values: (_, splits) => splits.map((split) => (series ? written(series, split) : decimal(split))),
  };
}

/** A point without neighbours is no line: it is drawn as a point. */
function alone(values: ChartSeries["values"]): number[] {
  const found: number[] = [];
  values.forEach((value, index) => {
    if (value !== null && (values[index - 1] ?? null) === null && (values[index + 1] ?? null) === null) found.push(index);
  });
  return found;
}

function line(series: ChartSeries, markers: boolean): uPlot.Series {
  const colour = colourOf(series.tone);
  return {
    label: series.label,
    scale: series.right ? "right" : "y",
    stroke: colour,
    width: 1.75,
    dash: series.dashed ? [5, 4] : undefined,
    fill: series.area ? translucent(colour, 12) : undefined,
    paths: series.step ? uPlot.paths.stepped?.({ align: 1 }) : undefined,
    points: {
      show: markers,
      filter: (plot, at) => (markers ? null : alone(plot.data[at] as ChartSeries["values"])),
      size: 5,
      fill: colour,
      width: 0,
    },
  };
}

const edge = (series: ChartSeries): uPlot.Series => ({
  scale: series.right ? "right" : "y",
  width: 0,
  stroke: "transparent",
  points: { show: false },
});

function drawThresholds(plot: uPlot, thresholds: readonly Threshold[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  for (const threshold of thresholds) {
    const y = Math.round(plot.valToPos(threshold.value, "y", true)) + 0.5;
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.strokeStyle = ctx.fillStyle = colourOf(threshold.tone);
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.font = `500 ${11 * devicePixelRatio}px "Inter Variable", ui-sans-serif, sans-serif`;
    ctx.textAlign = "right";
    ctx.textBaseline = "bottom";
    ctx.fillText(threshold.label, bbox.left + bbox.width - 4 * devicePixelRatio, y - 2 * devicePixelRatio);
  }
  ctx.restore();
}

export interface Wanted {
  width: number;
  height: number;
  series: readonly ChartSeries[];
  thresholds: readonly Threshold[];
  /** Charts of the same name share the cursor. */
  sync: string | undefined;
  /** The time on the axis; null: what the data cover. */
  span: () => readonly [number, number] | null;
  least: number | undefined;
  most: number | undefined;
  axisWidth: number | undefined;
  onCursor: (plot: uPlot) => void;
  onZoom: (from: number, to: number) => void;
}

function valueRange({ least, most, thresholds }: Wanted): uPlot.Range.Function {
  return (_, low, high) => {
    const marks = thresholds.map((threshold) => threshold.value);
    const bottom = least ?? Math.min(low ?? 0, ...marks);
    const top = most ?? Math.max(high ?? 1, ...marks);
    if (least !== undefined && most !== undefined) return [bottom, top];
    const [from, to] = uPlot.rangeNum(bottom, top === bottom ? bottom + 1 : top, 0.08, true);
    return [least ?? from ?? bottom, most ?? to ?? top];
  };
}

/** Would the label of this time end beyond the right edge? */
function isCut(plot: uPlot, time: number): boolean {
  const width = plot.bbox.width / devicePixelRatio;
  return width > 0 && plot.valToPos(time, "x") + TIME_LABEL_PX / 2 > width + EDGE_PX;
}

const aroundData = (_: uPlot, low: number | null, high: number | null) => uPlot.rangeNum(low ?? 0, high ?? 1, 0.08, true);

/** Series in the order of the data that `columnsOf` gives: each with its band's edges behind it. */
export function optionsOf(wanted: Wanted): uPlot.Options {
  const lines: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  for (const series of wanted.series) {
    const at = lines.length;
    lines.push(line(series, series.values.length <= 2));
    if (!series.low || !series.high) continue;
    lines.push(edge(series), edge(series));
    bands.push({ series: [at + 2, at + 1], fill: translucent(colourOf(series.tone), 18) });
  }
  const left = wanted.series.find((one) => !one.right);
  const right = wanted.series.find((one) => one.right);
  return {
    width: wanted.width,
    height: wanted.height,
    padding: [10, right ? 0 : EDGE_PX, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: true, y: false, dist: 6, setScale: false },
      points: { size: 7, width: 2, fill: () => colourOf("surface") },
      sync: wanted.sync ? { key: wanted.sync, setSeries: false } : undefined,
    },
    scales: {
      x: { time: true, range: (_, low, high) => [...(wanted.span() ?? [low ?? 0, high ?? 1])] as [number, number] },
      y: { range: valueRange(wanted) },
      ...(right ? { right: { range: aroundData } } : {}),
    },
    axes: [
      {
        stroke: colourOf("ink-3"),
        font: FONT,
        space: 64,
        size: 28,
        gap: 6,
        ticks: { show: false },
        grid: { show: false },
        values: (plot, splits, _, __, stepS) =>
          timeLabels(splits, stepS).map((label, index) => (isCut(plot, splits[index] ?? 0) ? null : label)),
      },
      axis(left, false, wanted.axisWidth),
      ...(right ? [axis(right, true)] : []),
    ],
    series: lines,
    bands,
    hooks: {
      draw: [(plot) => drawThresholds(plot, wanted.thresholds)],
      setCursor: [wanted.onCursor],
      setSelect: [
        (plot) => {
          if (plot.select.width < 6) return;
          wanted.onZoom(plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x"));
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}

export function columnsOf(times: readonly number[], series: readonly ChartSeries[]): uPlot.AlignedData {
  const columns: (number | null)[][] = [];
  for (const one of series) {
    columns.push([...one.values]);
    if (one.low && one.high) columns.push([...one.low], [...one.high]);
  }
  return [[...times], ...columns];
}
