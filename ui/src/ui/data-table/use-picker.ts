// SPDX-License-Identifier: Apache-2.0
import { useRef } from "react";
import { count } from "@/lib/format";
import { toast } from "../toast";
import { locate, pick, RANGE_MAX } from "./range";
import type { RowSource, TableSelection } from "./types";

export interface Picker {
  /** `shift`: all from the one that was toggled last. */
  toggle: (index: number, shift: boolean) => void;
  /** Shift with an arrow: from here to there. */
  extend: (from: number, to: number) => void;
}

const tooMany = (rows: number) =>
  toast.failed(
    `A range of ${count(rows)} is more than the ${count(RANGE_MAX)} that can be chosen one by one: ` +
      "narrow the list and select all that match.",
  );
const allChosen = (rows: number) => toast.failed(`All ${count(rows)} are selected. Select none first, to choose single ones of so many.`);

/** Ids of a range: at once where all are in memory. */
function idsOf<Row>(source: RowSource<Row>, rowId: (row: Row) => string, first: number, end: number): string[] | Promise<string[]> {
  const ids: string[] = [];
  for (let index = first; index < end; index++) {
    const row = source.at(index);
    if (row === undefined && source.range) return source.range(first, end).then((rows) => rows.map(rowId));
    if (row !== undefined) ids.push(rowId(row));
  }
  return ids;
}

/** Ids are looked up when somebody chooses, not when the table is drawn. */
export function usePicker<Row>(source: RowSource<Row>, rowId: (row: Row) => string, selection: TableSelection | undefined): Picker | null {
  const anchor = useRef<{ id: string; index: number } | null>(null);
  const latest = useRef(selection);
  latest.current = selection;
  if (!selection) return null;

  const choose = (make: (ids: ReadonlySet<string>) => ReadonlySet<string>) => {
    const now = latest.current;
    if (!now) return;
    const ids = make(now.ids);
    now.onChange(now.disabled ? new Set([...ids].filter((id) => now.ids.has(id) || !now.disabled?.(id))) : ids);
  };
  const withIds = (first: number, end: number, then: (ids: string[]) => void) => {
    const ids = idsOf(source, rowId, first, end);
    if (Array.isArray(ids)) then(ids);
    else void ids.then(then, toast.failed);
  };
  const allBut = (id: string) => {
    if (source.count > RANGE_MAX) return allChosen(source.count);
    withIds(0, source.count, (ids) => choose(() => new Set(ids.filter((one) => one !== id))));
  };

  const toggle = (index: number, shift: boolean) => {
    const row = source.at(index);
    if (row === undefined) return;
    const id = rowId(row);
    if (selection.all?.chosen) return allBut(id);
    const from = shift && anchor.current ? locate(source, rowId, anchor.current) : -1;
    if (from < 0) {
      anchor.current = { id, index };
      return choose((ids) => pick({ ids, anchor: null }, [], id, false).ids);
    }
    const first = Math.min(from, index);
    const end = Math.max(from, index) + 1;
    if (end - first > RANGE_MAX) return tooMany(end - first);
    const start = anchor.current?.id ?? null;
    withIds(first, end, (order) => choose((ids) => pick({ ids, anchor: start }, order, id, true).ids));
  };
  const extend = (from: number, to: number) => {
    if (selection.all?.chosen) return;
    const first = Math.min(from, to);
    const end = Math.max(from, to) + 1;
    if (end - first > RANGE_MAX) return tooMany(end - first);
    const start = source.at(from);
    anchor.current ??= start === undefined ? null : { id: rowId(start), index: from };
    withIds(first, end, (ids) => choose((was) => new Set([...was, ...ids])));
  };
  return { toggle, extend };
}
