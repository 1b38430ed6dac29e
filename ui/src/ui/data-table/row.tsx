// SPDX-License-Identifier: Apache-2.0
import { memo, type MouseEvent, type ReactNode } from "react";
import { cn } from "@/lib/cn";
import type { Column } from "./types";

export interface RowProps<Row> {
  row: Row;
  domId: string;
  index: number;
  top: number;
  height: number;
  columns: readonly Column<Row>[];
  box: ReactNode;
  selected: boolean | undefined;
  active: boolean;
  current: boolean;
  clickable: boolean;
  onClick: (index: number, event: MouseEvent) => void;
}

function RowOnce<Row>({ row, domId, index, top, height, columns, box, selected, active, current, clickable, onClick }: RowProps<Row>) {
  return (
    <div
      role="row"
      id={domId}
      aria-rowindex={index + 2}
      aria-selected={selected}
      aria-current={current || undefined}
      onClick={(event) => onClick(index, event)}
      style={{ transform: `translateY(${top}px)`, height }}
      className={cn(
        "absolute inset-x-0 top-0 grid grid-cols-(--columns) border-b border-line text-sm contain-content hover:bg-surface-2/60",
        clickable && "cursor-pointer",
        selected && "bg-accent-soft/50 hover:bg-accent-soft/70",
        current && "bg-surface-2",
        active && "group-focus-visible/grid:outline-2 group-focus-visible/grid:-outline-offset-2 group-focus-visible/grid:outline-accent",
      )}
    >
      {box}
      {columns.map((column) => (
        <div
          key={column.id}
          role="gridcell"
          className={cn("flex min-w-0 items-center px-3", column.align === "end" && "justify-end text-right tabular")}
        >
          <div className="min-w-0 truncate">{column.cell(row)}</div>
        </div>
      ))}
    </div>
  );
}

/** The same row at the same place is drawn once, however often the table is. */
export const GridRow = memo(RowOnce, (was, now) => {
  const names = ["row", "index", "top", "height", "columns", "selected", "active", "current", "clickable", "onClick"] as const;
  return names.every((name) => Object.is(was[name], now[name]));
}) as typeof RowOnce;
