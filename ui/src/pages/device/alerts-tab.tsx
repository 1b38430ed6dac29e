// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { BellOff } from "lucide-react";
import { Link } from "react-router";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { duration } from "@/lib/format";
import { useKeyset } from "@/lib/keyset";
import { Badge, StatusBadge } from "@/ui/badge";
import { Card, CardHeader } from "@/ui/card";
import { DataTable, type Column } from "@/ui/data-table";
import { Empty, Failure, Skeleton } from "@/ui/states";
import { Time } from "@/ui/time";
import { keyOf } from "./use-device";

type Alert = Schema<"Alert">;
type Rule = Schema<"DeviceAlertRule">;

/** A value in its rule's unit. */
export function inUnit(value: number | null, unit: Rule["unit"]): string {
  if (value === null) return "–";
  if (unit === "seconds") return duration(value);
  if (unit === "minutes") return duration(value * 60);
  return unit === "percent" ? `${value} %` : value.toLocaleString();
}

const COLUMNS: Column<Alert>[] = [
  { id: "title", title: "Alert", grow: 2, width: 160, always: true, cell: (row) => <AlertName alert={row} /> },
  { id: "state", title: "State", width: 120, cell: (row) => <StatusBadge status={row.state} /> },
  { id: "severity", title: "Severity", width: 110, cell: (row) => <StatusBadge status={row.severity} /> },
  { id: "since", title: "Since", width: 110, cell: (row) => <Time at={row.fired_at ?? row.pending_at} className="text-ink-2" /> },
  { id: "until", title: "Over", width: 110, cell: (row) => <Time at={row.resolved_at} className="text-ink-2" /> },
  { id: "value", title: "Value", width: 150, cell: (row) => <Judged alert={row} /> },
  { id: "acked", title: "Taken care of", grow: 1, width: 120, cell: (row) => row.acked_by ?? <span className="text-ink-3">–</span> },
];

function AlertName({ alert }: { alert: Alert }) {
  if (!alert.incident_id) return <span className="font-medium">{alert.title}</span>;
  return (
    <Link to={`/alerts?incident=${alert.incident_id}`} className="font-medium hover:text-accent hover:underline">
      {alert.title}
    </Link>
  );
}

const Judged = ({ alert }: { alert: Alert }) => (
  <span className="tabular">
    {inUnit(alert.value, alert.unit)}
    {alert.threshold !== null && <span className="text-ink-3"> of {inUnit(alert.threshold, alert.unit)}</span>}
  </span>
);

export const useRules = (deviceId: string) =>
  useQuery({
    queryKey: keyOf(deviceId, "rules"),
    queryFn: async ({ signal }) => (await api.get("/admin/devices/{id}/alert-rules", { path: { id: deviceId }, signal })).rules,
    staleTime: 60_000,
  });

const SOURCE: Record<string, string> = { default: "as built in", fleet: "as the fleet has it", device: "of this device" };

function RuleLine({ rule }: { rule: Rule }) {
  const { effective, sources } = rule;
  const all = Object.values(sources);
  const own = all.find((one) => one === "device") ?? all.find((one) => one.startsWith("tag:"));
  const source = own ?? (all.includes("fleet") ? "fleet" : "default");
  return (
    <li className="grid grid-cols-[minmax(0,1fr)_auto] items-center gap-x-4 gap-y-1 border-t border-line px-4 py-2.5 text-sm first:border-0 sm:grid-cols-[minmax(0,1fr)_10rem_6rem_9rem]">
      <span className="font-medium">{rule.title}</span>
      <span className="text-ink-2 tabular max-sm:order-3">
        {effective.enabled && (effective.text_value ?? inUnit(effective.threshold, rule.unit))}
        {effective.enabled && effective.hold_s > 0 && <span className="text-ink-3"> for {duration(effective.hold_s)}</span>}
      </span>
      <span className="max-sm:order-2 max-sm:justify-self-end">
        {effective.enabled ? <StatusBadge status={effective.severity} /> : <Badge>off</Badge>}
      </span>
      <span className="text-right text-xs text-ink-3 max-sm:order-4">{SOURCE[source] ?? source.replace("tag:", "by its tag ")}</span>
    </li>
  );
}

function Rules({ deviceId }: { deviceId: string }) {
  const rules = useRules(deviceId);
  return (
    <Card>
      <CardHeader title="What it is judged by" hint="Own values go before those of its tags, those before the fleet's." />
      {rules.error && <Failure error={rules.error} retry={() => void rules.refetch()} className="m-4" />}
      {rules.isPending && <Skeleton className="m-4 h-40" />}
      <ul>
        {rules.data?.map((rule) => (
          <RuleLine key={rule.rule} rule={rule} />
        ))}
      </ul>
    </Card>
  );
}

export function AlertsTab({ deviceId }: { deviceId: string }) {
  const list = useKeyset<Alert>(keyOf(deviceId, "alerts", "list"), async (cursor, signal) => {
    const answer = await api.get("/admin/devices/{id}/alerts", { path: { id: deviceId }, query: { cursor, limit: 50 }, signal });
    return { rows: answer.alerts, next: answer.next_cursor };
  });
  return (
    <div className="grid gap-4">
      <Card className="overflow-hidden">
        <DataTable
          label="Alerts of this device"
          columns={COLUMNS}
          rows={list.rows}
          rowId={(row) => row.id}
          {...list.table}
          className="max-h-[50vh]"
          renderCard={(row) => (
            <div className="grid gap-1.5">
              <div className="flex items-center justify-between gap-3">
                <AlertName alert={row} />
                <StatusBadge status={row.state} />
              </div>
              <p className="text-xs text-ink-3">
                <Time at={row.fired_at ?? row.pending_at} /> · <Judged alert={row} />
              </p>
            </div>
          )}
          empty={
            <Empty icon={BellOff} title="No alerts">
              Nothing was ever wrong with this device.
            </Empty>
          }
        />
      </Card>
      <Rules deviceId={deviceId} />
    </div>
  );
}
