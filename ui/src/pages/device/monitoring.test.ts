// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import type { Schema } from "@/api/types";
import { changeOf, formOf } from "./monitoring";

const monitoring: Schema<"DeviceMonitoring"> = {
  device_id: "1",
  enabled: true,
  package: "com.x",
  display_name: null,
  threshold_min: 10,
  auto_remediate: false,
  auto_relaunch: true,
  updated_at: null,
  updated_by: null,
  from_fleet: ["display_name", "threshold_min", "auto_remediate", "enabled"],
};
const form = formOf(monitoring);
const own = (name: string) => form.fleet.filter((one) => one !== name);

it("sends nothing when nothing was changed", () => {
  expect(changeOf(monitoring, form)).toEqual({ change: {}, problem: null });
});

it("sends what differs, also where the value is what the fleet happens to have", () => {
  expect(changeOf(monitoring, { values: { ...form.values, threshold_min: "10" }, fleet: own("threshold_min") }).change).toEqual({
    threshold_min: 10,
  });
  expect(changeOf(monitoring, { values: { ...form.values, enabled: false }, fleet: own("enabled") }).change).toEqual({ enabled: false });
  expect(changeOf(monitoring, { values: { ...form.values, package: " com.y " }, fleet: form.fleet }).change).toEqual({ package: "com.y" });
});

it("goes back to the fleet's with null, by choice or by an empty field", () => {
  expect(changeOf(monitoring, { ...form, fleet: [...form.fleet, "package"] }).change).toEqual({ package: null });
  expect(changeOf(monitoring, { values: { ...form.values, package: "" }, fleet: form.fleet }).change).toEqual({ package: null });
  expect(changeOf(monitoring, { values: { ...form.values, display_name: "" }, fleet: own("display_name") }).change).toEqual({});
});

it("knows the bounds of the threshold", () => {
  for (const typed of ["0", "121", "1.5", "x"])
    expect(changeOf(monitoring, { values: { ...form.values, threshold_min: typed }, fleet: own("threshold_min") }).problem).toContain(
      "1 to 120",
    );
});
