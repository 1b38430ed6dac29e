// SPDX-License-Identifier: Apache-2.0
import { count, percent } from "@/lib/format";
import { latency, quantile, type Histogram } from "@/lib/metrics";

/** Fewer would be blocks, not a shape. */
const BUCKETS_LEAST = 9;

/** From the first bucket that has something to the last, and one at each side; some more where those are few. */
function occupied({ counts }: Histogram): [number, number] {
  const end = counts.length - 1;
  let from = Math.max(0, counts.findIndex((value) => value > 0) - 1);
  let to = Math.min(end, counts.findLastIndex((value) => value > 0) + 1);
  while (to - from + 1 < BUCKETS_LEAST && (from > 0 || to < end)) {
    to = Math.min(end, to + 1);
    from = to - from + 1 < BUCKETS_LEAST ? Math.max(0, from - 1) : from;
  }
  return [from, to];
}

export interface HistogramViewProps {
  title: string;
  histogram: Histogram | null;
  /** How a bucket's end is written. */
  write?: (value: number) => string;
}

/** How many took how long. */
export function HistogramView({ title, histogram, write = latency }: HistogramViewProps) {
  const empty = !histogram || histogram.count === 0;
  const [from, to] = empty ? [0, 0] : occupied(histogram);
  const most = empty ? 1 : Math.max(...histogram.counts);
  const end = (index: number) => (Number.isFinite(histogram?.bounds[index]) ? `≤ ${write(histogram?.bounds[index] ?? 0)}` : "more");
  return (
    <figure className="rounded-card border border-line bg-surface px-4 py-3 shadow-card">
      <figcaption className="flex items-baseline justify-between gap-2 text-sm">
        <span className="font-medium">{title}</span>
        <span className="text-xs text-ink-3 tabular">{empty ? "" : `${count(histogram.count)} counted`}</span>
      </figcaption>
      {empty && <p className="grid h-28 place-items-center text-xs text-ink-3">Nothing in this time</p>}
      {!empty && (
        <>
          <p className="mt-0.5 text-xs text-ink-2 tabular">
            p50 {write(quantile(histogram, 0.5) ?? 0)} · p99 {write(quantile(histogram, 0.99) ?? 0)}
          </p>
          <div className="mt-2 flex h-20 items-end gap-1" role="list" aria-label={`${title}: how many in each bucket`}>
            {histogram.counts.slice(from, to + 1).map((value, index) => {
              const says = `${end(from + index)}: ${count(value)} (${percent(value, histogram.count)})`;
              return (
                // The browser's own note: eighty others would be drawn anew with every reading.
                <span
                  key={from + index}
                  role="listitem"
                  aria-label={says}
                  title={says}
                  className="flex h-full grow items-end rounded-t-sm hover:bg-surface-2"
                >
                  <span
                    className="w-full rounded-t-sm bg-accent"
                    style={{ height: `${(100 * value) / most}%`, minHeight: value > 0 ? 2 : 0 }}
                  />
                </span>
              );
            })}
          </div>
          <div aria-hidden className="mt-1 flex justify-between border-t border-line pt-1 text-xs text-ink-3 tabular">
            <span>{end(from)}</span>
            <span>{end(to)}</span>
          </div>
        </>
      )}
    </figure>
  );
}
