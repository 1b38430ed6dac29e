// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { Send } from "lucide-react";
import { api } from "@/api/client";
import { useKeyset } from "@/lib/keyset";
import { useFilter } from "@/lib/use-filter";
import { Card } from "@/ui/card";
import { DataTable, type Column } from "@/ui/data-table";
import { Empty } from "@/ui/states";
import { Time } from "@/ui/time";
import { CHANNEL_KINDS } from "./channel-words";
import { Choice, FilterBar } from "./filters";
import { KINDS, NotificationState, outcome, type Notification } from "./notification-list";
import type { PlaceProps } from "./types";

const PAGE = 100;
const NAMES = ["sent", "kind", "channel"] as const;

const COLUMNS: Column<Notification>[] = [
  { id: "state", title: "State", width: 104, always: true, cell: (one) => <NotificationState state={one.state} /> },
  { id: "kind", title: "What", width: 110, cell: (one) => KINDS[one.kind] },
  {
    id: "channel",
    title: "Channel",
    grow: 1,
    width: 180,
    always: true,
    cell: (one) => <span className="truncate font-medium">{one.channel_name}</span>,
  },
  { id: "by", title: "By", width: 100, cell: (one) => CHANNEL_KINDS[one.channel_kind].name },
  {
    id: "incident",
    title: "Incident",
    width: 96,
    align: "end",
    cell: (one) => <span className="tabular">{one.incident_id ?? "–"}</span>,
  },
  {
    id: "outcome",
    title: "How it went",
    grow: 2,
    width: 220,
    cell: (one) => <span className="truncate text-ink-2">{outcome(one) || "–"}</span>,
  },
  { id: "when", title: "When", width: 116, cell: (one) => <Time at={one.finished_at ?? one.due_at} /> },
];

const STATES = [
  ["waiting", "Waiting"],
  ["sent", "Sent"],
  ["failed", "Given up"],
  ["dropped", "Left out"],
] as const;

function NotificationCard({ one }: { one: Notification }) {
  return (
    <div className="grid gap-1">
      <div className="flex items-center gap-2">
        <NotificationState state={one.state} />
        <span className="text-xs text-ink-3">
          {KINDS[one.kind]}
          {one.incident_id && ` · incident ${one.incident_id}`}
        </span>
        <Time at={one.finished_at ?? one.due_at} className="ml-auto text-xs text-ink-3" />
      </div>
      <p className="font-medium">{one.channel_name}</p>
      {outcome(one) && <p className="text-sm text-ink-2">{outcome(one)}</p>}
    </div>
  );
}

export function useChannels() {
  return useQuery({
    queryKey: ["alerts", "channels"],
    queryFn: ({ signal }) => api.get("/admin/alert-channels", { query: { limit: 500 }, signal }),
  });
}

/** What was told, where, and how that went. */
export function Told({ openIncident }: PlaceProps) {
  const [filter, setFilter] = useFilter(NAMES);
  const channels = useChannels();
  const list = useKeyset(["alerts", "told", filter], async (cursor, signal) => {
    const query = { state: filter.sent, kind: filter.kind, channel_id: filter.channel, cursor, limit: PAGE };
    const page = await api.get("/admin/alert-notifications", { query: query as never, signal });
    return { rows: page.notifications, next: page.next_cursor };
  });
  return (
    <>
      <FilterBar>
        <Choice label="State" any="Any state" value={filter.sent} onChange={(sent) => setFilter({ sent })} options={STATES} />
        <Choice label="What" any="Anything" value={filter.kind} onChange={(kind) => setFilter({ kind })} options={Object.entries(KINDS)} />
        <Choice
          label="Channel"
          any="Any channel"
          value={filter.channel}
          onChange={(channel) => setFilter({ channel })}
          options={(channels.data?.channels ?? []).map((channel) => [channel.id, channel.name] as const)}
        />
      </FilterBar>
      <Card className="overflow-hidden">
        <DataTable
          label="Notifications"
          columns={COLUMNS}
          rows={list.rows}
          rowId={(one) => one.id}
          onOpen={(one) => one.incident_id && openIncident(one.incident_id)}
          renderCard={(one) => <NotificationCard one={one} />}
          {...list.table}
          empty={
            <Empty icon={Send} title="Nothing was told">
              Messages to channels and by mail show here, with how each of them went.
            </Empty>
          }
        />
      </Card>
    </>
  );
}
