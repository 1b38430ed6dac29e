// SPDX-License-Identifier: Apache-2.0
/** Two who change the same device at the same moment: nobody overwrites what they have not seen. */
import type { Page } from "@playwright/test";
import type { Appliance } from "../house/appliance";
import { expect, test } from "../house/journey";

test.use({ house: { name: "device-writers", settings: { MUSTER_ACCOUNTS_BCRYPT_COST: "4" } } });
test.beforeEach(({ complaints }) => complaints.allow(/Failed to load resource.*412/)); // the refusal itself

/** Between the page's reading and its writing, once: another one's change. */
async function inTheGap(page: Page, path: string, change: () => Promise<unknown>): Promise<{ tries: () => number }> {
  let tries = 0;
  await page.route(`**${path}`, async (route) => {
    if (route.request().method() === "PATCH" && tries++ === 0) await change();
    await route.continue();
  });
  return { tries: () => tries };
}

const now = (appliance: Appliance, path: string) => appliance.ask<Record<string, unknown>>("GET", path);

async function openNotes(page: Page, path: string, text: string): Promise<void> {
  await page.goto(path.replace("/admin", ""));
  await page.getByRole("button", { name: "Change notes" }).click();
  await page.getByRole("textbox", { name: "Notes" }).fill(text);
}

const saveNotes = (page: Page) => page.getByRole("textbox", { name: "Notes" }).press("Control+Enter");

test("notes that somebody else wrote in between are shown, and replaced only when one says so", async ({ page, appliance }) => {
  const path = `/admin/devices/${(await appliance.register("Till of two")).device_id}`;
  const gap = await inTheGap(page, path, () => appliance.ask("PATCH", path, { notes: "Theirs" }));
  await openNotes(page, path, "Mine");
  await saveNotes(page);
  const told = page.getByRole("alert").filter({ hasText: "Somebody changed notes while you wrote." });
  await expect(told).toContainText("It is now Theirs.");
  expect(gap.tries()).toBe(1);
  expect(await now(appliance, path)).toMatchObject({ notes: "Theirs" });
  await told.getByRole("button", { name: "Replace it by mine" }).click();
  await expect(page.getByText("Mine", { exact: true })).toBeVisible(); // typed, or written already
  await expect.poll(() => now(appliance, path)).toMatchObject({ notes: "Mine" });
});

test("who wrote something else in between is in nobody's way", async ({ page, appliance }) => {
  const path = `/admin/devices/${(await appliance.register("Till of two more")).device_id}`;
  const gap = await inTheGap(page, path, () => appliance.ask("PATCH", path, { tags: ["theirs"] }));
  await openNotes(page, path, "Mine");
  await saveNotes(page);
  await expect(page.getByText("Mine", { exact: true })).toBeVisible();
  await expect(page.getByText("theirs", { exact: true })).toBeVisible();
  await expect.poll(() => now(appliance, path)).toMatchObject({ notes: "Mine", tags: ["theirs"] });
  expect(gap.tries()).toBe(2);
});

test("a name that somebody else gave in between is said", async ({ page, appliance }) => {
  const path = `/admin/devices/${(await appliance.register("First name")).device_id}`;
  await inTheGap(page, path, () => appliance.ask("PATCH", path, { alias: "Their name" }));
  await page.goto(path.replace("/admin", ""));
  await page.getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: "Rename…" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("My name");
  await page.getByRole("button", { name: "Rename" }).click();
  await expect(page.getByRole("dialog").getByText("Somebody renamed it to “Their name” meanwhile.")).toBeVisible();
  expect(await now(appliance, path)).toMatchObject({ alias: "Their name" });
  await page.getByRole("button", { name: "Rename" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "My name" })).toBeVisible();
});

test("what is watched: theirs is said and kept, or replaced by who has seen it", async ({ page, appliance }) => {
  const path = `/admin/devices/${(await appliance.register("Watched by two")).device_id}/monitoring`;
  await page.goto(path.replace("/admin", ""));
  const called = page.getByRole("textbox", { name: "What alerts call it" });
  const minutes = page.getByRole("spinbutton", { name: "Minutes it may be away" });
  await called.fill("Mine");
  await appliance.ask("PATCH", path, { threshold_min: 33 });
  await called.press("Enter");
  const told = page.getByRole("alert").filter({ hasText: "Somebody changed this while you wrote: Minutes it may be away." });
  await expect(told).toBeVisible();
  await expect(called).toHaveValue("Mine");
  expect(await now(appliance, path)).toMatchObject({ display_name: null, threshold_min: 33 });
  await told.getByRole("button", { name: "Leave theirs" }).click();
  await expect(told).toBeHidden();
  await expect(called).toHaveValue("");
  await expect(minutes).toHaveValue("33");

  await called.fill("Mine again");
  await appliance.ask("PATCH", path, { display_name: "Theirs again" });
  await called.press("Enter");
  const again = page.getByRole("alert").filter({ hasText: "Somebody changed this while you wrote: What alerts call it." });
  await again.getByRole("button", { name: "Replace it by mine" }).click();
  await expect(again).toBeHidden();
  await expect(called).toHaveValue("Mine again");
  await expect.poll(() => now(appliance, path)).toMatchObject({ display_name: "Mine again", threshold_min: 33 });
  await minutes.fill("34"); // and goes on from there
  await minutes.press("Enter");
  await expect.poll(() => now(appliance, path)).toMatchObject({ display_name: "Mine again", threshold_min: 34 });
});
