// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { ListFilter, ShieldCheck } from "lucide-react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { count } from "@/lib/format";
import { useKeyset } from "@/lib/keyset";
import { useDraft } from "@/lib/use-draft";
import { isActive, useFilter } from "@/lib/use-filter";
import { Badge, type Tone } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { DataTable, type Column } from "@/ui/data-table";
import { Input, NativeSelect } from "@/ui/field";
import { Empty } from "@/ui/states";
import { Time, useNow } from "@/ui/time";
import { PeriodField } from "./period-field";
import { periodOf } from "./period";

type Event = Schema<"SecurityEvent">;
type Offender = Schema<"Offender">;

const PAGE = 100;
const MINUTE_MS = 60_000;
const FILTER = ["kind", "source", "period", "from", "to"] as const;

const KINDS: Record<Event["kind"], { label: string; tone: Tone }> = {
  login_failed: { label: "failed login", tone: "warn" },
  lockout: { label: "lockout", tone: "bad" },
  session_reuse: { label: "stolen session", tone: "bad" },
  password_reset: { label: "password reset", tone: "info" },
  unauthenticated: { label: "not authenticated", tone: "warn" },
  forbidden: { label: "forbidden", tone: "warn" },
  bad_signature: { label: "bad signature", tone: "bad" },
  replay: { label: "replay", tone: "bad" },
  upload_refused: { label: "upload refused", tone: "warn" },
  limited: { label: "rate limit", tone: "info" },
  origin_refused: { label: "foreign origin", tone: "warn" },
  clone: { label: "cloned device", tone: "bad" },
};

const Kind = ({ kind }: { kind: Event["kind"] }) => <Badge tone={KINDS[kind].tone}>{KINDS[kind].label}</Badge>;
const Address = ({ address }: { address: string | null }) => <span className="truncate font-mono text-xs">{address ?? "–"}</span>;
const Times = ({ times }: { times: number }) => (
  <span className={times > 1 ? "font-medium tabular" : "text-ink-3 tabular"}>{count(times)}×</span>
);
const Who = ({ event }: { event: Event }) => {
  if (!event.principal) return <span className="text-ink-3">not known</span>;
  return <span className="truncate">{event.principal}</span>;
};
const Detail = ({ event }: { event: Event }) => (
  <span className="truncate text-ink-2" title={event.detail}>
    {event.detail}
  </span>
);

const EVENTS: Column<Event>[] = [
  { id: "at", title: "When", width: 116, cell: (event) => <Time at={event.last_at} /> },
  { id: "kind", title: "What", width: 160, always: true, cell: (event) => <Kind kind={event.kind} /> },
  { id: "count", title: "Times", width: 76, align: "end", cell: (event) => <Times times={event.count} /> },
  { id: "address", title: "From", width: 150, cell: (event) => <Address address={event.address} /> },
  { id: "principal", title: "Who", grow: 1, width: 130, cell: (event) => <Who event={event} /> },
  { id: "detail", title: "Detail", grow: 3, width: 220, cell: (event) => <Detail event={event} /> },
];

const offenderName = (one: Offender) => <span className="truncate font-mono text-xs">{one.name}</span>;

const OFFENDERS: Column<Offender>[] = [
  { id: "name", title: "Who", grow: 2, width: 180, always: true, cell: offenderName },
  { id: "kind", title: "What it is", width: 110, cell: (one) => one.kind },
  { id: "limit", title: "Limit", width: 110, cell: (one) => <Badge>{one.limit}</Badge> },
  {
    id: "refused",
    title: "Refused",
    width: 110,
    align: "end",
    sortable: true,
    first: "desc",
    compare: (a, b) => a.refused - b.refused,
    cell: (one) => <span className="tabular">{count(one.refused)}</span>,
  },
  { id: "first", title: "First", width: 116, cell: (one) => <Time at={one.first_at} /> },
  {
    id: "last",
    title: "Last",
    width: 116,
    sortable: true,
    first: "desc",
    compare: (a, b) => a.last_at.localeCompare(b.last_at),
    cell: (one) => <Time at={one.last_at} />,
  },
];

const eventId = (event: Event) => event.id;
const offenderId = (one: Offender) => `${one.kind} ${one.name} ${one.limit}`;

function EventCard({ event }: { event: Event }) {
  return (
    <div className="grid gap-1.5">
      <div className="flex items-center justify-between gap-2">
        <span className="flex items-center gap-2">
          <Kind kind={event.kind} />
          {event.count > 1 && <Times times={event.count} />}
        </span>
        <Time at={event.last_at} className="text-xs text-ink-3" />
      </div>
      <p className="flex justify-between gap-3 text-sm">
        <span className="truncate">{event.principal ?? "not known who"}</span>
        <Address address={event.address} />
      </p>
      <p className="text-xs break-words text-ink-3">{event.detail}</p>
    </div>
  );
}

export function SecurityEvents() {
  const [values, set, clear] = useFilter(FILTER);
  const active = isActive(values);
  const [source, typeSource] = useDraft(values.source ?? "", (text) => set({ source: text }));
  const minute = Math.floor(useNow() / MINUTE_MS) * MINUTE_MS;
  const period = periodOf(values.period ?? "", values.from ?? "", values.to ?? "", minute);
  const asked = { kind: (values.kind || undefined) as Event["kind"] | undefined, address: values.source?.trim() || undefined };
  const list = useKeyset(["security-events", asked, values.period, values.from, values.to], async (before, signal) => {
    const page = await api.get("/admin/security/events", { query: { ...asked, ...period, before, limit: PAGE }, signal });
    return { rows: page.events, next: page.next_before };
  });
  return (
    <Card>
      <div
        role="search"
        aria-label="Filter the events"
        className="flex flex-wrap items-center gap-2 border-b border-line p-3 max-sm:grid max-sm:grid-cols-2"
      >
        <NativeSelect
          aria-label="Kind"
          className="w-auto max-sm:w-full"
          value={values.kind ?? ""}
          onChange={(event) => set({ kind: event.target.value })}
        >
          <option value="">All kinds</option>
          {Object.entries(KINDS).map(([value, { label }]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </NativeSelect>
        <Input
          aria-label="Address"
          placeholder="Address"
          className="w-44 max-sm:w-full"
          data-page-search
          value={source}
          onChange={(event) => typeSource(event.target.value)}
        />
        <PeriodField values={values} onChange={set} />
        {active && (
          <Button variant="ghost" onClick={clear}>
            Clear
          </Button>
        )}
      </div>
      <DataTable
        label="Security events"
        columns={EVENTS}
        rows={list.rows}
        rowId={eventId}
        {...list.table}
        renderCard={(event) => <EventCard event={event} />}
        empty={
          active ? (
            <Empty icon={ListFilter} title="Nothing like that was seen" action={<Button onClick={clear}>Clear the filter</Button>} />
          ) : (
            <Empty icon={ShieldCheck} title="Nothing looked like an attack">
              Failed logins, refused tokens, bad signatures and cloned devices would stand here.
            </Empty>
          )
        }
      />
    </Card>
  );
}

export function Offenders() {
  const query = useQuery({ queryKey: ["offenders"], queryFn: ({ signal }) => api.get("/admin/security/offenders", { signal }) });
  return (
    <Card className="overflow-hidden">
      <DataTable
        label="Who was held up"
        columns={OFFENDERS}
        rows={query.data?.offenders ?? []}
        rowId={offenderId}
        loading={query.isPending}
        error={query.error ?? undefined}
        retry={() => void query.refetch()}
        sort={{ column: "last", direction: "desc" }}
        renderCard={(one) => (
          <div className="flex items-center justify-between gap-3">
            <div className="min-w-0">
              <p className="truncate font-mono text-xs">{one.name}</p>
              <p className="text-xs text-ink-3">
                {one.kind} · {one.limit} limit · <Time at={one.last_at} />
              </p>
            </div>
            <span className="font-medium tabular">{count(one.refused)}</span>
          </div>
        )}
        empty={
          <Empty icon={ShieldCheck} title="Nobody was held up">
            Since the appliance started, everybody has kept within the rate limits.
          </Empty>
        }
      />
    </Card>
  );
}
