// SPDX-License-Identifier: Apache-2.0
/** Devices are let in: a token, the agent's command, and the page that sees it happen. */
import type { Page } from "@playwright/test";
import type { Appliance } from "../house/appliance";
import { expect, test } from "../house/journey";
import { Agent } from "../house/program";

test.use({ house: { name: "enrol" } });

interface Listed {
  id: string;
  note: string | null;
  max_uses: number;
  uses: number;
  expires_at: string;
  revoked_at: string | null;
}

async function tokenCalled(appliance: Appliance, note: string): Promise<Listed> {
  const { tokens } = await appliance.ask<{ tokens: Listed[] }>("GET", "/admin/enrolment-tokens?limit=500");
  const found = tokens.filter((token) => token.note === note);
  if (found.length !== 1) throw new Error(`${found.length} tokens are called ${note}`);
  return found[0] as Listed;
}

async function makeToken(page: Page, note: string, more: { uses?: number; life?: string } = {}): Promise<void> {
  await page.getByRole("button", { name: "New token" }).first().click();
  const dialog = page.getByRole("dialog", { name: "New enrolment token" });
  if (more.uses) await dialog.getByLabel("How many devices").fill(String(more.uses));
  if (more.life) await dialog.getByLabel("Good for").selectOption({ label: more.life });
  await dialog.getByLabel("What it is for").fill(note);
  await dialog.getByRole("button", { name: "Create the token" }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByRole("heading", { name: note })).toBeVisible();
}

const command = (page: Page) => page.getByTestId("enrol-command").innerText();
const rowOf = (page: Page, note: string) => page.getByRole("row").filter({ hasText: note });
const stateIs = (page: Page, state: string) => expect(page.getByTestId("waiting")).toHaveAttribute("data-state", state);

test("an empty list says what a token is and leads to the first one", async ({ page }) => {
  await page.goto("/enrol");
  await expect(page.getByText("No enrolment token yet")).toBeVisible();
  await page.getByRole("button", { name: "New token" }).last().click();
  await expect(page.getByRole("dialog", { name: "New enrolment token" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
});

test("the real agent: waited for, arriving, green, and the token used up", async ({ page, context, appliance }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const alias = `it's "Till" $(7)`;
  await page.goto("/enrol");
  await makeToken(page, "one till");
  await stateIs(page, "waiting");
  await page.getByLabel("Its name").fill(alias);
  await page.getByRole("button", { name: "Copy the command" }).click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied).toBe(await command(page));
  expect(copied).not.toContain("\n");

  const agent = new Agent(appliance, "till");
  await agent.enrol(copied);
  await stateIs(page, "arriving"); // registered, not heard of yet
  agent.start();
  try {
    await stateIs(page, "done");
    const arrived = page.getByRole("list", { name: "Devices that came in" }).getByRole("listitem");
    await expect(arrived).toContainText(alias);
    await expect(arrived).toContainText("First heartbeat");
    await page.getByRole("radio", { name: /^All/ }).click();
    await expect(rowOf(page, "one till")).toContainText("used up");
    await expect(rowOf(page, "one till")).toContainText("1 of 1");
    await arrived.getByRole("link").click();
    await expect(page.getByRole("heading", { level: 1, name: alias })).toBeVisible();
  } finally {
    await agent.stop();
  }
  const late = await new Agent(appliance, "late").paste(copied);
  expect(late.code).not.toBe(0);
  expect(late.said).toMatch(/no uses left/i);
});

test("an hour, three devices: what was asked for is made, shown and counted while they come", async ({ page, appliance }) => {
  await page.goto("/enrol");
  const before = Date.now();
  await makeToken(page, "three tills", { uses: 3, life: "an hour" });
  const made = await tokenCalled(appliance, "three tills");
  expect(made.max_uses).toBe(3);
  const end = new Date(made.expires_at).getTime();
  expect(end).toBeGreaterThan(before + 3_590_000);
  expect(end).toBeLessThan(Date.now() + 3_610_000);
  const row = rowOf(page, "three tills");
  await expect(row).toContainText("0 of 3");
  await expect(row).toContainText(/in (59 min|1 h|an hour)/);

  const secret = /me_\w+/.exec(await command(page))?.[0] ?? "";
  for (const name of ["north", "south"])
    await fetch(`${appliance.url}/v1/register`, {
      method: "POST",
      headers: { "X-Enrolment-Token": secret, "Content-Type": "application/json" },
      body: JSON.stringify({ alias: `till ${name}`, kind: "android", hardware_id: `three-${name}` }),
    });
  await expect(page.getByTestId("waiting")).toContainText("2 of 3 are in");
  await expect(page.getByRole("list", { name: "Devices that came in" }).getByRole("listitem")).toHaveCount(2);
  await expect(row).toContainText("2 of 3");

  await page.getByRole("button", { name: "Close" }).click();
  await page.reload();
  await expect(row).toBeVisible();
  await expect(page.getByText(secret)).toHaveCount(0); // shown once
});

test("revoked: whoever waits is told, and the agent is refused with words", async ({ page, appliance }) => {
  await page.goto("/enrol");
  await makeToken(page, "given by mistake");
  const shown = await command(page);
  await page.getByRole("button", { name: "Revoke given by mistake" }).click();
  await page
    .getByRole("dialog", { name: /Revoke/ })
    .getByRole("button", { name: "Revoke" })
    .click();
  await stateIs(page, "ended");
  await expect(page.getByTestId("waiting")).toContainText("The token was revoked");
  await expect(rowOf(page, "given by mistake")).toBeHidden(); // it is not open
  await page.getByRole("radio", { name: /^All/ }).click();
  await expect(rowOf(page, "given by mistake")).toContainText("revoked");

  const refused = await new Agent(appliance, "refused").paste(shown);
  expect(refused.code).not.toBe(0);
  expect(refused.said).toMatch(/revoked/i);
  const token = await tokenCalled(appliance, "given by mistake");
  expect(token.revoked_at).not.toBeNull();
  const { entries } = await appliance.ask<{ entries: { action: string; subject: string; actor: string }[] }>(
    "GET",
    "/admin/audit?limit=20",
  );
  expect(entries).toContainEqual(
    expect.objectContaining({
      action: "enrolment_token.revoke",
      subject: `enrolment-token:${token.id}`,
      actor: expect.stringContaining("admin"),
    }),
  );
});

test("a token whose time is over says so and can't be revoked any more", async ({ page, appliance }) => {
  await appliance.ask("POST", "/admin/enrolment-tokens", { max_uses: 5, expires_in_s: 3600, note: "for the move" });
  await page.clock.install();
  await page.goto("/enrol");
  const row = rowOf(page, "for the move");
  await expect(row).toContainText("open");
  await page.getByRole("radio", { name: /^All/ }).click();
  await page.clock.fastForward("01:00:30");
  await expect(row).toContainText("expired");
  await expect(row).toContainText("ago");
  await expect(row.getByRole("button")).toHaveCount(0);
  await page.getByRole("radio", { name: /^Open/ }).click();
  await expect(row).toBeHidden();
});

test("more tokens than a page of the list: counted at once, and the oldest is reached", async ({ page, appliance }) => {
  for (let number = 0; number < 230; number++)
    await appliance.ask("POST", "/admin/enrolment-tokens", {
      max_uses: 1,
      expires_in_s: 86_400,
      note: `Batch ${String(number).padStart(3, "0")}`,
    });
  const { count, open_count } = await appliance.ask<{ count: number; open_count: number }>("GET", "/admin/enrolment-tokens?limit=1");
  await page.goto("/enrol");
  await expect(page.getByRole("radio", { name: `Open ${open_count}` })).toBeVisible();
  await page.getByRole("radio", { name: `All ${count}` }).click();
  await expect(rowOf(page, "Batch 229")).toBeVisible();
  const grid = page.getByRole("grid", { name: "Enrolment tokens" });
  await grid.focus();
  await expect(async () => {
    await grid.press("End");
    await expect(rowOf(page, "Batch 000")).toBeVisible({ timeout: 500 });
  }).toPass();
});

test("an operator makes tokens, too; a viewer is not offered the page and does not get it", async ({ as }) => {
  const operator = await as("operator");
  await operator.goto("/enrol");
  await expect(operator.getByRole("button", { name: "New token" }).first()).toBeVisible();
  const page = await as("viewer");
  await page.goto("/enrol");
  await expect(page.getByText(/is for \w+/)).toBeVisible();
  await expect(page.getByRole("button", { name: "New token" })).toHaveCount(0);
  const sidebar = page.getByRole("navigation", { name: "Pages" });
  await expect(sidebar.getByRole("link", { name: "Devices" })).toBeVisible();
  await expect(sidebar.getByRole("link", { name: "Enrol" })).toHaveCount(0);
});
