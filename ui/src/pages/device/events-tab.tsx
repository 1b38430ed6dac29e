// SPDX-License-Identifier: Apache-2.0
import { useMemo, useState } from "react";
import { AppWindow, Cpu, History, Network, Plug, Power, ShieldCheck, Wifi, type LucideIcon } from "lucide-react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { useKeyset } from "@/lib/keyset";
import { serverNow } from "@/live/server-now";
import { Button } from "@/ui/button";
import { Card, CardHeader } from "@/ui/card";
import { Segments } from "@/ui/select";
import { Empty, Failure, Skeleton } from "@/ui/states";
import { Time } from "@/ui/time";
import { keyOf } from "./use-device";

type Event = Schema<"DeviceEvent">;

const WHAT: Record<Event["what"] & string, { label: string; icon: LucideIcon }> = {
  network: { label: "Network", icon: Network },
  ssid: { label: "Wi-Fi", icon: Wifi },
  app: { label: "App in front", icon: AppWindow },
  charging: { label: "Charging", icon: Plug },
  boot: { label: "Restarted", icon: Power },
  agent_version: { label: "Agent", icon: Cpu },
  power_ok: { label: "Power settings", icon: ShieldCheck },
};
const DAYS = { "1": "24 h", "7": "7 d", "30": "30 d" };
const CHARGING: Record<string, string> = { true: "on the charger", false: "on battery" };

const told = (event: Event, value: string | null | undefined) =>
  (event.what === "charging" ? (CHARGING[value ?? ""] ?? value) : value) || "nothing";

function EventLine({ event }: { event: Event }) {
  const look = event.what ? WHAT[event.what] : undefined;
  const Icon = look?.icon ?? History;
  return (
    <li className="flex items-center gap-x-3 gap-y-0.5 border-t border-line px-4 py-2 text-sm first:border-0 max-sm:flex-wrap">
      <Icon className="size-4 shrink-0 text-ink-3" aria-hidden />
      <span className="shrink-0 text-ink-2 max-sm:grow sm:w-28">{look?.label ?? event.what}</span>
      <span className="min-w-0 [overflow-wrap:anywhere] empty:hidden max-sm:order-last max-sm:basis-full max-sm:pl-7 sm:grow">
        {event.what !== "boot" && (
          <>
            <span className="text-ink-3">{told(event, event.before)} → </span>
            <span className="font-medium">{told(event, event.after)}</span>
          </>
        )}
      </span>
      <Time at={event.at} className="shrink-0 text-xs text-ink-3" />
    </li>
  );
}

export function EventsTab({ deviceId }: { deviceId: string }) {
  const [days, setDays] = useState<keyof typeof DAYS>("1");
  const list = useKeyset<Event>(keyOf(deviceId, "events", "list", days), async (cursor, signal) => {
    const from = new Date((serverNow() - Number(days) * 86_400) * 1000).toISOString();
    const answer = await api.get("/admin/devices/{id}/events", { path: { id: deviceId }, query: { from, to: cursor, limit: 100 }, signal });
    return { rows: answer.events ?? [], next: answer.next_to };
  });
  const rows = useMemo(() => list.rows, [list.rows]);
  const { table } = list;
  return (
    <Card>
      <CardHeader
        title="Changes"
        hint="Where one heartbeat differs from the one before."
        actions={
          <Segments
            label="How far back"
            size="sm"
            value={days}
            onChange={setDays}
            options={Object.entries(DAYS).map(([value, label]) => ({ value: value as keyof typeof DAYS, label }))}
          />
        }
      />
      {table.error && <Failure error={table.error} retry={table.retry} className="m-4" />}
      {table.loading && <Skeleton className="m-4 h-40" />}
      {!table.loading && !table.error && rows.length === 0 && (
        <Empty icon={History} title="Nothing changed">One heartbeat was like the other, or there were none.</Empty>
      )}
      <ul>
        {rows.map((event, index) => (
          <EventLine key={`${event.at}-${event.what}-${index}`} event={event} />
        ))}
      </ul>
      {table.hasMore && (
        <div className="border-t border-line p-3 text-center">
          <Button size="sm" busy={table.loadingMore} onClick={table.onMore}>
            Older ones
          </Button>
        </div>
      )}
    </Card>
  );
}
