// SPDX-License-Identifier: Apache-2.0
/** Views of the list of devices: in the account, so in every browser of their person; older ones are brought from the browser. */
import type { APIRequestContext, Page } from "@playwright/test";
import { expect, test as base } from "../house/journey";

interface Account {
  keep: (name: string, query: string) => Promise<void>;
}

/** The admin's, by the API; each test begins without views. */
const test = base.extend<{ account: Account }>({
  account: [
    async ({ request, appliance }, use) => {
      const person = { username: "admin", password: await appliance.passwordOf("admin") };
      const signedIn = await request.post("/api/auth/login", { data: person });
      const headers = { Authorization: `Bearer ${((await signedIn.json()) as { access_token: string }).access_token}` };
      const ask = async (method: keyof Pick<APIRequestContext, "get" | "post" | "delete">, path = "", data?: object) => {
        const answer = await request[method](`/api/auth/me/views${path}`, { headers, data });
        if (!answer.ok()) throw new Error(`${method} ${path}: ${answer.status()} ${await answer.text()}`);
        return answer;
      };
      const { views } = (await (await ask("get")).json()) as { views: { id: string }[] };
      for (const { id } of views) await ask("delete", `/${id}`);
      await use({ keep: async (name, query) => void (await ask("post", "", { page: "devices", name, query })) });
    },
    { auto: true },
  ],
});

test.use({ house: { name: "devices-views" } });

const VIEWS = "**/api/auth/me/views*";
const KEPT_BY_BROWSER = "muster.views.devices";

const menu = (page: Page) => page.getByRole("dialog", { name: "Views" });
const view = (page: Page, name: string) => menu(page).getByRole("button", { name, exact: true });
const names = (page: Page) => menu(page).getByRole("list", { name: "Saved views" }).getByRole("listitem").allInnerTexts();
const searched = (page: Page) => expect.poll(() => new URL(page.url()).searchParams.get("q"));

/** The menu's button is called as the view that is shown. */
async function openMenu(page: Page, called = "Views"): Promise<void> {
  await page.getByRole("button", { name: called, exact: true }).click();
  await expect(menu(page)).toBeVisible();
}

async function keep(page: Page, name: string): Promise<void> {
  await menu(page).getByLabel("Save what is shown as").fill(name);
  await menu(page).getByRole("button", { name: "Save this view" }).click();
  await expect(view(page, name)).toBeVisible();
}

/** As a console of older days left them. */
async function leaveInBrowser(page: Page, views: Record<string, string>): Promise<void> {
  await page.goto("/");
  const text = JSON.stringify(Object.entries(views).map(([name, search]) => ({ name, search })));
  await page.evaluate(([key, value]) => localStorage.setItem(key!, value!), [KEPT_BY_BROWSER, text]);
}
const leftInBrowser = (page: Page) => page.evaluate((key) => localStorage.getItem(key), KEPT_BY_BROWSER);

test("kept in one browser, there in another; renamed and deleted there, gone here", async ({ page, as, appliance }) => {
  await appliance.register("shelf 1");
  await appliance.register("till 1");
  await page.goto("/devices?q=shelf&tag=glass&sort=created_at&direction=desc");
  await openMenu(page);
  await expect(menu(page)).toContainText("It is kept in your account");
  await keep(page, "Glass shelves");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("button", { name: "Glass shelves", exact: true })).toBeVisible();

  const phone = await as("admin");
  await phone.setViewportSize({ width: 360, height: 740 });
  await phone.goto("/devices");
  await openMenu(phone);
  await view(phone, "Glass shelves").click();
  await expect(phone).toHaveURL(/q=shelf&tag=glass&sort=created_at&direction=desc/);
  await expect(menu(phone)).toBeHidden();
  await phone.goto("/devices?q=till");
  await openMenu(phone);
  await keep(phone, "Tills");
  await menu(phone).getByRole("button", { name: "Rename the view Glass shelves" }).click();
  await menu(phone).getByLabel("Name of the view Glass shelves").fill("Behind glass");
  await phone.keyboard.press("Enter");
  await expect(view(phone, "Behind glass")).toBeVisible();

  await openMenu(page, "Glass shelves");
  await expect.poll(() => names(page)).toEqual(["Behind glass", "Tills"]); // without a reload
  await keep(page, "Here, meanwhile");
  await menu(page).getByRole("button", { name: "Delete the view Behind glass" }).click();
  await menu(page).getByRole("button", { name: "Keep", exact: true }).click();
  await expect(view(page, "Behind glass")).toBeVisible();
  await menu(page).getByRole("button", { name: "Delete the view Behind glass" }).click();
  await menu(page).getByRole("button", { name: "Delete", exact: true }).click();
  await expect.poll(() => names(page)).toEqual(["Here, meanwhile", "Tills"]);
  await phone.reload();
  await openMenu(phone, "Tills");
  await expect.poll(() => names(phone)).toEqual(["Here, meanwhile", "Tills"]);
});

test("a viewer keeps views, too, and sees nobody else's; a name that is taken is said so", async ({ page, as, complaints }) => {
  complaints.allow(/409/);
  await page.goto("/devices?q=admin");
  await openMenu(page);
  await keep(page, "Of the admin");
  const viewer = await as("viewer");
  await viewer.goto("/devices?q=a");
  await openMenu(viewer);
  await keep(viewer, "First");
  expect(await names(viewer)).toEqual(["First"]);
  await keep(viewer, "Second");
  await menu(viewer).getByRole("button", { name: "Rename the view Second" }).click();
  await menu(viewer).getByLabel("Name of the view Second").fill("First");
  await menu(viewer).getByRole("button", { name: "Save the name" }).click();
  await expect(viewer.getByRole("alert")).toContainText('You have a view called "First" already.');
  await expect(menu(viewer).getByLabel("Name of the view Second")).toHaveValue("First"); // to be put right
  await viewer.reload();
  await openMenu(viewer, "First");
  await expect.poll(() => names(viewer)).toEqual(["First", "Second"]);
});

test("opening a view waits for nobody", async ({ page, account }) => {
  await account.keep("At once", "q=once");
  await page.goto("/devices");
  await openMenu(page);
  await expect(view(page, "At once")).toBeVisible();
  await page.keyboard.press("Escape");
  await page.route(VIEWS, () => undefined); // never answered
  await openMenu(page);
  await view(page, "At once").click();
  await searched(page).toBe("once");
});

test("views that the browser kept are moved into the account, beside those of the same name", async ({ page, as, account, complaints }) => {
  complaints.allow(/409/); // how a name that is taken is found out
  await account.keep("Late", "q=theirs");
  await leaveInBrowser(page, { Late: "q=ours", "From the browser": "q=moved" });
  await page.goto("/devices");
  await expect.poll(() => leftInBrowser(page)).toBeNull();
  await openMenu(page);
  await expect(view(page, "Late (2)")).toBeVisible();
  const elsewhere = await as("admin");
  await elsewhere.goto("/devices");
  await openMenu(elsewhere);
  await view(elsewhere, "From the browser").click();
  await searched(elsewhere).toBe("moved");
  await openMenu(elsewhere, "From the browser");
  await view(elsewhere, "Late").click();
  await searched(elsewhere).toBe("theirs");
  await openMenu(elsewhere, "Late");
  await view(elsewhere, "Late (2)").click();
  await searched(elsewhere).toBe("ours");
});

test("what can't be moved stays in the browser, is opened from there, and goes when it can", async ({ page, complaints }) => {
  complaints.allow(/503/);
  await leaveInBrowser(page, { Stranded: "q=stranded", "Not wanted": "q=x" });
  await page.route(VIEWS, (route) =>
    route.request().method() === "POST"
      ? route.fulfill({ status: 503, contentType: "application/problem+json", json: { status: 503, detail: "The database is away." } })
      : route.continue(),
  );
  await page.goto("/devices");
  await openMenu(page);
  await expect(menu(page)).toContainText("2 views are in this browser alone, not in your account");
  await expect(menu(page).getByRole("alert")).toContainText("The database is away.");
  await menu(page).getByRole("button", { name: "Delete the view Not wanted" }).click();
  await menu(page).getByRole("button", { name: "Delete", exact: true }).click();
  await expect(menu(page)).toContainText("One view is in this browser alone");
  await menu(page).getByRole("button", { name: /^Stranded/ }).click();
  await searched(page).toBe("stranded");
  expect(await leftInBrowser(page)).toBe('[{"name":"Stranded","search":"q=stranded"}]');

  await page.unroute(VIEWS);
  await openMenu(page, "Stranded");
  await menu(page).getByRole("button", { name: "Try again" }).click();
  await expect(menu(page).getByRole("button", { name: "Rename the view Stranded" })).toBeVisible();
  expect(await leftInBrowser(page)).toBeNull();
  await expect(menu(page).getByRole("alert")).toHaveCount(0);
});

test("views that can't be read: said so, and tried again; the list goes on", async ({ page, appliance, account, complaints }) => {
  complaints.allow(/500/);
  await appliance.register("goes on");
  await account.keep("There after all", "q=x");
  await page.route(VIEWS, (route) => route.fulfill({ status: 500, json: { status: 500, detail: "Something broke." } }));
  await page.goto("/devices?q=goes");
  await expect(page.getByRole("link", { name: "goes on" })).toBeVisible();
  await openMenu(page);
  await expect(menu(page).getByRole("alert")).toContainText("Something broke.");
  await page.unroute(VIEWS);
  await menu(page).getByRole("button", { name: "Try again" }).click();
  await expect(view(page, "There after all")).toBeVisible();
  await expect(menu(page).getByRole("alert")).toHaveCount(0);
});

test.describe("on a phone", () => {
  test.use({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });

  test("a long list of long names is within reach of a thumb", async ({ page, account }) => {
    for (let number = 1; number <= 20; number++) {
      const name = `${number}: everything that was silent in the warehouse on the other side of the river`;
      await account.keep(name, `q=${number}`);
    }
    await page.goto("/devices");
    await page.getByRole("button", { name: "Views", exact: true }).tap();
    await expect(menu(page)).toBeInViewport({ ratio: 1 });
    await expect(menu(page).getByRole("button", { name: "Save this view" })).toBeInViewport({ ratio: 1 });
    const list = menu(page).getByRole("list", { name: "Saved views" });
    expect(await list.evaluate((it) => it.scrollWidth - it.clientWidth)).toBe(0); // the buttons of a row beside its name
    const last = menu(page).getByRole("button", { name: /^Delete the view 9:/ });
    await last.scrollIntoViewIfNeeded();
    await expect(last).toBeInViewport({ ratio: 1 });
    const box = await last.boundingBox();
    expect(Math.min(box!.width, box!.height)).toBeGreaterThanOrEqual(40);
    await menu(page).getByRole("button", { name: /^9: everything/ }).tap();
    await searched(page).toBe("9");
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  });
});
