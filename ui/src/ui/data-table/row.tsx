// SPDX-License-Identifier: Apache-2.0
import { memo, type MouseEvent } from "react";
import { cn } from "@/lib/cn";
import { Checkbox } from "../checkbox";
import { paddingOf } from "./padding";
import type { Column } from "./types";

interface PlaceProps<Row> {
  domId: string;
  index: number;
  height: number;
  columns: readonly Column<Row>[];
  active: boolean;
}

export interface RowProps<Row> extends PlaceProps<Row> {
  row: Row;
  /** How the box that chooses it is called; undefined: it has none. */
  name: string | undefined;
  selected: boolean | undefined;
  /** Can't be chosen. */
  fixed: boolean;
  current: boolean;
  clickable: boolean;
  onClick: (index: number, event: MouseEvent) => void;
  onToggle: (index: number, shift: boolean) => void;
}

const LINE = "absolute inset-x-0 top-0 grid grid-cols-(--columns) border-b border-line contain-content";
const START = "content-center truncate";
const END = "content-center truncate text-right tabular";
const ACTIVE = "group-focus-visible/grid:outline-2 group-focus-visible/grid:-outline-offset-2 group-focus-visible/grid:outline-accent";

const placeOf = ({ index, height }: { index: number; height: number }) => ({ transform: `translateY(${index * height}px)`, height });

function RowOnce<Row>(props: RowProps<Row>) {
  const { row, domId, index, columns, name, selected, fixed, active, current, clickable, onClick, onToggle } = props;
  return (
    <div
      role="row"
      id={domId}
      aria-rowindex={index + 2}
      aria-selected={selected}
      aria-current={current || undefined}
      onClick={(event) => onClick(index, event)}
      style={placeOf(props)}
      className={cn(
        LINE,
        "text-sm hover:bg-surface-2/60",
        clickable && "cursor-pointer",
        selected && "bg-accent-soft/50 hover:bg-accent-soft/70",
        current && "bg-surface-2",
        active && ACTIVE,
      )}
    >
      {name !== undefined && (
        <div role="gridcell" className="grid place-items-center pl-2">
          <Checkbox
            tabIndex={-1}
            aria-label={`Select ${name}`}
            checked={selected ?? false}
            disabled={fixed}
            onClick={(event) => onToggle(index, event.shiftKey)}
          />
        </div>
      )}
      {columns.map((column, place) => (
        <div
          key={column.id}
          role="gridcell"
          className={`${column.align === "end" ? END : START} ${paddingOf(place, columns.length, name !== undefined)}`}
        >
          {column.cell(row)}
        </div>
      ))}
    </div>
  );
}

/** The same row at the same place is drawn once, however often the table is. */
export const GridRow = memo(RowOnce) as typeof RowOnce;

/** A row that is not here yet: as high, and without anything that moves, since there are many while somebody scrolls. */
function WaitingOnce<Row>(props: PlaceProps<Row> & { box: boolean }) {
  const { domId, index, columns, active, box } = props;
  return (
    <div
      role="row"
      id={domId}
      aria-rowindex={index + 2}
      aria-busy="true"
      style={placeOf(props)}
      className={cn(LINE, "items-center", active && ACTIVE)}
    >
      {box && <div role="gridcell" />}
      {columns.map((column, place) => (
        <div key={column.id} role="gridcell" className={paddingOf(place, columns.length, box)}>
          <div aria-hidden className={cn("h-3 w-3/5 rounded-control bg-line/60", column.align === "end" && "ml-auto")} />
        </div>
      ))}
    </div>
  );
}

export const WaitingRow = memo(WaitingOnce) as typeof WaitingOnce;
