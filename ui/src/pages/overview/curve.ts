// SPDX-License-Identifier: Apache-2.0
import type { LiveFleet, PulsePoint } from "@/live/store";

/** The numbers come a second apart or more; one that comes at once after another says nothing new. */
const APART_S = 0.5;
/** What the appliance remembers is of five seconds each; so is what was heard, that the curve is one. */
const MEAN_S = 5;

function heardPoints(heard: readonly LiveFleet[], fromS: number): PulsePoint[] {
  const points: PulsePoint[] = [];
  let sum = 0;
  let oldest = 0;
  const kept: LiveFleet[] = [];
  for (const one of heard) {
    if (one.at <= fromS - MEAN_S || one.at - (kept.at(-1)?.at ?? 0) < APART_S) continue;
    kept.push(one);
    sum += one.heartbeats_per_s;
    for (let first = kept[oldest]; first && first.at <= one.at - MEAN_S; first = kept[++oldest]) sum -= first.heartbeats_per_s;
    if (one.at > fromS) points.push({ at: one.at, heartbeats_per_s: Math.max(0, sum / (kept.length - oldest)) });
  }
  return points;
}

/** Of the last `windowS` seconds: as it was heard; what was not, as the appliance remembers it. */
export function rateHistory(heard: readonly LiveFleet[], pulse: readonly PulsePoint[], windowS: number): PulsePoint[] {
  const end = heard.at(-1)?.at;
  if (end === undefined) return [];
  const live = heardPoints(heard, end - windowS);
  const unheard = ({ at }: PulsePoint) => at > end - windowS && at < end && !live.some((one) => one.at > at - MEAN_S && one.at <= at);
  return [...pulse.filter(unheard), ...live].toSorted((a, b) => a.at - b.at);
}
