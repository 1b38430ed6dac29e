// SPDX-License-Identifier: Apache-2.0
/** The commands that devices take: what they are called, what they do, what they need. */
import type { Schema } from "@/api/types";

export type Command = Schema<"Command">;
export type CommandState = Command["state"];
export type OrderType = Schema<"CommandOrder">["type"];

interface Asked {
  name: string;
  label: string;
  hint?: string;
  needed?: boolean;
  most?: number;
}

/** What a command's form asks for. */
export type PayloadField =
  | (Asked & { kind: "text" | "lines"; placeholder?: string })
  | (Asked & { kind: "number"; least: number; most: number; unit: string })
  | (Asked & { kind: "boolean" })
  | (Asked & { kind: "json"; placeholder?: string; shape: "object" | "any" });

export interface CommandType {
  title: string;
  does: string;
  role: "operator" | "admin";
  fields: PayloadField[];
}

const WORDS_MAX = 500;
const PACKAGE: PayloadField = { kind: "text", name: "package", label: "Package", hint: "An Android package, or a program of a desktop.", needed: true, most: 255, placeholder: "com.example.till" };

export const COMMAND_TYPES: Record<OrderType, CommandType> = {
  ping: { title: "Ping", does: "The device answers; nothing else happens.", role: "operator", fields: [] },
  lock: {
    title: "Lock",
    does: "Locks the screen.",
    role: "operator",
    fields: [{ kind: "lines", name: "message", label: "Message", hint: "Shown on the lock screen; may be left empty.", most: WORDS_MAX }],
  },
  reboot: {
    title: "Reboot",
    does: "Starts the device anew.",
    role: "operator",
    fields: [{ kind: "number", name: "delay_s", label: "Wait before", hint: "Empty: at once.", least: 0, most: 3600, unit: "seconds" }],
  },
  relaunch_app: {
    title: "Relaunch the app",
    does: "Stops the monitored app and starts it again.",
    role: "operator",
    fields: [{ ...PACKAGE, needed: false, hint: "Empty: the monitored one." } as PayloadField],
  },
  launch_package: { title: "Launch a package", does: "Brings an app to the foreground.", role: "operator", fields: [PACKAGE] },
  stop_package: { title: "Stop a package", does: "Ends an app.", role: "operator", fields: [PACKAGE] },
  set_config: {
    title: "Change settings",
    does: "Changes some of the agent's settings; the others stay.",
    role: "operator",
    fields: [{ kind: "json", name: "settings", label: "Settings", shape: "object", needed: true, placeholder: '{ "heartbeat_interval_s": 300 }' }],
  },
  request_logs: {
    title: "Request logs",
    does: "The agent sends its newest log lines.",
    role: "operator",
    fields: [
      { kind: "number", name: "since_s", label: "How far back", least: 1, most: 604_800, unit: "seconds" },
      { kind: "number", name: "lines", label: "Lines at most", least: 1, most: 10_000, unit: "lines" },
    ],
  },
  screenshot: {
    title: "Screenshot",
    does: "A picture of the screen. It is in the audit log.",
    role: "operator",
    fields: [{ kind: "text", name: "reason", label: "Reason", hint: "In the audit log, and shown to whoever uses the device.", most: WORDS_MAX }],
  },
  nudge_update: {
    title: "Look for an update",
    does: "The agent asks for its update now.",
    role: "operator",
    fields: [{ kind: "text", name: "version", label: "Version", hint: "Empty: whatever is due.", most: 64 }],
  },
  wipe: {
    title: "Wipe",
    does: "Erases the device. It waits 5 minutes for an administrator to confirm it.",
    role: "admin",
    fields: [
      { kind: "boolean", name: "external_storage", label: "The memory card too" },
      { kind: "text", name: "reason", label: "Reason", hint: "In the audit log.", most: WORDS_MAX },
    ],
  },
  raw: {
    title: "Raw",
    does: "Something of the agent's own, where the agent says that it takes such.",
    role: "admin",
    fields: [
      { kind: "text", name: "name", label: "Name", hint: "What the agent calls it.", needed: true, most: 64 },
      { kind: "json", name: "args", label: "Arguments", shape: "any", hint: "JSON, whatever the agent expects.", placeholder: "{ }" },
    ],
  },
};

export const ORDER_TYPES = Object.keys(COMMAND_TYPES) as OrderType[];

/** rotate_key is asked for elsewhere, and shown here. */
export const commandTitle = (type: string): string =>
  type === "rotate_key" ? "Rotate the key" : (COMMAND_TYPES[type as OrderType]?.title ?? type.replaceAll("_", " "));

export const STATES: readonly CommandState[] = ["awaiting_confirmation", "queued", "sent", "received", "done", "failed", "expired", "cancelled"];

export const STATE_TITLES: Record<CommandState, string> = {
  awaiting_confirmation: "to confirm",
  queued: "queued",
  sent: "sent",
  received: "received",
  done: "done",
  failed: "failed",
  expired: "expired",
  cancelled: "cancelled",
};

/** Nothing comes after these. */
export const isOver = (state: string): boolean => state === "done" || state === "failed" || state === "expired" || state === "cancelled";

/** The device doesn't have it yet. */
export const canCancel = (state: string): boolean => state === "awaiting_confirmation" || state === "queued" || state === "sent";

const ORDER: Record<string, number> = { awaiting_confirmation: 0, queued: 1, sent: 2, received: 3, done: 4, failed: 4, expired: 4, cancelled: 4 };

/** Nothing goes back: of what was read and what the live channel said, the later one. */
export const laterState = (read: CommandState, live: string | undefined): CommandState =>
  live !== undefined && (ORDER[live] ?? -1) > (ORDER[read] ?? 0) ? (live as CommandState) : read;

export type Draft = Record<string, string>;

export interface Built {
  payload: Record<string, unknown>;
  /** By field. */
  errors: Record<string, string>;
  /** Something that is needed is empty. */
  missing: boolean;
}

function valueOf(field: PayloadField, text: string): { value?: unknown; error?: string } {
  if (field.kind === "boolean") return { value: text === "true" };
  if (field.kind === "number") {
    const value = Number(text);
    const fits = Number.isInteger(value) && value >= field.least && value <= field.most;
    return fits ? { value } : { error: `A whole number from ${field.least.toLocaleString()} to ${field.most.toLocaleString()}.` };
  }
  if (field.kind !== "json") return { value: text };
  try {
    const value: unknown = JSON.parse(text);
    const object = typeof value === "object" && value !== null && !Array.isArray(value);
    return field.shape === "any" || object ? { value } : { error: "This must be an object: { … }" };
  } catch {
    return { error: "This is not JSON yet." };
  }
}

/** What is sent, of what was typed. Empty fields are left out. */
export function payloadOf(type: OrderType, draft: Draft): Built {
  const built: Built = { payload: {}, errors: {}, missing: false };
  for (const field of COMMAND_TYPES[type].fields) {
    const text = (draft[field.name] ?? "").trim();
    if (!text) {
      built.missing ||= Boolean(field.needed);
      continue;
    }
    const { value, error } = valueOf(field, text);
    if (error) built.errors[field.name] = error;
    else if (value !== false) built.payload[field.name] = value;
  }
  return built;
}

/** A payload on one line: "package com.example.till, delay 60". */
export function payloadLine(payload: object): string {
  return Object.entries(payload)
    .map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join(", ");
}

export const PATHS: Record<string, string> = {
  websocket: "WebSocket",
  fcm: "FCM",
  fcm_nudge: "FCM, as a nudge",
  heartbeat: "heartbeat",
};

type Counts = Schema<"CommandStateCounts">;

/** How far a bulk command is. */
export function progressOf(states: Counts): { all: number; over: number; share: number; canCancel: number } {
  const all = STATES.reduce((sum, state) => sum + states[state], 0);
  const over = STATES.filter(isOver).reduce((sum, state) => sum + states[state], 0);
  const open = STATES.filter(canCancel).reduce((sum, state) => sum + states[state], 0);
  return { all, over, share: all > 0 ? over / all : 0, canCancel: open };
}
