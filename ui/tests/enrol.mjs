// SPDX-License-Identifier: Apache-2.0
/**
 * An enrolment as a person does it: make a token, run the command that the page gives with the real agent, and see the page
 * turn green with the device's name; then the token is used up.
 *
 *   node ui/tests/enrol.mjs <folder with muster-agent>
 *
 * Where the console is and how to sign in: as for shot.mjs. The appliance must be on this machine.
 */
import { spawn, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium } from "@playwright/test";

const settingsFile = new URL(".shot.json", import.meta.url);
const settings = existsSync(settingsFile) ? JSON.parse(readFileSync(settingsFile, "utf8")) : {};
const setting = (name, otherwise) => process.env[name] ?? settings[name] ?? otherwise;
const base = setting("MUSTER_CONSOLE", "http://127.0.0.1:5173");
const agent = resolve(process.argv[2] ?? "build/release/bin", "muster-agent");
const ALIAS = `it's "Till" $(7) ${process.pid}`;
const ARRIVAL_MS = 20_000;

const password = () => setting("MUSTER_PASSWORD") ?? readFileSync(setting("MUSTER_PASSWORD_FILE"), "utf8").trim();

async function signIn(page) {
  await page.goto(base, { waitUntil: "load" });
  const answer = await page.context().request.post(`${base}/api/auth/login`, {
    headers: { Origin: base },
    data: { username: setting("MUSTER_USER", "admin"), password: password(), cookie: true },
  });
  if (!answer.ok()) throw new Error(`sign-in: ${answer.status()} ${await answer.text()}`);
}

async function makeToken(page, note) {
  await page.goto(`${base}/enrol`, { waitUntil: "load" });
  await page.getByRole("button", { name: "New token" }).first().click();
  await page.getByLabel("What it is for").fill(note);
  await page.getByRole("button", { name: "Make the token" }).click();
  await page.getByTestId("waiting").waitFor();
  await page.getByLabel("Its name").fill(ALIAS);
  return page.getByTestId("enrol-command").innerText();
}

const stateIs = (page, state) => page.locator(`[data-testid=waiting][data-state=${state}]`).waitFor({ timeout: ARRIVAL_MS });

const state = mkdtempSync(join(tmpdir(), "muster-enrol-"));
const options = ["--config", join(state, "agent.conf"), "--state-dir", state];
const browser = await chromium.launch({ executablePath: setting("CHROMIUM", "/usr/bin/chromium"), args: ["--no-sandbox"] });
let running = null;
try {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 1000 }, ignoreHTTPSErrors: true })).newPage();
  await signIn(page);
  const note = `journey ${process.pid}`;
  const command = await makeToken(page, note);
  await stateIs(page, "waiting");

  const quoted = [agent, "enroll", ...options].map((word) => `'${word}'`).join(" ");
  execFileSync("bash", ["-c", command.replace("muster-agent enroll", () => quoted)], { stdio: ["ignore", "ignore", "inherit"] });
  await stateIs(page, "arriving"); // registered, not heard of yet
  running = spawn(agent, ["run", ...options], { stdio: "ignore" });
  await stateIs(page, "done");
  await page.getByTestId("waiting").getByText(ALIAS, { exact: true }).first().waitFor();

  await page.getByRole("radio", { name: /^All/ }).click();
  const row = page.getByRole("row").filter({ hasText: note });
  await row.getByText("used up").waitFor();
  await row.getByText("1 of 1").waitFor();
  console.log("Enrolled, and the page has seen it.");
} finally {
  running?.kill("SIGTERM");
  await browser.close();
  rmSync(state, { recursive: true, force: true });
}
