// SPDX-License-Identifier: Apache-2.0
/** The audit log: found, read, walked page by page, and verified, also when somebody meddled with it. */
import type { Page } from "@playwright/test";
import type { Appliance } from "../house/appliance";
import { expect, test } from "../house/journey";
import { sql } from "../house/sql";
import { until } from "../house/until";

test.use({ house: { name: "audit", settings: { MUSTER_ACCOUNTS_BCRYPT_COST: "4" } } });

const log = (page: Page) => page.getByRole("grid", { name: "Audit log" });
const rows = (page: Page, name: RegExp) => log(page).getByRole("row", { name });

/** As somebody who has the database, and knows how the log guards itself. */
const meddle = (appliance: Appliance, statement: string) =>
  sql(appliance, `BEGIN; SET LOCAL muster.audit_maintenance = 'on'; ${statement}; COMMIT;`);

interface Report {
  ok: boolean;
  unlinked: number;
}

/** Until each entry is in the chain. */
const linked = (appliance: Appliance) =>
  until("the entries to be linked", async () => (await appliance.ask<Report>("GET", "/admin/audit/verify")).unlinked === 0);

interface Made {
  user: { id: string };
}

test("what was changed can be read value by value, and leads to others like it", async ({ appliance, page }) => {
  const { user } = await appliance.ask<Made>("POST", "/admin/users", { username: "greta", role: "viewer", password: "given by somebody" });
  await page.goto("/people");
  await page.getByRole("button", { name: "Actions for greta" }).click();
  await page.getByRole("menuitem", { name: "Role and e-mail" }).click();
  await page.getByRole("dialog").getByLabel("Role").selectOption("operator");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("row", { name: /greta/ })).toContainText("operator");

  await page.goto("/audit");
  const entry = rows(page, /changed.*user greta/);
  await expect(entry).toContainText("role");
  await entry.click();
  const drawer = page.getByRole("dialog", { name: "user changed" });
  await expect(drawer.getByRole("region", { name: "Before and after" })).toContainText(/role\s*viewer\s*operator/);
  await expect(drawer).toContainText("127.0.0.1");
  await drawer.getByRole("button", { name: "About the same" }).click();
  await expect(drawer).toBeHidden();
  await expect(page.getByLabel("To what")).toHaveValue(`user:${user.id}`);
  await expect(rows(page, /greta/)).toHaveCount(2); // made, changed
  await page.getByRole("button", { name: "Clear" }).click();
  await expect(rows(page, /signed in/).first()).toBeVisible();
});

test("is filtered by person and by action, and the address keeps what one looks for", async ({ appliance, page }) => {
  await appliance.ask("POST", "/admin/users", { username: "hugo", role: "operator", password: "given by somebody" });
  await fetch(`${appliance.url}/api/auth/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username: "hugo", password: "given by somebody" }),
  });
  await page.goto("/audit");
  await expect(page.getByLabel("Who")).toBeVisible();
  await page.keyboard.press("/");
  await expect(page.getByLabel("Who")).toBeFocused();
  await page.keyboard.type("hugo");
  await expect(rows(page, /hugo.*signed in/)).toHaveCount(1);
  await expect(log(page).getByRole("row")).toHaveCount(2); // and the heading
  await page.getByLabel("Who").fill("admin-key");
  await page.getByLabel("What", { exact: true }).selectOption({ label: "Users" });
  await expect(rows(page, /admin key.*created.*user hugo/)).toHaveCount(1);
  await expect(rows(page, /signed in/)).toHaveCount(0);
  await page.reload();
  await expect(rows(page, /created.*user hugo/)).toHaveCount(1);
  await page.getByLabel("Who").fill("nobody at all");
  await expect(page.getByText("Nothing like that was done")).toBeVisible();
  await page.getByRole("button", { name: "Clear the filter" }).click();
  await expect(rows(page, /hugo.*signed in/)).toHaveCount(1);
});

test("goes on past its first page, to the very first entry", async ({ appliance, page }) => {
  const made = 230;
  for (let begun = 0; begun < made; begun += 23)
    await Promise.all(Array.from({ length: 23 }, (_, n) => appliance.register(`till ${begun + n}`)));
  await page.goto("/audit?action=device.*");
  await expect(page.getByText("100 loaded, more below")).toBeVisible();
  const grid = log(page);
  await grid.focus();
  for (const loaded of ["200 loaded, more below", `${made} in all`]) {
    await page.keyboard.press("End");
    await expect(page.getByText(loaded)).toBeVisible();
  }
  await page.keyboard.press("End");
  const { entries } = await appliance.ask<{ entries: { id: string; after: { alias: string } }[] }>(
    "GET",
    "/admin/audit?action=device.*&limit=500",
  );
  expect(entries).toHaveLength(made);
  await expect(rows(page, new RegExp(`registered.*device ${entries.at(-1)?.after.alias}\\b`))).toBeVisible();
});

test("the chain is verified: whole; and not, once somebody meddled, with each place named", async ({ appliance, page }) => {
  await appliance.register("the one that is meddled with");
  await appliance.register("the one that goes");
  await appliance.register("the last one");
  await linked(appliance);
  const { entries } = await appliance.ask<{ entries: { id: string }[] }>("GET", "/admin/audit?action=device.register&limit=3");
  const [, gone, changed] = entries.map((entry) => entry.id);
  await page.goto("/audit");
  const chain = page.getByTestId("chain");
  await page.getByRole("button", { name: "Verify the chain" }).click();
  await expect(chain).toContainText("The log is whole");

  meddle(appliance, `UPDATE audit_log SET actor = 'user:mallory' WHERE id = ${changed}; DELETE FROM audit_log WHERE id = ${gone}`);
  await page.getByRole("button", { name: "Verify again" }).click();
  await expect(chain).toContainText("The log can't be believed: 2 places are wrong");
  const wrong = page.getByRole("list", { name: "What is wrong with the log" }).getByRole("listitem");
  await expect(wrong).toHaveText([/changed.*is not what it was/, /deleted.*was deleted/]);
  await chain.getByRole("button", { name: `entry ${changed}` }).click();
  await expect(page.getByRole("dialog", { name: "device registered" })).toContainText("mallory");
  await page.keyboard.press("Escape");
  await chain.getByRole("button", { name: `entry ${gone}` }).click();
  await expect(page.getByRole("dialog")).toContainText("The log has no entry of this number.");
});

test("what looked like an attack stands beside it, and a quiet appliance says so", async ({ appliance, page }) => {
  await page.goto("/audit?tab=offenders");
  await expect(page.getByText("Nobody was held up")).toBeVisible();
  await fetch(`${appliance.url}/v1/heartbeat`, {
    method: "POST",
    headers: { Authorization: "Bearer md_forged", "Content-Type": "application/json" },
    body: "{}",
  });
  await fetch(`${appliance.url}/admin/devices`, { headers: { "X-Admin-Key": "guessed" } });
  await until("it to be noted", async () => {
    const { events } = await appliance.ask<{ events: { kind: string }[] }>("GET", "/admin/security/events?limit=100");
    return events.some(({ kind }) => kind === "unauthenticated");
  });
  const events = page.getByRole("grid", { name: "Security events" });
  await page.getByRole("tab", { name: "Security events" }).click();
  await expect(events.getByRole("row", { name: /not authenticated/ }).first()).toContainText("127.0.0.1");
  await page.getByLabel("Kind").selectOption({ label: "cloned device" });
  await expect(page.getByText("Nothing like that was seen")).toBeVisible();
});
