// SPDX-License-Identifier: Apache-2.0
import type { KeyboardEvent } from "react";
import type { GridProps } from "./grid";
import { idsInMemory, moved } from "./range";

interface Place {
  /** The row that the keys are at; -1: none. */
  active: number;
  /** Rows that can be scrolled to. */
  count: number;
  /** Rows of a page. */
  page: () => number;
  move: (index: number) => void;
}

/** Everything there is; of rows by pages, what has come. */
function chooseAll<Row>({ source, rowId, selection }: GridProps<Row>): void {
  if (selection?.all) selection.all.set(true);
  else selection?.onChange(new Set(idsInMemory(source, rowId)));
}

/** False: the key means nothing here. */
function act<Row>(event: KeyboardEvent, props: GridProps<Row>, { active, count, page, move }: Place): boolean {
  const { source, picker, onOpen, selection } = props;
  const row = source.at(active);
  const next = moved(event.key, active, count, page());
  if (next !== null) {
    if (event.shiftKey && picker && row !== undefined) picker.extend(active, next);
    move(next);
    return true;
  }
  if (event.key === "Enter" && row !== undefined && onOpen) onOpen(row);
  else if (event.key === " " && row !== undefined && picker) picker.toggle(active, event.shiftKey);
  else if (event.key === "a" && (event.ctrlKey || event.metaKey) && selection) chooseAll(props);
  else if (event.key === "Escape" && selection && (selection.ids.size > 0 || selection.all?.chosen)) selection.onChange(new Set());
  else return false;
  return true;
}

/** Arrows, pages and ends move; Enter opens, Space chooses, Ctrl+A chooses all, Escape none. */
export const gridKeys =
  <Row,>(props: GridProps<Row>, place: Place) =>
  (event: KeyboardEvent): void => {
    if (event.target !== event.currentTarget || event.altKey) return;
    if (act(event, props, place)) event.preventDefault();
  };
