// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { isOlder } from "./version";

it("compares versions number by number", () => {
  expect(isOlder("4.9.1", "4.10")).toBe(true);
  expect(isOlder("4.10", "4.9.1")).toBe(false);
  expect(isOlder("2.0", "2.0.0")).toBe(false);
  expect(isOlder("2.0-rc1", "2.0")).toBe(true);
  expect(isOlder("2.0", "2.0-rc1")).toBe(false);
  expect(isOlder("v2.1.0+build7", "2.1")).toBe(false);
});
