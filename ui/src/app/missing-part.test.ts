// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { isMissingPart, onceItAnswers } from "./missing-part";

const answer = vi.fn<() => Promise<Response>>();
beforeEach(() => {
  vi.useFakeTimers();
  sessionStorage.clear();
  vi.stubGlobal("fetch", answer);
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

it("knows a part that did not come in every browser's words, and nothing else", () => {
  for (const said of [
    "Failed to fetch dynamically imported module: https://muster/assets/index-1.js",
    "error loading dynamically imported module: https://muster/assets/index-1.js",
    "Importing a module script failed.",
  ])
    expect(isMissingPart(said)).toBe(true);
  expect(isMissingPart("undefined is not a function")).toBe(false);
});

it("loads the page anew once the appliance answers, and not for ever when that does not help", async () => {
  answer.mockRejectedValue(new TypeError("Failed to fetch"));
  const reload = vi.fn<() => void>();
  const first = onceItAnswers(reload);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(reload).not.toHaveBeenCalled();
  answer.mockImplementation(async () => new Response("{}"));
  await vi.advanceTimersByTimeAsync(3000);
  expect(reload).toHaveBeenCalledTimes(1);
  first();
  const second = onceItAnswers(reload); // the part was missing after that, too
  await vi.advanceTimersByTimeAsync(20_000);
  expect(reload).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(15_000);
  expect(reload).toHaveBeenCalledTimes(2);
  second();
});

it("does nothing more once one went elsewhere", async () => {
  answer.mockRejectedValue(new TypeError("Failed to fetch"));
  const reload = vi.fn<() => void>();
  const stop = onceItAnswers(reload);
  await vi.advanceTimersByTimeAsync(1000);
  stop();
  answer.mockImplementation(async () => new Response("{}"));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(reload).not.toHaveBeenCalled();
});
