// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { isAll, kept, moved, scaled, stepOfKey, stepped, type Span } from "./zoom";

const DAY: Span = [0, 86_400];

describe("zoom", () => {
  it("goes in and out about the middle", () => {
    expect(stepped(DAY, DAY, "in")).toEqual([21_600, 64_800]);
    expect(stepped([21_600, 64_800], DAY, "out")).toEqual(DAY);
  });

  it("keeps the moment under the fingers where it is", () => {
    const [from, to] = scaled(DAY, DAY, 0.1, 8_640);
    expect([from, to]).toEqual([7_776, 16_416]);
    expect((8_640 - from) / (to - from)).toBeCloseTo(0.1);
  });

  it("never leaves the bounds, and keeps its length at them", () => {
    expect(moved([80_000, 86_000], DAY, 5_000)).toEqual([80_400, 86_400]);
    expect(moved([100, 1_100], DAY, -5_000)).toEqual([0, 1_000]);
    expect(kept([-50, 200_000], DAY)).toEqual(DAY);
    expect(scaled([80_000, 86_400], DAY, 3)).toEqual([67_200, 86_400]);
  });

  it("ends where nothing more can be seen", () => {
    let span: Span = DAY;
    for (let step = 0; step < 30; step++) span = stepped(span, DAY, "in");
    expect(span[1] - span[0]).toBe(120);
    expect(kept([5, 6], [0, 60])).toEqual([0, 60]);
  });

  it("knows its ends and when it shows all", () => {
    expect(stepped([10_000, 20_000], DAY, "first")).toEqual([0, 10_000]);
    expect(stepped([10_000, 20_000], DAY, "last")).toEqual([76_400, 86_400]);
    expect(isAll(stepped([10_000, 20_000], DAY, "all"), DAY)).toBe(true);
    expect(isAll([10, 86_400], DAY)).toBe(false);
  });

  it("listens to some keys", () => expect(["+", "-", "ArrowLeft", "x"].map(stepOfKey)).toEqual(["in", "out", "earlier", undefined]));
});
