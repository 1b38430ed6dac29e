// SPDX-License-Identifier: Apache-2.0
/** The table on a phone: a list of cards that scrolls with the page, in the document only while in view. */
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp } from "lucide-react";
import { useCallback, useLayoutEffect, useRef, useState, type CSSProperties, type MouseEvent, type ReactNode, type Ref } from "react";
import { cn } from "@/lib/cn";
import { Button } from "../button";
import { Checkbox } from "../checkbox";
import { NativeSelect } from "../field";
import { useGradual } from "./gradual";
import { useMore, type GridProps } from "./grid";
import { rowsThatFit, useLook, useRowWindow, type Sight } from "./row-window";

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
        onChange={(event) =>
          onSort({ column: event.target.value, direction: sortable.find((one) => one.id === event.target.value)?.first ?? "asc" })
        }
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

type CardsProps<Row> = GridProps<Row> & { renderCard: NonNullable<GridProps<Row>["renderCard"]> };

export function Cards<Row>(props: CardsProps<Row>) {
  const List = props.source.look ? FixedCards : MeasuredCards;
  return (
    <div>
      <SortBy columns={props.columns} sort={props.sort} onSort={props.onSort} />
      <List {...props} />
    </div>
  );
}

interface CardProps<Row> extends CardsProps<Row> {
  index: number;
  /** Its turn to be drawn has come. */
  isDrawn: boolean;
  style: CSSProperties;
  /** Of what measures it. */
  cardRef?: Ref<HTMLDivElement>;
}

function Card<Row>({ source, rowId, rowName, selection, picker, onOpen, renderCard, index, isDrawn, style, cardRef }: CardProps<Row>) {
  const row = isDrawn ? source.at(index) : undefined;
  const id = row === undefined ? "" : rowId(row);
  const selected = row !== undefined && selection !== undefined && (selection.all?.chosen || selection.ids.has(id));
  return (
    <div
      ref={cardRef}
      data-index={index}
      role="listitem"
      aria-busy={row === undefined || undefined}
      aria-setsize={source.count}
      aria-posinset={index + 1}
      className={cn("absolute inset-x-0 top-0 flex gap-3 overflow-hidden border-b border-line px-4 py-3", selected && "bg-accent-soft/50")}
      style={style}
    >
      {row === undefined ? (
        <WaitingCard />
      ) : (
        <>
          {selection && (
            <Checkbox
              className="-mt-0.5"
              aria-label={`Select ${rowName?.(row) ?? id}`}
              checked={selected}
              disabled={selection.disabled?.(id)}
              onClick={(event) => picker?.toggle(index, event.shiftKey)}
            />
          )}
          <CardBody onOpen={onOpen && (() => onOpen(row))}>{renderCard(row, { selected })}</CardBody>
        </>
      )}
    </div>
  );
}

const WaitingCard = () => (
  <div aria-hidden className="grid grow content-center gap-2.5">
    <div className="h-3.5 w-1/2 rounded-control bg-line/60" />
    <div className="h-3 w-3/4 rounded-control bg-line/60" />
  </div>
);

const theWindow = () => null;

/** Any number of cards of one height, where rows are read by place. */
function FixedCards<Row>(props: CardsProps<Row>) {
  const { source, cardHeight = CARD_HEIGHT } = props;
  const list = useRef<HTMLDivElement>(null);
  const sight = useCallback(
    (): Sight | null => list.current && { top: -list.current.getBoundingClientRect().top, height: window.innerHeight },
    [],
  );
  const count = rowsThatFit(source.count, cardHeight);
  const rows = useRowWindow(theWindow, sight, cardHeight, count);
  useLook(source.look, rows, source);
  const drawn = useGradual(rows, source);
  const shown = useRef(source.list);
  useLayoutEffect(() => {
    if (shown.current !== source.list && (sight()?.top ?? 0) > 0) list.current?.scrollIntoView();
    shown.current = source.list;
  }, [source.list, sight]);
  return (
    <div ref={list} role="list" aria-label={props.label} className="relative scroll-mt-32" style={{ height: count * cardHeight }}>
      {Array.from({ length: rows.end - rows.first }, (_, offset) => {
        const index = rows.first + offset;
        return (
          <Card
            key={index}
            {...props}
            index={index}
            isDrawn={drawn.has(index)}
            style={{ transform: `translateY(${index * cardHeight}px)`, height: cardHeight }}
          />
        );
      })}
    </div>
  );
}

/** Cards as high as what is in them. */
function MeasuredCards<Row>(props: CardsProps<Row>) {
  const list = useRef<HTMLDivElement>(null);
  const [margin, setMargin] = useState(0);
  useLayoutEffect(() => {
    const top = list.current ? list.current.getBoundingClientRect().top + window.scrollY : 0;
    if (Math.abs(top - margin) > 1) setMargin(top);
  });
  const virtual = useWindowVirtualizer({
    count: props.source.count + (props.hasMore ? 1 : 0),
    estimateSize: () => CARD_HEIGHT,
    overscan: OVERSCAN,
    scrollMargin: margin,
  });
  const items = virtual.getVirtualItems();
  useMore(props, items.at(-1)?.index ?? -1);
  return (
    <div ref={list} role="list" aria-label={props.label} className="relative" style={{ height: virtual.getTotalSize() }}>
      {items.map(({ key, index, start }) => (
        <Card
          key={key}
          {...props}
          index={index}
          isDrawn
          cardRef={virtual.measureElement}
          style={{ transform: `translateY(${start - margin}px)` }}
        />
      ))}
    </div>
  );
}

const INSIDE = "a, button, input, select, textarea, label";
/** What is in it gets no wider than the card: a long name is cut, the state beside it stays in view. */
const BODY = "min-w-0 grow *:grid-cols-[minmax(0,1fr)] [&>button>*]:grid-cols-[minmax(0,1fr)]";

/** A tap opens; by keyboard it is the link in the card that does. */
function CardBody({ onOpen, children }: { onOpen: (() => void) | undefined; children: ReactNode }) {
  const click = (event: MouseEvent) => {
    if (!(event.target as Element).closest(INSIDE)) onOpen?.();
  };
  return (
    <div className={BODY} onClick={onOpen && click}>
      {children}
    </div>
  );
}
