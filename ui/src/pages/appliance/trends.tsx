// SPDX-License-Identifier: Apache-2.0
import { useMemo } from "react";
import { count, decimal } from "@/lib/format";
import { latency } from "@/lib/metrics";
import { Card, CardBody, CardHeader } from "@/ui/card";
import { TimeChart, type ChartSeries } from "@/ui/time-chart";
import type { TrendPoint } from "./metrics-feed";

const LEAST_S = 60;
/** Fewer than these are a batch under way, and no line. */
const BACKLOG_SHOWN = 100;
const perSecond = (value: number) => `${decimal(value)}/s`;

function rangeOf(trend: readonly TrendPoint[]): [number, number] {
  const last = trend.at(-1)?.at ?? 0;
  return [Math.min(trend[0]?.at ?? 0, last - LEAST_S), last];
}

/** Since the page was opened, a quarter of an hour at most. */
export function Trends({ trend }: { trend: readonly TrendPoint[] }) {
  const shown = useMemo(() => {
    const times = trend.map((point) => point.at);
    const rates: ChartSeries[] = [
      { label: "Acknowledged", values: trend.map((point) => point.acknowledged), tone: "accent", area: true, format: perSecond },
      { label: "Stored", values: trend.map((point) => point.stored), tone: "info", format: perSecond },
    ];
    if (trend.some((point) => (point.backlog ?? 0) >= BACKLOG_SHOWN))
      rates.push({ label: "Backlog", values: trend.map((point) => point.backlog), tone: "warn", format: count, right: true, dashed: true });
    const waits: ChartSeries[] = [
      { label: "Answered", values: trend.map((point) => point.answerP99), tone: "accent", area: true, format: latency },
      { label: "Stored", values: trend.map((point) => point.storedP99), tone: "info", format: latency },
    ];
    return { times, rates, waits, range: rangeOf(trend) };
  }, [trend]);
  return (
    <div className="grid gap-4 xl:grid-cols-2">
      <Card className="min-w-0">
        <CardHeader title="Heartbeats per second" hint="Acknowledged to devices and stored in PostgreSQL" />
        <CardBody>
          <TimeChart
            label="Heartbeats per second"
            times={shown.times}
            series={shown.rates}
            range={shown.range}
            least={0}
            height={180}
            sync="appliance"
          />
        </CardBody>
      </Card>
      <Card className="min-w-0">
        <CardHeader title="Latency, p99" hint="From the whole request to its answer, and to the row" />
        <CardBody>
          <TimeChart
            label="Latency, p99"
            times={shown.times}
            series={shown.waits}
            range={shown.range}
            least={0}
            height={180}
            sync="appliance"
          />
        </CardBody>
      </Card>
    </div>
  );
}
