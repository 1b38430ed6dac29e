// SPDX-License-Identifier: Apache-2.0
import { BellOff, CircleAlert, CircleCheck, MessageSquare, UserCheck, UserX, type LucideIcon } from "lucide-react";
import { useMemo } from "react";
import { Link } from "react-router";
import { cn } from "@/lib/cn";
import { count } from "@/lib/format";
import { liveStore } from "@/live/store";
import { useLiveVersion } from "@/live/use-live";
import { Card, CardHeader } from "@/ui/card";
import { Empty, Failure, Skeleton } from "@/ui/states";
import { Time } from "@/ui/time";
import { alertFeed, type FeedLine } from "./feed";
import { ruleTitle } from "./rules";
import { useAlertSummary, useNewestAlerts, useOpenIncidents } from "./use-alert-queries";

const LINES = 9;
const CHANGE: Record<FeedLine["change"], { icon: LucideIcon; tone: string; says: string }> = {
  fired: { icon: CircleAlert, tone: "text-bad", says: "began" },
  resolved: { icon: CircleCheck, tone: "text-ok", says: "is over" },
  opened: { icon: CircleAlert, tone: "text-bad", says: "opened" },
  closed: { icon: CircleCheck, tone: "text-ok", says: "is over" },
  acked: { icon: UserCheck, tone: "text-info", says: "acknowledged" },
  unacked: { icon: UserX, tone: "text-warn", says: "is open again to take" },
  noted: { icon: MessageSquare, tone: "text-ink-3", says: "has a note" },
  merged: { icon: CircleAlert, tone: "text-ink-3", says: "became part of a wider one" },
};
const SOFTER: Record<string, string> = { warning: "text-warn", info: "text-info" };

function who(line: FeedLine): string {
  if (line.deviceId) return line.alias ?? liveStore.devices.get(line.deviceId)?.alias ?? `Device ${line.deviceId}`;
  return line.firing ? `${count(line.firing)}${line.orMore ? " or more" : ""} devices` : "Incident";
}

function Line({ line, title }: { line: FeedLine; title: string }) {
  const { icon: Icon, tone, says } = CHANGE[line.change];
  const colour = line.change === "fired" ? (SOFTER[line.severity ?? ""] ?? tone) : tone;
  const name = who(line);
  const to = line.deviceId ? `/devices/${line.deviceId}` : line.incidentId ? `/alerts?incident=${line.incidentId}` : "/alerts";
  return (
    <li className="flex items-start gap-2.5 px-4 py-2">
      <Icon className={cn("mt-0.5 size-4 shrink-0", colour)} aria-hidden />
      <p className="min-w-0 grow text-sm leading-5">
        <Link to={to} className="font-medium hover:underline">
          {name}
        </Link>
        <span className="text-ink-2">
          {" · "}
          {title} {line.change === "fired" ? <span className="sr-only">{says}</span> : says}
        </span>
      </p>
      <Time at={line.at} className="shrink-0 text-xs leading-5 text-ink-3 tabular" />
    </li>
  );
}

/** What happens to alerts, as it happens. */
export function Feed({ className }: { className?: string }) {
  const read = useNewestAlerts();
  const summary = useAlertSummary();
  const open = useOpenIncidents();
  useLiveVersion();
  const { alerts } = liveStore;
  const lines = useMemo(() => {
    const sizes = new Map((open.data?.incidents ?? []).map((incident) => [incident.id, incident.alert_count]));
    return alertFeed(read.data?.alerts ?? [], alerts, LINES, sizes);
  }, [read.data, open.data, alerts]);
  return (
    <Card className={className} aria-label="Alert feed">
      <CardHeader title="Alert feed" hint="As it happens" />
      {read.isPending && (
        <div className="grid gap-3 px-4 pb-4" aria-busy="true">
          <Skeleton className="h-6" />
          <Skeleton className="h-6" />
          <Skeleton className="h-6" />
        </div>
      )}
      {read.error && <Failure error={read.error} retry={() => void read.refetch()} className="mx-4 mb-4" />}
      {read.data && lines.length === 0 && <Empty icon={BellOff} title="No alerts yet" />}
      <ul className="pb-2" aria-label="Alert feed">
        {lines.map((line) => (
          <Line key={line.key} line={line} title={ruleTitle(summary.data, line.rule)} />
        ))}
      </ul>
    </Card>
  );
}
