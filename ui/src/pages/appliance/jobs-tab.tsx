// SPDX-License-Identifier: Apache-2.0
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { CalendarClock, Play } from "lucide-react";
import { useMemo, useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { count, duration } from "@/lib/format";
import { useKeyset } from "@/lib/keyset";
import { latency } from "@/lib/metrics";
import { useMay } from "@/session/session";
import { Badge, StatusBadge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { DataTable, type Column } from "@/ui/data-table";
import { Drawer } from "@/ui/drawer";
import { Fact, Facts } from "@/ui/stat";
import { Empty, Failure } from "@/ui/states";
import { Time } from "@/ui/time";
import { toast } from "@/ui/toast";
import { useJobRun } from "./use-awaited";

type Job = Schema<"Job">;
type JobRun = Schema<"JobRun">;

const nameOf = (job: string) => job.replaceAll("_", " ");
/** Wrong ones first. */
const trouble = (job: Job) => (job.failures_in_a_row > 0 ? 2 : job.last?.state === "failed" ? 1 : 0);

function Outcome({ job }: { job: Job }) {
  if (job.current?.state === "running") return <StatusBadge status="running" />;
  if (job.failures_in_a_row > 1) return <Badge tone="bad">failed {count(job.failures_in_a_row)} times in a row</Badge>;
  return job.last ? <StatusBadge status={job.last.state} /> : <Badge>not yet</Badge>;
}

function useRunNow() {
  const queries = useQueryClient();
  const reread = () => void queries.invalidateQueries({ queryKey: ["jobs"] });
  const run = useJobRun((ended) => {
    if (ended.state === "failed") toast.failed(new Error(`${nameOf(ended.job)} failed: ${ended.error ?? "no reason was given"}`));
    else toast.ok(`${nameOf(ended.job)} ran: ${ended.state}, ${count(ended.changed)} changed.`);
    reread();
  });
  const [asked, setAsked] = useState<string | null>(null);
  const runNow = async (job: string) => {
    setAsked(job);
    try {
      run.await((await api.post("/admin/jobs/{name}/run", { path: { name: job } })).run_id);
      reread();
    } catch (error) {
      setAsked(null);
      toast.failed(error);
    }
  };
  return { runNow, running: run.id !== null ? asked : null };
}

function columnsOf(may: boolean, runNow: (job: string) => Promise<void>, running: string | null): Column<Job>[] {
  const columns: Column<Job>[] = [
    {
      id: "name",
      title: "Job",
      grow: 3,
      width: 220,
      always: true,
      sortable: true,
      compare: (a, b) => a.name.localeCompare(b.name),
      cell: (job) => (
        <div className="min-w-0">
          <p className="truncate text-sm font-medium first-letter:uppercase">{nameOf(job.name)}</p>
          <p className="text-xs text-ink-3 sm:truncate" title={job.doc}>{job.doc}</p>
        </div>
      ),
    },
    {
      id: "outcome",
      title: "Outcome",
      width: 110,
      sortable: true,
      first: "desc",
      compare: (a, b) => trouble(a) - trouble(b),
      cell: (job) => <Outcome job={job} />,
    },
    { id: "last", title: "Last run", width: 108, cell: (job) => <Time at={job.last?.finished_at} otherwise="never" /> },
    { id: "took", title: "Took", width: 84, align: "end", cell: (job) => latency(job.last?.duration_s ?? null) },
    { id: "changed", title: "Changed", width: 84, align: "end", cell: (job) => (job.last ? count(job.last.changed) : "–") },
    {
      id: "every",
      title: "Every",
      width: 80,
      align: "end",
      sortable: true,
      compare: (a, b) => a.interval_s - b.interval_s,
      cell: (job) => duration(job.interval_s),
    },
    {
      id: "due",
      title: "Next",
      width: 110,
      cell: (job) => (job.due_at ? <Time at={job.due_at} /> : <span className="text-ink-3">when asked</span>),
    },
  ];
  if (!may) return columns;
  const run: Column<Job> = {
    id: "run",
    title: "By hand",
    width: 140,
    align: "end",
    always: true,
    cell: (job) => (
      <Button
        size="sm"
        busy={running === job.name}
        aria-label={`Run now: ${nameOf(job.name)}`}
        onClick={(event) => {
          event.stopPropagation();
          void runNow(job.name);
        }}
      >
        {running !== job.name && <Play />}
        Run now
      </Button>
    ),
  };
  return [...columns, run];
}

function JobCard({ job }: { job: Job }) {
  return (
    <div className="grid gap-1">
      <p className="flex items-center justify-between gap-2">
        <span className="truncate text-sm font-medium first-letter:uppercase">{nameOf(job.name)}</span>
        <Outcome job={job} />
      </p>
      <p className="text-xs text-ink-3 sm:truncate" title={job.doc}>{job.doc}</p>
      <p className="text-xs text-ink-2 tabular">
        <Time at={job.last?.finished_at} otherwise="never ran" /> · {latency(job.last?.duration_s ?? null)} ·{" "}
        {count(job.last?.changed ?? 0)} changed
      </p>
    </div>
  );
}

const RUN_COLUMNS: Column<JobRun>[] = [
  { id: "state", title: "Outcome", width: 110, always: true, cell: (run) => <StatusBadge status={run.state} /> },
  { id: "when", title: "When", grow: 1, width: 100, cell: (run) => <Time at={run.finished_at ?? run.started_at} otherwise="waits" /> },
  { id: "took", title: "Took", width: 80, align: "end", cell: (run) => latency(run.duration_s) },
  { id: "changed", title: "Changed", width: 90, align: "end", cell: (run) => count(run.changed) },
];

function RunCard({ run }: { run: JobRun }) {
  return (
    <p className="flex items-center gap-3 text-sm">
      <StatusBadge status={run.state} />
      <Time at={run.finished_at ?? run.started_at} otherwise="waits" className="grow" />
      <span className="text-xs text-ink-3 tabular">
        {latency(run.duration_s)} · {count(run.changed)} changed
      </span>
    </p>
  );
}

function Runs({ job }: { job: Job }) {
  const list = useKeyset(["jobs", job.name, "runs"], async (before, signal) => {
    const page = await api.get("/admin/jobs/{name}/runs", { path: { name: job.name }, query: { before, limit: 50 }, signal });
    return { rows: page.runs, next: page.next_before };
  });
  const failed = list.rows.find((run) => run.error);
  return (
    <div className="grid gap-4">
      <Facts>
        <Fact label="Runs every">{duration(job.interval_s)}</Fact>
        <Fact label="Next">{job.due_at ? <Time at={job.due_at} /> : "when asked for"}</Fact>
        {job.last?.asked_by && <Fact label="Asked for by">{job.last.asked_by}</Fact>}
      </Facts>
      {failed?.error && (
        <p className="rounded-control bg-bad-soft px-3 py-2 text-sm text-ink">
          <span className="font-medium">Last failure, </span>
          <Time at={failed.finished_at} />: {failed.error}
        </p>
      )}
      <Card className="overflow-hidden">
        <DataTable
          label={`Runs of ${nameOf(job.name)}`}
          columns={RUN_COLUMNS}
          rows={list.rows}
          rowId={(run) => run.id}
          {...list.table}
          renderCard={(run) => <RunCard run={run} />}
          empty={<Empty title="No run to show">Those that changed something, failed or were asked for are kept.</Empty>}
        />
      </Card>
    </div>
  );
}

export function JobsTab() {
  const may = useMay("admin");
  const jobs = useQuery({ queryKey: ["jobs"], queryFn: ({ signal }) => api.get("/admin/jobs", { signal }), refetchInterval: 30_000 });
  const { runNow, running } = useRunNow();
  const [open, setOpen] = useState<string | null>(null);
  const columns = useMemo(() => columnsOf(may, runNow, running), [may, running]); // runNow does the same each time
  const shown = jobs.data?.jobs.find((job) => job.name === open);
  if (jobs.error && !jobs.data) return <Failure error={jobs.error} retry={() => void jobs.refetch()} />;
  return (
    <>
      <Card className="overflow-hidden">
        <DataTable
          label="Jobs"
          columns={columns}
          rows={jobs.data?.jobs ?? []}
          rowId={(job) => job.name}
          rowName={(job) => nameOf(job.name)}
          rowHeight={56}
          loading={jobs.isPending}
          current={open ?? undefined}
          onOpen={(job) => setOpen(job.name)}
          renderCard={(job) => <JobCard job={job} />}
          empty={<Empty icon={CalendarClock} title="No job is known" />}
        />
      </Card>
      <Drawer
        open={shown !== undefined}
        onOpenChange={(next) => !next && setOpen(null)}
        title={shown ? <span className="inline-block first-letter:uppercase">{nameOf(shown.name)}</span> : ""}
        description={shown?.doc}
        footer={
          may && shown ? (
            <Button variant="primary" busy={running === shown.name} onClick={() => void runNow(shown.name)}>
              Run now
            </Button>
          ) : undefined
        }
      >
        {shown && <Runs job={shown} />}
      </Drawer>
    </>
  );
}
