// SPDX-License-Identifier: Apache-2.0
import { useMemo } from "react";
import { isVisible } from "./layout";
import type { Column, DataTableProps } from "./types";

const BOX_WIDTH = 44;

const widthOf = <Row>(column: Column<Row>, given: number | undefined): string => {
  if (given !== undefined) return `${given}px`;
  return column.grow ? `minmax(${column.width ?? 120}px, ${column.grow}fr)` : `${column.width ?? 140}px`;
};

/** The columns that are shown, as a grid's template, and how wide they are at least. */
export function useColumns<Row>({ columns, layout, selection }: DataTableProps<Row>) {
  const shown = useMemo(() => columns.filter((column) => isVisible(column, layout)), [columns, layout]);
  const widths = layout?.widths;
  const box = selection !== undefined;
  const template = useMemo(() => {
    const parts = shown.map((column) => widthOf(column, widths?.[column.id]));
    const fixed = shown.length > 0 && shown.every((column) => widths?.[column.id] !== undefined || !column.grow);
    if (fixed) parts[parts.length - 1] = `minmax(${parts.at(-1)}, 1fr)`; // no empty strip at the right
    return [...(box ? [`${BOX_WIDTH}px`] : []), ...parts].join(" ");
  }, [shown, widths, box]);
  const least = shown.reduce(
    (sum, column) => sum + (widths?.[column.id] ?? column.width ?? (column.grow ? 120 : 140)),
    box ? BOX_WIDTH : 0,
  );
  return { shown, template, least };
}
