// SPDX-License-Identifier: Apache-2.0
/** The way in: wrong passwords, the lock and who opens it, codes for a new password, the first one, and sessions that end. */
import type { Page } from "@playwright/test";
import type { Appliance } from "../house/appliance";
import { expect, test } from "../house/journey";

test.use({ house: { name: "sign-in", settings: { MUSTER_ACCOUNTS_BCRYPT_COST: "4", MUSTER_ACCOUNTS_LOCK_FIRST: "10m" } } });

// A refusal is what many of these are about, and the browser says each on its console.
test.beforeEach(({ complaints }) => complaints.allow(/Failed to load resource.*(401|403|429|ERR_FAILED)/));

const GIVEN = "given by somebody else";
const OWN = "a sentence of one's own";

/** Somebody whose password an administrator chose. */
async function make(appliance: Appliance, username: string, role = "viewer"): Promise<string> {
  const { user } = await appliance.ask<{ user: { id: string } }>("POST", "/admin/users", { username, role, password: GIVEN });
  return user.id;
}

async function fill(page: Page, username: string, password: string): Promise<void> {
  await page.getByLabel("User name").fill(username);
  await page.getByLabel("Password", { exact: true }).fill(password);
}

async function enter(page: Page, username: string, password: string): Promise<void> {
  await fill(page, username, password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

async function choose(page: Page, password: string): Promise<void> {
  await page.getByLabel("New password").fill(password);
  await page.getByLabel("Once more").fill(password);
}

const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name });

/** What the appliance itself says to this name and password. */
async function answers(appliance: Appliance, username: string, password: string): Promise<number> {
  const body = JSON.stringify({ username, password });
  return (await fetch(`${appliance.url}/api/auth/login`, { method: "POST", headers: { "Content-Type": "application/json" }, body })).status;
}

test("a wrong password is said in words; the right one leads to where one wanted to go, and a reload stays there", async ({
  appliance,
  as,
}) => {
  await appliance.passwordOf("viewer");
  const page = await as("viewer", { signedOut: true });
  await page.goto("/devices");
  await expect(heading(page, "Sign in")).toBeVisible();
  await enter(page, "viewer", "not the password");
  await expect(page.getByRole("alert")).toHaveText("The user name or the password is wrong.");
  await enter(page, "viewer", await appliance.passwordOf("viewer"));
  await page.getByRole("button", { name: "Not now" }).click();
  await expect(heading(page, "Devices")).toBeVisible();
  await page.reload();
  await expect(heading(page, "Devices")).toBeVisible();
  // The token that opens everything for a month is out of reach of scripts.
  expect(await page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage }))).not.toMatch(
    /muster_refresh|mx_|eyJ/,
  );
});

test("too many wrong passwords lock the name, with when to try again; an administrator opens it", async ({
  appliance,
  page: admin,
  as,
}) => {
  await make(appliance, "lena");
  const page = await as("viewer", { signedOut: true });
  await page.goto("/");
  for (let tries = 1; tries <= 5; tries++) {
    await enter(page, "lena", `wrong number ${tries}`);
    await expect(page.getByRole("alert")).toHaveText("The user name or the password is wrong.");
  }
  await enter(page, "lena", GIVEN);
  await expect(page.getByRole("alert")).toContainText("Too many failed logins with this name.");
  await expect(page.getByRole("timer")).toHaveText(/^(10:00|9:\d\d)$/);
  await expect(page.getByRole("button", { name: "Sign in" })).toBeDisabled();
  // The lock is of a name: somebody else may try.
  await page.getByLabel("User name").fill("viewer");
  await expect(page.getByRole("button", { name: "Sign in" })).toBeEnabled();

  await admin.goto("/people");
  await expect(admin.getByRole("row", { name: /lena/ })).toContainText("locked, opens in");
  await admin.getByRole("button", { name: "Actions for lena" }).click();
  await admin.getByRole("menuitem", { name: "Unlock" }).click();
  await expect(admin.getByText("lena can sign in again at once.")).toBeVisible();
  await expect(admin.getByRole("row", { name: /lena/ })).toContainText("never signed in");

  await enter(page, "lena", GIVEN);
  await expect(heading(page, "Choose your own password")).toBeVisible();
});

test("a code of an administrator's sets a new password, once", async ({ appliance, page: admin, as }) => {
  await make(appliance, "rosa");
  await admin.goto("/people");
  await admin.getByRole("button", { name: "Actions for rosa" }).click();
  await admin.getByRole("menuitem", { name: "One-time code" }).click();
  await admin.getByRole("button", { name: "Create the code" }).click();
  const dialog = admin.getByRole("dialog", { name: "A one-time code for rosa" });
  const address = await dialog.getByText(/\/reset#/).innerText();
  const code = decodeURIComponent(address.split("#")[1] ?? "");
  await expect(dialog).toContainText(code);

  const page = await as("viewer", { signedOut: true });
  await page.goto(address.trim());
  await expect(heading(page, "Set your password")).toBeVisible();
  await expect(page.getByLabel("Code")).toHaveValue(code);
  await expect(page).toHaveURL(`${appliance.url}/`); // the code stays out of the history
  await page.getByLabel("New password").fill("short");
  await page.getByLabel("Once more").fill("short");
  await expect(page.getByText("At least 10 characters.", { exact: true })).toBeVisible();
  await expect(page.getByRole("button", { name: "Set the password" })).toBeDisabled();
  await choose(page, OWN);
  await page.getByRole("button", { name: "Set the password" }).click();
  await expect(page.getByRole("status")).toContainText("Your password is set. Sign in with it.");
  await enter(page, "rosa", OWN);
  await expect(page.getByTestId("headline")).toBeVisible();
  await expect(page.getByText("Your password was chosen by somebody else.")).toBeHidden();
  expect(await answers(appliance, "rosa", GIVEN)).toBe(401);

  const again = await as("viewer", { signedOut: true });
  await again.goto("/");
  await again.getByRole("button", { name: "Forgotten your password?" }).click();
  await again.getByRole("button", { name: "I have a code" }).click();
  await again.getByLabel("Code").fill(code);
  await choose(again, "another sentence altogether");
  await again.getByRole("button", { name: "Set the password" }).click();
  await expect(again.getByRole("alert")).toContainText(/code/);
  expect(await answers(appliance, "rosa", OWN)).toBe(200);
});

test("the first sign-in asks for a password of one's own, and takes it", async ({ appliance, as }) => {
  await make(appliance, "nina");
  const page = await as("viewer", { signedOut: true });
  await page.goto("/");
  await enter(page, "nina", GIVEN);
  await expect(heading(page, "Choose your own password")).toBeVisible();
  await choose(page, OWN);
  await page.getByRole("button", { name: "Set it and go on" }).click();
  await expect(page.getByTestId("headline")).toBeVisible();
  await expect(page.getByText("Your password was chosen by somebody else.")).toBeHidden();
  expect([await answers(appliance, "nina", GIVEN), await answers(appliance, "nina", OWN)]).toEqual([401, 200]);
});

test("who does that later is reminded until it is done", async ({ appliance, as }) => {
  await make(appliance, "olga");
  const page = await as("viewer", { signedOut: true });
  await page.goto("/");
  await enter(page, "olga", GIVEN);
  await page.getByRole("button", { name: "Not now" }).click();
  const advice = page.getByText("Your password was chosen by somebody else.");
  await expect(advice).toBeVisible();
  await page.getByRole("link", { name: "Choose your own" }).click();
  await expect(heading(page, "Settings")).toBeVisible();
  await page.getByLabel("Password so far").fill("not what it is");
  await choose(page, OWN);
  const change = page.getByRole("button", { name: "Change the password" });
  await change.click();
  await expect(page.getByRole("alert")).toContainText(/wrong|not/);
  await page.getByLabel("Password so far").fill(GIVEN);
  await change.click();
  await expect(page.getByText("Your password is changed. Your other sessions have ended.")).toBeVisible();
  await expect(advice).toBeHidden();
  await page.reload();
  await expect(heading(page, "Settings")).toBeVisible();
  await expect(advice).toBeHidden();
  expect([await answers(appliance, "olga", GIVEN), await answers(appliance, "olga", OWN)]).toEqual([401, 200]);
});

test("a session that is ended elsewhere says so by itself, and one comes back to the same page", async ({ appliance, page: admin, as }) => {
  const id = await make(appliance, "paul");
  const page = await as("viewer", { signedOut: true });
  await page.goto("/alerts/rules");
  await enter(page, "paul", GIVEN);
  await page.getByRole("button", { name: "Not now" }).click();
  await expect(heading(page, "Alerts")).toBeVisible();
  await expect(page.getByTestId("connection")).toHaveText("Live");
  await admin.goto("/people");
  await admin.getByRole("button", { name: "Actions for paul" }).click();
  await admin.getByRole("menuitem", { name: "Sign out everywhere" }).click();
  await admin.getByRole("dialog").getByRole("button", { name: "Sign out" }).click();
  // A page that asks for nothing hears it from the live channel, which looks every 20 s.
  await expect(page.getByText("Your session has ended. Sign in again.")).toBeVisible({ timeout: 60_000 });
  await enter(page, "paul", GIVEN);
  await page.getByRole("button", { name: "Not now" }).click();
  await expect(heading(page, "Alerts")).toBeVisible();
  await expect(page).toHaveURL(/\/alerts\/rules$/);
  const { entries } = await appliance.ask<{ entries: unknown[] }>("GET", `/admin/audit?action=session.end_all&subject=user:${id}`);
  expect(entries).toHaveLength(1);
});

test("signing out ends the session there too, and leaves no page to the next person", async ({ appliance, as }) => {
  const page = await as("admin");
  await page.goto("/people");
  await expect(heading(page, "Users & tokens")).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(heading(page, "Sign in")).toBeVisible();
  await expect(page).toHaveURL(`${appliance.url}/`);
  await page.reload();
  await expect(heading(page, "Sign in")).toBeVisible();
  await enter(page, "viewer", await appliance.passwordOf("viewer"));
  await page.getByRole("button", { name: "Not now" }).click();
  await expect(page.getByTestId("headline")).toBeVisible();
});

test("an appliance that is away at the start asks nobody for a password, and is asked again", async ({ as }) => {
  const page = await as("viewer");
  await page.route("**/api/auth/refresh", (route) => route.abort());
  await page.goto("/devices");
  await expect(heading(page, "The appliance is away")).toBeVisible();
  await expect(page.getByRole("alert")).toHaveText("The appliance can't be reached.");
  await page.unroute("**/api/auth/refresh");
  await page.getByRole("button", { name: "Try now" }).click();
  await expect(heading(page, "Devices")).toBeVisible();
});

test("an appliance of which too much was asked is not called away", async ({ as }) => {
  const page = await as("viewer");
  const problem = { status: 429, detail: "Too many requests; try again in 40 s." };
  await page.route("**/api/auth/refresh", (route) =>
    route.fulfill({ status: 429, headers: { "Retry-After": "40", "Content-Type": "application/problem+json" }, body: JSON.stringify(problem) }),
  );
  await page.goto("/devices");
  await expect(heading(page, "One moment")).toBeVisible();
  await expect(page.getByText("Too many requests.")).toBeVisible();
  await expect(page.getByRole("timer")).toHaveText(/^\d+ s$/);
  await page.unroute("**/api/auth/refresh");
  await page.getByRole("button", { name: "Try now" }).click();
  await expect(heading(page, "Devices")).toBeVisible();
});
