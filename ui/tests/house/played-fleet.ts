// SPDX-License-Identifier: Apache-2.0
/**
 * A fleet of any size, played to the page: lists by offset, a live channel that tells of 1,000 devices a second. The
 * console's own files come from its folder. So what is measured is the page alone, on any machine.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Page, Route, WebSocketRoute } from "@playwright/test";

const consoleDir = process.env["MUSTER_TEST_CONSOLE"] ?? resolve(import.meta.dirname, "../../../build/ui");
/** No server is there: each request is answered here. A browser trusts this name as it does https. */
const BASE = "http://localhost";
const START_MS = 90_000;
const LIVE_MS = 250;
const LIVE_ROWS = 250;
const SNAPSHOT_ROWS = 1000;

const START = Date.now();
const iso = (ms: number) => new Date(ms).toISOString();
const USER = { id: "1", username: "admin", role: "admin", email: null, created_at: iso(START), disabled_at: null };

export const aliasAt = (place: number) => `Till ${String(place + 1).padStart(6, "0")}`;

const device = (place: number) => ({
  id: String(place + 1),
  alias: aliasAt(place),
  kind: "android",
  hardware_id: `hw-${place}`,
  site: `Site ${place % 40}`,
  tags: ["till", `floor ${place % 9}`],
  agent_version: "4.2.1",
  status: "online",
  last_seen_at: iso(START),
  heartbeat_interval_s: null,
  created_at: iso(START - 1e9),
  updated_at: iso(START),
  first_seen_at: iso(START - 1e9),
  deleted_at: null,
  quarantined_at: null,
  last: {
    received_at: iso(START), observed_at: iso(START), battery: place % 101, charging: false, network: "wifi", ssid: "shop",
    fg_package: "com.example.till", uptime_s: 1, ram_free_mb: 1, ram_total_mb: 2, queue_depth: 0, clock_offset_s: 0,
  },
});

export interface Asked {
  at: number;
  offset: number;
  limit: number;
}

export class PlayedFleet {
  /** Pages of the list that were asked for. */
  readonly asked: Asked[] = [];
  /** So many devices have gone from the head of the list. */
  gone = 0;
  /** So many rows the live channel has told. */
  told = 0;
  #socket: WebSocketRoute | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;
  #seq = 1;

  constructor(readonly size: number) {}

  /** The page at the list of devices, live. */
  async open(page: Page): Promise<void> {
    if (!existsSync(join(consoleDir, "index.html")))
      throw new Error(`${consoleDir} holds no console: ./muster test --only journeys builds it`);
    await page.routeWebSocket(/\/api\/ws/, (socket) => this.#live(socket));
    await page.route(`${BASE}/**`, (route) => this.#answer(route));
    await page.goto(`${BASE}/devices`);
    await page.getByText(aliasAt(0), { exact: true }).waitFor({ timeout: START_MS });
    await page.getByText("Live", { exact: true }).first().waitFor({ state: "attached", timeout: START_MS });
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** One goes from the list's head, and the live channel tells. */
  removeFirst(): void {
    this.gone++;
    this.#say({ type: "delta", seq: ++this.#seq, removed: [String(this.gone)] });
  }

  async #answer(route: Route): Promise<void> {
    const url = new URL(route.request().url());
    const answers: Record<string, () => unknown> = {
      "/api/auth/refresh": () => ({ access_token: "t", token_type: "Bearer", expires_in: 900, user: USER }),
      "/api/auth/me": () => USER,
      "/api/auth/me/views": () => ({ views: [] }),
      "/api/auth/ws-ticket": () => ({ ticket: "x", expires_in: 30 }),
      "/admin/devices": () => this.#list(url.searchParams),
    };
    const answer = answers[url.pathname];
    if (answer) return route.fulfill({ json: answer() });
    if (/^\/(api|admin|v1|health)\b/.test(url.pathname)) return route.fulfill({ status: 404, json: { title: "Not played", status: 404 } });
    const file = join(consoleDir, url.pathname);
    return route.fulfill({ path: url.pathname.includes(".") && existsSync(file) ? file : join(consoleDir, "index.html") });
  }

  #list(search: URLSearchParams) {
    const offset = Number(search.get("offset") ?? 0);
    const limit = Number(search.get("limit") ?? 50);
    this.asked.push({ at: Date.now(), offset, limit });
    const left = this.size - this.gone;
    const length = Math.max(0, Math.min(limit, left - offset));
    return {
      devices: Array.from({ length }, (_, index) => device(this.gone + offset + index)),
      next_cursor: offset + length < left ? "more" : null,
      ...(search.get("count") ? { count: left } : {}),
    };
  }

  #say(message: unknown): void {
    this.#socket?.send(JSON.stringify(message));
  }

  #live(socket: WebSocketRoute): void {
    this.#socket = socket;
    socket.onMessage((text) => {
      const { type } = JSON.parse(String(text)) as { type: string };
      if (type === "auth") return this.#say({ type: "welcome", role: "admin", topics: ["fleet", "devices", "commands", "alerts"] });
      if (type === "subscribe" || type === "resume") this.#tellAll();
    });
  }

  /** Everything there is, then four times a second a part of it, the first device always among them. */
  #tellAll(): void {
    const row = (place: number, now: number, battery: number) => ({
      id: String(place + 1),
      received_at: now,
      observed_at: now,
      battery,
      network: "wifi",
    });
    for (let from = 0; from < this.size; from += SNAPSHOT_ROWS) {
      const devices = Array.from({ length: Math.min(SNAPSHOT_ROWS, this.size - from) }, (_, index) => ({
        ...row(from + index, START / 1000, (from + index) % 101),
        alias: aliasAt(from + index),
        kind: "android",
        quarantined: false,
      }));
      this.#say({ type: "snapshot", topic: "devices", stream: "s", page: from / SNAPSHOT_ROWS, seq: this.#seq, devices });
    }
    this.#say({ type: "ready", stream: "s", seq: this.#seq });
    let next = 0;
    this.stop();
    this.#timer = setInterval(() => {
      const now = Date.now() / 1000;
      const placeOf = (index: number) => (index === 0 ? this.gone : (next + index) % this.size);
      const devices = Array.from({ length: LIVE_ROWS }, (_, index) => row(placeOf(index), now, (this.#seq + index) % 101));
      next += LIVE_ROWS;
      this.told += LIVE_ROWS;
      this.#say({ type: "delta", seq: ++this.#seq, devices });
      const online = this.size - this.gone;
      const numbers = { devices: online, online, late: 0, silent: 0, never: 0, quarantined: 0, heartbeats_per_s: 1000, backlog: 0 };
      if (this.#seq % 4 === 0) this.#say({ type: "fleet", at: now, ...numbers, storing: true });
    }, LIVE_MS);
  }
}
