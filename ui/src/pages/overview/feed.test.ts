// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import type { Schema } from "@/api/types";
import type { LiveAlert } from "@/live/store";
import { alertFeed } from "./feed";

const iso = (seconds: number) => new Date(seconds * 1000).toISOString();

function alert(id: string, fired: number | null, resolved: number | null): Schema<"Alert"> {
  return {
    id,
    rule: "offline",
    severity: "critical",
    state: resolved ? "resolved" : fired ? "firing" : "pending",
    device_id: `d${id}`,
    device_alias: `Till ${id}`,
    site: null,
    incident_id: "7",
    episode: 1,
    value: null,
    threshold: null,
    pending_at: iso((fired ?? 100) - 1),
    fired_at: fired === null ? null : iso(fired),
    resolved_at: resolved === null ? null : iso(resolved),
    resolved_by: null,
    remedy_count: 0,
    acked_at: null,
    acked_by: null,
    detail: null,
    title: "Device offline",
    unit: "seconds",
  };
}

const live = (change: string, at: number, rest: Partial<LiveAlert> = {}): LiveAlert => ({
  incident_id: "7",
  alert_id: null,
  device_id: null,
  rule: "offline",
  change,
  at,
  ...rest,
});

describe("the feed", () => {
  it("tells when an alert began and ended, newest first", () => {
    const lines = alertFeed([alert("1", 100, 200), alert("2", 150, null), alert("3", null, null)], [], 10);
    expect(lines.map((line) => [line.change, line.alias, line.at])).toEqual([
      ["resolved", "Till 1", 200],
      ["fired", "Till 2", 150],
      ["fired", "Till 1", 100],
    ]);
  });

  it("adds what is heard, once", () => {
    const again = live("fired", 100.4, { alert_id: "1", device_id: "d1" });
    const fresh = live("fired", 300, { alert_id: "9", device_id: "d9" });
    const lines = alertFeed([alert("1", 100, null)], [fresh, again], 10);
    expect(lines.map((line) => [line.change, line.deviceId])).toEqual([
      ["fired", "d9"],
      ["fired", "d1"],
    ]);
  });

  it("passes over the echo of a single device's incident, not over one of many", () => {
    const lines = alertFeed([], [live("closed", 30), live("opened", 20, { device_id: "d1" }), live("odd", 10)], 10);
    expect(lines.map((line) => line.change)).toEqual(["closed"]);
  });

  it("takes what is told again once", () => {
    expect(alertFeed([], [live("acked", 30), live("acked", 30)], 10)).toHaveLength(1);
  });

  it("tells of many devices at once in one line", () => {
    const out = Array.from({ length: 40 }, (_, n) =>
      live("fired", 300 - n, { alert_id: `a${n}`, device_id: `d${n}`, firing_count: 60 - n }),
    );
    const other = live("fired", 299.5, { rule: "low_battery", alert_id: "b", device_id: "d99" });
    const lines = alertFeed([alert("1", 90, null)], [other, ...out], 10);
    expect(lines.map((line) => [line.change, line.rule, line.deviceId, line.incidentId, line.firing])).toEqual([
      ["fired", "offline", "d0", "7", 60],
      ["fired", "low_battery", "d99", "7", null],
      ["fired", "offline", null, "7", 59],
      ["fired", "offline", "d1", "7", null],
    ]);
  });

  it("knows how many devices an open incident has, or says that there may be more", () => {
    const read = Array.from({ length: 40 }, (_, n) => alert(String(n), 300 - n, null));
    const [known] = alertFeed(read, [], 10, new Map([["7", 400]]));
    expect([known?.firing, known?.orMore]).toEqual([400, false]);
    const [unknown] = alertFeed(read, [], 10);
    expect([unknown?.firing, unknown?.orMore]).toEqual([40, true]);
  });

  it("is no longer than asked for", () => {
    const many = Array.from({ length: 50 }, (_, index) => live("noted", index, { incident_id: String(index) }));
    expect(alertFeed([], many.toReversed(), 5).map((line) => line.at)).toEqual([49, 48, 47, 46, 45]);
  });
});
