// SPDX-License-Identifier: Apache-2.0
import { ListFilter, ScrollText } from "lucide-react";
import { useId, useMemo } from "react";
import { api } from "@/api/client";
import { diff, summary } from "@/lib/diff";
import { useKeyset } from "@/lib/keyset";
import { useDraft } from "@/lib/use-draft";
import { isActive, useFilter } from "@/lib/use-filter";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { DataTable, type Column } from "@/ui/data-table";
import { Input, NativeSelect } from "@/ui/field";
import { Empty } from "@/ui/states";
import { Time, useNow } from "@/ui/time";
import { EntryDrawer, type Entry } from "./entry";
import { nameOfSubject, useNames, type Names } from "./names";
import { periodOf } from "./period";
import { PeriodField } from "./period-field";
import { ACTION_GROUPS, Actor, actionTone, actionWords, Subject } from "./words";

const PAGE = 100;
const FILTER = ["actor", "action", "subject", "period", "from", "to"] as const;
const MINUTE_MS = 60_000;

type Filter = Partial<Record<(typeof FILTER)[number], string>>;

function What({ entry }: { entry: Entry }) {
  return <Badge tone={actionTone(entry.action)}>{actionWords(entry.action)}</Badge>;
}

const changed = (entry: Entry) => summary(diff(entry.before, entry.after));

const changedCell = (entry: Entry) => <span className="truncate text-ink-2">{changed(entry)}</span>;

function columns(names: Names): Column<Entry>[] {
  const to = (entry: Entry) => <Subject subject={entry.subject} name={nameOfSubject(entry, names)} />;
  return [
    { id: "at", title: "When", width: 116, cell: (entry) => <Time at={entry.at} /> },
    { id: "actor", title: "Who", grow: 1, width: 150, always: true, cell: (entry) => <Actor actor={entry.actor} names={names} /> },
    { id: "action", title: "Did", width: 176, cell: (entry) => <What entry={entry} /> },
    { id: "subject", title: "To", grow: 1, width: 170, cell: to },
    { id: "changed", title: "Changed", grow: 2, width: 180, cell: changedCell },
    {
      id: "address",
      title: "From",
      width: 132,
      cell: (entry) => <span className="truncate font-mono text-xs text-ink-2">{entry.address ?? "appliance"}</span>,
    },
  ];
}

const idOf = (entry: Entry) => entry.id;
const nameOf = (entry: Entry) => `${entry.action} by ${entry.actor}`;

function EntryCard({ entry, names }: { entry: Entry; names: Names }) {
  return (
    <div className="grid gap-1.5">
      <div className="flex items-center justify-between gap-2">
        <What entry={entry} />
        <Time at={entry.at} className="text-xs text-ink-3" />
      </div>
      <div className="flex min-w-0 items-center justify-between gap-3 text-sm">
        <Actor actor={entry.actor} names={names} />
        <Subject subject={entry.subject} name={nameOfSubject(entry, names)} />
      </div>
      {changed(entry) && <p className="truncate text-xs text-ink-3">{changed(entry)}</p>}
    </div>
  );
}

interface FiltersProps {
  values: Filter;
  actors: readonly string[];
  onChange: (change: Filter) => void;
  onClear: () => void;
}

function Filters({ values, actors, onChange, onClear }: FiltersProps) {
  const list = useId();
  const { action = "" } = values;
  const [actor, typeActor] = useDraft(values.actor ?? "", (text) => onChange({ actor: text }));
  const [subject, typeSubject] = useDraft(values.subject ?? "", (text) => onChange({ subject: text }));
  const known = ACTION_GROUPS.some(([value]) => value === action);
  return (
    <div
      role="search"
      aria-label="Filter the log"
      className="flex flex-wrap items-center gap-2 border-b border-line p-3 max-sm:grid max-sm:grid-cols-2"
    >
      <Input
        aria-label="Who"
        placeholder="Who: alice, job:*"
        className="w-44 max-sm:w-full"
        data-page-search
        list={list}
        autoComplete="off"
        value={actor}
        onChange={(event) => typeActor(event.target.value)}
      />
      <datalist id={list}>
        {actors.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <NativeSelect
        aria-label="What"
        className="w-auto max-sm:w-full"
        value={action}
        onChange={(event) => onChange({ action: event.target.value })}
      >
        <option value="">All actions</option>
        {!known && action && <option value={action}>{action}</option>}
        {ACTION_GROUPS.map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </NativeSelect>
      <Input
        aria-label="To what"
        placeholder="To what: device:42"
        className="w-44 max-sm:w-full"
        value={subject}
        onChange={(event) => typeSubject(event.target.value)}
      />
      <PeriodField values={values} onChange={onChange} />
      {isActive(values) && (
        <Button variant="ghost" onClick={onClear}>
          Clear
        </Button>
      )}
    </div>
  );
}

function NoEntries({ filtered, onClear }: { filtered: boolean; onClear: () => void }) {
  if (!filtered)
    return (
      <Empty icon={ScrollText} title="Nothing was changed yet">
        Every change of state is written down here, with who, from where, before and after.
      </Empty>
    );
  return (
    <Empty icon={ListFilter} title="Nothing like that was done" action={<Button onClick={onClear}>Clear the filter</Button>}>
      Names stand as kind and name: user:alice, device:42; a star at the end stands for anything.
    </Empty>
  );
}

/** A name without its kind is a person's. */
const actorOf = (text: string) => (text === "" || /[:*]/.test(text) || text === "admin-key" ? text : `user:${text}`);

export interface AuditLogProps {
  /** The entry that stands beside the list. */
  opened: string | null;
  onOpen: (id: string | null) => void;
}

export function AuditLog({ opened, onOpen }: AuditLogProps) {
  const [values, set, clear] = useFilter(FILTER);
  const minute = Math.floor(useNow() / MINUTE_MS) * MINUTE_MS;
  const names = useNames();
  const cells = useMemo(() => columns(names), [names]);
  const period = periodOf(values.period ?? "", values.from ?? "", values.to ?? "", minute);
  const asked = {
    actor: actorOf(values.actor?.trim() ?? "") || undefined,
    action: values.action,
    subject: values.subject?.trim() || undefined,
  };
  const list = useKeyset(["audit", asked, values.period, values.from, values.to], async (before, signal) => {
    const page = await api.get("/admin/audit", { query: { ...asked, ...period, before, limit: PAGE }, signal });
    return { rows: page.entries, next: page.next_before };
  });
  return (
    <Card>
      <Filters values={values} actors={names.actors} onChange={set} onClear={clear} />
      <DataTable
        label="Audit log"
        columns={cells}
        rows={list.rows}
        rowId={idOf}
        rowName={nameOf}
        {...list.table}
        onOpen={(entry) => onOpen(entry.id)}
        current={opened ?? undefined}
        renderCard={(entry) => <EntryCard entry={entry} names={names} />}
        empty={<NoEntries filtered={isActive(values)} onClear={clear} />}
      />
      <EntryDrawer
        id={opened}
        rows={list.rows}
        names={names}
        onClose={() => onOpen(null)}
        onOnly={(only) => {
          const nothing = Object.fromEntries(FILTER.map((name) => [name, ""]));
          set({ ...nothing, entry: "", ...only } as Filter);
        }}
      />
    </Card>
  );
}
