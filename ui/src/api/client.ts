// SPDX-License-Identifier: Apache-2.0
/**
 * Requests to the appliance: typed by its OpenAPI description, authenticated by the session, and told
 * in its own words when something is refused.
 *
 *   const devices = await api.get("/admin/devices", { query: { q: "till" } });
 *   await api.post("/admin/devices/{id}/commands", { path: { id }, body: { type: "ping" } });
 *
 * A 401 is answered by one refresh for all requests that wait, then by a second try; a 429 or 503
 * of a GET by waiting for Retry-After (10 s at most), twice.
 */
import { heardRoom } from "./room";
import type { paths } from "./schema";

type Method = "get" | "post" | "put" | "patch" | "delete";
type PathsWith<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, { responses: unknown }> ? P : never;
}[keyof paths];
type Operation<P extends keyof paths, M extends Method> = paths[P] extends Record<M, infer O> ? O : never;
type Json<T> = T extends { content: { "application/json": infer J } } ? J : undefined;
type Success<O> = O extends { responses: infer R }
  ? { [S in keyof R]: S extends 200 | 201 | 202 ? Json<R[S]> : S extends 204 ? undefined : never }[keyof R]
  : never;
type Query<O> = O extends { parameters: { query?: infer Q } } ? Q : never;
type PathParameters<O> = O extends { parameters: { path: infer P } } ? P : never;
type Body<O> = O extends { requestBody?: infer B } ? Json<NonNullable<B>> : never;

export interface Asked<O> {
  query?: Query<O>;
  path?: { [K in keyof PathParameters<O>]: string | number };
  body?: Body<O>;
  /** Repeating a request with the same key changes nothing more. */
  idempotencyKey?: string;
  /** The `etag` of what was read: refused with 412 if somebody changed that since. */
  ifMatch?: string;
  signal?: AbortSignal;
  /** Neither with the session's token nor with a refresh: what makes the session must not wait for itself. */
  outside?: boolean;
}

/** What the appliance said (RFC 9457), or that nothing came. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly slug: string,
    message: string,
    readonly field: string | null = null,
    readonly requestId: string | null = null,
    readonly retryAfterS: number | null = null,
    readonly problem: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

/** Where requests get their token; set by the session (session/session.ts). */
export interface Credentials {
  token(): string | null;
  /** A fresh token, or null when the session is over. */
  refresh(): Promise<string | null>;
}

let credentials: Credentials = { token: () => null, refresh: async () => null };

export function useCredentials(next: Credentials): void {
  credentials = next;
}

const WAIT_S_MAX = 10;
const TRIES_MAX = 3;

function urlOf(path: string, asked: { query?: unknown; path?: unknown }): string {
  const parameters = (asked.path ?? {}) as Record<string, string | number>;
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(parameters[name])));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries((asked.query ?? {}) as Record<string, unknown>)) {
    if (value === undefined || value === null || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one));
  }
  const query = search.toString();
  return query ? `${filled}?${query}` : filled;
}

function retryAfterS(response: Response): number | null {
  const value = Number(response.headers.get("retry-after"));
  return Number.isFinite(value) && value > 0 ? value : null;
}

async function errorOf(response: Response): Promise<ApiError> {
  let problem: Record<string, unknown> = {};
  try {
    problem = (await response.json()) as Record<string, unknown>;
  } catch {
    // A proxy in between may answer in HTML.
  }
  const text = (name: string) => (typeof problem[name] === "string" ? (problem[name] as string) : null);
  return new ApiError(
    response.status,
    text("type") ?? "unknown",
    text("detail") ?? text("title") ?? `The appliance answered ${response.status}.`,
    text("field"),
    response.headers.get("x-request-id"),
    retryAfterS(response),
    problem,
  );
}

async function once(method: string, url: string, asked: Asked<unknown>, token: string | null): Promise<Response> {
  const headers = new Headers({ Accept: "application/json" });
  if (token) headers.set("Authorization", `Bearer ${token}`);
  if (asked.body !== undefined) headers.set("Content-Type", "application/json");
  if (asked.idempotencyKey) headers.set("Idempotency-Key", asked.idempotencyKey);
  if (asked.ifMatch) headers.set("If-Match", asked.ifMatch);
  try {
    const response = await fetch(url, {
      method,
      headers,
      body: asked.body === undefined ? undefined : JSON.stringify(asked.body),
      signal: asked.signal,
      credentials: "same-origin",
    });
    heardRoom(response.headers);
    return response;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The appliance can't be reached.");
  }
}

const pause = (seconds: number) => new Promise((done) => setTimeout(done, seconds * 1000));

/** The response when it is a success; for what is not JSON (CSV). */
export async function request(method: string, path: string, asked: Asked<unknown> = {}): Promise<Response> {
  const url = urlOf(path, asked);
  let token = asked.outside ? null : credentials.token();
  let refreshed = false;
  for (let tries = 1; ; tries++) {
    const response = await once(method, url, asked, token);
    if (response.ok) return response;
    if (response.status === 401 && token && !refreshed) {
      refreshed = true;
      token = await credentials.refresh();
      if (token) continue;
    }
    const wait = retryAfterS(response);
    const again = method === "GET" && (response.status === 429 || response.status === 503);
    if (!again || wait === null || wait > WAIT_S_MAX || tries >= TRIES_MAX) throw await errorOf(response);
    await pause(wait);
  }
}

/** What was read, and what a later change says that it means that (`ifMatch`). */
export interface Tagged<Value> {
  value: Value;
  etag: string | undefined;
}

async function tagged(method: string, path: string, asked: Asked<unknown> = {}): Promise<Tagged<unknown>> {
  const response = await request(method, path, asked);
  const text = await response.text(); // a 202 may have a body or none
  return { value: text === "" ? undefined : (JSON.parse(text) as unknown), etag: response.headers.get("etag") ?? undefined };
}

const json = async (method: string, path: string, asked?: Asked<unknown>) => (await tagged(method, path, asked)).value;

type Call<M extends Method> = <P extends PathsWith<M>>(
  path: P,
  asked?: Asked<Operation<P, M>>,
) => Promise<Success<Operation<P, M>>>;

type TaggedCall = <M extends Method, P extends PathsWith<M>>(
  method: M,
  path: P,
  asked?: Asked<Operation<P, M>>,
) => Promise<Tagged<Success<Operation<P, M>>>>;

export const api = {
  get: ((path, asked) => json("GET", path as string, asked as Asked<unknown>)) as Call<"get">,
  post: ((path, asked) => json("POST", path as string, asked as Asked<unknown>)) as Call<"post">,
  put: ((path, asked) => json("PUT", path as string, asked as Asked<unknown>)) as Call<"put">,
  patch: ((path, asked) => json("PATCH", path as string, asked as Asked<unknown>)) as Call<"patch">,
  delete: ((path, asked) => json("DELETE", path as string, asked as Asked<unknown>)) as Call<"delete">,
  tagged: ((method, path, asked) => tagged(method.toUpperCase(), path as string, asked as Asked<unknown>)) as TaggedCall,
};
