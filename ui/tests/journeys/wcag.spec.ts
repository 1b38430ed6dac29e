// SPDX-License-Identifier: Apache-2.0
/**
 * WCAG A and AA on every page, tab and dialog, in both themes, at a desk and on a phone; the keyboard; calm for who asked for it.
 * Its many small tests run in parallel, and the name puts them last: they fill what the long files before them leave.
 */
import type { Page } from "@playwright/test";
import { faults } from "../house/axe";
import { expect } from "../house/journey";
import { walk } from "../house/keyboard";
import { DIALOGS, open, PLACES, settled, type View } from "../house/pages";
import { test } from "../house/scene-test";

const DESK = { width: 1366, height: 900 };
const PHONE = { width: 390, height: 844 };
const NARROWEST = 360;
/** A laptop's 1366 px at 200 %: wide enough for tables, too narrow for all of their columns. */
const ZOOMED = 683;

test.describe.configure({ mode: "parallel" }); // nothing is changed, and each worker has a scene of its own
test.use({ house: { name: "wcag" }, trace: "off" }); // a trace of each of the hundreds of looks takes longer than the looks

/** As app/theme.ts does it; each element passes its colours on to those in it, a frame later. */
const dress = (page: Page, theme: "light" | "dark") =>
  page.evaluate(async (choice) => {
    document.documentElement.dataset["theme"] = choice;
    const passing = () => document.getAnimations().some((one) => one.playState !== "finished");
    for (let calm = 0; calm < 3; calm = passing() ? 0 : calm + 1) await new Promise(requestAnimationFrame);
  }, theme);

async function tooWide(page: Page, width: number): Promise<string[]> {
  await page.setViewportSize({ ...PHONE, width });
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  return over > 0 ? [`${over} px wider than a window of ${width} px`] : [];
}

/** All rules once at each width and in each theme; at the desk in the other theme too what a theme can break. */
async function look(page: Page, view: View, deviceId: string): Promise<string[]> {
  await page.setViewportSize(DESK);
  await open(page, view, deviceId);
  const found: string[] = [];
  const take = (where: string, wrong: string[]) => found.push(...wrong.map((text) => `${where}: ${text}`));
  await dress(page, "light");
  take("desk, light", await faults(page, "whole"));
  await dress(page, "dark");
  take("desk, dark", await faults(page, "contrast"));
  await page.setViewportSize(PHONE);
  if (!view.opens) await settled(page);
  take("phone, dark", await faults(page, "whole"));
  take("phone", await tooWide(page, NARROWEST));
  take("zoomed", await tooWide(page, ZOOMED));
  return found;
}

for (const view of [...PLACES, ...DIALOGS])
  test(`${view.name}: axe finds nothing, and it fits a small phone and 200 %`, async ({ page, scene }) => {
    expect(await look(page, view, scene.deviceId)).toEqual([]);
  });

test("axe finds nothing on the way in", async ({ as, complaints, scene: _ }) => {
  complaints.allow(/401/); // who asks whether there is a session is told no
  const page = await as("viewer", { signedOut: true });
  await page.goto("/");
  await page.getByLabel("Password", { exact: true }).waitFor();
  for (const size of [DESK, PHONE]) {
    await page.setViewportSize(size);
    for (const theme of ["light", "dark"] as const) {
      await dress(page, theme);
      expect(await faults(page, "whole"), `${size.width} px, ${theme}`).toEqual([]);
    }
  }
  for (const width of [NARROWEST, ZOOMED]) expect(await tooWide(page, width)).toEqual([]);
});

for (const path of ["/", "/devices", "/alerts/rules", "/settings"])
  test(`${path}: Tab reaches all that can be operated, and one sees where one is`, async ({ page, scene: _ }) => {
    await page.goto(path);
    await settled(page);
    expect(await walk(page)).toEqual({ unreached: [], unmarked: [] });
  });

const SEEN_MS = 50;

/** What moves, long enough to be seen, while a list is being read. */
async function moving(page: Page): Promise<number> {
  await page.route("**/admin/devices?*", () => undefined); // never answered
  await page.goto("/devices");
  await page.getByRole("main").locator("[aria-busy=true]").first().waitFor();
  return page.evaluate(
    (seen) => document.getAnimations().filter(({ effect }) => Number(effect?.getComputedTiming().activeDuration) > seen).length,
    SEEN_MS,
  );
}

test("nothing moves for who wants no motion", async ({ page, scene: _ }) => {
  expect(await moving(page)).toBe(0);
  await page.emulateMedia({ reducedMotion: "no-preference" });
  expect(await moving(page)).toBeGreaterThan(0);
});
