// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { BellOff, CheckCheck, CircleCheck, Search } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { api } from "@/api/client";
import { actorName, incidentPlace, incidentSentence, incidentTitle, isGroup, type Alert, type Incident } from "@/lib/alert-words";
import { useSettled } from "@/lib/device-picker";
import { count } from "@/lib/format";
import { useKeyset } from "@/lib/keyset";
import { useFilter } from "@/lib/use-filter";
import { Badge, StatusBadge } from "@/ui/badge";
import { Card } from "@/ui/card";
import { DataTable, type Column } from "@/ui/data-table";
import { Input } from "@/ui/field";
import { Segments } from "@/ui/select";
import { Empty } from "@/ui/states";
import { Time } from "@/ui/time";
import { Choice, FilterBar, RuleChoice, SeverityChoice } from "./filters";
import type { PlaceProps } from "./types";

const PAGE = 100;
const FIRING_MAX = 500;
const NAMES = ["state", "rule", "severity", "acked", "kind", "q"] as const;
const CHOICES = ["rule", "severity", "acked"] as const;

/** The alert behind an incident of one device says what exactly is wrong: one request for all of them. */
export function useFiring() {
  const query = useQuery({
    queryKey: ["alerts", "firing"],
    queryFn: ({ signal }) => api.get("/admin/alerts", { query: { state: "firing", limit: FIRING_MAX }, signal }),
  });
  return useMemo(() => new Map((query.data?.alerts ?? []).map((alert) => [alert.incident_id, alert])), [query.data]);
}

function What({ incident, alert }: { incident: Incident; alert: Alert | undefined }) {
  const sentence = incidentSentence(incident, alert);
  return (
    <span className="grid min-w-0">
      <span className="truncate font-medium text-ink">{incidentTitle(incident)}</span>
      <span className="truncate text-xs text-ink-2">{sentence || "…"}</span>
    </span>
  );
}

function Acked({ incident }: { incident: Incident }) {
  if (!incident.acked_by) return <span className="text-ink-3">{incident.closed_at ? "–" : "nobody yet"}</span>;
  return (
    <span className="inline-flex min-w-0 items-center gap-1.5">
      <CheckCheck className="size-4 shrink-0 text-ok" aria-hidden />
      <span className="truncate">{actorName(incident.acked_by)}</span>
    </span>
  );
}

const columnsOf = (firing: Map<string | null, Alert>): Column<Incident>[] => [
  { id: "severity", title: "Severity", width: 104, always: true, cell: (incident) => <StatusBadge status={incident.severity} /> },
  {
    id: "what",
    title: "What",
    grow: 3,
    width: 260,
    always: true,
    cell: (incident) => <What incident={incident} alert={firing.get(incident.id)} />,
  },
  { id: "place", title: "Where", grow: 1, width: 180, cell: (incident) => <span className="truncate">{incidentPlace(incident)}</span> },
  {
    id: "devices",
    title: "Devices",
    width: 90,
    align: "end",
    cell: (incident) =>
      incident.kind === "appliance"
        ? "–"
        : isGroup(incident)
          ? count(incident.closed_at ? incident.alert_count : incident.firing_count)
          : "1",
  },
  { id: "since", title: "Since", width: 116, cell: (incident) => <Time at={incident.opened_at} /> },
  {
    id: "state",
    title: "State",
    width: 120,
    cell: (incident) =>
      incident.closed_at ? (
        <Badge tone="ok">over</Badge>
      ) : incident.acked_at ? (
        <Badge tone="info">in hand</Badge>
      ) : (
        <Badge tone="bad">open</Badge>
      ),
  },
  { id: "acked", title: "Acknowledged by", width: 150, cell: (incident) => <Acked incident={incident} /> },
];

function IncidentCard({ incident, alert }: { incident: Incident; alert: Alert | undefined }) {
  return (
    <div className="grid gap-1.5">
      <div className="flex items-center justify-between gap-2">
        <StatusBadge status={incident.severity} />
        <Time at={incident.opened_at} className="text-xs text-ink-3" />
      </div>
      <p className="font-medium">{incidentTitle(incident)}</p>
      <p className="text-sm text-ink-2">{incidentSentence(incident, alert)}</p>
      <p className="flex items-center justify-between gap-2 text-xs text-ink-3">
        <span className="truncate">{incidentPlace(incident)}</span>
        <Acked incident={incident} />
      </p>
    </div>
  );
}

export function Incidents({ openIncident }: PlaceProps) {
  const [filter, setFilter] = useFilter(NAMES);
  const [text, setText] = useState(filter.q ?? "");
  const q = useSettled(text.trim());
  useEffect(() => {
    if (q !== (filter.q ?? "")) setFilter({ q });
  }, [q]); // the field leads; what else changes the address doesn't come back into it
  const state = filter.state === "closed" || filter.state === "all" ? filter.state : "open";
  const list = useKeyset(["alerts", "incidents", filter], async (cursor, signal) => {
    const query = { ...filter, state, acked: filter.acked === undefined ? undefined : filter.acked === "true", cursor, limit: PAGE };
    const page = await api.get("/admin/incidents", { query: query as never, signal });
    return { rows: page.incidents, next: page.next_cursor };
  });
  const firing = useFiring();
  const columns = useMemo(() => columnsOf(firing), [firing]);
  const filtered = Object.keys(filter).some((name) => name !== "state");
  return (
    <>
      <FilterBar
        chosen={CHOICES.filter((name) => filter[name] !== undefined).length}
        lead={
          <>
            <Segments
              label="State"
              className="max-sm:grow"
              value={state}
              onChange={(value) => setFilter({ state: value === "open" ? "" : value })}
              options={[
                { value: "open", label: "Open" },
                { value: "closed", label: "Over" },
                { value: "all", label: "All" },
              ]}
            />
            <label className="relative grow max-sm:order-1 max-sm:basis-full sm:max-w-64">
              <Search className="pointer-events-none absolute inset-y-0 left-2.5 my-auto size-4 text-ink-3" aria-hidden />
              <Input
                className="pl-8"
                placeholder="Device or site"
                aria-label="Search incidents"
                value={text}
                onChange={(event) => setText(event.target.value)}
              />
            </label>
          </>
        }
      >
        <RuleChoice value={filter.rule} onChange={(value) => setFilter({ rule: value })} />
        <SeverityChoice value={filter.severity} onChange={(value) => setFilter({ severity: value })} />
        <Choice
          label="Acknowledged"
          any="Acknowledged or not"
          value={filter.acked}
          onChange={(value) => setFilter({ acked: value })}
          options={[
            ["false", "Not acknowledged"],
            ["true", "Acknowledged"],
          ]}
        />
      </FilterBar>
      <Card className="overflow-hidden">
        <DataTable
          label="Incidents"
          columns={columns}
          rows={list.rows}
          rowId={(incident) => incident.id}
          rowName={incidentTitle}
          rowHeight={56}
          onOpen={(incident) => openIncident(incident.id)}
          renderCard={(incident) => (
            <button type="button" className="block w-full text-left" onClick={() => openIncident(incident.id)}>
              <IncidentCard incident={incident} alert={firing.get(incident.id)} />
            </button>
          )}
          {...list.table}
          empty={
            filtered ? (
              <Empty icon={BellOff} title="No incident is like that" />
            ) : state === "open" ? (
              <Empty icon={CircleCheck} title="Nothing is wrong">
                When a rule fires, it shows here and is told to your channels.
              </Empty>
            ) : (
              <Empty icon={BellOff} title="No incidents yet" />
            )
          }
        />
      </Card>
    </>
  );
}
