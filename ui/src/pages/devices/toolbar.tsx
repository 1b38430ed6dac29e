// SPDX-License-Identifier: Apache-2.0
import { Search, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { cn } from "@/lib/cn";
import { count } from "@/lib/format";
import { useFleet } from "@/live/use-live";
import { Button } from "@/ui/button";
import { ColumnsMenu, type TableLayout } from "@/ui/data-table";
import { Input } from "@/ui/field";
import { Segments } from "@/ui/select";
import { COLUMNS } from "./columns";
import { chipsOf, type Filter } from "./filter";
import { FilterPopover } from "./filter-popover";

interface FilterProps {
  filter: Filter;
  onChange: (filter: Filter) => void;
}

const TYPING_MS = 300;

/** Asks when the typing pauses; Enter at once, Escape nothing. */
function SearchBox({ filter, onChange }: FilterProps) {
  const [typed, setTyped] = useState(filter.q ?? "");
  const latest = useRef({ filter, onChange });
  latest.current = { filter, onChange };
  const sent = useRef(filter.q ?? "");

  useEffect(() => {
    if ((filter.q ?? "") === sent.current) return; // our own change comes back
    sent.current = filter.q ?? "";
    setTyped(sent.current);
  }, [filter.q]);
  const send = (text: string) => {
    const q = text.trim();
    if (q === sent.current) return;
    sent.current = q;
    latest.current.onChange({ ...latest.current.filter, q: q || undefined });
  };
  useEffect(() => {
    const timer = setTimeout(() => send(typed), TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed]);

  return (
    <div className="relative min-w-0 grow sm:min-w-48">
      <Search className="pointer-events-none absolute inset-y-0 left-3 my-auto size-4 text-ink-3" aria-hidden />
      <Input
        data-page-search
        type="search"
        aria-label="Search devices"
        placeholder="Name, hardware id, site, notes or id"
        className="pl-9 [&::-webkit-search-cancel-button]:hidden"
        maxLength={200}
        spellCheck={false}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") send(typed);
          if (event.key !== "Escape") return;
          if (typed) setTyped("");
          else event.currentTarget.blur();
        }}
      />
      {typed ? (
        <button
          type="button"
          aria-label="Clear the search"
          className="absolute inset-y-0 right-0.5 my-auto grid size-8 pointer-coarse:size-10 place-items-center rounded-control text-ink-3 hover:text-ink"
          onClick={() => setTyped("")}
        >
          <X className="size-4" />
        </button>
      ) : (
        <kbd
          aria-hidden
          className={cn(
            "pointer-events-none absolute inset-y-0 right-2.5 my-auto h-5 rounded border border-line bg-surface-2 px-1.5 leading-4.5",
            "font-sans text-xs text-ink-3 max-sm:hidden pointer-coarse:hidden",
          )}
        >
          /
        </kbd>
      )}
    </div>
  );
}

type Segment = "all" | NonNullable<Filter["status"]>;

/** The fleet at a glance, and a click from each part of it. */
export function StatusSegments({ filter, onChange }: FilterProps) {
  const fleet = useFleet();
  const counts: [Segment, string, number | undefined][] = [
    ["all", "All", fleet?.devices],
    ["online", "Online", fleet?.online],
    ["late", "Late", fleet?.late],
    ["silent", "Silent", fleet?.silent],
    ["never", "Never seen", fleet?.never],
    ["quarantined", "Quarantined", fleet?.quarantined],
  ];
  const always: Segment[] = ["all", "online", "silent"];
  const shown = counts.filter(([value, , number]) => number || value === filter.status || always.includes(value));
  if (filter.status === "deleted") shown.push(["deleted", "Deleted", undefined]);
  return (
    <Segments
      label="Status"
      value={filter.status ?? "all"}
      onChange={(value) => onChange({ ...filter, status: value === "all" ? undefined : value })}
      options={shown.map(([value, label, number]) => ({
        value,
        label: (
          <>
            {label}
            {number !== undefined && <span className="font-normal text-ink-2 tabular">{count(number)}</span>}
          </>
        ),
      }))}
    />
  );
}

export function Chips({ filter, onChange }: FilterProps) {
  const chips = chipsOf(filter);
  if (chips.length === 0) return null;
  return (
    <ul aria-label="Filters" className="flex flex-wrap items-center gap-1.5">
      {chips.map((chip) => (
        <li
          key={chip.key}
          className="inline-flex h-7 items-center gap-0.5 rounded-full border border-line bg-surface pl-3 text-xs font-medium text-ink-2"
        >
          <span className="max-w-56 truncate">{chip.label}</span>
          <button
            type="button"
            aria-label={`Without ${chip.label}`}
            className="touch-target grid size-7 place-items-center rounded-full text-ink-3 hover:text-ink"
            onClick={() => onChange(chip.without)}
          >
            <X className="size-3.5" />
          </button>
        </li>
      ))}
      <li>
        <Button size="sm" variant="ghost" onClick={() => onChange({ q: filter.q, status: filter.status })}>
          Clear
        </Button>
      </li>
    </ul>
  );
}

export function Toolbar({ filter, onChange, layout }: FilterProps & { layout: TableLayout }) {
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-3">
      <div className="flex flex-wrap items-center gap-2">
        <StatusSegments filter={filter} onChange={onChange} />
        <div className="flex min-w-64 grow items-center gap-2 max-sm:min-w-full">
          <SearchBox filter={filter} onChange={onChange} />
          <FilterPopover filter={filter} onChange={onChange} />
          <div className="max-sm:hidden">
            <ColumnsMenu columns={COLUMNS} layout={layout} />
          </div>
        </div>
      </div>
      <Chips filter={filter} onChange={onChange} />
    </div>
  );
}
