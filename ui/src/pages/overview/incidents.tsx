// SPDX-License-Identifier: Apache-2.0
import { CheckCheck, ShieldCheck } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { actorName } from "@/lib/alert-words";
import { count } from "@/lib/format";
import { useMay } from "@/session/session";
import { Badge, Dot, STATUS_TONE } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card, CardHeader } from "@/ui/card";
import { Confirm } from "@/ui/dialog";
import { Field, Textarea } from "@/ui/field";
import { Empty, Failure, Skeleton } from "@/ui/states";
import { Time } from "@/ui/time";
import { toast } from "@/ui/toast";
import { ruleTitle, subjectOf } from "./rules";
import { useAlertSummary, useOpenIncidents, useRereadIncidents } from "./use-alert-queries";

type Incident = Schema<"Incident">;

function Acknowledge({ incident, title, onClose }: { incident: Incident; title: string; onClose: () => void }) {
  const [note, setNote] = useState("");
  const reread = useRereadIncidents();
  const acknowledge = async () => {
    await api.post("/admin/incidents/{id}/acknowledge", { path: { id: incident.id }, body: note.trim() ? { note: note.trim() } : {} });
    toast.ok("Acknowledged. Everybody who was told of it hears of that.");
    void reread();
  };
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onClose()}
      title="Take care of this incident"
      description={`${title}: ${subjectOf(incident)}. Everybody who was told of it hears that you do.`}
      action="Acknowledge"
      onConfirm={acknowledge}
    >
      <Field label="Note" hint="What is being done about it. It may be left empty.">
        {(field) => <Textarea {...field} value={note} maxLength={500} onChange={(event) => setNote(event.target.value)} />}
      </Field>
    </Confirm>
  );
}

function Line({ incident, title, onAcknowledge }: { incident: Incident; title: string; onAcknowledge: (() => void) | null }) {
  const tone = STATUS_TONE[incident.severity] ?? "neutral";
  return (
    <li className="flex items-center gap-3 px-4 py-2.5">
      <Dot tone={tone} className="mt-px size-2.5" />
      <div className="min-w-0 grow">
        <p className="line-clamp-3 text-sm [overflow-wrap:anywhere] sm:block sm:truncate">
          <Link to={`/alerts?incident=${incident.id}`} className="touch-target font-medium hover:underline">
            {subjectOf(incident)}
          </Link>
          <span className="text-ink-2"> · {title}</span>
        </p>
        <p className="mt-0.5 text-xs text-ink-3 sm:truncate">
          <span className="capitalize">{incident.severity}</span>
          {incident.kind !== "device" && incident.kind !== "appliance" && <> · {count(incident.firing_count)} devices</>} · since{" "}
          <Time at={incident.opened_at} />
          {incident.ack_note && <> · “{incident.ack_note}”</>}
        </p>
      </div>
      {incident.acked_at ? (
        <Badge tone="info" className="max-w-36">
          <span className="truncate">{incident.acked_by ? actorName(incident.acked_by) : "acknowledged"}</span>
        </Badge>
      ) : (
        onAcknowledge && (
          <Button size="sm" className="shrink-0" title="Acknowledge" onClick={onAcknowledge}>
            <CheckCheck aria-hidden className="sm:hidden" />
            <span className="max-sm:sr-only">Acknowledge</span>
          </Button>
        )
      )}
    </li>
  );
}

function Lines({ incidents }: { incidents: Incident[] }) {
  const summary = useAlertSummary();
  const may = useMay("operator");
  const [asked, setAsked] = useState<Incident | null>(null);
  const title = (incident: Incident) => ruleTitle(summary.data, incident.rule);
  if (incidents.length === 0)
    return (
      <Empty icon={ShieldCheck} title="Nothing is open">
        When a device falls silent, a battery runs low or a service stops, it shows here.
      </Empty>
    );
  return (
    <>
      <ul className="divide-y divide-line border-t border-line">
        {incidents.map((incident) => (
          <Line key={incident.id} incident={incident} title={title(incident)} onAcknowledge={may ? () => setAsked(incident) : null} />
        ))}
      </ul>
      {asked && <Acknowledge incident={asked} title={title(asked)} onClose={() => setAsked(null)} />}
    </>
  );
}

/** The newest that are open; all of them are on the alerts' page. */
export function Incidents({ className }: { className?: string }) {
  const incidents = useOpenIncidents();
  const summary = useAlertSummary();
  const open = summary.data?.open_incidents ?? 0;
  const more = open - (incidents.data?.incidents.length ?? 0);
  return (
    <Card className={className} aria-label="Open incidents">
      <CardHeader
        title="Open incidents"
        hint={summary.data && open > 0 ? `${count(summary.data.unacked_incidents)} of ${count(open)} not acknowledged` : undefined}
        actions={
          <Button asChild variant="ghost" size="sm" className="-mr-2.5 text-accent">
            <Link to="/alerts">{more > 0 ? `All ${count(open)}` : "All"}</Link>
          </Button>
        }
      />
      {incidents.isPending && (
        <div className="grid gap-3 px-4 pb-4" aria-busy="true">
          <Skeleton className="h-9" />
          <Skeleton className="h-9" />
          <Skeleton className="h-9" />
        </div>
      )}
      {incidents.error && <Failure error={incidents.error} retry={() => void incidents.refetch()} className="mx-4 mb-4" />}
      {incidents.data && <Lines incidents={incidents.data.incidents} />}
    </Card>
  );
}
