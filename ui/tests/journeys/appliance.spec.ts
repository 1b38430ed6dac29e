// SPDX-License-Identifier: Apache-2.0
/** The appliance: what a heartbeat passes, where things are kept, and what is done by hand. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import type { Appliance } from "../house/appliance";
import { expect, test } from "../house/journey";
import { load } from "../house/program";
import { sql } from "../house/sql";
import { until } from "../house/until";

test.use({
  house: {
    name: "appliance",
    settings: {
      MUSTER_INGEST_HEARTBEAT_INTERVAL: "2s",
      MUSTER_BACKUP_DIRECTORY: "{home}/backups",
      MUSTER_BACKUP_INTERVAL: "0",
      MUSTER_BACKUP_CHECK_INTERVAL: "0",
    },
  },
});

const drawer = (page: Page) => page.getByRole("dialog");
const dialog = (page: Page) => page.getByRole("dialog").last();
const stage = (page: Page, name: string) => page.getByRole("region", { name, exact: true });

const dayBack = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);

/** A day of heartbeats as if it had been written so long ago, past its retention. */
function oldDay(appliance: Appliance, day: string, rows: number): void {
  const leaf = `heartbeats_${day.replaceAll("-", "")}`;
  sql(
    appliance,
    `CREATE TABLE ${leaf} (LIKE heartbeats INCLUDING DEFAULTS INCLUDING INDEXES);
     INSERT INTO ${leaf} (device_id, bucket, received_at, observed_at, clock_offset_s, flags, battery)
       SELECT 1000000 + n % 7, t, t, t, 0, 0, n % 101
       FROM (SELECT n, timestamptz '${day} 00:00Z' + n * interval '10 seconds' AS t FROM generate_series(1, ${rows}) AS n) AS s;
     ALTER TABLE heartbeats ATTACH PARTITION ${leaf}
       FOR VALUES FROM ('${day} 00:00Z') TO (timestamptz '${day} 00:00Z' + '1 day');
     INSERT INTO partition_registry (parent, partition, range_from, range_to)
       VALUES ('heartbeats', '${leaf}', '${day} 00:00Z', timestamptz '${day} 00:00Z' + '1 day');`,
  );
}

async function runJob(appliance: Appliance, name: string): Promise<void> {
  const { run_id } = await appliance.ask<{ run_id: string }>("POST", `/admin/jobs/${name}/run`);
  await until(
    `the job ${name} to end`,
    async () => (await appliance.ask<{ finished_at: string | null }>("GET", `/admin/job-runs/${run_id}`)).finished_at,
    60_000,
  );
}

test("under load the stages' rates move, and how long things take is drawn", async ({ appliance, page }) => {
  await page.goto("/appliance");
  const stages = page
    .getByRole("tabpanel")
    .getByRole("listitem")
    .filter({ has: page.getByRole("heading", { level: 2 }) });
  await expect(stages).toHaveCount(5);
  await expect(stages.first()).toContainText("Frontends");
  await expect(stages.first()).toContainText(/0\s*per s/);
  const generator = load(appliance, "steady", { devices: 100, interval: "2s", duration: "120s" });
  try {
    for (const index of [0, 1, 2, 3]) await expect(stages.nth(index)).toContainText(/[1-9][\d.]*\s*per s/);
    await expect(stage(page, "Frontends")).toContainText(/p99\s*[\d.]+ (µs|ms|s)/);
    await expect(page.getByRole("figure", { name: /Request to answer/ })).toContainText("counted");
    await expect(
      page
        .getByRole("list", { name: /Arrival to stored: how many/ })
        .getByRole("listitem")
        .first(),
    ).toBeVisible();
    await page.getByRole("tab", { name: "Database" }).click();
    await expect(page.getByRole("grid", { name: "Statements" })).toContainText("copy");
    await expect(page.getByRole("meter", { name: "Connections in use" })).toBeVisible();
  } finally {
    await generator.stop();
  }
});

test("the days that PostgreSQL holds are listed, with those made ahead", async ({ page }) => {
  await page.goto("/appliance");
  await page.getByRole("tab", { name: "Partitions" }).click();
  await expect(page).toHaveURL(/\/appliance\/partitions$/);
  const days = page.getByRole("grid", { name: "Partitions" });
  await expect(days.getByRole("row").filter({ hasText: dayBack(0) })).toContainText("today");
  await expect(days.getByRole("row").filter({ hasText: dayBack(-2) })).toContainText("made ahead");
  await page.getByRole("combobox", { name: "Table" }).selectOption("security_events");
  await expect(days.getByRole("row").nth(1)).toContainText("security_events_");
});

test("a job that is started by hand runs to its end, and stands in the audit log", async ({ appliance, page }) => {
  await page.goto("/appliance/jobs");
  const row = page
    .getByRole("grid", { name: "Jobs" })
    .getByRole("row")
    .filter({ hasText: /^Analyze|analyze/ })
    .first();
  await row.getByRole("button", { name: "Run now: analyze" }).click();
  await expect(page.getByText(/^analyze ran: ok/)).toBeVisible();
  await row.click();
  const runs = drawer(page).getByRole("grid", { name: "Runs of analyze" });
  await expect(runs.getByRole("row").nth(1)).toContainText("ok");
  await expect(drawer(page).getByText("Asked for by")).toBeVisible();
  const { entries } = await appliance.ask<{ entries: { action: string; actor: string }[] }>("GET", "/admin/audit?limit=20");
  expect(entries.find((entry) => entry.action.startsWith("job."))).toMatchObject({ actor: "user:admin" });
});

test("a day in the archive is verified, restored for a while and let go again", async ({ appliance, page }) => {
  const day = dayBack(120);
  await page.goto("/appliance/archives");
  await expect(page.getByText("No day is archived yet")).toBeVisible();
  oldDay(appliance, day, 500);
  await until(
    "the day to be archived",
    async () => {
      await runJob(appliance, "archive");
      const { archives } = await appliance.ask<{ archives: { state: string }[] }>("GET", "/admin/archives");
      return archives.some((archive) => archive.state === "archived");
    },
    90_000,
  );

  await page.reload();
  const row = page.getByRole("grid", { name: "Archived days" }).getByRole("row").filter({ hasText: day });
  await expect(row).toContainText("500");
  await row.click();
  await drawer(page).getByRole("button", { name: "Verify" }).click();
  await dialog(page).getByRole("button", { name: "Verify", exact: true }).last().click();
  await expect(page.getByText(`Verified: heartbeats, ${day} is as it should be.`)).toBeVisible({ timeout: 60_000 });
  await expect(drawer(page).getByText("good").first()).toBeVisible();

  await drawer(page).getByRole("button", { name: "Restore" }).click();
  await dialog(page).getByLabel("Keep it readable for").selectOption("A day");
  await dialog(page).getByRole("button", { name: "Restore" }).click();
  await expect(page.getByText(`heartbeats, ${day} can be read again.`)).toBeVisible({ timeout: 60_000 });
  await page.keyboard.press("Escape");
  await expect(row).toContainText("restored");
  await row.getByRole("button", { name: `What to do with ${day}` }).click();
  await page.getByRole("menuitem", { name: "Let it go again" }).click();
  await dialog(page).getByRole("button", { name: "Let it go" }).click();
  await expect(page.getByText(/is gone again; its files stay/)).toBeVisible({ timeout: 60_000 });
});

test("a backup is made at once, and is whole", async ({ appliance, page }) => {
  await page.goto("/appliance/backups");
  await expect(page.getByText("There is no backup yet")).toBeVisible();
  await page.getByRole("button", { name: "Back up now" }).click();
  await dialog(page).getByRole("button", { name: "Back up" }).click();
  await expect(page.getByText("The backup is made.")).toBeVisible({ timeout: 90_000 });
  const row = page.getByRole("grid", { name: "Backups" }).getByRole("row").nth(1);
  await expect(row).toContainText("ok");
  await row.click();
  const backups = join(appliance.home, "backups");
  await expect(drawer(page)).toContainText(backups);
  await expect(drawer(page)).toContainText("by user:admin");
  expect(readdirSync(backups)).toHaveLength(1);
  const made = (await appliance.ask<{ backups: { outcome: string; files: number }[] }>("GET", "/admin/backups")).backups;
  expect(made).toMatchObject([{ outcome: "ok" }]);
});

test("the doctor says what should be looked at, and leads there", async ({ page }) => {
  await page.goto("/appliance/doctor");
  await expect(page.getByRole("heading", { name: /should be looked at$/ })).toBeVisible();
  const check = page.getByRole("listitem").filter({ hasText: "Alert channels" });
  await expect(check).toContainText("nobody is told of alerts");
  await page.getByRole("button", { name: "Examine again" }).click();
  await check.getByRole("link", { name: "Channels" }).click();
  await expect(page).toHaveURL(/\/alerts\/channels$/);
});

test("a viewer sees the pipeline and the database, an operator starts nothing", async ({ as }) => {
  const viewer = await as("viewer");
  await viewer.goto("/appliance");
  await expect(viewer.getByRole("tab")).toHaveText(["Pipeline", "Database"]);
  await expect(stage(viewer, "Journal").first()).toBeVisible();
  const operator = await as("operator");
  await operator.goto("/appliance/jobs");
  await expect(operator.getByRole("grid", { name: "Jobs" })).toContainText("analyze", { ignoreCase: true });
  await expect(operator.getByRole("button", { name: /Run now/ })).toHaveCount(0);
  await expect(operator.getByRole("tab", { name: "Doctor" })).toBeHidden();
});

test("on a phone every tab fits", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  for (const tab of ["", "/database", "/partitions", "/jobs", "/archives", "/backups", "/doctor"]) {
    await page.goto(`/appliance${tab}`);
    await expect(page.getByRole("tabpanel")).toBeVisible();
    await expect(page.getByRole("tab", { selected: true }).first()).toBeInViewport({ ratio: 0.9 });
    await expect(page.getByRole("tabpanel").locator("[aria-busy=true]")).toHaveCount(0);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
  }
});
