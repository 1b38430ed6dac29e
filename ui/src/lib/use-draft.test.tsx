// SPDX-License-Identifier: Apache-2.0
import { act } from "react";
import { createRoot } from "react-dom/client";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { useDraft } from "./use-draft";

const keep = vi.fn<(value: string) => void>();
let field: [string, (text: string) => void];

function Field({ value }: { value: string }) {
  field = useDraft(value, keep);
  return null;
}

let root: ReturnType<typeof createRoot>;
const show = (value: string) => act(() => root.render(<Field value={value} />));
const type = (text: string) => act(() => field[1](text));

beforeEach(() => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  vi.useFakeTimers();
  keep.mockReset();
  root = createRoot(document.createElement("div"));
});
afterEach(() => {
  act(() => root.unmount());
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("keeps what was typed once typing rests, and loses no key to what comes back late", () => {
  show("");
  type("h");
  act(() => vi.advanceTimersByTime(299));
  type("hu");
  act(() => vi.advanceTimersByTime(300));
  expect(keep.mock.calls).toEqual([["hu"]]);
  type("hug");
  show("hu"); // what was kept arrives
  expect(field[0]).toBe("hug");
  act(() => vi.advanceTimersByTime(300));
  expect(keep.mock.calls).toEqual([["hu"], ["hug"]]);
});

it("shows what is changed elsewhere, and does not send it back", () => {
  show("hugo");
  show("");
  expect(field[0]).toBe("");
  act(() => vi.advanceTimersByTime(1000));
  expect(keep).not.toHaveBeenCalled();
});
