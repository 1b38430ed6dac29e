// SPDX-License-Identifier: Apache-2.0
/**
 * Lists that were read by requests follow what the live channel tells: read again a second after the first change, then
 * at most every few seconds. Who has read far down a list isn't moved, and 20 pages are not read anew for one change: such a
 * list is marked as old, and the page offers to read it again.
 */
import { useQueryClient, type InfiniteData, type Query, type QueryKey } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { liveStore, type Message } from "@/live/store";

const FIRST_MS = 1000;
const BETWEEN_MS = 8000;
const PAGES_MAX = 2;

type Delta = Extract<Message, { type: "delta" }>;

/** When the next reading is due, `now` after a change. */
export const dueIn = (now: number, last: number): number => Math.max(FIRST_MS, last + BETWEEN_MS - now);

export const isLong = (query: Pick<Query, "state">): boolean =>
  ((query.state.data as Partial<InfiniteData<unknown>> | undefined)?.pages?.length ?? 0) > PAGES_MAX;

export interface Refresh {
  /** A list that was not read again has changed. */
  stale: boolean;
  /** Read it anew, from its beginning. */
  refresh: () => void;
}

export function useRefresh(key: QueryKey, concerns: (delta: Delta) => boolean): Refresh {
  const queries = useQueryClient();
  const [stale, setStale] = useState(false);
  const latest = useRef({ key, concerns });
  latest.current = { key, concerns };

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    let last = 0;
    const read = () => {
      timer = null;
      last = Date.now();
      const filter = { queryKey: latest.current.key, type: "active" } as const;
      if (queries.getQueryCache().findAll(filter).some(isLong)) setStale(true);
      void queries.invalidateQueries({ ...filter, predicate: (query) => !isLong(query) });
    };
    const stop = liveStore.onDelta((delta) => {
      if (latest.current.concerns(delta)) timer ??= setTimeout(read, dueIn(Date.now(), last));
    });
    return () => {
      stop();
      if (timer) clearTimeout(timer);
    };
  }, [queries]);

  const refresh = () => {
    setStale(false);
    void queries.resetQueries({ queryKey: latest.current.key, type: "active", predicate: isLong });
  };
  return { stale, refresh };
}
