// SPDX-License-Identifier: Apache-2.0
import { cn } from "@/lib/cn";
import { percent } from "@/lib/format";

const FILL = { ok: "bg-accent", warn: "bg-warn", bad: "bg-bad" };

/** How much of something is used. */
export function Meter({ label, used, whole, says }: { label: string; used: number; whole: number; says: string }) {
  const share = whole > 0 ? used / whole : 0;
  const tone = share > 0.9 ? "bad" : share > 0.8 ? "warn" : "ok";
  return (
    <div>
      <p className="flex justify-between gap-3 text-sm">
        <span className="text-ink-2">{label}</span>
        <span className="truncate font-medium tabular">{says}</span>
      </p>
      <div
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(share * 100)}
        aria-valuetext={`${says}, ${percent(used, whole)}`}
        className="mt-1.5 h-1.5 overflow-hidden rounded-full bg-surface-2"
      >
        <div
          className={cn("h-full rounded-full transition-[width] duration-500", FILL[tone])}
          style={{ width: `${Math.min(100, share * 100)}%`, minWidth: used > 0 ? 3 : 0 }}
        />
      </div>
    </div>
  );
}
