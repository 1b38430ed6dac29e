// SPDX-License-Identifier: Apache-2.0
/** What alerts, incidents and their threads say, in the words that the appliance uses in its messages. */
import type { Schema } from "@/api/types";
import { count } from "./format";

export type Alert = Schema<"Alert">;
export type Incident = Schema<"Incident">;
export type IncidentEvent = Schema<"IncidentEvent">;
export type Rule = Alert["rule"];
export type Severity = Alert["severity"];
export type Unit = Alert["unit"];

export const SEVERITIES: readonly Severity[] = ["critical", "warning", "info"];

export const RULE_TITLES: Record<Rule, string> = {
  offline: "Device offline",
  low_battery: "Low battery",
  service_down: "Service down",
  agent_outdated: "Agent outdated",
  clock_skew: "Clock wrong",
  queue_depth: "Reports pile up on the device",
  journal_backlog: "Heartbeats wait to be stored",
  disk: "Disk nearly full",
  database_away: "PostgreSQL away",
  partition_missing: "Daily partitions missing",
  backup_age: "Backup overdue",
  rejects: "Heartbeats refused by PostgreSQL",
  job_failing: "Scheduled job failing",
};

export const RULES = Object.keys(RULE_TITLES) as Rule[];

export const ruleTitle = (rule: string): string => RULE_TITLES[rule as Rule] ?? rule;

const UNITS = [
  [86_400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
] as const;

/** "13 min", "1 h 30 min", "2 d 4 h": two units only from hours on. */
export function span(seconds: number): string {
  const value = Math.max(0, Math.floor(seconds));
  const index = Math.max(0, UNITS.findIndex(([size], at) => value >= size || at === UNITS.length - 1));
  const [size, name] = UNITS[index] ?? [1, "s"];
  const next = index < 2 ? UNITS[index + 1] : undefined;
  const rest = value % size;
  const whole = `${Math.floor(value / size)} ${name}`;
  return next && rest >= next[0] ? `${whole} ${Math.floor(rest / next[0])} ${next[1]}` : whole;
}

/** A value or a threshold, with its unit. */
export function amount(unit: Unit, value: number | null | undefined): string {
  if (value === null || value === undefined) return "?";
  if (unit === "seconds") return span(value);
  if (unit === "minutes") return span(value * 60);
  return unit === "percent" ? `${value} %` : count(value);
}

const SENTENCES: Record<Rule, string> = {
  offline: "No request for {v} (limit {t}).",
  low_battery: "Battery at {v} (limit {t}).",
  service_down: "{service|The monitored service} was last in the foreground {v} ago (limit {t}).",
  agent_outdated: "The agent's version is {version|too old}; at least {least|a newer one} is wanted.",
  clock_skew: "The device's clock is off by {v} (limit {t}).",
  queue_depth: "{v} reports wait on the device (limit {t}).",
  journal_backlog: "The oldest heartbeat has waited {v} to be stored (limit {t}).",
  disk: "{v} of the disk are free (limit {t}).",
  database_away: "PostgreSQL has been away for {v} (limit {t}).",
  partition_missing: "{v} of the days to come have no partition.",
  backup_age: "The last good backup is {v} old (limit {t}).",
  rejects: "PostgreSQL refused {v} heartbeats within the last hour.",
  job_failing: "Job {job|of the scheduler} failed {v} times in a row.",
};

const text = (detail: object | null | undefined, name: string): string | null => {
  const value = (detail as Record<string, unknown> | null | undefined)?.[name];
  return typeof value === "string" && value ? value : typeof value === "number" ? String(value) : null;
};

export type Told = Pick<Alert, "rule" | "unit" | "value" | "threshold" | "detail">;

/** What is wrong, in one sentence. */
export function alertSentence(alert: Told): string {
  return (SENTENCES[alert.rule] ?? "").replace(/\{(\w+)(?:\|([^}]*))?\}/g, (_, name: string, otherwise?: string) => {
    if (name === "v") return amount(alert.unit, alert.value);
    if (name === "t") return amount(alert.unit, alert.threshold);
    return text(alert.detail, name) ?? otherwise ?? "?";
  });
}

const MANY: Partial<Record<Rule, string>> = {
  offline: "offline",
  low_battery: "low on battery",
  service_down: "with their service down",
  agent_outdated: "with an outdated agent",
  clock_skew: "with a wrong clock",
  queue_depth: "with reports piling up",
};

const devices = (number: number) => `${count(number)} ${number === 1 ? "device" : "devices"}`;

export const isGroup = (incident: Pick<Incident, "kind">) => incident.kind === "site" || incident.kind === "network";

/** "Low battery: Till 4", "6 devices low on battery". Where they are stands beside it. */
export function incidentTitle(incident: Incident): string {
  if (isGroup(incident)) {
    const many = MANY[incident.rule];
    return many ? `${devices(incident.alert_count)} ${many}` : `${ruleTitle(incident.rule)}, ${devices(incident.alert_count)}`;
  }
  return incident.device_alias ? `${ruleTitle(incident.rule)}: ${incident.device_alias}` : ruleTitle(incident.rule);
}

/** "Site Basel", "Network 203.0.113.0/24", "The appliance itself". */
export function incidentPlace(incident: Pick<Incident, "kind" | "group_key">): string {
  if (incident.kind === "appliance") return "The appliance";
  const known = incident.group_key && incident.group_key !== "unknown";
  if (incident.kind === "network") return known ? `Network ${incident.group_key}` : "Place unknown";
  return known ? `Site ${incident.group_key}` : incident.kind === "site" ? "Place unknown" : "No site";
}

/** What there is to say of it now; of one device only where its alert is known. */
export function incidentSentence(incident: Incident, alert?: Told): string {
  if (incident.merged_into) return "Became part of a wider incident.";
  if (isGroup(incident)) {
    if (incident.closed_at) return `All ${devices(incident.alert_count)} are well again.`;
    return `${count(incident.firing_count)} of ${devices(incident.alert_count)} are still affected.`;
  }
  if (incident.closed_at) return "It is over.";
  return alert ? alertSentence(alert) : "";
}

const EVENTS: Record<string, string> = {
  opened: "Incident opened",
  fired: "Alert fired",
  resolved: "Alert resolved",
  merged: "Became part of a wider incident",
  closed: "Incident closed",
  acked: "Acknowledged",
  unacked: "Acknowledgement taken back",
  noted: "Note",
  notified: "Told",
  not_notified: "Not told",
  remedy_sent: "Relaunch sent",
  remedy_done: "Relaunch carried out",
  remedy_failed: "Relaunch failed",
  remedy_gave_up: "Relaunching given up",
  remedy_worked: "Relaunching helped",
  remedy_cancelled: "Relaunch taken back",
};

const RESOLVED_BY: Record<string, string> = {
  recovered: "recovered",
  "rule-off": "the rule was turned off",
  "device-deleted": "the device was deleted",
  "device-quarantined": "the device was put into quarantine",
  "monitoring-changed": "monitoring was changed",
};

export const resolvedBy = (how: string | null): string | null => (how === null ? null : (RESOLVED_BY[how] ?? how));

export interface Line {
  title: string;
  /** What more is known: a note, an error, a value. */
  more: string | null;
}

function moreOf(event: IncidentEvent, unit: Unit | undefined): string | null {
  const { kind, detail } = event;
  if (kind === "fired" && unit) {
    const { value, threshold } = (detail ?? {}) as { value?: number; threshold?: number };
    return value === undefined ? null : `at ${amount(unit, value)}${threshold === undefined ? "" : `, limit ${amount(unit, threshold)}`}`;
  }
  if (kind === "resolved") return resolvedBy(text(detail, "by") ?? text(detail, "resolved_by"));
  if (kind === "notified" || kind === "not_notified") {
    const said = [text(detail, "channel"), text(detail, "edge")].filter(Boolean).join(", ");
    const error = text(detail, "error");
    return error ? `${said}: ${error}` : said || null;
  }
  const tries = text(detail, "try");
  const of = text(detail, "of");
  const parts = [tries && of ? `try ${tries} of ${of}` : null, text(detail, "error"), text(detail, "text") ?? text(detail, "note")];
  return parts.filter(Boolean).join(": ") || null;
}

/** A line of an incident's thread. unit: of its rule. */
export function eventLine(event: IncidentEvent, unit?: Unit): Line {
  const taken = event.kind === "merged" ? text(event.detail, "from") : null;
  if (taken) return { title: `Took in incident ${taken}`, more: null };
  return { title: EVENTS[event.kind] ?? event.kind.replaceAll("_", " "), more: moreOf(event, unit) };
}

/** "user:alice" is alice, "alert:25" the alert for which the appliance did it. */
export const actorName = (actor: string): string =>
  actor
    .replace(/^(user|token):/, "")
    .replace(/^alert:/, "alert ")
    .replace(/^admin-key$/, "admin key");
