// SPDX-License-Identifier: Apache-2.0
import type { ReactNode } from "react";
import { count, percent } from "@/lib/format";
import { BATTERY_BANDS, topOf, type FleetStats } from "@/lib/fleet-stats";
import { Bars, type Bar, type BarTone } from "@/ui/bars";
import { Card, CardBody, CardHeader } from "@/ui/card";
import { Skeleton } from "@/ui/states";
import { useFleetStats } from "./use-fleet-stats";

const BATTERY_TONE: BarTone[] = ["bad", "warn", "info", "ok", "ok"];
const VERSIONS_SHOWN = 5;
const NETWORK: Record<string, string> = { wifi: "Wi-Fi", cellular: "Mobile", ethernet: "Ethernet", offline: "Offline" };

function unknownBar(value: number): Bar[] {
  return value > 0 ? [{ key: "unknown", label: "unknown", value, tone: "idle" }] : [];
}

function batteryBars(stats: FleetStats): Bar[] {
  const bands = BATTERY_BANDS.map((band, index) => ({
    key: band.label,
    label: band.label,
    value: stats.battery[index] ?? 0,
    tone: BATTERY_TONE[index],
    to: index === 0 ? "/devices?battery_below=15" : undefined,
  }));
  return [...bands, ...unknownBar(stats.batteryUnknown)];
}

function versionBars(stats: FleetStats): Bar[] {
  const known = new Set(stats.versions.map((one) => one.version));
  const shares = stats.versions.map((one) => ({ label: one.version, count: one.count }));
  const bars = topOf(shares, VERSIONS_SHOWN, (kinds) => `${kinds} other versions`).map((share): Bar => ({
    key: share.label,
    label: share.label,
    value: share.count,
    to: known.has(share.label) ? `/devices?agent_version=${encodeURIComponent(share.label)}` : undefined,
    tone: known.has(share.label) ? "accent" : "idle",
  }));
  return [...bars, ...unknownBar(stats.versionUnknown)];
}

function networkBars(stats: FleetStats): Bar[] {
  const bars = stats.networks.map((one): Bar => ({
    key: one.network,
    label: NETWORK[one.network] ?? one.network,
    value: one.count,
    tone: "info",
    to: `/devices?network=${one.network}`,
  }));
  return [...bars, ...unknownBar(stats.networkUnknown)];
}

function Distribution({ title, hint, bars }: { title: string; hint: ReactNode; bars: Bar[] | null }) {
  return (
    <Card aria-label={title}>
      <CardHeader title={title} hint={hint} />
      <CardBody>
        {bars ? (
          <Bars label={title} bars={bars} />
        ) : (
          <div className="grid gap-3" aria-busy="true">
            {[0, 1, 2, 3, 4].map((line) => (
              <Skeleton key={line} className="h-7" />
            ))}
          </div>
        )}
      </CardBody>
    </Card>
  );
}

function versionsHint(stats: FleetStats | null): string {
  if (!stats) return "Being counted";
  const newest = stats.versions[0];
  if (!newest) return "No device told its version yet";
  return `${percent(newest.count, stats.reported)} have the newest, ${newest.version}`;
}

function powerHint(stats: FleetStats | null): string {
  if (!stats) return "Being counted";
  if (stats.powerNotOk === 0) return "No device lets its system put the agent to sleep";
  const one = stats.powerNotOk === 1;
  return `${count(stats.powerNotOk)} ${one ? "device" : "devices"} may put the agent to sleep`;
}

/** What the fleet is made of, from the live rows. */
export function Distributions() {
  const stats = useFleetStats();
  const charging = stats && `${count(stats.charging)} of ${count(stats.reported)} charging`;
  return (
    <div className="grid gap-4 md:grid-cols-2 xl:grid-cols-3">
      <Distribution title="Battery" hint={charging ?? "Being counted"} bars={stats && batteryBars(stats)} />
      <Distribution title="Agent version" hint={versionsHint(stats)} bars={stats && versionBars(stats)} />
      <Distribution title="Network" hint={powerHint(stats)} bars={stats && networkBars(stats)} />
    </div>
  );
}
