// SPDX-License-Identifier: Apache-2.0
/** The ledger of commands: found again by its filters, past one page, one order and many, and how far they are. */
import type { Page } from "@playwright/test";
import { Device } from "../house/device";
import { expect, test } from "../house/journey";
import { load } from "../house/program";

test.use({ house: { name: "commands" } });

interface Made {
  bulk_id: string;
}

const rows = (page: Page) => page.getByRole("grid", { name: "Commands" }).getByRole("row");
const rowOf = (page: Page, device: string) => rows(page).filter({ hasText: device });

test("an empty ledger says what a first command may be; the dialog sends it and its drawer follows it", async ({ page, appliance }) => {
  const device = await Device.register(appliance, "Asked till");
  await page.goto("/commands");
  await expect(page.getByText("Nothing was asked of a device yet")).toBeVisible();
  await page.getByRole("button", { name: "Send a command" }).click();
  const form = page.getByRole("dialog", { name: "Send a command" });
  await expect(form.getByRole("button", { name: "Send" })).toBeDisabled();
  await form.getByRole("combobox", { name: "Device" }).fill("Asked");
  await page.getByRole("option", { name: /Asked till/ }).click();
  await form.getByRole("combobox", { name: "Command" }).selectOption("Fetch logs");
  await form.getByRole("spinbutton", { name: /^Lines at most/ }).fill("0");
  await form.getByRole("button", { name: "Send" }).click();
  await expect(form.getByRole("alert")).toHaveText("A whole number from 1 to 10,000.");
  await form.getByRole("spinbutton", { name: /^Lines at most/ }).fill("20");
  await form.getByRole("button", { name: "Send" }).click();

  const drawer = page.getByRole("dialog", { name: "Fetch logs" });
  await expect(drawer.getByText("queued").first()).toBeVisible();
  await expect(page).toHaveURL(/command=\d+/);
  const logs = await device.next("request_logs");
  expect(JSON.parse(logs.payload)).toEqual({ since_s: 3600, lines: 20 });
  await expect(drawer.getByText("sent", { exact: true }).first()).toBeVisible();
  await device.finish(logs.command_id, { result: { events: [{ at: 1_760_000_000, level: "info", event: "agent.start" }] } });
  await expect(drawer.getByText("done", { exact: true }).first()).toBeVisible();
  await expect(drawer.getByText(/info {2}agent\.start/)).toBeVisible();
  await page.reload(); // the drawer is part of the address
  await expect(drawer.getByText(/info {2}agent\.start/)).toBeVisible();
  await drawer.getByRole("button", { name: "Close" }).click();
  await expect(rowOf(page, "Asked till")).toContainText("done");
});

test("filters are in the address and narrow the ledger; the last page is reached", async ({ page, appliance }) => {
  await load(appliance, "register", { devices: 130 }).ended;
  const { devices } = await appliance.ask<{ devices: { id: string; alias: string }[] }>("GET", "/admin/devices?limit=130&q=load-");
  expect(devices).toHaveLength(130);
  const [first, ...others] = devices;
  if (!first) throw new Error("there is no device");
  await appliance.ask("POST", `/admin/devices/${first.id}/commands`, { type: "lock", payload: { message: "The oldest of them" } });
  const device_ids = others.map((one) => one.id);
  await appliance.ask("POST", "/admin/commands", { type: "reboot", device_ids });

  await page.goto("/commands");
  await page.getByRole("combobox", { name: "State" }).selectOption("queued");
  await expect(page).toHaveURL(/state=queued/);
  await expect(rowOf(page, "Asked till")).toHaveCount(0);
  await rows(page).nth(2).hover();
  const oldest = rows(page).filter({ hasText: "The oldest of them" });
  const end = async () => {
    await page.mouse.wheel(0, 4000); // the first 100 come first
    return oldest.count();
  };
  await expect.poll(end).toBe(1);

  await page.getByRole("combobox", { name: "Command", exact: true }).selectOption("Lock the screen");
  await expect(rows(page).filter({ hasText: "Reboot" })).toHaveCount(0);
  await expect(rowOf(page, first.alias)).toBeVisible();
  await page.reload();
  await expect(page.getByRole("combobox", { name: "Command", exact: true })).toHaveValue("lock");
  await expect(rowOf(page, first.alias)).toBeVisible();
  await page.getByRole("combobox", { name: "State" }).selectOption("expired");
  await expect(page.getByText("No command is like that")).toBeVisible();
});

test("a bulk command's progress moves while one looks; the rest is taken back", async ({ page, appliance }) => {
  const devices = await Promise.all(["North", "East", "South", "West"].map((name) => Device.register(appliance, `${name} till`)));
  const [north, east] = devices;
  if (!north || !east) throw new Error("there is no device");
  const order = { type: "launch_package", payload: { package: "com.example.till" }, device_ids: devices.map((one) => one.id) };
  const { bulk_id } = await appliance.ask<Made>("POST", "/admin/commands", order);
  await page.goto("/commands/bulk");
  const line = page.getByRole("grid", { name: "Bulk commands" }).getByRole("row").filter({ hasText: `bulk ${bulk_id}` });
  await expect(line).toContainText("4 queued");
  await line.click();
  await expect(page).toHaveURL(new RegExp(`bulk_id=${bulk_id}`));
  const panel = page.getByRole("region", { name: `Bulk command ${bulk_id}` });
  const bar = panel.getByRole("progressbar");
  await expect(panel).toContainText("0 of 4 over");
  await expect(rows(page)).toHaveCount(5); // with the header

  await north.finish((await north.next("launch_package")).command_id, { result: { started: true } });
  await east.finish((await east.next("launch_package")).command_id, { error: "No such package is installed." });
  await expect(panel).toContainText("2 of 4 over");
  await expect(bar).toHaveAttribute("aria-valuenow", "2");
  await expect(rowOf(page, "East till")).toContainText("No such package is installed.");
  await panel.getByRole("button", { name: "Take back 2…" }).click();
  await page.getByRole("dialog", { name: "Take back 2 commands?" }).getByRole("button", { name: "Take them back" }).click();
  await expect(panel).toContainText("4 of 4 over");
  await expect(panel.getByRole("button", { name: /Take back/ })).toHaveCount(0);
  const { states } = await appliance.ask<{ states: Record<string, number> }>("GET", `/admin/bulk-commands/${bulk_id}`);
  expect(states).toMatchObject({ done: 1, failed: 1, cancelled: 2, queued: 0 });
  await panel.getByRole("button", { name: "All commands" }).click();
  await expect(panel).toBeHidden();
  await expect(rowOf(page, "North till").getByRole("button", { name: `Bulk ${bulk_id}` })).toBeVisible();
});

test("a wipe of many is confirmed by what and how many; an operator can only take it back", async ({ page, as, appliance }) => {
  const devices = await Promise.all(["Lost", "Sold"].map((name) => Device.register(appliance, `${name} till`)));
  const order = { type: "wipe", device_ids: devices.map((one) => one.id) };
  const { bulk_id } = await appliance.ask<Made>("POST", "/admin/commands", order);
  const operator = await as("operator");
  await operator.goto(`/commands?bulk_id=${bulk_id}`);
  await expect(operator.getByRole("button", { name: "Take back 2…" })).toBeVisible();
  await expect(operator.getByRole("button", { name: "Confirm…" })).toHaveCount(0);
  const viewer = await as("viewer");
  await viewer.goto(`/commands?bulk_id=${bulk_id}`);
  await expect(viewer.getByRole("progressbar")).toBeVisible();
  await expect(viewer.getByRole("button", { name: /Take back|Confirm|Send a command/ })).toHaveCount(0);

  await page.goto(`/commands?bulk_id=${bulk_id}`);
  await page.getByRole("button", { name: "Confirm…" }).click();
  const confirm = page.getByRole("dialog", { name: "Wipe: 2 devices?" });
  const wipe = confirm.getByRole("button", { name: "Wipe" });
  await confirm.getByRole("textbox").fill("wipe 3");
  await expect(wipe).toBeDisabled();
  await confirm.getByRole("textbox").fill("wipe 2");
  await wipe.click();
  await expect(page.getByRole("region", { name: `Bulk command ${bulk_id}` })).toContainText("queued2");
  expect((await devices[0]?.commands())?.map((one) => one.type)).toEqual(["wipe"]);
});

test("numbers that nothing has are told so", async ({ page, complaints }) => {
  complaints.allow(/404/);
  await page.goto("/commands?bulk_id=999999");
  await expect(page.getByText("Nothing has the number 999999.")).toBeVisible();
  await page.goto("/commands?command=999999");
  await expect(page.getByRole("dialog")).toContainText("Nothing has the number 999999; commands that are over are kept for a while only.");
});
