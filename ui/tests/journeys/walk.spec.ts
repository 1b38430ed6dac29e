// SPDX-License-Identifier: Apache-2.0
/** Each role on every page, tab and dialog that it has: nothing is asked for that fails. */
import type { Appliance } from "../house/appliance";
import { expect, type Role } from "../house/journey";
import { DIALOGS, open, PLACES, type View } from "../house/pages";
import { test } from "../house/scene-test";

test.use({ house: { name: "walk" }, trace: "off" });

/** What opens them is shown to nobody below. The others' are for administrators. */
const VIEWERS = ["palette", "key-help", "devices-filter", "command-drawer", "incident-drawer", "rule-drawer"];
const OPERATORS = [...VIEWERS, "device-lock", "command-new", "silence-new", "enrol-new"];

const MAY_OPEN: Record<Role, (view: View) => boolean> = {
  admin: () => true,
  operator: (view) => OPERATORS.includes(view.name),
  viewer: (view) => VIEWERS.includes(view.name),
};

/** Their pages say so, and ask for nothing. */
const CLOSED: Record<Role, RegExp | null> = { admin: null, operator: /^\/(audit|people)/, viewer: /^\/(enrol|audit|people)/ };

/** Some pages ask for more of who has one. */
async function giveAddress(appliance: Appliance, role: Role): Promise<void> {
  const { users } = await appliance.ask<{ users: { id: string; username: string }[] }>("GET", `/admin/users?q=${role}`);
  const user = users.find(({ username }) => username === role);
  if (user) await appliance.ask("PATCH", `/admin/users/${user.id}`, { email: `${role}@walk.example` });
}

for (const role of ["admin", "operator", "viewer"] as const)
  test(`${role}: walks through all of the console, and no request fails`, async ({ appliance, as, scene }) => {
    test.setTimeout(300_000);
    const page = await as(role);
    await giveAddress(appliance, role);
    const failed: string[] = [];
    let where = "";
    page.on("response", (answer) => {
      if (answer.status() < 400) return;
      failed.push(`${where}: ${answer.status()} ${answer.request().method()} ${new URL(answer.url()).pathname}`);
    });
    page.on("requestfailed", (request) => {
      const why = request.failure()?.errorText ?? "";
      if (why !== "net::ERR_ABORTED") failed.push(`${where}: ${why} ${request.url()}`); // aborted: one has gone on
    });
    for (const view of [...PLACES, ...DIALOGS.filter(MAY_OPEN[role])]) {
      where = view.name;
      if (CLOSED[role]?.test(view.path)) {
        await page.goto(view.path);
        await expect(page.getByText(`whose role is ${role}`)).toBeVisible();
      } else await open(page, view, scene.deviceId);
    }
    expect(failed).toEqual([]);
  });
