// SPDX-License-Identifier: Apache-2.0
import type { RowSource } from "./types";

/** Choosing rows as every file manager does: one toggles, shift takes all from the last one to this. */
export interface Picked {
  ids: ReadonlySet<string>;
  /** The row that was toggled last. */
  anchor: string | null;
}

/** `order`: the ids as they stand in the table. */
export function pick(picked: Picked, order: readonly string[], id: string, shift: boolean): Picked {
  const ids = new Set(picked.ids);
  const from = shift && picked.anchor !== null ? order.indexOf(picked.anchor) : -1;
  const to = order.indexOf(id);
  if (from < 0 || to < 0) {
    if (!ids.delete(id)) ids.add(id);
    return { ids, anchor: id };
  }
  // The range becomes what its anchor is, so shift also takes away.
  const add = picked.anchor !== null && ids.has(picked.anchor);
  for (const one of order.slice(Math.min(from, to), Math.max(from, to) + 1)) {
    if (add) ids.add(one);
    else ids.delete(one);
  }
  return { ids, anchor: picked.anchor };
}

export type AllState = boolean | "indeterminate";

/** What the box in the header shows. */
export function allState(ids: ReadonlySet<string>, order: readonly string[]): AllState {
  if (ids.size === 0 || order.length === 0) return false;
  let some = false;
  let every = true;
  for (const id of order) {
    if (ids.has(id)) some = true;
    else every = false;
    if (some && !every) return "indeterminate";
  }
  return every;
}

/** All rows that are shown, or none of them; what is chosen elsewhere stays. */
export function pickAll(ids: ReadonlySet<string>, order: readonly string[]): ReadonlySet<string> {
  const next = new Set(ids);
  const every = allState(ids, order) === true;
  for (const id of order) {
    if (every) next.delete(id);
    else next.add(id);
  }
  return next;
}

/** Where a key leads from the row `at` (-1: none) of `count`; null: the key moves nothing. */
export function moved(key: string, at: number, count: number, page: number): number | null {
  if (count === 0) return null;
  const last = count - 1;
  switch (key) {
    case "ArrowDown":
      return Math.min(last, at + 1);
    case "ArrowUp":
      return Math.max(0, at - 1);
    case "PageDown":
      return Math.min(last, Math.max(at, 0) + page);
    case "PageUp":
      return Math.max(0, at - page);
    case "Home":
      return 0;
    case "End":
      return last;
    default:
      return null;
  }
}

/** More rows than these are chosen by what they have in common, not one by one. */
export const RANGE_MAX = 2000;

/** Where a row stands now: rows move while others come and go. -1: it is gone. A place that is not in memory is believed. */
export function locate<Row>(
  source: Pick<RowSource<Row>, "count" | "at">,
  rowId: (row: Row) => string,
  row: { id: string; index: number },
): number {
  const there = row.index < source.count ? source.at(row.index) : undefined;
  if (there !== undefined && rowId(there) === row.id) return row.index;
  for (let index = 0; index < source.count; index++) {
    const one = source.at(index);
    if (one !== undefined && rowId(one) === row.id) return index;
  }
  return there === undefined && row.index < source.count ? row.index : -1;
}

/** Ids of all rows that are in memory. */
export function idsInMemory<Row>(source: Pick<RowSource<Row>, "count" | "at">, rowId: (row: Row) => string): string[] {
  const ids: string[] = [];
  for (let index = 0; index < source.count; index++) {
    const row = source.at(index);
    if (row !== undefined) ids.push(rowId(row));
  }
  return ids;
}
