// SPDX-License-Identifier: Apache-2.0
import type { Schema } from "@/api/types";
import type { PickedDevice } from "@/lib/device-picker";

export interface SilenceDraft {
  device: PickedDevice | null;
  rule: string;
  tag: string;
  site: string;
  all: boolean;
  /** Seconds, or "until": begins and ends say it. */
  duration: string;
  begins: string;
  ends: string;
  comment: string;
}

export const DURATIONS = [
  { value: "1800", label: "30 min" },
  { value: "3600", label: "1 h" },
  { value: "14400", label: "4 h" },
  { value: "86400", label: "1 day" },
  { value: "604800", label: "1 week" },
  { value: "until", label: "Until…" },
] as const satisfies readonly { value: string; label: string }[];

type NewSilence = Schema<"NewAlertSilence">;

/** A field of the browser's has the viewer's zone; the appliance gets the moment. */
const moment = (local: string): string | null => {
  const date = new Date(local);
  return local && !Number.isNaN(date.getTime()) ? date.toISOString() : null;
};

/** null: something is missing yet. */
export function silenceBody(draft: SilenceDraft): NewSilence | null {
  const scope: NewSilence = {
    ...(draft.device && { device_id: draft.device.id }),
    ...(draft.rule && { rule: draft.rule as NonNullable<NewSilence["rule"]> }),
    ...(draft.tag && { tag: draft.tag }),
    ...(draft.site && { site: draft.site }),
  };
  if (Object.keys(scope).length === 0) {
    if (!draft.all) return null;
    scope.all = true;
  }
  const comment = draft.comment.trim();
  if (comment) scope.comment = comment;
  if (draft.duration !== "until") return { ...scope, duration_s: Number(draft.duration) };
  const ends = moment(draft.ends);
  const begins = moment(draft.begins);
  return ends ? { ...scope, ...(begins && { starts_at: begins }), ends_at: ends } : null;
}
