// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import {
  actorName,
  alertSentence,
  amount,
  eventLine,
  incidentPlace,
  incidentSentence,
  incidentTitle,
  span,
  type Incident,
  type IncidentEvent,
} from "./alert-words";

const INCIDENT: Incident = {
  id: "1",
  kind: "device",
  group_key: "Basel",
  device_id: "7",
  device_alias: "Till 4",
  rule: "low_battery",
  severity: "warning",
  opened_at: "2026-11-21T21:00:00Z",
  updated_at: "2026-11-21T21:00:00Z",
  closed_at: null,
  acked_at: null,
  acked_by: null,
  ack_note: null,
  merged_into: null,
  version: 1,
  alert_count: 1,
  firing_count: 1,
};

const event = (kind: string, detail: object | null): IncidentEvent => ({
  id: "1",
  at: "2026-11-21T21:00:00Z",
  kind,
  actor: "appliance",
  alert_id: null,
  device_id: null,
  device_alias: null,
  episode: null,
  detail: detail as IncidentEvent["detail"],
});

describe("spans", () => {
  it("have two units from hours on", () => {
    expect([0, 59, 60, 782, 5400, 3600, 187_200, 172_800].map(span)).toEqual([
      "0 s",
      "59 s",
      "1 min",
      "13 min",
      "1 h 30 min",
      "1 h",
      "2 d 4 h",
      "2 d",
    ]);
  });

  it("and values have their rule's unit", () => {
    expect([amount("seconds", 720), amount("minutes", 90), amount("percent", 15), amount("count", 4), amount("count", null)]).toEqual([
      "12 min",
      "1 h 30 min",
      "15 %",
      "4",
      "?",
    ]);
  });
});

describe("a sentence", () => {
  it("has value and limit", () =>
    expect(alertSentence({ rule: "low_battery", unit: "percent", value: 8, threshold: 15, detail: null })).toBe(
      "Battery at 8 % (limit 15 %).",
    ));

  it("names the service, or says that there is one", () => {
    const alert = { rule: "service_down", unit: "minutes", value: 10, threshold: 1 } as const;
    expect(alertSentence({ ...alert, detail: { service: "Kiosk" } as never })).toBe(
      "Kiosk was last in the foreground 10 min ago (limit 1 min).",
    );
    expect(alertSentence({ ...alert, detail: null })).toContain("The monitored service");
  });
});

describe("an incident", () => {
  it("of one device is called by it", () => {
    expect(incidentTitle(INCIDENT)).toBe("Low battery: Till 4");
    expect(incidentPlace(INCIDENT)).toBe("Site Basel");
    expect(incidentSentence(INCIDENT)).toBe("");
  });

  it("of a place counts devices", () => {
    const site: Incident = { ...INCIDENT, kind: "site", device_id: null, device_alias: null, alert_count: 6, firing_count: 5 };
    expect(incidentTitle(site)).toBe("6 devices low on battery");
    expect(incidentSentence(site)).toBe("5 of 6 devices are still affected.");
    expect(incidentSentence({ ...site, closed_at: "2026-11-21T22:00:00Z" })).toBe("All 6 devices are well again.");
    expect(incidentPlace({ kind: "network", group_key: "unknown" })).toBe("Place unknown");
  });
});

describe("a line of a thread", () => {
  it("says what is known", () => {
    expect(eventLine(event("fired", { value: 5, threshold: 15 }), "percent")).toEqual({ title: "Alert fired", more: "at 5 %, limit 15 %" });
    expect(eventLine(event("not_notified", { channel: "Pager", edge: "opened", tries: 1, error: "410" })).more).toBe("Pager, opened: 410");
    expect(eventLine(event("remedy_sent", { try: 1, of: 3 })).more).toBe("try 1 of 3");
    expect(eventLine(event("noted", { text: "On my way" }))).toEqual({ title: "Note", more: "On my way" });
  });

  it("of a kind that is new here is shown all the same", () =>
    expect(eventLine(event("some_thing", null))).toEqual({ title: "some thing", more: null }));

  it("has people by their names", () =>
    expect(["user:alice", "appliance", "alert:25"].map(actorName)).toEqual(["alice", "appliance", "alert 25"]));
});
