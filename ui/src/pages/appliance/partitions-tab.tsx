// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { CalendarDays } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import { bytes, count, short } from "@/lib/format";
import { serverNow } from "@/live/server-now";
import { Badge, type Tone } from "@/ui/badge";
import { Card, CardHeader } from "@/ui/card";
import { DataTable, type Column } from "@/ui/data-table";
import { NativeSelect } from "@/ui/field";
import { Stat } from "@/ui/stat";
import { Empty, Failure, Skeleton } from "@/ui/states";
import { tableName } from "./archives-tab";
import { isShort, tablesOf, type Partition, type TableFacts } from "./partition-facts";

const MOST = 2000;

const utcToday = () => new Date(serverNow() * 1000).toISOString().slice(0, 10);

/** Where a day is on its way: made ahead, today's, held, leaving. */
function stateOf({ state, day }: Partition, today: string): { tone: Tone; says: string } {
  if (state === "attached")
    return day > today
      ? { tone: "neutral", says: "made ahead" }
      : day === today
        ? { tone: "ok", says: "today" }
        : { tone: "ok", says: "held" };
  return state === "restored" ? { tone: "accent", says: "restored" } : { tone: "info", says: state };
}

function State({ partition, today }: { partition: Partition; today: string }) {
  const { tone, says } = stateOf(partition, today);
  return <Badge tone={tone}>{says}</Badge>;
}

const columnsOf = (today: string): Column<Partition>[] => [
  {
    id: "day",
    title: "Day",
    width: 120,
    grow: 1,
    always: true,
    sortable: true,
    first: "desc",
    compare: (a, b) => a.day.localeCompare(b.day),
    cell: (one) => <span className="font-medium tabular">{one.day}</span>,
  },
  { id: "parent", title: "Table", width: 150, cell: (one) => <span className="first-letter:uppercase">{tableName(one.parent)}</span> },
  { id: "state", title: "State", width: 120, cell: (one) => <State partition={one} today={today} /> },
  {
    id: "rows",
    title: "Rows, about",
    width: 120,
    align: "end",
    sortable: true,
    first: "desc",
    compare: (a, b) => (a.rows ?? 0) - (b.rows ?? 0),
    cell: (one) => (one.rows === null ? <span className="text-ink-3">–</span> : count(one.rows)),
  },
  {
    id: "bytes",
    title: "On disk",
    width: 110,
    align: "end",
    sortable: true,
    first: "desc",
    compare: (a, b) => a.bytes - b.bytes,
    cell: (one) => bytes(one.bytes),
  },
  {
    id: "partition",
    title: "Name",
    width: 220,
    grow: 1,
    cell: (one) => <span className="truncate font-mono text-xs">{one.partition}</span>,
  },
];

function PartitionCard({ partition, today }: { partition: Partition; today: string }) {
  return (
    <div className="grid gap-1">
      <p className="flex items-center justify-between gap-2 text-sm font-medium">
        <span className="tabular">{partition.day}</span>
        <State partition={partition} today={today} />
      </p>
      <p className="text-xs text-ink-2 tabular">
        {tableName(partition.parent)} · {partition.rows === null ? "" : `${count(partition.rows)} rows · `}
        {bytes(partition.bytes)}
      </p>
    </div>
  );
}

function hintOf(table: TableFacts): string {
  const days = (number: number) => `${count(number)} ${number === 1 ? "day" : "days"}`;
  const parts = [
    `${days(table.held)}${table.oldest ? ` since ${table.oldest}` : ""}`,
    `${count(table.ahead)} ahead`,
    table.leaving > 0 && `${count(table.leaving)} leaving`,
    table.restored > 0 && `${count(table.restored)} restored`,
  ];
  return parts.filter(Boolean).join(" · ");
}

function TableStat({ table }: { table: TableFacts }) {
  return (
    <Stat
      label={<span className="inline-block first-letter:uppercase">{tableName(table.parent)}</span>}
      tone={isShort(table) ? "bad" : "ok"}
      value={bytes(table.bytes)}
      unit={table.rows > 0 ? `about ${short(table.rows)} rows` : undefined}
      hint={hintOf(table)}
    />
  );
}

/** The days that PostgreSQL holds: one partition each, made ahead, and gone as a whole. */
export function PartitionsTab() {
  const [parent, setParent] = useState("heartbeats");
  const query = useQuery({
    queryKey: ["partitions"],
    queryFn: ({ signal }) => api.get("/admin/partitions", { query: { limit: MOST }, signal }),
  });
  if (query.error && !query.data) return <Failure error={query.error} retry={() => void query.refetch()} />;
  const today = utcToday();
  const partitions = query.data?.partitions ?? [];
  const tables = tablesOf(partitions, today);
  const rows = partitions.filter((one) => !parent || one.parent === parent);
  return (
    <div className="grid gap-4">
      <div className="grid gap-3 sm:grid-cols-3">
        {query.isPending && [0, 1, 2].map((one) => <Skeleton key={one} className="h-24" />)}
        {tables.map((table) => (
          <TableStat key={table.parent} table={table} />
        ))}
      </div>
      <Card className="overflow-hidden">
        <CardHeader
          title="Days"
          hint="One partition each: made a week ahead, written, and past its retention archived as a whole. Days are UTC's."
          actions={
            <NativeSelect
              aria-label="Table"
              className="h-8 w-auto text-xs"
              value={parent}
              onChange={(event) => setParent(event.target.value)}
            >
              <option value="">All tables</option>
              {tables.map((table) => (
                <option key={table.parent} value={table.parent}>
                  {tableName(table.parent)}
                </option>
              ))}
            </NativeSelect>
          }
        />
        <DataTable
          label="Partitions"
          columns={columnsOf(today)}
          rows={rows}
          rowId={(one) => one.partition}
          loading={query.isPending}
          renderCard={(one) => <PartitionCard partition={one} today={today} />}
          empty={
            <Empty icon={CalendarDays} title="No partition is there">
              The appliance makes them at its start; the log says why it could not.
            </Empty>
          }
        />
      </Card>
    </div>
  );
}
