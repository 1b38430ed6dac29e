// SPDX-License-Identifier: Apache-2.0
import type { ReactNode } from "react";

/** A column; the list of them is made once (outside of the component, or in useMemo), so that rows stay as they are. */
export interface Column<Row> {
  id: string;
  /** In the header and in the columns' menu. */
  title: string;
  cell: (row: Row) => ReactNode;
  /** Pixels; the least of them when it grows. */
  width?: number;
  /** Its share of the room that is left; without it the width is fixed. */
  grow?: number;
  align?: "start" | "end";
  sortable?: boolean;
  /** How rows in memory are ordered by it; a table that asks the appliance (`onSort`) needs none. */
  compare?: (a: Row, b: Row) => number;
  /** The first click on the header; "desc" for what one wants the most of. */
  first?: Direction;
  /** Not shown until it is chosen. */
  hidden?: boolean;
  /** Can't be hidden. */
  always?: boolean;
}

export type Direction = "asc" | "desc";

export interface Sort {
  column: string;
  direction: Direction;
}

export interface TableSelection {
  ids: ReadonlySet<string>;
  onChange: (ids: ReadonlySet<string>) => void;
  /** For some rows there is nothing to choose. */
  disabled?: (id: string) => boolean;
  /** All there are, without naming them: where rows are not all in memory. */
  all?: { chosen: boolean; set: (chosen: boolean) => void };
}

/** Rows of which not all are in memory (lib/sparse): the table says where it looks. */
export interface RowSource<Row> {
  /** Another list begins at its top. */
  list: unknown;
  /** How many there are, here or not. */
  count: number;
  /** undefined: not here yet. */
  at: (index: number) => Row | undefined;
  /** What is in view, the last exclusive. */
  look?: (first: number, end: number) => void;
  /** All rows of a range, read where they are not here. */
  range?: (first: number, end: number) => Promise<readonly Row[]>;
}

export interface CardState {
  selected: boolean;
}

export interface DataTableProps<Row> {
  /** What the table is, for those who can't see it. */
  label: string;
  columns: readonly Column<Row>[];
  /** In memory: all of them. By pages: what has come so far. By place (useSparse): what is near the view. */
  rows: readonly Row[] | RowSource<Row>;
  rowId: (row: Row) => string;
  /** How a row is called where it must be named ("Select Till 4"). */
  rowName?: (row: Row) => string;

  /** How many there are in all, if known. */
  total?: number;
  hasMore?: boolean;
  loadingMore?: boolean;
  /** The end of what has come is near. */
  onMore?: () => void;

  /** With onSort the appliance sorts; without, the table does, by `compare`. */
  sort?: Sort;
  onSort?: (sort: Sort) => void;

  selection?: TableSelection;
  /** Click and Enter. */
  onOpen?: (row: Row) => void;
  /** The row whose details are shown beside. */
  current?: string;

  layout?: TableLayout;
  /** On a phone, instead of columns. */
  renderCard?: (row: Row, state: CardState) => ReactNode;
  /** Pixels of each card, where rows are read by place; otherwise cards are as high as what is in them. */
  cardHeight?: number;

  loading?: boolean;
  error?: unknown;
  retry?: () => void;
  empty?: ReactNode;

  rowHeight?: number;
  /** Of the part that scrolls; its greatest height by default leaves the page's head in view. */
  className?: string;
}

/** Which columns are shown and how wide: remembered in the browser. */
export interface TableLayout {
  visible: Record<string, boolean>;
  widths: Record<string, number>;
  setVisible: (id: string, visible: boolean) => void;
  setWidth: (id: string, width: number) => void;
  reset: () => void;
}
