// SPDX-License-Identifier: Apache-2.0
/** What is around every page: the sidebar, the palette, keys, the theme, the connection's state. */
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
