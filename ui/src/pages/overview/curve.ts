// SPDX-License-Identifier: Apache-2.0
import type { LiveFleet } from "@/live/store";

/** The numbers come a second apart or more; nearer ones were counted over too short a time to be a rate. */
const APART_S = 0.5;

/** Of the last `windowS` seconds, without the hiccups when the channel is opened. */
export function rateHistory(history: readonly LiveFleet[], windowS: number): LiveFleet[] {
  const last = history.at(-1);
  if (!last) return [];
  const near = (one: LiveFleet, other: LiveFleet | undefined) => other !== undefined && Math.abs(one.at - other.at) < APART_S;
  return history.filter((one, index) => one.at > last.at - windowS && !near(one, history[index - 1]) && !near(one, history[index + 1]));
}
