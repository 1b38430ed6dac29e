// SPDX-License-Identifier: Apache-2.0
import { useSyncExternalStore } from "react";
import { exactTime, relative, toDate, type Moment } from "@/lib/format";
import { Tooltip } from "./tooltip";

/** One clock for all of them: a render every 5 s, none while the page is hidden. */
const listeners = new Set<() => void>();
let nowMs = Date.now();
let timer: ReturnType<typeof setInterval> | null = null;

function tick(): void {
  if (document.hidden) return;
  nowMs = Date.now();
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(tick, 5000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0 && timer) {
      clearInterval(timer);
      timer = null;
    }
  };
}

export const useNow = () => useSyncExternalStore(subscribe, () => nowMs);

/** Relative, and exact in the viewer's zone on hover and focus. */
export function Time({ at, otherwise = "–", className }: { at: Moment; otherwise?: string; className?: string }) {
  const now = useNow();
  const date = toDate(at);
  if (!date) return <span className={className}>{otherwise}</span>;
  return (
    <Tooltip text={exactTime(date)}>
      <time tabIndex={-1} dateTime={date.toISOString()} className={className}>
        {relative(date, date.getTime() > now ? Date.now() : now) /* the clock is up to 5 s old: what just came is not in the future */}
      </time>
    </Tooltip>
  );
}
