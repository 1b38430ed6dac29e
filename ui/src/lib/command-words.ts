// SPDX-License-Identifier: Apache-2.0
/** Where a command stands, and how it is said. What there is to send: command-types.ts. */
import type { Schema } from "@/api/types";

export type Command = Schema<"Command">;
export type CommandState = Command["state"];

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

export const STATES = Object.keys(STATE_TITLES) as readonly CommandState[];

/** Nothing comes after these. */
export const isOver = (state: string): boolean => state === "done" || state === "failed" || state === "expired" || state === "cancelled";

/** The device doesn't have it yet. */
export const canCancel = (state: string): boolean => state === "awaiting_confirmation" || state === "queued" || state === "sent";

const BEFORE: Record<string, number> = { awaiting_confirmation: 0, queued: 1, sent: 2, received: 3 };
const rank = (state: string) => BEFORE[state] ?? (isOver(state) ? 4 : -1);

/** Nothing goes back: of what was read and what the live channel said, the later one. */
export const laterState = (read: CommandState, live: string | undefined): CommandState =>
  live !== undefined && rank(live) > rank(read) ? (live as CommandState) : read;

/** Why it waits or ended as it did. */
export function noteOf(command: Command): string | null {
  if (command.error) return command.error;
  if (command.withheld && (command.state === "queued" || command.state === "sent")) return "held back: its device is in quarantine";
  return command.report?.error ?? null;
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
