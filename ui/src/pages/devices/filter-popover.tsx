// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { ListFilter } from "lucide-react";
import { useId, useState, type FormEvent } from "react";
import { api } from "@/api/client";
import { Button } from "@/ui/button";
import { Field, Input, NativeSelect } from "@/ui/field";
import { Popover } from "@/ui/popover";
import { chipsOf, filterOf, KINDS, NETWORKS, searchOf, type Filter } from "./filter";

const useNames = (what: "tags" | "sites") =>
  useQuery({
    queryKey: ["devices", what],
    queryFn: async ({ signal }) =>
      what === "tags" ? (await api.get("/admin/tags", { signal })).tags : (await api.get("/admin/sites", { signal })).sites,
    staleTime: 60_000,
  }).data ?? [];

/** A field that offers the names in use and takes any other. */
export function NameInput({ of, ...rest }: { of: "tags" | "sites" } & React.ComponentProps<typeof Input>) {
  const list = useId();
  const names = useNames(of);
  return (
    <>
      <Input list={list} autoComplete="off" {...rest} />
      <datalist id={list}>
        {names.map((one) => (
          <option key={one.name} value={one.name}>
            {`${one.devices} devices`}
          </option>
        ))}
      </datalist>
    </>
  );
}

const TITLE: Record<string, string> = { android: "Android", desktop: "Desktop", wifi: "Wi-Fi", cellular: "Cellular", ethernet: "Ethernet", offline: "Offline" };

function Choice({ label, name, values, initial }: { label: string; name: string; values: readonly string[]; initial: string | undefined }) {
  return (
    <Field label={label}>
      {(ids) => (
        <NativeSelect {...ids} name={name} defaultValue={initial ?? ""}>
          <option value="">Any</option>
          {values.map((value) => (
            <option key={value} value={value}>
              {TITLE[value] ?? value}
            </option>
          ))}
        </NativeSelect>
      )}
    </Field>
  );
}

function FilterForm({ filter, onChange, close }: { filter: Filter; onChange: (filter: Filter) => void; close: () => void }) {
  const apply = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const search = searchOf({ q: filter.q, status: filter.status });
    for (const [name, value] of new FormData(event.currentTarget)) {
      if (name === "tag") for (const tag of String(value).split(",")) search.append("tag", tag);
      else if (value) search.set(name, String(value));
    }
    onChange(filterOf(search));
    close();
  };
  const clear = () => {
    onChange({ q: filter.q, status: filter.status });
    close();
  };
  return (
    <form className="grid gap-3.5" onSubmit={apply}>
      <div className="grid grid-cols-2 gap-3">
        <Choice label="Kind" name="kind" values={KINDS} initial={filter.kind} />
        <Choice label="Network" name="network" values={NETWORKS} initial={filter.network} />
      </div>
      <Field label="Site">{(ids) => <NameInput {...ids} of="sites" name="site" defaultValue={filter.site} />}</Field>
      <Field label="Tags" hint="Several with commas: devices that have all of them.">
        {(ids) => <NameInput {...ids} of="tags" name="tag" defaultValue={filter.tag?.join(", ")} />}
      </Field>
      <div className="grid grid-cols-2 gap-3">
        <Field label="Battery below (%)">
          {(ids) => <Input {...ids} name="battery_below" type="number" min={1} max={101} inputMode="numeric" defaultValue={filter.battery_below} />}
        </Field>
        <Field label="Agent version">{(ids) => <Input {...ids} name="agent_version" maxLength={64} defaultValue={filter.agent_version} />}</Field>
      </div>
      <Field label="App in the foreground">
        {(ids) => <Input {...ids} name="app" maxLength={255} placeholder="com.example.till" spellCheck={false} defaultValue={filter.app} />}
      </Field>
      <div className="flex justify-end gap-2">
        <Button size="sm" variant="ghost" onClick={clear}>
          Clear
        </Button>
        <Button size="sm" variant="primary" type="submit">
          Apply
        </Button>
      </div>
    </form>
  );
}

export function FilterPopover({ filter, onChange }: { filter: Filter; onChange: (filter: Filter) => void }) {
  const [open, setOpen] = useState(false);
  const active = chipsOf(filter).length;
  return (
    <Popover
      label="Filter"
      align="end"
      open={open}
      onOpenChange={setOpen}
      className="w-80"
      trigger={
        <Button aria-label={active ? `Filter, ${active} set` : "Filter"}>
          <ListFilter />
          <span className="max-sm:hidden">Filter</span>
          {active > 0 && <span className="rounded-full bg-accent px-1.5 text-xs text-on-accent tabular">{active}</span>}
        </Button>
      }
    >
      {(close) => <FilterForm filter={filter} onChange={onChange} close={close} />}
    </Popover>
  );
}
