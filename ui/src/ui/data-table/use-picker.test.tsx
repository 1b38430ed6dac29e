// SPDX-License-Identifier: Apache-2.0
import { renderHook } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";
import { toast } from "../toast";
import { locate, RANGE_MAX } from "./range";
import type { RowSource } from "./types";
import { usePicker } from "./use-picker";

/** A list of `count` rows named by their places, of which the first hundred are in memory. */
function sparse(count: number) {
  const range = vi.fn(async (first: number, end: number) => Array.from({ length: end - first }, (_, index) => `r${first + index}`));
  const source: RowSource<string> = { list: "list", count, at: (index) => (index < 100 ? `r${index}` : undefined), range };
  return { source, range };
}

function picking(source: RowSource<string>, all = false) {
  let ids: ReadonlySet<string> = new Set();
  const onChange = vi.fn((next: ReadonlySet<string>) => {
    ids = next;
  });
  const hook = renderHook(() => usePicker(source, (row) => row, { ids, onChange, all: { chosen: all, set: vi.fn() } }));
  const does = async (what: "toggle" | "extend", from: number, to: number | boolean) => {
    const picker = hook.result.current;
    if (what === "toggle") picker?.toggle(from, to === true);
    else picker?.extend(from, Number(to));
    await new Promise((done) => setTimeout(done)); // what was read has been taken
    hook.rerender();
  };
  return { does, onChange, chosen: () => [...ids] };
}

let said: MockInstance<typeof toast.failed>;
beforeEach(() => {
  said = vi.spyOn(toast, "failed").mockImplementation(() => {});
});

describe("usePicker", () => {
  it("takes a range that is in memory without asking for it", async () => {
    const { source, range } = sparse(100_000);
    const { does, chosen } = picking(source);
    await does("toggle", 3, false);
    await does("toggle", 6, true);
    expect(chosen()).toEqual(["r3", "r4", "r5", "r6"]);
    expect(range).not.toHaveBeenCalled();
  });

  it("reads a range that is not, once", async () => {
    const { source, range } = sparse(100_000);
    const { does, chosen } = picking(source);
    await does("extend", 90, 1200);
    expect(range.mock.calls).toEqual([[90, 1201]]);
    expect(chosen()).toHaveLength(1111);
    expect(chosen()).toContain("r700");
  });

  it("takes nothing of a range that is too long, and says so", async () => {
    const { source, range } = sparse(100_000);
    const { does, onChange } = picking(source);
    await does("extend", 10, 10 + RANGE_MAX);
    expect(said).toHaveBeenCalledWith(expect.stringContaining("2,001 is more than the 2,000"));
    expect(range).not.toHaveBeenCalled();
    expect(onChange).not.toHaveBeenCalled();
  });

  it("of all that match takes one away only where all can be named", async () => {
    const small = sparse(150);
    const few = picking(small.source, true);
    await few.does("toggle", 7, false);
    expect(few.chosen()).toHaveLength(149);
    expect(few.chosen()).not.toContain("r7");

    const many = picking(sparse(100_000).source, true);
    await many.does("toggle", 7, false);
    expect(many.onChange).not.toHaveBeenCalled();
    expect(said).toHaveBeenCalledWith(expect.stringContaining("All 100,000 are selected"));
  });

  it("says why a range could not be read, and chooses nothing", async () => {
    const { source, range } = sparse(100_000);
    range.mockRejectedValueOnce(new Error("no database"));
    const { does, onChange } = picking(source);
    await does("extend", 90, 120);
    expect(said).toHaveBeenCalledWith(expect.objectContaining({ message: "no database" }));
    expect(onChange).not.toHaveBeenCalled();
  });
});

describe("locate", () => {
  const { source } = sparse(1000);
  const id = (row: string) => row;
  it("finds a row where it was, where it moved to, and believes a place that is not in memory", () => {
    expect(locate(source, id, { id: "r5", index: 5 })).toBe(5);
    expect(locate(source, id, { id: "r5", index: 80 })).toBe(5);
    expect(locate(source, id, { id: "r700", index: 700 })).toBe(700);
    expect(locate(source, id, { id: "gone", index: 50 })).toBe(-1);
    expect(locate(source, id, { id: "r1200", index: 1200 })).toBe(-1);
  });
});
