// SPDX-License-Identifier: Apache-2.0
import type { ReactNode } from "react";
import { RULES, RULE_TITLES, SEVERITIES } from "@/lib/alert-words";
import { NativeSelect } from "@/ui/field";

export function FilterBar({ children }: { children: ReactNode }) {
  return <div className="mb-3 grid grid-cols-2 items-center gap-2 sm:flex sm:flex-wrap">{children}</div>;
}

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
