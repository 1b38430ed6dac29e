// SPDX-License-Identifier: Apache-2.0
import { statusNow, type Status } from "@/lib/device-status";
import { serverNow } from "@/live/server-now";
import { useLiveDevice } from "@/live/use-live";
import type { LiveDevice } from "@/live/store";
import { useNow } from "@/ui/time";
import type { DeviceRow } from "./use-devices";

/** The row with what the live channel told since; a cell asks for itself, so a delta draws the cells it is about. */
export function useLiveRow(row: DeviceRow): DeviceRow {
  const live = useLiveDevice(row.id);
  const known = made.get(row);
  if (known && known.live === live) return known.row;
  const fresh = patched(row, live);
  made.set(row, { live, row: fresh });
  return fresh;
}

/** The cells of a row share it. */
const made = new WeakMap<DeviceRow, { live: LiveDevice | undefined; row: DeviceRow }>();

const LAST_UNKNOWN: NonNullable<DeviceRow["last"]> = {
  received_at: "", observed_at: "", battery: null, charging: null, network: null, ssid: null, fg_package: null,
  uptime_s: null, ram_free_mb: null, ram_total_mb: null, queue_depth: null, clock_offset_s: 0,
};

export function patched(row: DeviceRow, live: LiveDevice | undefined): DeviceRow {
  if (!live?.received_at) return live?.alias ? { ...row, alias: live.alias } : row;
  const observed = new Date((live.observed_at ?? live.received_at) * 1000).toISOString();
  const was = row.last ?? LAST_UNKNOWN;
  const newer = !row.last?.observed_at || observed >= row.last.observed_at;
  if (!newer) return row;
  const network = live.network ?? null;
  return {
    ...row,
    alias: live.alias ?? row.alias,
    agent_version: live.agent_version ?? row.agent_version,
    last: {
      ...was,
      received_at: new Date(live.received_at * 1000).toISOString(),
      observed_at: observed,
      battery: live.battery ?? null,
      charging: live.charging ?? null,
      network,
      ssid: network === was.network ? was.ssid : null,
      fg_package: live.fg_package ?? null,
    },
  };
}

export function useStatus(row: DeviceRow): Status {
  const live = useLiveDevice(row.id);
  useNow(); // time alone makes a device late
  return statusNow(row, live, serverNow());
}
