// SPDX-License-Identifier: Apache-2.0
import { ArrowDown, ArrowUp, ChevronsUpDown } from "lucide-react";
import type { PointerEvent, ReactNode } from "react";
import { cn } from "@/lib/cn";
import { paddingOf } from "./padding";
import type { Column, Sort, TableLayout } from "./types";

const WIDTH_MIN = 64;

/** A handle at a column's right edge; the width it leaves is kept in the layout. */
function ResizeHandle({ onWidth }: { onWidth: (width: number) => void }) {
  const begin = (event: PointerEvent<HTMLSpanElement>) => {
    const handle = event.currentTarget;
    const startWidth = handle.parentElement?.offsetWidth ?? WIDTH_MIN;
    const startX = event.clientX;
    handle.setPointerCapture(event.pointerId);
    const move = (next: globalThis.PointerEvent) => onWidth(Math.max(WIDTH_MIN, startWidth + next.clientX - startX));
    const end = () => {
      handle.removeEventListener("pointermove", move);
      handle.removeEventListener("lostpointercapture", end);
    };
    handle.addEventListener("pointermove", move);
    handle.addEventListener("lostpointercapture", end);
  };
  return (
    <span
      aria-hidden
      onPointerDown={begin}
      className="absolute top-1/2 right-0 h-4 w-2 -translate-y-1/2 cursor-col-resize touch-none border-r border-line hover:border-accent"
    />
  );
}

const ARROW = { asc: ArrowUp, desc: ArrowDown };
const ARIA = { asc: "ascending", desc: "descending" } as const;

function Title<Row>({ column, sort, onSort }: { column: Column<Row>; sort: Sort | undefined; onSort: (sort: Sort) => void }) {
  if (!column.sortable) return <span className="truncate">{column.title}</span>;
  const direction = sort?.column === column.id ? sort.direction : null;
  const Arrow = direction ? ARROW[direction] : ChevronsUpDown;
  const next = direction ? (direction === "asc" ? "desc" : "asc") : (column.first ?? "asc");
  return (
    <button
      type="button"
      className={cn(
        "group flex min-w-0 items-center gap-1 rounded hover:text-ink",
        direction && "text-ink",
        column.align === "end" && "flex-row-reverse",
      )}
      onClick={() => onSort({ column: column.id, direction: next })}
    >
      <span className="truncate">{column.title}</span>
      <Arrow
        aria-hidden
        className={cn("size-3.5 shrink-0", !direction && "opacity-0 group-hover:opacity-70 group-focus-visible:opacity-70")}
      />
    </button>
  );
}

export interface HeaderProps<Row> {
  columns: readonly Column<Row>[];
  sort: Sort | undefined;
  onSort: (sort: Sort) => void;
  layout: TableLayout | undefined;
  /** The box that takes all. */
  box: ReactNode;
}

export function Header<Row>({ columns, sort, onSort, layout, box }: HeaderProps<Row>) {
  return (
    <div role="rowgroup" className="sticky top-0 z-10 bg-surface">
      <div role="row" aria-rowindex={1} className="grid h-10 grid-cols-(--columns) border-b border-line text-xs font-medium text-ink-2">
        {box && (
          <div role="columnheader" className="grid place-items-center pl-2">
            {box}
          </div>
        )}
        {columns.map((column, index) => (
          <div
            key={column.id}
            role="columnheader"
            aria-sort={sort?.column === column.id ? ARIA[sort.direction] : column.sortable ? "none" : undefined}
            className={cn(
              "relative flex min-w-0 items-center",
              paddingOf(index, columns.length, Boolean(box)),
              column.align === "end" && "justify-end",
            )}
          >
            <Title column={column} sort={sort} onSort={onSort} />
            {layout && index < columns.length - 1 && <ResizeHandle onWidth={(width) => layout.setWidth(column.id, width)} />}
          </div>
        ))}
      </div>
    </div>
  );
}
