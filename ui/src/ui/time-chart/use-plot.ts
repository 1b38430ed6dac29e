// SPDX-License-Identifier: Apache-2.0
import { useEffect, useLayoutEffect, useRef, useState, type RefObject } from "react";
import uPlot from "uplot";
import { useIsDark } from "@/app/theme";
import { columnsOf, optionsOf } from "./options";
import type { ChartSeries, Threshold } from "./series";

export interface Plotted {
  times: readonly number[];
  series: readonly ChartSeries[];
  thresholds: readonly Threshold[];
  height: number;
  sync?: string;
  span: readonly [number, number] | null;
  least?: number;
  most?: number;
  /** Pixels for the value axis; without it, what its labels need. */
  axisWidth?: number;
  onZoom: (from: number, to: number) => void;
}

/** Where the cursor is: the index of the point beside it, and pixels from the left of the chart. */
export interface CursorAt {
  index: number;
  left: number;
  width: number;
}

/** What makes it another chart, and not the same with other data. */
const shapeOf = ({ series, thresholds, height, sync, least, most, axisWidth }: Plotted, dark: boolean) =>
  JSON.stringify([
    series.map((one) => [one.label, one.tone, one.area, one.step, one.dashed, one.right, Boolean(one.low), one.values.length <= 2]),
    thresholds,
    height,
    sync,
    least,
    most,
    axisWidth,
    dark,
  ]);

/** The uPlot in `box`: made anew when its shape or the theme changes, else fed. */
export function usePlot(box: RefObject<HTMLDivElement | null>, plotted: Plotted): CursorAt | null {
  const [cursor, setCursor] = useState<CursorAt | null>(null);
  const dark = useIsDark();
  const shape = shapeOf(plotted, dark);
  const latest = useRef(plotted);
  const plot = useRef<uPlot | null>(null);
  latest.current = plotted;

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const now = latest.current;
    const made = new uPlot(
      optionsOf({
        ...now,
        sync: now.sync,
        least: now.least,
        most: now.most,
        axisWidth: now.axisWidth,
        width: Math.max(element.clientWidth, 80),
        span: () => latest.current.span,
        onZoom: (from, to) => latest.current.onZoom(from, to),
        onCursor: ({ cursor: { idx, left }, bbox, width }) =>
          setCursor(
            idx === null || idx === undefined || left === undefined || left < 0
              ? null
              : { index: idx, left: left + bbox.left / devicePixelRatio, width },
          ),
      }),
      columnsOf(now.times, now.series),
      element,
    );
    plot.current = made;
    const watch = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width > 0 && width !== made.width) made.setSize({ width, height: latest.current.height });
    });
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [box, shape]);

  const { times, series, span } = plotted;
  useEffect(() => {
    plot.current?.setData(columnsOf(times, series), true);
  }, [times, series, span?.[0], span?.[1]]);

  return cursor;
}
