// SPDX-License-Identifier: Apache-2.0
import { SquareTerminal } from "lucide-react";
import { useSearchParams } from "react-router";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { useKeyset } from "@/lib/keyset";
import { liveStore } from "@/live/store";
import { useLiveVersion } from "@/live/use-live";
import { StatusBadge } from "@/ui/badge";
import { Card } from "@/ui/card";
import { DataTable, type Column } from "@/ui/data-table";
import { Empty } from "@/ui/states";
import { Time } from "@/ui/time";
import { CommandDrawer, spell } from "./command-drawer";
import { commandLabel, kindOf } from "./command-types";
import { epoch } from "./history";
import { keyOf } from "./use-device";

type Command = Schema<"Command">;

const ORDER = ["awaiting_confirmation", "queued", "sent", "received", "done", "failed", "expired", "cancelled"];

/** The live channel is quicker than the list; nothing ever goes back. */
function State({ command }: { command: Command }) {
  useLiveVersion();
  const told = liveStore.commands.find((one) => one.id === command.id)?.state;
  const newer = told && ORDER.indexOf(told) > ORDER.indexOf(command.state) ? told : command.state;
  return (
    <span className="flex items-center gap-2">
      <StatusBadge status={newer} />
      {command.withheld && <span className="text-xs text-warn">held back</span>}
    </span>
  );
}

function Name({ command }: { command: Command }) {
  const Icon = kindOf(command.type)?.icon ?? SquareTerminal;
  return (
    <span className="flex items-center gap-2.5 font-medium">
      <Icon className="size-4 shrink-0 text-ink-3" aria-hidden />
      {commandLabel(command.type)}
    </span>
  );
}

const took = (command: Command) => (command.finished_at ? spell(epoch(command.finished_at) - epoch(command.created_at)) : "–");

const COLUMNS: Column<Command>[] = [
  { id: "type", title: "Command", grow: 2, width: 170, always: true, cell: (row) => <Name command={row} /> },
  { id: "state", title: "State", width: 170, cell: (row) => <State command={row} /> },
  { id: "asked", title: "Asked", width: 110, cell: (row) => <Time at={row.created_at} className="text-ink-2" /> },
  { id: "by", title: "By", grow: 1, width: 110, cell: (row) => row.created_by },
  { id: "path", title: "Came by", width: 110, cell: (row) => row.first_path ?? <span className="text-ink-3">–</span> },
  { id: "took", title: "Took", width: 80, align: "end", cell: took },
  { id: "error", title: "Note", grow: 3, width: 160, cell: (row) => <span className="text-ink-2">{row.error ?? row.report?.error ?? (row.report?.has_result ? "has a result" : "")}</span> },
];

export function CommandsTab({ deviceId }: { deviceId: string }) {
  const [search, setSearch] = useSearchParams();
  const opened = search.get("command");
  const list = useKeyset<Command>(keyOf(deviceId, "commands", "list"), async (cursor, signal) => {
    const answer = await api.get("/admin/commands", { query: { device_id: deviceId, cursor, limit: 50 }, signal });
    return { rows: answer.commands, next: answer.next_cursor };
  });
  const open = (id: string | null) => setSearch(id ? { command: id } : {}, { replace: true });
  return (
    <Card className="overflow-hidden">
      <DataTable
        label="Commands of this device"
        columns={COLUMNS}
        rows={list.rows}
        rowId={(row) => row.id}
        {...list.table}
        onOpen={(row) => open(row.id)}
        current={opened ?? undefined}
        renderCard={(row) => (
          <div className="grid gap-1.5">
            <div className="flex items-center justify-between gap-3">
              <Name command={row} />
              <State command={row} />
            </div>
            <p className="text-xs text-ink-3">
              <Time at={row.created_at} /> by {row.created_by}
            </p>
          </div>
        )}
        empty={
          <Empty icon={SquareTerminal} title="No commands yet">
            What is sent to this device is listed here, with what became of it.
          </Empty>
        }
      />
      {opened && <CommandDrawer deviceId={deviceId} commandId={opened} onClose={() => open(null)} />}
    </Card>
  );
}
