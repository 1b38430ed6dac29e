// SPDX-License-Identifier: Apache-2.0
/**
 * The table itself: a grid whose rows are in the document only while they are in view (about 40,
 * whether there are 50 or 100,000). The grid has the focus and says which row is the active one, so
 * that the arrows work however far the row is and Tab leaves the table in one step.
 */
import { useCallback, useEffect, useId, useMemo, useRef, useState } from "react";
import type { MouseEvent, ReactNode, UIEvent } from "react";
import { cn } from "@/lib/cn";
import { Checkbox } from "../checkbox";
import { useGradual } from "./gradual";
import { Header } from "./header";
import { usePlace } from "./places";
import { allState, idsInMemory, pickAll, type AllState } from "./range";
import { RightEdge } from "./right-edge";
import { GridRow, WaitingRow } from "./row";
import { rowsThatFit, topToShow, useLook, useRowWindow, type Rows, type Sight } from "./row-window";
import type { Column, DataTableProps, RowSource, Sort } from "./types";
import { useColumns } from "./use-columns";
import { gridKeys } from "./use-grid-keys";
import type { Picker } from "./use-picker";

const WAITING_ROWS = 3;
/** The next page is asked for when so few rows are left. */
const NEAR_END = 8;

const INSIDE = "a, button, input, select, textarea, label, [role=menuitem], [role=checkbox]";

export interface GridProps<Row> extends DataTableProps<Row> {
  source: RowSource<Row>;
  sort: Sort | undefined;
  onSort: (sort: Sort) => void;
  picker: Picker | null;
}

/** The next page of what comes by pages, when its end is near. */
export function useMore<Row>({ hasMore, loadingMore, error, onMore, source }: GridProps<Row>, lastSeen: number): void {
  useEffect(() => {
    if (hasMore && !loadingMore && !error && lastSeen >= source.count - 1 - NEAR_END) onMore?.();
  }, [hasMore, loadingMore, error, lastSeen, source.count, onMore]);
}

/** The scrolled part: which rows are in it, where it was left, and how a row comes into it. */
function useScroller<Row>({ label, source, rowHeight = 44 }: GridProps<Row>, count: number) {
  const scroller = useRef<HTMLDivElement>(null);
  const body = useRef<HTMLDivElement>(null);
  const target = useCallback(() => scroller.current, []);
  const sight = useCallback((): Sight | null => {
    const [outer, inner] = [scroller.current, body.current];
    return outer && inner && { top: outer.scrollTop, height: outer.clientHeight - inner.offsetTop }; // the header covers the rest
  }, []);
  const rows = useRowWindow(target, sight, rowHeight, count);
  useLook(source.look, rows, source);
  const keep = usePlace(label, source.list, scroller);
  const bringIntoView = (index: number) => {
    const seen = sight();
    const top = seen && topToShow(index, seen, rowHeight);
    if (top !== null && scroller.current) scroller.current.scrollTop = top;
  };
  const pageRows = () => Math.max(1, Math.floor((scroller.current?.clientHeight ?? 400) / rowHeight) - 2);
  const onScroll = (event: UIEvent) => event.target === event.currentTarget && keep();
  return { scroller, body, rows, rowHeight, bringIntoView, pageRows, onScroll };
}

/** A click opens, or with shift chooses all from the one chosen last; the same function for all rows and draws. */
function useRowClick<Row>({ source, onOpen, picker }: GridProps<Row>, setActive: (index: number) => void) {
  const latest = useRef({ source, onOpen, picker });
  latest.current = { source, onOpen, picker };
  const onClick = useCallback(
    (index: number, event: MouseEvent) => {
      const inside = (event.target as Element).closest(INSIDE);
      if (inside && event.currentTarget.contains(inside)) return;
      if (window.getSelection()?.toString()) return; // somebody marks text to copy it
      const { source: now, onOpen: open, picker: choose } = latest.current;
      setActive(index);
      const row = now.at(index);
      if (event.shiftKey && choose) choose.toggle(index, true);
      else if (row !== undefined && open) open(row);
    },
    [setActive],
  );
  const onToggle = useCallback((index: number, shift: boolean) => latest.current.picker?.toggle(index, shift), []);
  return { onClick, onToggle };
}

function HeaderBox<Row>({ source, rowId, selection }: GridProps<Row>) {
  const order = useMemo(() => (selection?.all ? [] : idsInMemory(source, rowId)), [source, rowId, selection?.all === undefined]);
  if (!selection) return null;
  const { all, ids } = selection;
  const state: AllState = all ? all.chosen || (ids.size > 0 && "indeterminate") : allState(ids, order);
  return (
    <Checkbox
      aria-label={all ? "Select all that match" : "Select all rows that are loaded"}
      checked={state}
      onCheckedChange={() => (all ? all.set(!all.chosen) : selection.onChange(pickAll(ids, order)))}
    />
  );
}

interface BodyProps<Row> extends GridProps<Row> {
  inView: Rows;
  shown: readonly Column<Row>[];
  active: number;
  domId: (index: number) => string;
  height: number;
  onClick: (index: number, event: MouseEvent) => void;
  onToggle: (index: number, shift: boolean) => void;
}

/**
 * The rows in view. Waiting ones go round: while the list flies by, the same elements are moved from place to place,
 * since to make and drop thousands of them a second is what the browser pays for later.
 */
function Body<Row>(props: BodyProps<Row>) {
  const { source, inView, rowId, rowName, selection, current, onOpen, shown, active, domId, height, onClick, onToggle } = props;
  const drawn = useGradual(inView, source);
  const length = inView.end - inView.first;
  const waiting: ReactNode[] = Array.from({ length }, () => null);
  const here: ReactNode[] = [];
  for (let index = inView.first; index < inView.end; index++) {
    const row = drawn.has(index) ? source.at(index) : undefined;
    const place = { domId: domId(index), index, height, columns: shown, active: index === active };
    const slot = index % length;
    if (row === undefined) {
      waiting[slot] = <WaitingRow key={slot} {...place} box={selection !== undefined} />;
      continue;
    }
    const id = rowId(row);
    here.push(
      <GridRow
        key={index}
        {...place}
        row={row}
        name={selection && (rowName?.(row) ?? id)}
        selected={selection && (selection.all?.chosen || selection.ids.has(id))}
        fixed={selection?.disabled?.(id) ?? false}
        current={id === current}
        clickable={onOpen !== undefined}
        onClick={onClick}
        onToggle={onToggle}
      />,
    );
  }
  return (
    <>
      {here}
      {waiting}
    </>
  );
}

export function Grid<Row>(props: GridProps<Row>) {
  const { source, selection, hasMore } = props;
  const name = useId();
  const [active, setActive] = useState(-1);
  const { shown, template, least } = useColumns(props);
  const reachable = rowsThatFit(source.count, props.rowHeight ?? 44);
  const count = reachable + (hasMore ? WAITING_ROWS : 0);
  const { scroller, body, rows, rowHeight, bringIntoView, pageRows, onScroll } = useScroller(props, count);
  const clicks = useRowClick(props, setActive);
  useMore(props, rows.end - 1);

  const domId = (index: number) => `${name}-${index}`;
  const move = (index: number) => {
    setActive(index);
    bringIntoView(index);
  };
  const firstFocus = () => active < 0 && setActive(Math.min(reachable - 1, Math.ceil((scroller.current?.scrollTop ?? 0) / rowHeight)));
  const isDrawn = active >= rows.first && active < Math.min(rows.end, reachable);
  return (
    <div className="relative">
      <div
        ref={scroller}
        role="grid"
        aria-label={props.label}
        aria-rowcount={(props.total ?? source.count) + 1}
        aria-colcount={shown.length + (selection ? 1 : 0)}
        aria-multiselectable={selection ? true : undefined}
        aria-activedescendant={isDrawn ? domId(active) : undefined}
        aria-busy={props.loadingMore || undefined}
        tabIndex={0}
        onScroll={onScroll}
        onKeyDown={gridKeys(props, { active, count: reachable, page: pageRows, move })}
        onFocus={(event) => event.target === event.currentTarget && firstFocus()}
        className={cn(
          "group/grid relative max-h-[max(10rem,calc(100dvh-13rem))] overflow-auto overscroll-contain outline-offset-0",
          props.className,
        )}
        style={{ ["--columns" as string]: template }}
      >
        <div style={{ minWidth: least }}>
          <Header
            columns={shown}
            sort={props.sort}
            onSort={props.onSort}
            layout={props.layout}
            box={selection && <HeaderBox {...props} />}
          />
          <div ref={body} role="rowgroup" className="relative" style={{ height: count * rowHeight }}>
            <Body {...props} inView={rows} shown={shown} active={active} domId={domId} height={rowHeight} {...clicks} />
          </div>
        </div>
      </div>
      <RightEdge scroller={scroller} least={least} />
    </div>
  );
}
