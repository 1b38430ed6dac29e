// SPDX-License-Identifier: Apache-2.0
import { ListFilter } from "lucide-react";
import { useState, type ReactNode } from "react";
import { RULES, RULE_TITLES, SEVERITIES } from "@/lib/alert-words";
import { cn } from "@/lib/cn";
import { Button } from "@/ui/button";
import { NativeSelect } from "@/ui/field";

interface FilterBarProps {
  /** What is always in view, on a phone too. */
  lead?: ReactNode;
  children?: ReactNode;
  /** How many of the others are chosen; given, a phone shows these others when they are asked for. */
  chosen?: number;
}

/** On a phone a list begins on the first screen: what narrows it down is behind a button. */
export function FilterBar({ lead, children, chosen }: FilterBarProps) {
  const [open, setOpen] = useState(false);
  const folded = chosen !== undefined;
  return (
    <div className="mb-3 flex flex-wrap items-center gap-2">
      {lead}
      {folded && (
        <Button className="sm:hidden" aria-expanded={open} onClick={() => setOpen(!open)}>
          <ListFilter aria-hidden />
          {chosen > 0 ? `Filters (${chosen})` : "Filters"}
        </Button>
      )}
      <div className={cn(CHOICES, folded && !open && "max-sm:hidden")}>{children}</div>
    </div>
  );
}

const CHOICES = "grid w-full grid-cols-2 gap-2 empty:hidden sm:contents max-sm:[&>:last-child:nth-child(odd)]:col-span-2";

interface ChoiceProps {
  label: string;
  value: string | undefined;
  onChange: (value: string) => void;
  /** What "nothing chosen" is called. */
  any: string;
  options: readonly (readonly [value: string, label: string])[];
}

export function Choice({ label, value = "", onChange, any, options }: ChoiceProps) {
  return (
    <NativeSelect aria-label={label} className="sm:w-auto sm:max-w-52" value={value} onChange={(event) => onChange(event.target.value)}>
      <option value="">{any}</option>
      {options.map(([one, name]) => (
        <option key={one} value={one}>
          {name}
        </option>
      ))}
    </NativeSelect>
  );
}

type OneProps = Pick<ChoiceProps, "value" | "onChange">;

const RULE_OPTIONS = RULES.map((rule) => [rule, RULE_TITLES[rule]] as const);
const SEVERITY_NAMES = { critical: "Critical", warning: "Warning", info: "Information" };
const SEVERITY_OPTIONS = SEVERITIES.map((severity) => [severity, SEVERITY_NAMES[severity]] as const);

export const RuleChoice = (props: OneProps) => <Choice label="Rule" any="Any rule" options={RULE_OPTIONS} {...props} />;
export const SeverityChoice = (props: OneProps) => <Choice label="Severity" any="Any severity" options={SEVERITY_OPTIONS} {...props} />;
