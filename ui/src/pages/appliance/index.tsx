// SPDX-License-Identifier: Apache-2.0
import type { ComponentType } from "react";
import { useLocation, useNavigate } from "react-router";
import { PageHeader } from "@/app/page-header";
import { useHealth } from "@/lib/health";
import { useMay, type Role } from "@/session/session";
import { Badge } from "@/ui/badge";
import { TabPanel, Tabs } from "@/ui/tabs";
import { ArchivesTab } from "./archives-tab";
import { BackupsTab } from "./backups-tab";
import { DatabaseTab } from "./database-tab";
import { DoctorTab } from "./doctor-tab";
import { JobsTab } from "./jobs-tab";
import { PartitionsTab } from "./partitions-tab";
import { PipelineTab } from "./pipeline-tab";

interface Part {
  value: string;
  label: string;
  /** Who may read it, as the API says. */
  role: Role;
  component: ComponentType;
}

const PARTS: Part[] = [
  { value: "pipeline", label: "Pipeline", role: "viewer", component: PipelineTab },
  { value: "database", label: "Database", role: "viewer", component: DatabaseTab },
  { value: "partitions", label: "Partitions", role: "operator", component: PartitionsTab },
  { value: "jobs", label: "Jobs", role: "operator", component: JobsTab },
  { value: "archives", label: "Archives", role: "operator", component: ArchivesTab },
  { value: "backups", label: "Backups", role: "operator", component: BackupsTab },
  { value: "doctor", label: "Doctor", role: "admin", component: DoctorTab },
];

function useParts(): Part[] {
  const may = { viewer: useMay("viewer"), operator: useMay("operator"), admin: useMay("admin") };
  return PARTS.filter((part) => may[part.role]);
}

function State() {
  const { data, error } = useHealth();
  if (error) return <Badge tone="bad">can't be reached</Badge>;
  if (!data) return null;
  return (
    <>
      <Badge tone={data.well ? "ok" : "bad"}>{data.well ? "well" : "not well"}</Badge>
      <span className="text-xs text-ink-3">version {data.version}</span>
    </>
  );
}

/** /appliance is the pipeline; each other part has its own address below it. */
export default function Page() {
  const parts = useParts();
  const navigate = useNavigate();
  const { pathname } = useLocation();
  const chosen = parts.find((part) => pathname.startsWith(`/appliance/${part.value}`)) ?? parts[0];
  if (!chosen) return null;
  const choose = (value: string) => void navigate(value === PARTS[0]?.value ? "/appliance" : `/appliance/${value}`);
  return (
    <>
      <PageHeader title="Appliance" hint="What takes in the fleet's heartbeats, and how it is." actions={<State />} />
      <Tabs
        label="Parts of the appliance"
        tabs={parts.map(({ value, label }) => ({ value, label }))}
        value={chosen.value}
        onChange={choose}
      >
        <TabPanel value={chosen.value}>
          <chosen.component />
        </TabPanel>
      </Tabs>
    </>
  );
}
