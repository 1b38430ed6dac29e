// SPDX-License-Identifier: Apache-2.0
/** One device's page: what it reported, what is asked of it, what people wrote about it, and all of it alive. */
import type { Page } from "@playwright/test";
import type { Appliance } from "../house/appliance";
import { Device } from "../house/device";
import { expect, test } from "../house/journey";
import { Agent, load } from "../house/program";
import { sql } from "../house/sql";
import { until } from "../house/until";

test.use({ house: { name: "device" } });

interface Command {
  id: string;
  type: string;
  state: string;
}

const commandsOf = async (appliance: Appliance, id: string) =>
  (await appliance.ask<{ commands: Command[] }>("GET", `/admin/commands?device_id=${id}`)).commands;
const actions = async (appliance: Appliance) =>
  (await appliance.ask<{ entries: { action: string; subject: string; actor: string }[] }>("GET", "/admin/audit?limit=50")).entries;

/** The menu of commands, and the one that is chosen. */
async function choose(page: Page, name: string): Promise<void> {
  await page.getByRole("button", { name: "Command", exact: true }).click();
  await page.getByRole("menuitem", { name }).click();
}
const table = (page: Page) => page.getByRole("grid", { name: "Commands of this device" });
const rowOf = (page: Page, name: string) => table(page).getByRole("row").filter({ hasText: name });

test("the history that the generator made is drawn, and a heartbeat changes the page", async ({ page, appliance }) => {
  await load(appliance, "compressed", { devices: 3, duration: "4s", speed: 3000 }).ended;
  const { devices } = await appliance.ask<{ devices: { id: string }[] }>("GET", "/admin/devices?limit=1&q=load-");
  await page.goto(`/devices/${devices[0]?.id}`);
  await page.getByRole("radio", { name: "7 d" }).click();
  for (const name of ["Battery", "RAM free", "Heard of", "App in the foreground"])
    await expect(page.getByRole("figure", { name: new RegExp(`^${name}`) })).toBeVisible();

  const device = await Device.register(appliance, "Lively till");
  await device.heartbeat({ battery: 80, network: "wifi", fg_package: "com.example.till", ts: Date.now() / 1000 - 900 });
  await page.goto(`/devices/${device.id}`);
  await expect(page.getByText("80%", { exact: true })).toBeVisible();
  await expect(page.getByRole("figure", { name: "Battery: 80 % throughout." })).toBeVisible();
  await device.heartbeat({ battery: 42, network: "cellular", fg_package: "com.example.scanner" });
  await expect(page.getByText("42%", { exact: true })).toBeVisible();
  await expect(page.getByText("com.example.scanner")).toBeVisible();
  await expect(page.getByRole("figure", { name: "Battery: 42 % at the end; between 42 % and 80 %." })).toBeVisible();
  await page.getByRole("tab", { name: "Last heartbeat" }).click();
  await expect(page.getByText('"battery": 42')).toBeVisible();
  await page.getByRole("tab", { name: "Events" }).click();
  await expect(page.getByRole("listitem").filter({ hasText: "App in front" })).toContainText("com.example.till → com.example.scanner");
});

test("time is zoomed by keys, by buttons and by fingers", async ({ page, appliance }) => {
  const device = await Device.register(appliance, "Zoomed till");
  for (let back = 20; back >= 0; back--) await device.heartbeat({ battery: 60 + back, ts: Date.now() / 1000 - back * 600 });
  await page.goto(`/devices/${device.id}`);
  const charts = page.getByRole("group", { name: /^Charts over time/ });
  const zoom = page.getByRole("group", { name: "Zoom" });
  const shown = zoom.getByRole("status");
  const all = zoom.getByRole("button", { name: "Show all" });
  const narrower = () =>
    page.waitForRequest((request) => {
      const asked = new URL(request.url());
      const hours = (Date.parse(asked.searchParams.get("to") ?? "") - Date.parse(asked.searchParams.get("from") ?? "")) / 3_600_000;
      return asked.pathname.endsWith("/history") && hours < 23.5;
    });
  await expect(charts).toBeVisible();
  await expect(all).toBeHidden();

  const asked = narrower();
  await charts.focus();
  await page.keyboard.press("+");
  await expect(all).toBeVisible();
  await asked;
  const half = await shown.innerText();
  await page.keyboard.press("End");
  await expect(shown).not.toHaveText(half);
  await page.keyboard.press("0");
  await expect(all).toBeHidden();

  await zoom.getByRole("button", { name: "Zoom in" }).click();
  await zoom.getByRole("button", { name: "Later" }).click();
  await expect(all).toBeVisible();
  await all.click();
  await expect(all).toBeHidden();

  const box = await charts.boundingBox();
  if (!box) throw new Error("the charts are nowhere");
  const fingers = await page.context().newCDPSession(page);
  const point = (side: number, apart: number) => ({ x: box.x + box.width / 2 + side * apart, y: box.y + 60, id: side + 1 });
  const touch = (type: "touchStart" | "touchMove" | "touchEnd", apart: number) =>
    fingers.send("Input.dispatchTouchEvent", { type, touchPoints: type === "touchEnd" ? [] : [point(-1, apart), point(1, apart)] });
  const spread = narrower();
  await touch("touchStart", 40);
  for (const apart of [60, 90, 140]) await touch("touchMove", apart);
  await touch("touchEnd", 0);
  await expect(all).toBeVisible();
  await spread;
});

test("site, tags and notes are edited where they stand; two editors are told of each other", async ({ page, appliance }) => {
  const device = await Device.register(appliance, "Edited till");
  await page.goto(`/devices/${device.id}`);
  await page.getByRole("button", { name: "Change site" }).click();
  await page.getByRole("combobox", { name: "Site" }).fill("Hamburg");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: "Change site" })).toBeFocused();
  await page.getByRole("button", { name: "Change tags" }).click();
  await page.getByRole("combobox", { name: "Tags" }).fill("north, till");
  await page.getByRole("button", { name: "Save tags" }).click();
  await expect(page.getByText("north", { exact: true })).toBeVisible();
  expect(await appliance.ask("GET", `/admin/devices/${device.id}`)).toMatchObject({ site: "Hamburg", tags: ["north", "till"] });

  await page.getByRole("button", { name: "Change notes" }).click();
  const notes = page.getByRole("textbox", { name: "Notes" });
  await notes.fill("Mine");
  await appliance.ask("PATCH", `/admin/devices/${device.id}`, { notes: "Theirs" });
  await page.getByRole("button", { name: "Save notes" }).click();
  const told = page.getByRole("alert").filter({ hasText: "Somebody changed notes while you wrote." });
  await expect(told).toContainText("It is now Theirs.");
  expect(await appliance.ask("GET", `/admin/devices/${device.id}`)).toMatchObject({ notes: "Theirs" });
  await told.getByRole("button", { name: "Replace it by mine" }).click();
  await expect(notes).toBeHidden();
  await expect(page.getByText("Mine", { exact: true })).toBeVisible();
  expect(await appliance.ask("GET", `/admin/devices/${device.id}`)).toMatchObject({ notes: "Mine" });

  await page.getByRole("button", { name: "Change reports every" }).click();
  await page.getByRole("textbox", { name: "Reports every" }).fill("5");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alert").filter({ hasText: "from 10 to 86,400" })).toBeVisible();
  await page.keyboard.press("Escape");

  await page.getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: "Rename…" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("Till of Hamburg");
  await page.getByRole("button", { name: "Rename" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Till of Hamburg" })).toBeVisible();
});

test("a ping goes to the real agent and its answer comes while one looks", async ({ page, appliance }) => {
  const { token } = await appliance.ask<{ token: string }>("POST", "/admin/enrolment-tokens", { max_uses: 1, expires_in_s: 3600 });
  const agent = new Agent(appliance, "pinged");
  await agent.enrol(`printf %s ${token} | muster-agent enroll --server ${appliance.url} --token-file - --alias 'Real agent'`);
  const { devices } = await appliance.ask<{ devices: { id: string }[] }>("GET", "/admin/devices?q=Real%20agent");
  const id = devices[0]?.id ?? "";
  await page.goto(`/devices/${id}`);
  await choose(page, "Ping"); // it waits: the agent does not run yet
  await expect(rowOf(page, "Ping").getByText("queued")).toBeVisible();
  agent.start();
  try {
    await expect(rowOf(page, "Ping").getByText("done", { exact: true })).toBeVisible();
    await rowOf(page, "Ping").click();
    await expect(page.getByRole("dialog", { name: "Ping" })).toContainText("agent_version");
    expect((await commandsOf(appliance, id))[0]).toMatchObject({ type: "ping", state: "done" });
  } finally {
    await agent.stop();
  }
});

test("a command's states come one by one; a failure says why; one that waits is taken back or expires", async ({ page, appliance }) => {
  const device = await Device.register(appliance, "Slow till");
  await page.goto(`/devices/${device.id}/commands`);
  await choose(page, "Ping");
  await expect(rowOf(page, "Ping").getByText("queued")).toBeVisible();
  const ping = await device.next("ping");
  await expect(rowOf(page, "Ping").getByText("sent")).toBeVisible();
  await device.received(ping.command_id);
  await expect(rowOf(page, "Ping").getByText("received")).toBeVisible();
  await device.finish(ping.command_id, { result: { ok: true } });
  await expect(rowOf(page, "Ping").getByText("done", { exact: true })).toBeVisible();

  await choose(page, "Launch an app…");
  const form = page.getByRole("dialog", { name: "Launch an app: Slow till" });
  await form.getByRole("button", { name: "Send" }).click();
  await expect(form.getByRole("alert").filter({ hasText: "Package is needed." })).toBeVisible();
  await form.getByRole("textbox", { name: "Package" }).fill("com.example.absent");
  await form.getByRole("button", { name: "Send" }).click();
  const launch = await device.next("launch_package");
  await device.finish(launch.command_id, { error: "No such package is installed." });
  await expect(rowOf(page, "Launch an app").getByText("failed")).toBeVisible();
  await expect(rowOf(page, "Launch an app")).toContainText("No such package is installed.");

  await choose(page, "Reboot…");
  await page
    .getByRole("dialog", { name: /^Reboot/ })
    .getByRole("button", { name: "Send" })
    .click();
  await rowOf(page, "Reboot").click();
  const drawer = page.getByRole("dialog", { name: "Reboot" });
  await expect(drawer).toContainText("Ends by itself");
  await drawer.getByRole("button", { name: "Take it back…" }).click();
  await page.getByRole("dialog", { name: "Take back: Reboot?" }).getByRole("button", { name: "Take it back" }).click();
  await expect(drawer.getByText("cancelled").first()).toBeVisible();
  expect((await commandsOf(appliance, device.id)).find((one) => one.type === "reboot")?.state).toBe("cancelled");
  expect(await device.commands()).toEqual([]);
  await drawer.getByRole("button", { name: "Close" }).click();

  await choose(page, "Lock the screen…");
  const lock = page.getByRole("dialog", { name: /^Lock the screen/ });
  await lock.getByRole("combobox", { name: "Time to be received" }).selectOption("10 minutes");
  await lock.getByRole("button", { name: "Send" }).click();
  await expect(rowOf(page, "Lock the screen").getByText("queued")).toBeVisible();
  await expect(rowOf(page, "Lock the screen")).toContainText(/ends in (9|10) min/);
  sql(appliance, "UPDATE commands SET expires_at = now() WHERE type = 'lock'"); // as ten minutes later
  await expect(rowOf(page, "Lock the screen").getByText("expired")).toBeVisible();
});

test("a screenshot is asked for with its reason and seen, large too", async ({ page, appliance }) => {
  const device = await Device.register(appliance, "Seen till");
  await page.goto(`/devices/${device.id}`);
  await choose(page, "Take a screenshot…");
  await page.getByRole("textbox", { name: /^Reason/ }).fill("The customer sees a blank page");
  await page.getByRole("button", { name: "Send" }).click();
  const asked = await device.next("screenshot");
  expect(JSON.parse(asked.payload)).toEqual({ reason: "The customer sees a blank page" });
  await device.finish(asked.command_id, { result: { media_type: "image/png", data: PICTURE, user_notified: true } });
  await expect(rowOf(page, "Take a screenshot").getByText("done", { exact: true })).toBeVisible();
  await rowOf(page, "Take a screenshot").click();
  const picture = page.getByRole("img", { name: "The screen of Seen till" });
  await expect(picture).toBeVisible();
  await expect(page.getByText("2 × 3")).toBeVisible(); // decoded, not only there
  await expect(page.getByText("Whoever uses the device was told.")).toBeVisible();
  await page.getByRole("button", { name: "Large", exact: true }).click();
  await expect(page.getByRole("dialog", { name: "The screen of Seen till" }).getByRole("img")).toBeVisible();
});

/** 2 by 3 pixels. */
const PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAIAAAA2iEnWAAAAEElEQVR4nGM4IQcEJxhQKABAEQYZ0vND3gAAAABJRU5ErkJggg==";

test("a wipe takes two steps and a name; an operator has no such command", async ({ page, as, appliance }) => {
  const device = await Device.register(appliance, "Lost till");
  await page.goto(`/devices/${device.id}`);
  await choose(page, "Wipe…");
  await page.getByRole("textbox", { name: /^Reason/ }).fill("Stolen");
  await page.getByRole("button", { name: "Go on" }).click();
  const confirm = page.getByRole("dialog", { name: "Wipe Lost till?" });
  await expect(confirm.getByRole("button", { name: "Wipe for good" })).toBeDisabled();
  expect((await commandsOf(appliance, device.id))[0]).toMatchObject({ type: "wipe", state: "awaiting_confirmation" });
  await confirm.getByRole("textbox").fill("Lost till");
  await confirm.getByRole("button", { name: "Wipe for good" }).click();
  await expect(rowOf(page, "Wipe").getByText("queued")).toBeVisible();
  const wipe = await device.next("wipe");
  expect(JSON.parse(wipe.payload)).toEqual({ reason: "Stolen" });
  const audited = await actions(appliance);
  for (const action of ["command.create", "command.confirm"])
    expect(audited).toContainEqual(expect.objectContaining({ action, subject: `command:${wipe.command_id}`, actor: "user:admin" }));

  const operator = await as("operator");
  await operator.goto(`/devices/${device.id}`);
  await operator.getByRole("button", { name: "Command", exact: true }).click();
  await expect(operator.getByRole("menuitem", { name: "Ping" })).toBeVisible();
  await expect(operator.getByRole("menuitem", { name: /Wipe|Raw/ })).toHaveCount(0);
  await operator.getByRole("menuitem", { name: "Ping" }).click();
  await expect(rowOf(operator, "Ping")).toBeVisible();
  const viewer = await as("viewer");
  await viewer.goto(`/devices/${device.id}`);
  await expect(viewer.getByRole("heading", { level: 1, name: "Lost till" })).toBeVisible();
  await expect(viewer.getByRole("button", { name: "Command", exact: true })).toHaveCount(0);
});

test("what is watched: the fleet's is shown, one's own is kept and given back", async ({ page, appliance }) => {
  await appliance.ask("PATCH", "/admin/monitoring", { package: "com.example.fleet", display_name: "Fleet", threshold_min: 12 });
  const device = await Device.register(appliance, "Watched till");
  await page.goto(`/devices/${device.id}/monitoring`);
  const field = page.getByRole("textbox", { name: "Package" });
  await expect(field).toHaveValue("com.example.fleet");
  await expect(page.getByText("As the fleet has it: 12 min.")).toBeVisible();
  await field.fill("com.example.own");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(page.getByText("This device’s own; the fleet has com.example.fleet.")).toBeVisible();
  const kept = () => appliance.ask<{ from_fleet: string[] }>("GET", `/admin/devices/${device.id}/monitoring`);
  await expect.poll(kept).toMatchObject({ package: "com.example.own", threshold_min: 12 });
  await page.getByRole("button", { name: "As the fleet again" }).click();
  await expect(field).toHaveValue("com.example.fleet");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(page.getByText("As the fleet has it: com.example.fleet.")).toBeVisible();
  await expect.poll(async () => (await kept()).from_fleet).toContain("package");
});

test("an alert leads from the device to its incident", async ({ page, appliance }) => {
  const device = await Device.register(appliance, "Empty till");
  await appliance.ask("PUT", `/admin/alert-rules/low_battery/devices/${device.id}`, { enabled: true, threshold: 20, hold_s: 0 });
  await device.heartbeat({ battery: 3, charging: false });
  await page.goto(`/devices/${device.id}/alerts`);
  await page
    .getByRole("link", { name: /battery/i })
    .first()
    .click();
  await expect(page).toHaveURL(/\/alerts\?incident=\d+/);
  await expect(page.getByRole("dialog")).toContainText("Empty till");
});

test("deleted by somebody else while it is open, deleted here by name, and never there", async ({ page, appliance, complaints }) => {
  const gone = await Device.register(appliance, "Gone till");
  await page.goto(`/devices/${gone.id}`);
  await expect(page.getByRole("button", { name: "Command", exact: true })).toBeVisible();
  await appliance.ask("DELETE", `/admin/devices/${gone.id}`);
  await expect(page.getByText("What is left of it is its history.")).toBeVisible();
  await expect(page.getByRole("button", { name: "Command", exact: true })).toHaveCount(0);

  const device = await Device.register(appliance, "Old till");
  await page.goto(`/devices/${device.id}`);
  await page.getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: "Delete…" }).click();
  const confirm = page.getByRole("dialog", { name: "Delete Old till?" });
  await expect(confirm.getByRole("button", { name: "Delete for good" })).toBeDisabled();
  await confirm.getByRole("textbox").fill("Old till");
  await confirm.getByRole("button", { name: "Delete for good" }).click();
  await expect(page).toHaveURL(/\/devices$/);
  expect(await appliance.ask("GET", `/admin/devices/${device.id}`)).toMatchObject({ status: "deleted" });
  expect(await actions(appliance)).toContainEqual(expect.objectContaining({ action: "device.delete", subject: `device:${device.id}` }));

  complaints.allow(/404/);
  await page.goto("/devices/999999");
  await expect(page.getByText("Nothing in the fleet has the id 999999.")).toBeVisible();
  await page.getByRole("link", { name: "All devices" }).click();
  await expect(page).toHaveURL(/\/devices$/);
});

test("two that share an identity are decided upon here; a new key travels as a command", async ({ page, appliance }) => {
  const device = await Device.register(appliance, "Twin till");
  await appliance.actAsTwo(device.made);
  await until("the quarantine", async () => {
    const { status } = await appliance.ask<{ status: string }>("GET", `/admin/devices/${device.id}`);
    return status === "quarantined";
  });
  await page.goto(`/devices/${device.id}`);
  await page.getByRole("button", { name: "Decide…" }).click();
  await page.getByRole("dialog", { name: "Quarantine of Twin till" }).getByRole("button", { name: "End the quarantine" }).click();
  await expect(page.getByRole("button", { name: "Decide…" })).toHaveCount(0);
  expect(await appliance.ask("GET", `/admin/devices/${device.id}`)).toMatchObject({ quarantined_at: null });

  await page.getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: "Rotate its key…" }).click();
  await page.getByRole("button", { name: "Rotate", exact: true }).click();
  await page.getByRole("tab", { name: /^Commands/ }).click();
  await expect(rowOf(page, "Rotate the key").getByText("queued")).toBeVisible();
  expect((await commandsOf(appliance, device.id))[0]).toMatchObject({ type: "rotate_key", state: "queued" });
});
