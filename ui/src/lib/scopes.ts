// SPDX-License-Identifier: Apache-2.0
/** What an API token can be let do: scopes.test.ts holds this list against the appliance's source. */
export interface ScopeGroup {
  name: string;
  label: string;
  actions: readonly string[];
}

export const SCOPES: readonly ScopeGroup[] = [
  { name: "devices", label: "Devices", actions: ["read", "write", "delete"] },
  { name: "commands", label: "Commands", actions: ["read", "write"] },
  { name: "alerts", label: "Alerts", actions: ["read", "write"] },
  { name: "enrolment", label: "Enrolment", actions: ["read", "write"] },
  { name: "live", label: "Live changes", actions: ["read"] },
  { name: "jobs", label: "Jobs", actions: ["read", "run"] },
  { name: "archives", label: "Archives", actions: ["read", "verify", "restore"] },
  { name: "backups", label: "Backups", actions: ["read", "run"] },
  { name: "doctor", label: "Doctor", actions: ["read"] },
  { name: "audit", label: "Audit log", actions: ["read"] },
  { name: "security", label: "Security events", actions: ["read"] },
  { name: "users", label: "Users", actions: ["read"] },
];

/** As one asks for them: "devices:*" for all of a kind. */
export function scopesOf(chosen: ReadonlySet<string>): string[] {
  return SCOPES.flatMap(({ name, actions }) => {
    const some = actions.filter((action) => chosen.has(`${name}:${action}`));
    return actions.length > 1 && some.length === actions.length ? [`${name}:*`] : some.map((action) => `${name}:${action}`);
  });
}
