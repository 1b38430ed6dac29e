// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { drawNext, type Drawn } from "./gradual";

const nothing: Drawn = { first: 0, end: 0, rows: new Set() };
const everything = () => true;
const sorted = ({ rows }: Drawn) => [...rows].sort((a, b) => a - b);

describe("drawNext", () => {
  it("draws from the middle of the view outwards, a few each frame, until all are", () => {
    let { drawn, more } = drawNext(nothing, { first: 100, end: 120 }, everything);
    expect(sorted(drawn)).toEqual([106, 107, 108, 109, 110, 111, 112, 113]);
    let frames = 1;
    for (; more; frames++) ({ drawn, more } = drawNext(drawn, drawn, everything));
    expect(drawn.rows.size).toBe(20);
    expect(frames).toBe(3);
  });

  it("keeps what is drawn, and drops what is out of view", () => {
    const was: Drawn = { first: 0, end: 8, rows: new Set([0, 1, 2, 3, 4, 5, 6, 7]) };
    const { drawn, more } = drawNext(was, { first: 3, end: 11 }, everything);
    expect(sorted(drawn)).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
    expect(more).toBe(false);
  });

  it("draws nothing new while the list flies by, and goes on when it rests", () => {
    const was: Drawn = { first: 0, end: 20, rows: new Set([5, 12]) };
    const flying = drawNext(was, { first: 10, end: 30 }, everything);
    expect(sorted(flying.drawn)).toEqual([12]);
    expect(flying.more).toBe(true);
    expect(drawNext(flying.drawn, { first: 10, end: 30 }, everything).drawn.rows.size).toBe(9);
  });

  it("does not wait for rows that are not here", () => {
    const { drawn, more } = drawNext(nothing, { first: 0, end: 20 }, (index) => index === 3);
    expect(sorted(drawn)).toEqual([3]);
    expect(more).toBe(false);
    expect(drawNext(drawn, drawn, () => false)).toEqual({ drawn: { first: 0, end: 20, rows: new Set() }, more: false });
  });
});
