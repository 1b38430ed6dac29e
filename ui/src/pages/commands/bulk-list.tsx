// SPDX-License-Identifier: Apache-2.0
import { Layers } from "lucide-react";
import { useNavigate } from "react-router";
import { api } from "@/api/client";
import { actorName } from "@/lib/alert-words";
import { commandIcon, commandTitle } from "@/lib/command-types";
import { payloadLine, progressOf, STATES, STATE_TITLES } from "@/lib/command-words";
import { count, percent } from "@/lib/format";
import { useKeyset } from "@/lib/keyset";
import { Card } from "@/ui/card";
import { DataTable, type Column } from "@/ui/data-table";
import { Empty } from "@/ui/states";
import { Time } from "@/ui/time";
import { BulkBar, type Bulk } from "./bulk-progress";

const PAGE = 20;

function What({ bulk }: { bulk: Bulk }) {
  const Icon = commandIcon(bulk.type);
  const line = payloadLine(bulk.payload);
  return (
    <span className="flex min-w-0 items-center gap-2.5">
      <Icon className="size-4 shrink-0 text-ink-3" aria-hidden />
      <span className="grid min-w-0">
        <span className="truncate font-medium">
          {commandTitle(bulk.type)} <span className="font-normal text-ink-3">· bulk {bulk.id}</span>
        </span>
        {line && <span className="truncate text-xs text-ink-3">{line}</span>}
      </span>
    </span>
  );
}

/** "2 done, 1 failed"; retention takes commands that are over, and with the last of them there is nothing to count. */
function told(bulk: Bulk): string {
  const parts = STATES.filter((state) => bulk.states[state] > 0).map((state) => `${count(bulk.states[state])} ${STATE_TITLES[state]}`);
  return parts.join(", ") || "over, and no longer kept";
}

function Far({ bulk }: { bulk: Bulk }) {
  const { all, over } = progressOf(bulk.states);
  return (
    <span className="grid w-full min-w-0 gap-1">
      <BulkBar bulk={bulk} />
      <span className="truncate text-xs text-ink-2 tabular">
        {all > 0 && <b className="mr-2 font-semibold text-ink">{percent(over, all)}</b>}
        {told(bulk)}
      </span>
    </span>
  );
}

const COLUMNS: Column<Bulk>[] = [
  { id: "what", title: "Command", grow: 2, width: 200, always: true, cell: (bulk) => <What bulk={bulk} /> },
  { id: "devices", title: "Devices", width: 90, align: "end", cell: (bulk) => count(bulk.device_count) },
  { id: "far", title: "How far", grow: 3, width: 240, always: true, cell: (bulk) => <Far bulk={bulk} /> },
  { id: "asked", title: "Asked", width: 110, cell: (bulk) => <Time at={bulk.created_at} /> },
  { id: "by", title: "By", width: 130, cell: (bulk) => <span className="truncate">{actorName(bulk.created_by)}</span> },
];

function BulkCard({ bulk }: { bulk: Bulk }) {
  return (
    <div className="grid gap-2">
      <div className="flex items-center justify-between gap-3">
        <What bulk={bulk} />
        <Time at={bulk.created_at} className="shrink-0 text-xs text-ink-3" />
      </div>
      <Far bulk={bulk} />
      <p className="text-xs text-ink-3">
        {count(bulk.device_count)} devices · by {actorName(bulk.created_by)}
      </p>
    </div>
  );
}

/** Commands to many devices at once, the newest first, and how far each is. */
export function BulkList() {
  const navigate = useNavigate();
  const list = useKeyset<Bulk>(["commands", "bulks"], async (cursor, signal) => {
    const page = await api.get("/admin/bulk-commands", { query: { cursor, limit: PAGE }, signal });
    return { rows: page.bulk_commands, next: page.next_cursor };
  });
  return (
    <Card className="overflow-hidden">
      <DataTable
        label="Bulk commands"
        columns={COLUMNS}
        rows={list.rows}
        rowId={(bulk) => bulk.id}
        rowHeight={58}
        onOpen={(bulk) => void navigate(`/commands?bulk_id=${bulk.id}`)}
        renderCard={(bulk) => <BulkCard bulk={bulk} />}
        {...list.table}
        empty={
          <Empty icon={Layers} title="No command went to many devices yet">
            Choose devices on their page, then Command: how far it comes is told here.
          </Empty>
        }
      />
    </Card>
  );
}
