// SPDX-License-Identifier: Apache-2.0
/** The appliance goes and comes back while pages are open: they come back by themselves, also those that were opened meanwhile. */
import { expect, test } from "../house/journey";

test.use({ house: { name: "away" } });

test("what could not be read while the appliance was away is read once it is back", async ({ appliance, page, complaints }) => {
  complaints.allow(/Failed to load resource|WebSocket/);
  await page.goto("/audit");
  await expect(page.getByRole("grid", { name: "Audit log" })).toBeVisible();
  await expect(page.getByTestId("connection")).toHaveText("Live");
  await appliance.stop();
  await page.getByRole("tab", { name: "Security events" }).click();
  await expect(page.getByRole("alert")).toContainText("The appliance can't be reached.");
  await appliance.start();
  await expect(page.getByText("Nothing looked like an attack").or(page.getByRole("grid", { name: "Security events" })).first()).toBeVisible({
    timeout: 60_000,
  });
  await expect(page.getByRole("alert")).toBeHidden();
  await expect(page.getByTestId("connection")).toHaveText("Live");
});

test("a page that could not be loaded while the appliance was away comes once it is back", async ({ appliance, page, complaints }) => {
  complaints.allow(/Failed to load resource|WebSocket|dynamically imported module/);
  await page.goto("/settings");
  await expect(page.getByRole("heading", { level: 1, name: "Settings" })).toBeVisible();
  await expect(page.getByTestId("connection")).toHaveText("Live");
  await appliance.stop();
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Users & tokens" }).click();
  await expect(page.getByText("This page could not be loaded")).toBeVisible();
  await appliance.start();
  await expect(page.getByRole("grid", { name: "Users" })).toBeVisible({ timeout: 60_000 });
  await expect(page).toHaveURL(/\/people$/);
});
