// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { silenceBody, type SilenceDraft } from "./silence-draft";

const DRAFT: SilenceDraft = { device: null, rule: "", tag: "", site: "", all: false, duration: "3600", begins: "", ends: "", comment: " " };

describe("a silence", () => {
  it("needs to say of what", () => {
    expect(silenceBody(DRAFT)).toBeNull();
    expect(silenceBody({ ...DRAFT, all: true })).toEqual({ all: true, duration_s: 3600 });
  });

  it("is for all that was chosen together", () =>
    expect(
      silenceBody({ ...DRAFT, device: { id: "7", alias: "Till 4" }, rule: "offline", site: "Graz", all: true, comment: "Router" }),
    ).toEqual({
      device_id: "7",
      rule: "offline",
      site: "Graz",
      comment: "Router",
      duration_s: 3600,
    }));

  it("until a time needs that time", () => {
    expect(silenceBody({ ...DRAFT, tag: "kiosk", duration: "until" })).toBeNull();
    const body = silenceBody({ ...DRAFT, tag: "kiosk", duration: "until", ends: "2026-11-22T08:00" });
    expect(body).toEqual({ tag: "kiosk", ends_at: new Date("2026-11-22T08:00").toISOString() });
  });
});
