// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { imageOf, linesOf } from "./result-view";

it("shows only images that are images", () => {
  const image = { media_type: "image/jpeg", data: "/9j/4AAQ", user_notified: true };
  expect(imageOf(image)).toEqual(image);
  expect(imageOf({ media_type: "image/svg+xml", data: "PHN2Zz4=" })).toBeNull();
  expect(imageOf({ media_type: "text/html", data: "PHN2Zz4=" })).toBeNull();
  expect(imageOf({ media_type: "image/png", data: 'x" onerror="' })).toBeNull();
  expect(imageOf("text")).toBeNull();
});

it("finds the lines of a log", () => {
  expect(linesOf({ events: [{ at: 1760000000.5, level: "info", event: "agent.start" }] })).toEqual([
    "2025-10-09T08:53:20.500Z  info  agent.start",
  ]);
  expect(
    linesOf({ aside: [], events: [{ ts: "2026-01-01T00:00:00Z", level: "info", event: "queue.drain", heartbeats: 2, path: "/v1" }] }),
  ).toEqual(["2026-01-01T00:00:00Z  info  queue.drain  heartbeats=2  path=/v1"]);
  expect(linesOf({ log: "a\nb" })).toEqual(["a", "b"]);
  expect(linesOf({ events: [] })).toEqual([]);
  expect(linesOf({ ok: true })).toBeNull();
});
