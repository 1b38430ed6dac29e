// SPDX-License-Identifier: Apache-2.0
import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import { TabPanel, Tabs } from "./tabs";

it("a click tells once what was chosen, though the address follows later", () => {
  const onChange = vi.fn<(value: string) => void>();
  const tabs = ["a", "b", "c"].map((value) => ({ value, label: value }));
  render(
    <Tabs label="Parts" tabs={tabs} value="a" onChange={onChange}>
      <TabPanel value="a">A</TabPanel>
    </Tabs>,
  );
  const tab = screen.getByRole("tab", { name: "b" });
  fireEvent.mouseDown(tab, { button: 0 });
  fireEvent.focus(tab); // what the browser does of itself then
  expect(onChange.mock.calls).toEqual([["b"]]);
});
