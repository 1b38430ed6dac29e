// SPDX-License-Identifier: Apache-2.0
/** What one asked for runs in the background: look every few seconds until it has ended, then say so. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { api, ApiError } from "@/api/client";
import type { Schema } from "@/api/types";

const LOOK_MS = 4000;
/** It is not there, or not ours to see; an appliance that is away for a moment comes back. */
const refused = (error: unknown) => error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429;
const ended = (state: string | undefined) => state !== undefined && state !== "waiting" && state !== "running";

interface Awaited<Ended> {
  /** Its id, while it runs. */
  id: string | null;
  /** What is known of it so far. */
  so_far: Ended | undefined;
  await: (id: string) => void;
}

function useAwaited<Ended extends { state: string }>(
  kind: string,
  read: (id: string, signal: AbortSignal) => Promise<Ended>,
  onEnd: (what: Ended) => void,
): Awaited<Ended> {
  const [id, setId] = useState<string | null>(null);
  const tell = useRef(onEnd);
  tell.current = onEnd;
  const query = useQuery({
    queryKey: ["awaited", kind, id],
    queryFn: ({ signal }) => read(id ?? "", signal),
    enabled: id !== null,
    refetchInterval: ({ state }) => (ended(state.data?.state) || refused(state.error) ? false : LOOK_MS),
    gcTime: 0,
  });
  const { data, error } = query;
  useEffect(() => {
    if (refused(error)) setId(null);
    if (!data || !ended(data.state)) return;
    setId(null);
    tell.current(data);
  }, [data, error]);
  return { id, so_far: data, await: setId };
}

export const useJobRun = (onEnd: (run: Schema<"JobRun">) => void) =>
  useAwaited("job-run", (id, signal) => api.get("/admin/job-runs/{id}", { path: { id }, signal }), onEnd);

export const useArchiveRequest = (onEnd: (request: Schema<"ArchiveRequest">) => void) =>
  useAwaited("archive-request", (id, signal) => api.get("/admin/archive-requests/{id}", { path: { id }, signal }), onEnd);
