// SPDX-License-Identifier: Apache-2.0
/** The fleet in one sentence. */
import { count } from "@/lib/format";
import type { LiveFleet } from "@/live/store";

export interface Headline {
  tone: "ok" | "warn" | "bad";
  text: string;
}

const devices = (number: number, is: string, are: string) => (number === 1 ? `1 device ${is}` : `${count(number)} devices ${are}`);

function join(parts: string[]): string {
  if (parts.length < 2) return parts.join("");
  return `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

const late = (number: number, reported: number) =>
  number === reported && number > 1 ? `All ${count(number)} devices are late` : devices(number, "is late", "are late");

/** `incidents`: how many are open; null: not known (yet). */
export function headline(fleet: LiveFleet, incidents: number | null): Headline {
  const reported = fleet.online + fleet.late + fleet.silent;
  const open = incidents ? (incidents === 1 ? "1 incident is open" : `${count(incidents)} incidents are open`) : null;
  if (!fleet.storing) return { tone: "bad", text: "The database is away. Heartbeats are kept in the journal until it is back" };
  if (fleet.silent > 0) {
    const all = fleet.silent === reported && reported > 1;
    return {
      tone: "bad",
      text: join([
        all ? `All ${count(reported)} devices are silent` : devices(fleet.silent, "is silent", "are silent"),
        ...(open ? [open] : []),
      ]),
    };
  }
  if (fleet.late > 0) return { tone: "warn", text: join([late(fleet.late, reported), ...(open ? [open] : [])]) };
  if (reported === 0) return { tone: "warn", text: `${devices(fleet.never, "is", "are")} registered, none has reported yet` };
  const well = reported === 1 ? "The one device reports" : `All ${count(reported)} devices report`;
  return open ? { tone: "warn", text: `${well}, ${open}` } : { tone: "ok", text: well };
}
