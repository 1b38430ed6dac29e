// SPDX-License-Identifier: Apache-2.0
import { CircleAlert, CircleCheck, X } from "lucide-react";
import { useSyncExternalStore } from "react";
import { cn } from "@/lib/cn";
import { Button } from "./button";

interface Note {
  id: number;
  tone: "ok" | "bad";
  text: string;
}

const STAYS_MS = 6000;
const SHOWN_MAX = 4;
let notes: Note[] = [];
let last = 0;
const listeners = new Set<() => void>();

function publish(next: Note[]): void {
  notes = next;
  for (const listener of listeners) listener();
}

const dismiss = (id: number) => publish(notes.filter((note) => note.id !== id));

function add(tone: Note["tone"], text: string): void {
  const id = ++last;
  publish([...notes, { id, tone, text }].slice(-SHOWN_MAX));
  if (tone === "ok") setTimeout(() => dismiss(id), STAYS_MS); // what went wrong stays until it is read
}

export const toast = {
  ok: (text: string) => add("ok", text),
  failed: (error: unknown) => add("bad", error instanceof Error ? error.message : String(error)),
};

export function Toaster() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => notes,
  );
  return (
    <div aria-live="polite" className="pointer-events-none fixed right-4 bottom-4 z-[60] grid w-[min(24rem,calc(100vw-2rem))] gap-2">
      {shown.map((note) => {
        const Icon = note.tone === "ok" ? CircleCheck : CircleAlert;
        return (
          <div
            key={note.id}
            role={note.tone === "bad" ? "alert" : undefined}
            className="pointer-events-auto flex items-start gap-2.5 rounded-card border border-line bg-raised px-3.5 py-3 shadow-float"
          >
            <Icon className={cn("mt-0.5 size-4 shrink-0", note.tone === "ok" ? "text-ok" : "text-bad")} aria-hidden />
            <p className="grow text-sm">{note.text}</p>
            <Button variant="ghost" size="icon-sm" className="-my-1 -mr-1.5" aria-label="Dismiss" onClick={() => dismiss(note.id)}>
              <X />
            </Button>
          </div>
        );
      })}
    </div>
  );
}
