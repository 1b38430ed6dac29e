// SPDX-License-Identifier: Apache-2.0
/** Alerts: incidents as they happen, what counts as one, who is told, and who is not. */
import type { Page } from "@playwright/test";
import type { Appliance, Registered } from "../house/appliance";
import { expect, test } from "../house/journey";
import { isSignedBy, Receiver } from "../house/receiver";
import { until } from "../house/until";

test.use({ house: { name: "alerts", settings: { MUSTER_ALERTS_GROUP_WAIT: "0s" } } });

const MANY = 120;

const incidents = (page: Page) => page.getByRole("grid", { name: "Incidents" });
const drawer = (page: Page) => page.getByRole("dialog");
const dialog = (page: Page) => page.getByRole("dialog").last();

async function devices(appliance: Appliance, name: string, number: number, more: Record<string, unknown> = {}): Promise<Registered[]> {
  return Promise.all(
    Array.from({ length: number }, async (_, index) => {
      const device = await appliance.register(number === 1 ? name : `${name} ${index + 1}`);
      if (Object.keys(more).length) await appliance.ask("PATCH", `/admin/devices/${device.device_id}`, more);
      return device;
    }),
  );
}

/** The second of one device within ten seconds would be a repetition: what comes before another is dated back. */
const charge = (appliance: Appliance, fleet: Registered[], battery: number, agoS = 0) =>
  Promise.all(fleet.map((device) => appliance.heartbeat(device, { battery, ts: Date.now() / 1000 - agoS })));

/** Alerts of these devices: none fires any more, or all do. */
async function firing(appliance: Appliance, fleet: Registered[], number: number): Promise<void> {
  const ids = new Set(fleet.map((device) => device.device_id));
  await until(`${number} alerts to fire`, async () => {
    const { alerts } = await appliance.ask<{ alerts: { device_id: string }[] }>("GET", "/admin/alerts?state=firing&limit=500");
    return alerts.filter((alert) => ids.has(alert.device_id)).length === number;
  });
}

test("an incident comes into the list, is taken care of in its drawer, and is over when the device is well", async ({
  appliance,
  page,
}) => {
  const [till] = await devices(appliance, "Till 4", 1);
  await page.goto("/alerts");
  await expect(page.getByText("Nothing is wrong")).toBeVisible();
  await charge(appliance, [till!], 6, 30);
  const row = incidents(page).getByRole("row").filter({ hasText: "Low battery: Till 4" });
  await expect(row).toContainText("Battery at 6 % (limit 15 %).");
  await expect(page.getByRole("link", { name: /^Open incidents/ })).toContainText("1 not acknowledged");

  await row.click();
  await expect(page).toHaveURL(/[?&]incident=\d+/);
  await drawer(page).getByRole("button", { name: "Acknowledge" }).click();
  await dialog(page)
    .getByLabel(/What is being done/)
    .fill("Somebody brings a charger");
  await dialog(page).getByRole("button", { name: "Acknowledge" }).click();
  const thread = drawer(page).getByRole("list", { name: "Thread" });
  await expect(thread.getByRole("listitem").first()).toContainText("Acknowledged by admin");
  await expect(thread).toContainText("Somebody brings a charger");
  await expect(drawer(page).getByText("in hand")).toBeVisible();

  await drawer(page).getByRole("button", { name: "Add a note" }).click();
  await dialog(page).getByLabel("Note").fill("It is there");
  await dialog(page).getByRole("button", { name: "Add", exact: true }).click();
  await expect(thread).toContainText("It is there");
  await drawer(page).getByRole("button", { name: "Take back" }).click();
  await expect(thread).toContainText("Acknowledgement taken back");

  await charge(appliance, [till!], 90);
  await expect(drawer(page).getByText("over", { exact: true })).toBeVisible({ timeout: 60_000 });
  await expect(thread).toContainText("Incident closed");
  const id = new URL(page.url()).searchParams.get("incident");
  const { events } = await appliance.ask<{ events: { kind: string }[] }>("GET", `/admin/incidents/${id}/events`);
  expect(events.map((event) => event.kind)).toEqual(expect.arrayContaining(["opened", "acked", "noted", "unacked", "closed"]));

  await page.goto(`/alerts?incident=${id}`); // as a message's link does
  await expect(drawer(page)).toContainText("Low battery: Till 4");
  await page.keyboard.press("Escape");
  await expect(page.getByText("Nothing is wrong")).toBeVisible();
});

test("an address of an incident that is not there says so, and offers nothing that can't help", async ({ page, complaints }) => {
  complaints.allow(/404/);
  await page.goto("/alerts?incident=99999999");
  await expect(drawer(page)).toContainText("There is no such incident");
  await expect(drawer(page).getByRole("button", { name: "Try again" })).toBeHidden();
});

test("what happens between the page's first look and its live channel is not missed", async ({ appliance, page }) => {
  const fleet = await devices(appliance, "Early bird", 1);
  let connect = () => {};
  const looked = new Promise<void>((done) => (connect = done));
  await page.route("**/api/auth/ws-ticket", async (route) => {
    await looked;
    await route.continue();
  });
  await page.goto("/alerts");
  await expect(page.getByText("Nothing is wrong")).toBeVisible();
  await charge(appliance, fleet, 6, 30);
  await firing(appliance, fleet, 1);
  connect();
  await expect(incidents(page).getByRole("row").filter({ hasText: "Low battery: Early bird" })).toBeVisible();
  await charge(appliance, fleet, 90);
  await expect(page.getByText("Nothing is wrong")).toBeVisible();
});

test("what happens to a whole site at once is one incident; history finds each device of it, page by page", async ({ appliance, page }) => {
  const fleet = await devices(appliance, "Kiosk", MANY, { site: "Basel" });
  await page.goto("/alerts");
  await charge(appliance, fleet, 3, 30);
  const row = incidents(page)
    .getByRole("row")
    .filter({ hasText: `${MANY} devices low on battery` });
  await expect(row).toContainText("Site Basel");
  await expect(page.getByRole("tab", { name: "Incidents" })).toContainText("1");
  await row.click();
  await drawer(page).getByRole("tab", { name: "Alerts" }).click();
  await expect(drawer(page).getByText(/These are the newest 100/)).toBeVisible();
  await page.keyboard.press("Escape");
  await charge(appliance, fleet, 80);
  await firing(appliance, fleet, 0);

  await page.goto("/alerts/history");
  const history = page.getByRole("grid", { name: "Alerts" });
  await page.getByRole("combobox", { name: "State" }).selectOption("Resolved");
  await page.getByRole("combobox", { name: "Site" }).selectOption("Basel");
  await expect(history.getByRole("row").filter({ hasText: "Kiosk" }).first()).toContainText("Low battery");
  await expect(async () => {
    await history.focus();
    await history.press("End");
    await expect(page.getByText(`${MANY} in all`)).toBeVisible({ timeout: 1000 });
  }).toPass();
  await page.getByRole("combobox", { name: "Device" }).fill("Kiosk 77");
  await page.getByRole("option", { name: /Kiosk 77/ }).click();
  await expect(page.getByText("1 in all")).toBeVisible();
  await expect(history.getByRole("row").nth(1)).toContainText("Kiosk 77");
});

test("a rule is changed for all and for a tag, switched off, and as it was built in again", async ({ appliance, page, complaints }) => {
  complaints.allow(/status of 400/); // a threshold of 400 %
  const [plain] = await devices(appliance, "Plain tablet", 1);
  const [tagged] = await devices(appliance, "Tagged tablet", 1, { tags: ["counter"] });
  const both = [plain!, tagged!];
  await charge(appliance, both, 45, 30);
  await page.goto("/alerts/rules");
  await page.getByRole("button", { name: /^Low battery/ }).click();
  const all = drawer(page).getByRole("region", { name: "For all" });
  await all.getByLabel(/Fires when below/).fill("400");
  await all.getByRole("button", { name: "Save" }).click();
  await expect(all.getByText(/1 to 100|between 1 and 100|at most 100/i).first()).toBeVisible();
  await all.getByLabel(/Fires when below/).fill("30");
  await all.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Low battery: changed, and judged anew.")).toBeVisible();
  await expect(all.getByRole("button", { name: "As built in" })).toBeVisible();

  const differs = drawer(page).getByRole("region", { name: "Where it differs" });
  await differs.getByRole("button", { name: "Add" }).click();
  await dialog(page).getByLabel("Tag", { exact: true }).fill("counter");
  await dialog(page)
    .getByLabel(/Fires when below/)
    .fill("50");
  await dialog(page).getByRole("button", { name: "Save" }).click();
  await expect(differs.getByRole("listitem").filter({ hasText: "counter" })).toContainText("below 50 %");
  await firing(appliance, both, 1); // judged anew: the one with the tag
  await charge(appliance, both, 28);
  await firing(appliance, both, 2);

  await all.getByLabel("Judged").selectOption("Off");
  await all.getByRole("button", { name: "Save" }).click();
  await firing(appliance, both, 0);
  await all.getByRole("button", { name: "As built in" }).click();
  await firing(appliance, both, 1); // 28 % is below the tag's 50 alone
  await differs.getByRole("button", { name: "Take it back for counter" }).click();
  await dialog(page).getByRole("button", { name: "Take back" }).click();
  await expect(differs.getByText("It is the same for every device.")).toBeVisible();
  await firing(appliance, both, 0);
  const { rules } = await appliance.ask<{ rules: { rule: string; fleet: unknown; tag_override_count: number }[] }>(
    "GET",
    "/admin/alert-rules",
  );
  expect(rules.find((rule) => rule.rule === "low_battery")).toMatchObject({
    tag_override_count: 0,
    effective: { threshold: 15, enabled: true },
  });
});

test("a silence keeps what it covers from being told, until it is ended", async ({ appliance, page }) => {
  const [quiet] = await devices(appliance, "Quiet tablet", 1);
  await page.goto("/alerts/silences");
  await page.getByRole("button", { name: "New silence" }).click();
  await expect(dialog(page).getByRole("button", { name: "Silence", exact: true })).toBeDisabled();
  await dialog(page).getByRole("combobox", { name: "Device" }).fill("Quiet");
  await page.getByRole("option", { name: /Quiet tablet/ }).click();
  await dialog(page)
    .getByRole("radio", { name: "4 h" })
    .or(dialog(page).getByRole("button", { name: "4 h" }))
    .first()
    .click();
  await dialog(page).getByLabel("Why").fill("The battery is being changed");
  await dialog(page).getByRole("button", { name: "Silence", exact: true }).click();
  const row = page.getByRole("grid", { name: "Silences" }).getByRole("row").filter({ hasText: "Quiet tablet" });
  await expect(row).toContainText("The battery is being changed");
  await expect(page.getByRole("tab", { name: "Silences" })).toContainText("1");
  const { silences } = await appliance.ask<{ silences: { device_id: string; comment: string }[] }>(
    "GET",
    "/admin/alert-silences?state=active",
  );
  expect(silences).toMatchObject([{ device_id: quiet!.device_id, comment: "The battery is being changed" }]);

  await row.getByRole("button", { name: "End now" }).click();
  await dialog(page).getByRole("button", { name: "End it" }).click();
  await expect(page.getByText("No silence is in force")).toBeVisible();
  await page.getByText("Past", { exact: true }).click();
  await expect(row).toContainText("past");
});

async function newChannel(page: Page, kind: RegExp, name: string, address: string): Promise<void> {
  await page.getByRole("button", { name: "New channel" }).first().click();
  await dialog(page).getByRole("radio", { name: kind }).click();
  await dialog(page).getByLabel("Name").fill(name);
  await dialog(page)
    .getByLabel(/^(URL|Addresses)/)
    .fill(address);
  await dialog(page).getByRole("button", { name: "Create the channel" }).click();
}

test("a channel's form says what is wrong with its address", async ({ page, complaints }) => {
  complaints.allow(/status of 400|status of 409/);
  await page.goto("/alerts/channels");
  await expect(page.getByText("Nobody is told yet")).toBeVisible();
  const wrong: [kind: RegExp, address: string, says: RegExp][] = [
    [/^Discord/, "https://example.org/api/webhooks/1/x", /Discord|discord/],
    [/^Webhook/, "http://pager.example.org/hook", /must begin with https/],
    [/^Mail/, "nobody at all", /address/i],
  ];
  for (const [kind, address, says] of wrong) {
    await newChannel(page, kind, "On call", address);
    const field = dialog(page).getByLabel(/^(URL|Addresses)/);
    await expect(field).toHaveAttribute("aria-invalid", "true");
    await expect(field).toHaveAccessibleDescription(says);
    await dialog(page).getByRole("button", { name: "Cancel" }).click();
  }
  await expect(page.getByText("Nobody is told yet")).toBeVisible();
});

test("a webhook is made, tested, told of an incident, gets a new secret, and is removed", async ({ appliance, page }) => {
  const receiver = await new Receiver().start();
  try {
    const [till] = await devices(appliance, "Till 9", 1);
    await page.goto("/alerts/channels");
    await page.getByRole("button", { name: "New channel" }).click();
    await dialog(page)
      .getByRole("radio", { name: /^Webhook/ })
      .click();
    await dialog(page).getByLabel("Name").fill("Pager");
    await dialog(page).getByLabel(/^URL/).fill(receiver.url);
    await dialog(page)
      .getByRole("checkbox", { name: /private network/ })
      .click();
    await dialog(page).getByRole("button", { name: "Create the channel" }).click();
    await expect(dialog(page)).toContainText("Pager is ready");
    const secret = (
      await dialog(page)
        .getByText(/^whsec_/)
        .innerText()
    ).trim();
    await dialog(page).getByRole("button", { name: "Send a test" }).click();
    await expect(dialog(page).getByText("it arrived")).toBeVisible();
    expect(receiver.told.map((one) => one.body.type)).toEqual(["alert.test"]);
    expect(isSignedBy(receiver.told[0]!, secret)).toBe(true);
    await dialog(page).getByRole("button", { name: "Done" }).click();
    const pager = page.getByRole("region", { name: "Pager" });
    await expect(pager).toContainText("127.0.0.1");

    await charge(appliance, [till!], 2);
    const opened = await until("the incident to be told", () => receiver.told.find((one) => one.body.type === "alert.opened"));
    expect(opened.body.data["incident"]).toMatchObject({ rule: "low_battery", title: "Low battery: Till 9" });
    await page.goto("/alerts/told");
    await expect(page.getByRole("grid", { name: "Notifications" }).getByRole("row").filter({ hasText: "Opened" })).toContainText("Pager");

    await page.goto("/alerts/channels");
    await pager.getByRole("button", { name: "What to do with Pager" }).click();
    await page.getByRole("menuitem", { name: "New signing secret" }).click();
    await dialog(page).getByRole("button", { name: "Create a new secret" }).click();
    await expect(dialog(page)).toContainText("The new secret of Pager");
    const next = (
      await dialog(page)
        .getByText(/^whsec_/)
        .innerText()
    ).trim();
    expect(next).not.toBe(secret);
    await dialog(page).getByRole("button", { name: "Done" }).click();
    receiver.told.length = 0;
    await pager.getByRole("button", { name: "Send a test" }).click();
    await expect(pager.getByText("it arrived")).toBeVisible();
    expect([secret, next].map((one) => isSignedBy(receiver.told[0]!, one))).toEqual([true, true]); // both, for a day

    await pager.getByRole("button", { name: "What to do with Pager" }).click();
    await page.getByRole("menuitem", { name: "Remove" }).click();
    await expect(dialog(page).getByRole("button", { name: "Remove" })).toBeDisabled();
    await dialog(page)
      .getByLabel(/Type Pager/)
      .fill("Pager");
    await dialog(page).getByRole("button", { name: "Remove" }).click();
    await expect(page.getByText("Nobody is told yet")).toBeVisible();
    expect(await appliance.ask("GET", "/admin/alert-channels")).toMatchObject({ channels: [] });
  } finally {
    await receiver.stop();
  }
});

test("a viewer looks and changes nothing", async ({ as, appliance }) => {
  const [weak] = await devices(appliance, "Weak tablet", 1);
  await charge(appliance, [weak!], 5);
  const page = await as("viewer");
  await page.goto("/alerts");
  await incidents(page).getByRole("row").filter({ hasText: "Weak tablet" }).click();
  await expect(drawer(page)).toContainText("Operators acknowledge incidents and add notes.");
  await expect(drawer(page).getByRole("button", { name: "Acknowledge" })).toBeHidden();
  await page.goto("/alerts/rules?rule=low_battery");
  await expect(drawer(page).getByLabel("Severity")).toBeDisabled();
  await expect(drawer(page).getByRole("button", { name: "Save" })).toBeHidden();
  await page.goto("/alerts/silences");
  await expect(page.getByText("No silence is in force")).toBeVisible();
  await expect(page.getByRole("button", { name: "New silence" })).toBeHidden();
});

test("on a phone every tab fits", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  for (const tab of ["", "/history", "/rules", "/channels", "/silences", "/told"]) {
    await page.goto(`/alerts${tab}`);
    await expect(page.getByRole("tabpanel")).toBeVisible();
    await expect(page.getByRole("tab", { selected: true }).first()).toBeInViewport({ ratio: 0.9 });
    await expect(page.getByRole("tabpanel").locator("[aria-busy=true]")).toHaveCount(0);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
  }
});
