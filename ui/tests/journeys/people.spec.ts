// SPDX-License-Identifier: Apache-2.0
/** Users and API tokens: from the first code to the last refusal, and what each role is let do. */
import type { Page } from "@playwright/test";
import type { Appliance } from "../house/appliance";
import { expect, test, type Role } from "../house/journey";
import { sql } from "../house/sql";

test.use({ house: { name: "people", settings: { MUSTER_ACCOUNTS_BCRYPT_COST: "4" } } });

const PASSWORD = "a sentence of one's own";

const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name });
const row = (page: Page, name: string) => page.getByRole("row", { name: new RegExp(name) });

async function act(page: Page, username: string, what: string): Promise<void> {
  await page.getByRole("button", { name: `Actions for ${username}` }).click();
  await page.getByRole("menuitem", { name: what, exact: true }).click();
}

interface Entry {
  action: string;
  actor: string;
}

/** What the log says of this user or token, oldest first. */
async function logOf(appliance: Appliance, subject: string): Promise<string[]> {
  const { entries } = await appliance.ask<{ entries: Entry[] }>("GET", `/admin/audit?subject=${subject}`);
  return entries.map((entry) => `${entry.actor} ${entry.action}`).reverse();
}

async function idOf(appliance: Appliance, username: string): Promise<string> {
  const { users } = await appliance.ask<{ users: { id: string; username: string }[] }>("GET", "/admin/users?limit=200");
  const user = users.find((one) => one.username === username);
  if (!user) throw new Error(`there is no ${username}`);
  return user.id;
}

/** With the code that the making of the user gave. */
async function firstSignIn(page: Page, address: string, username: string): Promise<void> {
  await page.goto(address);
  await page.getByLabel("New password").fill(PASSWORD);
  await page.getByLabel("Once more").fill(PASSWORD);
  await page.getByRole("button", { name: "Set the password" }).click();
  await signIn(page, username);
}

async function signIn(page: Page, username: string): Promise<void> {
  await page.getByLabel("User name").fill(username);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
}

test("a user, from the first code to the last entry in the log", async ({ appliance, page, as, complaints }) => {
  complaints.allow(/Failed to load resource.*401/);
  await page.goto("/people");
  await page.getByRole("button", { name: "New user" }).click();
  await page.getByLabel("Name to sign in with").fill("greta");
  await page.getByLabel("E-mail").fill("greta@example.org");
  await page.getByRole("button", { name: "Create the user" }).click();
  const code = page.getByRole("dialog", { name: "A one-time code for greta" });
  const address = (await code.getByText(/\/reset#/).innerText()).trim();
  await code.getByRole("button", { name: "Done" }).click();
  await expect(row(page, "greta")).toContainText("never signed in");
  await expect(row(page, "greta")).toContainText("viewer");
  const id = await idOf(appliance, "greta");

  const greta = await as("viewer", { signedOut: true });
  await firstSignIn(greta, address, "greta");
  await expect(greta.getByTestId("headline")).toBeVisible();

  await act(page, "greta", "Role and e-mail");
  await page.getByRole("dialog").getByLabel("Role").selectOption("admin");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(row(page, "greta")).toContainText("admin");
  await greta.reload();
  await greta.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Users & tokens" }).click();
  await expect(row(greta, "greta")).toContainText("you");

  await act(page, "greta", "Disable");
  await page.getByRole("dialog").getByRole("button", { name: "Disable" }).click();
  await expect(row(page, "greta")).toContainText("disabled");
  await expect(greta.getByText("Your session has ended. Sign in again.")).toBeVisible();
  await signIn(greta, "greta");
  await expect(greta.getByRole("alert")).toHaveText("The user name or the password is wrong.");

  await act(page, "greta", "Let in again");
  await expect(row(page, "greta")).toContainText("active");
  await signIn(greta, "greta");
  await expect(heading(greta, "Users & tokens")).toBeVisible();

  await act(page, "greta", "Delete");
  const remove = page.getByRole("dialog").getByRole("button", { name: "Delete" });
  await expect(remove).toBeDisabled();
  await page.getByLabel("Type greta to go on").fill("greta");
  await remove.click();
  await expect(row(page, "greta")).toHaveCount(0);
  await expect(greta.getByText("Your session has ended. Sign in again.")).toBeVisible();
  expect(await logOf(appliance, `user:${id}`)).toEqual([
    "user:admin user.create",
    "user:greta user.password_reset",
    "user:admin user.change",
    "user:admin user.change",
    "user:admin user.change",
    "user:admin user.delete",
  ]);
});

test("a name that is taken is said at its field; the last administrator stays", async ({ appliance, page, complaints }) => {
  complaints.allow(/Failed to load resource.*(409|422|400)/);
  await appliance.passwordOf("viewer");
  await page.goto("/people?new=user");
  await page.getByLabel("Name to sign in with").fill("viewer");
  await page.getByRole("button", { name: "Create the user" }).click();
  await expect(page.getByRole("dialog", { name: "New user" }).getByRole("alert")).toContainText(/name/);
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await act(page, "admin", "Role and e-mail");
  await page.getByRole("dialog").getByLabel("Role").selectOption("viewer");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("dialog").getByRole("alert")).toContainText(/administrator/);
});

test("an API token is shown once, works within its scopes, and is refused once revoked", async ({ appliance, page }) => {
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"], { origin: appliance.url });
  await page.goto("/people?tab=tokens");
  await page.getByRole("button", { name: "New API token" }).first().click();
  await page.getByLabel("What it is for").fill("Grafana");
  await page.getByRole("checkbox", { name: "Devices: read" }).check();
  await page.getByRole("button", { name: "Create the token" }).click();
  const dialog = page.getByRole("dialog", { name: "The token for Grafana" });
  await expect(dialog).toContainText("Shown once");
  await dialog.getByRole("button", { name: "Copy the token" }).click();
  const token = await page.evaluate(() => navigator.clipboard.readText());
  await expect(dialog).toContainText(token);
  await dialog.getByRole("button", { name: "Done" }).click();
  await expect(row(page, "Grafana")).toContainText("valid");
  await page.reload();
  await expect(row(page, "Grafana")).toContainText("devices:read");
  await expect(page.getByText(token)).toHaveCount(0);

  const use = (path: string) => fetch(appliance.url + path, { headers: { Authorization: `Bearer ${token}` } });
  expect((await use("/admin/devices")).status).toBe(200);
  const beyond = await use("/admin/jobs");
  expect([beyond.status, ((await beyond.json()) as { detail: string }).detail]).toEqual([403, expect.stringMatching(/\w+ .*\./)]);

  await page.getByRole("button", { name: "Revoke Grafana" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await expect(row(page, "Grafana")).toContainText("revoked");
  expect((await use("/admin/devices")).status).toBe(401);
  await expect(page.getByRole("button", { name: "Revoke Grafana" })).toHaveCount(0);
});

const PAGES: Record<Exclude<Role, "admin">, string[]> = {
  viewer: ["Overview", "Devices", "Commands", "Alerts", "Appliance", "Settings"],
  operator: ["Overview", "Devices", "Commands", "Alerts", "Enrol", "Appliance", "Settings"],
};

const HIDDEN = [
  ["/people", "Users & tokens is for administrators"],
  ["/audit", "Audit is for administrators"],
] as const;

for (const role of ["viewer", "operator"] as const)
  test(`${role}: sees its pages alone, and what is hidden is refused in words`, async ({ appliance, as }) => {
    const device = await appliance.register(`till of the ${role}`);
    const page = await as(role);
    await page.goto("/");
    const links = page.getByRole("navigation", { name: "Pages" }).getByRole("link");
    await expect(links).toHaveText(PAGES[role].map((name) => new RegExp(`^${name}`)));
    // None of them asks for what this role is refused: the browser would say so.
    for (const name of PAGES[role]) {
      await links.filter({ hasText: name }).click();
      await expect(page).toHaveTitle(`${name} · Muster`);
      await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
      await expect(page.locator("#main [aria-busy=true]")).toHaveCount(0);
    }
    const elsewhere = [...HIDDEN, ...(role === "viewer" ? [["/enrol", "Enrol is for operators"] as const] : [])];
    for (const [path, words] of elsewhere) {
      await page.goto(path);
      await expect(page.getByRole("heading", { level: 1, name: words })).toBeVisible();
      await expect(page.getByText(`whose role is ${role}`)).toBeVisible();
    }
    const signedIn = await page.context().request.post(`${appliance.url}/api/auth/login`, {
      data: { username: role, password: await appliance.passwordOf(role) },
    });
    const { access_token: token } = (await signedIn.json()) as { access_token: string };
    const ask = async (method: string, path: string, body?: unknown) => {
      const answer = await fetch(appliance.url + path, {
        method,
        headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const problem = answer.ok ? null : ((await answer.json()) as { detail?: string });
      return [answer.status, problem?.detail ?? null];
    };
    const refused = [403, expect.stringMatching(/role|permission|may|need/i)];
    expect(await ask("GET", "/admin/users")).toEqual(refused);
    expect(await ask("GET", "/admin/audit")).toEqual(refused);
    expect(await ask("POST", "/admin/users", { username: "mallory", role: "admin" })).toEqual(refused);
    const command = await ask("POST", `/admin/devices/${device.device_id}/commands`, { type: "ping" });
    const enrolment = await ask("POST", "/admin/enrolment-tokens", { max_uses: 1 });
    if (role === "viewer") expect([command, enrolment]).toEqual([refused, refused]);
    else expect([command[0], enrolment[0]]).toEqual([201, 201]);
    await page.goto(`/devices/${device.device_id}`);
    await expect(heading(page, `till of the ${role}`)).toBeVisible();
    await expect(page.getByRole("button", { name: /^(New command|Send a command|Command)/ })).toHaveCount(role === "viewer" ? 0 : 1);
  });

/** Clerks of a large house, with a token each; the last, so that nobody else has to look among them. */
const CLERKS = `
  WITH clerk AS (INSERT INTO users (name, role, email, password_hash)
    SELECT 'clerk-' || to_char(i, 'FM0000'), 'viewer', 'desk' || i || '@example.org', '!' FROM generate_series(1, 1000) AS i
    RETURNING id, name)
  INSERT INTO api_tokens (created_by, name, scopes, role, token_sha256, expires_at)
  SELECT id, 'export of ' || name, 'devices:read', 'viewer', sha256(name::bytea), now() + interval '1 day' FROM clerk ORDER BY name;`;

const LISTS = [
  { tab: "/people", search: "Search users", first: "clerk-0001", by: "DESK777@", one: "clerk-0777", none: "Nobody has “nemo” in name or e-mail" },
  {
    tab: "/people?tab=tokens",
    search: "Search API tokens",
    first: "export of clerk-1000",
    by: "OF CLERK-0777",
    one: "export of clerk-0777",
    none: "Neither a token nor its maker is called “nemo”",
  },
];

test.describe("a thousand", () => {
  test.beforeAll(({ appliance }) => sql(appliance, CLERKS));

  for (const { tab, search, first, by, one, none } of LISTS)
    test(`${search}: one is found, the address keeps it, and the whole list is read in parts`, async ({ page }) => {
      await page.goto(tab);
      const box = page.getByRole("searchbox", { name: search });
      await expect(page.getByText("200 loaded, more below")).toBeVisible();
      await page.keyboard.press("/");
      await expect(box).toBeFocused();
      await page.keyboard.type(by);
      await expect(page.getByText("1 in all")).toBeVisible();
      await expect(row(page, one)).toBeVisible();
      await page.reload();
      await expect(box).toHaveValue(by);
      await expect(page.getByText("1 in all")).toBeVisible();
      await box.fill("nemo");
      await expect(page.getByText(none)).toBeVisible();
      await page.getByRole("button", { name: /^Show all/ }).click();
      await expect(box).toHaveValue("");
      await expect(page.getByText("200 loaded, more below")).toBeVisible();
      expect(new URL(page.url()).searchParams.has("q")).toBe(false);

      await box.fill("clerk");
      await expect(page).toHaveURL(/q=clerk/);
      await row(page, first).getByRole("gridcell").first().click();
      await expect(async () => {
        await page.keyboard.press("End");
        await expect(page.getByText("1,000 in all")).toBeVisible({ timeout: 1000 });
      }).toPass();
    });
});
