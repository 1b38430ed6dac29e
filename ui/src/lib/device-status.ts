// SPDX-License-Identifier: Apache-2.0
/**
 * Where a device stands at this moment: what the appliance said when it was asked, what the live
 * channel told since, and the time that went by. The bounds are the appliance's own
 * (src/control/silence.h): online up to 1.5 of the device's intervals, late up to 12 minutes or two
 * intervals and 2 minutes, then silent.
 *
 * The fleet's interval comes by the live channel. Until it has, the usual one is taken, and only
 * where it explains what the appliance said; else its word stands.
 */
import type { Schema } from "@/api/types";
import { liveStore, type LiveDevice } from "@/live/store";
import { toDate } from "./format";

export type Status = Schema<"Device">["status"];

const USUAL_INTERVAL_S = 300;
const LATE_LEAST_S = 12 * 60;
const GRACE_S = 2 * 60;

const or = (intervalS: number | null | undefined) => intervalS ?? liveStore.fleet?.heartbeat_interval_s ?? USUAL_INTERVAL_S;

export const onlineForS = (intervalS: number | null | undefined) => 1.5 * or(intervalS);
export const lateForS = (intervalS: number | null | undefined) => Math.max(LATE_LEAST_S, 2 * or(intervalS) + GRACE_S);

/** A device as it was read, and when that was, in the appliance's time (epoch seconds). */
export interface Read {
  status: Status;
  last_seen_at?: string | null;
  heartbeat_interval_s?: number | null;
  read_at: number;
}

export function byAge(ageS: number, intervalS: number | null | undefined): "online" | "late" | "silent" {
  if (ageS <= onlineForS(intervalS)) return "online";
  return ageS <= lateForS(intervalS) ? "late" : "silent";
}

const seconds = (moment: string | null | undefined): number | null => {
  const date = toDate(moment);
  return date ? date.getTime() / 1000 : null;
};

/** Epoch seconds; null: never. */
export function lastSeen(device: Pick<Read, "last_seen_at">, live: LiveDevice | undefined): number | null {
  const read = seconds(device.last_seen_at);
  const told = live?.received_at ?? null;
  if (read === null || told === null) return read ?? told;
  return Math.max(read, told);
}

/** `now`: the appliance's time, epoch seconds. */
export function statusNow(device: Read, live: LiveDevice | undefined, now: number): Status {
  if (device.status === "deleted") return "deleted";
  if (live ? live.quarantined : device.status === "quarantined") return "quarantined";
  const seen = lastSeen(device, live);
  if (seen === null) return device.status === "quarantined" ? "never" : device.status;
  const computed = byAge(now - seen, device.heartbeat_interval_s);
  const read = seconds(device.last_seen_at);
  const news = read === null || seen > read + 1 || device.status === "quarantined";
  if (news) return computed;
  const then = byAge(device.read_at - read, device.heartbeat_interval_s);
  return then === device.status ? computed : device.status;
}
