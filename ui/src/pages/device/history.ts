// SPDX-License-Identifier: Apache-2.0
/** From what a device sent to what is drawn: when it was online, and what was in its foreground. */
import type { Schema } from "@/api/types";
import { lateForS, onlineForS } from "@/lib/device-status";
import { toDate } from "@/lib/format";
import type { Segment } from "@/ui/timeline";

type Point = Schema<"HistoryPoint">;
type Event = Schema<"DeviceEvent">;
export type Range = readonly [from: number, to: number];

export const epoch = (moment: string | null | undefined): number => (toDate(moment)?.getTime() ?? 0) / 1000;

/** A point stands for a step in which there were heartbeats; `known`: nothing can be said of before. */
export function onlineSegments(
  points: readonly Point[],
  stepS: number,
  intervalS: number | null | undefined,
  range: Range,
  known: number,
): Segment[] {
  const [from, to] = range;
  const out: Segment[] = [];
  const add = (start: number, end: number, state: string) => {
    const cut = { from: Math.max(start, from), to: Math.min(end, to), state };
    if (cut.to > cut.from) out.push(cut);
  };
  const gap = (start: number, end: number) => {
    const late = start + onlineForS(intervalS);
    const silent = start + lateForS(intervalS);
    add(start, Math.min(end, late), "online");
    add(late, Math.min(end, silent), "late");
    add(silent, end, "silent");
  };
  let heard: number | null = null;
  for (const point of points) {
    const at = epoch(point.at);
    if (heard !== null) gap(heard, at);
    else add(Math.max(from, known), at, "silent");
    add(at, at + stepS, "online");
    heard = at + stepS;
  }
  if (heard !== null) gap(heard, to);
  else add(Math.max(from, known), to, "silent");
  return out;
}

/** `events` newest first, as they come. `since`: before it they were not read. */
export function appSegments(events: readonly Event[], range: Range, now: string | null | undefined, since: number): Segment[] {
  const changes = events.filter((event) => event.what === "app").toReversed();
  const out: Segment[] = [];
  let start = Math.max(range[0], since);
  const first = changes[0];
  let app = first ? first.before : now;
  for (const change of changes) {
    const at = epoch(change.at);
    if (app && at > start) out.push({ from: start, to: at, state: app });
    start = Math.max(start, at);
    app = change.after;
  }
  if (app && range[1] > start) out.push({ from: start, to: range[1], state: app });
  return out;
}

/** Where the device was not heard of, nobody knows its foreground. Both in order. */
export function within(segments: readonly Segment[], windows: readonly Segment[]): Segment[] {
  const out: Segment[] = [];
  let index = 0;
  for (const segment of segments) {
    while ((windows[index]?.to ?? Number.POSITIVE_INFINITY) <= segment.from) index++;
    for (let at = index; at < windows.length; at++) {
      const window = windows[at];
      if (!window || window.from >= segment.to) break;
      out.push({ ...segment, from: Math.max(segment.from, window.from), to: Math.min(segment.to, window.to) });
    }
  }
  return out.filter((one) => one.to > one.from);
}

/** The last part of a package's name that tells something. */
export function appName(name: string): string {
  const parts = name.split(".");
  return parts.length > 2 ? (parts.at(-1) ?? name) : name;
}
