// SPDX-License-Identifier: Apache-2.0
import { useQuery, type QueryKey } from "@tanstack/react-query";
import { useEffect, useLayoutEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import type { RowSource } from "@/ui/data-table";
import { PAGE_ROWS } from "./plan";
import { SparseStore, type Page } from "./store";

export interface Place {
  offset: number;
  limit: number;
  /** Say how many there are in all. */
  count: boolean;
}

export interface CountedPage<Row> extends Page<Row> {
  total?: number;
}

type Read<Row> = (place: Place, signal: AbortSignal) => Promise<CountedPage<Row>>;

/**
 * A list of 100,000 that the appliance gives by offset, for <DataTable {...list.table}>: of it is in memory what is
 * near the view. Its first page is a query, so that invalidating the key reads what is in view again. A key that
 * changes begins anew and shows the old rows until the new ones are there.
 */
export function useSparse<Row>(key: QueryKey, read: Read<Row>) {
  const [store] = useState(() => new SparseStore<Row>());
  const version = useSyncExternalStore(store.subscribe, () => store.version);
  const name = JSON.stringify(key);
  const head = useQuery({
    queryKey: key,
    queryFn: async ({ signal }) => ({ name, page: await read({ offset: 0, limit: PAGE_ROWS, count: true }, signal) }),
    placeholderData: (was) => was,
    structuralSharing: false, // each row says when it was read, so none is what it was
  });
  const latest = useRef(read);
  useLayoutEffect(() => {
    latest.current = read;
  });

  const data = head.isPlaceholderData ? undefined : head.data;
  useLayoutEffect(() => {
    if (!data) return;
    const readNow = latest.current;
    const { rows, total } = data.page;
    store.show(data.name, rows, total ?? rows.length, (offset, limit, signal) => readNow({ offset, limit, count: false }, signal));
  }, [store, data]);
  useEffect(() => () => store.stop(), [store]);

  const rows = useMemo<RowSource<Row>>(
    () => ({ list: store.list, count: store.count, at: store.at, look: store.look, range: store.range }),
    [store, version],
  );
  const started = store.list !== null;
  return {
    store,
    rows,
    total: started ? store.count : undefined,
    table: {
      rows,
      loading: head.isPending || (head.isSuccess && !started),
      error: head.error ?? store.error ?? undefined,
      retry: head.error ? () => void head.refetch() : store.retry,
    },
  };
}
