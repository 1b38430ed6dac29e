// SPDX-License-Identifier: Apache-2.0
/** The table on a phone: a list of cards that scrolls with the page, in the document only while in view. */
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp } from "lucide-react";
import { useEffect, useLayoutEffect, useRef, useState, type MouseEvent, type ReactNode } from "react";
import { cn } from "@/lib/cn";
import { Button } from "../button";
import { Checkbox } from "../checkbox";
import { NativeSelect } from "../field";
import { Skeleton } from "../states";
import type { GridProps } from "./grid";

const CARD_HEIGHT = 92;
const OVERSCAN = 6;

function SortBy<Row>({ columns, sort, onSort }: Pick<GridProps<Row>, "columns" | "sort" | "onSort">) {
  const sortable = columns.filter((column) => column.sortable);
  const column = sortable.find((one) => one.id === sort?.column) ?? sortable[0];
  if (!column) return null;
  const direction = sort?.direction ?? "asc";
  const Arrow = direction === "asc" ? ArrowUp : ArrowDown;
  return (
    <div className="flex items-center gap-2 border-b border-line p-2">
      <NativeSelect
        aria-label="Sort by"
        value={sort?.column ?? ""}
        onChange={(event) => onSort({ column: event.target.value, direction: sortable.find((one) => one.id === event.target.value)?.first ?? "asc" })}
      >
        {!sort && <option value="">Sort by…</option>}
        {sortable.map((one) => (
          <option key={one.id} value={one.id}>
            Sort by {one.title.toLowerCase()}
          </option>
        ))}
      </NativeSelect>
      <Button
        size="icon"
        aria-label={direction === "asc" ? "Ascending. Turn round." : "Descending. Turn round."}
        onClick={() => onSort({ column: column.id, direction: direction === "asc" ? "desc" : "asc" })}
      >
        <Arrow />
      </Button>
    </div>
  );
}

export function Cards<Row>(props: GridProps<Row> & { renderCard: NonNullable<GridProps<Row>["renderCard"]> }) {
  const { rows, rowId, rowName, selection, picker, onOpen, renderCard, hasMore, loadingMore, onMore } = props;
  const list = useRef<HTMLDivElement>(null);
  const [margin, setMargin] = useState(0);
  useLayoutEffect(() => {
    const top = list.current ? list.current.getBoundingClientRect().top + window.scrollY : 0;
    if (Math.abs(top - margin) > 1) setMargin(top);
  });
  const virtual = useWindowVirtualizer({
    count: rows.length + (hasMore ? 1 : 0),
    estimateSize: () => CARD_HEIGHT,
    overscan: OVERSCAN,
    scrollMargin: margin,
  });
  const items = virtual.getVirtualItems();
  const lastSeen = items.at(-1)?.index ?? -1;
  useEffect(() => {
    if (hasMore && !loadingMore && !props.error && lastSeen >= rows.length - 1 - OVERSCAN) onMore?.();
  }, [hasMore, loadingMore, props.error, lastSeen, rows.length, onMore]);

  return (
    <div>
      <SortBy columns={props.columns} sort={props.sort} onSort={props.onSort} />
      <div ref={list} role="list" aria-label={props.label} className="relative" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = rows[item.index];
          const id = row === undefined ? "" : rowId(row);
          const selected = selection?.ids.has(id) ?? false;
          return (
            <div
              key={item.key}
              ref={virtual.measureElement}
              data-index={item.index}
              role="listitem"
              className={cn("absolute inset-x-0 top-0 flex gap-3 border-b border-line px-4 py-3", selected && "bg-accent-soft/50")}
              style={{ transform: `translateY(${item.start - margin}px)` }}
            >
              {row === undefined ? (
                <Skeleton className="h-14 grow" />
              ) : (
                <>
                  {selection && (
                    <Checkbox
                      className="-mt-0.5"
                      aria-label={`Select ${rowName?.(row) ?? id}`}
                      checked={selected}
                      disabled={selection.disabled?.(id)}
                      onClick={(event) => picker?.toggle(item.index, event.shiftKey)}
                    />
                  )}
                  <CardBody onOpen={onOpen && (() => onOpen(row))}>{renderCard(row, { selected })}</CardBody>
                </>
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

const INSIDE = "a, button, input, select, textarea, label";

/** A tap opens; by keyboard it is the link in the card that does. */
function CardBody({ onOpen, children }: { onOpen: (() => void) | undefined; children: ReactNode }) {
  const click = (event: MouseEvent) => {
    if (!(event.target as Element).closest(INSIDE)) onOpen?.();
  };
  return (
    <div className="min-w-0 grow" onClick={onOpen && click}>
      {children}
    </div>
  );
}
