// SPDX-License-Identifier: Apache-2.0
import { ListFilter, ScrollText } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { diff, summary } from "@/lib/diff";
import { exactTime, toDate } from "@/lib/format";
import { useKeyset } from "@/lib/keyset";
import { useDebounced } from "@/lib/use-debounced";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { DataTable, type Column } from "@/ui/data-table";
import { Drawer } from "@/ui/drawer";
import { Input, NativeSelect } from "@/ui/field";
import { Fact, Facts } from "@/ui/stat";
import { Empty } from "@/ui/states";
import { Time, useNow } from "@/ui/time";
import { DiffView } from "./diff-view";
import { PeriodField } from "./period-field";
import { periodOf, useFilter } from "./use-filter";
import { ACTION_GROUPS, Actor, actionTone, actionWords, parts, Subject } from "./words";

type Entry = Schema<"AuditEntry">;

const PAGE = 100;
const FILTER = ["actor", "action", "subject", "period", "from", "to"] as const;
const MINUTE_MS = 60_000;

function What({ entry }: { entry: Entry }) {
  return <Badge tone={actionTone(entry.action)}>{actionWords(entry.action)}</Badge>;
}

const changed = (entry: Entry) => summary(diff(entry.before, entry.after));

const COLUMNS: Column<Entry>[] = [
  { id: "at", title: "When", width: 116, cell: (entry) => <Time at={entry.at} /> },
  { id: "actor", title: "Who", grow: 1, width: 150, always: true, cell: (entry) => <Actor actor={entry.actor} /> },
  { id: "action", title: "Did", width: 176, cell: (entry) => <What entry={entry} /> },
  { id: "subject", title: "To", grow: 1, width: 150, cell: (entry) => <Subject subject={entry.subject} /> },
  { id: "changed", title: "Changed", grow: 2, width: 180, cell: (entry) => <span className="truncate text-ink-2">{changed(entry)}</span> },
  { id: "address", title: "From", width: 132, cell: (entry) => <span className="truncate font-mono text-xs text-ink-2">{entry.address ?? "appliance"}</span> },
];

const idOf = (entry: Entry) => entry.id;
const nameOf = (entry: Entry) => `${entry.action} by ${entry.actor}`;

function EntryCard({ entry }: { entry: Entry }) {
  return (
    <div className="grid gap-1.5">
      <div className="flex items-center justify-between gap-2">
        <What entry={entry} />
        <Time at={entry.at} className="text-xs text-ink-3" />
      </div>
      <div className="flex items-center justify-between gap-3 text-sm">
        <Actor actor={entry.actor} />
        <Subject subject={entry.subject} />
      </div>
      {changed(entry) && <p className="truncate text-xs text-ink-3">{changed(entry)}</p>}
    </div>
  );
}

function Details({ entry }: { entry: Entry }) {
  const date = toDate(entry.at);
  return (
    <div className="grid gap-5">
      <Facts>
        <Fact label="Who">
          <Actor actor={entry.actor} />
        </Fact>
        <Fact label="Action">
          <code className="font-mono text-xs">{entry.action}</code>
        </Fact>
        <Fact label="To">
          <Subject subject={entry.subject} linked />
        </Fact>
        <Fact label="When">{date ? exactTime(date) : entry.at}</Fact>
        <Fact label="From">{entry.address ?? "the appliance itself"}</Fact>
        <Fact label="Entry">{entry.id}</Fact>
      </Facts>
      <section aria-label="Before and after" className="grid gap-2">
        <h3 className="text-sm font-semibold">Before and after</h3>
        <DiffView before={entry.before} after={entry.after} />
      </section>
    </div>
  );
}

function Filters({ filter }: { filter: ReturnType<typeof useFilter<(typeof FILTER)[number]>> }) {
  const { values, set, active, clear } = filter;
  const known = ACTION_GROUPS.some(([value]) => value === values.action);
  return (
    <div role="search" aria-label="Filter the log" className="flex flex-wrap items-center gap-2 border-b border-line p-3 max-sm:grid max-sm:grid-cols-2">
      <Input aria-label="Who" placeholder="Who: user:alice, job:*" className="w-44 max-sm:w-full" value={values.actor} onChange={(event) => set({ actor: event.target.value })} />
      <NativeSelect aria-label="What" className="w-auto max-sm:w-full" value={values.action} onChange={(event) => set({ action: event.target.value })}>
        <option value="">All actions</option>
        {!known && values.action && <option value={values.action}>{values.action}</option>}
        {ACTION_GROUPS.map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </NativeSelect>
      <Input aria-label="To what" placeholder="To what: device:42" className="w-44 max-sm:w-full" value={values.subject} onChange={(event) => set({ subject: event.target.value })} />
      <PeriodField values={values} onChange={set} />
      {active && (
        <Button variant="ghost" onClick={clear}>
          Clear
        </Button>
      )}
    </div>
  );
}

/** A name without its kind is a person's. */
const actorOf = (text: string) => (text === "" || /[:*]/.test(text) || text === "admin-key" ? text : `user:${text}`);

export function AuditLog() {
  const filter = useFilter(FILTER);
  const settled = useDebounced(filter.values, 400);
  const minute = Math.floor(useNow() / MINUTE_MS) * MINUTE_MS;
  const [opened, setOpened] = useState<Entry | null>(null);
  const period = periodOf(settled.period, settled.from, settled.to, minute);
  const asked = { actor: actorOf(settled.actor.trim()) || undefined, action: settled.action || undefined, subject: settled.subject.trim() || undefined };
  const list = useKeyset(["audit", asked, settled.period, settled.from, settled.to], async (before, signal) => {
    const page = await api.get("/admin/audit", { query: { ...asked, ...period, before, limit: PAGE }, signal });
    return { rows: page.entries, next: page.next_before };
  });
  return (
    <Card>
      <Filters filter={filter} />
      <DataTable
        label="Audit log"
        columns={COLUMNS}
        rows={list.rows}
        rowId={idOf}
        rowName={nameOf}
        {...list.table}
        onOpen={setOpened}
        current={opened?.id}
        renderCard={(entry) => <EntryCard entry={entry} />}
        empty={
          filter.active ? (
            <Empty icon={ListFilter} title="Nothing like that was done" action={<Button onClick={filter.clear}>Clear the filter</Button>}>
              Names stand as kind and name: user:alice, device:42; a star at the end stands for anything.
            </Empty>
          ) : (
            <Empty icon={ScrollText} title="Nothing was changed yet">Every change of state is written down here, with who, from where, before and after.</Empty>
          )
        }
      />
      <Drawer
        open={opened !== null}
        onOpenChange={() => setOpened(null)}
        title={opened ? `${parts(opened.subject).kind.replaceAll("-", " ")} ${actionWords(opened.action)}` : ""}
        description={opened && <Time at={opened.at} />}
      >
        {opened && <Details entry={opened} />}
      </Drawer>
    </Card>
  );
}
