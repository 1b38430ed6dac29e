// SPDX-License-Identifier: Apache-2.0
/** What a change changed: the values of before and after side by side, by their path. */
export type Change = "added" | "removed" | "changed" | "same";

export interface DiffRow {
  /** "limits.burst"; empty: the whole. */
  path: string;
  change: Change;
  /** As text; null: there was nothing. */
  before: string | null;
  after: string | null;
}

type Leaves = Map<string, unknown>;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** Lists stay whole: of tags one wants to see all, not the third. */
function leaves(value: unknown, path = "", into: Leaves = new Map()): Leaves {
  if (isObject(value) && Object.keys(value).length > 0)
    for (const [name, inner] of Object.entries(value)) leaves(inner, path ? `${path}.${name}` : name, into);
  else if (value !== undefined && !(value === null && path === "")) into.set(path, value);
  return into;
}

export function valueText(value: unknown): string {
  if (value === null) return "none";
  if (typeof value === "string") return value === "" ? "empty" : value;
  if (Array.isArray(value) && value.every((one) => typeof one !== "object")) return value.length ? value.join(", ") : "empty";
  return JSON.stringify(value);
}

/** Changed ones first, then in the order of their paths. */
export function diff(before: unknown, after: unknown): DiffRow[] {
  const old = leaves(before);
  const fresh = leaves(after);
  const rows = [...new Set([...old.keys(), ...fresh.keys()])].map((path): DiffRow => {
    const was = old.has(path) ? valueText(old.get(path)) : null;
    const is = fresh.has(path) ? valueText(fresh.get(path)) : null;
    const change = was === null ? "added" : is === null ? "removed" : was === is ? "same" : "changed";
    return { path, change, before: was, after: is };
  });
  const rank = (row: DiffRow) => (row.change === "same" ? 1 : 0);
  return rows.toSorted((a, b) => rank(a) - rank(b) || a.path.localeCompare(b.path));
}

const SHOWN_MAX = 3;

/** In a line of a table: "site, tags, alias and 2 more". */
export function summary(rows: readonly DiffRow[]): string {
  const names = rows.filter((row) => row.change !== "same" && row.path).map((row) => row.path);
  const shown = names.slice(0, SHOWN_MAX).join(", ");
  return names.length > SHOWN_MAX ? `${shown} and ${names.length - SHOWN_MAX} more` : shown;
}
