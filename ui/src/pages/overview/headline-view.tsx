// SPDX-License-Identifier: Apache-2.0
import { CircleAlert, CircleCheck, TriangleAlert } from "lucide-react";
import { cn } from "@/lib/cn";
import { count } from "@/lib/format";
import type { LiveFleet } from "@/live/store";
import { useConnection } from "@/live/use-live";
import { Card } from "@/ui/card";
import { Time } from "@/ui/time";
import { headline } from "./headline";

const ICON = { ok: CircleCheck, warn: TriangleAlert, bad: CircleAlert };
const TONE = { ok: "bg-ok-soft text-ok", warn: "bg-warn-soft text-warn", bad: "bg-bad-soft text-bad" };

function Facts({ fleet }: { fleet: LiveFleet }) {
  const live = useConnection() === "live";
  const parts = [
    `${count(fleet.devices)} ${fleet.devices === 1 ? "device" : "devices"} in all`,
    fleet.never > 0 && `${count(fleet.never)} not heard of yet`,
    fleet.quarantined > 0 && `${count(fleet.quarantined)} in quarantine`,
    fleet.backlog > 0 ? `${count(fleet.backlog)} heartbeats wait to be stored` : fleet.storing && "every heartbeat is stored",
  ].filter(Boolean);
  return (
    <p className="mt-0.5 text-sm text-ink-2">
      {parts.join("\u00a0· ") /* a point ends a line rather than begins one */}
      {!live && (
        <>
          {" · "}
          <span className="text-warn">
            not live, as of <Time at={fleet.at} />
          </span>
        </>
      )}
    </p>
  );
}

/** The same numbers as the tiles, as lengths. */
function FleetBar({ fleet }: { fleet: LiveFleet }) {
  const whole = Math.max(1, fleet.online + fleet.late + fleet.silent + fleet.never);
  const parts = [
    { fill: "bg-ok", value: fleet.online },
    { fill: "bg-warn", value: fleet.late },
    { fill: "bg-bad", value: fleet.silent },
    { fill: "bg-idle", value: fleet.never },
  ];
  return (
    <div aria-hidden className="mt-4 flex h-1.5 gap-0.5 overflow-hidden rounded-full bg-surface-2">
      {parts.map(
        ({ fill, value }) =>
          value > 0 && (
            <span
              key={fill}
              className={cn("transition-[width] duration-500", fill)}
              style={{ width: `${(100 * value) / whole}%`, minWidth: 4 }}
            />
          ),
      )}
    </div>
  );
}

/** What one should know first, in words and as one bar. */
export function HeadlineView({ fleet, incidents }: { fleet: LiveFleet; incidents: number | null }) {
  const { tone, text } = headline(fleet, incidents);
  const Icon = ICON[tone];
  return (
    <Card className="px-4 py-4 sm:px-5">
      <div className="flex items-start gap-3 sm:items-center sm:gap-4">
        <span aria-hidden className={cn("grid size-11 shrink-0 place-items-center rounded-full", TONE[tone])}>
          <Icon className="size-6" />
        </span>
        <div className="min-w-0" aria-live="polite">
          <h1 className="text-xl font-semibold tracking-tight text-balance sm:text-2xl" data-testid="headline">
            {text}
          </h1>
          <Facts fleet={fleet} />
        </div>
      </div>
      <FleetBar fleet={fleet} />
    </Card>
  );
}
