// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { Pace } from "./pace";

describe("Pace", () => {
  it("lets a few go at once, then one at a time", () => {
    const pace = new Pace(3, 1000);
    for (let request = 0; request < 3; request++) {
      expect(pace.waitMs(10_000)).toBe(0);
      pace.spend(10_000);
    }
    expect(pace.waitMs(10_000)).toBe(1000);
    expect(pace.waitMs(10_400)).toBe(600);
    expect(pace.waitMs(11_000)).toBe(0);
    pace.spend(11_000);
    expect(pace.waitMs(11_000)).toBe(1000);
    expect(pace.waitMs(60_000)).toBe(0);
  });

  it("leaves some for others", () => {
    const pace = new Pace(2, 1000);
    expect(pace.waitMs(5000, 1)).toBe(0);
    pace.spend(5000);
    expect(pace.waitMs(5000, 1)).toBe(1000);
    expect(pace.waitMs(5000)).toBe(0);
  });
});
