// SPDX-License-Identifier: Apache-2.0
import { useQueryClient } from "@tanstack/react-query";
import { Archive, Lock } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { bytes, count, duration, toDate } from "@/lib/format";
import { useKeyset } from "@/lib/keyset";
import { useMay } from "@/session/session";
import { Badge, StatusBadge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card, CardHeader } from "@/ui/card";
import { DataTable, type Column } from "@/ui/data-table";
import { Confirm } from "@/ui/dialog";
import { Drawer } from "@/ui/drawer";
import { Fact, Facts } from "@/ui/stat";
import { Empty } from "@/ui/states";
import { Time } from "@/ui/time";
import { toast } from "@/ui/toast";
import { useJobRun } from "./use-awaited";

type Backup = Schema<"Backup">;

const KIND: Record<Backup["kind"], string> = { scheduled: "scheduled", asked: "asked for", manual: "on the machine" };

function took(backup: Backup): string {
  const from = toDate(backup.started_at);
  const to = toDate(backup.finished_at);
  return from && to ? duration((to.getTime() - from.getTime()) / 1000) : "–";
}

/** Was it restored into a scratch database, and did that work? */
function Checked({ backup }: { backup: Backup }) {
  if (!backup.check_outcome) return <span className="text-ink-3">not tried</span>;
  return <StatusBadge status={backup.check_outcome} />;
}

const COLUMNS: Column<Backup>[] = [
  {
    id: "started",
    title: "Made",
    width: 160,
    grow: 1,
    always: true,
    cell: (backup) => (
      <span className="flex items-center gap-2">
        <Time at={backup.started_at} className="font-medium" />
        {backup.removed_at && <Badge>removed</Badge>}
      </span>
    ),
  },
  { id: "outcome", title: "Outcome", width: 110, cell: (backup) => <StatusBadge status={backup.outcome} /> },
  { id: "checked", title: "Restore tried", width: 120, cell: (backup) => <Checked backup={backup} /> },
  { id: "kind", title: "How", width: 150, cell: (backup) => KIND[backup.kind] },
  { id: "took", title: "Took", width: 80, align: "end", cell: took },
  { id: "bytes", title: "Size", width: 100, align: "end", cell: (backup) => (backup.bytes === null ? "–" : bytes(backup.bytes)) },
  {
    id: "directory",
    title: "Where",
    grow: 2,
    width: 200,
    cell: (backup) => (
      <span className="flex min-w-0 items-center gap-1.5">
        {backup.encrypted && <Lock className="size-3.5 shrink-0 text-ink-3" aria-label="encrypted" />}
        <span className="truncate font-mono text-xs">{backup.directory}</span>
      </span>
    ),
  },
];

function BackupCard({ backup }: { backup: Backup }) {
  return (
    <div className="grid gap-1">
      <p className="flex items-center justify-between gap-2 text-sm font-medium">
        <Time at={backup.started_at} />
        <StatusBadge status={backup.outcome} />
      </p>
      <p className="text-xs text-ink-2 tabular">
        {backup.bytes === null ? "size unknown" : bytes(backup.bytes)} · {took(backup)} · {KIND[backup.kind]}
      </p>
      <p className="font-mono text-xs break-all text-ink-3">{backup.directory}</p>
    </div>
  );
}

function Details({ backup }: { backup: Backup }) {
  return (
    <div className="grid gap-4">
      {backup.error && <p className="rounded-control bg-bad-soft px-3 py-2 text-sm text-ink">{backup.error}</p>}
      <Facts>
        <Fact label="Outcome">
          <StatusBadge status={backup.outcome} />
        </Fact>
        <Fact label="Made">
          <Time at={backup.started_at} />, took {took(backup)}
        </Fact>
        <Fact label="How">
          {KIND[backup.kind]}
          {backup.requested_by && ` by ${backup.requested_by}`}
        </Fact>
        <Fact label="Where">
          <span className="font-mono text-xs break-all">{backup.directory}</span>
        </Fact>
        <Fact label="Database">{backup.database === "cluster" ? "the whole server (pg_basebackup)" : "a dump (pg_dump)"}</Fact>
        <Fact label="Size">{backup.bytes === null ? "–" : bytes(backup.bytes)}</Fact>
        <Fact label="Files">
          {backup.files === null ? "–" : count(backup.files)}
          {backup.linked_files ? `, ${count(backup.linked_files)} of them shared with an earlier backup` : ""}
        </Fact>
        <Fact label="Encrypted">{backup.encrypted ? "yes" : "no"}</Fact>
        <Fact label="Restore tried">
          <Checked backup={backup} /> {backup.checked_at && <Time at={backup.checked_at} />}
        </Fact>
        {backup.check_detail && <Fact label="Found">{backup.check_detail}</Fact>}
        {backup.after_hook_outcome && <Fact label="After it">{backup.after_hook_outcome}</Fact>}
        {backup.offsite_outcome && (
          <Fact label="Elsewhere">
            {backup.offsite_outcome}
            {backup.offsite_detail && `: ${backup.offsite_detail}`}
          </Fact>
        )}
        {backup.removed_at && (
          <Fact label="Removed">
            <Time at={backup.removed_at} />, by the settings of how long to keep
          </Fact>
        )}
      </Facts>
    </div>
  );
}

export function BackupsTab() {
  const may = useMay("admin");
  const queries = useQueryClient();
  const reread = () => void queries.invalidateQueries({ queryKey: ["backups"] });
  const list = useKeyset(["backups", "list"], async (before, signal) => {
    const page = await api.get("/admin/backups", { query: { before, limit: 50 }, signal });
    return { rows: page.backups, next: page.next_before };
  });
  const run = useJobRun((ended) => {
    if (ended.state === "failed") toast.failed(new Error(`The backup failed: ${ended.error ?? "no reason was given"}`));
    else if (ended.state === "skipped")
      toast.failed(new Error(`No backup was made: ${ended.error ?? "none is configured, or another process makes one"}`));
    else toast.ok("The backup is made.");
    reread();
  });
  const [asking, setAsking] = useState(false);
  const [open, setOpen] = useState<string | null>(null);
  const shown = list.rows.find((backup) => backup.id === open);
  const make = async () => {
    run.await((await api.post("/admin/backups", { body: {} })).run_id);
    toast.ok("The backup has begun; heartbeats and everything else go on.");
    setTimeout(reread, 2000);
  };
  const button = may && (
    <Button variant="primary" busy={run.id !== null} onClick={() => setAsking(true)}>
      {run.id ? "Being made" : "Back up now"}
    </Button>
  );
  return (
    <>
      <Card className="overflow-hidden">
        <CardHeader
          title="Backups"
          hint="Of the database, the journal, the archive and the secrets"
          actions={list.rows.length > 0 && button}
        />
        <DataTable
          label="Backups"
          columns={COLUMNS}
          rows={list.rows}
          rowId={(backup) => backup.id}
          {...list.table}
          current={open ?? undefined}
          onOpen={(backup) => setOpen(backup.id)}
          renderCard={(backup) => <BackupCard backup={backup} />}
          empty={
            <Empty icon={Archive} title="There is no backup yet" action={button}>
              Set <code className="font-mono text-xs">backup.directory</code> to a folder on another disk, and one is made every night.
            </Empty>
          }
        />
      </Card>
      <Confirm
        open={asking}
        onOpenChange={setAsking}
        title="Back up now"
        description="A process beside the daemon writes it to backup.directory. Heartbeats and everything else go on meanwhile."
        action="Back up"
        onConfirm={make}
      />
      <Drawer open={shown !== undefined} onOpenChange={(next) => !next && setOpen(null)} title="Backup" description={shown?.id}>
        {shown && <Details backup={shown} />}
      </Drawer>
    </>
  );
}
