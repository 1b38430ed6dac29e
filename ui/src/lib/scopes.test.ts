// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { SCOPES, scopesOf } from "./scopes";

it("are those that the appliance knows", () => {
  const root = join(process.cwd(), "../src/control");
  const sources = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".c"));
  const found = new Set<string>();
  for (const name of sources)
    for (const [, scope] of readFileSync(join(root, name), "utf8").matchAll(/\.scope = "([^":]+:[^"]+)"/g)) if (scope) found.add(scope);
  const offered = SCOPES.flatMap(({ name, actions }) => actions.map((action) => `${name}:${action}`));
  expect(offered.toSorted()).toEqual([...found].toSorted());
});

it("all of a kind are one", () => {
  expect(scopesOf(new Set(["devices:read", "devices:write", "devices:delete", "doctor:read", "jobs:run"]))).toEqual([
    "devices:*",
    "jobs:run",
    "doctor:read",
  ]);
});
