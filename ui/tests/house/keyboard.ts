// SPDX-License-Identifier: Apache-2.0
/** A person without a mouse: what Tab reaches, and whether one sees where one is. */
import type { Page } from "@playwright/test";

/** What can be operated is marked, so that it is known again; in a tab list, a grid or a group of choices arrows go on. */
function markOperable(): string[] {
  const operable = "a[href], button, input, select, textarea, [role=button], [role=switch], [role=checkbox], [tabindex='0']";
  const composite = "[role=tablist], [role=grid], [role=menu], [role=listbox], [role=radiogroup]";
  const all = [...document.querySelectorAll<HTMLElement>(operable)].filter(
    (one) =>
      one.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true }) &&
      !one.closest("[inert], [aria-hidden=true]") &&
      !one.hasAttribute("disabled") &&
      !one.matches(composite) && // hands the focus on to one of its own
      !(one.tabIndex < 0 && one.closest(composite)),
  );
  return all.map((one, n) => {
    one.dataset["operable"] = String(n);
    return `${one.tagName.toLowerCase()} "${(one.getAttribute("aria-label") ?? one.textContent ?? "").trim().slice(0, 40)}"`;
  });
}

/** Of what has the focus: its mark, and whether a ring is drawn around it. */
function focused(): { mark: string | null; ring: boolean; what: string } | null {
  const one = document.activeElement as HTMLElement | null;
  if (!one || one === document.body) return null;
  const ringed = (element: Element) => {
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
    return (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2) || / 0px 0px 0px [1-9]/.test(boxShadow);
  };
  const around = one.parentElement && one.matches("input, select, textarea") ? ringed(one.parentElement) : false;
  return { mark: one.dataset["operable"] ?? null, ring: ringed(one) || around, what: one.outerHTML.slice(0, 160) };
}

export interface Walk {
  unreached: string[];
  unmarked: string[];
}

const SPARE = 30; // what appears meanwhile, and the browser's own stops

/** Tab by Tab through the page: what was not reached, and what had no visible ring. */
export async function walk(page: Page): Promise<Walk> {
  const operable = await page.evaluate(markOperable);
  const reached = new Set<number>();
  const unmarked: string[] = [];
  for (let n = 0; n < operable.length + SPARE && reached.size < operable.length; n++) {
    await page.keyboard.press("Tab");
    const now = await page.evaluate(focused);
    if (!now) continue;
    if (now.mark !== null) reached.add(Number(now.mark));
    if (!now.ring) unmarked.push(now.what);
  }
  return { unreached: operable.filter((_, n) => !reached.has(n)), unmarked: [...new Set(unmarked)] };
}
