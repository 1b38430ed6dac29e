// SPDX-License-Identifier: Apache-2.0
/** The monitoring form: what is typed, whose each value is, and what of it the appliance must be told. */
import type { Schema } from "@/api/types";

type Monitoring = Schema<"DeviceMonitoring">;
type Change = Schema<"MonitoringChange">;

export interface MonitoringForm {
  values: {
    enabled: boolean;
    package: string;
    display_name: string;
    threshold_min: string;
    auto_remediate: boolean;
    auto_relaunch: boolean;
  };
  /** Members that are as the fleet has them. */
  fleet: string[];
}

export const formOf = (monitoring: Monitoring): MonitoringForm => ({
  values: {
    enabled: monitoring.enabled,
    package: monitoring.package ?? "",
    display_name: monitoring.display_name ?? "",
    threshold_min: String(monitoring.threshold_min),
    auto_remediate: monitoring.auto_remediate,
    auto_relaunch: monitoring.auto_relaunch,
  },
  fleet: monitoring.from_fleet,
});

/** An empty text goes back to the fleet's; only what differs is sent. */
export function changeOf(monitoring: Monitoring, form: MonitoringForm): { change: Change; problem: string | null } {
  const before = formOf(monitoring);
  const change: Record<string, unknown> = {};
  for (const name of Object.keys(form.values) as (keyof MonitoringForm["values"])[]) {
    const was = before.fleet.includes(name);
    if (form.fleet.includes(name)) {
      if (!was) change[name] = null;
      continue;
    }
    const value = form.values[name];
    const typed = typeof value === "string" ? value.trim() : value;
    if (!was && typed === before.values[name]) continue;
    if (typed === "") {
      if (!was) change[name] = null;
    } else change[name] = name === "threshold_min" ? Number(typed) : typed;
  }
  const minutes = change["threshold_min"];
  const wrong = typeof minutes === "number" && (!Number.isInteger(minutes) || minutes < 1 || minutes > 120);
  return { change: change as Change, problem: wrong ? "A whole number of minutes from 1 to 120." : null };
}
