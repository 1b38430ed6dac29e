// SPDX-License-Identifier: Apache-2.0
import { X } from "lucide-react";
import { count } from "@/lib/format";
import { useFleet } from "@/live/use-live";
import { Button } from "@/ui/button";
import { ColumnsMenu, type TableLayout } from "@/ui/data-table";
import { SearchBox } from "@/ui/search-box";
import { Segments } from "@/ui/select";
import { COLUMNS } from "./columns";
import { chipsOf, type Filter } from "./filter";
import { FilterPopover } from "./filter-popover";

interface FilterProps {
  filter: Filter;
  onChange: (filter: Filter) => void;
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
          <SearchBox
            label="Search devices"
            placeholder="Name, hardware id, site, notes or id"
            className="grow sm:min-w-48"
            value={filter.q ?? ""}
            onChange={(q) => onChange({ ...filter, q: q || undefined })}
          />
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
