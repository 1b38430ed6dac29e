// SPDX-License-Identifier: Apache-2.0
/** One musterd with a private PostgreSQL in a folder of its own, and what the tests ask of it without a browser. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { until } from "./until";

const ROOT = resolve(import.meta.dirname, "../../..");
const START_MS = 90_000;
const STOP_MS = 90_000;

export const binDir = (): string => process.env["MUSTER_TEST_BIN"] ?? join(ROOT, "build/release/bin");
const consoleDir = (): string => process.env["MUSTER_TEST_CONSOLE"] ?? join(ROOT, "build/ui");

export interface Registered {
  device_id: string;
  token: string;
}

/** What a musterd publishes of itself in run.json; the tests use these of it. */
interface Run {
  http_url: string;
  socket_dir?: string;
}

const OWN_SETTINGS = {
  // Tests click faster than people; those about limits set their own.
  MUSTER_LIMITS_GENERAL_MAX: "0",
  MUSTER_LIMITS_GENERAL_BURST: "0",
  MUSTER_LIMITS_BULK_MAX: "0",
  MUSTER_JOURNAL_SEGMENT: "4MiB", // each start fills two with zeros
};

export class Appliance {
  readonly home = mkdtempSync(join(tmpdir(), "muster-journey-"));
  readonly dataDir = join(this.home, "data");
  #process: ChildProcess | null = null;
  #run: Run | null = null;
  #readyAs = new Map<string, Promise<string>>();

  constructor(readonly settings: Record<string, string> = {}) {
    chmodSync(this.home, 0o755); // PostgreSQL's own user has to enter
  }

  async start(): Promise<this> {
    mkdirSync(this.dataDir, { recursive: true });
    rmSync(join(this.dataDir, "run.json"), { force: true });
    const program = join(binDir(), "musterd");
    for (const needed of [program, join(consoleDir(), "index.html")])
      if (!existsSync(needed)) throw new Error(`${needed} is missing: ./muster test --only journeys builds it`);
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("MUSTER_"));
    const output = openSync(join(this.home, "output.txt"), "a");
    const child = spawn(
      program,
      ["--data-dir", this.dataDir, "--port", "0", "--tls-address", "127.0.0.1", "--http-port", this.#port(), "--console-dir", consoleDir()],
      { stdio: ["ignore", output, output], env: { ...Object.fromEntries(kept), ...OWN_SETTINGS, ...this.#places() } },
    );
    closeSync(output);
    this.#process = child;
    this.#run = await until("musterd to serve", () => this.#published(child), START_MS);
    await until("musterd to store", async () => (await this.#ready()) && true, START_MS);
    return this;
  }

  /** The one it had, so that pages which are open find it again. */
  #port(): string {
    return this.#run ? new URL(this.#run.http_url).port : "0";
  }

  /** The settings, with this appliance's own folder where they say {home}. */
  #places(): Record<string, string> {
    return Object.fromEntries(Object.entries(this.settings).map(([name, value]) => [name, value.replace("{home}", this.home)]));
  }

  #published(child: ChildProcess): Run | null {
    if (child.exitCode !== null || child.signalCode) throw new Error(`musterd ended:\n${this.log().slice(-4000)}`);
    const file = join(this.dataDir, "run.json");
    if (!existsSync(file)) return null;
    try {
      return JSON.parse(readFileSync(file, "utf8")) as Run;
    } catch (error) {
      if (error instanceof SyntaxError) return null; // half written
      throw error;
    }
  }

  async #ready(): Promise<boolean> {
    const answer = await fetch(`${this.url}/ready`).catch(() => null);
    return answer?.status === 200 && ((await answer.json()) as { degraded: unknown[] }).degraded.length === 0;
  }

  get url(): string {
    if (!this.#run) throw new Error("this musterd is not running");
    return this.#run.http_url;
  }

  log(): string {
    return readFileSync(join(this.home, "output.txt"), "utf8");
  }

  /** SIGTERM, and until it has ended: what was acknowledged is stored. */
  async stop(): Promise<void> {
    const child = this.#process;
    if (!child) return;
    this.#process = null;
    if (child.exitCode !== null || child.signalCode) throw new Error(`musterd had ended:\n${this.log().slice(-4000)}`);
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    const hard = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    const [code] = (await ended) as [number | null];
    clearTimeout(hard);
    if (code !== 0) throw new Error(`musterd ended with ${code}:\n${this.log().slice(-4000)}`);
  }

  async destroy(): Promise<void> {
    try {
      await this.stop();
    } finally {
      rmSync(this.home, { recursive: true, force: true });
    }
  }

  // -- the API, as somebody who holds the admin key --

  secret(name: "admin-key" | "admin-password"): string {
    return readFileSync(join(this.dataDir, "secrets", name), "utf8").trim();
  }

  get adminKeyFile(): string {
    return join(this.dataDir, "secrets", "admin-key");
  }

  /** Answer's body; a refusal is an error with the appliance's words. */
  async ask<Answer = unknown>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const answer = await fetch(this.url + path, {
      method,
      headers: {
        "X-Admin-Key": this.secret("admin-key"),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text ? JSON.parse(text) : null) as Answer;
  }

  register(alias: string, more: Record<string, unknown> = {}): Promise<Registered> {
    return this.ask<Registered>("POST", "/v1/register", { alias, kind: "android", ...more });
  }

  async heartbeat(device: Registered, fields: Record<string, unknown> = {}): Promise<void> {
    const answer = await fetch(`${this.url}/v1/heartbeat`, {
      method: "POST",
      headers: { Authorization: `Bearer ${device.token}`, "Content-Type": "application/json" },
      body: JSON.stringify({ ts: Date.now() / 1000, ...fields }),
    });
    if (!answer.ok) throw new Error(`heartbeat: ${answer.status} ${await answer.text()}`);
  }

  /** As two machines that share one token report: the appliance holds the device for a copy. */
  async actAsTwo(device: Registered): Promise<void> {
    const start = Date.now() / 1000 - 1;
    // Each later than the one before, also where ten of them take no more than a millisecond.
    for (let seq = 1; seq < 5; seq++)
      for (const [half, boot_id] of ["one", "two"].entries()) await this.heartbeat(device, { boot_id, seq, ts: start + seq / 10 + half / 20 });
  }

  /** The password of somebody with this role, who is made the first time; "admin" is the account of the set-up. */
  passwordOf(role: "admin" | "operator" | "viewer"): Promise<string> {
    if (role === "admin") return Promise.resolve(this.secret("admin-password"));
    const known = this.#readyAs.get(role);
    if (known) return known;
    const password = `a ${role} of the journeys`;
    const made = this.ask("POST", "/admin/users", { username: role, password, role }).then(() => password);
    this.#readyAs.set(role, made);
    return made;
  }
}
