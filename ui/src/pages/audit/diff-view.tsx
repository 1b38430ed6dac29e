// SPDX-License-Identifier: Apache-2.0
import { ArrowRight } from "lucide-react";
import { cn } from "@/lib/cn";
import { diff, type DiffRow } from "@/lib/diff";

const LOOK = { old: "bg-bad-soft text-bad line-through decoration-bad/50", new: "bg-ok-soft text-ok", same: "text-ink-2" };

function Value({ text, tone }: { text: string | null; tone: keyof typeof LOOK }) {
  if (text === null) return null;
  return <span className={cn("max-w-full rounded px-1.5 py-0.5 font-mono text-xs break-all", LOOK[tone])}>{text}</span>;
}

function Row({ row }: { row: DiffRow }) {
  const same = row.change === "same";
  return (
    <div className={cn("grid gap-x-4 gap-y-1 px-3.5 py-2 sm:grid-cols-[10rem_minmax(0,1fr)]", same && "opacity-80")}>
      <dt className="text-xs break-all text-ink-2 sm:pt-0.5">{row.path || "value"}</dt>
      <dd className="flex min-w-0 flex-wrap items-center gap-1.5">
        {same ? (
          <Value text={row.after} tone="same" />
        ) : (
          <>
            <Value text={row.before} tone="old" />
            {row.change === "changed" && <ArrowRight className="size-3.5 shrink-0 text-ink-3" aria-label="became" />}
            <Value text={row.after} tone="new" />
          </>
        )}
      </dd>
    </div>
  );
}

/** Before and after, value by value; what stayed the same stands below. */
export function DiffView({ before, after }: { before: unknown; after: unknown }) {
  const rows = diff(before, after);
  if (rows.length === 0) return <p className="text-sm text-ink-2">The entry says no more than that it happened.</p>;
  return (
    <dl className="divide-y divide-line rounded-control border border-line bg-surface">
      {rows.map((row) => (
        <Row key={row.path} row={row} />
      ))}
    </dl>
  );
}
