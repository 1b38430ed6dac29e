// SPDX-License-Identifier: Apache-2.0
import { Input, NativeSelect } from "@/ui/field";
import { PERIODS } from "./period";

type Values = Partial<Record<"period" | "from" | "to", string>>;

/** Since when, or from when to when. */
export function PeriodField({ values, onChange }: { values: Values; onChange: (change: Values) => void }) {
  const { period = "", from = "", to = "" } = values;
  const look = "w-auto max-sm:w-full";
  return (
    <>
      <NativeSelect
        aria-label="Period"
        className={look}
        value={period}
        onChange={(event) => onChange({ period: event.target.value, from: "", to: "" })}
      >
        {PERIODS.map(({ value, label }) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </NativeSelect>
      {period === "custom" && (
        <>
          <Input
            type="datetime-local"
            aria-label="From"
            className={look}
            value={from}
            max={to || undefined}
            onChange={(event) => onChange({ from: event.target.value })}
          />
          <Input
            type="datetime-local"
            aria-label="To"
            className={look}
            value={to}
            min={from || undefined}
            onChange={(event) => onChange({ to: event.target.value })}
          />
        </>
      )}
    </>
  );
}
