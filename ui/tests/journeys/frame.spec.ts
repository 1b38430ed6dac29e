// SPDX-License-Identifier: Apache-2.0
/** What is around every page: the sidebar, the palette, keys, the theme, the connection's state. */
import type { Page } from "@playwright/test";
import { expect, test } from "../house/journey";

test.use({ house: { name: "frame" } });

test("every page of the sidebar opens by its link and carries its name", async ({ page }) => {
  await page.goto("/");
  const sidebar = page.getByRole("navigation", { name: "Pages" });
  await expect(page.getByTestId("headline")).toBeVisible();
  const names = (await sidebar.getByRole("link").allInnerTexts()).map((text) => text.trim());
  expect(names.length).toBeGreaterThanOrEqual(9);
  for (const name of names) {
    await sidebar.getByRole("link", { name, exact: true }).click();
    await expect(page).toHaveTitle(`${name} · Muster`);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  }
});

const palette = (page: Page) => page.getByRole("dialog", { name: "Search devices, pages and actions" });

test("Ctrl-K finds a page, a part of one, a device and an action", async ({ appliance, page }) => {
  const { device_id: id } = await appliance.register("kitchen tablet");
  await page.goto("/");
  await expect(page.getByTestId("headline")).toBeVisible();
  const find = async (typed: string, option: string) => {
    await page.keyboard.press("Control+k");
    await expect(palette(page)).toBeVisible();
    await page.keyboard.type(typed);
    await expect(palette(page).getByRole("option", { name: option }).first()).toBeVisible();
    await expect(palette(page).getByRole("option", { selected: true })).toContainText(option);
    await page.keyboard.press("Enter");
    await expect(palette(page)).toBeHidden();
  };
  await find("comm", "Commands");
  await expect(page).toHaveTitle("Commands · Muster");
  await find("security ev", "Security events");
  await expect(page.getByRole("tab", { name: "Security events", selected: true })).toBeVisible();
  await find("new user", "New user");
  await expect(page.getByRole("dialog", { name: "New user" })).toBeVisible();
  await page.keyboard.press("Escape");
  await find("kitchen", "kitchen tablet");
  await expect(page).toHaveURL(new RegExp(`/devices/${id}$`));
  await find("theme dark", "Theme: dark");
  await expect.poll(() => page.evaluate(() => document.documentElement.dataset["theme"])).toBe("dark");
  await page.keyboard.press("Control+k");
  await expect(palette(page)).toBeVisible();
  await page.keyboard.type("no such thing at all");
  await expect(palette(page)).toContainText("Nothing is called “no such thing at all”.");
});

test("what is typed while the search is still loading is searched for, and is no key of the page", async ({ page }) => {
  let arrive = () => {};
  const held = new Promise<void>((done) => (arrive = done));
  await page.route(/assets\/palette-window/, async (route) => {
    await held;
    await route.continue();
  });
  await page.goto("/");
  await expect(page.getByTestId("headline")).toBeVisible();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("gdx");
  await page.keyboard.press("Backspace");
  await page.keyboard.press("Backspace");
  await page.keyboard.press("Backspace");
  await page.keyboard.type("audit");
  await expect(page).toHaveTitle("Overview · Muster");
  arrive();
  await expect(palette(page).getByRole("combobox")).toHaveValue("audit");
  await page.keyboard.press("Enter");
  await expect(page).toHaveTitle("Audit · Muster");
});

test("keys: / searches, ? tells the keys, g and a letter go to a page, and none of them while one types", async ({ page }) => {
  await page.goto("/");
  await expect(page.getByTestId("headline")).toBeVisible();
  await page.keyboard.press("/");
  await expect(palette(page)).toBeVisible();
  await page.keyboard.press("Escape");
  await page.keyboard.press("g");
  await page.keyboard.press("d");
  await expect(page).toHaveTitle("Devices · Muster");
  const search = page.getByRole("searchbox").or(page.locator("[data-page-search]")).first();
  await expect(search).toBeVisible();
  await page.keyboard.press("/");
  await expect(search).toBeFocused();
  await page.keyboard.type("g?u/");
  await expect(search).toHaveValue("g?u/");
  await expect(page).toHaveTitle("Devices · Muster");
  await search.blur();
  await page.keyboard.press("?");
  const keys = page.getByRole("dialog", { name: "Keys" });
  await expect(keys).toContainText("Search devices, pages and actions");
  await page.keyboard.press("Escape");
  await expect(keys).toBeHidden();
});

test("an address that leads nowhere says so; what came live says that it is", async ({ page }) => {
  await page.goto("/no/such/page");
  await expect(page.getByRole("heading", { level: 1, name: "There is no such page" })).toBeVisible();
  await page.getByRole("link", { name: "To the overview" }).click();
  await expect(page.getByTestId("headline")).toBeVisible();
  await expect(page.getByTestId("connection")).toHaveText("Live");
});
