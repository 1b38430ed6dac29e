// SPDX-License-Identifier: Apache-2.0
import { ChevronDown } from "lucide-react";
import { Button } from "@/ui/button";
import { Menu, MenuCheck, MenuItem, MenuLine } from "@/ui/menu";

interface PickManyProps {
  label: string;
  /** What "none chosen" means: "Any rule". */
  any: string;
  options: readonly (readonly [value: string, label: string])[];
  value: readonly string[];
  onChange: (value: string[]) => void;
}

/** Some of a list, or any. */
export function PickMany({ label, any, options, value, onChange }: PickManyProps) {
  const names = value.map((one) => options.find(([known]) => known === one)?.[1] ?? one);
  const said = names.length === 0 ? any : names.length > 2 ? `${names.length} chosen` : names.join(", ");
  const toggle = (one: string) => onChange(value.includes(one) ? value.filter((other) => other !== one) : [...value, one]);
  const gone = value.filter((one) => !options.some(([known]) => known === one)).map((one) => [one, one] as const);
  return (
    <div className="grid min-w-0 gap-1.5">
      <span className="text-xs font-medium text-ink-2">{label}</span>
      <Menu
        align="start"
        trigger={
          <Button className="justify-between border-field px-3 font-normal" aria-label={`${label}: ${said}`}>
            <span className="min-w-0 truncate">{said}</span>
            <ChevronDown className="text-ink-3" />
          </Button>
        }
      >
        <MenuItem disabled={value.length === 0} onSelect={() => onChange([])}>
          {any}
        </MenuItem>
        {options.length + gone.length > 0 && <MenuLine />}
        {[...gone, ...options].map(([one, name]) => (
          <MenuCheck key={one} checked={value.includes(one)} onChange={() => toggle(one)}>
            {name}
          </MenuCheck>
        ))}
      </Menu>
    </div>
  );
}
