// SPDX-License-Identifier: Apache-2.0
/** The commands that a person can send: what each is called and does, what it takes, who may, and which devices know it. */
import {
  AppWindow,
  Camera,
  CirclePlay,
  CircleStop,
  Download,
  FileText,
  KeyRound,
  Lock,
  Power,
  Radio,
  SlidersHorizontal,
  SquareTerminal,
  Trash2,
  type LucideIcon,
} from "lucide-react";
import type { Schema } from "@/api/types";

export type OrderType = Schema<"CommandOrder">["type"];
type DeviceKind = Schema<"Device">["kind"];

interface Asked {
  name: string;
  label: string;
  hint?: string;
  needed?: boolean;
  initial?: string;
}

/** What a command's form asks for. */
export type PayloadField =
  | (Asked & { kind: "text" | "lines"; most: number; placeholder?: string })
  | (Asked & { kind: "number"; least: number; most: number; unit: string })
  | (Asked & { kind: "boolean" })
  | (Asked & { kind: "json"; placeholder?: string; shape: "object" | "any" });

export interface CommandType {
  type: OrderType;
  title: string;
  icon: LucideIcon;
  /** What it does to the device, and what whoever uses it will see. */
  does: string;
  role: "operator" | "admin";
  /** How long a device has to receive it, unless said otherwise. */
  ttlS: number;
  fields: PayloadField[];
  /** Sent at a click, without a form. */
  direct?: boolean;
  /** Something is lost for good: it is confirmed in a second step. */
  danger?: boolean;
  /** Only devices of these kinds have it. */
  kinds?: readonly DeviceKind[];
  /** Only agents that say in their heartbeats that they take it. */
  declared?: boolean;
}

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;
const WORDS_MAX = 200;
const PACKAGE = {
  kind: "text",
  name: "package",
  label: "Package",
  hint: "An Android package, or a program of a desktop.",
  needed: true,
  most: 255,
  placeholder: "com.example.till",
} as const satisfies PayloadField;

const LIST: CommandType[] = [
  {
    type: "ping",
    title: "Ping",
    icon: Radio,
    does: "The device answers; nothing else happens, and nobody notices.",
    role: "operator",
    ttlS: 10 * MINUTE_S,
    fields: [],
    direct: true,
  },
  {
    type: "lock",
    title: "Lock the screen",
    icon: Lock,
    does: "Whoever uses the device has to unlock it again.",
    role: "operator",
    ttlS: DAY_S,
    fields: [{ kind: "lines", name: "message", label: "Message on the lock screen", most: WORDS_MAX }],
  },
  {
    type: "reboot",
    title: "Reboot",
    icon: Power,
    does: "The device starts anew; what runs on it is interrupted.",
    role: "operator",
    ttlS: HOUR_S,
    fields: [{ kind: "number", name: "delay_s", label: "Wait before", hint: "Empty: at once.", least: 0, most: 3600, unit: "seconds" }],
  },
  {
    type: "relaunch_app",
    title: "Relaunch the app",
    icon: AppWindow,
    does: "The app is stopped and started again.",
    role: "operator",
    ttlS: HOUR_S,
    fields: [{ ...PACKAGE, needed: false, hint: "Empty: the monitored one." }],
  },
  {
    type: "launch_package",
    title: "Launch an app",
    icon: CirclePlay,
    does: "It comes to the foreground.",
    role: "operator",
    ttlS: HOUR_S,
    fields: [PACKAGE],
  },
  {
    type: "stop_package",
    title: "Stop an app",
    icon: CircleStop,
    does: "It is ended at once.",
    role: "operator",
    ttlS: HOUR_S,
    fields: [PACKAGE],
  },
  {
    type: "set_config",
    title: "Change settings",
    icon: SlidersHorizontal,
    does: "The agent's settings that are named change, the others stay.",
    role: "operator",
    ttlS: 7 * DAY_S,
    fields: [
      {
        kind: "json",
        name: "settings",
        label: "Settings (JSON)",
        shape: "object",
        needed: true,
        placeholder: '{ "auto_relaunch": true }',
      },
    ],
  },
  {
    type: "request_logs",
    title: "Fetch logs",
    icon: FileText,
    does: "What the agent wrote lately comes as the command's result.",
    role: "operator",
    ttlS: DAY_S,
    fields: [
      { kind: "number", name: "since_s", label: "How far back", least: 1, most: 7 * DAY_S, unit: "seconds", initial: "3600" },
      { kind: "number", name: "lines", label: "Lines at most", least: 1, most: 10_000, unit: "lines", initial: "200" },
    ],
  },
  {
    type: "screenshot",
    title: "Take a screenshot",
    icon: Camera,
    does: "A picture of the screen. Whoever uses the device is told, and why.",
    role: "operator",
    ttlS: 10 * MINUTE_S,
    fields: [{ kind: "text", name: "reason", label: "Reason", hint: "Shown on the device, and kept in the audit log.", most: WORDS_MAX }],
  },
  {
    type: "nudge_update",
    title: "Look for an update",
    icon: Download,
    does: "The agent asks for its update now.",
    role: "operator",
    ttlS: DAY_S,
    fields: [{ kind: "text", name: "version", label: "Version", hint: "Empty: whatever is due.", most: 64 }],
  },
  {
    type: "raw",
    title: "Raw command",
    icon: SquareTerminal,
    does: "Something of the agent's own, where the agent says that it takes such.",
    role: "admin",
    ttlS: HOUR_S,
    declared: true,
    fields: [
      { kind: "text", name: "name", label: "Name", hint: "What the agent calls it.", needed: true, most: 64 },
      { kind: "json", name: "args", label: "Arguments (JSON)", shape: "any", hint: "Whatever the agent expects.", placeholder: "{ }" },
    ],
  },
  {
    type: "wipe",
    title: "Wipe",
    icon: Trash2,
    does: "Everything on the device is lost for good. It has to be confirmed in a second step, within 5 minutes.",
    role: "admin",
    ttlS: 7 * DAY_S,
    danger: true,
    kinds: ["android"],
    fields: [
      { kind: "text", name: "reason", label: "Reason", hint: "In the audit log.", most: WORDS_MAX },
      { kind: "boolean", name: "external_storage", label: "The memory card too" },
    ],
  },
];

/** As a menu shows them: what destroys comes last. */
export const COMMAND_TYPES: readonly CommandType[] = LIST;

const BY_TYPE = new Map<string, CommandType>(LIST.map((one) => [one.type, one]));

export function commandType(type: OrderType): CommandType {
  const known = BY_TYPE.get(type);
  if (!known) throw new Error(`There is no command ${type}.`);
  return known;
}

/** Also of those that no person sends: rotate_key is asked for elsewhere, and shown here. */
export const commandTitle = (type: string): string =>
  type === "rotate_key" ? "Rotate the key" : (BY_TYPE.get(type)?.title ?? type.replaceAll("_", " "));

export const commandIcon = (type: string): LucideIcon =>
  type === "rotate_key" ? KeyRound : (BY_TYPE.get(type)?.icon ?? SquareTerminal);

/** What is known of a device that a command may go to. */
export interface Knowing {
  kind: DeviceKind;
  last?: { extra?: Record<string, unknown> | null } | null;
}

/** Why this device has no such command; null: it has. */
export function whyNot(one: CommandType, device: Knowing): string | null {
  if (one.kinds && !one.kinds.includes(device.kind)) return device.kind === "desktop" ? "not on a desktop" : "not on Android";
  if (!one.declared) return null;
  const said = device.last?.extra?.["capabilities"];
  return Array.isArray(said) && said.includes(one.type) ? null : "its agent takes none";
}

export type Draft = Record<string, string>;

export const initialOf = (one: CommandType): Draft =>
  Object.fromEntries(one.fields.flatMap((field) => (field.initial === undefined ? [] : [[field.name, field.initial]])));

export interface Built {
  payload: Record<string, unknown>;
  /** By field: what is wrong with what was typed. */
  errors: Record<string, string>;
  /** By field: what is still to be told. */
  missing: Record<string, string>;
}

function jsonOf(shape: "object" | "any", text: string): { value?: unknown; error?: string } {
  try {
    const value: unknown = JSON.parse(text);
    const object = typeof value === "object" && value !== null && !Array.isArray(value);
    return shape === "any" || object ? { value } : { error: 'This must be an object, such as { "name": 1 }.' };
  } catch {
    return { error: "This is not JSON yet." };
  }
}

function valueOf(field: PayloadField, text: string): { value?: unknown; error?: string } {
  if (field.kind === "boolean") return { value: text === "true" };
  if (field.kind === "number") {
    const value = Number(text);
    const fits = Number.isInteger(value) && value >= field.least && value <= field.most;
    return fits ? { value } : { error: `A whole number from ${field.least.toLocaleString()} to ${field.most.toLocaleString()}.` };
  }
  if (field.kind === "json") return jsonOf(field.shape, text);
  return text.length > field.most ? { error: `At most ${field.most} characters.` } : { value: text };
}

/** What is sent, of what was typed. Empty fields are left out. */
export function payloadOf(one: CommandType, draft: Draft): Built {
  const built: Built = { payload: {}, errors: {}, missing: {} };
  for (const field of one.fields) {
    const text = (draft[field.name] ?? "").trim();
    if (!text) {
      if (field.needed) built.missing[field.name] = `${field.label} is needed.`;
      continue;
    }
    const { value, error } = valueOf(field, text);
    if (error) built.errors[field.name] = error;
    else if (value !== false) built.payload[field.name] = value;
  }
  return built;
}
