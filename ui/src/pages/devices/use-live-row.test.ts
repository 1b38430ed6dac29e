// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { patched } from "./use-live-row";
import type { DeviceRow } from "./use-devices";

const T = 1_760_000_000;
const at = (seconds: number) => new Date(seconds * 1000).toISOString();
const row: DeviceRow = {
  id: "1",
  alias: "Till",
  kind: "android",
  hardware_id: "h",
  site: null,
  tags: [],
  agent_version: "4.2.0",
  status: "online",
  last_seen_at: at(T),
  heartbeat_interval_s: null,
  created_at: at(T),
  updated_at: at(T),
  first_seen_at: at(T),
  deleted_at: null,
  quarantined_at: null,
  last: {
    received_at: at(T),
    observed_at: at(T),
    battery: 50,
    charging: false,
    network: "wifi",
    ssid: "shop",
    fg_package: "a",
    uptime_s: 9,
    ram_free_mb: 1,
    ram_total_mb: 2,
    queue_depth: 0,
    clock_offset_s: 0,
  },
  read_at: T,
};

it("takes over what is newer and keeps what the channel does not tell", () => {
  const now = patched(row, {
    id: "1",
    alias: "Till 4",
    received_at: T + 60,
    observed_at: T + 60,
    battery: 49,
    network: "wifi",
    fg_package: "b",
    agent_version: "4.3.0",
  });
  expect(now).toMatchObject({
    alias: "Till 4",
    agent_version: "4.3.0",
    last: { battery: 49, charging: null, ssid: "shop", fg_package: "b", uptime_s: 9 },
  });
  expect(patched(row, { id: "1", received_at: T + 60, network: "cellular" }).last?.ssid).toBeNull();
});

it("is the same row when there is nothing new", () => {
  expect(patched(row, undefined)).toBe(row);
  expect(patched(row, { id: "1", received_at: T - 60, observed_at: T - 60, battery: 1 })).toBe(row);
});

it("fills a row that had no heartbeat yet", () => {
  expect(patched({ ...row, last: null }, { id: "1", received_at: T + 1, battery: 12 }).last).toMatchObject({ battery: 12, ssid: null });
});
