// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "react-router";
import { api } from "@/api/client";
import { PageHeader } from "@/app/page-header";
import { RefreshNote } from "@/lib/refresh-note";
import { useRefresh } from "@/lib/use-refresh";
import { TabPanel, Tabs } from "@/ui/tabs";
import { Channels } from "./channels";
import { History } from "./history";
import { IncidentDrawer } from "./incident-drawer";
import { Incidents } from "./incidents";
import { Rules } from "./rules";
import { Silences } from "./silences";
import { Summary } from "./summary";
import { Told } from "./told";
import { useOpened } from "@/lib/use-opened";

const PLACES = { incidents: Incidents, history: History, rules: Rules, channels: Channels, silences: Silences, told: Told };
type Place = keyof typeof PLACES;

const isPlace = (text: string | undefined): text is Place => text !== undefined && text in PLACES;

export default function AlertsPage() {
  const { "*": rest } = useParams();
  const navigate = useNavigate();
  const place: Place = isPlace(rest) ? rest : "incidents";
  const { stale, refresh } = useRefresh(["alerts"], (delta) => Boolean(delta.alerts || delta.missed));
  const summary = useQuery({ queryKey: ["alerts", "summary"], queryFn: ({ signal }) => api.get("/admin/alerts/summary", { signal }) });
  const [incident, openIncident] = useOpened("incident");

  const tabs = [
    { value: "incidents", label: "Incidents", count: summary.data?.open_incidents },
    { value: "history", label: "History" },
    { value: "rules", label: "Rules" },
    { value: "channels", label: "Channels" },
    { value: "silences", label: "Silences", count: summary.data?.silences || undefined },
    { value: "told", label: "Told" },
  ];
  const Content = PLACES[place];
  return (
    <>
      <PageHeader
        title="Alerts"
        hint="What is wrong, told once, and told when it is over."
        actions={<RefreshNote stale={stale} refresh={refresh} />}
      />
      {place === "incidents" && <Summary summary={summary.data} />}
      <Tabs
        label="Alerts"
        tabs={tabs}
        value={place}
        onChange={(value) => void navigate(value === "incidents" ? "/alerts" : `/alerts/${value}`)}
      >
        <TabPanel value={place}>
          <Content openIncident={openIncident} />
        </TabPanel>
      </Tabs>
      <IncidentDrawer id={incident} onClose={() => openIncident(null)} onOpen={openIncident} />
    </>
  );
}
