// SPDX-License-Identifier: Apache-2.0
/**
 * Rows are drawn a few each frame, those in the middle of the view first; until its turn comes a row is a waiting one.
 * All forty of a new place at once would hold up the page for the longer part of a tenth of a second: a row costs more
 * than a millisecond of style, layout and paint on a slow machine.
 */
import { useLayoutEffect, useReducer, useRef } from "react";
import type { Rows } from "./row-window";
import type { RowSource } from "./types";

const A_FRAME = 8;

export interface Drawn extends Rows {
  rows: ReadonlySet<number>;
}

/** What is drawn next, and whether there is more for the frame after it. While the list flies by, nothing new is. */
export function drawNext(was: Drawn, { first, end }: Rows, isHere: (index: number) => boolean): { drawn: Drawn; more: boolean } {
  const rows = new Set<number>();
  const waiting: number[] = [];
  for (let index = first; index < end; index++) {
    if (!isHere(index)) continue;
    if (was.rows.has(index)) rows.add(index);
    else waiting.push(index);
  }
  const flies = was.end > was.first && Math.abs(first - was.first) * 2 >= end - first;
  const middle = (first + end - 1) / 2;
  waiting.sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle));
  const now = flies ? 0 : A_FRAME;
  for (const index of waiting.slice(0, now)) rows.add(index);
  return { drawn: { first, end, rows }, more: waiting.length > now };
}

const NOTHING: Drawn = { first: 0, end: 0, rows: new Set() };

/** The places of the rows that are drawn as what they are. */
export function useGradual<Row>(window: Rows, source: RowSource<Row>): ReadonlySet<number> {
  const [, again] = useReducer((frames: number) => frames + 1, 0);
  const was = useRef(NOTHING);
  const { drawn, more } = drawNext(was.current, window, (index) => source.at(index) !== undefined);
  useLayoutEffect(() => {
    was.current = drawn;
    if (!more) return;
    const frame = requestAnimationFrame(again);
    return () => cancelAnimationFrame(frame);
  });
  return drawn.rows;
}
