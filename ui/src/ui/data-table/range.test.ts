// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { allState, moved, pick, pickAll, type Picked } from "./range";

const ORDER = ["a", "b", "c", "d", "e"];
const none: Picked = { ids: new Set(), anchor: null };
const ids = (picked: Picked) => [...picked.ids].sort().join("");

describe("pick", () => {
  it("toggles one and remembers it", () => {
    const once = pick(none, ORDER, "b", false);
    expect([ids(once), once.anchor]).toEqual(["b", "b"]);
    expect(ids(pick(once, ORDER, "b", false))).toBe("");
  });

  it("with shift takes all from the last one, either way", () => {
    const from = pick(none, ORDER, "b", false);
    expect(ids(pick(from, ORDER, "d", true))).toBe("bcd");
    expect(ids(pick(pick(none, ORDER, "d", false), ORDER, "a", true))).toBe("abcd");
  });

  it("with shift after taking one away takes the range away", () => {
    const all: Picked = { ids: new Set(ORDER), anchor: null };
    const without = pick(all, ORDER, "b", false);
    expect(ids(pick(without, ORDER, "d", true))).toBe("ae");
  });

  it("keeps the anchor, so that the next shift measures from the same row", () => {
    const first = pick(pick(none, ORDER, "b", false), ORDER, "c", true);
    expect(first.anchor).toBe("b");
    expect(ids(pick(first, ORDER, "e", true))).toBe("bcde");
  });

  it("with shift and no row to go from, or one that is gone, toggles", () => {
    expect(ids(pick(none, ORDER, "c", true))).toBe("c");
    expect(ids(pick({ ids: new Set(), anchor: "gone" }, ORDER, "c", true))).toBe("c");
  });

  it("leaves what is chosen outside of the range and does not change what it was given", () => {
    const given: Picked = { ids: new Set(["e", "x"]), anchor: "a" };
    pick(given, ORDER, "b", true);
    expect(ids(given)).toBe("ex");
    expect(ids(pick({ ids: new Set(["a", "x"]), anchor: "a" }, ORDER, "b", true))).toBe("abx");
  });
});

describe("all", () => {
  it("is none, some or every row that is shown", () => {
    expect(allState(new Set(), ORDER)).toBe(false);
    expect(allState(new Set(["x"]), ORDER)).toBe(false);
    expect(allState(new Set(["c"]), ORDER)).toBe("indeterminate");
    expect(allState(new Set(["a"]), ORDER)).toBe("indeterminate");
    expect(allState(new Set(ORDER), ORDER)).toBe(true);
    expect(allState(new Set(["a"]), [])).toBe(false);
  });

  it("takes all, or gives all back, and leaves the others", () => {
    expect([...pickAll(new Set(["x", "b"]), ORDER)].sort().join("")).toBe("abcdex");
    expect([...pickAll(new Set([...ORDER, "x"]), ORDER)].join("")).toBe("x");
  });
});

describe("keys", () => {
  it.each([
    ["ArrowDown", -1, 0],
    ["ArrowDown", 9, 9],
    ["ArrowUp", -1, 0],
    ["ArrowUp", 4, 3],
    ["PageDown", 2, 7],
    ["PageDown", 8, 9],
    ["PageUp", 2, 0],
    ["Home", 5, 0],
    ["End", 5, 9],
  ])("%s from %d leads to %d", (key, at, to) => expect(moved(key, at, 10, 5)).toBe(to));
  it("other keys, and an empty table, lead nowhere", () => {
    expect(moved("x", 1, 10, 5)).toBeNull();
    expect(moved("ArrowDown", -1, 0, 5)).toBeNull();
  });
});
