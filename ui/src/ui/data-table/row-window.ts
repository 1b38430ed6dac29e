// SPDX-License-Identifier: Apache-2.0
/** Which rows of a long list are in the document: all rows are of one height, so it is arithmetic. */
import { useEffect, useLayoutEffect, useRef, useState } from "react";

/**
 * A browser gives no element more than so many pixels (Chromium 33,554,400, Firefox 17,895,700): 340,000 rows
 * of 44. Rows beyond can't be scrolled to.
 */
const HEIGHT_MAX = 15_000_000;
/** The window moves by so many rows at a time, so that slow scrolling draws seldom. */
const STEP = 4;
const OVERSCAN = 6;

export interface Rows {
  first: number;
  /** Exclusive. */
  end: number;
}

/** The part of the list that can be seen, in pixels from its top. */
export interface Sight {
  top: number;
  height: number;
}

export const rowsThatFit = (count: number, rowHeight: number): number => Math.min(count, Math.floor(HEIGHT_MAX / rowHeight));

export function rowsIn({ top, height }: Sight, rowHeight: number, count: number): Rows {
  const last = Math.max(0, count - 1);
  const first = Math.min(last, Math.floor(Math.max(0, top) / rowHeight)) - OVERSCAN;
  const end = Math.ceil(Math.max(0, top + height) / rowHeight) + OVERSCAN;
  return {
    first: Math.max(0, Math.floor(first / STEP) * STEP),
    end: Math.min(count, Math.ceil(end / STEP) * STEP),
  };
}

/** Where the list must be scrolled to for a row to be seen as a whole; null: it is. */
export function topToShow(index: number, { top, height }: Sight, rowHeight: number): number | null {
  const rowTop = index * rowHeight;
  if (rowTop < top) return rowTop;
  return rowTop + rowHeight > top + height ? rowTop + rowHeight - height : null;
}

/** At first, before anything is measured. */
const GUESS: Rows = { first: 0, end: 24 };

/** `sight` is asked when `target` scrolls (null: the window) or something changes its size. */
export function useRowWindow(target: () => HTMLElement | null, sight: () => Sight | null, rowHeight: number, count: number): Rows {
  const [rows, setRows] = useState(GUESS);
  const latest = useRef(() => {});
  useLayoutEffect(() => {
    latest.current = () => {
      const seen = sight();
      if (!seen) return;
      const next = rowsIn(seen, rowHeight, count);
      setRows((was) => (was.first === next.first && was.end === next.end ? was : next));
    };
    latest.current();
  }, [sight, rowHeight, count]);
  useEffect(() => {
    const scrolls = target() ?? window;
    const look = () => latest.current();
    const sizes = new ResizeObserver(look);
    sizes.observe(target() ?? document.documentElement);
    scrolls.addEventListener("scroll", look, { passive: true });
    return () => {
      sizes.disconnect();
      scrolls.removeEventListener("scroll", look);
    };
  }, [target]);
  const end = Math.min(rows.end, count);
  return { first: Math.min(rows.first, end), end };
}

/** What is in view is told to who reads it. */
export function useLook(look: ((first: number, end: number) => void) | undefined, { first, end }: Rows, source: unknown): void {
  useEffect(() => look?.(first, end), [look, first, end, source]);
}
