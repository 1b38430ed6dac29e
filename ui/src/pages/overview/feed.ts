// SPDX-License-Identifier: Apache-2.0
/** What happened to alerts, newest first: what was read when the page opened, and what the live channel told since. */
import type { Schema } from "@/api/types";
import type { LiveAlert } from "@/live/store";

export interface FeedLine {
  key: string;
  /** Epoch seconds. */
  at: number;
  change: "fired" | "resolved" | "opened" | "closed" | "acked" | "unacked" | "noted" | "merged";
  rule: string;
  deviceId: string | null;
  /** As it was read; the live channel names devices by id alone. */
  alias: string | null;
  incidentId: string | null;
  severity: string | null;
  firing: number | null;
  /** There may be more than were read. */
  orMore: boolean;
}

const CHANGES = new Set<string>(["fired", "resolved", "opened", "closed", "acked", "unacked", "noted", "merged"]);
const seconds = (moment: string) => new Date(moment).getTime() / 1000;

function read(alert: Schema<"Alert">): FeedLine[] {
  const base = {
    rule: alert.rule,
    deviceId: alert.device_id,
    alias: alert.device_alias,
    incidentId: alert.incident_id,
    severity: alert.severity,
    firing: null,
    orMore: false,
  };
  const lines: FeedLine[] = [];
  if (alert.fired_at) lines.push({ ...base, key: `${alert.id}:${alert.episode}:fired`, at: seconds(alert.fired_at), change: "fired" });
  if (alert.fired_at && alert.resolved_at)
    lines.push({ ...base, key: `${alert.id}:${alert.episode}:resolved`, at: seconds(alert.resolved_at), change: "resolved" });
  return lines;
}

/** An alert of one device says itself what its incident would say once more. */
function isEcho(live: LiveAlert): boolean {
  return (live.change === "opened" || live.change === "closed") && live.device_id !== null;
}

function heard(live: LiveAlert, severities: ReadonlyMap<string, string>): FeedLine {
  return {
    key: `live:${live.alert_id ?? live.incident_id}:${live.change}:${live.at}`,
    at: live.at,
    change: live.change as FeedLine["change"],
    rule: live.rule,
    deviceId: live.device_id,
    alias: null,
    incidentId: live.incident_id,
    severity: live.alert_id ? (severities.get(live.alert_id) ?? null) : null,
    firing: live.firing_count ?? null,
    orMore: false,
  };
}

/** The same change told twice: read, and heard. */
const SAME_S = 2;
/** A site that goes dark is one line, not a hundred. */
const MANY = 3;
const TOGETHER_S = 120;
const OF_MANY = new Set<FeedLine["change"]>(["fired", "resolved", "merged"]);

const goesWith = (line: FeedLine, last: FeedLine | undefined): boolean =>
  last !== undefined &&
  OF_MANY.has(line.change) &&
  line.change === last.change &&
  line.rule === last.rule &&
  last.at - line.at < TOGETHER_S;

/** Lines of one rule that came together as one; newest first, as they are. sizes: how many devices an incident has. */
function together(lines: readonly FeedLine[], sizes: ReadonlyMap<string, number>): FeedLine[] {
  const runs: FeedLine[][] = [];
  for (const line of lines) {
    const run = runs.at(-1);
    if (run && goesWith(line, run.at(-1))) run.push(line);
    else runs.push([line]);
  }
  return runs.flatMap((run) => {
    const [newest] = run;
    if (!newest || run.length < MANY) return run;
    const incidents = new Set(run.map((line) => line.incidentId));
    const incidentId = incidents.size === 1 ? newest.incidentId : null;
    const fired = newest.change === "fired";
    const size = fired && incidentId ? sizes.get(incidentId) : undefined;
    const firing = size ?? Math.max(run.length, ...(fired ? run.map((line) => line.firing ?? 0) : []));
    const oldest = run.at(-1);
    const orMore = size === undefined && oldest === lines.at(-1);
    return [{ ...newest, key: `many:${oldest?.key}`, deviceId: null, alias: null, incidentId, firing, orMore }];
  });
}

export function alertFeed(
  alerts: readonly Schema<"Alert">[],
  live: readonly LiveAlert[],
  most: number,
  sizes: ReadonlyMap<string, number> = new Map(),
): FeedLine[] {
  const lines = alerts.flatMap(read);
  const severities = new Map(alerts.map((alert) => [alert.id, alert.severity as string]));
  const known = (line: FeedLine) =>
    lines.some(
      (other) =>
        other.change === line.change &&
        other.rule === line.rule &&
        other.deviceId === line.deviceId &&
        Math.abs(other.at - line.at) < SAME_S,
    );
  const told = live
    .filter((one) => CHANGES.has(one.change) && !isEcho(one))
    .map((one) => heard(one, severities))
    .filter((line) => !known(line));
  const once = new Map([...told, ...lines].map((line) => [line.key, line])); // after a reconnect a change may be told again
  return together([...once.values()].toSorted((a, b) => b.at - a.at), sizes).slice(0, most);
}
