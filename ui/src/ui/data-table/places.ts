// SPDX-License-Identifier: Apache-2.0
/**
 * How far each table is scrolled, by the entry of the browser's history it is in: who opens a row and comes back finds
 * the list as it was left. The browser itself keeps that of the window alone.
 */
import { useCallback, useLayoutEffect, useRef, type RefObject } from "react";

const KEPT = 100;
const places = new Map<string, number>();

const entry = (): string => (window.history.state as { key?: string } | null)?.key ?? "";

function keepPlace(name: string, top: number): void {
  places.delete(name); // the newest are last
  places.set(name, top);
  const [oldest] = places.keys();
  if (places.size > KEPT && oldest !== undefined) places.delete(oldest);
}

/** Scrolls to where the list was left, another `list` to its top; the function given back is for each scroll. */
export function usePlace(label: string, list: unknown, scroller: RefObject<HTMLElement | null>): () => void {
  const keep = useCallback(() => {
    if (scroller.current) keepPlace(`${entry()} ${label}`, scroller.current.scrollTop);
  }, [label, scroller]);
  const at = useRef<string | null>(null);
  useLayoutEffect(() => {
    at.current = entry();
    if (scroller.current) scroller.current.scrollTop = places.get(`${entry()} ${label}`) ?? 0;
  }, [list, label, scroller]);
  useLayoutEffect(() => {
    if (at.current === entry()) return;
    at.current = entry();
    if (list === null) keep(); // a drawer was opened beside it
  });
  return keep;
}
