// SPDX-License-Identifier: Apache-2.0
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { arrivedBy, type Token } from "@/lib/enrol";
import { liveStore, type LiveDevice } from "@/live/store";
import { useLiveVersion } from "@/live/use-live";
import { TOKENS_KEY, useToken } from "./use-tokens";

const SETTLE_MS = 1000;

export interface Arrival {
  id: string;
  /** undefined: it is registered, but the live channel has not told of it yet. */
  device: LiveDevice | undefined;
  /** Its first heartbeat since has come. */
  reported: boolean;
}

/** Ids that the live channel named since the page began to watch and that were not there before; the newest last. */
function useFreshDevices(): string[] {
  const queries = useQueryClient();
  const [fresh, setFresh] = useState<string[]>([]);
  const known = useRef<Set<string> | null>(null);
  useEffect(() => {
    const before = (known.current ??= new Set(liveStore.devices.keys()));
    let timer: ReturnType<typeof setTimeout> | null = null;
    const stop = liveStore.onDelta((delta) => {
      const ids = (delta.devices ?? []).map((row) => row.id).filter((id) => !before.has(id));
      if (ids.length === 0) return;
      for (const id of ids) before.add(id);
      setFresh((was) => [...was, ...ids]);
      timer ??= setTimeout(() => {
        timer = null;
        void queries.invalidateQueries({ queryKey: TOKENS_KEY });
      }, SETTLE_MS);
    });
    return () => {
      stop();
      if (timer) clearTimeout(timer);
    };
  }, [queries]);
  return fresh;
}

/** The devices that came in by a token since `since` (epoch seconds), in their order; and the token as it stands. */
export function useArrivals(tokenId: string, since: number): { arrivals: Arrival[]; token: Token | undefined } {
  const fresh = useFreshDevices();
  const token = useToken(tokenId).data ?? undefined;
  useLiveVersion();
  const [ids, setIds] = useState<string[]>([]);
  useEffect(() => {
    if (token) setIds((was) => arrivedBy(was, fresh, 0, token));
  }, [token, fresh]);
  const arrivals = ids.map((id) => {
    const device = liveStore.devices.get(id);
    return { id, device, reported: (device?.received_at ?? 0) >= since };
  });
  return { arrivals, token };
}
