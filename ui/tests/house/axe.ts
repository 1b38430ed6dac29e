// SPDX-License-Identifier: Apache-2.0
/** axe-core in a page. Through the debugger: the content security policy, rightly, lets no script in from a test. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "@playwright/test";

const SOURCE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const CONTRAST = ["color-contrast"];
const SHOWN = 3;

interface Axe {
  run: (
    root: Document,
    options: { runOnly: { type: "tag" | "rule"; values: string[] }; resultTypes: string[] },
  ) => Promise<{ violations: { id: string; help: string; nodes: { target: string[]; failureSummary?: string }[] }[] }>;
}

/** What is wrong, a line each; `contrast` looks at nothing else, for a theme of what was looked at whole before. */
export async function faults(page: Page, look: "whole" | "contrast"): Promise<string[]> {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(SOURCE);
  const only = look === "whole" ? { type: "tag" as const, values: TAGS } : { type: "rule" as const, values: CONTRAST };
  const found = await page.evaluate(
    (runOnly) => (globalThis as unknown as { axe: Axe }).axe.run(document, { runOnly, resultTypes: ["violations"] }),
    only,
  );
  return found.violations.flatMap(({ id, help, nodes }) =>
    nodes.slice(0, SHOWN).map(({ target, failureSummary = "" }) => {
      const [, why = ""] = failureSummary.split("\n");
      return `${id}: ${help}: ${target.join(" ")} ${why.trim()}`;
    }),
  );
}
