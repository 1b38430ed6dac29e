// SPDX-License-Identifier: Apache-2.0
/**
 * A device as the appliance meets it, without an agent: it registers, reports, fetches its commands and answers them when the
 * test says so, signed as include/muster/COMMAND_SIGNATURE.md has it.
 */
import { createHash, createHmac } from "node:crypto";
import { until } from "./until";
import type { Appliance, Registered } from "./appliance";

interface Made extends Registered {
  hmac: { key: string; version: number };
}

export interface Envelope {
  command_id: string;
  type: string;
  /** As JSON. */
  payload: string;
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

export class Device {
  constructor(
    readonly appliance: Appliance,
    readonly made: Made,
    readonly alias: string,
  ) {}

  static async register(appliance: Appliance, alias: string, more: Record<string, unknown> = {}): Promise<Device> {
    const made = await appliance.ask<Made>("POST", "/v1/register", { alias, kind: "android", ...more });
    return new Device(appliance, made, alias);
  }

  get id(): string {
    return this.made.device_id;
  }

  heartbeat(fields: Record<string, unknown> = {}): Promise<void> {
    return this.appliance.heartbeat(this.made, fields);
  }

  async #ask<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const headers = { Authorization: `Bearer ${this.made.token}`, "Content-Type": "application/json" };
    const answer = await fetch(this.appliance.url + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${this.alias}: ${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Answer;
  }

  /** What waits for it: these are sent now. */
  async commands(): Promise<Envelope[]> {
    return (await this.#ask<{ commands: Envelope[] }>("GET", "/v1/commands")).commands;
  }

  /** The command that a page has just asked for. */
  next(type: string): Promise<Envelope> {
    return until(`a command ${type} for ${this.alias}`, async () => (await this.commands()).find((one) => one.type === type));
  }

  received(commandId: string): Promise<unknown> {
    return this.#ask("POST", `/v1/commands/${commandId}/received`, {});
  }

  #sign(lines: string[]): string {
    const text = lines.map((line) => `${line}\n`).join("");
    return createHmac("sha256", Buffer.from(this.made.hmac.key, "base64")).update(text).digest("hex");
  }

  /** What came of it; with `error` it failed. */
  finish(commandId: string, told: { result?: unknown; error?: string } = {}): Promise<unknown> {
    const { version } = this.made.hmac;
    const status = told.error === undefined ? "done" : "failed";
    const result = told.result === undefined ? undefined : JSON.stringify(told.result);
    const at = Math.floor(Date.now() / 1000);
    const lines = [
      "MUSTER-RESULT-1",
      this.id,
      commandId,
      status,
      sha256(result ?? ""),
      sha256(told.error ?? ""),
      String(at),
      String(version),
    ];
    return this.#ask("POST", "/v1/action-result", {
      command_id: commandId,
      status,
      finished_at: at,
      key_version: version,
      ...(result !== undefined && { result }),
      ...(told.error !== undefined && { error: told.error }),
      signature: this.#sign(lines),
    });
  }
}
