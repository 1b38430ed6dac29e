// SPDX-License-Identifier: Apache-2.0
import type { Schema } from "@/api/types";
import { Badge, type Tone } from "@/ui/badge";
import { Time } from "@/ui/time";

export type Notification = Schema<"AlertNotification">;

const TONES: Record<Notification["state"], Tone> = { waiting: "info", sent: "ok", failed: "bad", dropped: "neutral" };
const STATES: Record<Notification["state"], string> = { waiting: "waiting", sent: "sent", failed: "given up", dropped: "left out" };

export const NotificationState = ({ state }: Pick<Notification, "state">) => <Badge tone={TONES[state]}>{STATES[state]}</Badge>;

export const KINDS: Record<Notification["kind"], string> = {
  opened: "Opened",
  updated: "Updated",
  closed: "Closed",
  test: "Test",
  digest: "Digest",
};

/** How it went, in words: "2 tries, HTTP 500: …". */
export function outcome({ attempt_count: tries, http_status: status, error }: Notification): string {
  const parts = [tries > 1 ? `${tries} tries` : null, status ? `HTTP ${status}` : null].filter(Boolean).join(", ");
  return [parts, error].filter(Boolean).join(": ");
}

/** In a drawer; a table of its own is in told.tsx. */
export function NotificationList({ notifications, empty }: { notifications: Notification[]; empty: string }) {
  if (notifications.length === 0) return <p className="py-4 text-sm text-ink-3">{empty}</p>;
  return (
    <ul className="grid divide-y divide-line">
      {notifications.map((one) => (
        <li key={one.id} className="grid gap-0.5 py-2.5">
          <div className="flex items-center gap-2">
            <span className="min-w-0 truncate font-medium">{one.channel_name}</span>
            <span className="text-xs text-ink-3">{KINDS[one.kind]}</span>
            <span className="ml-auto" />
            <Time at={one.finished_at ?? one.created_at} className="text-xs whitespace-nowrap text-ink-3" />
            <NotificationState state={one.state} />
          </div>
          {outcome(one) && <p className="text-xs break-words text-ink-2">{outcome(one)}</p>}
        </li>
      ))}
    </ul>
  );
}
