// SPDX-License-Identifier: Apache-2.0
/**
 * How many requests the appliance still takes, as its answers tell (`RateLimit: "general";r=41;t=12, …`). The limit is of
 * an account and of an address: other tabs, browsers and people share it, so only the appliance knows.
 */
const GENERAL = /"general";r=(\d+)/;
const WINDOW_MS = 60_000;
/** What a person's hand may need at once: pages that follow changes leave so much. */
const RESERVE = 20;
/** It comes back by about one a second. */
const EACH_MS = 1000;

let left = Infinity;
let toldAt = 0;

export function heardRoom(headers: Headers, now = Date.now()): void {
  const found = GENERAL.exec(headers.get("ratelimit") ?? "");
  if (!found) return;
  left = Number(found[1]);
  toldAt = now;
}

/** Milliseconds until somebody who is in no hurry should ask; 0: now. */
export function untilRoomMs(now = Date.now()): number {
  if (now - toldAt > WINDOW_MS) return 0;
  const grown = left + (now - toldAt) / EACH_MS;
  return Math.max(0, Math.ceil((RESERVE - grown) * EACH_MS));
}
