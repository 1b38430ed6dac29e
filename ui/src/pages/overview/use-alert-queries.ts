// SPDX-License-Identifier: Apache-2.0
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { api } from "@/api/client";
import { liveStore } from "@/live/store";

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

const SOON_MS = 1000;
const BETWEEN_MS = 8000; // two requests each time, of the 60 a minute that an account has

/** Reads the incidents again after the live channel told of alerts: soon after the first, then every few seconds at most. */
export function useAlertRefresh(): void {
  const queries = useQueryClient();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    let last = 0;
    const refresh = () => {
      timer = null;
      last = Date.now();
      void queries.invalidateQueries({ queryKey: KEY });
    };
    const stop = liveStore.onDelta((delta) => {
      if (!delta.alerts?.length) return;
      timer ??= setTimeout(refresh, Math.max(SOON_MS, last + BETWEEN_MS - Date.now()));
      if (delta.missed) void queries.invalidateQueries({ queryKey: ["overview", "newest-alerts"] });
    });
    return () => {
      stop();
      if (timer) clearTimeout(timer);
    };
  }, [queries]);
}

/** An incident changed by one's own hand: at once. */
export function useRereadIncidents(): () => Promise<void> {
  const queries = useQueryClient();
  return () => queries.invalidateQueries({ queryKey: KEY });
}
