// SPDX-License-Identifier: Apache-2.0
/**
 * Who is signed in. The access token lives in memory alone; the refresh token is the browser's
 * HttpOnly cookie, so a script that got in could not take the session away.
 */
import { useSyncExternalStore } from "react";
import { api, ApiError, useCredentials } from "@/api/client";
import type { Schema } from "@/api/types";
import { hearTabs, tellTabs } from "./tabs";

export type User = Schema<"User">;

export interface Session {
  /** "away": whether somebody is signed in can't be asked now; it is asked again at `retryAt`. */
  state: "starting" | "away" | "signed-out" | "signed-in";
  user: User | null;
  /** The first password, which somebody else chose, is still in use. */
  passwordChangeAdvised: boolean;
  /** Why one was signed out, when it was not by choice; why the appliance is away. */
  reason: string | null;
  /** Milliseconds since 1970; of state "away". */
  retryAt: number | null;
  /** Of state "away": it is there, and too much was asked of it from here. */
  crowded: boolean;
}

let session: Session = { state: "starting", user: null, passwordChangeAdvised: false, reason: null, retryAt: null, crowded: false };
let token: string | null = null;
let refreshing: Promise<string | null> | null = null;
const listeners = new Set<() => void>();

function set(next: Partial<Session>): void {
  session = { ...session, ...next };
  for (const listener of listeners) listener();
}

function take(answer: Schema<"SignedIn">): void {
  token = answer.access_token;
  set({ user: answer.user, passwordChangeAdvised: Boolean(answer.password_change_advised) });
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

const AGAIN_MIN_S = 2;
const AGAIN_MAX_S = 30;

let hurry: (() => void) | null = null;

/** When somebody does not want to wait for the next try. */
export const retryStart = (): void => hurry?.();

/** As long as the appliance asks for, else longer each time; sooner when somebody or the network says so. */
async function awayFor(tries: number, error: unknown): Promise<void> {
  const asked = error instanceof ApiError ? error.retryAfterS : null;
  const waitMs = 1000 * (asked ?? Math.min(AGAIN_MAX_S, AGAIN_MIN_S * 2 ** (tries - 1)));
  set({
    state: "away",
    reason: error instanceof Error ? error.message : String(error),
    retryAt: Date.now() + waitMs,
    crowded: error instanceof ApiError && error.status === 429,
  });
  await new Promise<void>((done) => {
    const timer = setTimeout(done, waitMs);
    hurry = () => {
      clearTimeout(timer);
      done();
    };
    window.addEventListener("online", hurry, { once: true });
  });
  if (hurry) window.removeEventListener("online", hurry);
  hurry = null;
  set({ retryAt: null });
}

/** Where the cookie left off. An appliance that is away or busy is no reason to ask for a password. */
export async function startSession(): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      const found = await refresh();
      if (found) set({ state: "signed-in", reason: null });
      return;
    } catch (error) {
      await awayFor(tries, error);
    }
  }
}

/**
 * True: signed in. False: somebody else chose this password; `enter` goes on, with it or, which is
 * better, with one of one's own.
 */
export async function signIn(username: string, password: string): Promise<boolean> {
  take(await api.post("/api/auth/login", { body: { username, password, cookie: true }, outside: true }));
  if (session.passwordChangeAdvised) return false;
  enter();
  return true;
}

export function enter(): void {
  set({ state: "signed-in", reason: null });
  tellTabs("in");
}

function leave(reason: string | null): void {
  token = null;
  set({ state: "signed-out", user: null, reason });
}

export async function signOut(everywhere = false): Promise<void> {
  try {
    if (everywhere) await api.post("/api/auth/logout-all");
    else await api.post("/api/auth/logout");
  } finally {
    leave(null);
    tellTabs("out");
  }
}

// The browser's tabs share one cookie, so they come and go together.
hearTabs((what) => {
  if (what === "out" && session.state === "signed-in") leave("You signed out in another tab.");
  if (what === "in" && session.state === "signed-out") void startSession();
});

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
