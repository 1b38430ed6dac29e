// SPDX-License-Identifier: Apache-2.0
import { History as Clock } from "lucide-react";
import { Link } from "react-router";
import { api } from "@/api/client";
import { alertSentence, resolvedBy, ruleTitle, span, type Alert } from "@/lib/alert-words";
import { DevicePicker } from "@/lib/device-picker";
import { toDate } from "@/lib/format";
import { useKeyset } from "@/lib/keyset";
import { useFilter } from "@/lib/use-filter";
import { StatusBadge } from "@/ui/badge";
import { Card } from "@/ui/card";
import { ColumnsMenu, DataTable, useTableLayout, type Column } from "@/ui/data-table";
import { Empty } from "@/ui/states";
import { Time, useNow } from "@/ui/time";
import { Choice, FilterBar, RuleChoice, SeverityChoice } from "./filters";
import { SiteChoice, TagChoice } from "./place-choices";
import type { PlaceProps } from "./types";

const PAGE = 100;
const NAMES = ["alerts", "rule", "severity", "site", "tag", "device", "name", "days"] as const;
const CHOICES = ["alerts", "rule", "severity", "site", "tag", "days"] as const;
const DAY_MS = 86_400_000;

/** The beginning of the minute so many days ago, so that a list's key stays the same for a while. */
const daysAgo = (days: string | undefined): string | undefined =>
  days ? new Date(Math.floor(Date.now() / 60_000) * 60_000 - Number(days) * DAY_MS).toISOString() : undefined;

export function Lasted({ alert }: { alert: Pick<Alert, "pending_at" | "fired_at" | "resolved_at"> }) {
  const now = useNow();
  const from = toDate(alert.fired_at ?? alert.pending_at);
  if (!from) return <>–</>;
  return <span className="tabular">{span(((toDate(alert.resolved_at)?.getTime() ?? now) - from.getTime()) / 1000)}</span>;
}

const About = ({ alert }: { alert: Alert }) =>
  alert.device_id ? (
    <Link to={`/devices/${alert.device_id}`} className="truncate font-medium hover:text-accent hover:underline">
      {alert.device_alias}
    </Link>
  ) : (
    <span className="truncate text-ink-2">The appliance</span>
  );

const COLUMNS: Column<Alert>[] = [
  { id: "state", title: "State", width: 104, always: true, cell: (alert) => <StatusBadge status={alert.state} /> },
  { id: "severity", title: "Severity", width: 104, cell: (alert) => <StatusBadge status={alert.severity} /> },
  { id: "rule", title: "Rule", grow: 1, width: 150, cell: (alert) => <span className="truncate">{alert.title}</span> },
  { id: "device", title: "Device", grow: 1, width: 150, always: true, cell: (alert) => <About alert={alert} /> },
  { id: "what", title: "What", grow: 2, width: 220, cell: (alert) => <span className="truncate text-ink-2">{alertSentence(alert)}</span> },
  { id: "site", title: "Site", width: 120, hidden: true, cell: (alert) => alert.site ?? "–" },
  { id: "fired", title: "Began", width: 110, cell: (alert) => <Time at={alert.fired_at ?? alert.pending_at} /> },
  { id: "lasted", title: "Lasted", width: 100, align: "end", cell: (alert) => <Lasted alert={alert} /> },
  { id: "ended", title: "Ended", width: 140, hidden: true, cell: (alert) => resolvedBy(alert.resolved_by) ?? "–" },
];

function AlertCard({ alert }: { alert: Alert }) {
  return (
    <div className="grid gap-1">
      <div className="flex items-center gap-2">
        <StatusBadge status={alert.state} />
        <StatusBadge status={alert.severity} />
        <Time at={alert.fired_at ?? alert.pending_at} className="ml-auto text-xs text-ink-3" />
      </div>
      <p className="truncate font-medium">
        {ruleTitle(alert.rule)} · <About alert={alert} />
      </p>
      <p className="text-sm text-ink-2">{alertSentence(alert)}</p>
    </div>
  );
}

const STATES = [
  ["firing", "Firing"],
  ["pending", "Pending"],
  ["resolved", "Resolved"],
] as const;
const SPANS = [
  ["1", "Last 24 hours"],
  ["7", "Last 7 days"],
  ["30", "Last 30 days"],
  ["90", "Last 90 days"],
] as const;

export function History({ openIncident }: PlaceProps) {
  const [filter, setFilter] = useFilter(NAMES);
  const layout = useTableLayout("alerts");
  const list = useKeyset(["alerts", "history", filter], async (cursor, signal) => {
    const { alerts, rule, severity, site, tag, device, days } = filter;
    const query = {
      state: alerts ?? "all",
      rule,
      severity,
      site,
      tag,
      device_id: device,
      since: daysAgo(days),
      sort: "newest",
      cursor,
      limit: PAGE,
    };
    const page = await api.get("/admin/alerts", { query: query as never, signal });
    return { rows: page.alerts, next: page.next_cursor };
  });
  const device = filter.device ? { id: filter.device, alias: filter.name ?? `Device ${filter.device}` } : null;
  return (
    <>
      <FilterBar
        chosen={CHOICES.filter((name) => filter[name] !== undefined).length}
        lead={
          <DevicePicker
            aria-label="Device"
            placeholder="Any device"
            className="min-w-0 max-sm:flex-1 sm:w-40"
            value={device}
            onChange={(chosen) => setFilter({ device: chosen?.id, name: chosen?.alias })}
          />
        }
      >
        <Choice label="State" any="Any state" value={filter.alerts} onChange={(value) => setFilter({ alerts: value })} options={STATES} />
        <RuleChoice value={filter.rule} onChange={(value) => setFilter({ rule: value })} />
        <SeverityChoice value={filter.severity} onChange={(value) => setFilter({ severity: value })} />
        <SiteChoice value={filter.site} onChange={(value) => setFilter({ site: value })} />
        <TagChoice value={filter.tag} onChange={(value) => setFilter({ tag: value })} />
        <Choice label="Time" any="Any time" value={filter.days} onChange={(value) => setFilter({ days: value })} options={SPANS} />
        <div className="ml-auto max-sm:hidden">
          <ColumnsMenu columns={COLUMNS} layout={layout} iconOnly />
        </div>
      </FilterBar>
      <Card className="overflow-hidden">
        <DataTable
          label="Alerts"
          columns={COLUMNS}
          layout={layout}
          rows={list.rows}
          rowId={(alert) => alert.id}
          onOpen={(alert) => alert.incident_id && openIncident(alert.incident_id)}
          renderCard={(alert) => <AlertCard alert={alert} />}
          {...list.table}
          empty={
            <Empty icon={Clock} title="No alert is like that">
              What has fired is kept here, also after it is over.
            </Empty>
          }
        />
      </Card>
    </>
  );
}
