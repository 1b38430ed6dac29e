// SPDX-License-Identifier: Apache-2.0
/**
 * Rows and columns, from ten to 100,000:
 *
 *   const COLUMNS: Column<Device>[] = [
 *     { id: "alias", title: "Device", grow: 2, width: 180, sortable: true, always: true,
 *       cell: (device) => <Link to={`/devices/${device.id}`}>{device.alias}</Link> },
 *     { id: "battery", title: "Battery", width: 96, align: "end", sortable: true, first: "asc",
 *       cell: (device) => device.last?.battery ?? "–" },
 *   ];
 *   const layout = useTableLayout("devices");
 *   const list = useKeyset(["devices", filter], (cursor) => …);      // lib/keyset.ts
 *   <Card>
 *     <DataTable label="Devices" columns={COLUMNS} layout={layout} rows={list.rows} rowId={deviceId} {...list.table}
 *       sort={sort} onSort={setSort} selection={{ ids, onChange: setIds }} onOpen={(device) => navigate(…)}
 *       renderCard={(device) => <DeviceCard device={device} />} empty={<Empty title="No devices" />} />
 *   </Card>
 *
 * Of a list too long for memory, useSparse (lib/sparse) gives the rows that are looked at.
 * Without `onSort` it sorts the rows itself by `compare`. Beside it: <ColumnsMenu columns={COLUMNS} layout={layout} />.
 */
import { useMemo, useState } from "react";
import { count } from "@/lib/format";
import { useIsPhone } from "@/lib/use-media";
import { Cards } from "./data-table/cards";
import { Grid } from "./data-table/grid";
import { rowsThatFit } from "./data-table/row-window";
import type { DataTableProps, RowSource, Sort } from "./data-table/types";
import { usePicker } from "./data-table/use-picker";
import { Empty, Failure, Skeleton } from "./states";

export { ColumnsMenu, useTableLayout } from "./data-table/layout";
export type { Column, DataTableProps, Direction, RowSource, Sort, TableLayout, TableSelection } from "./data-table/types";

const isSource = <Row,>(rows: DataTableProps<Row>["rows"]): rows is RowSource<Row> => "at" in rows && "count" in rows;

/** The rows by their places; an array in the order of a column's `compare`, equals as they were. */
function useSource<Row>({ rows, columns, onSort }: DataTableProps<Row>, sort: Sort | undefined): RowSource<Row> {
  return useMemo(() => {
    if (isSource(rows)) return rows;
    const compare = onSort ? undefined : columns.find((column) => column.id === sort?.column)?.compare;
    const sign = sort?.direction === "desc" ? -1 : 1;
    const sorted = compare ? rows.toSorted((a, b) => sign * compare(a, b)) : rows;
    return { list: null, count: sorted.length, at: (index) => sorted[index] };
  }, [rows, columns, onSort, sort]);
}

const WAITING = [0.9, 0.7, 0.8, 0.6, 0.85, 0.65, 0.75, 0.7];

function Loading({ label }: { label: string }) {
  return (
    <div role="status" aria-label={`${label} are being read`} className="grid">
      {WAITING.map((share, index) => (
        <div key={index} className="flex h-11 items-center gap-6 border-b border-line px-4 last:border-0">
          <Skeleton className="h-3.5 grow-2" />
          <Skeleton className="h-3.5 grow max-sm:hidden" />
          <div className="grow">
            <div style={{ width: `${share * 100}%` }}>
              <Skeleton className="h-3.5" />
            </div>
          </div>
        </div>
      ))}
    </div>
  );
}

function lengthInWords(shown: number, total: number | undefined, hasMore: boolean, reachable: number): string {
  if (reachable < shown) return `The first ${count(reachable)} of ${count(shown)}: search for the others`;
  if (total !== undefined && total > shown) return `${count(shown)} of ${count(total)} loaded`;
  return hasMore ? `${count(shown)} loaded, more below` : `${count(shown)} in all`;
}

function Foot<Row>({ source, total, hasMore = false, selection, rowHeight = 44 }: DataTableProps<Row> & { source: RowSource<Row> }) {
  const chosen = selection?.all?.chosen ? source.count : (selection?.ids.size ?? 0);
  return (
    <p className="flex min-h-9 items-center gap-3 px-4 text-xs text-ink-3 tabular" aria-live="polite">
      <span>{lengthInWords(source.count, total, hasMore, rowsThatFit(source.count, rowHeight))}</span>
      {chosen > 0 && <span className="font-medium text-accent">{count(chosen)} selected</span>}
    </p>
  );
}

export function DataTable<Row>(props: DataTableProps<Row>) {
  const [ownSort, setOwnSort] = useState<Sort | undefined>(props.sort);
  const sort = props.onSort ? props.sort : ownSort;
  const source = useSource(props, sort);
  const picker = usePicker(source, props.rowId, props.selection);
  const phone = useIsPhone();

  if (source.count === 0) {
    if (props.error) return <Failure error={props.error} retry={props.retry} className="m-4" />;
    if (props.loading) return <Loading label={props.label} />;
    return <>{props.empty ?? <Empty title="Nothing here" />}</>;
  }
  const inner = { ...props, source, sort, onSort: props.onSort ?? setOwnSort, picker };
  return (
    <div>
      {phone && props.renderCard ? <Cards {...inner} renderCard={props.renderCard} /> : <Grid {...inner} />}
      {props.error ? <Failure error={props.error} retry={props.retry} className="m-3" /> : null}
      <Foot {...props} source={source} />
    </div>
  );
}
