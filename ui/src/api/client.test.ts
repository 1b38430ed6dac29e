// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { api, ApiError, request, useCredentials } from "./client";

interface Answer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

const fetched = vi.fn<(url: string, init: RequestInit) => Promise<Response>>();
const answer = ({ status, body, headers }: Answer) =>
  new Response(body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body), { status, headers });
/** The next answers, in order; the last one for all that follow. */
function answers(...list: Answer[]): void {
  fetched.mockImplementation(async () => answer((list.length > 1 ? list.shift() : list[0]) ?? { status: 500 }));
}
const tokenOf = (call: number) => new Headers(fetched.mock.calls[call]?.[1].headers).get("authorization");
const failure = async (promise: Promise<unknown>): Promise<ApiError> => {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error("it went well");
};

let token: string | null;
const refresh = vi.fn<() => Promise<string | null>>();
beforeEach(() => {
  vi.stubGlobal("fetch", fetched);
  fetched.mockReset();
  refresh.mockReset();
  token = "old";
  useCredentials({ token: () => token, refresh });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("addresses and bodies", () => {
  it("fills the path, repeats lists and leaves out what is empty", async () => {
    answers({ status: 200, body: { devices: [] } });
    await api.get("/admin/devices", { query: { q: "till & co", tag: ["a", "b"], site: undefined, app: "" } });
    expect(fetched.mock.calls[0]?.[0]).toBe("/admin/devices?q=till+%26+co&tag=a&tag=b");
    await api.get("/admin/devices/{id}", { path: { id: "a/b" } });
    expect(fetched.mock.calls[1]?.[0]).toBe("/admin/devices/a%2Fb");
  });

  it("sends the token, JSON and the idempotency key", async () => {
    answers({ status: 204 });
    expect(await api.post("/api/auth/logout-all", { idempotencyKey: "k1" })).toBeUndefined();
    const headers = new Headers(fetched.mock.calls[0]?.[1].headers);
    expect([headers.get("authorization"), headers.get("idempotency-key"), headers.get("content-type")]).toEqual(["Bearer old", "k1", null]);
  });
});

describe("what two may change at once", () => {
  it("is read with its tag, which a change gives back", async () => {
    answers({ status: 200, body: { id: "7" }, headers: { ETag: '"a1"' } }, { status: 200, body: { id: "7" } });
    expect(await api.tagged("get", "/admin/devices/{id}", { path: { id: 7 } })).toEqual({ value: { id: "7" }, etag: '"a1"' });
    await api.patch("/admin/devices/{id}", { path: { id: 7 }, body: { site: "Kiel" }, ifMatch: '"a1"' });
    const tags = fetched.mock.calls.map(([, init]) => new Headers(init.headers).get("if-match"));
    expect(tags).toEqual([null, '"a1"']);
  });
});

describe("answers", () => {
  it("without a body are undefined, whatever the status", async () => {
    answers({ status: 202 });
    expect(await api.post("/api/auth/reset-request", { body: { username: "ada" } })).toBeUndefined();
  });
});

describe("a token that is over", () => {
  it("is exchanged and the request sent again", async () => {
    refresh.mockImplementation(async () => (token = "new"));
    answers({ status: 401, body: {} }, { status: 200, body: { ok: true } });
    await request("GET", "/x");
    expect([tokenOf(0), tokenOf(1)]).toEqual(["Bearer old", "Bearer new"]);
  });

  it("is exchanged once a request, not for ever", async () => {
    refresh.mockResolvedValue("new");
    answers({ status: 401, body: { detail: "No." } });
    const error = await failure(request("GET", "/x"));
    expect([error.status, error.message, refresh.mock.calls.length, fetched.mock.calls.length]).toEqual([401, "No.", 1, 2]);
  });

  it("ends in the 401 when the session is over", async () => {
    refresh.mockResolvedValue(null);
    answers({ status: 401, body: {} });
    expect((await failure(request("GET", "/x"))).status).toBe(401);
    expect(fetched).toHaveBeenCalledTimes(1);
  });

  it("without a token a 401 is the answer (a wrong password)", async () => {
    token = null;
    answers({ status: 401, body: { detail: "The password is wrong." } });
    expect((await failure(request("POST", "/api/auth/login"))).message).toBe("The password is wrong.");
    expect(refresh).not.toHaveBeenCalled();
  });
});

describe("too many requests", () => {
  it("a GET waits as long as it is told, then tries again", async () => {
    vi.useFakeTimers();
    answers({ status: 429, headers: { "retry-after": "3" } }, { status: 200, body: {} });
    const response = request("GET", "/x");
    await vi.advanceTimersByTimeAsync(2900);
    expect(fetched).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(200);
    expect((await response).status).toBe(200);
  });

  it("gives up after two more tries", async () => {
    vi.useFakeTimers();
    answers({ status: 503, headers: { "retry-after": "1" } });
    const error = failure(request("GET", "/x"));
    await vi.advanceTimersByTimeAsync(5000);
    expect([(await error).status, fetched.mock.calls.length]).toEqual([503, 3]);
  });

  it.each([
    ["a POST, which may have been done", "POST", "1"],
    ["a wait that nobody sits through", "GET", "60"],
    ["no word of how long", "GET", ""],
  ])("does not try again: %s", async (_, method, wait) => {
    answers({ status: 429, headers: wait ? { "retry-after": wait } : {} });
    const error = await failure(request(method, "/x"));
    expect([error.retryAfterS, fetched.mock.calls.length]).toEqual([wait ? Number(wait) : null, 1]);
  });
});

describe("what went wrong", () => {
  it("is said in the appliance's words", async () => {
    answers({
      status: 400,
      body: { type: "urn:muster:problem:invalid", title: "Bad Request", detail: "limit must be at most 500.", field: "limit" },
      headers: { "x-request-id": "abc" },
    });
    const error = await failure(request("GET", "/x"));
    expect([error.message, error.field, error.requestId, error.slug]).toEqual([
      "limit must be at most 500.",
      "limit",
      "abc",
      "urn:muster:problem:invalid",
    ]);
  });

  it("is a plain sentence when a proxy answers in HTML", async () => {
    answers({ status: 502, body: "<html>Bad Gateway</html>" });
    expect((await failure(request("GET", "/x"))).message).toBe("The appliance answered 502.");
  });

  it("tells an appliance that is away from one that refuses", async () => {
    fetched.mockRejectedValue(new TypeError("Failed to fetch"));
    const error = await failure(request("GET", "/x"));
    expect([error.status, error.slug]).toEqual([0, "unreachable"]);
  });

  it("leaves an abort an abort", async () => {
    fetched.mockRejectedValue(new DOMException("aborted", "AbortError"));
    await expect(request("GET", "/x")).rejects.toThrow(DOMException);
  });
});
