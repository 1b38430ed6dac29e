// SPDX-License-Identifier: Apache-2.0
import { render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { copyText } from "./copy-button";
import { Drawer } from "./drawer";

/** What execCommand("copy") would have taken. */
const marked = vi.fn<(text: string) => void>();

beforeEach(() => {
  vi.stubGlobal("navigator", { ...navigator, clipboard: undefined }); // as over plain HTTP
  document.execCommand = () => {
    const area = document.activeElement;
    marked(area instanceof HTMLTextAreaElement ? area.value : "");
    return true; // whatever was marked
  };
});
afterEach(() => {
  vi.unstubAllGlobals();
  Reflect.deleteProperty(document, "execCommand");
});

it("over plain HTTP copies the text also inside a drawer, which keeps the focus in itself", async () => {
  render(
    <Drawer open onOpenChange={() => {}} title="Command" description="Of a device">
      <button type="button">Copy</button>
    </Drawer>,
  );
  const button = screen.getByRole("button", { name: "Copy" });
  button.focus();
  await copyText("the payload");
  expect(marked.mock.calls).toEqual([["the payload"]]);
  expect(document.activeElement).toBe(button);
});

it("outside of one, too", async () => {
  await copyText("a command");
  expect(marked.mock.calls.at(-1)).toEqual(["a command"]);
  expect(document.querySelector("textarea")).toBeNull();
});
