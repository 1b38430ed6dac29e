// SPDX-License-Identifier: Apache-2.0
import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { useKeyset } from "@/lib/keyset";
import { serverNow } from "@/live/server-now";
import { liveStore } from "@/live/store";
import type { Sort } from "@/ui/data-table";
import type { Filter, SortColumn } from "./filter";

/** A device as the list had it, and when that was (the appliance's time, epoch seconds). */
export type DeviceRow = Schema<"Device"> & { read_at: number };

const PAGE_ROWS = 200;
/** So many pages are read again when something changed; of more, the person decides. */
const PAGES_REREAD = 2;
const REREAD_MS = 60_000;
const SETTLE_MS = 2000;
const PAUSE_MS = 10_000;

export interface ListNews {
  /** The list would be another one if it were read now. */
  changed: boolean;
  reread: () => void;
}

/**
 * What the live channel can't patch into a row: devices that came, tags and sites that changed, and
 * rows that a filter takes in now. Short lists are read again by themselves, at most every 10 s.
 */
function useNews(key: readonly unknown[], pages: number): ListNews {
  const client = useQueryClient();
  const [changed, setChanged] = useState(false);
  const latest = useRef({ key, pages });
  latest.current = { key, pages };
  const reread = useCallback(() => {
    setChanged(false);
    const { key: now, pages: loaded } = latest.current;
    void (loaded > PAGES_REREAD ? client.resetQueries({ queryKey: now, exact: true }) : client.invalidateQueries({ queryKey: now, exact: true }));
  }, [client]);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    let readAt = Date.now();
    let devices = liveStore.fleet?.devices;
    const read = () => {
      timer = null;
      if (latest.current.pages > PAGES_REREAD) return setChanged(true);
      readAt = Date.now();
      reread();
    };
    const soon = () => {
      timer ??= setTimeout(read, Math.max(SETTLE_MS, readAt + PAUSE_MS - Date.now()));
    };
    const stopDeltas = liveStore.onDelta((delta) => {
      if (delta.edited || delta.devices?.some((row) => "edited" in row || "quarantined" in row)) soon();
    });
    const stopFleet = liveStore.subscribe(() => {
      const now = liveStore.fleet?.devices;
      if (now === undefined || now === devices) return;
      if (devices !== undefined) soon();
      devices = now;
    });
    const regular = setInterval(() => {
      if (!document.hidden && latest.current.pages <= PAGES_REREAD) reread();
    }, REREAD_MS);
    return () => {
      stopDeltas();
      stopFleet();
      clearInterval(regular);
      if (timer) clearTimeout(timer);
    };
  }, [reread]);
  return { changed, reread };
}

/** Devices that were deleted while they were shown. */
function useRemoved(): ReadonlySet<string> {
  const [removed, setRemoved] = useState<ReadonlySet<string>>(new Set());
  useEffect(
    () =>
      liveStore.onDelta((delta) => {
        const gone = delta.removed;
        if (gone?.length) setRemoved((was) => new Set([...was, ...gone]));
      }),
    [],
  );
  return removed;
}

export const devicesKey = (filter: Filter, sort: Sort) => ["devices", "list", filter, sort] as const;

export function useDevices(filter: Filter, sort: Sort) {
  const key = devicesKey(filter, sort);
  const list = useKeyset<DeviceRow>(key, async (cursor, signal) => {
    const answer = await api.get("/admin/devices", {
      query: { ...filter, sort: sort.column as SortColumn, direction: sort.direction, limit: PAGE_ROWS, cursor, count: cursor ? undefined : true },
      signal,
    });
    const read_at = serverNow();
    return { rows: answer.devices.map((device) => ({ ...device, read_at })), next: answer.next_cursor, total: answer.count };
  });
  const removed = useRemoved();
  const rows = useMemo(
    () => (removed.size && filter.status !== "deleted" ? list.rows.filter((row) => !removed.has(row.id)) : list.rows),
    [list.rows, removed, filter.status],
  );
  const news = useNews(key, list.query.data?.pages.length ?? 0);
  const total = list.table.total === undefined ? undefined : Math.max(rows.length, list.table.total - (list.rows.length - rows.length));
  return { ...list, rows, news, table: { ...list.table, total } };
}
