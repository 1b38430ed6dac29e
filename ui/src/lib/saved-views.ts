// SPDX-License-Identifier: Apache-2.0
/** Filters and orders with a name, kept in the account: a view is the page's query string. */
import { useMutation, useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { api, ApiError } from "@/api/client";
import type { Schema } from "@/api/types";

export type SavedView = Schema<"SavedView">;
export type ViewsPage = SavedView["page"];
type Change = (views: SavedView[]) => SavedView[];

export const VIEW_NAME_MAX = 100;

export const viewsKey = (page: ViewsPage) => ["me", "views", page];
const ordered = (views: SavedView[]) => views.toSorted((a, b) => a.name.localeCompare(b.name));

export const withView =
  (view: SavedView): Change =>
  (views) =>
    ordered([...views.filter((one) => one.id !== view.id), view]);
const withoutView =
  (id: string): Change =>
  (views) =>
    views.filter((one) => one.id !== id);

export async function readViews(page: ViewsPage, signal?: AbortSignal): Promise<SavedView[]> {
  return ordered((await api.get("/api/auth/me/views", { query: { page }, signal })).views);
}

/** What the appliance took is shown at once, and not undone by a reading that began before it. */
export async function showChange(queries: QueryClient, page: ViewsPage, change: Change): Promise<void> {
  const queryKey = viewsKey(page);
  if (!queries.getQueryData(queryKey)) return queries.invalidateQueries({ queryKey });
  await queries.cancelQueries({ queryKey });
  queries.setQueryData<SavedView[]>(queryKey, (views) => views && change(views));
}

export const useSavedViews = (page: ViewsPage) =>
  useQuery({ queryKey: viewsKey(page), queryFn: ({ signal }) => readViews(page, signal) });

const isGone = (error: unknown): boolean => error instanceof ApiError && error.status === 404;

/** `ask` says what has changed by it. */
function useChange<Asked>(page: ViewsPage, ask: (asked: Asked) => Promise<Change>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ask,
    onSuccess: (change) => showChange(queries, page, change),
    onError: (error) => (isGone(error) ? queries.invalidateQueries({ queryKey: viewsKey(page) }) : undefined),
  });
}

/** A view of the same name is replaced. */
export const useSaveView = (page: ViewsPage) =>
  useChange(page, async ({ name, query }: { name: string; query: string }) =>
    withView(await api.post("/api/auth/me/views", { body: { page, name: name.trim(), query } })),
  );

export const useRenameView = (page: ViewsPage) =>
  useChange(page, async ({ id, name }: { id: string; name: string }) =>
    withView(await api.patch("/api/auth/me/views/{id}", { path: { id }, body: { name: name.trim() } })),
  );

/** One that another browser has deleted is deleted as well. */
export const useDeleteView = (page: ViewsPage) =>
  useChange(page, async (id: string) => {
    try {
      await api.delete("/api/auth/me/views/{id}", { path: { id } });
    } catch (error) {
      if (!isGone(error)) throw error;
    }
    return withoutView(id);
  });
