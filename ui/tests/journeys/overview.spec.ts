// SPDX-License-Identifier: Apache-2.0
/** The overview: how the fleet is, in a sentence and numbers that move by themselves. Its tests build on each other. */
import type { Page } from "@playwright/test";
import type { Appliance, Registered } from "../house/appliance";
import { expect, test } from "../house/journey";
import { load } from "../house/program";
import { sql } from "../house/sql";

// A device is late after fifteen seconds, unless it has an interval of its own. (What it says within ten is one report.)
test.use({ house: { name: "overview", settings: { MUSTER_INGEST_HEARTBEAT_INTERVAL: "10s" } } });
test.describe.configure({ mode: "serial" });

const FLEET = 200;

const headline = (page: Page) => page.getByTestId("headline");
const connection = (page: Page) => page.getByTestId("connection");
const card = (page: Page, name: string) => page.getByRole("region", { name, exact: true });
const tile = (page: Page, name: string) => page.getByRole("main").getByRole("link", { name: new RegExp(`^${name}`) });
const shows = (page: Page, name: string, number: number) =>
  expect(tile(page, name).getByText(String(number), { exact: true })).toBeVisible();
const rate = async (page: Page) => Number.parseFloat((await page.getByTestId("heartbeats-per-s").innerText()).replaceAll(",", ""));

/** One whose heartbeats are not expected for ten minutes. */
async function calm(appliance: Appliance, alias: string): Promise<Registered> {
  const device = await appliance.register(alias);
  await appliance.ask("PATCH", `/admin/devices/${device.device_id}`, { heartbeat_interval_s: 600 });
  return device;
}

let till: Registered;
/** The second heartbeat within ten seconds would be a repetition: those before another are dated back. */
const ago = (seconds: number) => Date.now() / 1000 - seconds;

test("a fleet of nobody says what to do; its first device shows, falls silent and comes back", async ({ appliance, page }) => {
  await page.goto("/");
  await expect(headline(page)).toHaveText("No device reports yet");
  await expect(page.getByRole("link", { name: "Enrol the first device" })).toHaveAttribute("href", "/enrol");

  till = await calm(appliance, "Till 1");
  await expect(headline(page)).toHaveText("1 device is registered, none has reported yet");
  await shows(page, "Never seen", 1);

  // As if it had reported once, an hour ago; the change of its alias makes the live view read it again.
  sql(
    appliance,
    `INSERT INTO device_last_status (device_id, received_at, observed_at, clock_offset_s, flags)
     SELECT ${Number(till.device_id)}, at, at, 0, 0 FROM (SELECT now() - interval '1 hour' AS at) AS past;`,
  );
  await appliance.ask("PATCH", `/admin/devices/${till.device_id}`, { alias: "Till one" });
  await expect(headline(page)).toHaveText(/^1 device is silent/);
  await shows(page, "Silent", 1);

  await appliance.heartbeat(till, { ts: ago(60), battery: 80, agent_version: "9.9.9", network: "ethernet" });
  await expect(headline(page)).toHaveText("The one device reports");
  await shows(page, "Silent", 0);
  await shows(page, "Online", 1);
});

test("under load the numbers and the curve move; when the load ends, the fleet is late", async ({ appliance, page, as }) => {
  await page.goto("/");
  await expect(headline(page)).toHaveText("The one device reports");
  const generator = load(appliance, "steady", { devices: FLEET, interval: "10s", duration: "120s" });
  try {
    await shows(page, "Online", FLEET + 1);
    await expect.poll(() => rate(page)).toBeGreaterThan(FLEET / 20);
    await expect(card(page, "Heartbeats per second").getByRole("figure")).toContainText(/Heartbeats: \d+(\.\d+)?\/s at the end; between 0/);
    const versions = card(page, "Agent version").getByRole("list");
    await expect(versions.getByRole("listitem")).toHaveCount(2);
    await expect(versions).toContainText("9.9.9");
    await expect(card(page, "Battery")).toContainText(`of ${FLEET + 1} charging`);
    await expect(card(page, "Appliance")).toContainText("Stores themyes");

    // Somebody who comes now sees the minutes before.
    const late = await as("viewer");
    await late.goto("/");
    await expect(card(late, "Heartbeats per second").getByRole("figure")).toContainText("between 0", { timeout: 5000 });
    await expect(card(late, "Appliance")).not.toContainText("Last backup");
  } finally {
    await generator.stop();
  }
  await expect(headline(page)).toHaveText(`${FLEET} devices are late`, { timeout: 40_000 });
  await shows(page, "Late", FLEET);
  await shows(page, "Online", 1);
  await expect.poll(() => rate(page)).toBeLessThan(1);
});

test("a channel that is lost shows, and what changed meanwhile is there when it is back", async ({ appliance, page, complaints }) => {
  complaints.allow(/WebSocket connection|Failed to load resource/);
  await page.goto("/");
  await expect(connection(page)).toHaveText("Live");
  await shows(page, "Late", FLEET);
  await appliance.stop();
  await expect(connection(page)).toHaveText("Reconnecting");
  await expect(page.getByText("not live, as of")).toBeVisible();
  await appliance.start();
  const second = await calm(appliance, "Till 2");
  await appliance.heartbeat(second, { battery: 50 });
  await appliance.heartbeat(till, { ts: ago(40), battery: 80 });
  await expect(connection(page)).toHaveText("Live");
  await expect(page.getByText("not live, as of")).toBeHidden();
  await expect(page.getByText(`${FLEET + 2} devices in all`)).toBeVisible();
  await shows(page, "Online", 2);
});

test("an incident comes into the page, is acknowledged with a note, and goes when the device is well", async ({ appliance, page, as }) => {
  const onlooker = await as("viewer");
  await Promise.all([page.goto("/"), onlooker.goto("/")]);
  await expect(card(page, "Open incidents")).toContainText("Nothing is open");
  await appliance.heartbeat(till, { ts: ago(20), battery: 4 });
  const open = card(page, "Open incidents").getByRole("listitem").filter({ hasText: "Till one" });
  await expect(open).toContainText("Low battery");
  await expect(card(page, "Alert feed").getByRole("listitem").first()).toContainText("Till one · Low battery");
  await shows(page, "Alerting", 1);
  await expect(headline(page)).toContainText("1 incident is open");

  await expect(card(onlooker, "Open incidents")).toContainText("Till one");
  await expect(onlooker.getByRole("button", { name: "Acknowledge" })).toBeHidden();
  await open.getByRole("button", { name: "Acknowledge" }).click();
  const dialog = page.getByRole("alertdialog").or(page.getByRole("dialog"));
  await dialog.getByLabel("Note").fill("The charger is on its way");
  await dialog.getByRole("button", { name: "Acknowledge" }).click();
  await expect(open).toContainText("The charger is on its way");
  await expect(card(onlooker, "Open incidents")).toContainText("The charger is on its way");
  const [incident] = (await appliance.ask<{ incidents: { ack_note: string; acked_by: string }[] }>("GET", "/admin/incidents")).incidents;
  expect(incident).toMatchObject({ ack_note: "The charger is on its way" });
  const { entries } = await appliance.ask<{ entries: { action: string }[] }>("GET", "/admin/audit?limit=5");
  expect(entries.map((entry) => entry.action)).toContain("incident.acknowledge");

  await appliance.heartbeat(till, { battery: 90, agent_version: "9.9.9" });
  await expect(card(page, "Alert feed")).toContainText("is over");
  await expect(card(page, "Open incidents")).toContainText("Nothing is open");
  await shows(page, "Alerting", 0);
});

test("each number leads to what it counts", async ({ page }) => {
  await page.goto("/");
  await tile(page, "Late").click();
  await expect(page).toHaveURL(/\/devices\?status=late/);
  await expect(page.getByRole("grid", { name: "Devices" })).toContainText("late");
  await page.goBack();
  await card(page, "Agent version")
    .getByRole("link", { name: /9\.9\.9/ })
    .click();
  await expect(page).toHaveURL(/agent_version=9\.9\.9/);
  await expect(page.getByRole("grid", { name: "Devices" })).toContainText("Till one");
});

test("on a phone nothing is cut off", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto("/");
  await expect(headline(page)).toBeVisible();
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
});
