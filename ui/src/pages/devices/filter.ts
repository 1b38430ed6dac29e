// SPDX-License-Identifier: Apache-2.0
/** Which devices are shown, in which order: the page's query string is the truth, so a view can be sent to a colleague. */
import type { paths } from "@/api/schema";
import type { Schema } from "@/api/types";
import type { Sort } from "@/ui/data-table";

export type Filter = Schema<"DeviceFilter">;
export type Asked = NonNullable<paths["/admin/devices"]["get"]["parameters"]["query"]>;
export type SortColumn = NonNullable<Asked["sort"]>;

export const STATUSES = ["online", "late", "silent", "never", "quarantined", "deleted"] as const;
export const NETWORKS = ["wifi", "cellular", "ethernet", "offline"] as const;
export const KINDS = ["android", "desktop"] as const;
export const SORTS = ["id", "alias", "created_at", "last_seen", "battery", "agent_version"] as const;

const oneOf = <T extends string>(values: readonly T[], value: string | null): T | undefined => values.find((one) => one === value);
const text = (value: string | null, most: number) => value?.trim().slice(0, most) || undefined;

/** What the query string has that can't be is left out: it may have been typed. */
export function filterOf(search: URLSearchParams): Filter {
  const below = Number(search.get("battery_below"));
  const tags = [...new Set(search.getAll("tag").map((tag) => tag.trim()).filter(Boolean))].slice(0, 32);
  const found: Filter = {
    q: text(search.get("q"), 200),
    kind: oneOf(KINDS, search.get("kind")),
    site: text(search.get("site"), 100),
    tag: tags.length ? tags : undefined,
    status: oneOf(STATUSES, search.get("status")),
    battery_below: Number.isInteger(below) && below >= 1 && below <= 101 ? below : undefined,
    agent_version: text(search.get("agent_version"), 64),
    network: oneOf(NETWORKS, search.get("network")),
    app: text(search.get("app"), 255),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)) as Filter;
}

export function sortOf(search: URLSearchParams): Sort {
  const column = oneOf(SORTS, search.get("sort")) ?? "alias";
  return { column, direction: search.get("direction") === "desc" ? "desc" : "asc" };
}

const DEFAULT_SORT: Sort = { column: "alias", direction: "asc" };

export function searchOf(filter: Filter, sort: Sort = DEFAULT_SORT): URLSearchParams {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) {
    if (value === undefined || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one));
  }
  if (sort.column !== DEFAULT_SORT.column || sort.direction !== DEFAULT_SORT.direction) {
    search.set("sort", sort.column);
    if (sort.direction === "desc") search.set("direction", "desc");
  }
  return search;
}

export interface Chip {
  key: string;
  label: string;
  /** The filter without it. */
  without: Filter;
}

const WORDS: Record<string, string> = {
  android: "Android",
  desktop: "Desktop",
  wifi: "Wi-Fi",
  cellular: "Cellular",
  ethernet: "Ethernet",
  offline: "Offline",
};

/** A kind or a network as people write it. */
export const nameOf = (value: string): string => WORDS[value] ?? value;

const NAMES: Partial<Record<keyof Filter, string>> = {
  kind: "Kind",
  site: "Site",
  agent_version: "Agent",
  network: "Network",
  app: "App",
};

/** What is filtered by, but the search and the status: those have places of their own. */
export function chipsOf(filter: Filter): Chip[] {
  const chips: Chip[] = [];
  for (const name of Object.keys(NAMES) as (keyof typeof NAMES)[]) {
    const value = filter[name];
    if (value === undefined) continue;
    const said = name === "kind" || name === "network" ? nameOf(String(value)) : String(value);
    chips.push({ key: name, label: `${NAMES[name]}: ${said}`, without: { ...filter, [name]: undefined } });
  }
  if (filter.battery_below !== undefined)
    chips.push({
      key: "battery_below",
      label: `Battery below ${filter.battery_below} %`,
      without: { ...filter, battery_below: undefined },
    });
  for (const tag of filter.tag ?? []) {
    const rest = (filter.tag ?? []).filter((one) => one !== tag);
    chips.push({ key: `tag ${tag}`, label: `Tag: ${tag}`, without: { ...filter, tag: rest.length ? rest : undefined } });
  }
  return chips;
}

export const isFiltered = (filter: Filter) => Object.values(filter).some((value) => value !== undefined);
