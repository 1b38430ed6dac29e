// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { periodOf } from "./period";

const NOW = Date.parse("2026-03-01T12:00:42Z");

it("a period that ends now has no end, and stays the same for a minute", () => {
  expect(periodOf("1h", "", "", NOW)).toEqual({ from: "2026-03-01T11:00:00.000Z" });
  expect(periodOf("1h", "", "", NOW + 15_000)).toEqual(periodOf("1h", "", "", NOW));
  expect(periodOf("7d", "", "", NOW)).toEqual({ from: "2026-02-22T12:00:00.000Z" });
});

it("any time asks for nothing", () => {
  expect(periodOf("", "2026-01-01T00:00", "", NOW)).toEqual({});
  expect(periodOf("nonsense", "", "", NOW)).toEqual({});
});

it("one's own is in one's own zone, and may be open at an end", () => {
  expect(periodOf("custom", "2026-01-01T00:00", "", NOW)).toEqual({ from: new Date("2026-01-01T00:00").toISOString(), to: undefined });
  expect(periodOf("custom", "", "nonsense", NOW)).toEqual({ from: undefined, to: undefined });
});
