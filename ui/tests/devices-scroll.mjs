// SPDX-License-Identifier: Apache-2.0
/**
 * 100,000 devices scroll with a bounded number of rows in the document and no long task (of processor time, so
 * that a machine that is busy with something else says the same):
 *
 *   node ui/tests/devices-scroll.mjs [rows]
 *
 * The appliance is played by this script (pages of /admin/devices, a live channel that tells of 1,000
 * devices a second), so it measures the page alone. MUSTER_CONSOLE says where the console is; a built
 * one (`vite build`, `vite preview`) is what counts, the development server's code is slower.
 */
import { existsSync, readFileSync } from "node:fs";
import { chromium } from "@playwright/test";

const ROWS = Number(process.argv[2] ?? 100_000);
const ROWS_IN_DOCUMENT_MAX = 80;
const LONG_TASK_MS = Number(process.env.LONG_TASK_MS ?? 50);
const LIVE_MS = Number(process.env.LIVE_MS ?? 5000);
const base = process.env.MUSTER_CONSOLE ?? "http://127.0.0.1:4173";

const iso = (ms) => new Date(ms).toISOString();
const start = Date.now();

const device = (index) => ({
  id: String(index + 1),
  alias: `Till ${String(index + 1).padStart(6, "0")}`,
  kind: "android",
  hardware_id: `hw-${index}`,
  site: `Site ${index % 40}`,
  tags: ["till"],
  agent_version: "4.2.1",
  status: "online",
  last_seen_at: iso(start),
  heartbeat_interval_s: null,
  created_at: iso(start - 1e9),
  updated_at: iso(start),
  first_seen_at: iso(start - 1e9),
  deleted_at: null,
  quarantined_at: null,
  last: { received_at: iso(start), observed_at: iso(start), battery: index % 101, charging: false, network: "wifi", ssid: "shop", fg_package: "com.example.till", uptime_s: 1, ram_free_mb: 1, ram_total_mb: 2, queue_depth: 0, clock_offset_s: 0 },
});

function answerDevices(url) {
  const from = Number(url.searchParams.get("cursor") ?? 0);
  const limit = Number(url.searchParams.get("limit") ?? 50);
  const to = Math.min(ROWS, from + limit);
  return {
    devices: Array.from({ length: to - from }, (_, index) => device(from + index)),
    next_cursor: to < ROWS ? String(to) : null,
    ...(url.searchParams.get("count") ? { count: ROWS } : {}),
  };
}

const user = { id: "1", username: "viewer", role: "admin", email: null, created_at: iso(start), disabled_at: null };
const ANSWERS = {
  "/api/auth/refresh": () => ({ access_token: "t", token_type: "Bearer", expires_in: 900, user }),
  "/api/auth/me": () => user,
  "/api/auth/ws-ticket": () => ({ ticket: "x", expires_in: 30 }),
  "/admin/devices": answerDevices,
};

const liveRow = (index, now) => ({ id: String(index + 1), alias: `Till ${String(index + 1).padStart(6, "0")}`, kind: "android", quarantined: false, received_at: now, observed_at: now, battery: index % 101, network: "wifi" });

/** Snapshot in pages, then 4 deltas a second of 250 devices each; the first of them is in view. */
function playLive(socket) {
  let seq = 1;
  let next = 0;
  const say = (message) => socket.send(JSON.stringify(message));
  socket.onMessage((text) => {
    const { type } = JSON.parse(text);
    if (type === "auth") return say({ type: "welcome", role: "admin", topics: ["fleet", "devices", "commands", "alerts"] });
    if (type !== "subscribe" && type !== "resume") return;
    for (let page = 0; page * 1000 < ROWS; page++) {
      const length = Math.min(1000, ROWS - page * 1000);
      say({ type: "snapshot", topic: "devices", stream: "s", page, seq, devices: Array.from({ length }, (_, index) => liveRow(page * 1000 + index, start / 1000)) });
    }
    say({ type: "ready", stream: "s", seq });
    setInterval(() => {
      const now = Date.now() / 1000;
      const rows = Array.from({ length: 250 }, (_, index) => ({ id: String(((next + index) % ROWS) + 1), received_at: now, observed_at: now, battery: Math.floor(Math.random() * 100) }));
      rows[0] = { ...rows[0], id: "1" };
      next += 250;
      say({ type: "delta", seq: ++seq, devices: rows });
      if (seq % 4 === 0)
        say({ type: "fleet", at: now, devices: ROWS, online: ROWS, late: 0, silent: 0, never: 0, quarantined: 0, heartbeats_per_s: 1000, backlog: 0, storing: true });
    }, 250);
  });
}

/** Milliseconds of processor time that each task of the page's main thread took. */
async function tasksWhile(page, act) {
  const client = await page.context().newCDPSession(page);
  const events = [];
  client.on("Tracing.dataCollected", ({ value }) => events.push(...value));
  await client.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories: ["toplevel", "__metadata"], excludedCategories: ["*"] } });
  const result = await act();
  const complete = new Promise((done) => client.once("Tracing.tracingComplete", done));
  await client.send("Tracing.end");
  await complete;
  await client.detach();
  const mains = events.filter((event) => event.name === "thread_name" && event.args.name === "CrRendererMain").map((event) => `${event.pid} ${event.tid}`);
  const tasks = events
    .filter((event) => event.name.endsWith("RunTask") && event.tdur !== undefined && mains.includes(`${event.pid} ${event.tid}`))
    .map((event) => event.tdur / 1000)
    .sort((a, b) => b - a);
  if (tasks.length === 0) throw new Error("the browser's trace names no task");
  return { result, tasks };
}

/** In the page: how many rows there are at most. */
function watch() {
  window.seen = { rows: 0 };
  new MutationObserver(() => {
    const now = document.querySelectorAll("[role=grid] [role=row]");
    window.seen.rows = Math.max(window.seen.rows, now.length);
  }).observe(document, { childList: true, subtree: true });
}

/** Down to the end as the pages come, a step each frame; then the rows that the scroll bar reaches. */
async function scroll(rows) {
  const grid = document.querySelector("[role=grid]");
  const began = performance.now();
  let frames = 0;
  for (;;) {
    grid.scrollTop += 1200; // 27 rows a frame, as fast as a fling
    frames++;
    await new Promise((done) => requestAnimationFrame(done));
    const loaded = grid.scrollHeight / 44;
    if (loaded >= rows && grid.scrollTop + grid.clientHeight >= grid.scrollHeight - 4) break;
    if (performance.now() - began > 600_000) throw new Error(`only ${Math.round(loaded)} rows came`);
  }
  for (let step = 0; step < 60; step++) {
    grid.scrollTop = (grid.scrollHeight / 60) * ((step * 37) % 60); // jumps of the scroll bar
    await new Promise((done) => requestAnimationFrame(done));
    frames++;
  }
  return { frames, ms: Math.round(performance.now() - began) };
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--js-flags=--expose-gc"] });
const failures = [];
const expect = (ok, text) => {
  console.log(`${ok ? "ok  " : "FAIL"} ${text}`);
  if (!ok) failures.push(text);
};
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  page.on("pageerror", (error) => failures.push(`page error: ${error.message}`));
  await page.addInitScript(watch);
  await page.routeWebSocket(/\/api\/ws/, playLive);
  await page.route(/\/(api|admin|v1|health)\b/, (route) => {
    const url = new URL(route.request().url());
    const answer = ANSWERS[url.pathname];
    return answer ? route.fulfill({ json: answer(url) }) : route.fallback();
  });
  await page.goto(`${base}/devices`);
  await page.locator("[role=grid] [role=row]").nth(10).waitFor();
  await page.getByText("Live", { exact: true }).waitFor();
  await page.waitForTimeout(1500);
  const heap = () => page.evaluate(() => (globalThis.gc?.(), performance.memory?.usedJSHeapSize ?? 0));

  const patched = await page.locator("[role=row][aria-rowindex='2']").innerText();
  await page.waitForTimeout(1500);
  expect((await page.locator("[role=row][aria-rowindex='2']").innerText()) !== patched, "a row in view changes with the live channel");

  const { result, tasks } = await tasksWhile(page, () => page.evaluate(scroll, ROWS));
  const { rows } = await page.evaluate(() => window.seen);
  const slow = tasks.filter((task) => task > LONG_TASK_MS);
  const longest = (all) => all.slice(0, 5).map((task) => task.toFixed(1)).join(", ");
  console.log(`     ${ROWS} rows, ${result.frames} frames in ${result.ms} ms; longest tasks ${longest(tasks)} ms of ${tasks.length}`);
  expect(rows > 0 && rows <= ROWS_IN_DOCUMENT_MAX, `at most ${ROWS_IN_DOCUMENT_MAX} rows in the document (${rows})`);
  expect(slow.length === 0, `no task over ${LONG_TASK_MS} ms while scrolling (${slow.length})`);

  const before = await heap();
  const { tasks: live } = await tasksWhile(page, () => page.waitForTimeout(LIVE_MS));
  const after = await heap();
  expect((live[0] ?? 0) <= LONG_TASK_MS, `no task over ${LONG_TASK_MS} ms while 1,000 devices a second report (longest ${longest(live)})`);
  expect(after < before * 1.15 + 4e6, `memory flat: ${(before / 1e6).toFixed(1)} MB, then ${(after / 1e6).toFixed(1)} MB`);
} finally {
  await browser.close();
}
process.exitCode = failures.length ? 1 : 0;
