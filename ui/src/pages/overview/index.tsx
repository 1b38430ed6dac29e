// SPDX-License-Identifier: Apache-2.0
import { useConnection, useFleet } from "@/live/use-live";
import { cn } from "@/lib/cn";
import { liveStore } from "@/live/store";
import { Card } from "@/ui/card";
import { Skeleton } from "@/ui/states";
import { ApplianceCard } from "./appliance-card";
import { Distributions } from "./distributions";
import { Feed } from "./feed-view";
import { HeadlineView } from "./headline-view";
import { Incidents } from "./incidents";
import { NoDevices } from "./no-devices";
import { Pulse } from "./pulse";
import { Tiles } from "./tiles";
import { useAlertRefresh, useAlertSummary } from "./use-alert-queries";

/** The first seconds, until the live channel says how the fleet is. */
function Waiting() {
  const state = useConnection();
  return (
    <>
      <Card className="flex items-center gap-4 px-5 py-4">
        <Skeleton className="size-11 shrink-0 rounded-full" />
        <div className="grid grow gap-2">
          <h1 className="text-xl font-semibold tracking-tight text-ink-2">
            {state === "off" ? "The live channel is not open" : "Asking how the fleet is…"}
          </h1>
          <p className="text-sm text-ink-3">{liveStore.detail ?? "It takes a second."}</p>
        </div>
      </Card>
      <div className="grid grid-cols-2 gap-2 sm:grid-cols-3 sm:gap-3 lg:grid-cols-5" aria-hidden>
        {[0, 1, 2, 3, 4].map((tile) => (
          <Skeleton key={tile} className="h-24" />
        ))}
      </div>
    </>
  );
}

export default function Page() {
  const fleet = useFleet();
  const summary = useAlertSummary();
  useAlertRefresh();
  if (fleet?.devices === 0)
    return (
      <div className="grid gap-4 xl:grid-cols-3">
        <div className="xl:col-span-2">
          <NoDevices />
        </div>
        <ApplianceCard fleet={fleet} />
      </div>
    );
  return (
    <div className="grid gap-4">
      {fleet ? (
        <>
          <HeadlineView fleet={fleet} incidents={summary.data?.open_incidents ?? null} />
          <Tiles fleet={fleet} alerts={summary.data} />
        </>
      ) : (
        <Waiting />
      )}
      <div className="grid gap-4 xl:grid-cols-3">
        <Pulse className="min-w-0 xl:col-span-2" />
        <ApplianceCard fleet={fleet} />
        {/* Where one is under another, what is wrong comes first. */}
        <Incidents className={cn("min-w-0 xl:col-span-2", summary.data?.open_incidents && "max-xl:order-first")} />
        <Feed className="min-w-0" />
      </div>
      <Distributions />
    </div>
  );
}
