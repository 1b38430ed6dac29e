// SPDX-License-Identifier: Apache-2.0
/** Views that this browser kept before accounts did: read and taken away, no new ones. */
import type { ViewsPage } from "./saved-views";

export interface BrowserView {
  name: string;
  search: string;
}

/** What is stored may be of another version, or written by somebody else. */
function parse(text: string | null): BrowserView[] {
  try {
    const found: unknown = JSON.parse(text ?? "[]");
    if (!Array.isArray(found)) return [];
    return found.filter((one): one is BrowserView => typeof one?.name === "string" && typeof one?.search === "string");
  } catch {
    return [];
  }
}

export class BrowserViews {
  private readonly key: string;
  private views: BrowserView[];
  private listeners = new Set<() => void>();

  constructor(
    readonly page: ViewsPage,
    private readonly storage: Pick<Storage, "getItem" | "setItem" | "removeItem"> = localStorage,
  ) {
    this.key = `muster.views.${page}`;
    this.views = parse(storage.getItem(this.key));
  }

  list = (): BrowserView[] => this.views;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Out of what is stored now: another tab may have taken some away. */
  drop(gone: BrowserView): void {
    this.views = parse(this.storage.getItem(this.key)).filter((view) => view.name !== gone.name || view.search !== gone.search);
    if (this.views.length) this.storage.setItem(this.key, JSON.stringify(this.views));
    else this.storage.removeItem(this.key);
    for (const listener of this.listeners) listener();
  }
}

const stores = new Map<ViewsPage, BrowserViews>();

export function browserViewsOf(page: ViewsPage): BrowserViews {
  const store = stores.get(page) ?? new BrowserViews(page);
  stores.set(page, store);
  return store;
}
