// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { bytes, duration, percent, relative, toDate } from "./format";

describe("toDate", () => {
  it("takes RFC 3339 and epoch seconds", () => {
    expect(toDate("2026-11-21T12:00:00Z")?.getTime()).toBe(1_795_262_400_000);
    expect(toDate(1_795_262_400)?.getTime()).toBe(1_795_262_400_000);
  });
  it("gives nothing for what is no time", () => {
    for (const nothing of [null, undefined, "", "yesterday"]) expect(toDate(nothing)).toBeNull();
  });
  it("knows the epoch itself", () => expect(toDate(0)?.getTime()).toBe(0));
});

describe("duration", () => {
  it.each([
    [0, "0 s"],
    [59.9, "59 s"],
    [60, "1 min"],
    [3599, "59 min"],
    [3600, "1 h"],
    [86_399, "23 h"],
    [86_400, "1 d"],
    [364 * 86_400, "364 d"],
    [366 * 86_400, "1 y"],
    [-90, "1 min"],
  ])("%d s is %s", (seconds, text) => expect(duration(seconds)).toBe(text));
});

describe("relative", () => {
  const now = 1_000_000_000_000;
  it.each([
    [-1, "now"],
    [1.5, "now"],
    [5, "5 s ago"],
    [300, "5 min ago"],
    [-7200, "in 2 h"],
  ])("%d s ago is %s", (ago, text) => expect(relative(new Date(now - ago * 1000), now)).toBe(text));
});

describe("bytes and percent", () => {
  it("steps at 1024", () => {
    expect(bytes(1023)).toMatch(/^1[.,\s]?023 B$/);
    expect(bytes(1024)).toBe("1 KiB");
    expect(bytes(1.5 * 1024 ** 3)).toMatch(/^1[.,]5 GiB$/);
    expect(bytes(3 * 1024 ** 5)).toMatch(/TiB$/);
  });
  it("has no share of nothing", () => {
    expect(percent(1, 0)).toBe("–");
    expect(percent(1, 4)).toBe("25 %");
  });
});
