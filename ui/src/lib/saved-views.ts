// SPDX-License-Identifier: Apache-2.0
/** Filters and orders with a name, kept in this browser: a view is the page's query string. */
import { useSyncExternalStore } from "react";

export interface SavedView {
  name: string;
  search: string;
}

const VIEWS_MAX = 50;

/** What is stored may be of another version, or written by somebody else. */
function parse(text: string | null): SavedView[] {
  try {
    const found: unknown = JSON.parse(text ?? "[]");
    if (!Array.isArray(found)) return [];
    return found.filter((one): one is SavedView => typeof one?.name === "string" && typeof one?.search === "string");
  } catch {
    return [];
  }
}

export class SavedViews {
  private views: SavedView[];
  private listeners = new Set<() => void>();

  constructor(
    private readonly key: string,
    private readonly storage: Pick<Storage, "getItem" | "setItem"> = localStorage,
  ) {
    this.views = parse(storage.getItem(key));
  }

  list = (): SavedView[] => this.views;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** A view of the same name is replaced. Throws when there is no name, or no room. */
  save(name: string, search: string): void {
    const trimmed = name.trim();
    if (!trimmed) throw new Error("A view needs a name.");
    const others = this.views.filter((view) => view.name !== trimmed);
    if (others.length >= VIEWS_MAX) throw new Error(`There are ${VIEWS_MAX} views already. Delete one first.`);
    this.put([...others, { name: trimmed, search }].sort((a, b) => a.name.localeCompare(b.name)));
  }

  /** Throws when there is no name, or another view has it. */
  rename(from: string, to: string): void {
    const trimmed = to.trim();
    if (!trimmed) throw new Error("A view needs a name.");
    if (trimmed !== from && this.views.some((view) => view.name === trimmed)) throw new Error(`There is a view called ${trimmed} already.`);
    const renamed = this.views.map((view) => (view.name === from ? { ...view, name: trimmed } : view));
    this.put(renamed.sort((a, b) => a.name.localeCompare(b.name)));
  }

  remove(name: string): void {
    this.put(this.views.filter((view) => view.name !== name));
  }

  private put(views: SavedView[]): void {
    this.storage.setItem(this.key, JSON.stringify(views));
    this.views = views;
    for (const listener of this.listeners) listener();
  }
}

export const deviceViews = new SavedViews("muster.views.devices");

export const useSavedViews = (views: SavedViews) => useSyncExternalStore(views.subscribe, views.list);
