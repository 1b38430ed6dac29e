// SPDX-License-Identifier: Apache-2.0
import { BatteryCharging, Smartphone, Laptop } from "lucide-react";
import type { PointerEvent } from "react";
import { Link } from "react-router";
import { cn } from "@/lib/cn";
import { lastSeen } from "@/lib/device-status";
import { duration, exactTime, relative } from "@/lib/format";
import { useLiveDevice } from "@/live/use-live";
import { Badge, StatusBadge } from "@/ui/badge";
import type { Column } from "@/ui/data-table";
import { Time, useNow } from "@/ui/time";
import { nameOf } from "./filter";
import { useLiveRow, useStatus } from "./use-live-row";
import { useQuarantine } from "./quarantine";
import type { DeviceRow } from "./use-devices";

interface Cell {
  row: DeviceRow;
}

const None = () => <span className="text-ink-3">–</span>;

export const KindIcon = ({ kind, className }: { kind: DeviceRow["kind"]; className?: string }) => {
  const Icon = kind === "desktop" ? Laptop : Smartphone;
  return <Icon className={cn("size-4 shrink-0 text-ink-3", className)} aria-label={nameOf(kind)} role="img" />;
};

function Name({ row }: Cell) {
  const { alias } = useLiveRow(row);
  return (
    <span className="flex min-w-0 items-center gap-2.5">
      <KindIcon kind={row.kind} />
      <Link to={`/devices/${row.id}`} className="truncate font-medium hover:text-accent hover:underline" title={alias}>
        {alias}
      </Link>
    </span>
  );
}

/** A quarantine is ended where it is seen. */
export function StatusCell({ row }: Cell) {
  const status = useStatus(row);
  const resolve = useQuarantine();
  if (status !== "quarantined" || !resolve) return <StatusBadge status={status} />;
  return (
    <button type="button" className="rounded-full" onClick={() => resolve(row)} title="Decide about the quarantine">
      <StatusBadge status={status} className="underline decoration-dotted underline-offset-2" />
    </button>
  );
}

const tellExactly = (event: PointerEvent<HTMLTimeElement>) => {
  event.currentTarget.title = exactTime(new Date(event.currentTarget.dateTime));
};

/** As <Time>, without a tooltip for each of the rows that fly by: the exact time is written when somebody points at it. */
export function LastSeen({ row }: Cell) {
  const seen = lastSeen(row, useLiveDevice(row.id));
  const now = useNow();
  if (seen === null) return <span className="text-ink-3">never</span>;
  const date = new Date(seen * 1000);
  return (
    <time dateTime={date.toISOString()} className="text-ink-2" onPointerEnter={tellExactly}>
      {relative(date, Math.max(now, date.getTime() - 1))}
    </time>
  );
}

const LOW = 15;

export function Battery({ row }: Cell) {
  const { last } = useLiveRow(row);
  if (last?.battery == null) return <None />;
  const low = last.battery < LOW && !last.charging;
  return (
    <span className={cn("inline-flex items-center justify-end gap-1.5 tabular", low && "font-medium text-bad")}>
      {last.charging && <BatteryCharging className="size-3.5 text-ok" aria-label="charging" role="img" />}
      {last.battery} %
    </span>
  );
}

function Network({ row }: Cell) {
  const { last } = useLiveRow(row);
  if (!last?.network) return <None />;
  return (
    <>
      {nameOf(last.network)}
      {last.ssid && <span className="text-ink-3"> {last.ssid}</span>}
    </>
  );
}

function App({ row }: Cell) {
  const name = useLiveRow(row).last?.fg_package;
  return name ? <span title={name} className="text-ink-2">{name}</span> : <None />;
}

function Agent({ row }: Cell) {
  const version = useLiveRow(row).agent_version;
  return version ? <span className="tabular">{version}</span> : <None />;
}

export function Tags({ tags }: { tags: readonly string[] }) {
  if (tags.length === 0) return <None />;
  return (
    <span className="flex gap-1 overflow-hidden mask-r-from-[calc(100%-0.75rem)]" title={tags.join(", ")}>
      {tags.map((tag) => (
        <Badge key={tag}>{tag}</Badge>
      ))}
    </span>
  );
}

const ram = ({ last }: DeviceRow) => (last?.ram_free_mb == null ? <None /> : `${last.ram_free_mb.toLocaleString()} MB`);
const uptime = ({ last }: DeviceRow) => (last?.uptime_s == null ? <None /> : duration(last.uptime_s));

export const COLUMNS: Column<DeviceRow>[] = [
  { id: "alias", title: "Device", grow: 2.6, width: 184, sortable: true, always: true, cell: (row) => <Name row={row} /> },
  { id: "status", title: "Status", width: 122, cell: (row) => <StatusCell row={row} /> },
  { id: "last_seen", title: "Last seen", width: 104, sortable: true, first: "desc", cell: (row) => <LastSeen row={row} /> },
  { id: "battery", title: "Battery", width: 98, align: "end", sortable: true, first: "asc", cell: (row) => <Battery row={row} /> },
  { id: "network", title: "Network", grow: 1.2, width: 104, cell: (row) => <Network row={row} /> },
  { id: "app", title: "App in front", grow: 1.8, width: 120, cell: (row) => <App row={row} /> },
  { id: "agent_version", title: "Agent", width: 82, sortable: true, first: "asc", cell: (row) => <Agent row={row} /> },
  { id: "site", title: "Site", grow: 1.5, width: 96, cell: (row) => row.site ?? <None /> },
  { id: "tags", title: "Tags", grow: 1.7, width: 112, cell: (row) => <Tags tags={row.tags} /> },
  { id: "ram", title: "RAM free", width: 104, align: "end", hidden: true, cell: ram },
  { id: "uptime", title: "Uptime", width: 90, align: "end", hidden: true, cell: uptime },
  { id: "hardware_id", title: "Hardware id", grow: 1, width: 150, hidden: true, cell: (row) => row.hardware_id ?? <None /> },
  {
    id: "created_at",
    title: "Enrolled",
    width: 116,
    sortable: true,
    first: "desc",
    hidden: true,
    cell: (row) => <Time at={row.created_at} />,
  },
  { id: "id", title: "Id", width: 84, align: "end", sortable: true, hidden: true, cell: (row) => row.id },
];

export function DeviceCard({ row }: Cell) {
  const { alias, last } = useLiveRow(row);
  return (
    <div className="grid gap-1.5">
      <div className="flex items-center justify-between gap-3">
        <Link to={`/devices/${row.id}`} className="min-w-0 truncate font-medium">
          {alias}
        </Link>
        <StatusCell row={row} />
      </div>
      <div className="flex items-center gap-3 text-xs whitespace-nowrap text-ink-2">
        <LastSeen row={row} />
        {last?.battery != null && <Battery row={row} />}
        {last?.network && <span>{nameOf(last.network)}</span>}
        {row.site && <span className="ml-auto truncate text-ink-3">{row.site}</span>}
      </div>
      {row.tags.length > 0 && <Tags tags={row.tags} />}
    </div>
  );
}
