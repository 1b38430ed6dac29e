// SPDX-License-Identifier: Apache-2.0
import { ListFilter } from "lucide-react";
import { useState, type FormEvent } from "react";
import { Button } from "@/ui/button";
import { Field, Input, NativeSelect } from "@/ui/field";
import { Popover } from "@/ui/popover";
import { TagInput } from "@/ui/tag-input";
import { chipsOf, filterOf, KINDS, nameOf, NETWORKS, searchOf, type Filter } from "./filter";
import { NameInput, Offering } from "./name-input";
import { useInUse, useNames } from "./use-names";

function Choice({ label, name, values, initial }: { label: string; name: string; values: readonly string[]; initial: string | undefined }) {
  return (
    <Field label={label}>
      {(ids) => (
        <NativeSelect {...ids} name={name} defaultValue={initial ?? ""}>
          <option value="">Any</option>
          {values.map((value) => (
            <option key={value} value={value}>
              {nameOf(value)}
            </option>
          ))}
        </NativeSelect>
      )}
    </Field>
  );
}

function FilterForm({ filter, onChange, close }: { filter: Filter; onChange: (filter: Filter) => void; close: () => void }) {
  const [tags, setTags] = useState<string[]>(filter.tag ?? []);
  const known = useNames("tags").map((tag) => tag.name);
  const versions = useInUse("agent_version");
  const apps = useInUse("fg_package");
  const apply = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const search = searchOf({ q: filter.q, status: filter.status, tag: tags });
    for (const [name, value] of new FormData(event.currentTarget)) if (value) search.set(name, String(value));
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
      <Field label="Site">{(ids) => <NameInput {...ids} of="sites" name="site" maxLength={100} defaultValue={filter.site} />}</Field>
      <Field label="Tags" hint="Devices that have all of them">
        {(ids) => <TagInput {...ids} values={tags} onChange={setTags} suggestions={known} />}
      </Field>
      <div className="grid grid-cols-2 gap-3">
        <Field label="Battery below (%)">
          {(ids) => (
            <Input
              {...ids}
              name="battery_below"
              type="number"
              min={1}
              max={101}
              inputMode="numeric"
              defaultValue={filter.battery_below}
            />
          )}
        </Field>
        <Field label="Agent version">
          {(ids) => <Offering {...ids} names={versions} name="agent_version" maxLength={64} defaultValue={filter.agent_version} />}
        </Field>
      </div>
      <Field label="App in the foreground">
        {(ids) => (
          <Offering {...ids} names={apps} name="app" maxLength={255} placeholder="com.example.till" defaultValue={filter.app} />
        )}
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
