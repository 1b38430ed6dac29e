// SPDX-License-Identifier: Apache-2.0
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api } from "@/api/client";
import { useKeyset } from "@/lib/keyset";
import type { Token } from "@/lib/enrol";

export const TOKENS_KEY = ["enrolment-tokens"];
const PAGE_ROWS = 100;
const LOOK_MS = 30_000; // should the live channel be away

export type Shown = "open" | "all";

/** Page by page, the newest first. */
export const useTokens = (shown: Shown) =>
  useKeyset<Token>([...TOKENS_KEY, shown], async (before, signal) => {
    const answer = await api.get("/admin/enrolment-tokens", { query: { state: shown, before, limit: PAGE_ROWS }, signal });
    return { rows: answer.tokens, next: answer.next_before, total: shown === "open" ? answer.open_count : answer.count };
  });

/** How many tokens there are, and how agents know the appliance. */
export const useSummary = () =>
  useQuery({
    queryKey: [...TOKENS_KEY, "summary"],
    queryFn: ({ signal }) => api.get("/admin/enrolment-tokens", { query: { limit: 1 }, signal }),
    placeholderData: keepPreviousData,
  });

/** One token, watched: the list goes by ids, so it is the first below the next id. */
export const useToken = (id: string) =>
  useQuery({
    queryKey: [...TOKENS_KEY, "one", id],
    queryFn: async ({ signal }) => {
      const answer = await api.get("/admin/enrolment-tokens", { query: { before: String(BigInt(id) + 1n), limit: 1 }, signal });
      return answer.tokens.find((token) => token.id === id) ?? null;
    },
    refetchInterval: LOOK_MS,
  });
