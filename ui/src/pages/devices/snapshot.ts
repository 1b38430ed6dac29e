// SPDX-License-Identifier: Apache-2.0
/**
 * What is done to many devices is done to a selection that the appliance keeps for 15 minutes: what
 * was shown is what is changed, whatever comes or goes meanwhile.
 */
import { useCallback, useEffect, useRef, useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { newKey } from "@/lib/new-key";
import type { Filter } from "./filter";

export type Chosen = { all: false; ids: ReadonlySet<string> } | { all: true; filter: Filter; count: number };
export type Snapshot = Schema<"Selection">;

export const NOTHING = { all: false, ids: new Set<string>() } as const satisfies Chosen;

export const countOf = (chosen: Chosen): number => (chosen.all ? chosen.count : chosen.ids.size);

export const bodyOf = (chosen: Chosen): Schema<"SelectionMake"> =>
  chosen.all ? { filter: chosen.filter } : { device_ids: [...chosen.ids] };

export interface Taken {
  snapshot: Snapshot | null;
  error: unknown;
  retry: () => void;
}

/** Made once, when the dialog that needs it opens. */
export function useSnapshot(chosen: Chosen): Taken {
  const [snapshot, setSnapshot] = useState<Snapshot | null>(null);
  const [error, setError] = useState<unknown>(null);
  const asked = useRef(false);
  const what = useRef(chosen);
  const key = useRef(newKey());
  const take = useCallback(async () => {
    setError(null);
    try {
      setSnapshot(await api.post("/admin/selections", { body: bodyOf(what.current), idempotencyKey: key.current }));
    } catch (caught) {
      setError(caught);
    }
  }, []);
  useEffect(() => {
    if (asked.current) return;
    asked.current = true;
    void take();
  }, [take]);
  return { snapshot, error, retry: () => void take() };
}
