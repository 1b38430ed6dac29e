// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { diff, summary, valueText } from "./diff";

it("names what changed, and keeps what did not behind it", () => {
  const rows = diff({ alias: "Till 1", site: null, tags: ["a"] }, { alias: "Till 1", site: "Wien", tags: ["a", "b"] });
  expect(rows).toEqual([
    { path: "site", change: "changed", before: "none", after: "Wien" },
    { path: "tags", change: "changed", before: "a", after: "a, b" },
    { path: "alias", change: "same", before: "Till 1", after: "Till 1" },
  ]);
  expect(summary(rows)).toBe("site, tags");
});

it("a thing that was made has no before, one that was deleted no after", () => {
  expect(diff(null, { role: "admin" })).toEqual([{ path: "role", change: "added", before: null, after: "admin" }]);
  expect(diff({ role: "admin" }, null)).toEqual([{ path: "role", change: "removed", before: "admin", after: null }]);
  expect(diff(null, null)).toEqual([]);
});

it("goes into objects by their path", () => {
  expect(diff({ a: { b: 1, c: {} } }, { a: { b: 2, c: {} } })).toEqual([
    { path: "a.b", change: "changed", before: "1", after: "2" },
    { path: "a.c", change: "same", before: "{}", after: "{}" },
  ]);
});

it("bare values have no path", () => {
  expect(diff("x", "y")).toEqual([{ path: "", change: "changed", before: "x", after: "y" }]);
});

it("values as text", () => {
  expect([null, "", "x", 5, true, [], ["a", 2], [{ a: 1 }], {}].map(valueText)).toEqual([
    "none",
    "empty",
    "x",
    "5",
    "true",
    "empty",
    "a, 2",
    '[{"a":1}]',
    "{}",
  ]);
});

it("a summary stays short", () => {
  expect(summary(diff(null, { a: 1, b: 2, c: 3, d: 4, e: 5 }))).toBe("a, b, c and 2 more");
});
