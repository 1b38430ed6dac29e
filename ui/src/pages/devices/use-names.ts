// SPDX-License-Identifier: Apache-2.0
/** Names in use, offered while one types. */
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api } from "@/api/client";
import { liveStore, type LiveDevice } from "@/live/store";

const OFFERED_MAX = 50;

export const useNames = (what: "tags" | "sites") =>
  useQuery({
    queryKey: ["devices", what],
    queryFn: async ({ signal }) =>
      what === "tags" ? (await api.get("/admin/tags", { signal })).tags : (await api.get("/admin/sites", { signal })).sites,
    staleTime: 60_000,
  }).data ?? [];

/** The most frequent ones, in the order of their names. */
export function inUse(devices: Iterable<LiveDevice>, field: "agent_version" | "fg_package"): string[] {
  const counts = new Map<string, number>();
  for (const device of devices) {
    const name = device[field];
    if (name) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const most = [...counts].sort(([, a], [, b]) => b - a).slice(0, OFFERED_MAX);
  return most.map(([name]) => name).sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
}

/** Counted when the form opens: the live channel knows every device. */
export const useInUse = (field: "agent_version" | "fg_package") => useMemo(() => inUse(liveStore.devices.values(), field), [field]);
