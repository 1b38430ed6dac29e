// SPDX-License-Identifier: Apache-2.0
import { useRef } from "react";
import { pick } from "./range";
import type { TableSelection } from "./types";

export interface Picker {
  /** `shift`: all from the one that was toggled last. */
  toggle: (index: number, shift: boolean) => void;
  /** Shift with an arrow: from here to there. */
  extend: (from: number, to: number) => void;
}

/** Ids are looked up when somebody chooses, not when the table is drawn. */
export function usePicker<Row>(rows: readonly Row[], rowId: (row: Row) => string, selection: TableSelection | undefined): Picker | null {
  const anchor = useRef<string | null>(null);
  if (!selection) return null;
  const allowed = (ids: ReadonlySet<string>) =>
    selection.disabled ? new Set([...ids].filter((id) => selection.ids.has(id) || !selection.disabled?.(id))) : ids;
  const toggle = (index: number, shift: boolean) => {
    const row = rows[index];
    if (row === undefined) return;
    const order = shift ? rows.map(rowId) : [];
    const next = pick({ ids: selection.ids, anchor: anchor.current }, order, rowId(row), shift);
    anchor.current = next.anchor;
    selection.onChange(allowed(next.ids));
  };
  const extend = (from: number, to: number) => {
    const start = rows[from];
    const end = rows[to];
    if (start === undefined || end === undefined) return;
    const ids = new Set(selection.ids).add(rowId(start)).add(rowId(end));
    anchor.current ??= rowId(start);
    selection.onChange(allowed(ids));
  };
  return { toggle, extend };
}
