// SPDX-License-Identifier: Apache-2.0
/**
 * Who is signed in. The access token lives in memory alone; the refresh token is the browser's
 * HttpOnly cookie, so a script that got in could not take the session away.
 */
import { useSyncExternalStore } from "react";
import { api, ApiError, useCredentials } from "@/api/client";
import type { Schema } from "@/api/types";

export type User = Schema<"User">;

export interface Session {
  state: "starting" | "signed-out" | "signed-in";
  user: User | null;
  /** The first password, which somebody else chose, is still in use. */
  passwordChangeAdvised: boolean;
  /** Why one was signed out, when it was not by choice. */
  reason: string | null;
}

let session: Session = { state: "starting", user: null, passwordChangeAdvised: false, reason: null };
let token: string | null = null;
let refreshing: Promise<string | null> | null = null;
const listeners = new Set<() => void>();

function set(next: Partial<Session>): void {
  session = { ...session, ...next };
  for (const listener of listeners) listener();
}

function take(answer: Schema<"SignedIn">): void {
  token = answer.access_token;
  set({ passwordChangeAdvised: Boolean(answer.password_change_advised) });
}

/** One exchange, whoever asks: the cookie is good once. */
function refresh(): Promise<string | null> {
  refreshing ??= (async () => {
    try {
      take(await api.post("/api/auth/refresh", { body: {}, outside: true }));
      return token;
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 400)) {
        token = null;
        const was = session.state === "signed-in";
        set({ state: "signed-out", user: null, reason: was ? "Your session has ended. Sign in again." : null });
        return null;
      }
      throw error; // the appliance is away: the session is not over for that
    } finally {
      refreshing = null;
    }
  })();
  return refreshing;
}

useCredentials({ token: () => token, refresh });

const START_TRIES = 3;

/** What an appliance that is busy asks to wait, or null when waiting is not the answer. */
function busyFor(error: unknown): number | null {
  return error instanceof ApiError && (error.status === 429 || error.status === 503) ? (error.retryAfterS ?? 1) : null;
}

export async function startSession(): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      const found = await refresh();
      if (found) set({ state: "signed-in", user: await api.get("/api/auth/me") });
      return;
    } catch (error) {
      const wait = busyFor(error);
      if (wait === null || tries >= START_TRIES) {
        set({ state: "signed-out", reason: error instanceof ApiError ? error.message : "The appliance can't be reached." });
        return;
      }
      await new Promise((done) => setTimeout(done, wait * 1000));
    }
  }
}

export async function signIn(username: string, password: string): Promise<void> {
  const answer = await api.post("/api/auth/login", { body: { username, password, cookie: true }, outside: true });
  take(answer);
  set({ state: "signed-in", user: await api.get("/api/auth/me"), reason: null });
}

export async function signOut(everywhere = false): Promise<void> {
  try {
    if (everywhere) await api.post("/api/auth/logout-all");
    else await api.post("/api/auth/logout");
  } finally {
    token = null;
    set({ state: "signed-out", user: null, reason: null });
  }
}

export async function reloadUser(): Promise<void> {
  set({ user: await api.get("/api/auth/me"), passwordChangeAdvised: false });
}

/** For what is no component. */
export const currentSession = (): Session => session;

export function useSession(): Session {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => session,
  );
}

const RANK = { viewer: 0, operator: 1, admin: 2 } as const;
export type Role = keyof typeof RANK;

/** May the person who is signed in do what needs this role? */
export function useMay(role: Role): boolean {
  const { user } = useSession();
  return user !== null && RANK[user.role as Role] >= RANK[role];
}
