// SPDX-License-Identifier: Apache-2.0
import { render } from "@testing-library/react";
import { beforeEach, expect, test, vi } from "vitest";
import { styleSingleton } from "./style-singleton";

const texts = () => (document.adoptedStyleSheets as unknown as FakeSheet[]).map((sheet) => sheet.text);

/** jsdom constructs no style sheets. */
class FakeSheet {
  text = "";
  replaceSync(text: string) {
    this.text = text;
  }
}

beforeEach(() => {
  vi.stubGlobal("CSSStyleSheet", FakeSheet);
  Object.defineProperty(document, "adoptedStyleSheets", { value: [], writable: true, configurable: true });
});

test("a sheet is there while anybody shows it, once, and without a <style> element", () => {
  const Sheet = styleSingleton();
  const first = render(<Sheet styles="body{overflow:hidden}" />);
  const second = render(<Sheet styles="body{overflow:hidden}" />);
  expect(texts()).toEqual(["body{overflow:hidden}"]);
  expect(document.querySelector("style")).toBeNull();
  first.unmount();
  expect(texts()).toHaveLength(1);
  second.unmount();
  expect(texts()).toEqual([]);
});

test("a dynamic sheet follows its text; others' sheets stay", () => {
  const Sheet = styleSingleton();
  const Other = styleSingleton();
  const other = render(<Other styles="i{}" />);
  const shown = render(<Sheet styles="a{}" dynamic />);
  shown.rerender(<Sheet styles="b{}" dynamic />);
  expect(texts()).toEqual(["i{}", "b{}"]);
  shown.unmount();
  expect(texts()).toEqual(["i{}"]);
  other.unmount();
});
