// SPDX-License-Identifier: Apache-2.0
/** Back finds what was left: the list where it was scrolled to, the page before in one step, a new page from its top. */
import type { Page } from "@playwright/test";
import { expect, test } from "../house/journey";

const DEVICES = 80;

test.use({ house: { name: "back" }, viewport: { width: 1366, height: 700 } });

test.beforeAll(async ({ appliance }) => {
  for (let index = 0; index < DEVICES; index++) await appliance.register(`till ${String(index).padStart(2, "0")}`);
});

const topOf = (page: Page) => page.getByRole("grid", { name: "Devices" }).evaluate((grid) => grid.scrollTop);

test("who opens a device far down the list and comes back finds the list there", async ({ page }) => {
  await page.goto("/devices?sort=created_at");
  const grid = page.getByRole("grid", { name: "Devices" });
  await expect(grid.getByRole("link", { name: "till 00" })).toBeVisible();
  await grid.evaluate((element) => element.scrollTo(0, 1500));
  const far = grid.getByRole("link", { name: "till 40" });
  await far.click();
  await expect(page.getByRole("tab", { name: "Events" })).toBeVisible();
  await page.goBack();
  await expect(far).toBeInViewport();
  expect(await topOf(page)).toBe(1500);

  await grid.getByRole("columnheader", { name: "Device" }).getByRole("button").click(); // another order begins at its top
  await expect.poll(() => topOf(page)).toBe(0);
  await page.goBack();
  await expect(far).toBeInViewport();
});

test("a tab is one step, and Back leaves it in one", async ({ page }) => {
  await page.goto("/alerts");
  await page.getByRole("tab", { name: "History" }).click();
  await expect(page).toHaveURL(/\/alerts\/history$/);
  await page.goBack();
  await expect(page).toHaveURL(/\/alerts$/);
  await expect(page.getByRole("tab", { name: "Incidents", selected: true })).toBeVisible();
});

test("a page that a link opens is seen from its top, and the one before where it was", async ({ page }) => {
  await page.goto("/");
  await expect(page.getByTestId("headline")).toBeVisible();
  await expect(page.getByRole("list", { name: "Agent version" }).or(page.getByLabel("Agent version")).first()).toBeAttached();
  await page.evaluate(() => window.scrollTo(0, 300));
  await expect.poll(() => page.evaluate(() => window.scrollY)).toBe(300);
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Settings" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Settings" })).toBeInViewport();
  expect(await page.evaluate(() => window.scrollY)).toBe(0);
  await page.goBack();
  await expect.poll(() => page.evaluate(() => window.scrollY)).toBe(300);
});
