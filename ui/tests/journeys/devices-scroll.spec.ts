// SPDX-License-Identifier: Apache-2.0
/**
 * 100,000 devices scroll as a list of the system's own does: few rows in the document, no long task, memory flat, any row
 * at once, and few requests. "Long" is processor time, which the product promises; no clock is asked.
 */
import { expect, test as base, type Page } from "@playwright/test";
import { tasksOver } from "../house/cpu-tasks";
import { aliasAt, PlayedFleet } from "../house/played-fleet";
import { PAGE_ROWS } from "../../src/lib/sparse/plan";

const SIZE = 100_000;
const ROW = 44;
const ROWS_IN_DOCUMENT_MAX = 60;
const LONG_TASK_MS = 50;
/** Parts of the list that are judged one after another. */
const LEGS = 6;
const PHONE = { width: 390, height: 844 };

const test = base.extend<{ fleet: PlayedFleet; said: string[] }>({
  fleet: async ({}, use) => {
    const fleet = new PlayedFleet(SIZE);
    await use(fleet);
    fleet.stop();
  },
  said: [
    async ({ page }, use) => {
      const said: string[] = [];
      page.on("pageerror", (error) => said.push(error.message));
      await use(said);
      expect(said, "what the page reported").toEqual([]);
    },
    { auto: true },
  ],
});

// The recorder of traces works in the page itself, which is what is measured here.
test.describe.configure({ timeout: 300_000 }); // the way is long, and the machine may be busy
test.use({
  viewport: { width: 1440, height: 900 },
  trace: "off",
  screenshot: "off",
  launchOptions: ({ launchOptions }, use) => use({ ...launchOptions, args: ["--js-flags=--expose-gc"] }),
});

declare global {
  interface Window {
    rowsMost: number;
    gc?: () => void;
  }
}

/** From now on the page counts how many rows it has at most. */
const watchRows = (page: Page) =>
  page.evaluate(() => {
    window.rowsMost = 0;
    const look = () => (window.rowsMost = Math.max(window.rowsMost, document.querySelectorAll("[role=grid] [role=row]").length));
    new MutationObserver(look).observe(document, { childList: true, subtree: true });
  });

const scrollTo = (page: Page, top: number) =>
  page.getByRole("grid").evaluate((grid, to) => {
    grid.scrollTop = to;
  }, top);

/** Frame by frame over a part of the list, so many pixels in each; then jumps all over it, one a frame. */
const fling = (page: Page, way: { from: number; to: number; step: number; jumps: number }) =>
  page.getByRole("grid").evaluate(async (grid, { from, to, step, jumps }) => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const height = grid.scrollHeight;
    for (let top = from * height; top < to * height; top += step) {
      grid.scrollTop = top;
      await frame();
    }
    for (let jump = 0; jump < jumps; jump++) {
      grid.scrollTop = (height / jumps) * ((jump * 37) % jumps);
      await frame();
    }
  }, way);

const heapBytes = (page: Page) =>
  page.evaluate(() => {
    window.gc?.();
    return (performance as unknown as { memory: { usedJSHeapSize: number } }).memory.usedJSHeapSize;
  });

const row = (page: Page, place: number) => page.locator(`[role=row][aria-rowindex='${place + 2}']`);

test("any row is reached at once", async ({ page, fleet }) => {
  await fleet.open(page);
  const grid = page.getByRole("grid");
  await expect(grid).toHaveAttribute("aria-rowcount", String(SIZE + 1));
  await grid.focus();
  await page.keyboard.press("End");
  await expect(row(page, SIZE - 1)).toContainText(aliasAt(SIZE - 1));
  await expect(grid).toHaveAttribute("aria-activedescendant", (await row(page, SIZE - 1).getAttribute("id")) ?? "");
  for (const place of [50_000, 12_345, 77_777]) {
    await scrollTo(page, place * ROW);
    await expect(row(page, place)).toContainText(aliasAt(place));
  }
  await grid.focus();
  await page.keyboard.press("Home");
  await expect(row(page, 0)).toContainText(aliasAt(0));
  const offsets = fleet.asked.map(({ offset }) => offset);
  const again = offsets.filter((offset, i) => offsets.indexOf(offset) !== i);
  // What is in view when the live channel begins is read once more: something may have changed before.
  expect(new Set(again).size, `each page is read once: ${offsets.join(" ")}`).toBe(again.length);
  expect(again.filter((offset) => offset > 2 * PAGE_ROWS)).toEqual([]);
  expect(fleet.asked.length).toBeLessThanOrEqual(12); // of 500
});

test("a fling through all of them is smooth, and asks for little", async ({ page, fleet }) => {
  await fleet.open(page);
  await watchRows(page);
  const asked = fleet.asked.length;
  const began = Date.now();
  for (let leg = 0; leg < LEGS; leg++) {
    const way = { from: leg / LEGS, to: (leg + 1) / LEGS, step: 2400, jumps: 20 };
    expect(await tasksOver(LONG_TASK_MS, page, () => fling(page, way)), `from ${way.from} of the list on`).toEqual([]);
  }
  const seconds = (Date.now() - began) / 1000;
  expect(fleet.asked.length - asked).toBeLessThanOrEqual(5 + seconds);
  const rows = await page.evaluate(() => window.rowsMost);
  expect(rows).toBeGreaterThan(10);
  expect(rows).toBeLessThanOrEqual(ROWS_IN_DOCUMENT_MAX);
  await scrollTo(page, 0);
  await expect(row(page, 0)).toContainText(aliasAt(0));
});

test("reading on page by page draws each row, in short tasks", async ({ page, fleet }) => {
  await fleet.open(page);
  await page.getByRole("grid").focus();
  const activeIsHere = async () => {
    const id = await page.getByRole("grid").getAttribute("aria-activedescendant");
    return id !== null && page.locator(`[id='${id}']:not([aria-busy])`).count();
  };
  const readOn = async () => {
    for (let pages = 0; pages < 30; pages++) {
      await page.keyboard.press("PageDown");
      await expect.poll(activeIsHere).toBe(1);
    }
  };
  expect(await tasksOver(LONG_TASK_MS, page, readOn)).toEqual([]);
  expect(fleet.asked.length).toBeLessThanOrEqual(12);
});

test("live changes arrive in view, and memory stays flat", async ({ page, fleet }) => {
  await fleet.open(page);
  const before = await row(page, 0).innerText();
  await expect.poll(() => row(page, 0).innerText()).not.toBe(before);
  const around = async () => {
    for (const place of [16_000, 40_000, 64_000, 88_000]) {
      await scrollTo(page, place * ROW);
      await expect(row(page, place)).toContainText(aliasAt(place));
    }
  };
  await fling(page, { from: 0, to: 1, step: 40_000, jumps: 60 });
  await around();
  const heap = await heapBytes(page);
  const listen = async () => {
    const told = fleet.told;
    await expect.poll(() => fleet.told, { timeout: 60_000 }).toBeGreaterThan(told + 8000);
  };
  expect(await tasksOver(LONG_TASK_MS, page, listen)).toEqual([]);
  await around();
  const then = await heapBytes(page);
  console.log(`${(heap / 1e6).toFixed(1)} MB, then ${(then / 1e6).toFixed(1)} MB`);
  expect(then).toBeLessThan(heap * 1.1 + 4e6);
});

test("devices that go while somebody scrolls leave a list in order", async ({ page, fleet }) => {
  await fleet.open(page);
  await scrollTo(page, 400 * ROW);
  await expect(row(page, 400)).toContainText(aliasAt(400));
  fleet.removeFirst();
  await scrollTo(page, 30_000 * ROW);
  await expect(row(page, 30_000)).toContainText(aliasAt(30_001));
  await scrollTo(page, 0);
  await expect(row(page, 0)).toContainText(aliasAt(1));
  await page.getByRole("grid").focus();
  await page.keyboard.press("End");
  await expect(page.getByText(aliasAt(SIZE - 1), { exact: true })).toBeVisible();
});

test("what is chosen is said as it is", async ({ page, fleet }) => {
  await fleet.open(page);
  const grid = page.getByRole("grid");
  const bar = page.getByRole("region", { name: "What is selected" });
  await grid.focus();
  await page.keyboard.press("Control+a");
  await expect(bar).toContainText("All 100,000 devices");
  await page.keyboard.press("Escape");
  await expect(bar).toBeHidden();

  await row(page, 2).getByRole("checkbox").click();
  await scrollTo(page, 1500 * ROW);
  await expect(row(page, 1500)).toContainText(aliasAt(1500));
  await row(page, 1500).getByRole("checkbox").click({ modifiers: ["Shift"] });
  await expect(bar).toContainText("1,499 devices selected"); // 1,000 of them were never drawn
  expect(fleet.asked.filter(({ limit }) => limit > 200).length).toBeLessThanOrEqual(3);

  await scrollTo(page, 60_000 * ROW);
  await expect(row(page, 60_000)).toContainText(aliasAt(60_000));
  await row(page, 60_000).getByRole("checkbox").click({ modifiers: ["Shift"] });
  await expect(page.getByText(/59,999 is more than the 2,000/)).toBeVisible();
  await expect(bar).toContainText("1,499 devices selected");

  await page.getByRole("checkbox", { name: "Select all that match" }).click();
  await expect(bar).toContainText("All 100,000 devices");
  await row(page, 60_000).getByRole("checkbox").click();
  await expect(page.getByText(/Select none first/)).toBeVisible();
  await expect(bar).toContainText("All 100,000 devices");
});

test.describe("on a phone", () => {
  test.use({ viewport: PHONE, hasTouch: true, isMobile: true });

  test("100,000 cards scroll with the page", async ({ page, fleet }) => {
    await fleet.open(page);
    await page.evaluate(() => {
      window.rowsMost = 0;
      const look = () => (window.rowsMost = Math.max(window.rowsMost, document.querySelectorAll("[role=listitem]").length));
      new MutationObserver(look).observe(document, { childList: true, subtree: true });
    });
    const jump = () =>
      page.evaluate(async () => {
        const last = document.documentElement.scrollHeight;
        for (let jumps = 0; jumps < 100; jumps++) {
          window.scrollTo(0, (last / 100) * ((jumps * 37) % 100));
          await new Promise((done) => requestAnimationFrame(done));
        }
        window.scrollTo(0, last);
      });
    expect(await tasksOver(LONG_TASK_MS, page, jump)).toEqual([]);
    await expect(page.getByText(aliasAt(SIZE - 1), { exact: true })).toBeVisible();
    expect(await page.evaluate(() => window.rowsMost)).toBeLessThanOrEqual(ROWS_IN_DOCUMENT_MAX);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
  });
});
