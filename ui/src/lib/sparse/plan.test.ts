// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { PAGES_KEPT, pagesInView, pagesTooMany, pagesWanted, readAt } from "./plan";

const COUNT = 100_000;

describe("pages", () => {
  it("in view are those that a row of it is on", () => {
    expect(pagesInView({ first: 0, end: 30 }, COUNT)).toEqual([0]);
    expect(pagesInView({ first: 190, end: 200 }, COUNT)).toEqual([0]);
    expect(pagesInView({ first: 190, end: 201 }, COUNT)).toEqual([0, 1]);
    expect(pagesInView({ first: 99_990, end: 100_020 }, COUNT)).toEqual([499]);
    expect(pagesInView({ first: 0, end: 0 }, COUNT)).toEqual([]);
    expect(pagesInView({ first: 500, end: 530 }, 300)).toEqual([]);
  });

  it("wanted are those in view, then those ahead", () => {
    expect(pagesWanted({ first: 1080, end: 1110 }, 1, COUNT)).toEqual([5]);
    expect(pagesWanted({ first: 1140, end: 1170 }, 1, COUNT)).toEqual([5, 6]);
    expect(pagesWanted({ first: 1140, end: 1170 }, -1, COUNT)).toEqual([5]);
    expect(pagesWanted({ first: 1020, end: 1050 }, 1, COUNT)).toEqual([5]);
    expect(pagesWanted({ first: 1020, end: 1050 }, -1, COUNT)).toEqual([5, 4]);
    expect(pagesWanted({ first: 1190, end: 1210 }, -1, COUNT)).toEqual([5, 6]);
    expect(pagesWanted({ first: 0, end: 20 }, -1, COUNT)).toEqual([0]);
    expect(pagesWanted({ first: 99_970, end: 100_000 }, 1, COUNT)).toEqual([499]);
    expect(pagesWanted({ first: 0, end: 0 }, 1, COUNT)).toEqual([]);
  });

  it("too many are the farthest", () => {
    const all = Array.from({ length: PAGES_KEPT + 3 }, (_, page) => page);
    expect(pagesTooMany(all, { first: 0, end: 30 }).sort((a, b) => a - b)).toEqual([PAGES_KEPT, PAGES_KEPT + 1, PAGES_KEPT + 2]);
    expect(pagesTooMany(all, { first: 2900, end: 2930 }).sort((a, b) => a - b)).toEqual([0, 1, 2]);
    expect(pagesTooMany([0, 499], { first: 0, end: 30 })).toEqual([]);
  });
});

describe("readAt", () => {
  it("is when the view rests, or after a second of scrolling on and on", () => {
    expect(readAt({ movedAt: 1000, missingSince: 1000 })).toBe(1100);
    expect(readAt({ movedAt: 1900, missingSince: 1000 })).toBe(2000);
    expect(readAt({ movedAt: 1990, missingSince: 1000 })).toBe(2000);
  });
});
