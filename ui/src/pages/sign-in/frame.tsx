// SPDX-License-Identifier: Apache-2.0
import { CircleAlert, CircleCheck, Info } from "lucide-react";
import type { ReactNode } from "react";
import { cn } from "@/lib/cn";

const COLUMNS = 26;
const ROWS = 32;
const STEP = 26;

/** Which dots of the picture stand out: fixed, so that it is the same picture every time. */
const look = (index: number): string => {
  let mixed = Math.imul(index + 11, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca77); // without it they would stand in rows
  mixed = ((mixed ^ (mixed >>> 13)) >>> 0) % 200;
  if (mixed < 1) return "fill-bad opacity-80";
  if (mixed < 5) return "fill-warn opacity-70";
  if (mixed < 70) return "fill-accent opacity-50";
  if (mixed < 150) return "fill-accent opacity-25";
  return "fill-ink-3 opacity-20";
};

/** A fleet, seen from afar. */
function Muster() {
  return (
    <svg aria-hidden viewBox={`0 0 ${COLUMNS * STEP} ${ROWS * STEP}`} preserveAspectRatio="xMidYMid slice" className="size-full">
      {Array.from({ length: COLUMNS * ROWS }, (_, index) => (
        <circle
          key={index}
          cx={((index % COLUMNS) + 0.5) * STEP}
          cy={(Math.floor(index / COLUMNS) + 0.5) * STEP}
          r="3"
          className={look(index)}
        />
      ))}
    </svg>
  );
}

export interface FrameProps {
  title: string;
  hint?: ReactNode;
  children: ReactNode;
}

export function Frame({ title, hint, children }: FrameProps) {
  return (
    <div className="grid min-h-dvh lg:grid-cols-[minmax(0,1fr)_minmax(0,1.1fr)]">
      <main className="flex flex-col px-5 py-6 sm:px-10 sm:py-8">
        <p className="flex items-center gap-2.5 text-base font-semibold tracking-tight">
          <img src="/favicon.svg" alt="" className="size-8" />
          Muster
        </p>
        <div className="mx-auto my-auto w-full max-w-sm py-10">
          <h1 className="text-2xl font-semibold tracking-tight">{title}</h1>
          {hint && <p className="mt-1.5 text-sm text-ink-2">{hint}</p>}
          <div className="mt-7">{children}</div>
        </div>
        <p className="text-xs text-ink-3">
          This console talks to this appliance alone.{" "}
          <a href="/api/docs" className="underline underline-offset-2 hover:text-ink">
            API
          </a>
        </p>
      </main>
      <aside aria-label="What Muster does" className="relative hidden overflow-hidden border-l border-line bg-surface lg:block">
        <div className="absolute inset-0">
          <Muster />
        </div>
        <div className="absolute inset-0 bg-linear-to-t from-surface via-surface/40 to-transparent" />
        <div className="absolute inset-x-0 bottom-0 p-12">
          <p className="max-w-md text-2xl leading-snug font-semibold tracking-tight text-balance">Every device, accounted for.</p>
          <p className="mt-2 max-w-md text-sm text-balance text-ink-2">
            Who is here, who is late, who is silent, and what each was told to do.
          </p>
        </div>
      </aside>
    </div>
  );
}

const LOOK = {
  bad: { icon: CircleAlert, classes: "bg-bad-soft text-bad" },
  ok: { icon: CircleCheck, classes: "bg-ok-soft text-ok" },
  info: { icon: Info, classes: "bg-info-soft text-info" },
};

export function Notice({ tone, children }: { tone: keyof typeof LOOK; children: ReactNode }) {
  const { icon: Icon, classes } = LOOK[tone];
  return (
    <div role={tone === "bad" ? "alert" : "status"} className={cn("flex items-start gap-2.5 rounded-control px-3 py-2.5 text-sm", classes)}>
      <Icon className="mt-0.5 size-4 shrink-0" aria-hidden />
      <div className="min-w-0 text-ink">{children}</div>
    </div>
  );
}

export function LinkButton({ onClick, children }: { onClick: () => void; children: ReactNode }) {
  return (
    <button type="button" onClick={onClick} className="rounded text-sm font-medium text-accent hover:text-accent-strong hover:underline">
      {children}
    </button>
  );
}
