// SPDX-License-Identifier: Apache-2.0
import { Database } from "lucide-react";
import { useMemo, useState } from "react";
import { count, decimal } from "@/lib/format";
import { useHealth } from "@/lib/health";
import { bucketOf, histogramSince, labelsOf, latency, mean, total, type Reading } from "@/lib/metrics";
import { Card, CardHeader } from "@/ui/card";
import { DataTable, type Column } from "@/ui/data-table";
import { Segments } from "@/ui/select";
import { Empty, Failure, Skeleton } from "@/ui/states";
import { HistogramView } from "./histogram-view";
import { DatabaseCard } from "./machine";
import { metricsFeed, useMetrics } from "./metrics-feed";

interface Statement {
  name: string;
  calls: number;
  /** Calls a second; null when the time is not known. */
  rate: number | null;
  seconds: number;
  mean: number | null;
  /** The end of the bucket that it is in: statements have few and wide ones. */
  p99: number | null;
  rows: number;
  failures: number;
}

/** "≤ 1 ms" */
const atMost = (value: number | null) => (value === null ? "–" : Number.isFinite(value) ? `≤ ${latency(value)}` : "longer");

const DURATION = "muster_pg_statement_duration_seconds";

function statementOf(name: string, before: Reading | undefined, now: Reading): Statement {
  const having = `statement="${name}"`;
  const spread = histogramSince(before, now, DURATION, having);
  const grown = (family: string) => (total(now, family, having) ?? 0) - ((before && total(before, family, having)) ?? 0);
  return {
    name,
    calls: spread?.count ?? 0,
    rate: before ? (spread?.count ?? 0) / (now.at - before.at) : null,
    seconds: spread?.sum ?? 0,
    mean: mean(spread),
    p99: bucketOf(spread, 0.99),
    rows: grown("muster_pg_statement_rows_total"),
    failures: grown("muster_pg_statement_failures_total"),
  };
}

/** Those that ran, the most time first. */
function statementsOf(before: Reading | undefined, now: Reading): Statement[] {
  const names = new Set((now.families.get(`${DURATION}_count`) ?? []).map((series) => labelsOf(series.labels)["statement"] ?? ""));
  return [...names]
    .map((name) => statementOf(name, before, now))
    .filter((statement) => statement.calls > 0)
    .toSorted((a, b) => b.seconds - a.seconds);
}

const by = (of: (statement: Statement) => number) => (a: Statement, b: Statement) => of(a) - of(b);

const COLUMNS: Column<Statement>[] = [
  {
    id: "name",
    title: "Statement",
    grow: 2,
    width: 180,
    always: true,
    sortable: true,
    compare: (a, b) => a.name.localeCompare(b.name),
    cell: (one) => <span className="font-mono text-xs">{one.name}</span>,
  },
  {
    id: "seconds",
    title: "Time in it",
    width: 110,
    align: "end",
    sortable: true,
    first: "desc",
    compare: by((one) => one.seconds),
    cell: (one) => latency(one.seconds),
  },
  {
    id: "calls",
    title: "Calls",
    width: 100,
    align: "end",
    sortable: true,
    first: "desc",
    compare: by((one) => one.calls),
    cell: (one) => count(one.calls),
  },
  {
    id: "rate",
    title: "A second",
    width: 100,
    align: "end",
    sortable: true,
    first: "desc",
    compare: by((one) => one.rate ?? 0),
    cell: (one) => (one.rate === null ? "–" : decimal(one.rate)),
  },
  {
    id: "mean",
    title: "Mean",
    width: 100,
    align: "end",
    sortable: true,
    first: "desc",
    compare: by((one) => one.mean ?? 0),
    cell: (one) => latency(one.mean),
  },
  {
    id: "p99",
    title: "p99",
    width: 100,
    align: "end",
    sortable: true,
    first: "desc",
    compare: by((one) => one.p99 ?? 0),
    cell: (one) => atMost(one.p99),
  },
  {
    id: "rows",
    title: "Rows",
    width: 110,
    align: "end",
    sortable: true,
    first: "desc",
    compare: by((one) => one.rows),
    cell: (one) => count(one.rows),
  },
  {
    id: "failures",
    title: "Failed",
    width: 90,
    align: "end",
    sortable: true,
    first: "desc",
    compare: by((one) => one.failures),
    cell: (one) => (one.failures > 0 ? <span className="text-bad">{count(one.failures)}</span> : "0"),
  },
];

function StatementCard({ statement }: { statement: Statement }) {
  return (
    <div className="grid gap-1 text-sm">
      <p className="truncate font-mono text-xs font-medium">{statement.name}</p>
      <p className="text-xs text-ink-2 tabular">
        {count(statement.calls)} calls · mean {latency(statement.mean)} · p99 {atMost(statement.p99)}
        {statement.failures > 0 && <span className="text-bad"> · {count(statement.failures)} failed</span>}
      </p>
    </div>
  );
}

type Span = "minute" | "start";

function Statements({ before, now }: { before: Reading | undefined; now: Reading }) {
  const [span, setSpan] = useState<Span>("minute");
  const from = span === "minute" ? before : undefined;
  const rows = useMemo(() => statementsOf(from, now), [from, now]);
  return (
    <Card className="min-w-0">
      <CardHeader
        title="Statements"
        hint="Each named statement, by the time that went into it"
        actions={
          <Segments
            label="Of which time"
            size="sm"
            value={span}
            onChange={setSpan}
            options={[
              { value: "minute", label: "Last minute" },
              { value: "start", label: "Since the start" },
            ]}
          />
        }
      />
      <DataTable
        label="Statements"
        columns={COLUMNS}
        rows={rows}
        rowId={(one) => one.name}
        sort={{ column: "seconds", direction: "desc" }}
        renderCard={(one) => <StatementCard statement={one} />}
        empty={<Empty icon={Database} title="No statement ran in this time" />}
      />
    </Card>
  );
}

export function DatabaseTab() {
  const { before, now, error } = useMetrics();
  const health = useHealth();
  const since = (name: string) => (now ? histogramSince(before, now, name) : null);
  return (
    <div className="grid gap-4">
      {error && <Failure error={error} retry={metricsFeed.retry} />}
      {!now && !error && <Skeleton className="h-72" />}
      {now && (
        <>
          <div className="grid gap-4 lg:grid-cols-2">
            <DatabaseCard now={now} health={health.data} />
            <div className="grid content-start gap-4 sm:grid-cols-2">
              <HistogramView title="Wait for a connection" histogram={since("muster_pg_connection_wait_seconds")} />
              <HistogramView title="COPY of a batch" histogram={since("muster_writer_copy_duration_seconds")} />
              <HistogramView title="Status of a batch" histogram={since("muster_writer_status_duration_seconds")} />
              <HistogramView title="Commit of a batch" histogram={since("muster_writer_commit_duration_seconds")} />
            </div>
          </div>
          <Statements before={before} now={now} />
        </>
      )}
    </div>
  );
}
