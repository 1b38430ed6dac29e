// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { addressesOf, leadsTo, whatIsTold, type Channel } from "./channel-words";

const CHANNEL: Channel = {
  id: "1",
  kind: "webhook",
  name: "Pager",
  enabled: true,
  min_severity: "info",
  rules: [],
  tags: [],
  sites: [],
  mode: "immediate",
  digest_at: "08:00",
  digest_zone: "UTC",
  rate_per_min: 20,
  host: "pager.example.org",
  to: null,
  allow_private: false,
  broken: false,
  failed_at: null,
  error: null,
  created_at: "2026-11-21T21:00:00Z",
  updated_at: "2026-11-21T21:00:00Z",
  updated_by: "admin",
};

describe("a channel in words", () => {
  it("of everything", () => expect(whatIsTold(CHANNEL)).toBe("everything"));

  it("of some of it, once a day", () =>
    expect(
      whatIsTold({
        ...CHANNEL,
        min_severity: "warning",
        rules: ["offline"],
        sites: ["Graz", "Linz", "Wien"],
        mode: "digest",
        digest_at: "07:30",
      }),
    ).toBe("warnings and worse, of Device offline, at 3 sites, once a day at 07:30 (UTC)"));

  it("says where it leads", () => {
    expect(leadsTo(CHANNEL)).toBe("pager.example.org");
    expect(leadsTo({ ...CHANNEL, host: null, to: ["a@example.org", "b@example.org"] })).toBe("a@example.org, b@example.org");
  });
});

it("takes addresses as people type them", () =>
  expect(addressesOf(" a@x.org,b@x.org\nc@x.org; a@x.org ")).toEqual(["a@x.org", "b@x.org", "c@x.org"]));
