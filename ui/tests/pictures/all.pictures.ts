// SPDX-License-Identifier: Apache-2.0
/** Each view of tests/house/pages.ts: at a desk in both themes, and on a phone. A page that reports an error fails. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test as base, type BrowserContext, type Page } from "@playwright/test";
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

/** One session a look, so that an account's limits of requests and sessions are not in the way. */
async function dressed(context: BrowserContext, { theme }: Look): Promise<Page> {
  await context.addInitScript((choice) => localStorage.setItem("muster.theme", choice), theme);
  return context.newPage();
}

for (const look of LOOKS)
  test.describe(look.suffix, () => {
    test.use({
      viewport: { width: look.width, height: look.height },
      deviceScaleFactor: look.scale,
      hasTouch: look.scale > 1,
      isMobile: look.scale > 1,
    });
    for (const view of [...PLACES, ...DIALOGS].filter(isChosen))
      test(view.name, async ({ context, subject }) => {
        const { url, deviceId } = subject;
        test.skip(deviceId === null && view.path.includes("{device}"), "this appliance has no device");
        const page = await dressed(context, look);
        const complaints = new Complaints();
        complaints.watch(page);
        await signedIn(context, subject);
        await open(page, { ...view, path: url + view.path }, deviceId ?? "");
        await page.screenshot({ path: join(FOLDER, `${view.name}-${look.suffix}.png`) });
        if (complaints.left().length) throw new Error(complaints.left().join("\n"));
      });
    test("sign-in", async ({ context, subject }) => {
      test.skip(chosen.length > 0 && !chosen.includes("sign-in"));
      const page = await dressed(context, look);
      await page.goto(subject.url);
      await page.getByLabel("Password", { exact: true }).waitFor();
      await page.evaluate(() => document.fonts.ready);
      await page.screenshot({ path: join(FOLDER, `sign-in-${look.suffix}.png`) });
    });
  });

async function signedIn(context: BrowserContext, { url, username, password }: Subject): Promise<void> {
  const answer = await context.request.post(`${url}/api/auth/login`, {
    headers: { Origin: url },
    data: { username, password, cookie: true },
  });
  if (!answer.ok()) throw new Error(`sign-in: ${answer.status()} ${await answer.text()}`);
}
