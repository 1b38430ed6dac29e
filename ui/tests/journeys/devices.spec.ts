// SPDX-License-Identifier: Apache-2.0
/** The list of the fleet: found, ordered, chosen and changed many at once, and alive meanwhile. */
import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import type { Appliance, Registered } from "../house/appliance";
import { expect, test } from "../house/journey";
import { load } from "../house/program";
import { until } from "../house/until";

test.use({ house: { name: "devices" } });

interface Device {
  id: string;
  alias: string;
  status: string;
  tags: string[];
}

interface Given {
  alias: string;
  tags?: string[];
  site?: string;
  heartbeat?: Record<string, unknown>;
}

/** Devices of one test: they share a word that the test searches for. */
async function seed(appliance: Appliance, given: Given[]): Promise<Registered[]> {
  const made: Registered[] = [];
  for (const { alias, tags, site, heartbeat } of given) {
    const device = await appliance.register(alias);
    made.push(device);
    if (tags || site) await appliance.ask("PATCH", `/admin/devices/${device.device_id}`, { tags, site });
    if (heartbeat) await appliance.heartbeat(device, heartbeat);
  }
  return made;
}

/** What the appliance says of the devices that a query names. */
const ask = async (appliance: Appliance, query: string) =>
  (await appliance.ask<{ devices: Device[] }>("GET", `/admin/devices?limit=200&${query}`)).devices;
const statusOf = async (appliance: Appliance, id: string) => (await appliance.ask<Device>("GET", `/admin/devices/${id}`)).status;

const table = (page: Page) => page.getByRole("grid", { name: "Devices" });
const rowOf = (page: Page, alias: string) =>
  table(page)
    .getByRole("row")
    .filter({ has: page.getByRole("link", { name: alias, exact: true }) });
const names = (page: Page) => table(page).getByRole("row").getByRole("link").allInnerTexts();
const shows = (page: Page, ...aliases: string[]) => expect.poll(() => names(page)).toEqual(aliases);
const box = (page: Page, alias: string) => page.getByRole("checkbox", { name: `Select ${alias}`, exact: true });
const bar = (page: Page) => page.getByRole("region", { name: "What is selected" });

async function quarantine(appliance: Appliance, device: Registered): Promise<void> {
  await appliance.actAsTwo(device);
  await until("the quarantine", async () => (await statusOf(appliance, device.device_id)) === "quarantined");
}

test("an empty fleet shows the way; a device registered elsewhere appears and its row lives", async ({ page, appliance }) => {
  await page.goto("/devices");
  await expect(page.getByText("No devices yet")).toBeVisible();
  await expect(page.getByRole("link", { name: "Enrol the first one" })).toHaveAttribute("href", "/enrol");
  await page.evaluate(() => Object.assign(window, { notReloaded: true }));

  const device = await appliance.register("Till 1");
  const row = rowOf(page, "Till 1");
  await expect(row).toContainText("never");
  await appliance.heartbeat(device, { battery: 57, network: "wifi", ssid: "shop", fg_package: "com.example.till" });
  await expect(row).toContainText("online");
  await expect(row).toContainText("57 %");
  await expect(row).toContainText("Wi-Fi");
  await appliance.heartbeat(device, { ts: Date.now() / 1000 + 11, battery: 12, network: "cellular" });
  await expect(row).toContainText("12 %");
  await expect(row).toContainText("Cellular");
  expect(await page.evaluate(() => "notReloaded" in window)).toBe(true);
});

test("a device that falls silent: its row says so by time alone, without a word from anybody", async ({ page, appliance }) => {
  await seed(appliance, [{ alias: "quiet 1", heartbeat: { battery: 50 } }, { alias: "quiet 2" }]);
  let ahead = 0;
  await page.routeWebSocket(/\/api\/ws/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((text) => {
      const message = JSON.parse(String(text)) as { type: string; at?: number };
      socket.send(message.type === "fleet" && message.at ? JSON.stringify({ ...message, at: message.at + ahead }) : text);
    });
  });
  // The list is read when the channel is there: a channel that begins later has it read again, with the true time.
  await page.goto("/");
  await expect(page.getByTestId("connection")).toHaveText("Live");
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Devices" }).click();
  const row = rowOf(page, "quiet 1");
  await expect(row).toContainText("online");
  ahead = 10 * 60; // as the appliance's clock will say then
  await expect(row).toContainText("late");
  ahead = 13 * 60;
  await expect(row).toContainText("silent");
  await expect(rowOf(page, "quiet 2")).toContainText("never");
});

test("search, filters and order stand in the address: a reload and Back keep them", async ({ page, appliance }) => {
  const kasse = (alias: string, site: string, tags: string[], battery: number, agent_version: string): Given => ({
    alias,
    site,
    tags,
    heartbeat: { battery, agent_version },
  });
  await seed(appliance, [
    kasse("kasse 1", "Porto", ["front", "old"], 80, "4.2.0"),
    kasse("kasse 2", "Porto", ["front"], 30, "4.2.0"),
    kasse("kasse 3", "Porto", ["front"], 55, "4.3.0"),
    kasse("kasse 4", "Wien", ["front"], 20, "4.2.0"),
    { alias: "kasse 5", site: "Wien", tags: ["old"] },
  ]);
  await page.goto("/devices");
  await expect(rowOf(page, "kasse 1")).toBeVisible();
  await page.keyboard.press("/");
  await page.keyboard.type("kasse");
  await shows(page, "kasse 1", "kasse 2", "kasse 3", "kasse 4", "kasse 5");
  await expect(page).toHaveURL(/\?q=kasse$/);

  await page.getByRole("button", { name: "Filter" }).click();
  const form = page.getByRole("dialog", { name: "Filter" });
  await form.getByLabel("Site").fill("Porto");
  await form.getByLabel("Tags").fill("front");
  await form.getByLabel("Agent version").fill("4.2.0");
  await form.getByRole("button", { name: "Apply" }).click();
  await shows(page, "kasse 1", "kasse 2");
  await expect(page.getByText("2 match")).toBeVisible();
  await table(page).getByRole("columnheader", { name: "Battery" }).getByRole("button").first().click();
  await shows(page, "kasse 2", "kasse 1");
  await expect
    .poll(() => Object.fromEntries(new URL(page.url()).searchParams))
    .toEqual({
      q: "kasse",
      site: "Porto",
      tag: "front",
      agent_version: "4.2.0",
      sort: "battery",
    });

  await page.reload();
  await shows(page, "kasse 2", "kasse 1");
  await expect(page.getByRole("searchbox", { name: "Search devices" })).toHaveValue("kasse");
  await page.goBack();
  await shows(page, "kasse 1", "kasse 2"); // ordered by name again
  await page.getByRole("button", { name: "Without Agent: 4.2.0" }).click();
  await shows(page, "kasse 1", "kasse 2", "kasse 3");
  await page.getByRole("button", { name: "Clear", exact: true }).click();
  await page.getByRole("radio", { name: /^Never seen/ }).click();
  await shows(page, "kasse 5");

  await page.getByRole("searchbox", { name: "Search devices" }).fill("nothing is called so");
  await expect(page.getByText("No device matches")).toBeVisible();
  await page.getByRole("button", { name: "Show all" }).click();
  await expect(rowOf(page, "kasse 1")).toBeVisible();
});

test("a column that is chosen stays", async ({ page }) => {
  await page.goto("/devices");
  await page.getByRole("button", { name: "Columns" }).click();
  await page.getByRole("menuitemcheckbox", { name: "Hardware id" }).click();
  await page.keyboard.press("Escape");
  await expect(table(page).getByRole("columnheader", { name: "Hardware id" })).toBeAttached();
  await page.reload();
  await expect(table(page).getByRole("columnheader", { name: "Hardware id" })).toBeAttached();
});

test("a range with Shift, then all that match: what was shown gets its tag, what came later does not", async ({ page, appliance }) => {
  await seed(
    appliance,
    [1, 2, 3, 4, 5].map((number) => ({ alias: `rack ${number}`, tags: ["keep"] })),
  );
  await page.goto("/devices?q=rack");
  await box(page, "rack 2").click();
  await box(page, "rack 4").click({ modifiers: ["Shift"] });
  await expect(bar(page)).toContainText("3 devices selected");
  await expect(box(page, "rack 3")).toBeChecked();
  await expect(box(page, "rack 5")).not.toBeChecked();
  await bar(page).getByRole("button", { name: "Select all 5 that match" }).click();
  await expect(bar(page)).toContainText("All 5 devices that match");

  await bar(page).getByRole("button", { name: "Tags" }).click();
  const dialog = page.getByRole("dialog", { name: "Change tags" });
  await expect(dialog).toContainText("5 devices, as chosen now");
  await appliance.register("rack 6");
  await dialog.getByLabel("Add to each of them").fill("winter");
  await dialog.getByRole("button", { name: "Apply" }).click();
  await expect(dialog).toBeHidden();
  await expect(rowOf(page, "rack 5")).toContainText("winter");
  const tagged = await ask(appliance, "tag=winter");
  expect(tagged.map((device) => device.alias).sort()).toEqual(["rack 1", "rack 2", "rack 3", "rack 4", "rack 5"]);
  expect(tagged.every((device) => device.tags.includes("keep"))).toBe(true);
});

test("a command to all that are chosen is followed until each device has answered", async ({ page, appliance }) => {
  const fleet = load(appliance, "steady", { devices: 6, interval: "5s", duration: "5m", channels: true });
  try {
    await until("the generator's devices", async () => (await ask(appliance, "status=online&q=load-")).length === 6);
    await page.goto("/devices?q=load-&status=online");
    await table(page).getByRole("checkbox", { name: "Select all that match" }).click();
    await expect(bar(page)).toContainText("All 6 devices that match");
    await bar(page).getByRole("button", { name: "Command" }).click();
    await page.getByRole("menuitem", { name: /^Ping/ }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Send" }).click();
    await expect(page).toHaveURL(/bulk/);
    const id = /\d+/.exec(new URL(page.url()).search)?.[0] ?? "";
    await expect(page.getByText("6 of 6 over")).toBeVisible();
    const bulk = await appliance.ask<{ type: string; states: Record<string, number> }>("GET", `/admin/bulk-commands/${id}`);
    expect(bulk).toMatchObject({ type: "ping", states: { done: 6 } });
  } finally {
    await fleet.stop();
  }
});

test("delete with the word typed: exactly the chosen are gone, and the audit log knows who did it", async ({ page, appliance }) => {
  const made = await seed(
    appliance,
    [1, 2, 3, 4].map((number) => ({ alias: `scrap ${number}`, heartbeat: { battery: 50 } })),
  );
  await page.goto("/devices?q=scrap");
  await box(page, "scrap 1").click();
  await box(page, "scrap 3").click();
  await bar(page).getByRole("button", { name: "Delete" }).click();
  const dialog = page.getByRole("dialog", { name: "Delete 2 devices?" });
  const button = dialog.getByRole("button", { name: "Delete for good" });
  await expect(button).toBeDisabled();
  await dialog.getByRole("textbox").fill("DELETE 3");
  await expect(button).toBeDisabled();
  await dialog.getByRole("textbox").fill("DELETE 2");
  await button.click();
  await expect(dialog).toBeHidden();
  await expect(bar(page)).toBeHidden();
  await shows(page, "scrap 2", "scrap 4");

  expect((await ask(appliance, "q=scrap")).map((device) => device.alias).sort()).toEqual(["scrap 2", "scrap 4"]);
  const statuses = await Promise.all(made.map((device) => statusOf(appliance, device.device_id)));
  expect(statuses).toEqual(["deleted", "online", "deleted", "online"]);
  await expect(appliance.heartbeat(made[0] as Registered)).rejects.toThrow("410");
  await appliance.heartbeat(made[1] as Registered);
  const { entries } = await appliance.ask<{ entries: { action: string; subject: string; actor: string }[] }>(
    "GET",
    "/admin/audit?limit=100",
  );
  const gone = entries.filter((entry) => entry.action === "device.delete").map((entry) => entry.subject);
  expect(gone.sort()).toEqual([made[0], made[2]].map((device) => `device:${device?.device_id}`).sort());
  expect(entries.find((entry) => entry.action === "device.delete")?.actor).toContain("admin");
});

test("the export holds what the filter shows, and nothing that a spreadsheet would run", async ({ page, appliance }) => {
  await seed(appliance, [
    { alias: "=cmd|' /C calc'!A1", site: "ledger" },
    { alias: 'a "quoted", name', site: "ledger" },
    { alias: "plain", site: "ledger" },
    { alias: "plain elsewhere", site: "other" },
  ]);
  await page.goto("/devices?site=ledger");
  await expect(page.getByText("3 match")).toBeVisible();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: /as CSV/ }).click()]);
  expect(download.suggestedFilename()).toMatch(/\.csv$/);
  const [head, ...rows] = readFileSync(await download.path(), "utf8")
    .trimEnd()
    .split("\r\n");
  expect(head).toMatch(/^id,alias,kind,/);
  expect(rows).toHaveLength(3);
  expect(rows.map((row) => row.slice(row.indexOf(",") + 1))).toEqual([
    expect.stringMatching(/^'=cmd\|' \/C calc'!A1,/),
    expect.stringMatching(/^"a ""quoted"", name",/),
    expect.stringMatching(/^plain,/),
  ]);
});

test("a quarantine is seen, and ended by a decision", async ({ page, appliance }) => {
  const [trusted, copied] = (await seed(appliance, [{ alias: "twin trusted" }, { alias: "twin copied" }])) as [Registered, Registered];
  await quarantine(appliance, trusted);
  await quarantine(appliance, copied);
  await page.goto("/devices?status=quarantined");
  await shows(page, "twin copied", "twin trusted");
  await rowOf(page, "twin trusted")
    .getByRole("button", { name: /quarantined/ })
    .click();
  await page.getByRole("dialog", { name: "Quarantine of twin trusted" }).getByRole("button", { name: "End the quarantine" }).click();
  await shows(page, "twin copied");
  expect(await statusOf(appliance, trusted.device_id)).toBe("online");

  await rowOf(page, "twin copied")
    .getByRole("button", { name: /quarantined/ })
    .click();
  const dialog = page.getByRole("dialog", { name: "Quarantine of twin copied" });
  await dialog.getByRole("radio", { name: /A copy is about/ }).check();
  await dialog.getByRole("button", { name: "Revoke its tokens" }).click();
  await expect(dialog).toBeHidden();
  await expect(appliance.heartbeat(copied)).rejects.toThrow("401");
});

test("by keys alone: arrows, Space, Shift, Escape, Enter", async ({ page, appliance }) => {
  await seed(
    appliance,
    [1, 2, 3, 4].map((number) => ({ alias: `key ${number}` })),
  );
  await page.goto("/devices?q=key+");
  await expect(rowOf(page, "key 4")).toBeVisible();
  await table(page).focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Space");
  await expect(box(page, "key 2")).toBeChecked();
  await page.keyboard.press("Shift+ArrowDown");
  await expect(bar(page)).toContainText("2 devices selected");
  await expect(box(page, "key 3")).toBeChecked();
  await page.keyboard.press("Escape");
  await expect(bar(page)).toBeHidden();
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "key 4" })).toBeVisible();
});

test("on a phone cards are chosen as rows are", async ({ page, appliance }) => {
  await seed(appliance, [{ alias: "pocket 1", site: "Graz", tags: ["a", "b"], heartbeat: { battery: 7 } }, { alias: "pocket 2" }]);
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto("/devices?q=pocket");
  const card = page.getByRole("list", { name: "Devices" }).getByRole("listitem").filter({ hasText: "pocket 1" });
  await expect(card).toContainText("7 %");
  await expect(card).toContainText("Graz");
  await box(page, "pocket 1").click();
  await expect(bar(page)).toContainText("1 device selected");
  await expect(bar(page).getByRole("button", { name: "Delete" })).toBeInViewport();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
});

test("a viewer reads: nothing can be chosen, a quarantine not be decided", async ({ as, appliance }) => {
  const [device] = (await seed(appliance, [{ alias: "glance 1" }])) as [Registered];
  await quarantine(appliance, device);
  const page = await as("viewer");
  await page.goto("/devices?q=glance");
  const row = rowOf(page, "glance 1");
  await expect(row).toContainText("quarantined");
  await expect(row.getByRole("button")).toHaveCount(0);
  await expect(page.getByRole("checkbox")).toHaveCount(0);
  await table(page).focus();
  await page.keyboard.press("Space");
  await page.keyboard.press("Control+a");
  await expect(bar(page)).toHaveCount(0);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "glance 1" })).toBeVisible();
});
