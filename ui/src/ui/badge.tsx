// SPDX-License-Identifier: Apache-2.0
import { cva, type VariantProps } from "class-variance-authority";
import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

const badge = cva("inline-flex max-w-full items-center gap-1 rounded-full px-2 py-0.5 text-xs font-medium whitespace-nowrap", {
  variants: {
    tone: {
      neutral: "bg-idle-soft text-ink-2",
      ok: "bg-ok-soft text-ok",
      warn: "bg-warn-soft text-warn",
      bad: "bg-bad-soft text-bad",
      info: "bg-info-soft text-info",
      accent: "bg-accent-soft text-accent",
    },
  },
  defaultVariants: { tone: "neutral" },
});

export type Tone = NonNullable<VariantProps<typeof badge>["tone"]>;

export function Badge({ className, tone, children, ...rest }: ComponentProps<"span"> & VariantProps<typeof badge>) {
  return (
    <span className={cn(badge({ tone }), className)} {...rest}>
      {typeof children === "string" ? <span className="truncate">{children}</span> : children}
    </span>
  );
}

const DOT: Record<Tone, string> = {
  neutral: "bg-idle",
  ok: "bg-ok-fill",
  warn: "bg-warn-fill",
  bad: "bg-bad-fill",
  info: "bg-info",
  accent: "bg-accent",
};

/** Never alone: its meaning stands beside it in words. */
export function Dot({ tone = "neutral", pulse = false, className }: { tone?: Tone; pulse?: boolean; className?: string }) {
  return <span aria-hidden className={cn("inline-block size-2 shrink-0 rounded-full", DOT[tone], pulse && "animate-pulse", className)} />;
}

/** A device's status, an alert's severity, a command's state: one colour each, everywhere. */
export const STATUS_TONE: Record<string, Tone> = {
  online: "ok",
  late: "warn",
  silent: "bad",
  never: "neutral",
  quarantined: "warn",
  info: "info",
  warning: "warn",
  critical: "bad",
  firing: "bad",
  pending: "warn",
  resolved: "ok",
  queued: "neutral",
  sent: "info",
  received: "info",
  done: "ok",
  failed: "bad",
  expired: "warn",
  cancelled: "neutral",
  unconfirmed: "warn",
  running: "info",
  waiting: "neutral",
  ok: "ok",
  skipped: "neutral",
};

export function StatusBadge({ status, className }: { status: string; className?: string }) {
  const tone = STATUS_TONE[status] ?? "neutral";
  return (
    <Badge tone={tone} className={className}>
      <Dot tone={tone} className="size-1.5" />
      {status.replaceAll("_", " ")}
    </Badge>
  );
}
