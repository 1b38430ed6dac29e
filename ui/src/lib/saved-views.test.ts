// SPDX-License-Identifier: Apache-2.0
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, renderHook, waitFor } from "@testing-library/react";
import { createElement, type ReactNode } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "@/api/client";
import { BrowserViews } from "./browser-views";
import { moveViews } from "./move-views";
import { showChange, useDeleteView, useRenameView, useSavedViews, useSaveView, viewsKey, withView, type SavedView } from "./saved-views";

const answer = (status: number, body?: unknown) => new Response(body === undefined ? null : JSON.stringify(body), { status });
const refuse = (status: number, detail: string, field?: string) => answer(status, { status, detail, field });

/** As the appliance keeps them. */
class Account {
  views: SavedView[] = [];
  asked: string[] = [];
  /** Instead of the answer, once each. */
  refusals: Response[] = [];
  room = 50;
  private last = 0;

  add(name: string, query: string): SavedView {
    const view: SavedView = { id: String(++this.last), page: "devices", name, query, updated_at: "2026-11-22T00:00:00Z" };
    this.views.push(view);
    return view;
  }

  fetch = async (url: string, { method = "GET", body }: RequestInit = {}): Promise<Response> => {
    this.asked.push(`${method} ${url}`);
    const refusal = method === "GET" ? undefined : this.refusals.shift();
    if (refusal) return refusal;
    if (method === "GET") return answer(200, { views: this.views });
    const given = body ? (JSON.parse(String(body)) as { name: string; query: string; replace?: boolean }) : { name: "", query: "" };
    const named = this.views.find((view) => view.name === given.name);
    const taken = () => refuse(409, `You have a view called "${given.name}" already.`, "name");
    if (method === "POST") {
      if (named && given.replace === false) return taken();
      if (!named && this.views.length >= this.room) return refuse(409, "You have 50 views of this page already.");
      if (named) return answer(200, Object.assign(named, { query: given.query }));
      return answer(200, this.add(given.name, given.query));
    }
    const one = this.views.find((view) => url.endsWith(`/${view.id}`));
    if (!one) return refuse(404, "There is no such view.");
    if (method === "PATCH") return named && named !== one ? taken() : answer(200, Object.assign(one, { name: given.name }));
    this.views = this.views.filter((view) => view !== one);
    return answer(204);
  };
}

let account: Account;
let queries: QueryClient;
beforeEach(() => {
  account = new Account();
  queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  vi.stubGlobal("fetch", account.fetch);
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** The hooks as a page has them, once the views have been read. */
async function page() {
  const wrapper = ({ children }: { children: ReactNode }) => createElement(QueryClientProvider, { client: queries }, children);
  const { result } = renderHook(
    () => ({
      views: useSavedViews("devices"),
      save: useSaveView("devices"),
      rename: useRenameView("devices"),
      remove: useDeleteView("devices"),
    }),
    { wrapper },
  );
  await waitFor(() => expect(result.current.views.data).toBeDefined());
  const shown = () => queries.getQueryData<SavedView[]>(viewsKey("devices"))?.map((view) => `${view.name}: ${view.query}`);
  return { result, shown };
}

describe("views in the account", () => {
  it("are kept by name, in order, and shown without another reading", async () => {
    account.add("Silent", "status=silent");
    const { result, shown } = await page();
    await act(() => result.current.save.mutateAsync({ name: " Low battery ", query: "battery_below=15" }));
    await act(() => result.current.save.mutateAsync({ name: "Silent", query: "status=silent&site=Graz" }));
    expect(shown()).toEqual(["Low battery: battery_below=15", "Silent: status=silent&site=Graz"]);
    expect(account.asked.filter((line) => line.startsWith("GET"))).toEqual(["GET /api/auth/me/views?page=devices"]);
  });

  it("get another name, but not one that is taken", async () => {
    const first = account.add("a", "q=1");
    account.add("b", "q=2");
    const { result, shown } = await page();
    const rename = (name: string) => result.current.rename.mutateAsync({ id: first.id, name });
    await act(() => expect(rename("b")).rejects.toThrow('You have a view called "b" already.'));
    expect(shown()).toEqual(["a: q=1", "b: q=2"]);
    await act(() => rename(" c "));
    expect(shown()).toEqual(["b: q=2", "c: q=1"]);
  });

  it("are deleted, also when another browser was first; its name is then gone from the list", async () => {
    const first = account.add("a", "q=1");
    const { result, shown } = await page();
    account.views = [];
    await act(() => result.current.remove.mutateAsync(first.id));
    expect(shown()).toEqual([]);
  });

  it("are read again when one that is to be renamed is gone", async () => {
    const first = account.add("a", "q=1");
    const { result, shown } = await page();
    account.views = [];
    await act(() => expect(result.current.rename.mutateAsync({ id: first.id, name: "b" })).rejects.toThrow("no such view"));
    await waitFor(() => expect(shown()).toEqual([]));
  });

  it("stay as they were when the appliance refuses", async () => {
    account.add("a", "q=1");
    const { result, shown } = await page();
    account.refusals.push(refuse(503, "The database is away."));
    await act(() => expect(result.current.save.mutateAsync({ name: "b", query: "" })).rejects.toThrow("The database is away."));
    expect(shown()).toEqual(["a: q=1"]);
  });

  it("keep what was changed while they were being read", async () => {
    const { result, shown } = await page();
    let late: ((response: Response) => void) | undefined;
    vi.stubGlobal("fetch", () => new Promise<Response>((done) => (late = done)));
    const reading = result.current.views.refetch();
    await waitFor(() => expect(late).toBeDefined());
    await showChange(queries, "devices", withView(account.add("new", "q=1")));
    late?.(answer(200, { views: [] }));
    await reading;
    expect(shown()).toEqual(["new: q=1"]);
  });
});

function storage(views: unknown) {
  const kept = new Map([["muster.views.devices", typeof views === "string" ? views : JSON.stringify(views)]]);
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
    kept,
  };
}

const old = (...names: string[]) => names.map((name) => ({ name, search: `q=${name}` }));
const named = () => Object.fromEntries(account.views.map((view) => [view.name, view.query]));

describe("views of the browser", () => {
  it("are none where it can't be read", () => {
    expect(new BrowserViews("devices", storage("{nonsense")).list()).toEqual([]);
    expect(new BrowserViews("devices", storage({ a: 1 })).list()).toEqual([]);
    expect(new BrowserViews("devices", storage([{ name: "a" }, { name: "b", search: "" }])).list()).toEqual([{ name: "b", search: "" }]);
  });

  it("are moved into the account, and nothing of them stays", async () => {
    const where = storage(old("a", "b"));
    const views = new BrowserViews("devices", where);
    const heard = vi.fn();
    views.subscribe(heard);
    await moveViews(views, queries);
    expect(named()).toEqual({ a: "q=a", b: "q=b" });
    expect([views.list(), where.kept.size, heard.mock.calls.length]).toEqual([[], 0, 2]);
  });

  it("take nothing away from the account: another of that name goes beside it, the same one is there already", async () => {
    account.add("a", "q=theirs");
    account.add("a (2)", "q=theirs, too");
    account.add("b", "q=b");
    await moveViews(new BrowserViews("devices", storage(old("a", "b"))), queries);
    expect(named()).toEqual({ a: "q=theirs", "a (2)": "q=theirs, too", "a (3)": "q=a", b: "q=b" });
  });

  it("stay when the account has no room; what went before is not moved again", async () => {
    account.room = 1;
    const where = storage(old("a", "b", "c"));
    const views = new BrowserViews("devices", where);
    await expect(moveViews(views, queries)).rejects.toThrow("50 views");
    expect(named()).toEqual({ a: "q=a" });
    expect(new BrowserViews("devices", where).list()).toEqual(old("b", "c"));
    account.room = 50;
    await moveViews(views, queries);
    expect(named()).toEqual({ a: "q=a", b: "q=b", c: "q=c" });
    expect(where.kept.size).toBe(0);
  });

  it("that the appliance refuses keep no other back", async () => {
    account.refusals.push(refuse(400, "query: 8000 characters at the most."));
    const views = new BrowserViews("devices", storage(old("a", "b")));
    await expect(moveViews(views, queries)).rejects.toThrow(ApiError);
    expect(views.list()).toEqual(old("a"));
    expect(named()).toEqual({ b: "q=b" });
  });

  it("wait for another time when the appliance is away", async () => {
    account.refusals.push(refuse(503, "The database is away."));
    const views = new BrowserViews("devices", storage(old("a", "b")));
    await expect(moveViews(views, queries)).rejects.toThrow("The database is away.");
    expect([views.list(), account.asked.length]).toEqual([old("a", "b"), 1]);
  });

  it("go a few at once, then one each 1.5 s: an account has 60 requests a minute", async () => {
    vi.useFakeTimers();
    const moving = moveViews(new BrowserViews("devices", storage(old(..."abcdefgh"))), queries);
    await vi.advanceTimersByTimeAsync(100);
    expect(account.views).toHaveLength(5);
    await vi.advanceTimersByTimeAsync(1500);
    expect(account.views).toHaveLength(6);
    await vi.advanceTimersByTimeAsync(3000);
    await moving;
    expect(account.views).toHaveLength(8);
  });

  it("that another tab took away meanwhile do not come back", () => {
    const where = storage(old("a", "b", "c"));
    const views = new BrowserViews("devices", where);
    new BrowserViews("devices", where).drop(old("a")[0]!);
    views.drop(old("b")[0]!);
    expect(new BrowserViews("devices", where).list()).toEqual(old("c"));
  });

  it("have a name that fits", async () => {
    const long = "🦊".repeat(120);
    account.add("🦊".repeat(100), "q=theirs");
    const views = [
      { name: long, search: "q=1" },
      { name: "  ", search: "q=2" },
    ];
    await moveViews(new BrowserViews("devices", storage(views)), queries);
    expect(named()).toMatchObject({ [`${"🦊".repeat(96)} (2)`]: "q=1", View: "q=2" });
  });
});
