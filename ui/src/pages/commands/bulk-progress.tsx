// SPDX-License-Identifier: Apache-2.0
import type { Schema } from "@/api/types";
import { cn } from "@/lib/cn";
import { progressOf, STATES, STATE_TITLES, type CommandState } from "@/lib/command-words";
import { count, percent } from "@/lib/format";

export type Bulk = Schema<"BulkCommand">;

const FILL: Record<CommandState, string> = {
  awaiting_confirmation: "bg-warn-fill",
  queued: "bg-idle/50",
  sent: "bg-info/60",
  received: "bg-info",
  done: "bg-ok-fill",
  failed: "bg-bad-fill",
  expired: "bg-warn-fill",
  cancelled: "bg-idle",
};

/** As a bar reads: what is over first. */
const SHOWN: readonly CommandState[] = ["done", "failed", "expired", "cancelled", "received", "sent", "queued", "awaiting_confirmation"];

/** One bar of all its commands by state. */
export function BulkBar({ bulk, className }: { bulk: Pick<Bulk, "states">; className?: string }) {
  const { all, over } = progressOf(bulk.states);
  return (
    <div
      role="progressbar"
      aria-label="How many are over"
      aria-valuemin={0}
      aria-valuemax={all}
      aria-valuenow={over}
      className={cn("flex h-2 overflow-hidden rounded-full bg-surface-2", className)}
    >
      {SHOWN.filter((state) => bulk.states[state] > 0).map((state) => (
        <span key={state} className={cn("min-w-px", FILL[state])} style={{ width: `${(100 * bulk.states[state]) / all}%` }} />
      ))}
    </div>
  );
}

/** How far it is, in words and as a bar. */
export function BulkProgress({ bulk }: { bulk: Pick<Bulk, "states"> }) {
  const { all, over } = progressOf(bulk.states);
  return (
    <div className="grid gap-2">
      <p className="flex items-baseline gap-3">
        <span className="text-2xl font-semibold tracking-tight tabular">{percent(over, all)}</span>
        <span className="text-sm text-ink-2 tabular">
          {count(over)} of {count(all)} over
        </span>
      </p>
      <BulkBar bulk={bulk} />
      <ul aria-label="By state" className="flex flex-wrap gap-x-5 gap-y-1 text-xs text-ink-2">
        {STATES.filter((state) => bulk.states[state] > 0).map((state) => (
          <li key={state} className="flex items-center gap-1.5">
            <span aria-hidden className={cn("size-2 rounded-[2px]", FILL[state])} />
            {STATE_TITLES[state]}
            <span className="font-medium text-ink tabular">{count(bulk.states[state])}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
