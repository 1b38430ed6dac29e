// SPDX-License-Identifier: Apache-2.0
import { ArrowDown, ArrowRight, Database, HardDrive, Layers, Network, PenLine, type LucideIcon } from "lucide-react";
import { cn } from "@/lib/cn";
import { decimal } from "@/lib/format";
import { latency } from "@/lib/metrics";
import { Dot } from "@/ui/badge";
import type { Stage } from "./stages";

const ICON: Record<Stage["key"], LucideIcon> = {
  frontends: Network,
  rings: Layers,
  journal: HardDrive,
  writers: PenLine,
  postgres: Database,
};

const RING = { ok: "border-line", warn: "border-warn/60", bad: "border-bad/60" } as const;

function Latency({ label, value }: { label: string; value: number | null }) {
  return (
    <div>
      <dt className="text-xs text-ink-3">{label}</dt>
      <dd className="text-base font-semibold tracking-tight tabular">{latency(value)}</dd>
    </div>
  );
}

function StageCard({ stage }: { stage: Stage }) {
  const Icon = ICON[stage.key];
  const ring = stage.tone === "bad" || stage.tone === "warn" ? stage.tone : "ok";
  return (
    <section className={cn("flex h-full flex-col rounded-card border bg-surface shadow-card", RING[ring])} aria-label={stage.name}>
      <header className="flex items-center gap-2.5 px-3.5 pt-3">
        <span className="grid size-8 shrink-0 place-items-center rounded-control bg-accent-soft text-accent">
          <Icon className="size-4" aria-hidden />
        </span>
        <h2 className="grow text-sm font-semibold">{stage.name}</h2>
        <Dot tone={stage.tone} />
        <span className="sr-only">{stage.trouble ?? "well"}</span>
      </header>
      <p
        className={cn(
          "px-3.5 pt-1.5 text-xs lg:min-h-10",
          stage.trouble ? (stage.tone === "bad" ? "text-bad" : "text-warn") : "text-ink-3",
        )}
      >
        {stage.trouble ?? stage.does}
      </p>
      <div className="flex grow flex-col sm:max-xl:mt-2 sm:max-xl:grid sm:max-xl:grid-cols-2">
        <div className="px-3.5 pt-2 sm:max-xl:pb-2.5">
          <p className="text-xs text-ink-3 first-letter:uppercase">{stage.timed}</p>
          <dl className="mt-0.5 grid grid-cols-2 gap-2">
            <Latency label="p50" value={stage.p50} />
            <Latency label="p99" value={stage.p99} />
          </dl>
        </div>
        <dl className="mt-2.5 grid gap-1 border-t border-line px-3.5 py-2.5 text-xs sm:max-xl:mt-0 sm:max-xl:content-start sm:max-xl:border-0">
          {stage.facts.map(([label, value]) => (
            <div key={label} className="flex justify-between gap-2">
              <dt className="text-ink-3">{label}</dt>
              <dd className="text-right font-medium tabular">{value}</dd>
            </div>
          ))}
        </dl>
      </div>
    </section>
  );
}

/** What flows from one stage to the next. */
function Flow({ rate }: { rate: number | null }) {
  const moving = rate !== null && rate > 0;
  return (
    <div
      aria-hidden
      className={cn(
        "flex items-center justify-center gap-2 py-1.5 text-xs tabular xl:w-14 xl:flex-col xl:gap-1 xl:py-0",
        moving ? "text-accent" : "text-ink-3",
      )}
    >
      <span className="font-medium">{rate === null ? "–" : decimal(rate)}</span>
      <ArrowRight className={cn("hidden size-5 xl:block", moving && "animate-pulse")} />
      <ArrowDown className={cn("size-4 xl:hidden", moving && "animate-pulse")} />
      <span className="text-xs text-ink-3">per s</span>
    </div>
  );
}

/** Drawn in the order in which a heartbeat passes. */
export function PipelineView({ stages }: { stages: Stage[] }) {
  return (
    <ol className="grid xl:grid-cols-[repeat(4,minmax(0,1fr)_auto)_minmax(0,1fr)]">
      {stages.map((stage, index) => (
        <li key={stage.key} className="contents">
          <StageCard stage={stage} />
          {index < stages.length - 1 && <Flow rate={stage.rate} />}
        </li>
      ))}
    </ol>
  );
}
