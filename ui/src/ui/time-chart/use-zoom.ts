// SPDX-License-Identifier: Apache-2.0
/**
 * Zooming by keys, by buttons and by fingers. What is shown follows at once; `onZoom`, which may read data, is told when the
 * hand rests.
 */
import { useCallback, useEffect, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import { isAll, moved, scaled, stepOfKey, stepped, type Span, type Step } from "./zoom";

const REST_MS = 400;
const MOVED_PX = 4;

export interface Zoom {
  /** What to show. */
  shown: Span;
  /** It is not all. */
  zoomed: boolean;
  step: (step: Step) => void;
  /** For the element that has the focus and the fingers. */
  area: {
    onKeyDown: (event: KeyboardEvent) => void;
    onPointerDown: (event: PointerEvent) => void;
    onPointerMove: (event: PointerEvent) => void;
    onPointerUp: (event: PointerEvent) => void;
    onPointerCancel: (event: PointerEvent) => void;
  };
}

interface Grip {
  /** Where each finger is, by its pointer. */
  fingers: Map<number, number>;
  begin: Span;
  /** The middle of the fingers and how far they are apart, when they came. */
  middle: number;
  apart: number;
}

const middleOf = (xs: number[]) => xs.reduce((sum, x) => sum + x, 0) / xs.length;
const apartOf = (xs: number[]) => (xs.length < 2 ? 0 : Math.max(...xs) - Math.min(...xs));

/** Two fingers spread or close, one moves. null: nothing of the kind. */
function gripped({ fingers, begin, middle, apart }: Grip, width: number, bounds: Span, zoomed: boolean): Span | null {
  const xs = [...fingers.values()];
  const perPixel = (begin[1] - begin[0]) / width;
  const aside = (middle - middleOf(xs)) * perPixel;
  if (xs.length === 2 && apart > 0) {
    const at = begin[0] + middle * perPixel;
    return moved(scaled(begin, bounds, apart / Math.max(apartOf(xs), 1), at), bounds, aside);
  }
  if (xs.length !== 1 || !zoomed || Math.abs(middle - middleOf(xs)) < MOVED_PX) return null;
  return moved(begin, bounds, aside);
}

export function useZoom(range: Span, bounds: Span, onZoom: (range: [number, number] | null) => void): Zoom {
  const [preview, setPreview] = useState<Span | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const grip = useRef<Grip>({ fingers: new Map(), begin: range, middle: 0, apart: 0 });
  const shown = preview ?? range;
  const zoomed = !isAll(shown, bounds);
  const latest = useRef({ shown, bounds, onZoom });
  latest.current = { shown, bounds, onZoom };

  const show = useCallback((next: Span, restMs: number) => {
    if (timer.current) clearTimeout(timer.current);
    latest.current.shown = next;
    setPreview(next);
    timer.current = setTimeout(() => {
      const now = latest.current;
      setPreview(null);
      now.onZoom(isAll(next, now.bounds) ? null : [next[0], next[1]]);
    }, restMs);
  }, []);
  useEffect(
    () => () => {
      if (timer.current) clearTimeout(timer.current);
    },
    [],
  );
  const step = useCallback((how: Step) => show(stepped(latest.current.shown, latest.current.bounds, how), REST_MS), [show]);

  const hold = () => {
    const xs = [...grip.current.fingers.values()];
    Object.assign(grip.current, { begin: latest.current.shown, middle: xs.length ? middleOf(xs) : 0, apart: apartOf(xs) });
  };
  const xOf = (event: PointerEvent) => event.clientX - event.currentTarget.getBoundingClientRect().left;
  const leave = (event: PointerEvent) => {
    if (grip.current.fingers.delete(event.pointerId)) hold();
  };
  const area: Zoom["area"] = {
    onKeyDown: (event) => {
      const how = event.ctrlKey || event.metaKey || event.altKey || event.target !== event.currentTarget ? undefined : stepOfKey(event.key);
      if (!how) return;
      event.preventDefault();
      step(how);
    },
    onPointerDown: (event) => {
      if (event.pointerType !== "touch") return;
      grip.current.fingers.set(event.pointerId, xOf(event));
      hold();
    },
    onPointerMove: (event) => {
      if (!grip.current.fingers.has(event.pointerId)) return;
      grip.current.fingers.set(event.pointerId, xOf(event));
      const { width } = event.currentTarget.getBoundingClientRect();
      const next = gripped(grip.current, width, latest.current.bounds, !isAll(latest.current.shown, latest.current.bounds));
      if (next) show(next, REST_MS);
    },
    onPointerUp: leave,
    onPointerCancel: leave,
  };
  return { shown, zoomed, step, area };
}
