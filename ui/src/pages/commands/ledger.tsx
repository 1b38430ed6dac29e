// SPDX-License-Identifier: Apache-2.0
import { SquareTerminal } from "lucide-react";
import { useMemo } from "react";
import { Link } from "react-router";
import { api } from "@/api/client";
import { actorName } from "@/lib/alert-words";
import { commandTitle, ORDER_TYPES, payloadLine, STATES, STATE_TITLES, type Command } from "@/lib/command-words";
import { DevicePicker } from "@/lib/device-picker";
import { useKeyset } from "@/lib/keyset";
import { useFilter } from "@/lib/use-filter";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { ColumnsMenu, DataTable, useTableLayout, type Column } from "@/ui/data-table";
import { NativeSelect } from "@/ui/field";
import { Empty } from "@/ui/states";
import { Time } from "@/ui/time";
import { StateBadge } from "./state-badge";
import { useLiveStates } from "./use-live-states";

const PAGE = 100;
const NAMES = ["state", "type", "device", "name", "of_bulk"] as const;
const TYPES = [...ORDER_TYPES, "rotate_key"];

export interface LedgerProps {
  onOpen: (id: string) => void;
  onBulk: (id: string) => void;
}

/** Why it waits or ended as it did. */
function note(command: Command): string | null {
  if (command.error) return command.error;
  if (command.withheld && (command.state === "queued" || command.state === "sent")) return "held back: its device is in quarantine";
  return command.report?.error ?? null;
}

function What({ command }: { command: Command }) {
  const line = note(command) ?? payloadLine(command.payload);
  return (
    <span className="grid min-w-0">
      <span className="truncate font-medium">{commandTitle(command.type)}</span>
      {line && <span className="truncate text-xs text-ink-3">{line}</span>}
    </span>
  );
}

function BulkLink({ command, onBulk }: { command: Command } & Pick<LedgerProps, "onBulk">) {
  const id = command.bulk_id;
  if (!id) return null;
  return (
    <button type="button" onClick={() => onBulk(id)} className="rounded-full">
      <Badge tone="accent" className="hover:underline">
        Bulk {id}
      </Badge>
    </button>
  );
}

const columnsOf = (onBulk: LedgerProps["onBulk"]): Column<Command>[] => [
  { id: "state", title: "State", width: 124, always: true, cell: (command) => <StateBadge state={command.state} /> },
  { id: "type", title: "Command", grow: 2, width: 200, always: true, cell: (command) => <What command={command} /> },
  {
    id: "device",
    title: "Device",
    grow: 1,
    width: 170,
    cell: (command) => (
      <Link to={`/devices/${command.device_id}`} className="truncate hover:text-accent hover:underline">
        {command.device_alias}
      </Link>
    ),
  },
  { id: "bulk", title: "Part of", width: 100, cell: (command) => <BulkLink command={command} onBulk={onBulk} /> },
  { id: "asked", title: "Asked", width: 110, cell: (command) => <Time at={command.created_at} /> },
  { id: "by", title: "By", width: 130, cell: (command) => <span className="truncate">{actorName(command.created_by)}</span> },
  { id: "attempts", title: "Attempts", width: 90, align: "end", cell: (command) => command.attempt_count },
  { id: "finished", title: "Over", width: 110, cell: (command) => <Time at={command.finished_at} /> },
  { id: "id", title: "Number", width: 90, align: "end", hidden: true, cell: (command) => command.id },
];

function CommandCard({ command, onBulk }: { command: Command } & Pick<LedgerProps, "onBulk">) {
  return (
    <div className="grid gap-1">
      <div className="flex items-center gap-2">
        <StateBadge state={command.state} />
        <BulkLink command={command} onBulk={onBulk} />
        <Time at={command.created_at} className="ml-auto text-xs text-ink-3" />
      </div>
      <What command={command} />
      <p className="truncate text-sm text-ink-2">
        {command.device_alias} <span className="text-ink-3">· by {actorName(command.created_by)}</span>
      </p>
    </div>
  );
}

/** All commands, the newest first, with live states. */
export function Ledger({ onOpen, onBulk }: LedgerProps) {
  const [filter, setFilter] = useFilter(NAMES);
  const layout = useTableLayout("commands");
  const list = useKeyset(["commands", "ledger", filter], async (cursor, signal) => {
    const query = { state: filter.state, type: filter.type, device_id: filter.device, bulk_id: filter.of_bulk, cursor, limit: PAGE };
    const page = await api.get("/admin/commands", { query: query as never, signal });
    return { rows: page.commands, next: page.next_cursor };
  });
  const rows = useLiveStates(list.rows);
  const columns = useMemo(() => columnsOf(onBulk), [onBulk]);
  const device = filter.device ? { id: filter.device, alias: filter.name ?? `Device ${filter.device}` } : null;
  const filtered = Object.keys(filter).length > 0;
  return (
    <>
      <div className="mb-3 grid grid-cols-2 items-center gap-2 sm:flex sm:flex-wrap">
        <NativeSelect aria-label="State" className="sm:w-auto" value={filter.state ?? ""} onChange={(event) => setFilter({ state: event.target.value })}>
          <option value="">Any state</option>
          {STATES.map((state) => (
            <option key={state} value={state}>
              {STATE_TITLES[state]}
            </option>
          ))}
        </NativeSelect>
        <NativeSelect aria-label="Command" className="sm:w-auto" value={filter.type ?? ""} onChange={(event) => setFilter({ type: event.target.value })}>
          <option value="">Any command</option>
          {TYPES.map((type) => (
            <option key={type} value={type}>
              {commandTitle(type)}
            </option>
          ))}
        </NativeSelect>
        <DevicePicker
          aria-label="Device"
          placeholder="Any device"
          className="max-sm:col-span-2 sm:w-60"
          value={device}
          onChange={(chosen) => setFilter({ device: chosen?.id, name: chosen?.alias })}
        />
        {filter.of_bulk && (
          <Button size="sm" onClick={() => setFilter({ of_bulk: "" })}>
            Bulk {filter.of_bulk} only: show all
          </Button>
        )}
        <div className="ml-auto max-sm:hidden">
          <ColumnsMenu columns={columns} layout={layout} />
        </div>
      </div>
      <Card className="overflow-hidden">
        <DataTable
          label="Commands"
          columns={columns}
          layout={layout}
          rows={rows}
          rowId={(command) => command.id}
          rowHeight={54}
          onOpen={(command) => onOpen(command.id)}
          renderCard={(command) => <CommandCard command={command} onBulk={onBulk} />}
          {...list.table}
          empty={
            <Empty icon={SquareTerminal} title={filtered ? "No command is like that" : "Nothing was asked of a device yet"}>
              {filtered ? null : "A ping is a good first one: the device answers, nothing else happens."}
            </Empty>
          }
        />
      </Card>
    </>
  );
}
