// SPDX-License-Identifier: Apache-2.0
import { ArrowRight, Ban, CircleCheck, Radio } from "lucide-react";
import { Link } from "react-router";
import { cn } from "@/lib/cn";
import { tokenState, type Token } from "@/lib/enrol";
import { count } from "@/lib/format";
import { useConnection } from "@/live/use-live";
import { Dot } from "@/ui/badge";
import { Time, useNow } from "@/ui/time";
import { useArrivals, type Arrival } from "./use-arrivals";

const SHOWN = 6;

function Facts({ device }: Pick<Arrival, "device">) {
  const facts = [
    device?.agent_version && `agent ${device.agent_version}`,
    device?.battery !== undefined && `battery ${device.battery} %`,
    device?.network,
  ];
  return <>{facts.filter(Boolean).map((fact) => ` · ${fact}`)}</>;
}

function Line({ arrival }: { arrival: Arrival }) {
  const { id, device, reported } = arrival;
  return (
    <li
      className={cn(
        "flex items-center gap-3 rounded-control border px-3.5 py-2.5",
        reported ? "border-ok/40 bg-ok-soft" : "border-line bg-surface-2",
      )}
    >
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
      <Link
        to={`/devices/${id}`}
        className="inline-flex items-center gap-1 text-sm font-medium whitespace-nowrap text-accent hover:underline"
      >
        Open <ArrowRight className="size-3.5" aria-hidden />
        <span className="sr-only">{device?.alias}</span>
      </Link>
    </li>
  );
}

function Awaited({ wanted, uses }: { wanted: number; uses: number }) {
  const live = useConnection() === "live";
  const left = wanted === 1 ? "Waiting for the first heartbeat" : `Waiting for devices: ${count(uses)} of ${count(wanted)} are in`;
  return (
    <div className="flex items-center gap-3 rounded-control border border-dashed border-line-strong px-3.5 py-3">
      <span className="relative grid size-6 shrink-0 place-items-center text-accent">
        <span aria-hidden className="absolute inset-0 animate-ping rounded-full bg-accent/25" />
        <Radio className="size-4" aria-hidden />
      </span>
      <div className="min-w-0">
        <p className="text-sm font-medium">{left}</p>
        <p className="text-xs text-ink-2">
          {live
            ? "This turns green by itself, seconds after the command has run."
            : "The live channel is away: this is looked up every half a minute."}
        </p>
      </div>
    </div>
  );
}

/** Nobody else comes in by this token. */
function Ended({ how }: { how: "revoked" | "expired" }) {
  return (
    <div className="flex items-center gap-3 rounded-control border border-line bg-bad-soft px-3.5 py-3">
      <Ban className="mx-1 size-4 shrink-0 text-bad" aria-hidden />
      <div className="min-w-0">
        <p className="text-sm font-medium">{how === "revoked" ? "The token was revoked" : "The token has expired"}</p>
        <p className="text-xs text-ink-2">It lets nobody else in. Create a new one for what is still to come.</p>
      </div>
    </div>
  );
}

const stateOf = (token: Token | undefined, now: number) => (token ? tokenState(token, now) : "open");

/** Turns green by itself when the device has come in and reported. */
export function Waiting({ tokenId, since, wanted }: { tokenId: string; since: number; wanted: number }) {
  const { arrivals, token } = useArrivals(tokenId, since);
  const state = stateOf(token, useNow());
  const reported = arrivals.filter((arrival) => arrival.reported).length;
  const done = reported >= wanted;
  const ended = state === "revoked" || state === "expired";
  const awaited = !done && (!ended || reported < arrivals.length); // who is in may still report
  const more = arrivals.length - SHOWN;
  const step = done ? "done" : ended && !awaited ? "ended" : arrivals.length ? "arriving" : "waiting";
  return (
    <div role="status" data-testid="waiting" data-state={step} className="grid gap-2">
      {!done && ended && <Ended how={state} />}
      {awaited && !ended && <Awaited wanted={wanted} uses={token?.uses ?? 0} />}
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
