// SPDX-License-Identifier: Apache-2.0
import { describe as group, expect, it } from "vitest";
import { sparkPath } from "./spark";
import { describe, withGaps } from "./time-chart/series";
import { joined, timeIn } from "./timeline";

group("a chart in words", () => {
  const battery = { label: "Battery", tone: "accent" as const, format: (value: number) => `${value} %` };
  it("says where it ended and between what it was", () => {
    expect(describe({ ...battery, values: [80, null, 12, 60, null] })).toBe("Battery: 60 % at the end; between 12 % and 80 %.");
  });
  it("has words for a flat line and for nothing", () => {
    expect(describe({ ...battery, values: [5, 5] })).toBe("Battery: 5 % throughout.");
    expect(describe({ ...battery, values: [null] })).toBe("Battery: nothing known.");
  });
});

group("gaps", () => {
  it("are a null between two points that lie too far apart", () => {
    expect(withGaps([0, 300, 2000], [[1, 2, 3]], 900)).toEqual({ times: [0, 300, 750, 2000], columns: [[1, 2, null, 3]] });
  });
  it("are none where the points are close", () => expect(withGaps([0, 900], [[1, 2]], 900).times).toEqual([0, 900]));
  it("break a spark", () => {
    expect(sparkPath([1, 2, null, 3, 4]).match(/M/g)).toHaveLength(2);
    expect(sparkPath([1, null])).toBe("");
    expect(sparkPath([2, 2])).not.toContain("NaN");
  });
});

group("a timeline", () => {
  const segments = [
    { from: 0, to: 10, state: "on" },
    { from: 10, to: 20, state: "on" },
    { from: 20, to: 50, state: "off" },
    { from: 60, to: 80, state: "on" },
  ];
  it("joins neighbours of the same state, not what a gap divides", () => {
    expect(joined(segments)).toEqual([
      { from: 0, to: 20, state: "on" },
      { from: 20, to: 50, state: "off" },
      { from: 60, to: 80, state: "on" },
    ]);
    expect(segments[0]?.to).toBe(10);
  });
  it("counts what lies within the range alone", () => {
    expect(timeIn(segments, [15, 70])).toEqual([
      ["off", 30],
      ["on", 15],
    ]);
    expect(timeIn(segments, [100, 200])).toEqual([]);
  });
});
