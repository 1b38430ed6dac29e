// SPDX-License-Identifier: Apache-2.0
/**
 * The table itself: a grid whose rows are in the document only while they are in view (about 40,
 * whether there are 50 or 100,000). The grid has the focus and says which row is the active one, so
 * that the arrows work however far the row is and Tab leaves the table in one step.
 */
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useId, useMemo, useRef, useState, type KeyboardEvent, type MouseEvent } from "react";
import { cn } from "@/lib/cn";
import { Checkbox } from "../checkbox";
import { Skeleton } from "../states";
import { Header } from "./header";
import { isVisible } from "./layout";
import { allState, moved, pickAll } from "./range";
import { GridRow } from "./row";
import type { Column, DataTableProps, Sort } from "./types";
import type { Picker } from "./use-picker";

const OVERSCAN = 8;
const WAITING_ROWS = 3;

const widthOf = <Row,>(column: Column<Row>, given: number | undefined): string => {
  if (given !== undefined) return `${given}px`;
  return column.grow ? `minmax(${column.width ?? 120}px, ${column.grow}fr)` : `${column.width ?? 140}px`;
};

const INSIDE = "a, button, input, select, textarea, label, [role=menuitem], [role=checkbox]";

export interface GridProps<Row> extends DataTableProps<Row> {
  sort: Sort | undefined;
  onSort: (sort: Sort) => void;
  picker: Picker | null;
}

function useColumns<Row>({ columns, layout, selection }: GridProps<Row>) {
  const shown = useMemo(() => columns.filter((column) => isVisible(column, layout)), [columns, layout]);
  const widths = layout?.widths;
  const template = useMemo(() => {
    const parts = shown.map((column) => widthOf(column, widths?.[column.id]));
    const fixed = shown.length > 0 && shown.every((column) => widths?.[column.id] !== undefined || !column.grow);
    if (fixed) parts[parts.length - 1] = `minmax(${parts.at(-1)}, 1fr)`; // no empty strip at the right
    return [...(selection ? ["44px"] : []), ...parts].join(" ");
  }, [shown, widths, selection !== undefined]);
  const least = shown.reduce((sum, column) => sum + (widths?.[column.id] ?? column.width ?? (column.grow ? 120 : 140)), selection ? 44 : 0);
  return { shown, template, least };
}

export function Grid<Row>(props: GridProps<Row>) {
  const { rows, rowId, rowName, selection, picker, onOpen, current, rowHeight = 44, hasMore, loadingMore, onMore } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const name = useId();
  const [active, setActive] = useState(-1);
  const { shown, template, least } = useColumns(props);
  const waiting = hasMore ? WAITING_ROWS : 0;

  const virtual = useVirtualizer({
    count: rows.length + waiting,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: OVERSCAN,
    scrollPaddingStart: 40,
  });
  const items = virtual.getVirtualItems();
  const lastSeen = items.at(-1)?.index ?? -1;

  useEffect(() => {
    if (hasMore && !loadingMore && !props.error && lastSeen >= rows.length - 1 - OVERSCAN) onMore?.();
  }, [hasMore, loadingMore, props.error, lastSeen, rows.length, onMore]);

  const move = (index: number) => {
    setActive(index);
    virtual.scrollToIndex(index, { align: "auto" });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget || event.altKey) return;
    const row = rows[active];
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 400) / rowHeight) - 2);
    const next = moved(event.key, active, rows.length, page);
    if (next !== null) {
      if (event.shiftKey && picker && row) picker.extend(active, next);
      move(next);
    } else if (event.key === "Enter" && row && onOpen) onOpen(row);
    else if (event.key === " " && row && picker) picker.toggle(active, event.shiftKey);
    else if (event.key === "a" && (event.ctrlKey || event.metaKey) && selection) selection.onChange(new Set(rows.map(rowId)));
    else if (event.key === "Escape" && selection && selection.ids.size > 0) selection.onChange(new Set());
    else return;
    event.preventDefault();
  };

  const latest = useRef({ rows, onOpen, picker });
  latest.current = { rows, onOpen, picker };
  const onClick = useCallback((index: number, event: MouseEvent) => {
    const inside = (event.target as Element).closest(INSIDE);
    if (inside && event.currentTarget.contains(inside)) return;
    if (window.getSelection()?.toString()) return; // somebody marks text to copy it
    const { rows: now, onOpen: open, picker: choose } = latest.current;
    setActive(index);
    const row = now[index];
    if (event.shiftKey && choose) choose.toggle(index, true);
    else if (row && open) open(row);
  }, []);

  const order = useMemo(() => (selection ? rows.map(rowId) : []), [rows, rowId, selection !== undefined]);
  const headerBox = selection && (
    <Checkbox
      aria-label="Select all rows that are loaded"
      checked={allState(selection.ids, order)}
      onCheckedChange={() => selection.onChange(pickAll(selection.ids, order))}
    />
  );
  const activeId = active >= 0 && active < rows.length ? `${name}-${active}` : undefined;

  return (
    <div
      ref={scroller}
      role="grid"
      aria-label={props.label}
      aria-rowcount={(props.total ?? rows.length) + 1}
      aria-colcount={shown.length + (selection ? 1 : 0)}
      aria-multiselectable={selection ? true : undefined}
      aria-activedescendant={activeId}
      aria-busy={loadingMore || undefined}
      tabIndex={0}
      onKeyDown={onKeyDown}
      onFocus={(event) => event.target === event.currentTarget && active < 0 && rows.length > 0 && setActive(items[0]?.index ?? 0)}
      className={cn("group/grid relative max-h-[calc(100dvh-13rem)] min-h-40 overflow-auto overscroll-contain outline-offset-0", props.className)}
      style={{ ["--columns" as string]: template }}
    >
      <div style={{ minWidth: least }}>
        <Header columns={shown} sort={props.sort} onSort={props.onSort} layout={props.layout} box={headerBox} />
        <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
          {items.map((item) => {
            const row = rows[item.index];
            if (row === undefined) return <WaitingRow key={`waiting ${item.index}`} top={item.start} height={rowHeight} cells={shown.length} box={!!selection} />;
            const id = rowId(row);
            const selected = selection?.ids.has(id);
            return (
              <GridRow
                key={id}
                row={row}
                domId={`${name}-${item.index}`}
                index={item.index}
                top={item.start}
                height={rowHeight}
                columns={shown}
                selected={selected}
                active={item.index === active}
                current={id === current}
                clickable={onOpen !== undefined}
                onClick={onClick}
                box={
                  selection && (
                    <div role="gridcell" className="grid place-items-center pl-2">
                      <Checkbox
                        tabIndex={-1}
                        aria-label={`Select ${rowName?.(row) ?? id}`}
                        checked={selected ?? false}
                        disabled={selection.disabled?.(id)}
                        onClick={(event) => latest.current.picker?.toggle(item.index, event.shiftKey)}
                      />
                    </div>
                  )
                }
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

function WaitingRow({ top, height, cells, box }: { top: number; height: number; cells: number; box: boolean }) {
  return (
    <div role="presentation" className="absolute inset-x-0 top-0 grid grid-cols-(--columns) items-center border-b border-line" style={{ transform: `translateY(${top}px)`, height }}>
      {box && <span />}
      {Array.from({ length: cells }, (_, index) => (
        <div key={index} className="px-3">
          <Skeleton className="h-3.5 w-3/4" />
        </div>
      ))}
    </div>
  );
}
