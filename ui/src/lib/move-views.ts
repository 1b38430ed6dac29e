// SPDX-License-Identifier: Apache-2.0
/**
 * From the browser into the account of who is signed in: each view is taken out of the browser once it is there. What
 * can't be moved stays, and is shown beside the others.
 */
import { useMutation, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { api, ApiError } from "@/api/client";
import { browserViewsOf, type BrowserView, type BrowserViews } from "./browser-views";
import { Pace } from "./pace";
import { readViews, showChange, VIEW_NAME_MAX, withView, type SavedView, type ViewsPage } from "./saved-views";

const cut = (text: string, most: number) => Array.from(text).slice(0, most).join("").trim();

/** A name that the account has for something else gets a number: neither of the two is lost. */
function nameOf(view: BrowserView, copy: number): string {
  if (copy === 1) return cut(view.name.trim(), VIEW_NAME_MAX) || "View";
  const number = ` (${copy})`;
  return cut(view.name.trim(), VIEW_NAME_MAX - number.length) + number;
}

const isTaken = (error: unknown) => error instanceof ApiError && error.status === 409 && error.field === "name";
/** About this view, not about the appliance or the account. */
const isOfView = (error: unknown) => error instanceof ApiError && (error.status === 400 || error.status === 413);

async function moveOne(page: ViewsPage, view: BrowserView): Promise<SavedView> {
  for (let copy = 1; ; copy++) {
    const name = nameOf(view, copy);
    try {
      return await api.post("/api/auth/me/views", { body: { page, name, query: view.search, replace: false } });
    } catch (error) {
      if (!isTaken(error)) throw error;
      const there = (await readViews(page)).find((one) => one.name === name);
      if (there?.query === view.search) return there; // another browser or tab has moved it
    }
  }
}

/** Few at once: the account's requests are needed for what is being looked at. Throws what kept the first one back. */
export async function moveViews(views: BrowserViews, queries: QueryClient): Promise<void> {
  const pace = new Pace(5, 1500);
  let failure: unknown = null;
  for (const view of views.list()) {
    const wait = pace.waitMs(Date.now());
    if (wait > 0) await new Promise((done) => setTimeout(done, wait));
    pace.spend(Date.now());
    try {
      await showChange(queries, views.page, withView(await moveOne(views.page, view)));
      views.drop(view);
    } catch (error) {
      if (!isOfView(error)) throw error;
      failure ??= error;
    }
  }
  if (failure) throw failure;
}

/** What is left of them. They are moved as soon as `ready`: the account's own have been read. */
export function useBrowserViews(page: ViewsPage, ready: boolean) {
  const store = browserViewsOf(page);
  const queries = useQueryClient();
  const left = useSyncExternalStore(store.subscribe, store.list);
  const { mutate, isPending, error } = useMutation({
    mutationKey: ["me", "views", page, "move"],
    mutationFn: () => moveViews(store, queries),
  });
  useEffect(() => {
    if (ready && store.list().length) mutate();
  }, [ready, store, mutate]);
  return { left, moving: isPending, error, again: () => mutate(), drop: (view: BrowserView) => store.drop(view) };
}
