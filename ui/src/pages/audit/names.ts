// SPDX-License-Identifier: Apache-2.0
/** What the log calls by a number, by its name. */
import { useQuery } from "@tanstack/react-query";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";

type Entry = Schema<"AuditEntry">;

export interface Names {
  /** "user:7" → "erin". */
  of: ReadonlyMap<string, string>;
  /** Whom to ask for, as the filter takes it. */
  actors: readonly string[];
}

const FRESH_MS = 300_000;
const NO_ONE: Names = { of: new Map(), actors: [] };

/** Users and API tokens; two requests, then kept for a while. */
export function useNames(): Names {
  const { data } = useQuery({
    queryKey: ["audit-names"],
    queryFn: async ({ signal }): Promise<Names> => {
      const [{ users }, { tokens }] = await Promise.all([
        api.get("/admin/users", { query: { limit: 1000 }, signal }),
        api.get("/admin/api-tokens", { signal }),
      ]);
      const of = new Map<string, string>();
      for (const user of users) of.set(`user:${user.id}`, user.username);
      for (const token of tokens) of.set(`api-token:${token.id}`, token.name);
      const programs = tokens.map((token) => `api-token:${token.id}`);
      return { of, actors: [...users.map((user) => user.username), ...programs, "admin-key", "job:*"] };
    },
    staleTime: FRESH_MS,
  });
  return data ?? NO_ONE;
}

const CALLED = ["username", "alias", "name"] as const;

/** By what the entry itself says: it knows also those that are gone, and by the name of that day. */
export function ownName({ before, after }: Pick<Entry, "before" | "after">): string | null {
  for (const side of [after, before]) {
    if (typeof side !== "object" || side === null || Array.isArray(side)) continue;
    for (const key of CALLED) {
      const name = (side as Record<string, unknown>)[key];
      if (typeof name === "string" && name !== "") return name;
    }
  }
  return null;
}

/** Of the people's and programs' things alone: a command's "name" is not a device's. */
const NAMED = new Set(["user", "api-token", "device", "enrolment-token", "alert-channel"]);

export function nameOfSubject(entry: Entry, names: Names): string | null {
  const kind = entry.subject.slice(0, entry.subject.indexOf(":"));
  return (NAMED.has(kind) ? ownName(entry) : null) ?? names.of.get(entry.subject) ?? null;
}
