// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { changeOf, draftOfLayer, firesWhen, heldFor, isEmptyChange, whatDiffers, type AlertRule, type Layer } from "./rule-words";

const VALUES = { threshold: 15, clear_at: 20, hold_s: 0, clear_hold_s: 0, severity: "warning", enabled: true, text_value: null } as const;
const BATTERY: AlertRule = {
  rule: "low_battery",
  title: "Low battery",
  doc: "",
  unit: "percent",
  about: "device",
  fires: "below",
  defaults: VALUES,
  fleet: null,
  effective: VALUES,
  limits: { least: 1, most: 100, clear_at: true, text_value: false },
  tag_override_count: 0,
  device_override_count: 0,
};
const OFFLINE: AlertRule = { ...BATTERY, rule: "offline", unit: "seconds", fires: "above", limits: { ...BATTERY.limits, clear_at: false } };
const LAYER: Layer = {
  threshold: 30,
  clear_at: null,
  hold_s: 300,
  clear_hold_s: null,
  severity: "critical",
  enabled: false,
  text_value: null,
  priority: 0,
  updated_at: "2026-11-21T21:00:00Z",
  updated_by: "admin",
};

describe("a rule in words", () => {
  it("says when it fires", () => {
    expect(firesWhen(BATTERY)).toBe("below 15 %, until 20 %");
    expect(firesWhen(OFFLINE, { threshold: 720, clear_at: null, text_value: null })).toBe("above 12 min");
    expect([heldFor(0), heldFor(300)]).toEqual(["at once", "after 5 min"]);
  });

  it("says what a tag changes", () => expect(whatDiffers(BATTERY, LAYER)).toBe("below 30 %, fires after 5 min, critical, off"));
});

describe("a form", () => {
  it("sends what it was given, and null for what is as the wider scope has it", () =>
    expect(changeOf(BATTERY, draftOfLayer(LAYER))).toEqual({
      threshold: 30,
      clear_at: null,
      hold_s: 300,
      clear_hold_s: null,
      severity: "critical",
      enabled: false,
    }));

  it("sends nothing that the rule doesn't have", () =>
    expect(Object.keys(changeOf(OFFLINE, draftOfLayer(null)))).toEqual(["severity", "enabled", "threshold"]));

  it("knows when nothing differs", () => {
    expect(isEmptyChange(changeOf(BATTERY, draftOfLayer(null)))).toBe(true);
    expect(isEmptyChange(changeOf(BATTERY, { ...draftOfLayer(null), threshold: "0" }))).toBe(false);
  });
});
