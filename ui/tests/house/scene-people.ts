// SPDX-License-Identifier: Apache-2.0
/** Who works with the scene's appliance, and what they have done: every entry of the audit log has its author. */
import { createHmac, createHash } from "node:crypto";
import type { Appliance } from "./appliance";

export type Ask = <Answer = unknown>(method: string, path: string, body?: unknown) => Promise<Answer>;

export interface Enrolled {
  device_id: string;
  token: string;
  hmac: { key: string; version: number };
}

interface Order {
  id: string;
}

async function request<Answer>(url: string, method: string, body: unknown, headers: Record<string, string>): Promise<Answer> {
  const answer = await fetch(url, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text}`);
  return (text ? JSON.parse(text) : null) as Answer;
}

export async function somebody(appliance: Appliance, username: string, password: string): Promise<Ask> {
  const { access_token } = await request<{ access_token: string }>(`${appliance.url}/api/auth/login`, "POST", { username, password }, {});
  return (method, path, body) => request(appliance.url + path, method, body, { Authorization: `Bearer ${access_token}` });
}

/** A device that answers a command, or only takes it. */
export class Answering {
  constructor(
    private readonly appliance: Appliance,
    private readonly device: Enrolled,
  ) {}

  ask<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    return request<Answer>(this.appliance.url + path, method, body, { Authorization: `Bearer ${this.device.token}` });
  }

  fetched = () => this.ask("GET", "/v1/commands");
  received = (id: string) => this.ask("POST", `/v1/commands/${id}/received`, {});

  async finished(id: string, answer: { result?: string; error?: string } = {}): Promise<void> {
    await this.received(id);
    const status = answer.error ? "failed" : "done";
    const at = Math.floor(Date.now() / 1000);
    const { key, version } = this.device.hmac;
    const digest = (text = "") => createHash("sha256").update(text).digest("hex");
    const lines = ["MUSTER-RESULT-1", this.device.device_id, id, status, digest(answer.result), digest(answer.error), at, version];
    const signature = createHmac("sha256", Buffer.from(key, "base64"))
      .update(lines.map((line) => `${line}\n`).join(""))
      .digest("hex");
    await this.ask("POST", "/v1/action-result", { command_id: id, status, finished_at: at, key_version: version, signature, ...answer });
  }
}

export type DeviceOf = (alias: string) => Enrolled;

/** One command of each kind that matters, in each of its states. */
export async function command(appliance: Appliance, admin: Ask, operator: Ask, of: DeviceOf): Promise<void> {
  const order = async (by: Ask, alias: string, type: string, payload: unknown = {}) => {
    const { id } = await by<Order>("POST", `/admin/devices/${of(alias).device_id}/commands`, { type, payload });
    return { id, device: new Answering(appliance, of(alias)) };
  };
  const done = async (alias: string, type: string, payload: unknown, answer: { result?: string; error?: string }, by = operator) => {
    const { id, device } = await order(by, alias, type, payload);
    await device.fetched();
    await device.finished(id, answer);
  };
  await done("Tablet Aylin", "ping", {}, { result: '{"round_trip_ms":84}' });
  await done("Tablet Goran", "relaunch_app", {}, { error: "the app did not come to the foreground within 30 s" });
  await done("Tablet Carla", "lock", { message: "Please call dispatch." }, {});
  await done("Scanner Hamburg 3", "reboot", { delay_s: 0 }, {});
  await done("Gate Hamburg", "request_logs", { since_s: 3600, lines: 40 }, { result: JSON.stringify({ log: LOG }) });
  await done("Tablet Lena", "set_config", { settings: { auto_relaunch: true } }, {}, admin);
  await order(operator, "Tablet Ute", "nudge_update"); // expires: scene-past.ts
  const taken = await order(operator, "Tablet Nele", "nudge_update");
  await taken.device.fetched();
  await taken.device.received(taken.id);
  const sent = await order(operator, "Scanner Rostock 1", "screenshot", { reason: "Ticket 4471: blank page at the gate" });
  await sent.device.fetched();
  await order(operator, "Tablet Ute", "lock", { message: "Lost? Please call +49 40 5550 100." });
  const unwanted = await order(operator, "Tablet Jonas", "reboot", { delay_s: 60 });
  await operator("POST", `/admin/commands/${unwanted.id}/cancel`);
  await order(admin, "Tablet Ute", "wipe", { reason: "Lost on the ferry, reported on Monday" });
}

const LOG = [
  "12:01:07 net.regain wifi",
  "12:01:07 queue.drain items=3",
  "12:01:08 deliver.ok",
  "12:06:08 deliver.ok",
  "12:11:09 deliver.ok",
].join("\n");

/** To all scanners at once; about half have answered. */
export async function orderForMany(appliance: Appliance, operator: Ask, of: DeviceOf, aliases: string[]): Promise<void> {
  const selection = await operator<{ id: string }>("POST", "/admin/selections", {
    device_ids: aliases.map((alias) => of(alias).device_id),
  });
  await operator("POST", "/admin/commands", { type: "nudge_update", payload: {}, selection_id: selection.id });
  for (const alias of aliases.slice(0, Math.ceil(aliases.length / 2))) {
    const device = new Answering(appliance, of(alias));
    const { commands } = await device.ask<{ commands: { command_id: string; type: string }[] }>("GET", "/v1/commands");
    const newest = commands.findLast(({ type }) => type === "nudge_update");
    if (newest) await device.finished(newest.command_id);
  }
}

/** Who set the appliance up got an account and chose a password. */
export async function chief(appliance: Appliance, first: Ask): Promise<Ask> {
  const given = "what the set-up gave";
  await first("POST", "/admin/users", { username: CHIEF, role: "admin", email: `${CHIEF}@nordlicht.example`, password: given });
  const ask = await somebody(appliance, CHIEF, given);
  await ask("POST", "/api/auth/password", { old_password: given, new_password: PASSWORD });
  return somebody(appliance, CHIEF, PASSWORD);
}

/** Accounts, tokens, whom alerts go to, what is silenced for now. */
export async function office(admin: Ask, hook: string): Promise<void> {
  await admin("POST", "/admin/users", {
    username: "mira.vogt",
    role: "operator",
    email: "mira.vogt@nordlicht.example",
    password: PASSWORD,
  });
  await admin("POST", "/admin/users", {
    username: "jan.petersen",
    role: "viewer",
    email: "jan.petersen@nordlicht.example",
    password: PASSWORD,
  });
  await admin("POST", "/admin/users", { username: "night.desk", role: "operator", email: "night@nordlicht.example" });
  const gone = await admin<{ user: { id: string } }>("POST", "/admin/users", {
    username: "t.lorenz",
    role: "operator",
    password: PASSWORD,
  });
  await admin("PATCH", `/admin/users/${gone.user.id}`, { disabled: true });
  await admin("POST", "/admin/api-tokens", { name: "Grafana", scopes: ["devices:read", "alerts:read"], expires_in_s: 86_400 * 180 });
  await admin("POST", "/admin/api-tokens", { name: "Tour planning", scopes: ["devices:*", "commands:write"], role: "operator" });
  await admin("POST", "/admin/enrolment-tokens", { max_uses: 25, expires_in_s: 86_400 * 14, note: "New scanners, Rostock" });
  await admin("POST", "/admin/enrolment-tokens", { max_uses: 1, expires_in_s: 86_400, note: "Yusuf's replacement tablet" });
  await admin("PATCH", "/admin/monitoring", { enabled: true, package: "de.nordlicht.tour", display_name: "Tour", threshold_min: 10 });
  await admin("PATCH", "/admin/alert-rules/agent_outdated", { enabled: true, text_value: "2.4.0" });
  await admin("PUT", "/admin/alert-rules/low_battery/tags/night-shift", { threshold: 30, severity: "critical" });
  for (const [name, query] of [
    ["Silent in Rostock", "site=Rostock&status=silent"],
    ["Scanners low on battery", "tag=scanner&battery_below=31&sort=battery"],
    ["Old agents", "agent_version=2.3.1"],
  ])
    await admin("POST", "/api/auth/me/views", { page: "devices", name, query });
  const channel = { kind: "webhook", allow_private: true };
  await admin("POST", "/admin/alert-channels", { ...channel, name: "Dispatch desk", url: `${hook}/dispatch`, min_severity: "warning" });
  await admin("POST", "/admin/alert-channels", { ...channel, name: "Ticket system", url: `${hook}/tickets`, min_severity: "critical" });
  await admin("POST", "/admin/alert-channels", {
    ...channel,
    name: "Workshop",
    url: `${hook}/workshop`,
    rules: ["low_battery"],
    enabled: false,
  });
  await admin("POST", "/admin/alert-silences", {
    site: "Rostock",
    rule: "offline",
    duration_s: 7200,
    comment: "New switch in the hall until noon",
  });
  await admin("POST", "/admin/alert-silences", {
    tag: "kiosk",
    starts_at: inDays(2),
    ends_at: inDays(2.25),
    comment: "Weekend maintenance",
  });
}

const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString();
export const CHIEF = "anna.brandt";
export const PASSWORD = "a lighthouse by the sea";
