// SPDX-License-Identifier: Apache-2.0
/** One entry of the log, whole: who, what, to what, before and after, and the way to others like it. */
import { useQuery } from "@tanstack/react-query";
import { ListFilter } from "lucide-react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { exactTime, toDate } from "@/lib/format";
import { Button } from "@/ui/button";
import { Drawer } from "@/ui/drawer";
import { Fact, Facts } from "@/ui/stat";
import { Failure, Skeleton } from "@/ui/states";
import { Time } from "@/ui/time";
import { DiffView } from "./diff-view";
import type { Names } from "./names";
import { nameOfSubject } from "./names";
import { Actor, actionWords, parts, Subject } from "./words";

export type Entry = Schema<"AuditEntry">;
export type Only = { actor?: string; action?: string; subject?: string };

/** From the list if it is there, else from the appliance; null: the log has none of this number. */
function useEntry(id: string | null, rows: readonly Entry[]) {
  const loaded = id === null ? undefined : rows.find((row) => row.id === id);
  const query = useQuery({
    queryKey: ["audit", "entry", id],
    enabled: id !== null && loaded === undefined,
    queryFn: async ({ signal }): Promise<Entry | null> => {
      if (!id || !/^\d{1,18}$/.test(id)) return null;
      const { entries } = await api.get("/admin/audit", { query: { before: String(BigInt(id) + 1n), limit: 1 }, signal });
      return entries.find((entry) => entry.id === id) ?? null;
    },
  });
  return { entry: loaded ?? query.data, error: loaded ? null : query.error, retry: query.refetch };
}

function Others({ entry, onOnly }: { entry: Entry; onOnly: (only: Only) => void }) {
  const ways: [string, Only][] = [
    ["By the same", { actor: entry.actor }],
    ["Of this action", { action: entry.action }],
    ["About the same", { subject: entry.subject }],
  ];
  return (
    <div className="flex flex-wrap gap-2" role="group" aria-label="Other entries">
      {ways.map(([label, only]) => (
        <Button key={label} size="sm" onClick={() => onOnly(only)}>
          <ListFilter />
          {label}
        </Button>
      ))}
    </div>
  );
}

function Details({ entry, names, onOnly }: { entry: Entry; names: Names; onOnly: (only: Only) => void }) {
  const date = toDate(entry.at);
  return (
    <div className="grid gap-5">
      <Facts>
        <Fact label="Who">
          <Actor actor={entry.actor} names={names} />
        </Fact>
        <Fact label="Action">
          <code className="font-mono text-xs">{entry.action}</code>
        </Fact>
        <Fact label="To">
          <Subject subject={entry.subject} name={nameOfSubject(entry, names)} linked />
        </Fact>
        <Fact label="When">{date ? exactTime(date) : entry.at}</Fact>
        <Fact label="From">{entry.address ?? "the appliance itself"}</Fact>
        <Fact label="Entry">{entry.id}</Fact>
      </Facts>
      <Others entry={entry} onOnly={onOnly} />
      <section aria-label="Before and after" className="grid gap-2">
        <h3 className="text-sm font-semibold">Before and after</h3>
        <DiffView before={entry.before} after={entry.after} />
      </section>
    </div>
  );
}

export interface EntryDrawerProps {
  id: string | null;
  rows: readonly Entry[];
  names: Names;
  onClose: () => void;
  onOnly: (only: Only) => void;
}

export function EntryDrawer({ id, rows, names, onClose, onOnly }: EntryDrawerProps) {
  const { entry, error, retry } = useEntry(id, rows);
  const title = entry ? `${parts(entry.subject).kind.replaceAll("-", " ")} ${actionWords(entry.action)}` : `Entry ${id ?? ""}`;
  return (
    <Drawer open={id !== null} onOpenChange={(open) => !open && onClose()} title={title} description={entry && <Time at={entry.at} />}>
      {entry && <Details entry={entry} names={names} onOnly={onOnly} />}
      {entry === null && <p className="text-sm text-ink-2">The log has no entry of this number.</p>}
      {error && <Failure error={error} retry={() => void retry()} />}
      {entry === undefined && !error && (
        <div className="grid gap-3" aria-busy="true">
          <Skeleton className="h-5 w-2/3" />
          <Skeleton className="h-5 w-1/2" />
          <Skeleton className="h-24" />
        </div>
      )}
    </Drawer>
  );
}
