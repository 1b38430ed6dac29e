// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { rowsIn, rowsThatFit, topToShow } from "./row-window";

const ROW = 44;

describe("rowsIn", () => {
  it("covers what is seen, and some around it, however far", () => {
    for (const top of [0, 1, 43, 44, 1000, 2_200_000, 100_000 * ROW - 700]) {
      const { first, end } = rowsIn({ top, height: 700 }, ROW, 100_000);
      expect(first * ROW).toBeLessThanOrEqual(top);
      expect(end * ROW).toBeGreaterThanOrEqual(Math.min(top + 700, 100_000 * ROW));
      expect(end - first).toBeLessThanOrEqual(40);
      expect(first).toBeGreaterThanOrEqual(0);
      expect(end).toBeLessThanOrEqual(100_000);
    }
  });

  it("stays the same for a small step", () => {
    const at = (top: number) => rowsIn({ top, height: 700 }, ROW, 100_000);
    const windows = new Set(Array.from({ length: 44 * 40 }, (_, pixel) => JSON.stringify(at(100_000 + pixel))));
    expect(windows.size).toBeLessThanOrEqual(22);
  });

  it("is within a list that has become short, and empty in an empty one", () => {
    expect(rowsIn({ top: 90_000, height: 700 }, ROW, 10)).toEqual({ first: 0, end: 10 });
    expect(rowsIn({ top: 0, height: 700 }, ROW, 0)).toEqual({ first: 0, end: 0 });
    expect(rowsIn({ top: -500, height: 700 }, ROW, 100)).toEqual({ first: 0, end: 12 }); // the list begins further down on the page
    expect(rowsIn({ top: -2000, height: 700 }, ROW, 100).first).toBe(0);
  });
});

describe("topToShow", () => {
  const sight = { top: 4400, height: 440 };
  it("moves as little as it can", () => {
    expect(topToShow(100, sight, ROW)).toBeNull();
    expect(topToShow(109, sight, ROW)).toBeNull();
    expect(topToShow(99, sight, ROW)).toBe(99 * ROW);
    expect(topToShow(110, sight, ROW)).toBe(111 * ROW - 440);
    expect(topToShow(99_999, sight, ROW)).toBe(100_000 * ROW - 440);
  });
});

describe("rowsThatFit", () => {
  it("is all of them until a browser can't hold them", () => {
    expect(rowsThatFit(100_000, ROW)).toBe(100_000);
    expect(rowsThatFit(100_000, 108)).toBe(100_000);
    expect(rowsThatFit(1_000_000, ROW) * ROW).toBeLessThan(17_895_700);
  });
});
