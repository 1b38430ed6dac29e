// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { listenForKeys } from "./keys";
import { matches } from "./palette-match";

describe("matches", () => {
  it("every word typed begins a word, in any order", () => {
    expect(matches("tok us", "Users & tokens accounts API")).toBe(true);
    expect(matches("", "Devices")).toBe(true);
    expect(matches("vice", "Devices")).toBe(false);
    expect(matches("device x", "Devices")).toBe(false);
  });
});

describe("keys", () => {
  const actions = { palette: vi.fn(), help: vi.fn(), go: vi.fn() };
  let stop: () => void;
  const press = (key: string, init: KeyboardEventInit = {}, target: EventTarget = document.body) =>
    target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...init }));

  beforeEach(() => {
    document.body.innerHTML = "";
    for (const action of Object.values(actions)) action.mockReset();
    stop = listenForKeys(actions);
  });
  afterEach(() => stop());

  it("open the palette and the help", () => {
    press("k", { ctrlKey: true });
    press("/");
    press("?", { shiftKey: true });
    expect([actions.palette.mock.calls.length, actions.help.mock.calls.length]).toEqual([2, 1]);
  });

  it("g and a letter go to a page; the letter alone does nothing", () => {
    press("d");
    expect(actions.go).not.toHaveBeenCalled();
    press("g");
    press("d");
    expect(actions.go).toHaveBeenCalledWith("/devices");
  });

  it("`/` goes to the page's own search where there is one", () => {
    document.body.innerHTML = "<input data-page-search>";
    press("/");
    expect(document.activeElement?.hasAttribute("data-page-search")).toBe(true);
    expect(actions.palette).not.toHaveBeenCalled();
  });

  it("are left to whoever types, and to dialogs", () => {
    document.body.innerHTML = "<input>";
    press("/", {}, document.querySelector("input") ?? undefined);
    document.body.innerHTML = '<div role="dialog"></div>';
    press("?");
    expect([actions.palette.mock.calls.length, actions.help.mock.calls.length]).toEqual([0, 0]);
  });
});
