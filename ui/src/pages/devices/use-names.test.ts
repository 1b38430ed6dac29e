// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { inUse } from "./use-names";

it("offers each version once, as people count, and the rare ones not at all", () => {
  const devices = ["4.10.0", "4.2.0", "4.10.0", undefined].map((agent_version, index) => ({ id: String(index), agent_version }));
  expect(inUse(devices, "agent_version")).toEqual(["4.2.0", "4.10.0"]);
  expect(inUse(devices, "fg_package")).toEqual([]);
  const many = Array.from({ length: 120 }, (_, index) => ({ id: String(index), agent_version: `${index % 60}` }));
  expect(inUse([...many, { id: "x", agent_version: "59" }], "agent_version")).toHaveLength(50);
});
