// SPDX-License-Identifier: Apache-2.0
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { api } from "@/api/client";
import { useRefresh } from "@/lib/use-refresh";

const KEY = ["overview", "alerts"];
export const INCIDENTS_SHOWN = 7;
const FEED_READ = 40;

export const useAlertSummary = () =>
  useQuery({ queryKey: [...KEY, "summary"], queryFn: ({ signal }) => api.get("/admin/alerts/summary", { signal }) });

export const useOpenIncidents = () =>
  useQuery({
    queryKey: [...KEY, "incidents"],
    queryFn: ({ signal }) => api.get("/admin/incidents", { query: { limit: INCIDENTS_SHOWN }, signal }),
  });

/** Read once: what comes later, the live channel tells. */
export const useNewestAlerts = () =>
  useQuery({
    queryKey: ["overview", "newest-alerts"],
    queryFn: ({ signal }) => api.get("/admin/alerts", { query: { state: "all", limit: FEED_READ }, signal }),
    staleTime: 60_000,
  });

/** Reads the incidents again after the live channel told of alerts; the feed only where it missed some. */
export function useAlertRefresh(): void {
  useRefresh(KEY, (delta) => Boolean(delta.alerts?.length || delta.missed));
  useRefresh(["overview", "newest-alerts"], (delta) => Boolean(delta.missed));
}

/** An incident changed by one's own hand: at once. */
export function useRereadIncidents(): () => Promise<void> {
  const queries = useQueryClient();
  return () => queries.invalidateQueries({ queryKey: KEY });
}
