// SPDX-License-Identifier: Apache-2.0
/** One's own things: the theme, sessions, alerts by mail. The password is in sign-in.spec.ts. */
import type { Page } from "@playwright/test";
import { expect, test } from "../house/journey";

test.use({ house: { name: "settings", settings: { MUSTER_ACCOUNTS_BCRYPT_COST: "4" } } });

const section = (page: Page, name: string) => page.getByRole("region", { name });
const theme = (page: Page) => page.evaluate(() => document.documentElement.dataset["theme"]);

test("the theme is this browser's, and stays over a reload", async ({ page }) => {
  await page.goto("/settings");
  await page.getByRole("radio", { name: "Dark" }).click();
  await expect.poll(() => theme(page)).toBe("dark");
  await page.reload();
  await expect(page.getByRole("radio", { name: "Dark" })).toBeChecked();
  expect(await theme(page)).toBe("dark");
  await page.getByRole("button", { name: /^Theme: dark/ }).click(); // dark → as the system, which is light here
  await expect(page.getByRole("radio", { name: "As the system" })).toBeChecked();
  expect(await theme(page)).toBe("light");
});

test("a session elsewhere is seen and ended; all of them are, too", async ({ as, complaints }) => {
  complaints.allow(/Failed to load resource.*401/);
  const elsewhere = await as("operator");
  const page = await as("operator");
  await elsewhere.goto("/");
  await expect(elsewhere.getByTestId("connection")).toHaveText("Live");
  await page.goto("/settings#sessions");
  const sessions = section(page, "Sessions");
  await expect(sessions.getByRole("listitem")).toHaveCount(2);
  await expect(sessions.getByRole("listitem").first()).toContainText("this one");
  await sessions.getByRole("button", { name: /^End the session/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "End the session" }).click();
  await expect(sessions.getByRole("listitem")).toHaveCount(1);
  await expect(elsewhere.getByText("Your session has ended. Sign in again.")).toBeVisible();

  await sessions.getByRole("button", { name: "Sign out everywhere" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Sign out everywhere" }).click();
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
});

test("alerts are mailed to whoever asks for them, narrowed to a site and once a day", async ({ appliance, page }) => {
  const { device_id: id } = await appliance.register("till 7");
  await appliance.ask("PATCH", `/admin/devices/${id}`, { site: "Berlin" });
  await page.goto("/settings");
  const mail = section(page, "Alerts by mail");
  await expect(mail).toContainText("Your account has no e-mail address.");
  await appliance.ask("PATCH", "/admin/users/1", { email: "admin@example.org" });
  await page.reload();
  await mail.getByRole("switch", { name: "Mail me alerts" }).click();
  await mail.getByRole("radio", { name: "Critical" }).click();
  await mail.getByRole("radio", { name: "Once a day" }).click();
  await mail.getByLabel("At", { exact: true }).fill("07:30");
  await mail.getByRole("checkbox", { name: "Device offline" }).check();
  await mail.getByLabel("Only devices at one of these sites").fill("Berlin");
  await page.keyboard.press("Enter");
  await mail.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Alerts are mailed to admin@example.org.")).toBeVisible();
  await page.reload();
  await expect(mail.getByRole("radio", { name: "Once a day" })).toBeChecked();
  await expect(mail.getByLabel("At", { exact: true })).toHaveValue("07:30");
  await expect(mail.getByLabel("Time zone")).toHaveValue("Europe/Berlin");
  await expect(mail.getByText("Berlin", { exact: true })).toBeVisible();
  await mail.getByRole("switch", { name: "Mail me alerts" }).click();
  await mail.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("No more alerts by mail.")).toBeVisible();
});

test("on a phone the menu opens, is left by Escape, and signs out", async ({ page, complaints }) => {
  complaints.allow(/Failed to load resource.*401/);
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto("/people");
  const open = page.getByRole("button", { name: "Open the menu" });
  const close = page.getByRole("button", { name: "Close the menu" });
  await open.click();
  await expect(close).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(close).toBeHidden();
  await expect(open).toBeFocused();
  await open.click();
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Audit" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Audit" })).toBeVisible();
  await expect(close).toBeHidden();
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
  await open.click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
});
