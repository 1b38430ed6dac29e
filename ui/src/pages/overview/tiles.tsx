// SPDX-License-Identifier: Apache-2.0
import type { ReactNode } from "react";
import { count, percent } from "@/lib/format";
import type { LiveFleet } from "@/live/store";
import type { Tone } from "@/ui/badge";
import { Stat } from "@/ui/stat";

interface Tile {
  label: string;
  value: number;
  tone: Tone;
  hint: ReactNode;
  to: string;
}

/** Never red or amber for a nothing. */
const toneOf = (value: number, tone: Tone): Tone => (value > 0 ? tone : "neutral");

export interface AlertNumbers {
  firing: number;
  open_incidents: number;
}

function tilesOf(fleet: LiveFleet, alerts: AlertNumbers | undefined): Tile[] {
  const share = (value: number) => (
    <>
      {percent(value, fleet.devices)}
      <span className="max-sm:hidden"> of the fleet</span>
    </>
  );
  return [
    { label: "Online", value: fleet.online, tone: toneOf(fleet.online, "ok"), hint: share(fleet.online), to: "/devices?status=online" },
    { label: "Late", value: fleet.late, tone: toneOf(fleet.late, "warn"), hint: share(fleet.late), to: "/devices?status=late" },
    { label: "Silent", value: fleet.silent, tone: toneOf(fleet.silent, "bad"), hint: share(fleet.silent), to: "/devices?status=silent" },
    {
      label: "Alerting",
      value: alerts?.firing ?? -1,
      tone: toneOf(alerts?.firing ?? 0, "bad"),
      hint: alerts ? `${count(alerts.open_incidents)} ${alerts.open_incidents === 1 ? "incident" : "incidents"} open` : "",
      to: "/alerts",
    },
    { label: "Never seen", value: fleet.never, tone: "neutral", hint: "registered, not heard of", to: "/devices?status=never" },
  ];
}

export function Tiles({ fleet, alerts }: { fleet: LiveFleet; alerts: AlertNumbers | undefined }) {
  return (
    <div className="grid grid-cols-6 gap-2 sm:grid-cols-3 sm:gap-3 lg:grid-cols-5">
      {tilesOf(fleet, alerts).map((tile) => (
        <Stat
          key={tile.label}
          label={tile.label}
          tone={tile.tone}
          value={tile.value < 0 ? undefined : <span className="max-sm:text-xl">{count(tile.value)}</span>}
          hint={tile.hint}
          to={tile.to}
          className="max-sm:col-span-2 max-sm:px-3 max-sm:py-3 max-sm:nth-[n+4]:col-span-3"
        />
      ))}
    </div>
  );
}
