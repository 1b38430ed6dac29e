// SPDX-License-Identifier: Apache-2.0
/** Whoever guesses from one address is held up for a while, is told for how long, and is seen by the administrators. */
import { expect, test } from "../house/journey";

const FAILURES = 3;

test.use({
  house: {
    name: "sign-in-limits",
    settings: {
      MUSTER_ACCOUNTS_BCRYPT_COST: "4",
      MUSTER_LIMITS_AUTH_FAILURES: String(FAILURES),
      MUSTER_LIMITS_RESET_MAX: "1",
    },
  },
});

test("asking for codes too often is refused, and listed", async ({ as, page: admin, complaints }) => {
  complaints.allow(/Failed to load resource.*(401|429)/);
  const page = await as("viewer", { signedOut: true });
  await page.goto("/");
  for (const asked of ["first", "second"]) {
    await page.getByRole("button", { name: "Forgotten your password?" }).click();
    await page.getByLabel("User name or e-mail address").fill("viewer");
    await page.getByRole("button", { name: "Mail me a code" }).click();
    if (asked === "second") break;
    await expect(page.getByRole("status")).toContainText("a code is on its way");
    await page.getByRole("button", { name: "Back to sign in" }).click();
  }
  await expect(page.getByRole("alert")).toContainText(/Too many requests .*Try again in \d+:\d\d, at/);

  await admin.goto("/audit?tab=offenders");
  const row = admin.getByRole("grid", { name: "Who was held up" }).getByRole("row", { name: /reset/ });
  await expect(row.first()).toContainText("127.0.0.1");
});

test("guessing from one address is held up, with when to try again, and seen", async ({ appliance, as, page: admin, complaints }) => {
  complaints.allow(/Failed to load resource.*(401|429)/);
  await appliance.passwordOf("viewer");
  const page = await as("viewer", { signedOut: true });
  await page.goto("/");
  const enter = async (username: string, password: string) => {
    await page.getByLabel("User name").fill(username);
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
  };
  for (let tries = 1; tries <= FAILURES; tries++) {
    await enter(`nobody ${tries}`, "not the password");
    await expect(page.getByRole("alert")).toHaveText("The user name or the password is wrong.");
  }
  await enter("viewer", await appliance.passwordOf("viewer"));
  await expect(page.getByRole("alert")).toContainText("Too many failed logins from this address.");
  await expect(page.getByRole("alert")).toContainText(/Try again in \d+ s, at \d\d:\d\d:\d\d\./);

  await admin.goto("/audit?tab=events");
  const events = admin.getByRole("grid", { name: "Security events" });
  await expect(events.getByRole("row", { name: /failed login/ }).first()).toContainText("127.0.0.1");
  await admin.getByLabel("Kind").selectOption({ label: "rate limit" });
  await expect(events.getByRole("row", { name: /failed login/ })).toHaveCount(0);
  await expect(events.getByRole("row", { name: /rate limit/ }).first()).toContainText("POST /api/auth/");
});
