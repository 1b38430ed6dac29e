// SPDX-License-Identifier: Apache-2.0
import { useState } from "react";
import { count } from "@/lib/format";
import { useHealth } from "@/lib/health";
import { histogramSince, type Reading } from "@/lib/metrics";
import { Segments } from "@/ui/select";
import { Failure, Skeleton } from "@/ui/states";
import { HistogramView } from "./histogram-view";
import { DatabaseCard, JournalCard, MachineCard } from "./machine";
import { HEARTBEAT_ROUTES, metricsFeed, useMetrics } from "./metrics-feed";
import { PipelineView } from "./pipeline-view";
import { stagesOf } from "./stages";
import { Trends } from "./trends";

const HISTOGRAMS = [
  { title: "Request to answer", name: "muster_http_request_duration_seconds", having: HEARTBEAT_ROUTES },
  { title: "Wait in a ring", name: "muster_journal_ring_wait_seconds" },
  { title: "Journal: write and sync", name: "muster_journal_write_duration_seconds" },
  { title: "Arrival to stored", name: "muster_writer_stored_lag_seconds" },
  { title: "COPY of a batch", name: "muster_writer_copy_duration_seconds" },
  { title: "Commit of a batch", name: "muster_writer_commit_duration_seconds" },
  { title: "Heartbeats in a group", name: "muster_journal_group_records", write: (value: number) => count(Math.round(value)) },
  { title: "Rows in a batch", name: "muster_writer_batch_rows", write: (value: number) => count(Math.round(value)) },
];

type Span = "minute" | "start";

function Histograms({ before, now }: { before: Reading | undefined; now: Reading }) {
  const [span, setSpan] = useState<Span>("minute");
  const from = span === "minute" ? before : undefined;
  return (
    <section aria-labelledby="histograms">
      <div className="mb-3 flex flex-wrap items-center justify-between gap-2">
        <h2 id="histograms" className="text-sm font-semibold">
          How long it takes
        </h2>
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
      </div>
      <div className="grid gap-3 sm:grid-cols-2 xl:grid-cols-4">
        {HISTOGRAMS.map(({ title, name, having, write }) => (
          <HistogramView key={name} title={title} histogram={histogramSince(from, now, name, having)} write={write} />
        ))}
      </div>
    </section>
  );
}

function Waiting() {
  return (
    <div className="grid gap-4" aria-busy="true">
      <Skeleton className="h-56" />
      <div className="grid gap-4 xl:grid-cols-2">
        <Skeleton className="h-60" />
        <Skeleton className="h-60" />
      </div>
    </div>
  );
}

export function PipelineTab() {
  const { before, now, trend, error } = useMetrics();
  const health = useHealth();
  return (
    <div className="grid gap-5">
      {error && <Failure error={error} retry={metricsFeed.retry} />}
      {!now && !error && <Waiting />}
      {now && (
        <>
          <PipelineView stages={stagesOf(before, now)} />
          <Trends trend={trend} />
          <div className="grid gap-4 md:grid-cols-2 xl:grid-cols-3">
            <JournalCard now={now} />
            <DatabaseCard now={now} health={health.data} />
            <MachineCard now={now} />
          </div>
          <Histograms before={before} now={now} />
        </>
      )}
    </div>
  );
}
