// SPDX-License-Identifier: Apache-2.0
/** Actors, subjects and actions as people read them. */
import { Bot, Cpu, KeyRound, TabletSmartphone, UserRound, type LucideIcon } from "lucide-react";
import { Link } from "react-router";
import type { Tone } from "@/ui/badge";
import type { Names } from "./names";

/** "enrolment-token:7" → what it is and which. */
export function parts(name: string): { kind: string; id: string } {
  const colon = name.indexOf(":");
  return colon < 0 ? { kind: name, id: "" } : { kind: name.slice(0, colon), id: name.slice(colon + 1) };
}

const ACTOR: Record<string, LucideIcon> = {
  user: UserRound,
  "api-token": KeyRound,
  "admin-key": KeyRound,
  device: TabletSmartphone,
  job: Cpu,
};

const spaced = (kind: string) => kind.replaceAll("-", " ");

export function Actor({ actor, names }: { actor: string; names: Names }) {
  const { kind, id } = parts(actor);
  const Icon = ACTOR[kind] ?? Bot;
  const called = kind === "user" ? id : (names.of.get(actor) ?? id);
  const text = kind === "user" || !id ? called || spaced(kind) : `${spaced(kind)} ${called}`;
  return (
    <span className="flex min-w-0 items-center gap-2" title={actor}>
      <Icon className="size-4 shrink-0 text-ink-3" aria-hidden />
      <span className="truncate">{text}</span>
    </span>
  );
}

const PLACE: Record<string, (id: string) => string> = {
  device: (id) => `/devices/${id}`,
  user: () => "/people",
  "api-token": () => "/people?tab=tokens",
  "enrolment-token": () => "/enrol",
};

export interface SubjectProps {
  subject: string;
  /** What it is called, if anybody knows. */
  name: string | null;
  linked?: boolean;
}

export function Subject({ subject, name, linked }: SubjectProps) {
  const { kind, id } = parts(subject);
  const text = `${spaced(kind)} ${name ?? id}`.trim();
  const place = PLACE[kind];
  if (linked && place && id)
    return (
      <Link to={place(id)} className="text-accent hover:underline">
        {text}
      </Link>
    );
  return (
    <span className="truncate" title={subject}>
      {text}
    </span>
  );
}

const LOSES = /\.(delete|bulk_delete|purge|revoke|remove)$/;
const MAKES = /\.(create|create_bulk|register|register_again|set)$/;

export const actionTone = (action: string): Tone =>
  action.startsWith("session.") ? "neutral" : LOSES.test(action) ? "bad" : MAKES.test(action) ? "ok" : "info";

const WORDS: Record<string, string> = {
  "session.begin": "signed in",
  "session.end": "signed out",
  "session.end_all": "signed out everywhere",
  "user.password": "password changed",
  "user.password_reset": "password reset",
  "user.reset_token": "reset code made",
  "user.unlock": "unlocked",
  "job.run": "run",
  "backup.start": "started",
};

const PAST: Record<string, string> = {
  create: "created",
  create_bulk: "created for many",
  change: "changed",
  delete: "deleted",
  bulk_delete: "deleted with others",
  revoke: "revoked",
  remove: "removed",
  register: "registered",
  register_again: "registered again",
  rename: "renamed",
  end: "ended",
  set: "set",
  acknowledge: "acknowledged",
  rotate_key: "key rotated",
  rotate_secret: "secret rotated",
  bulk_tags: "tags changed",
  cancel: "cancelled",
  cancel_bulk: "cancelled for many",
  confirm: "confirmed",
  confirm_bulk: "confirmed for many",
  note: "noted",
  test: "tested",
  unacknowledge: "unacknowledged",
  verify_all: "all verified",
  allow_takeover: "take-over allowed",
  quarantine_resolve: "quarantine resolved",
};

/** "user.password_reset" → "password reset", beside the kind of thing. */
export function actionWords(action: string): string {
  const last = action.slice(action.indexOf(".") + 1);
  return WORDS[action] ?? PAST[last] ?? last.replaceAll("_", " ");
}

export const ACTION_GROUPS: readonly [value: string, label: string][] = [
  ["device.*", "Devices"],
  ["command.*", "Commands"],
  ["enrolment_token.*", "Enrolment tokens"],
  ["user.*", "Users"],
  ["session.*", "Sessions"],
  ["api_token.*", "API tokens"],
  ["alert_*", "Alert rules and channels"],
  ["incident.*", "Incidents"],
  ["silence.*", "Silences"],
  ["monitoring.*", "Monitoring"],
  ["job.*", "Jobs"],
  ["archive.*", "Archives"],
  ["backup.*", "Backups"],
  ["security.*", "Keys"],
];
