// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const user = { id: "1", username: "ada", role: "operator", email: null, password_change_advised: false };
const signedIn = (token: string, advised = false) => ({
  access_token: token,
  token_type: "Bearer",
  expires_in_s: 900,
  user,
  password_change_advised: advised,
});
const json = (status: number, body: unknown) => new Response(JSON.stringify(body), { status });

/** As the browser's: told to all but itself. */
const tabs = new Set<Channel>();
class Channel extends EventTarget {
  constructor() {
    super();
    tabs.add(this);
  }
  postMessage(data: unknown): void {
    for (const tab of tabs) if (tab !== this) tab.dispatchEvent(new MessageEvent("message", { data }));
  }
}

type Route = (token: string | null) => Response | Promise<Response>;
let routes: Record<string, Route>;
const calls: string[] = [];

beforeEach(() => {
  vi.resetModules();
  vi.stubGlobal("BroadcastChannel", Channel);
  tabs.clear();
  calls.length = 0;
  routes = {};
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    calls.push(url);
    const route = routes[url];
    return route ? route(new Headers(init.headers).get("authorization")) : json(404, {});
  });
});
afterEach(() => vi.unstubAllGlobals());

describe("the session", () => {
  it("many requests that find their token over share one refresh", async () => {
    let good = "t1";
    routes["/api/auth/login"] = () => json(200, signedIn("t1"));
    routes["/x"] = (token) => json(token === `Bearer ${good}` ? 200 : 401, {});
    routes["/api/auth/refresh"] = async () => {
      await new Promise((done) => setTimeout(done, 5));
      return json(200, signedIn(good));
    };
    const { signIn } = await import("./session");
    const { request } = await import("@/api/client");
    await signIn("ada", "secret");
    good = "t2";
    const all = await Promise.all(Array.from({ length: 12 }, () => request("GET", "/x")));
    expect(all.every((response) => response.ok)).toBe(true);
    expect(calls.filter((url) => url === "/api/auth/refresh")).toHaveLength(1);
  });

  it("a refresh that is refused ends it, one that fails does not", async () => {
    routes["/api/auth/login"] = () => json(200, signedIn("t1"));
    routes["/x"] = () => json(401, {});
    const { signIn, currentSession } = await import("./session");
    const { request } = await import("@/api/client");
    await signIn("ada", "secret");
    routes["/api/auth/refresh"] = () => json(503, { detail: "Busy." });
    await expect(request("GET", "/x")).rejects.toThrow("Busy.");
    expect(currentSession().state).toBe("signed-in");
    routes["/api/auth/refresh"] = () => json(401, {});
    await expect(request("GET", "/x")).rejects.toThrow();
    expect([currentSession().state, currentSession().reason]).toEqual(["signed-out", "Your session has ended. Sign in again."]);
  });

  it("starts where the cookie left off, and says that a password change is due", async () => {
    routes["/api/auth/refresh"] = () => json(200, signedIn("t1", true));
    const { startSession, currentSession } = await import("./session");
    await startSession();
    const { state, user: who, passwordChangeAdvised } = currentSession();
    expect([state, who?.username, passwordChangeAdvised]).toEqual(["signed-in", "ada", true]);
    expect(calls).toEqual(["/api/auth/refresh"]); // each tab that opens costs it: nothing more
  });

  it("an appliance that is away at the start is asked again, and nobody is signed out for it", async () => {
    routes["/api/auth/refresh"] = () => json(503, { detail: "The database is away." });
    const { startSession, currentSession, retryStart } = await import("./session");
    const started = startSession();
    await vi.waitFor(() => expect(currentSession().state).toBe("away"));
    expect([currentSession().reason, currentSession().retryAt]).toEqual(["The database is away.", expect.any(Number)]);
    routes["/api/auth/refresh"] = () => json(200, signedIn("t1"));
    retryStart();
    await started;
    expect([currentSession().state, currentSession().reason]).toEqual(["signed-in", null]);
  });

  it("with a password of somebody else's one is not in before one has said with which to go on", async () => {
    routes["/api/auth/login"] = () => json(200, signedIn("t1", true));
    const { signIn, enter, currentSession } = await import("./session");
    expect(await signIn("ada", "given")).toBe(false);
    expect(currentSession().state).not.toBe("signed-in");
    enter();
    expect([currentSession().state, currentSession().passwordChangeAdvised]).toEqual(["signed-in", true]);
  });

  it("tabs of one browser go and come together", async () => {
    routes["/api/auth/login"] = () => json(200, signedIn("t1"));
    routes["/api/auth/logout"] = () => new Response(null, { status: 204 });
    routes["/api/auth/refresh"] = () => json(200, signedIn("t2"));
    const one = await import("./session");
    vi.resetModules();
    const other = await import("./session");
    await other.startSession();
    await one.signIn("ada", "secret");
    await one.signOut();
    expect([other.currentSession().state, other.currentSession().reason]).toEqual(["signed-out", "You signed out in another tab."]);
    await one.signIn("ada", "secret");
    await vi.waitFor(() => expect(other.currentSession().state).toBe("signed-in"));
    expect(calls.filter((url) => url === "/api/auth/refresh")).toHaveLength(2);
  });
});
