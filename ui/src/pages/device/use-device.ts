// SPDX-License-Identifier: Apache-2.0
/** One device and what belongs to it. All keys begin with ["devices", "one", id]; those of commands with ["commands"], as everywhere. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { statusNow, type Status } from "@/lib/device-status";
import { atLeisure } from "@/lib/leisure";
import { serverNow } from "@/live/server-now";
import { liveStore, type Message } from "@/live/store";
import { useLiveDevice } from "@/live/use-live";
import { patched } from "@/pages/devices/use-live-row";
import { useNow } from "@/ui/time";

export type Device = Schema<"DeviceDetail"> & { read_at: number };
export type Part = "device" | "history" | "events" | "commands" | "alerts" | "rules" | "monitoring" | "heartbeats";

export const keyOf = (id: string, part: Part, ...rest: unknown[]) => ["devices", "one", id, part, ...rest] as const;

const REREAD_MS = 60_000;

export function useDevice(id: string) {
  return useQuery({
    queryKey: keyOf(id, "device"),
    queryFn: async ({ signal }): Promise<Device> => {
      const device = await api.get("/admin/devices/{id}", { path: { id }, signal });
      return { ...device, read_at: serverNow() };
    },
    refetchInterval: REREAD_MS,
  });
}

/** As it is now: with what the live channel told since, and the time that went by. */
export function useNowOf(device: Device): { device: Device; status: Status } {
  const live = useLiveDevice(device.id);
  useNow();
  const row = patched(device, live);
  return {
    device: {
      ...device,
      alias: row.alias,
      agent_version: row.agent_version,
      last: row.last ? { ...device.last, ...row.last } : device.last,
    },
    status: statusNow(device, live, serverNow()),
  };
}

const SOON_MS = 1000;
const BETWEEN_MS = 3000;
const HEARTBEATS_MS = 20_000;

/** Soon after the first change, then not more often than every `betweenMs`. */
export const dueIn = (now: number, last: number, betweenMs: number): number => Math.max(SOON_MS, last + betweenMs - now);

type Delta = Extract<Message, { type: "delta" }>;

function partsOf(id: string, delta: Delta): { soon: Part[]; later: Part[] } {
  const row = delta.devices?.find((one) => one.id === id);
  const soon: Part[] = [];
  if (delta.missed || delta.commands?.some((one) => one.device_id === id)) soon.push("commands");
  if (delta.missed || delta.alerts?.some((one) => one.device_id === id)) soon.push("alerts");
  if (delta.removed?.includes(id) || (row && ("edited" in row || "alias" in row || "quarantined" in row))) soon.push("device");
  return { soon, later: row ? ["device", "history", "events", "heartbeats"] : [] };
}

/** Reads again what the live channel says has changed; what each heartbeat changes every 20 s at most. */
export function useDeviceNews(id: string): void {
  const client = useQueryClient();
  useEffect(() => {
    const planned = new Map<Part, { due: number; off: () => void }>();
    const last = new Map<Part, number>();
    const plan = (part: Part, betweenMs: number) => {
      const now = Date.now();
      const wait = dueIn(now, last.get(part) ?? 0, betweenMs);
      const before = planned.get(part);
      if (before && before.due <= now + wait) return;
      before?.off();
      const read = () => {
        planned.delete(part);
        last.set(part, Date.now());
        void client.invalidateQueries({ queryKey: part === "commands" ? ["commands"] : keyOf(id, part) });
      };
      planned.set(part, { due: now + wait, off: atLeisure(read, wait) });
    };
    const stop = liveStore.onDelta((delta) => {
      const { soon, later } = partsOf(id, delta);
      for (const part of soon) plan(part, BETWEEN_MS);
      for (const part of later) plan(part, HEARTBEATS_MS);
    });
    return () => {
      stop();
      for (const { off } of planned.values()) off();
    };
  }, [client, id]);
}
