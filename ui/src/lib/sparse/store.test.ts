// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PAGE_ROWS, PAGES_KEPT } from "./plan";
import { SparseStore, type Page } from "./store";

interface Request {
  offset: number;
  limit: number;
  signal: AbortSignal;
  answer: (page: Page<string>) => void;
  fail: (error: Error) => void;
}

/** A list of `size` rows named by their places, whose requests the test answers. */
function fixture(size: number) {
  const requests: Request[] = [];
  const read = (offset: number, limit: number, signal: AbortSignal) =>
    new Promise<Page<string>>((answer, fail) => {
      signal.addEventListener("abort", () => fail(new DOMException("given up", "AbortError")));
      requests.push({ offset, limit, signal, answer, fail });
    });
  const page = (offset: number, limit = PAGE_ROWS, mark = ""): Page<string> => ({
    rows: Array.from({ length: Math.max(0, Math.min(limit, size - offset)) }, (_, index) => `row ${offset + index}${mark}`),
    more: offset + limit < size,
  });
  const store = new SparseStore<string>(() => Date.now());
  const show = (list = "list", mark = "") => store.show(list, page(0, PAGE_ROWS, mark).rows, size, read);
  const settle = () => vi.advanceTimersByTimeAsync(150);
  const answer = async (request: Request | undefined, mark = "") => {
    request?.answer(page(request.offset, request.limit, mark));
    await vi.advanceTimersByTimeAsync(0);
  };
  /** Scrolls there and lets everything come. */
  const visit = async (place: number) => {
    store.look(place, place + 30);
    for (let round = 0; round < 5; round++) {
      await vi.advanceTimersByTimeAsync(2000);
      for (const request of requests) if (!request.signal.aborted) await answer(request);
    }
  };
  return { store, requests, page, show, settle, answer, visit };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("SparseStore", () => {
  it("has the first page and the length at once, and any other place by one request", async () => {
    const { store, requests, show, settle, answer } = fixture(100_000);
    show();
    store.look(0, 30);
    await settle();
    expect([store.count, store.at(0), store.at(199), store.at(200), requests.length]).toEqual([100_000, "row 0", "row 199", undefined, 0]);
    store.look(70_100, 70_120);
    expect(requests).toHaveLength(0);
    await settle();
    expect(requests.map(({ offset, limit }) => [offset, limit])).toEqual([[70_000, 200]]);
    expect(store.at(70_100)).toBeUndefined();
    await answer(requests[0]);
    expect(store.at(70_100)).toBe("row 70100");
  });

  it("asks for nothing on the way, and gives up what is no longer in view", async () => {
    const { store, requests, show, settle } = fixture(100_000);
    show();
    for (let place = 1000; place < 9000; place += 300) {
      store.look(place, place + 30);
      await vi.advanceTimersByTimeAsync(16);
    }
    expect(requests).toHaveLength(0);
    store.look(9050, 9080);
    await settle();
    expect(requests.map(({ offset }) => offset)).toEqual([9000]);
    store.look(50_050, 50_080);
    expect(requests[0]?.signal.aborted).toBe(true);
    await settle();
    expect(requests.map(({ offset }) => offset)).toEqual([9000, 50_000]);
    expect(store.error).toBeUndefined();
  });

  it("of a scroll bar that is dragged on and on, reads about once a second", async () => {
    const { store, requests, show } = fixture(100_000);
    show();
    for (let frame = 0; frame < 60 * 30; frame++) {
      const place = (frame * 571) % 99_000;
      store.look(place, place + 30);
      await vi.advanceTimersByTimeAsync(17);
    }
    expect(requests.length).toBeGreaterThan(10);
    expect(requests.length).toBeLessThanOrEqual(32);
  });

  it("keeps a bounded number of pages, wherever it has been", async () => {
    const { store, show, visit } = fixture(100_000);
    show();
    for (let place = 100; place < 100_000; place += 4400) await visit(place);
    const here = Array.from({ length: 500 }, (_, page) => store.at(page * PAGE_ROWS)).filter((row) => row !== undefined);
    expect(here.length).toBeLessThanOrEqual(PAGES_KEPT);
    expect(store.at(96_900)).toBe("row 96900");
  });

  it("reads what is in view again when the list is, showing the old rows until then", async () => {
    const { store, requests, show, settle, answer, visit } = fixture(100_000);
    show();
    await visit(3080);
    await visit(40_080);
    const before = requests.length;
    show("list", " anew");
    expect([store.at(0), store.at(40_080), store.at(3080)]).toEqual(["row 0 anew", "row 40080", undefined]);
    await settle();
    expect(requests.slice(before).map(({ offset }) => offset)).toEqual([40_000]);
    await answer(requests[before], " anew");
    expect(store.at(40_080)).toBe("row 40080 anew");
  });

  it("forgets everything when it is another list, even what is on its way", async () => {
    const { store, requests, show, settle } = fixture(100_000);
    show();
    store.look(8050, 8080);
    await settle();
    show("another", " other");
    expect(requests[0]?.signal.aborted).toBe(true);
    expect([store.at(0), store.at(8050)]).toEqual(["row 0 other", undefined]);
  });

  it.each([
    ["shorter", { rows: ["a", "b"], more: false }, 802],
    ["longer", { rows: Array.from({ length: PAGE_ROWS }, (_, index) => `x ${index}`), more: true }, 1001],
    ["empty from there on", { rows: [], more: false }, 800],
  ])("learns from its last page that the list has become %s", async (_, page, count) => {
    const { store, requests, show, settle } = fixture(1000);
    show();
    store.look(970, 1000);
    await settle();
    expect(requests.map(({ offset }) => offset)).toEqual([800]);
    requests[0]?.answer(page);
    await vi.advanceTimersByTimeAsync(0);
    expect(store.count).toBe(count);
  });

  it("stops at an error until somebody says so or looks elsewhere", async () => {
    const { store, requests, show, settle, answer } = fixture(100_000);
    show();
    store.look(5050, 5080);
    await settle();
    requests[0]?.fail(new Error("no database"));
    await vi.advanceTimersByTimeAsync(20_000);
    expect([requests.length, (store.error as Error).message]).toEqual([1, "no database"]);
    store.retry();
    await settle();
    expect([requests.length, store.error]).toEqual([2, undefined]);
    requests[1]?.fail(new Error("still none"));
    await vi.advanceTimersByTimeAsync(0);
    store.look(9050, 9080);
    expect(store.error).toBeUndefined();
    await settle();
    await answer(requests[2]);
    expect(store.at(9050)).toBe("row 9050");
  });

  it("gives a range, reading what is not in memory in large pages and keeping none of them", async () => {
    const { store, requests, show, answer } = fixture(100_000);
    show();
    const got = store.range(100, 1500);
    for (let request = 0; request < 3; request++) {
      await vi.advanceTimersByTimeAsync(0);
      await answer(requests[request]);
    }
    const rows = await got;
    expect([rows.length, rows[0], rows.at(-1)]).toEqual([1400, "row 100", "row 1499"]);
    expect(requests.map(({ offset, limit }) => [offset, limit])).toEqual([[200, 500], [700, 500], [1200, 300]]);
    expect(store.at(1000)).toBeUndefined();
  });

  it("empties the places of rows that are gone", () => {
    const { store, show } = fixture(1000);
    show();
    const version = store.version;
    expect(store.remove((row) => row === "row 700")).toBe(false);
    expect(store.version).toBe(version);
    expect(store.remove((row) => row === "row 7")).toBe(true);
    expect([store.at(6), store.at(7), store.at(8)]).toEqual(["row 6", undefined, "row 8"]);
  });

  it("lets go of clocks and requests when nobody looks", async () => {
    const { store, requests, show, settle } = fixture(100_000);
    show();
    store.look(8050, 8080);
    await settle();
    store.look(60_050, 60_080);
    store.stop();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(requests).toHaveLength(1);
    expect(requests[0]?.signal.aborted).toBe(true);
  });
});
