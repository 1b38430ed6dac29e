// SPDX-License-Identifier: Apache-2.0
/** Commands in a table: the same columns in the ledger and on a device's page. */
import { Link } from "react-router";
import { actorName } from "@/lib/alert-words";
import { commandIcon, commandTitle } from "@/lib/command-types";
import { isOver, noteOf, PATHS, payloadLine, type Command } from "@/lib/command-words";
import { toDate } from "@/lib/format";
import { latency } from "@/lib/metrics";
import { span } from "@/lib/alert-words";
import { Badge } from "@/ui/badge";
import type { Column } from "@/ui/data-table";
import { Time } from "@/ui/time";
import { StateBadge } from "./state-badge";

/** From asking to its end; null: it is not over. */
export function took(command: Command): string | null {
  const begin = toDate(command.queued_at ?? command.created_at);
  const end = toDate(command.finished_at);
  if (!begin || !end) return null;
  const seconds = Math.max(0, (end.getTime() - begin.getTime()) / 1000);
  return seconds < 60 ? latency(seconds) : span(seconds);
}

/** Its name, and below it why it waits or ended as it did, else what was asked. */
export function What({ command }: { command: Command }) {
  const Icon = commandIcon(command.type);
  const note = noteOf(command);
  const line = note ?? (payloadLine(command.payload) || (command.report?.has_result ? "came with a result" : null));
  return (
    <span className="flex min-w-0 items-center gap-2.5">
      <Icon className="size-4 shrink-0 text-ink-3" aria-hidden />
      <span className="grid min-w-0">
        <span className="truncate font-medium">{commandTitle(command.type)}</span>
        {line && (
          <span title={line} className="truncate text-xs text-ink-3">
            {line}
          </span>
        )}
      </span>
    </span>
  );
}

/** When it ended, or when it will by itself. */
function End({ command }: { command: Command }) {
  if (isOver(command.state)) return <Time at={command.finished_at} className="text-ink-2" />;
  return (
    <span className="text-ink-3">
      ends <Time at={command.expires_at} />
    </span>
  );
}

export function BulkLink({ id, onBulk }: { id: string | null; onBulk: (id: string) => void }) {
  if (!id) return null;
  return (
    <button type="button" onClick={() => onBulk(id)} className="touch-target rounded-full">
      <Badge tone="accent" className="hover:underline">
        Bulk {id}
      </Badge>
    </button>
  );
}

const DEVICE: Column<Command> = {
  id: "device",
  title: "Device",
  grow: 1,
  width: 170,
  cell: (command) => (
    <Link to={`/devices/${command.device_id}`} className="truncate hover:text-accent hover:underline">
      {command.device_alias}
    </Link>
  ),
};

export const columnsOf = (onBulk: (id: string) => void, withDevice: boolean): Column<Command>[] => [
  { id: "state", title: "State", width: 124, always: true, cell: (command) => <StateBadge state={command.state} /> },
  { id: "type", title: "Command", grow: 2, width: 200, always: true, cell: (command) => <What command={command} /> },
  ...(withDevice ? [DEVICE] : []),
  { id: "bulk", title: "Part of", width: 100, cell: (command) => <BulkLink id={command.bulk_id} onBulk={onBulk} /> },
  { id: "asked", title: "Asked", width: 110, cell: (command) => <Time at={command.created_at} /> },
  { id: "by", title: "By", width: 120, cell: (command) => <span className="truncate">{actorName(command.created_by)}</span> },
  { id: "path", title: "Came by", width: 110, hidden: withDevice, cell: (command) => PATHS[command.first_path ?? ""] ?? "–" },
  { id: "took", title: "Took", width: 90, align: "end", cell: (command) => took(command) ?? "–" },
  { id: "attempts", title: "Attempts", width: 90, align: "end", hidden: true, cell: (command) => command.attempt_count },
  { id: "finished", title: "Over", width: 130, cell: (command) => <End command={command} /> },
  { id: "id", title: "Number", width: 90, align: "end", hidden: true, cell: (command) => command.id },
];

export function CommandCard({ command, onBulk, withDevice }: { command: Command; onBulk: (id: string) => void; withDevice: boolean }) {
  return (
    <div className="grid gap-1">
      <div className="flex items-center gap-2">
        <StateBadge state={command.state} />
        <BulkLink id={command.bulk_id} onBulk={onBulk} />
        <Time at={command.created_at} className="ml-auto text-xs text-ink-3" />
      </div>
      <What command={command} />
      <p className="truncate text-sm text-ink-2">
        {withDevice && `${command.device_alias} · `}
        <span className="text-ink-3">by {actorName(command.created_by)}</span>
      </p>
    </div>
  );
}
