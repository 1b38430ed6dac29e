// SPDX-License-Identifier: Apache-2.0
import { Columns3 } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import { Button } from "../button";
import { Menu, MenuCheck, MenuItem, MenuLabel, MenuLine } from "../menu";
import type { Column, TableLayout } from "./types";

type Kept = Pick<TableLayout, "visible" | "widths">;

const NOTHING: Kept = { visible: {}, widths: {} };

function read(key: string): Kept {
  try {
    return { ...NOTHING, ...(JSON.parse(localStorage.getItem(key) ?? "{}") as Partial<Kept>) };
  } catch {
    return NOTHING; // of an older version: begin anew
  }
}

/** The columns of the table `name` as this browser had them last. */
export function useTableLayout(name: string): TableLayout {
  const key = `muster.table.${name}`;
  const [kept, setKept] = useState<Kept>(() => read(key));
  const change = useCallback(
    (next: (was: Kept) => Kept) =>
      setKept((was) => {
        const now = next(was);
        localStorage.setItem(key, JSON.stringify(now));
        return now;
      }),
    [key],
  );
  return useMemo(
    () => ({
      ...kept,
      setVisible: (id, visible) => change((was) => ({ ...was, visible: { ...was.visible, [id]: visible } })),
      setWidth: (id, width) => change((was) => ({ ...was, widths: { ...was.widths, [id]: Math.round(width) } })),
      reset: () => change(() => NOTHING),
    }),
    [kept, change],
  );
}

export const isVisible = <Row,>(column: Column<Row>, layout: TableLayout | undefined): boolean =>
  column.always || (layout?.visible[column.id] ?? !column.hidden);

export interface ColumnsMenuProps<Row> {
  columns: readonly Column<Row>[];
  layout: TableLayout;
  /** Where the line is full. */
  iconOnly?: boolean;
}

/** Which columns to show. */
export function ColumnsMenu<Row>({ columns, layout, iconOnly }: ColumnsMenuProps<Row>) {
  return (
    <Menu
      trigger={
        <Button aria-label="Columns" title={iconOnly ? "Columns" : undefined} size={iconOnly ? "icon" : "md"}>
          <Columns3 />
          {!iconOnly && <span className="max-sm:hidden">Columns</span>}
        </Button>
      }
    >
      <MenuLabel>Columns</MenuLabel>
      {columns.map((column) => (
        <MenuCheck
          key={column.id}
          checked={isVisible(column, layout)}
          disabled={column.always}
          onChange={(visible) => layout.setVisible(column.id, visible)}
        >
          {column.title}
        </MenuCheck>
      ))}
      <MenuLine />
      <MenuItem onSelect={layout.reset}>As at first</MenuItem>
    </Menu>
  );
}
