// SPDX-License-Identifier: Apache-2.0
import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { atLeisure } from "@/lib/leisure";
import { Pace } from "@/lib/pace";
import { PAGE_ROWS } from "@/lib/sparse/plan";
import type { SparseStore } from "@/lib/sparse/store";
import { useSparse } from "@/lib/sparse/use-sparse";
import { serverNow } from "@/live/server-now";
import { liveStore } from "@/live/store";
import type { Sort } from "@/ui/data-table";
import type { Filter, SortColumn } from "./filter";

/** A device as the list had it, and when that was (the appliance's time, epoch seconds). */
export type DeviceRow = Schema<"Device"> & { read_at: number };

const REREAD_MS = 60_000;
const SETTLE_MS = 1000;
const BURST = 2;
const EVERY_MS = 10_000;

export interface ListNews {
  /** The list would be another one if it were read now. */
  changed: boolean;
  reread: () => void;
}

/** Farther down, rows that shift under somebody's hands are worse than old ones. */
const atTop = (store: SparseStore<DeviceRow>) => store.view.end <= PAGE_ROWS;

/**
 * What the live channel can't patch into a row: devices that came, tags and sites that changed, rows that a filter
 * takes in now. What is in view is read again soon, and every 10 s while that goes on: by itself at the top of the
 * list and where a device that is shown was deleted, otherwise when the person says so.
 */
function useNews(key: readonly unknown[], store: SparseStore<DeviceRow>, deleted: boolean): ListNews {
  const client = useQueryClient();
  const [changed, setChanged] = useState(false);
  const pace = useRef(new Pace(BURST, EVERY_MS)).current;
  const latest = useRef({ key, deleted });
  latest.current = { key, deleted };
  const reread = useCallback(() => {
    setChanged(false);
    void client.invalidateQueries({ queryKey: latest.current.key, exact: true });
  }, [client]);

  useEffect(() => {
    let planned: (() => void) | null = null;
    let must = false;
    let devices = liveStore.fleet?.devices;
    const read = () => {
      planned = null;
      if (!must && !atTop(store)) return setChanged(true);
      must = false;
      pace.spend(Date.now());
      reread();
    };
    const soon = () => {
      planned ??= atLeisure(read, Math.max(SETTLE_MS, pace.waitMs(Date.now())));
    };
    const stopDeltas = liveStore.onDelta((delta) => {
      const gone = new Set(delta.removed);
      if (gone.size > 0 && !latest.current.deleted && store.remove((row) => gone.has(row.id))) must = true;
      if (must || delta.edited || delta.missed || delta.devices?.some((row) => "edited" in row || "quarantined" in row)) soon();
    });
    const stopFleet = liveStore.subscribe(() => {
      const now = liveStore.fleet?.devices;
      if (now === undefined || now === devices) return;
      if (devices !== undefined) soon();
      devices = now;
    });
    const regular = setInterval(() => {
      if (!document.hidden && atTop(store)) reread();
    }, REREAD_MS);
    return () => {
      stopDeltas();
      stopFleet();
      clearInterval(regular);
      planned?.();
    };
  }, [reread, store, pace]);
  return { changed, reread };
}

export const devicesKey = (filter: Filter, sort: Sort) => ["devices", "list", filter, sort] as const;

export function useDevices(filter: Filter, sort: Sort) {
  const key = devicesKey(filter, sort);
  const list = useSparse<DeviceRow>(key, async ({ offset, limit, count }, signal) => {
    const answer = await api.get("/admin/devices", {
      query: { ...filter, sort: sort.column as SortColumn, direction: sort.direction, limit, offset, count: count || undefined },
      signal,
    });
    const read_at = serverNow();
    return { rows: answer.devices.map((device) => ({ ...device, read_at })), more: answer.next_cursor !== null, total: answer.count };
  });
  const news = useNews(key, list.store, filter.status === "deleted");
  return { ...list, news };
}
