// SPDX-License-Identifier: Apache-2.0
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Ellipsis, FileCheck, FolderArchive, FolderOpen, History } from "lucide-react";
import { useMemo, useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { bytes, count, percent } from "@/lib/format";
import { useKeyset } from "@/lib/keyset";
import { useMay } from "@/session/session";
import { Badge, StatusBadge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card, CardHeader } from "@/ui/card";
import { DataTable, type Column } from "@/ui/data-table";
import { Drawer } from "@/ui/drawer";
import { NativeSelect } from "@/ui/field";
import { Menu, MenuItem } from "@/ui/menu";
import { Fact, Facts } from "@/ui/stat";
import { Empty, Failure, Skeleton } from "@/ui/states";
import { Time } from "@/ui/time";
import { toast } from "@/ui/toast";
import { ArchiveConfirm, type ArchiveAsked } from "./archive-confirm";
import { useArchiveRequest } from "./use-awaited";

export type ArchiveDay = Schema<"ArchiveDay">;

const TABLES = ["heartbeats", "alert_events", "security_events"];
export const tableName = (parent: string) => parent.replaceAll("_", " ");
const idOf = (archive: ArchiveDay) => `${archive.parent}/${archive.day}`;

function Verified({ archive }: { archive: ArchiveDay }) {
  if (archive.verify_ok === null) return <span className="text-ink-3">not yet</span>;
  return (
    <span className="flex items-center gap-2">
      <Badge tone={archive.verify_ok ? "ok" : "bad"}>{archive.verify_ok ? "good" : "not good"}</Badge>
      <Time at={archive.verified_at} className="text-xs text-ink-3" />
    </span>
  );
}

const STATE_TONE = { writing: "info", verifying: "info", archived: "ok", restored: "accent" } as const;

function State({ archive }: { archive: ArchiveDay }) {
  return <Badge tone={STATE_TONE[archive.state]}>{archive.state}</Badge>;
}

const COLUMNS: Column<ArchiveDay>[] = [
  { id: "day", title: "Day", width: 120, grow: 1, always: true, cell: (one) => <span className="font-medium tabular">{one.day}</span> },
  { id: "parent", title: "Table", width: 140, cell: (one) => tableName(one.parent) },
  { id: "state", title: "State", width: 110, cell: (one) => <State archive={one} /> },
  { id: "rows", title: "Rows", width: 120, align: "end", cell: (one) => count(one.rows) },
  { id: "stored", title: "On disk", width: 110, align: "end", cell: (one) => bytes(one.stored_bytes) },
  { id: "share", title: "Of its size", width: 100, align: "end", cell: (one) => percent(one.stored_bytes, one.plain_bytes) },
  { id: "verified", title: "Verified", width: 190, cell: (one) => <Verified archive={one} /> },
];

function Actions({ archive, onAsk }: { archive: ArchiveDay; onAsk: (asked: ArchiveAsked) => void }) {
  const settled = archive.state === "archived" || archive.state === "restored";
  return (
    // A choice in the menu is no click on the row.
    <span onClick={(event) => event.stopPropagation()} onKeyDown={(event) => event.stopPropagation()}>
      <Menu
        trigger={
          <Button variant="ghost" size="icon-sm" aria-label={`What to do with ${archive.day}`} disabled={!settled}>
            <Ellipsis />
          </Button>
        }
      >
        <MenuItem icon={FileCheck} onSelect={() => onAsk({ kind: "verify", archive })}>
          Verify
        </MenuItem>
        <MenuItem icon={History} onSelect={() => onAsk({ kind: "restore", archive })}>
          {archive.state === "restored" ? "Keep restored for longer" : "Restore for a while"}
        </MenuItem>
        {archive.state === "restored" && (
          <MenuItem icon={FolderArchive} onSelect={() => onAsk({ kind: "drop", archive })}>
            Let it go again
          </MenuItem>
        )}
      </Menu>
    </span>
  );
}

function DayCard({ archive }: { archive: ArchiveDay }) {
  return (
    <div className="grid gap-1">
      <p className="flex items-center justify-between gap-2 text-sm font-medium">
        <span className="tabular">
          {archive.day} · {tableName(archive.parent)}
        </span>
        <State archive={archive} />
      </p>
      <p className="text-xs text-ink-2 tabular">
        {count(archive.rows)} rows · {bytes(archive.stored_bytes)}
      </p>
      <Verified archive={archive} />
    </div>
  );
}

function Requests({ requests }: { requests: Schema<"ArchiveRequest">[] }) {
  if (requests.length === 0) return <p className="text-sm text-ink-3">Nothing was asked of it yet.</p>;
  return (
    <ul className="divide-y divide-line rounded-card border border-line">
      {requests.map((request) => (
        <li key={request.id} className="grid gap-1 px-3 py-2.5 text-sm">
          <p className="flex items-center gap-2">
            <span className="font-medium capitalize">{request.kind}</span>
            <StatusBadge status={request.ok === false ? "failed" : request.state} />
            <Time at={request.created_at} className="ml-auto text-xs text-ink-3" />
          </p>
          <p className="text-xs text-ink-3">
            asked by {request.requested_by}
            {request.state === "running" && request.parts_total && ` · ${request.parts_done} of ${request.parts_total} parts`}
          </p>
          {request.detail && <p className="text-xs text-bad">{request.detail}</p>}
          {request.problems?.map((problem) => (
            <p key={problem.file + problem.detail} className="text-xs text-bad">
              <span className="font-mono">{problem.file}</span>: {problem.detail}
            </p>
          ))}
        </li>
      ))}
    </ul>
  );
}

function Day({ archive }: { archive: ArchiveDay }) {
  const { parent, day } = archive;
  const detail = useQuery({
    queryKey: ["archives", "day", parent, day],
    queryFn: ({ signal }) => api.get("/admin/archives/{parent}/{day}", { path: { parent, day }, signal }),
  });
  const known = detail.data?.archive ?? archive;
  return (
    <div className="grid gap-5">
      {known.verify_detail && <p className="rounded-control bg-bad-soft px-3 py-2 text-sm">{known.verify_detail}</p>}
      <Facts>
        <Fact label="State">
          <State archive={known} />
        </Fact>
        <Fact label="Rows">{count(known.rows)}</Fact>
        <Fact label="On disk">
          {bytes(known.stored_bytes)} in {count(known.files)} files, of {bytes(known.plain_bytes)}
        </Fact>
        <Fact label="Archived">
          <Time at={known.archived_at} />
        </Fact>
        {known.restored_until && (
          <Fact label="Restored until">
            <Time at={known.restored_until} />
          </Fact>
        )}
        <Fact label="Verified">
          <Verified archive={known} />
        </Fact>
        <Fact label="In its chain">{known.sequence === null ? "–" : `day ${count(known.sequence)}`}</Fact>
        <Fact label="Manifest">
          <span className="font-mono text-xs break-all">{known.manifest_sha256 ?? "–"}</span>
        </Fact>
      </Facts>
      <section className="grid gap-2">
        <h3 className="text-sm font-semibold">What was asked of it</h3>
        {detail.isPending && <Skeleton className="h-16" />}
        {detail.error && <Failure error={detail.error} retry={() => void detail.refetch()} />}
        {detail.data && <Requests requests={detail.data.requests} />}
      </section>
    </div>
  );
}

/** The columns, and for an administrator what can be done. */
function useColumns(onAsk: (asked: ArchiveAsked) => void): Column<ArchiveDay>[] {
  const may = useMay("admin");
  return useMemo(() => {
    if (!may) return COLUMNS;
    return [
      ...COLUMNS,
      { id: "actions", title: "Actions", width: 80, align: "end", always: true, cell: (one) => <Actions archive={one} onAsk={onAsk} /> },
    ];
  }, [may, onAsk]);
}

export function ArchivesTab() {
  const may = useMay("admin");
  const queries = useQueryClient();
  const [parent, setParent] = useState("");
  const [asked, setAsked] = useState<ArchiveAsked | null>(null);
  const [open, setOpen] = useState<string | null>(null);
  const reread = () => void queries.invalidateQueries({ queryKey: ["archives"] });
  const request = useArchiveRequest((ended) => {
    const what = `${tableName(ended.parent)}, ${ended.day}`;
    if (ended.state === "failed" || ended.ok === false) toast.failed(new Error(`${what}: ${ended.detail ?? "not as it should be"}`));
    else
      toast.ok(
        ended.kind === "verify"
          ? `Verified: ${what} is as it should be.`
          : ended.kind === "restore"
            ? `${what} can be read again.`
            : `${what} is gone again; its files stay.`,
      );
    reread();
  });
  const list = useKeyset(["archives", "list", parent], async (cursor, signal) => {
    const page = await api.get("/admin/archives", { query: { parent: parent || undefined, cursor, limit: 100 }, signal });
    return { rows: page.archives, next: page.next_cursor };
  });
  const columns = useColumns(setAsked);
  const shown = list.rows.find((one) => idOf(one) === open);
  return (
    <>
      <Card className="overflow-hidden">
        <CardHeader
          title="Archived days"
          hint="Days past their retention, in compressed files whose manifests form a chain"
          actions={
            <>
              <NativeSelect
                aria-label="Table"
                className="h-8 w-auto text-xs"
                value={parent}
                onChange={(event) => setParent(event.target.value)}
              >
                <option value="">All tables</option>
                {TABLES.map((table) => (
                  <option key={table} value={table}>
                    {tableName(table)}
                  </option>
                ))}
              </NativeSelect>
              {may && list.rows.length > 0 && (
                <Button size="sm" busy={request.id !== null} onClick={() => setAsked({ kind: "verify-all", parent })}>
                  Verify all
                </Button>
              )}
            </>
          }
        />
        <DataTable
          label="Archived days"
          columns={columns}
          rows={list.rows}
          rowId={idOf}
          {...list.table}
          current={open ?? undefined}
          onOpen={(one) => setOpen(idOf(one))}
          renderCard={(one) => <DayCard archive={one} />}
          empty={
            <Empty icon={FolderOpen} title="No day is archived yet">
              Heartbeats stay in the database for 90 days unless said otherwise. Then each day moves here by itself, and stays readable.
            </Empty>
          }
        />
      </Card>
      <ArchiveConfirm
        asked={asked}
        onClose={() => setAsked(null)}
        onAsked={(id) => {
          if (id) request.await(id);
          reread();
        }}
      />
      <Drawer
        open={shown !== undefined}
        onOpenChange={(next) => !next && setOpen(null)}
        title={shown ? `${shown.day}, ${tableName(shown.parent)}` : ""}
        footer={
          may && shown && (shown.state === "archived" || shown.state === "restored") ? (
            <>
              <Button onClick={() => setAsked({ kind: "verify", archive: shown })}>Verify</Button>
              <Button variant="primary" onClick={() => setAsked({ kind: "restore", archive: shown })}>
                Restore
              </Button>
            </>
          ) : undefined
        }
      >
        {shown && <Day archive={shown} />}
      </Drawer>
    </>
  );
}
