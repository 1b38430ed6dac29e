// SPDX-License-Identifier: Apache-2.0
/** What the page of enrolment says: the agent's command, quoted for each shell; a token's state; who came by it. */
import type { Schema } from "@/api/types";

export type Token = Schema<"EnrolmentTokenListed">;
export type Door = Schema<"AgentDoor">;
export type Shell = "bash" | "powershell";

/** In single quotes, where nothing means anything but the quote itself. */
export const quoteBash = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
export const quotePowerShell = (text: string) => `'${text.replaceAll("'", "''")}'`;

const PLAIN = /^[\w@%+=:,./-]+$/;
const bash = (text: string) => (PLAIN.test(text) ? text : quoteBash(text));

export interface CommandOptions {
  shell: Shell;
  server: string;
  token: string;
  /** null: the system's own authorities vouch for the certificate. */
  pin: string | null;
  /** Empty: the machine's host name. */
  alias: string;
}

/** One line; the token goes in by standard input, so that no list of processes shows it. */
export function enrolCommand({ shell, server, token, pin, alias }: CommandOptions): string {
  const name = alias.trim();
  if (shell === "powershell") {
    const trust = pin ? ` --pin ${quotePowerShell(pin)}` : "";
    const called = name ? quotePowerShell(name) : "$env:COMPUTERNAME";
    return `${quotePowerShell(token)} | .\\muster-agent.exe enroll --server ${quotePowerShell(server)}${trust} --token-file - --alias ${called}`;
  }
  const trust = pin ? ` --pin ${bash(pin)}` : "";
  const called = name ? quoteBash(name) : '"$(hostname)"';
  return `printf %s ${bash(token)} | muster-agent enroll --server ${bash(server)}${trust} --token-file - --alias ${called}`;
}

const LOCAL = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * Where agents are to call: the address of this page, which people can reach. A page read over plain HTTP names the
 * appliance's own port, since agents speak HTTPS; to this very machine they would accept both, so HTTPS there too.
 */
export function serverAddress(page: Pick<Location, "protocol" | "host" | "hostname" | "origin">, door: Door | null): string {
  if (page.protocol === "https:" || !door) return page.origin;
  return `https://${page.hostname}${door.https_port === 443 ? "" : `:${door.https_port}`}`;
}

export const isLocal = (server: string) => LOCAL.has(new URL(server).hostname);

export type TokenState = "open" | "used up" | "expired" | "revoked";

export function tokenState(token: Token, nowMs: number): TokenState {
  if (token.revoked_at) return "revoked";
  if (token.uses >= token.max_uses) return "used up";
  return new Date(token.expires_at).getTime() <= nowMs ? "expired" : "open";
}

/**
 * Which devices came in by a token, in the order in which they were noticed: the one that the appliance names, and all that
 * are new when it let in at least as many. A device that came in some other way meanwhile is not taken for one of them.
 */
export function arrivedBy(
  known: readonly string[],
  fresh: readonly string[],
  before: number,
  token: Pick<Token, "uses" | "last_device_id">,
): string[] {
  const uses = token.uses - before;
  if (uses <= 0) return [...known];
  const found = new Set(known);
  if (fresh.length <= uses) for (const id of fresh) found.add(id);
  if (token.last_device_id) found.add(token.last_device_id);
  return [...found];
}
