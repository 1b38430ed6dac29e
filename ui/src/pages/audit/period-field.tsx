// SPDX-License-Identifier: Apache-2.0
import { Input, NativeSelect } from "@/ui/field";
import { PERIODS } from "./use-filter";

type Values = Record<"period" | "from" | "to", string>;

/** Since when, or from when to when. */
export function PeriodField({ values, onChange }: { values: Values; onChange: (change: Partial<Values>) => void }) {
  return (
    <>
      <NativeSelect aria-label="Period" className="w-auto max-sm:w-full" value={values.period} onChange={(event) => onChange({ period: event.target.value, from: "", to: "" })}>
        {PERIODS.map((period) => (
          <option key={period.value} value={period.value}>
            {period.label}
          </option>
        ))}
      </NativeSelect>
      {values.period === "custom" && (
        <>
          <Input type="datetime-local" aria-label="From" className="w-auto max-sm:w-full" value={values.from} max={values.to || undefined} onChange={(event) => onChange({ from: event.target.value })} />
          <Input type="datetime-local" aria-label="To" className="w-auto max-sm:w-full" value={values.to} min={values.from || undefined} onChange={(event) => onChange({ to: event.target.value })} />
        </>
      )}
    </>
  );
}
