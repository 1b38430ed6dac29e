// SPDX-License-Identifier: Apache-2.0
import { useMemo } from "react";
import { count, decimal } from "@/lib/format";
import { useFleetHistory, usePulse } from "@/live/use-live";
import { Card, CardBody, CardHeader } from "@/ui/card";
import { Skeleton } from "@/ui/states";
import { TimeChart, withGaps, type ChartSeries } from "@/ui/time-chart";
import { rateHistory } from "./curve";

const WINDOW_S = 300;
const WINDOW_LEAST_S = 60; // of an appliance that has just started, so that the line is long enough to read
const GAP_S = 20; // the numbers come every second, of a large fleet every few
const NOW_S = 10; // heartbeats of a small fleet come in drops

/** Below ten a digit more: 0.3 a second is not nothing. */
const rate = (value: number) => (value < 10 ? decimal(value) : count(Math.round(value)));
const perSecond = (value: number) => `${value < 1 ? Number(value.toFixed(2)) : decimal(value)}/s`;
const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

function useCurve() {
  const history = useFleetHistory();
  const pulse = usePulse();
  return useMemo(() => {
    const last = history.at(-1);
    if (!last) return null;
    const shown = rateHistory(history, pulse, WINDOW_S);
    const rates = shown.map((one) => one.heartbeats_per_s);
    const first = shown[0] ?? last;
    const { times, columns } = withGaps(shown.map((one) => one.at), [rates], GAP_S);
    const series: ChartSeries[] = [{ label: "Heartbeats", values: columns[0] ?? [], tone: "accent", area: true, format: perSecond }];
    return {
      now: meanOf(history.filter((one) => one.at > last.at - NOW_S).map((one) => one.heartbeats_per_s)),
      mean: meanOf(rates),
      peak: Math.max(0, ...rates),
      times,
      series,
      range: [Math.min(first.at, last.at - WINDOW_LEAST_S), last.at] as const,
    };
  }, [history, pulse]);
}

/** The fleet's pulse: the last five minutes, moving. */
export function Pulse({ className }: { className?: string }) {
  const curve = useCurve();
  return (
    <Card className={className} aria-label="Heartbeats per second">
      <CardHeader title="Heartbeats per second" hint="The last five minutes, live" />
      <CardBody>
        {!curve && <Skeleton className="h-[232px]" />}
        {curve && (
          <>
            <div className="mb-2 flex items-baseline gap-5">
              <p className="text-3xl font-semibold tracking-tight tabular" data-testid="heartbeats-per-s">
                {rate(curve.now)}
                <span className="ml-1 text-sm font-normal tracking-normal text-ink-3">/s</span>
              </p>
              <p className="text-xs text-ink-3 tabular">
                mean {rate(curve.mean)} · peak {rate(curve.peak)}
              </p>
            </div>
            <TimeChart label="Heartbeats per second" times={curve.times} series={curve.series} range={curve.range} least={0} height={190} />
          </>
        )}
      </CardBody>
    </Card>
  );
}
