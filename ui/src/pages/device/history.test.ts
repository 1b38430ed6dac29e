// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import type { Schema } from "@/api/types";
import { appName, appSegments, onlineSegments, within } from "./history";

const T = 1_760_000_000;
const at = (seconds: number) => new Date(seconds * 1000).toISOString();
const points = (...seconds: number[]) => seconds.map((second) => ({ at: at(T + second), count: 1 })) as Schema<"HistoryPoint">[];
const spans = (segments: { from: number; to: number; state: string }[]) => segments.map((one) => [one.from - T, one.to - T, one.state]);

it("is online for one and a half intervals after a heartbeat, then late, then silent", () => {
  const found = onlineSegments(points(0, 300, 3600), 300, null, [T, T + 4000], T - 9999);
  expect(spans(found)).toEqual([
    [0, 300, "online"],
    [300, 600, "online"],
    [600, 1050, "online"],
    [1050, 1320, "late"],
    [1320, 3600, "silent"],
    [3600, 3900, "online"],
    [3900, 4000, "online"],
  ]);
});

it("says nothing of the time before the device was there", () => {
  expect(spans(onlineSegments([], 300, null, [T, T + 1000], T + 400))).toEqual([[400, 1000, "silent"]]);
  expect(spans(onlineSegments(points(600), 300, null, [T, T + 900], T + 600))).toEqual([[600, 900, "online"]]);
  expect(onlineSegments([], 300, null, [T, T + 1000], T + 5000)).toEqual([]);
});

it("makes stretches of the changes of the app", () => {
  const events = [
    { at: at(T + 500), what: "app", before: "b", after: "a" },
    { at: at(T + 300), what: "network", before: "wifi", after: "cellular" },
    { at: at(T + 200), what: "app", before: "a", after: "b" },
  ] as Schema<"DeviceEvent">[];
  expect(spans(appSegments(events, [T, T + 900], "a", T))).toEqual([
    [0, 200, "a"],
    [200, 500, "b"],
    [500, 900, "a"],
  ]);
  expect(spans(appSegments([], [T, T + 900], "a", T + 100))).toEqual([[100, 900, "a"]]);
  expect(appSegments([], [T, T + 900], null, T)).toEqual([]);
});

it("knows the app only while the device was heard of", () => {
  const online = [
    { from: T + 100, to: T + 300, state: "online" },
    { from: T + 400, to: T + 500, state: "online" },
  ];
  const apps = [
    { from: T, to: T + 450, state: "a" },
    { from: T + 450, to: T + 900, state: "b" },
  ];
  expect(spans(within(apps, online))).toEqual([
    [100, 300, "a"],
    [400, 450, "a"],
    [450, 500, "b"],
  ]);
});

it("names an app by what tells it from others", () => {
  expect(appName("com.example.till")).toBe("till");
  expect(appName("firefox")).toBe("firefox");
  expect(appName("kiosk.service")).toBe("kiosk.service");
});
