// SPDX-License-Identifier: Apache-2.0
/** A part of a page whose time can be looked at more closely: with the mouse in its charts, by keys, by fingers, by buttons. */
import { ChevronLeft, ChevronRight, ZoomIn, ZoomOut } from "lucide-react";
import type { ReactNode } from "react";
import { cn } from "@/lib/cn";
import { Button } from "./button";
import type { Zoom } from "./time-chart/use-zoom";

export { useZoom, type Zoom } from "./time-chart/use-zoom";

const from = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** "Sat 21 Nov, 10:00 – 12:10". */
export function spanText([start, end]: readonly [number, number]): string {
  const [a, b] = [new Date(start * 1000), new Date(end * 1000)];
  return `${from.format(a)} – ${(a.toDateString() === b.toDateString() ? clock : from).format(b)}`;
}

/** What is shown, in words, and the buttons that change it. */
export function ZoomButtons({ zoom, className }: { zoom: Zoom; className?: string }) {
  const one = (label: string, step: Parameters<Zoom["step"]>[0], icon: ReactNode, disabled = false) => (
    <Button size="icon-sm" variant="ghost" aria-label={label} title={label} disabled={disabled} onClick={() => zoom.step(step)}>
      {icon}
    </Button>
  );
  return (
    <div role="group" aria-label="Zoom" className={cn("flex flex-wrap items-center gap-x-3 gap-y-1", className)}>
      <p role="status" className="text-xs text-ink-2 tabular">
        {spanText(zoom.shown)}
      </p>
      <div className="ml-auto flex items-center">
        {zoom.zoomed && (
          <Button size="sm" variant="ghost" onClick={() => zoom.step("all")}>
            Show all
          </Button>
        )}
        {one("Earlier", "earlier", <ChevronLeft />, !zoom.zoomed)}
        {one("Zoom out", "out", <ZoomOut />, !zoom.zoomed)}
        {one("Zoom in", "in", <ZoomIn />)}
        {one("Later", "later", <ChevronRight />, !zoom.zoomed)}
      </div>
    </div>
  );
}

export interface ZoomAreaProps {
  zoom: Zoom;
  label: string;
  children: ReactNode;
  className?: string;
}

/** Takes the focus: + and − zoom, arrows move, 0 shows all. A finger moves what is zoomed, two spread it. */
export function ZoomArea({ zoom, label, children, className }: ZoomAreaProps) {
  return (
    <div
      role="group"
      tabIndex={0}
      aria-label={`${label}. Plus and minus zoom, arrow keys move, 0 shows all.`}
      className={cn("touch-pan-y rounded-control", className)}
      {...zoom.area}
    >
      {children}
    </div>
  );
}
