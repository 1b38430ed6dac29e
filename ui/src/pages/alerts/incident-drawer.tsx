// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { SearchX } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";
import { api } from "@/api/client";
import {
  actorName,
  alertSentence,
  incidentPlace,
  incidentSentence,
  incidentTitle,
  isGroup,
  type Alert,
  type Incident,
} from "@/lib/alert-words";
import { isUnknown } from "@/lib/form-error";
import { count } from "@/lib/format";
import { Badge, StatusBadge } from "@/ui/badge";
import { Drawer } from "@/ui/drawer";
import { Fact, Facts } from "@/ui/stat";
import { Empty, Failure, Skeleton } from "@/ui/states";
import { TabPanel, Tabs } from "@/ui/tabs";
import { Time } from "@/ui/time";
import { Lasted } from "./history";
import { IncidentActions } from "./incident-actions";
import { IncidentNotifications } from "./incident-notifications";
import { IncidentThread } from "./incident-thread";

export interface IncidentDrawerProps {
  id: string | null;
  onClose: () => void;
  /** Another one, into which this one was merged. */
  onOpen: (id: string) => void;
}

const Waiting = () => (
  <div className="grid gap-4" aria-busy="true">
    <Skeleton className="h-20" />
    <Skeleton className="h-40" />
  </div>
);

function About({ incident, alert, onOpen }: { incident: Incident; alert: Alert | undefined } & Pick<IncidentDrawerProps, "onOpen">) {
  const sentence = incidentSentence(incident, alert);
  return (
    <div className="grid grid-cols-1 gap-4">
      <div className="flex flex-wrap items-center gap-2">
        <StatusBadge status={incident.severity} />
        {incident.closed_at ? (
          <Badge tone="ok">over</Badge>
        ) : incident.acked_at ? (
          <Badge tone="info">in hand</Badge>
        ) : (
          <Badge tone="bad">open</Badge>
        )}
      </div>
      {sentence && <p className="text-[0.9375rem]">{sentence}</p>}
      {incident.merged_into && (
        <button
          type="button"
          className="w-fit text-sm font-medium text-accent hover:underline"
          onClick={() => onOpen(incident.merged_into ?? "")}
        >
          Show incident {incident.merged_into}
        </button>
      )}
      <Facts>
        {incident.device_id && (
          <Fact label="Device">
            <Link to={`/devices/${incident.device_id}`} className="font-medium text-accent hover:underline">
              {incident.device_alias}
            </Link>
          </Fact>
        )}
        <Fact label="Where">{incidentPlace(incident)}</Fact>
        {isGroup(incident) && (
          <Fact label="Devices">
            <span className="tabular">
              {count(incident.firing_count)} affected, {count(incident.alert_count)} in all
            </span>
          </Fact>
        )}
        <Fact label="Began">
          <Time at={incident.opened_at} />
        </Fact>
        {incident.closed_at && (
          <Fact label="Over">
            <Time at={incident.closed_at} />, after{" "}
            <Lasted alert={{ pending_at: incident.opened_at, fired_at: null, resolved_at: incident.closed_at }} />
          </Fact>
        )}
        {incident.acked_by && (
          <Fact label="Acknowledged">
            by {actorName(incident.acked_by)}, <Time at={incident.acked_at} />
            {incident.ack_note && <p className="mt-0.5 text-ink-2">“{incident.ack_note}”</p>}
          </Fact>
        )}
      </Facts>
    </div>
  );
}

function AlertsOf({ alerts, more }: { alerts: Alert[]; more: boolean }) {
  return (
    <ul className="grid divide-y divide-line">
      {alerts.map((alert) => (
        <li key={alert.id} className="grid gap-1 py-2.5">
          <div className="flex items-center gap-2">
            {alert.device_id ? (
              <Link to={`/devices/${alert.device_id}`} className="min-w-0 truncate font-medium hover:text-accent hover:underline">
                {alert.device_alias}
              </Link>
            ) : (
              <span className="font-medium">The appliance</span>
            )}
            <span className="ml-auto text-xs text-ink-3">
              <Lasted alert={alert} />
            </span>
            <StatusBadge status={alert.state} />
          </div>
          <p className="text-xs text-ink-2">{alertSentence(alert)}</p>
        </li>
      ))}
      {more && <li className="py-2.5 text-xs text-ink-3">These are the newest 100; the history has them all.</li>}
    </ul>
  );
}

export function IncidentDrawer({ id, onClose, onOpen }: IncidentDrawerProps) {
  const [tab, setTab] = useState("thread");
  const query = useQuery({
    queryKey: ["alerts", "incident", id],
    queryFn: ({ signal }) => api.get("/admin/incidents/{id}", { path: { id: id ?? "" }, signal }),
    enabled: id !== null,
  });
  const incident = query.data?.incident;
  const alerts = query.data?.alerts ?? [];
  const first = alerts[0];
  const unknown = isUnknown(query.error);
  return (
    <Drawer
      open={id !== null}
      onOpenChange={(open) => !open && onClose()}
      title={incident ? incidentTitle(incident) : "Incident"}
      description={`Incident ${id ?? ""}`}
      className="sm:max-w-xl"
      footer={incident && <IncidentActions incident={incident} />}
    >
      {unknown && (
        <Empty icon={SearchX} title="There is no such incident">
          Nothing has the number {id}.
        </Empty>
      )}
      {query.error && !unknown && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.isPending && !query.error && <Waiting />}
      {id !== null && incident && (
        <div className="grid grid-cols-1 gap-5">
          <About incident={incident} alert={first} onOpen={onOpen} />
          <Tabs
            label="Incident"
            value={tab}
            onChange={setTab}
            tabs={[
              { value: "thread", label: "Thread" },
              { value: "alerts", label: "Alerts", count: incident.alert_count },
              { value: "told", label: "Told" },
            ]}
          >
            <TabPanel value="thread">
              <IncidentThread incident={incident} unit={first?.unit} />
            </TabPanel>
            <TabPanel value="alerts" className="pt-1">
              <AlertsOf alerts={alerts} more={query.data?.next_cursor != null} />
            </TabPanel>
            <TabPanel value="told" className="pt-1">
              <IncidentNotifications id={incident.id} />
            </TabPanel>
          </Tabs>
        </div>
      )}
    </Drawer>
  );
}
