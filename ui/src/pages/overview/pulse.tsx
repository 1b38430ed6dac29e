// SPDX-License-Identifier: Apache-2.0
import { useMemo } from "react";
import { count, decimal } from "@/lib/format";
import { useFleetHistory } from "@/live/use-live";
import { Card, CardBody, CardHeader } from "@/ui/card";
import { Skeleton } from "@/ui/states";
import { TimeChart, withGaps, type ChartSeries } from "@/ui/time-chart";
import { rateHistory } from "./curve";

const WINDOW_S = 300;
const WINDOW_LEAST_S = 60; // at first a minute, so that the line is long enough to read
const GAP_S = 20; // the numbers come every second, of a large fleet every few

const perSecond = (value: number) => `${decimal(value)}/s`;

function useCurve() {
  const history = useFleetHistory();
  return useMemo(() => {
    const last = history.at(-1);
    if (!last) return null;
    const shown = rateHistory(history, WINDOW_S);
    const rates = shown.map((one) => one.heartbeats_per_s);
    const first = shown[0] ?? last;
    const { times, columns } = withGaps(shown.map((one) => one.at), [rates], GAP_S);
    const series: ChartSeries[] = [{ label: "Heartbeats", values: columns[0] ?? [], tone: "accent", area: true, format: perSecond }];
    return {
      now: last.heartbeats_per_s,
      mean: rates.reduce((sum, rate) => sum + rate, 0) / Math.max(1, rates.length),
      peak: Math.max(0, ...rates),
      times,
      series,
      range: [Math.min(first.at, last.at - WINDOW_LEAST_S), last.at] as const,
    };
  }, [history]);
}

/** The fleet's pulse: the last five minutes, moving. */
export function Pulse({ className }: { className?: string }) {
  const curve = useCurve();
  return (
    <Card className={className}>
      <CardHeader title="Heartbeats per second" hint="Live: the last five minutes since the console was opened" />
      <CardBody>
        {!curve && <Skeleton className="h-[232px]" />}
        {curve && (
          <>
            <div className="mb-2 flex items-baseline gap-5">
              <p className="text-3xl font-semibold tracking-tight tabular" data-testid="heartbeats-per-s">
                {count(curve.now)}
                <span className="ml-1 text-sm font-normal tracking-normal text-ink-3">/s</span>
              </p>
              <p className="text-xs text-ink-3 tabular">
                mean {decimal(curve.mean)} · peak {count(curve.peak)}
              </p>
            </div>
            <TimeChart label="Heartbeats per second" times={curve.times} series={curve.series} range={curve.range} least={0} height={190} />
          </>
        )}
      </CardBody>
    </Card>
  );
}
