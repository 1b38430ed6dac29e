// SPDX-License-Identifier: Apache-2.0
import { SearchX } from "lucide-react";
import { useEffect } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { isUnknown } from "@/lib/form-error";
import { QuarantineResolver } from "@/pages/devices/quarantine";
import { Button } from "@/ui/button";
import { Empty, Failure, Skeleton } from "@/ui/states";
import { TabPanel, Tabs } from "@/ui/tabs";
import { Time } from "@/ui/time";
import { AlertsTab, useRules } from "./alerts-tab";
import { ChartsCard } from "./charts";
import { CommandsTab } from "./commands-tab";
import { AgentCard, DetailsCard } from "./details";
import { EventsTab } from "./events-tab";
import { DeviceHeader } from "./header";
import { MonitoringTab } from "./monitoring-tab";
import { RawTab } from "./raw-tab";
import { useSending } from "./send-command";
import { DeviceStats } from "./stats";
import { UpdatesCard } from "./updates";
import { useDevice, useDeviceNews, useNowOf, type Device } from "./use-device";

const TABS = [
  { value: "overview", label: "Overview" },
  { value: "commands", label: "Commands" },
  { value: "alerts", label: "Alerts" },
  { value: "monitoring", label: "Monitoring" },
  { value: "events", label: "Events" },
  { value: "raw", label: "Last heartbeat" },
];

function Overview({ device }: { device: Device }) {
  const rules = useRules(device.id).data;
  const low = rules?.find((rule) => rule.rule === "low_battery")?.effective;
  return (
    <div className="grid gap-4">
      <DeviceStats device={device} />
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_22rem]">
        <ChartsCard device={device} lowAt={low?.enabled ? (low.threshold ?? undefined) : undefined} />
        <div className="grid gap-4 md:max-xl:grid-cols-2">
          <DetailsCard device={device} />
          <UpdatesCard device={device} rules={rules} />
          <AgentCard device={device} />
        </div>
      </div>
    </div>
  );
}

function Found({ read }: { read: Device }) {
  const { device, status } = useNowOf(read);
  const { "*": rest = "" } = useParams();
  const navigate = useNavigate();
  const sending = useSending(device);
  const tab = TABS.find((one) => one.value === rest.split("/")[0])?.value ?? "overview";
  useEffect(() => {
    document.title = `${device.alias} · Muster`;
  }, [device.alias]);
  return (
    <QuarantineResolver>
      <DeviceHeader device={device} status={status} onCommand={sending.choose} />
      {device.deleted_at && (
        <p className="mb-4 rounded-control bg-idle-soft px-4 py-2.5 text-sm text-ink-2">
          Deleted <Time at={device.deleted_at} />. What is left of it is its history.
        </p>
      )}
      <Tabs
        label="Of this device"
        tabs={TABS.map((one) => (one.value === "commands" && device.commands_pending ? { ...one, count: device.commands_pending } : one))}
        value={tab}
        onChange={(next) => void navigate(next === "overview" ? `/devices/${device.id}` : `/devices/${device.id}/${next}`)}
      >
        <TabPanel value="overview">
          <Overview device={device} />
        </TabPanel>
        <TabPanel value="commands">
          <CommandsTab deviceId={device.id} />
        </TabPanel>
        <TabPanel value="alerts">
          <AlertsTab deviceId={device.id} />
        </TabPanel>
        <TabPanel value="monitoring">
          <MonitoringTab deviceId={device.id} deleted={Boolean(device.deleted_at)} />
        </TabPanel>
        <TabPanel value="events">
          <EventsTab deviceId={device.id} />
        </TabPanel>
        <TabPanel value="raw">
          <RawTab deviceId={device.id} />
        </TabPanel>
      </Tabs>
      {sending.dialog}
    </QuarantineResolver>
  );
}

function Loading() {
  return (
    <div className="grid gap-4" aria-busy="true">
      <Skeleton className="h-14 w-72" />
      <Skeleton className="h-10" />
      <Skeleton className="h-28" />
      <Skeleton className="h-96" />
    </div>
  );
}

export default function DevicePage() {
  const { id = "" } = useParams();
  const query = useDevice(id);
  useDeviceNews(id);
  if (query.data) return <Found key={id} read={query.data} />;
  if (!query.error) return <Loading />;
  if (isUnknown(query.error))
    return (
      <Empty
        icon={SearchX}
        title="There is no such device"
        action={
          <Button asChild>
            <Link to="/devices">All devices</Link>
          </Button>
        }
      >
        Nothing in the fleet has the id {id}.
      </Empty>
    );
  return <Failure error={query.error} retry={() => void query.refetch()} />;
}
