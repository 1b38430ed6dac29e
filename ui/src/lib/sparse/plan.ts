// SPDX-License-Identifier: Apache-2.0
/** Which pages of a long list are read, kept and dropped, and when: arithmetic alone. */

/** Rows of a page; pages begin at its multiples, so that every view of a place asks for the same ones. */
export const PAGE_ROWS = 200;
/** So many rows beyond the view are read ahead, where it moves to. */
export const AHEAD_ROWS = 80;
/** Pages in memory at most: 2,400 rows, however far somebody scrolls. */
export const PAGES_KEPT = 12;

/** Rows in view, the last exclusive. */
export interface View {
  first: number;
  end: number;
}

function pagesBetween(first: number, end: number, count: number): number[] {
  const from = Math.max(0, first);
  const to = Math.min(end, count);
  if (to <= from) return [];
  const page = Math.floor(from / PAGE_ROWS);
  return Array.from({ length: Math.floor((to - 1) / PAGE_ROWS) - page + 1 }, (_, index) => page + index);
}

export const pagesInView = ({ first, end }: View, count: number): number[] => pagesBetween(first, end, count);

/** What is in view, then what soon will be, going on as the view moved last (1: down). */
export function pagesWanted({ first, end }: View, direction: 1 | -1, count: number): number[] {
  if (end <= first) return [];
  const ahead = direction > 0 ? pagesBetween(end, end + AHEAD_ROWS, count) : pagesBetween(first - AHEAD_ROWS, first, count);
  return [...new Set([...pagesBetween(first, end, count), ...ahead])];
}

/** Those of the pages in memory that are too many: the farthest from the view. */
export function pagesTooMany(pages: Iterable<number>, view: View): number[] {
  const middle = (view.first + view.end) / 2 / PAGE_ROWS - 0.5;
  return [...pages].sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle)).slice(PAGES_KEPT);
}

/** What has to be known to say when to read next; times in milliseconds. */
export interface Patience {
  /** When the view moved last. */
  movedAt: number;
  /** Since when something in view is missing. */
  missingSince: number;
}

const SETTLE_MS = 100;
const PATIENCE_MS = 1000;

/** When the view rests; or, where somebody scrolls on and on, once a second. */
export const readAt = ({ movedAt, missingSince }: Patience): number => Math.min(movedAt + SETTLE_MS, missingSince + PATIENCE_MS);
