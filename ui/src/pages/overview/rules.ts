// SPDX-License-Identifier: Apache-2.0
import type { Schema } from "@/api/types";

/** A rule's name as the appliance says it; until that is known, from its identifier. */
export function ruleTitle(summary: Schema<"AlertSummary"> | undefined, rule: string): string {
  const known = summary?.by_rule.find((one) => one.rule === rule)?.title;
  if (known) return known;
  const words = rule.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Whom an incident is about. */
export function subjectOf(incident: Schema<"Incident">): string {
  switch (incident.kind) {
    case "device":
      return incident.device_alias ?? `Device ${incident.device_id ?? ""}`;
    case "site":
      return `Site ${incident.group_key}`;
    case "network":
      return `Network ${incident.group_key}`;
    default:
      return "The appliance";
  }
}
