// SPDX-License-Identifier: Apache-2.0
/**
 * Lists that were read by requests follow what the live channel tells: read again a second after a change, a few
 * times; when changes go on and on, every few seconds. Who has read far down a list isn't moved, and 20 pages are not read anew
 * for one change: such a list is marked as old, and the page offers to read it again.
 */
import { useQueryClient, type InfiniteData, type Query, type QueryKey } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { liveStore, type Message } from "@/live/store";
import { atLeisure } from "./leisure";
import { Pace } from "./pace";

const SETTLE_MS = 1000;
const BURST = 3;
const EVERY_MS = 8000;
const PAGES_MAX = 2;

type Delta = Extract<Message, { type: "delta" }>;

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
  const pace = useRef(new Pace(BURST, EVERY_MS)).current;
  const latest = useRef({ key, concerns });
  latest.current = { key, concerns };

  useEffect(() => {
    let planned: (() => void) | null = null;
    const read = () => {
      planned = null;
      pace.spend(Date.now());
      const filter = { queryKey: latest.current.key, type: "active" } as const;
      if (queries.getQueryCache().findAll(filter).some(isLong)) setStale(true);
      void queries.invalidateQueries({ ...filter, predicate: (query) => !isLong(query) });
    };
    const stop = liveStore.onDelta((delta) => {
      if (latest.current.concerns(delta)) planned ??= atLeisure(read, Math.max(SETTLE_MS, pace.waitMs(Date.now())));
    });
    return () => {
      stop();
      planned?.();
    };
  }, [queries, pace]);

  const refresh = () => {
    setStale(false);
    void queries.resetQueries({ queryKey: latest.current.key, type: "active", predicate: isLong });
  };
  return { stale, refresh };
}
