// SPDX-License-Identifier: Apache-2.0
import { ArrowRight, CircleCheck, Radio } from "lucide-react";
import { Link } from "react-router";
import { cn } from "@/lib/cn";
import { count } from "@/lib/format";
import { useConnection } from "@/live/use-live";
import { Dot } from "@/ui/badge";
import { Time } from "@/ui/time";
import { useArrivals, type Arrival } from "./use-arrivals";

const SHOWN = 6;

function Facts({ device }: Pick<Arrival, "device">) {
  const facts = [device?.agent_version && `agent ${device.agent_version}`, device?.battery !== undefined && `battery ${device.battery} %`, device?.network];
  return <>{facts.filter(Boolean).map((fact) => ` · ${fact}`)}</>;
}

function Line({ arrival }: { arrival: Arrival }) {
  const { id, device, reported } = arrival;
  return (
    <li className={cn("flex items-center gap-3 rounded-control border px-3.5 py-2.5", reported ? "border-ok/40 bg-ok-soft" : "border-line bg-surface-2")}>
      {reported ? <CircleCheck className="size-5 shrink-0 text-ok" aria-hidden /> : <Dot tone="info" pulse className="mx-1.5" />}
      <div className="min-w-0 grow">
        <p className="truncate text-sm font-medium">{device?.alias ?? `Device ${id}`}</p>
        <p className="text-xs text-ink-2">
          {reported ? (
            <>
              First heartbeat <Time at={device?.received_at} />
              <Facts device={device} />
            </>
          ) : (
            "Registered; its first heartbeat is awaited"
          )}
        </p>
      </div>
      <Link to={`/devices/${id}`} className="inline-flex items-center gap-1 text-sm font-medium whitespace-nowrap text-accent hover:underline">
        Open <ArrowRight className="size-3.5" aria-hidden />
        <span className="sr-only">{device?.alias}</span>
      </Link>
    </li>
  );
}

/** Turns green by itself when the device has come in and reported. */
export function Waiting({ tokenId, since, wanted }: { tokenId: string; since: number; wanted: number }) {
  const { arrivals, uses } = useArrivals(tokenId, since);
  const live = useConnection() === "live";
  const reported = arrivals.filter((arrival) => arrival.reported).length;
  const done = reported >= wanted;
  const more = arrivals.length - SHOWN;
  return (
    <div role="status" data-testid="waiting" data-state={done ? "done" : arrivals.length ? "arriving" : "waiting"} className="grid gap-2">
      {!done && (
        <div className="flex items-center gap-3 rounded-control border border-dashed border-line-strong px-3.5 py-3">
          <span className="relative grid size-6 shrink-0 place-items-center text-accent">
            <span aria-hidden className="absolute inset-0 animate-ping rounded-full bg-accent/25" />
            <Radio className="size-4" aria-hidden />
          </span>
          <div className="min-w-0">
            <p className="text-sm font-medium">{wanted === 1 ? "Waiting for the first heartbeat" : `Waiting for devices: ${count(uses)} of ${count(wanted)} are in`}</p>
            <p className="text-xs text-ink-2">
              {live ? "This turns green by itself, seconds after the command has run." : "The live channel is away: this is looked up every half a minute."}
            </p>
          </div>
        </div>
      )}
      {arrivals.length > 0 && (
        <ul className="grid gap-2" aria-label="Devices that came in">
          {arrivals.slice(-SHOWN).toReversed().map((arrival) => (
            <Line key={arrival.id} arrival={arrival} />
          ))}
        </ul>
      )}
      {more > 0 && <p className="text-xs text-ink-3">and {count(more)} before</p>}
    </div>
  );
}
