// SPDX-License-Identifier: Apache-2.0
/**
 * What axe-core finds on every page, in both themes, as somebody who is signed in:
 *
 *   node ui/tests/axe.mjs [path …]
 *
 * Without paths: all pages, their tabs, and the dialogs named below. Where the console is and how to sign in: as for
 * shot.mjs (MUSTER_CONSOLE, MUSTER_USER, MUSTER_PASSWORD or MUSTER_PASSWORD_FILE, or tests/.shot.json).
 * AXE_WIDTH is the window's width (1280). Exit code 1 if anything was found.
 */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "@playwright/test";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const settingsFile = new URL(".shot.json", import.meta.url);
const settings = existsSync(settingsFile) ? JSON.parse(readFileSync(settingsFile, "utf8")) : {};
const setting = (name, otherwise) => process.env[name] ?? settings[name] ?? otherwise;

const base = setting("MUSTER_CONSOLE", "http://127.0.0.1:5173");
const width = Number(setting("AXE_WIDTH", "1280"));
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const NODES_SHOWN = 4;

const press = (name) => async (page) => {
  await page.getByRole("button", { name }).first().click();
  await page.getByRole("dialog").first().waitFor();
};

/** Path, and what to do before looking. `{device}` is the id of some device. */
const PAGES = [
  ["/"],
  ["/devices"],
  ["/devices/{device}"],
  ["/commands"],
  ["/alerts"],
  ["/enrol"],
  ["/enrol", "New token", press("New token")],
  ["/appliance"],
  ["/audit"],
  ["/audit?tab=events"],
  ["/audit?tab=offenders"],
  ["/people"],
  ["/people", "New user", press("New user")],
  ["/people?tab=tokens"],
  ["/people?tab=tokens", "New API token", press("New API token")],
  ["/settings"],
];

function password() {
  const given = setting("MUSTER_PASSWORD");
  if (given) return given;
  const file = setting("MUSTER_PASSWORD_FILE");
  if (!file) throw new Error("MUSTER_PASSWORD or MUSTER_PASSWORD_FILE is needed to sign in");
  return readFileSync(file, "utf8").trim();
}

async function signIn(context) {
  const answer = await context.request.post(`${base}/api/auth/login`, {
    headers: { Origin: base },
    data: { username: setting("MUSTER_USER", "admin"), password: password(), cookie: true },
  });
  if (!answer.ok()) throw new Error(`sign-in: ${answer.status()} ${await answer.text()}`);
  return (await answer.json()).access_token;
}

async function someDevice(context, token) {
  const answer = await context.request.get(`${base}/admin/devices?limit=1`, { headers: { Authorization: `Bearer ${token}` } });
  return (await answer.json()).devices?.[0]?.id ?? null;
}

async function settled(page) {
  await page.locator("#main, form, [data-page]").first().waitFor({ timeout: 30_000 });
  for (const loading of ["#main [aria-busy=true]", "#main [role=status][aria-label$='are being read']"])
    await page.locator(loading).first().waitFor({ state: "detached", timeout: 15_000 }).catch(() => {});
  await page.waitForTimeout(800);
}

async function violations(page) {
  // Through the debugger: the content security policy, rightly, lets no script in from a test.
  await page.evaluate(axe);
  return page.evaluate(async (tags) => {
    const { violations: found } = await globalThis.axe.run(document, { runOnly: { type: "tag", values: tags } });
    return found.map(({ id, impact, help, nodes }) => ({
      id,
      impact,
      help,
      nodes: nodes.map(({ target, failureSummary }) => `${target.join(" ")}\n        ${(failureSummary ?? "").split("\n").slice(1, 2).join("").trim()}`),
    }));
  }, TAGS);
}

function report(where, found) {
  console.log(`${found.length ? "✗" : "✓"} ${where}`);
  for (const { id, impact, help, nodes } of found) {
    console.log(`    ${impact} ${id}: ${help} (${nodes.length})`);
    for (const node of nodes.slice(0, NODES_SHOWN)) console.log(`      ${node}`);
  }
}

async function look(context, theme, path, name, before) {
  const page = await context.newPage();
  try {
    await page.goto(base + path, { waitUntil: "load" });
    await settled(page);
    if (before) {
      await before(page);
      await page.waitForTimeout(300);
    }
    const found = await violations(page);
    report(`${theme} ${path}${name ? ` (${name})` : ""}`, found);
    return found.length;
  } catch (error) {
    report(`${theme} ${path}${name ? ` (${name})` : ""}`, [{ id: "not-looked-at", impact: "error", help: error.message.split("\n")[0], nodes: [] }]);
    return 1;
  } finally {
    await page.close();
  }
}

async function theme(browser, choice, given) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, reducedMotion: "reduce", locale: "en-GB", ignoreHTTPSErrors: true });
  await context.addInitScript((one) => localStorage.setItem("muster.theme", one), choice);
  let found = given.length ? 0 : await look(context, choice, "/", "signed out");
  const token = await signIn(context);
  const device = await someDevice(context, token);
  const pages = given.length ? given.map((path) => [path]) : PAGES;
  for (const [path, name, before] of pages) {
    if (path.includes("{device}") && !device) continue;
    found += await look(context, choice, path.replace("{device}", device), name, before);
  }
  await context.request.post(`${base}/api/auth/logout`, { headers: { Authorization: `Bearer ${token}` } });
  await context.close();
  return found;
}

const browser = await chromium.launch({ executablePath: setting("CHROMIUM", "/usr/bin/chromium"), args: ["--no-sandbox"] });
let found = 0;
try {
  for (const choice of ["light", "dark"]) found += await theme(browser, choice, process.argv.slice(2));
} finally {
  await browser.close();
}
console.log(found ? `${found} kinds of violations` : "Nothing to put right.");
process.exitCode = found ? 1 : 0;
