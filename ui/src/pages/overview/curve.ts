// SPDX-License-Identifier: Apache-2.0
import type { LiveFleet } from "@/live/store";

/** The numbers come a second apart or more; one that comes at once after another says nothing new. */
const APART_S = 0.5;

/** Of the last `windowS` seconds. */
export function rateHistory(history: readonly LiveFleet[], windowS: number): LiveFleet[] {
  const last = history.at(-1);
  if (!last) return [];
  const kept: LiveFleet[] = [];
  for (const one of history) if (one.at > last.at - windowS && one.at - (kept.at(-1)?.at ?? 0) >= APART_S) kept.push(one);
  return kept;
}
