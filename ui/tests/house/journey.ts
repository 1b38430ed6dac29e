// SPDX-License-Identifier: Apache-2.0
/**
 * What every journey begins with:
 *
 *   import { expect, test } from "../house/journey";
 *   test.use({ house: { name: "devices" } });             // an appliance of this file's own, with settings if need be
 *   test("finds a device", async ({ appliance, page }) => { … });          // page: signed in as admin, not yet anywhere
 *   test("…", async ({ as }) => { const page = await as("viewer"); … });   // somebody else, in a browser of their own
 *
 * A page that reports an error of its own (an exception, a refused script, console.error) fails the test.
 */
import { test as base, type BrowserContext, type Page } from "@playwright/test";
import { Appliance } from "./appliance";

export { expect } from "@playwright/test";

export type Role = "admin" | "operator" | "viewer";

export interface House {
  /** Files with another name have another appliance. */
  name: string;
  /** MUSTER_… variables of its environment, i.e. its settings; {home} is its folder. */
  settings?: Record<string, string>;
}

interface WorkerParts {
  house: House;
  appliance: Appliance;
}

interface Parts {
  as: (role: Role, options?: { signedOut?: boolean }) => Promise<Page>;
  /** What a page may say as an error without failing the test: `complaints.allow(/404/)`. */
  complaints: Complaints;
}

export class Complaints {
  readonly #said: string[] = [];
  readonly #allowed: RegExp[] = [];

  allow(pattern: RegExp): void {
    this.#allowed.push(pattern);
  }

  watch(page: Page): void {
    page.on("pageerror", (error) => this.#said.push(`exception: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error") this.#said.push(`console: ${message.text()} (${message.location().url})`);
    });
  }

  left(): string[] {
    return this.#said.filter((text) => !this.#allowed.some((pattern) => pattern.test(text)));
  }
}

/** By the API instead of the form, which has a journey of its own. */
export async function signIn(context: BrowserContext, appliance: Appliance, role: Role): Promise<void> {
  const answer = await context.request.post(`${appliance.url}/api/auth/login`, {
    headers: { Origin: appliance.url },
    data: { username: role, password: await appliance.passwordOf(role), cookie: true },
  });
  if (!answer.ok()) throw new Error(`sign-in as ${role}: ${answer.status()} ${await answer.text()}`);
}

export const test = base.extend<Parts, WorkerParts>({
  house: [{ name: "any" }, { scope: "worker", option: true }],
  appliance: [
    async ({ house }, use) => {
      const appliance = new Appliance(house.settings);
      try {
        await use(await appliance.start());
      } finally {
        await appliance.destroy();
      }
    },
    { scope: "worker", timeout: 240_000 },
  ],
  baseURL: async ({ appliance }, use) => use(appliance.url),
  complaints: async ({}, use) => {
    const complaints = new Complaints();
    await use(complaints);
    const left = complaints.left();
    if (left.length) throw new Error(`The page complained:\n  ${left.join("\n  ")}`);
  },
  page: async ({ context, page, appliance, complaints }, use) => {
    complaints.watch(page);
    await signIn(context, appliance, "admin");
    await use(page);
  },
  as: async ({ browser, appliance, complaints, contextOptions, viewport, locale, timezoneId }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async (role, options = {}) => {
      const context = await browser.newContext({ ...contextOptions, viewport, locale, timezoneId, baseURL: appliance.url });
      contexts.push(context);
      const page = await context.newPage();
      complaints.watch(page);
      if (!options.signedOut) await signIn(context, appliance, role);
      return page;
    });
    for (const context of contexts) await context.close();
  },
});
