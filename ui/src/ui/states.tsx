// SPDX-License-Identifier: Apache-2.0
/** What a page shows before, instead of and without its data. */
import { CircleAlert, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { ApiError } from "@/api/client";
import { cn } from "@/lib/cn";
import { Button } from "./button";

export function Skeleton({ className }: { className?: string }) {
  return <div aria-hidden data-testid="skeleton" className={cn("animate-pulse rounded-control bg-line/70", className)} />;
}

export function Empty({
  icon: Icon,
  title,
  children,
  action,
  whole = false,
}: {
  icon?: LucideIcon;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
  /** It is all there is of the page: its title is the page's. */
  whole?: boolean;
}) {
  const Title = whole ? "h1" : "p";
  return (
    <div className="grid place-items-center gap-2 px-6 py-12 text-center">
      {Icon && (
        <span className="mb-1 grid size-11 place-items-center rounded-full bg-surface-2 text-ink-3">
          <Icon className="size-5" aria-hidden />
        </span>
      )}
      <Title className="font-medium">{title}</Title>
      {children && <div className="max-w-md text-sm text-ink-2">{children}</div>}
      {action && <div className="mt-2">{action}</div>}
    </div>
  );
}

/** In the appliance's words, with its request id to look up in the log. */
export function Failure({ error, retry, className }: { error: unknown; retry?: () => void; className?: string }) {
  const message = error instanceof Error ? error.message : String(error);
  const id = error instanceof ApiError ? error.requestId : null;
  return (
    <div role="alert" className={cn("flex items-start gap-3 rounded-card border border-bad/40 bg-bad-soft px-4 py-3", className)}>
      <CircleAlert className="mt-0.5 size-4 shrink-0 text-bad" aria-hidden />
      <div className="min-w-0 grow">
        <p className="text-sm text-ink">{message}</p>
        {id && <p className="mt-0.5 font-mono text-xs text-ink-2">request {id}</p>}
      </div>
      {retry && (
        <Button size="sm" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}
