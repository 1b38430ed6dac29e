// SPDX-License-Identifier: Apache-2.0
import { useInfiniteQuery, type QueryKey } from "@tanstack/react-query";
import { useMemo } from "react";

export interface KeysetPage<Row> {
  rows: Row[];
  /** null: this is the last page. */
  next: string | null | undefined;
  /** How many there are in all, if the appliance said. */
  total?: number;
}

/**
 * A list that the appliance gives page by page (next_cursor), for <DataTable {...list.table}>.
 * A key that changes begins anew and shows the old rows until the new ones are there.
 */
export function useKeyset<Row>(key: QueryKey, read: (cursor: string | undefined, signal: AbortSignal) => Promise<KeysetPage<Row>>) {
  const query = useInfiniteQuery({
    queryKey: key,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => read(pageParam, signal),
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: (was) => was,
  });
  const pages = query.data?.pages;
  const rows = useMemo(() => pages?.flatMap((page) => page.rows) ?? [], [pages]);
  return {
    rows,
    query,
    table: {
      total: pages?.[0]?.total,
      hasMore: query.hasNextPage,
      loadingMore: query.isFetchingNextPage,
      onMore: query.fetchNextPage as () => void,
      loading: query.isPending,
      error: query.error ?? undefined,
      retry: (query.isFetchNextPageError ? query.fetchNextPage : query.refetch) as () => void,
    },
  };
}
