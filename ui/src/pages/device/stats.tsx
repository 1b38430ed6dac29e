// SPDX-License-Identifier: Apache-2.0
import { AppWindow, BatteryCharging, BatteryMedium, Clock, Cpu, MemoryStick, Network } from "lucide-react";
import { cn } from "@/lib/cn";
import { duration, toDate } from "@/lib/format";
import { serverNow } from "@/live/server-now";
import { nameOf } from "@/pages/devices/filter";
import { Stat } from "@/ui/stat";
import { useNow } from "@/ui/time";
import type { Device } from "./use-device";

const LOW = 15;
const NONE = <span className="text-ink-3">–</span>;

function Level({ share, bad }: { share: number; bad?: boolean }) {
  return (
    <div aria-hidden className="h-1.5 overflow-hidden rounded-full bg-surface-2">
      <div
        className={cn("h-full rounded-full", bad ? "bg-bad" : "bg-accent")}
        style={{ width: `${Math.min(100, Math.max(0, share * 100))}%` }}
      />
    </div>
  );
}

const gib = (mb: number) => (mb >= 1024 ? { value: (mb / 1024).toFixed(1), unit: "GiB" } : { value: String(mb), unit: "MiB" });

/** The device itself as it last told. */
export function DeviceStats({ device }: { device: Device }) {
  useNow();
  const { last } = device;
  const battery = last?.battery ?? null;
  const free = last?.ram_free_mb ?? null;
  const total = last?.ram_total_mb ?? null;
  const ram = free === null ? null : gib(free);
  const age = last?.observed_at ? Math.max(0, serverNow() - (toDate(last.observed_at)?.getTime() ?? 0) / 1000) : 0;
  const signal = last?.net_validated === false ? "no internet behind it" : (last?.ssid ?? undefined);
  return (
    <div className="grid grid-cols-2 gap-3 md:grid-cols-3 2xl:grid-cols-6">
      <Stat
        label="Battery"
        icon={last?.charging ? BatteryCharging : BatteryMedium}
        value={battery ?? NONE}
        unit={battery === null ? undefined : "%"}
        hint={battery === null ? "it has none, or did not say" : last?.charging ? "charging" : "on battery"}
      >
        {battery !== null && <Level share={battery / 100} bad={battery < LOW && !last?.charging} />}
      </Stat>
      <Stat
        label="RAM free"
        icon={MemoryStick}
        value={ram?.value ?? NONE}
        unit={ram?.unit}
        hint={total ? `of ${gib(total).value} ${gib(total).unit}` : undefined}
      >
        {free !== null && total ? <Level share={free / total} bad={free / total < 0.05} /> : null}
      </Stat>
      <Stat
        label="Network"
        icon={Network}
        value={last?.network ? nameOf(last.network) : NONE}
        hint={signal}
      />
      <Stat
        label="Uptime"
        icon={Clock}
        value={last?.uptime_s == null ? NONE : duration(last.uptime_s + (device.status === "online" ? age : 0))}
        hint={last?.uptime_s == null ? undefined : "since it was started"}
      />
      <Stat
        label="Agent"
        icon={Cpu}
        value={device.agent_version ?? NONE}
        hint={last?.queue_depth ? `${last.queue_depth} wait in its queue` : "nothing waits in its queue"}
      />
      <Stat
        label="App in front"
        icon={AppWindow}
        value={last?.fg_package ?? NONE}
        hint={last?.monitored_last_fg_s == null ? undefined : monitoredText(last.monitored_last_fg_s, last.observed_at)}
      />
    </div>
  );
}

const EPOCH_LEAST = 1_000_000_000;

/** Below 10^9: seconds before the heartbeat; else the time itself. */
function monitoredText(value: number, observedAt: string | undefined): string {
  const observed = (toDate(observedAt)?.getTime() ?? 0) / 1000;
  const age = value < EPOCH_LEAST ? value : observed - value;
  return age < 60 ? "the monitored one was in front" : `monitored one in front ${duration(age)} before`;
}
