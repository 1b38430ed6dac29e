// SPDX-License-Identifier: Apache-2.0
/** The commands that a person can send: what each takes, who may, how it is said. */
import {
  AppWindow,
  Camera,
  CircleStop,
  CirclePlay,
  Download,
  FileText,
  Lock,
  Power,
  Radio,
  SlidersHorizontal,
  SquareTerminal,
  Trash2,
  type LucideIcon,
} from "lucide-react";
import type { Schema } from "@/api/types";
import type { Role } from "@/session/session";

export type CommandType = Schema<"CommandOrder">["type"];

export interface CommandField {
  name: string;
  label: string;
  hint?: string;
  kind: "text" | "lines" | "number" | "check" | "json";
  required?: boolean;
  least?: number;
  most?: number;
  initial?: string;
}

export interface CommandKind {
  type: CommandType;
  label: string;
  icon: LucideIcon;
  /** What it does to the device, and what whoever uses it will see. */
  hint: string;
  role: Role;
  fields: CommandField[];
  /** Sent at a click, without a form. */
  direct?: boolean;
  danger?: boolean;
}

const PACKAGE: CommandField = {
  name: "package",
  label: "Package",
  hint: "An Android package, or a program of a desktop.",
  kind: "text",
  required: true,
  most: 255,
};

export const COMMAND_KINDS: CommandKind[] = [
  { type: "ping", label: "Ping", icon: Radio, hint: "The device answers, and nobody notices.", role: "operator", fields: [], direct: true },
  {
    type: "lock",
    label: "Lock the screen",
    icon: Lock,
    hint: "Whoever uses the device has to unlock it again.",
    role: "operator",
    fields: [{ name: "message", label: "Message on the lock screen", kind: "lines", most: 200 }],
  },
  {
    type: "reboot",
    label: "Reboot",
    icon: Power,
    hint: "What runs on the device is interrupted.",
    role: "operator",
    fields: [{ name: "delay_s", label: "Wait first (seconds)", kind: "number", least: 0, most: 3600, initial: "0" }],
  },
  {
    type: "relaunch_app",
    label: "Relaunch the app",
    icon: AppWindow,
    hint: "The app is stopped and started again.",
    role: "operator",
    fields: [{ ...PACKAGE, required: false, hint: "Empty: the monitored one." }],
  },
  { type: "launch_package", label: "Launch an app", icon: CirclePlay, hint: "It comes to the foreground.", role: "operator", fields: [PACKAGE] },
  { type: "stop_package", label: "Stop an app", icon: CircleStop, hint: "It is ended at once.", role: "operator", fields: [PACKAGE] },
  {
    type: "set_config",
    label: "Change settings",
    icon: SlidersHorizontal,
    hint: "The agent's settings that are named change, the others stay.",
    role: "operator",
    fields: [{ name: "settings", label: "Settings (JSON)", kind: "json", required: true, initial: '{\n  "auto_relaunch": true\n}' }],
  },
  {
    type: "request_logs",
    label: "Fetch logs",
    icon: FileText,
    hint: "What the agent wrote lately comes as the command's result.",
    role: "operator",
    fields: [
      { name: "since_s", label: "How far back (seconds)", kind: "number", least: 1, most: 604_800, initial: "3600" },
      { name: "lines", label: "Lines at most", kind: "number", least: 1, most: 10_000, initial: "200" },
    ],
  },
  {
    type: "screenshot",
    label: "Take a screenshot",
    icon: Camera,
    hint: "Whoever uses the device is shown that, and why. The reason is in the audit log.",
    role: "operator",
    fields: [{ name: "reason", label: "Reason", kind: "text", most: 200 }],
  },
  {
    type: "nudge_update",
    label: "Look for an update",
    icon: Download,
    hint: "The agent asks at once for what is due.",
    role: "operator",
    fields: [{ name: "version", label: "Version", hint: "Empty: whatever is due.", kind: "text", most: 64 }],
  },
  {
    type: "raw",
    label: "Raw command",
    icon: SquareTerminal,
    hint: "Only for agents that declare it.",
    role: "admin",
    fields: [
      { name: "name", label: "Name", kind: "text", required: true, most: 64 },
      { name: "args", label: "Arguments (JSON)", kind: "json" },
    ],
  },
  {
    type: "wipe",
    label: "Wipe",
    icon: Trash2,
    hint: "Everything on the device is lost for good. It has to be confirmed in a second step, within 5 minutes.",
    role: "admin",
    danger: true,
    fields: [
      { name: "reason", label: "Reason", hint: "It is in the audit log.", kind: "text", most: 200 },
      { name: "external_storage", label: "The memory card too", kind: "check" },
    ],
  },
];

export const kindOf = (type: string): CommandKind | undefined => COMMAND_KINDS.find((kind) => kind.type === type);

/** Also for types that no person sends. */
export const commandLabel = (type: string): string => {
  const known = kindOf(type)?.label;
  if (known) return known;
  const words = type.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};

export type FormValues = Record<string, string | boolean>;

export const initialValues = (kind: CommandKind): FormValues =>
  Object.fromEntries(kind.fields.map((field) => [field.name, field.kind === "check" ? false : (field.initial ?? "")]));

type Problems = Record<string, string>;

function valueOf(field: CommandField, given: string | boolean | undefined, problems: Problems): unknown {
  if (field.kind === "check") return given === true ? true : undefined;
  const typed = typeof given === "string" ? given.trim() : "";
  if (!typed) {
    if (field.required) problems[field.name] = `${field.label} is needed.`;
    return undefined;
  }
  if (field.kind === "number") {
    const number = Number(typed);
    const { least = 0, most = Number.MAX_SAFE_INTEGER } = field;
    if (!Number.isInteger(number) || number < least || number > most)
      problems[field.name] = `A whole number from ${least.toLocaleString()} to ${most.toLocaleString()}.`;
    return number;
  }
  if (field.kind === "json") {
    try {
      const parsed: unknown = JSON.parse(typed);
      if (field.required && (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)))
        problems[field.name] = "A JSON object, such as { \"name\": 1 }.";
      return parsed;
    } catch (error) {
      problems[field.name] = error instanceof Error ? error.message : String(error);
      return undefined;
    }
  }
  if (field.most && typed.length > field.most) problems[field.name] = `At most ${field.most} characters.`;
  return typed;
}

/** What is sent, or what is wrong with what was typed. */
export function payloadOf(kind: CommandKind, values: FormValues): { payload: Record<string, never>; problems: Problems | null } {
  const problems: Problems = {};
  const found = kind.fields.map((field) => [field.name, valueOf(field, values[field.name], problems)] as const);
  const payload = Object.fromEntries(found.filter(([, value]) => value !== undefined)) as Record<string, never>;
  return { payload, problems: Object.keys(problems).length ? problems : null };
}
