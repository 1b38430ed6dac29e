// SPDX-License-Identifier: Apache-2.0
/**
 * A picture of a page, as somebody who is signed in sees it:
 *
 *   node ui/tests/shot.mjs /devices out.png [light|dark] [width] [full]
 *
 * Where the console is and how to sign in: MUSTER_CONSOLE (http://127.0.0.1:5173 unless told), MUSTER_USER (admin),
 * MUSTER_PASSWORD or MUSTER_PASSWORD_FILE; or the same names in ui/tests/.shot.json, which git ignores.
 * SHOT_SIGNED_OUT=1 stays outside; SHOT_DO names a module whose default function gets the page before the picture.
 * What the page reported as errors is printed, and the exit code is 1 then.
 */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { chromium } from "@playwright/test";

const settingsFile = new URL(".shot.json", import.meta.url);
const settings = existsSync(settingsFile) ? JSON.parse(readFileSync(settingsFile, "utf8")) : {};
const setting = (name, otherwise) => process.env[name] ?? settings[name] ?? otherwise;

const [path = "/", out = "shot.png", theme = "light", width = "1440", full] = process.argv.slice(2);
const base = setting("MUSTER_CONSOLE", "http://127.0.0.1:5173");
const SETTLE_MS = Number(setting("SHOT_SETTLE_MS", "1200"));
const phone = Number(width) < 640;

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

const browser = await chromium.launch({ executablePath: setting("CHROMIUM", "/usr/bin/chromium"), args: ["--no-sandbox"] });
const problems = [];
try {
  const context = await browser.newContext({
    viewport: { width: Number(width), height: phone ? 844 : 900 },
    deviceScaleFactor: phone ? 2 : 1,
    hasTouch: phone,
    isMobile: phone,
    reducedMotion: "reduce",
    locale: "en-GB",
  });
  await context.addInitScript((choice) => localStorage.setItem("muster.theme", choice), theme);
  const token = process.env.SHOT_SIGNED_OUT ? null : await signIn(context);
  const page = await context.newPage();
  page.on("pageerror", (error) => problems.push(`page error: ${error.message}`));
  page.on("console", (message) => {
    const outside = process.env.SHOT_SIGNED_OUT && message.text().includes("401");
    if (message.type() === "error" && !outside) problems.push(`console: ${message.text()}`);
  });
  await page.goto(base + path, { waitUntil: "load" });
  await page.locator(token ? "#main, [data-page]" : "form, [data-page]").first().waitFor({ timeout: 30_000 });
  const loading = page.locator("#main [aria-busy=true]:not(button)").first();
  await loading.waitFor({ state: "detached", timeout: 15_000 }).catch(() => problems.push("still loading after 15 s"));
  await page.waitForTimeout(SETTLE_MS);
  if (process.env.SHOT_DO) await (await import(resolve(process.env.SHOT_DO))).default(page);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (wide > 0) problems.push(`the page is ${wide} px wider than the window`);
  await page.screenshot({ path: out, fullPage: full === "full" });
  if (token) await context.request.post(`${base}/api/auth/logout`, { headers: { Authorization: `Bearer ${token}` } });
} finally {
  await browser.close();
}
for (const problem of problems) console.error(problem);
console.log(out);
process.exitCode = problems.length ? 1 : 0;
