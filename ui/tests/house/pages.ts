// SPDX-License-Identifier: Apache-2.0
/** Every page of the console with its tabs, dialogs and drawers: what is looked at in each theme and width. */
import { expect, type Page } from "@playwright/test";

export interface View {
  /** The picture's file name. */
  name: string;
  /** `{device}` is the id of some device. */
  path: string;
  /** What opens the dialog, and whose role then appears. */
  opens?: (page: Page) => Promise<void>;
}

const shown = (page: Page) => page.getByRole("dialog").first().waitFor();

const press = (name: string | RegExp) => async (page: Page) => {
  await page.getByRole("button", { name }).first().click();
  await shown(page);
};

/** Where the first item says what can be done with it: in the menu of that name. */
const inMenu = (button: string | RegExp, item: string | RegExp) => async (page: Page) => {
  await page.getByRole("button", { name: button }).first().click();
  await page.getByRole("menuitem", { name: item }).first().click();
  await shown(page);
};

const firstRow = async (page: Page) => {
  // In its first cell: others have links of their own. And again, should the list be read anew under the hand.
  await expect(async () => {
    const cell = page.getByRole("row").nth(1).getByRole("gridcell").first();
    const card = page.locator("[role=listitem][data-index='0']"); // on a phone
    await cell.or(card).click();
    await expect(page.getByRole("dialog").first()).toBeVisible({ timeout: 2000 });
  }).toPass();
};

const key = (name: string) => async (page: Page) => {
  await page.keyboard.press(name);
  await shown(page);
};

export const PLACES: View[] = [
  { name: "overview", path: "/" },
  { name: "devices", path: "/devices" },
  { name: "device", path: "/devices/{device}" },
  { name: "device-commands", path: "/devices/{device}/commands" },
  { name: "device-alerts", path: "/devices/{device}/alerts" },
  { name: "device-monitoring", path: "/devices/{device}/monitoring" },
  { name: "device-events", path: "/devices/{device}/events" },
  { name: "device-raw", path: "/devices/{device}/raw" },
  { name: "commands", path: "/commands" },
  { name: "alerts", path: "/alerts" },
  { name: "alerts-history", path: "/alerts/history" },
  { name: "alerts-rules", path: "/alerts/rules" },
  { name: "alerts-channels", path: "/alerts/channels" },
  { name: "alerts-silences", path: "/alerts/silences" },
  { name: "alerts-told", path: "/alerts/told" },
  { name: "enrol", path: "/enrol" },
  { name: "appliance", path: "/appliance" },
  { name: "appliance-database", path: "/appliance/database" },
  { name: "appliance-partitions", path: "/appliance/partitions" },
  { name: "appliance-jobs", path: "/appliance/jobs" },
  { name: "appliance-archives", path: "/appliance/archives" },
  { name: "appliance-backups", path: "/appliance/backups" },
  { name: "appliance-doctor", path: "/appliance/doctor" },
  { name: "audit", path: "/audit" },
  { name: "audit-events", path: "/audit?tab=events" },
  { name: "audit-offenders", path: "/audit?tab=offenders" },
  { name: "people", path: "/people" },
  { name: "people-tokens", path: "/people?tab=tokens" },
  { name: "settings", path: "/settings" },
];

export const DIALOGS: View[] = [
  { name: "palette", path: "/", opens: key("Control+k") },
  { name: "key-help", path: "/", opens: key("?") },
  { name: "devices-filter", path: "/devices", opens: press("Filter") },
  { name: "devices-views", path: "/devices", opens: press("Views") },
  { name: "device-lock", path: "/devices/{device}", opens: inMenu(/^Command/, /Lock/) },
  { name: "command-new", path: "/commands", opens: press("Send a command") },
  { name: "command-drawer", path: "/commands", opens: firstRow },
  { name: "incident-drawer", path: "/alerts", opens: firstRow },
  { name: "rule-drawer", path: "/alerts/rules", opens: press(/^Device offline/) },
  { name: "channel-new", path: "/alerts/channels", opens: press("New channel") },
  { name: "silence-new", path: "/alerts/silences", opens: press("New silence") },
  { name: "enrol-new", path: "/enrol", opens: press("New token") },
  { name: "people-new", path: "/people", opens: press("New user") },
  { name: "people-tokens-new", path: "/people?tab=tokens", opens: press("New API token") },
];

const BUSY = ["[aria-busy=true]:not(button)", "[data-testid=skeleton]", "[role=status][aria-label$='are being read']"]
  .map((one) => `main ${one}`)
  .join(", ");

/** Reads of the page itself are over: nothing is busy, nothing is a skeleton. */
export async function settled(page: Page): Promise<void> {
  await page.getByRole("main").waitFor();
  await page.waitForFunction((busy) => document.querySelector("h1") !== null && !document.querySelector(busy), BUSY);
  await page.evaluate(() => document.fonts.ready);
}

export async function open(page: Page, view: View, deviceId: string): Promise<void> {
  await page.goto(view.path.replace("{device}", deviceId));
  await settled(page);
  await view.opens?.(page);
}
