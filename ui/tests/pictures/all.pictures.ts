// SPDX-License-Identifier: Apache-2.0
/** Each view of tests/house/pages.ts: at a desk in both themes, and on a phone. A page that reports an error fails. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { test as base, type Browser, type BrowserContext } from "@playwright/test";
import { Appliance } from "../house/appliance";
import { Complaints } from "../house/journey";
import { DIALOGS, open, PLACES, type View } from "../house/pages";
import { setScene } from "../house/scene";

const FOLDER = resolve(process.env["MUSTER_PICTURES"] ?? join(import.meta.dirname, "../../../build/screenshots"));
const LOOKS = [
  { suffix: "light", theme: "light", width: 1440, height: 900, scale: 1 },
  { suffix: "dark", theme: "dark", width: 1440, height: 900, scale: 1 },
  { suffix: "phone-light", theme: "light", width: 390, height: 844, scale: 2 },
];
type Look = (typeof LOOKS)[number];
const BETWEEN_MS = 6_000;

const chosen = (process.env["MUSTER_PICTURES_OF"] ?? "").split(" ").filter(Boolean);
const isChosen = ({ name, path }: View) => chosen.length === 0 || chosen.some((word) => word === name || word === path);

/** Whose pictures are taken. */
interface Subject {
  url: string;
  username: string;
  password: string;
  deviceId: string | null;
}

async function ask<Answer>(url: string, token: string | null, body?: unknown): Promise<Answer> {
  const answer = await fetch(url, {
    method: body ? "POST" : "GET",
    headers: { "Content-Type": "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Answer;
}

/** The appliance that runs, with somebody's page if there is anybody. */
async function running(url: string, passwordFile: string | undefined): Promise<Subject> {
  if (!passwordFile) throw new Error("MUSTER_PASSWORD_FILE is needed to sign in at MUSTER_CONSOLE");
  const password = readFileSync(passwordFile, "utf8").trim();
  const { access_token } = await ask<{ access_token: string }>(`${url}/api/auth/login`, null, { username: "admin", password });
  const { devices } = await ask<{ devices: { id: string }[] }>(`${url}/admin/devices?limit=1`, access_token);
  return { url, username: "admin", password, deviceId: devices[0]?.id ?? null };
}

const test = base.extend<object, { subject: Subject }>({
  subject: [
    async ({}, use) => {
      const url = process.env["MUSTER_CONSOLE"];
      if (url) return use(await running(url, process.env["MUSTER_PASSWORD_FILE"]));
      const appliance = new Appliance();
      try {
        await appliance.start();
        const { close, ...scene } = await setScene(appliance);
        await use({ url: appliance.url, ...scene });
        await close();
      } finally {
        await appliance.destroy();
      }
    },
    { scope: "worker", timeout: 240_000 },
  ],
});

/** One session a look: a person does not sign in for every page either. */
const contexts = new Map<Look, Promise<BrowserContext>>();

async function dressed(browser: Browser, look: Look, subject: Subject): Promise<BrowserContext> {
  const { theme, width, height, scale } = look;
  const phone = scale > 1;
  const { contextOptions, locale, timezoneId } = test.info().project.use;
  const context = await browser.newContext({
    ...contextOptions,
    locale,
    timezoneId,
    viewport: { width, height },
    deviceScaleFactor: scale,
    hasTouch: phone,
    isMobile: phone,
  });
  await context.addInitScript((choice) => localStorage.setItem("muster.theme", choice), theme);
  const page = await context.newPage();
  await page.goto(subject.url);
  await page.getByLabel("Password", { exact: true }).waitFor();
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: join(FOLDER, `sign-in-${look.suffix}.png`) });
  await page.close();
  await signIn(context, subject);
  return context;
}

async function signIn(context: BrowserContext, { url, username, password }: Subject): Promise<void> {
  const answer = await context.request.post(`${url}/api/auth/login`, {
    headers: { Origin: url },
    data: { username, password, cookie: true },
  });
  if (!answer.ok()) throw new Error(`sign-in: ${answer.status()} ${await answer.text()}`);
}

function contextOf(browser: Browser, look: Look, subject: Subject): Promise<BrowserContext> {
  const context = contexts.get(look) ?? dressed(browser, look, subject);
  contexts.set(look, context);
  return context;
}

/** People who use the running appliance have the same limits: 60 requests a minute, and a page asks several. */
const between = () => (process.env["MUSTER_CONSOLE"] ? pause(BETWEEN_MS) : Promise.resolve());

for (const look of LOOKS)
  for (const view of [...PLACES, ...DIALOGS].filter(isChosen))
    test(`${view.name}, ${look.suffix}`, async ({ browser, subject }) => {
      const { url, deviceId } = subject;
      test.skip(deviceId === null && view.path.includes("{device}"), "this appliance has no device");
      const page = await (await contextOf(browser, look, subject)).newPage();
      const complaints = new Complaints();
      complaints.allow(/404.*alert-subscription/); // who has none is told so
      complaints.watch(page);
      try {
        await open(page, { ...view, path: url + view.path }, deviceId ?? "");
        await page.screenshot({ path: join(FOLDER, `${view.name}-${look.suffix}.png`) });
      } finally {
        await page.close();
        await between();
      }
      if (complaints.left().length) throw new Error(complaints.left().join("\n"));
    });
