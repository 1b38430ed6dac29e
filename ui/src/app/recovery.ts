// SPDX-License-Identifier: Apache-2.0
/**
 * Pages come back by themselves. What could not be read is read again: when the live channel is back, when the wait that
 * the appliance asked for is over, else after a while. And what was read before the channel was lost is read again where
 * the channel can't tell what changed meanwhile, and the page has not done so itself.
 */
import type { Query, QueryClient } from "@tanstack/react-query";
import { ApiError } from "@/api/client";
import { atLeisure } from "@/lib/leisure";
import { isLong } from "@/lib/use-refresh";
import { liveStore } from "@/live/store";

const AGAIN_MS = 15_000;
const SPREAD_MS = 2000;
/** The pages' own reading comes first. */
const REST_MS = 3000;

/** Not reached, too many requests, or busy: none of that is about what was asked. */
const passes = (error: unknown): error is ApiError =>
  error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500);

const failed = (query: Query): boolean => query.isActive() && query.state.fetchStatus === "idle" && passes(query.state.error);

const rest = (query: Query): boolean => !isLong(query) && query.state.fetchStatus === "idle";

/** Each that failed for a passing reason once more, when that may be over. */
function healFailures(queries: QueryClient): () => void {
  const planned = new Map<string, () => void>();
  const plan = (query: Query, error: ApiError) => {
    if (planned.has(query.queryHash)) return;
    const read = () => {
      planned.delete(query.queryHash);
      if (failed(query) && rest(query)) void queries.refetchQueries({ queryKey: query.queryKey, exact: true });
    };
    const asked = error.retryAfterS === null ? AGAIN_MS : error.retryAfterS * 1000;
    planned.set(query.queryHash, atLeisure(read, asked + Math.random() * SPREAD_MS));
  };
  const stop = queries.getQueryCache().subscribe((event) => {
    if (event.type === "updated" && event.action.type === "error" && passes(event.action.error)) plan(event.query, event.action.error);
  });
  return () => {
    stop();
    for (const off of planned.values()) off();
  };
}

function followChannel(queries: QueryClient): () => void {
  let lost = false;
  let returned = false;
  let planned: (() => void) | null = null;
  const stopState = liveStore.subscribe(() => {
    if (liveStore.state === "reconnecting") lost = true;
    if (liveStore.state !== "live" || !lost) return;
    lost = false;
    returned = true; // whether the stream begins anew is told right after its state
    queueMicrotask(() => (returned = false));
    void queries.refetchQueries({ type: "active", predicate: (query) => failed(query) && rest(query) });
  });
  const stopDeltas = liveStore.onDelta(({ missed }) => {
    if (!missed || !returned) return;
    const since = Date.now();
    const read = () => {
      planned = null;
      const old = (query: Query) => rest(query) && query.state.dataUpdatedAt < since;
      void queries.invalidateQueries({ type: "active", predicate: old });
    };
    planned?.();
    planned = atLeisure(read, REST_MS + Math.random() * SPREAD_MS);
  });
  return () => {
    stopState();
    stopDeltas();
    planned?.();
  };
}

export function recover(queries: QueryClient): () => void {
  const stops = [healFailures(queries), followChannel(queries)];
  return () => stops.forEach((stop) => stop());
}
