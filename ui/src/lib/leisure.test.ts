// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { heardRoom } from "@/api/room";
import { atLeisure } from "./leisure";

let hidden = false;
const show = (seen: boolean) => {
  hidden = !seen;
  document.dispatchEvent(new Event("visibilitychange"));
};

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(document, "hidden", "get").mockImplementation(() => hidden);
});
afterEach(() => void vi.useRealTimers());

it("a page that nobody sees reads once it is seen", () => {
  const read = vi.fn<() => void>();
  show(false);
  atLeisure(read, 1000);
  vi.advanceTimersByTime(60_000);
  expect(read).not.toHaveBeenCalled();
  show(true);
  show(false);
  show(true);
  expect(read).toHaveBeenCalledTimes(1);
});

it("waits where the account has few requests left, and not when it is called off", () => {
  const read = vi.fn<() => void>();
  heardRoom(new Headers({ ratelimit: '"general";r=5;t=9' }));
  atLeisure(read, 1000);
  vi.advanceTimersByTime(14_000);
  expect(read).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1100);
  expect(read).toHaveBeenCalledTimes(1);
  const off = atLeisure(read, 1000);
  off();
  show(false);
  atLeisure(read, 1000)();
  vi.advanceTimersByTime(5000);
  show(true);
  expect(read).toHaveBeenCalledTimes(1);
});
