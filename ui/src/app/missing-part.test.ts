// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { isMissingPart, mayReload } from "./missing-part";

it("knows a part that did not come in every browser's words, and nothing else", () => {
  for (const said of [
    "Failed to fetch dynamically imported module: https://muster/assets/index-1.js",
    "error loading dynamically imported module: https://muster/assets/index-1.js",
    "Importing a module script failed.",
  ])
    expect(isMissingPart(said)).toBe(true);
  expect(isMissingPart("undefined is not a function")).toBe(false);
});

it("loads itself anew once, not for ever", () => {
  sessionStorage.clear();
  const now = Date.now();
  expect([0, 5000, 29_000, 31_000].map((ms) => mayReload(now + ms))).toEqual([true, false, false, true]);
});
