// SPDX-License-Identifier: Apache-2.0
import { COMMAND_TYPES, type Draft, type OrderType, type PayloadField } from "@/lib/command-words";
import { fieldError } from "@/lib/form-error";
import { CheckField } from "@/ui/checkbox";
import { Field, Input, Textarea } from "@/ui/field";

export interface PayloadFormProps {
  type: OrderType;
  draft: Draft;
  onChange: (draft: Draft) => void;
  /** By field, of what was typed. */
  errors: Record<string, string>;
  /** What the appliance said. */
  error: unknown;
}

function One({ field, value, onChange, error }: { field: PayloadField; value: string; onChange: (value: string) => void; error: string | null }) {
  if (field.kind === "boolean") return <CheckField label={field.label} hint={field.hint} checked={value === "true"} onChange={(on) => onChange(String(on))} />;
  const label = field.needed ? field.label : `${field.label} (optional)`;
  return (
    <Field label={label} hint={field.hint} error={error}>
      {(given) => {
        if (field.kind === "lines") return <Textarea {...given} maxLength={field.most} value={value} onChange={(event) => onChange(event.target.value)} />;
        if (field.kind === "json")
          return (
            <Textarea
              {...given}
              spellCheck={false}
              className="min-h-28 font-mono text-xs"
              placeholder={field.placeholder}
              value={value}
              onChange={(event) => onChange(event.target.value)}
            />
          );
        if (field.kind === "number")
          return (
            <div className="relative">
              <Input
                {...given}
                type="number"
                inputMode="numeric"
                min={field.least}
                max={field.most}
                className="pr-20 tabular"
                value={value}
                onChange={(event) => onChange(event.target.value)}
              />
              <span className="pointer-events-none absolute top-2 right-3 text-sm text-ink-3">{field.unit}</span>
            </div>
          );
        return (
          <Input
            {...given}
            autoComplete="off"
            spellCheck={false}
            maxLength={field.most}
            placeholder={field.placeholder}
            value={value}
            onChange={(event) => onChange(event.target.value)}
          />
        );
      }}
    </Field>
  );
}

/** What a command takes, as a form. */
export function PayloadForm({ type, draft, onChange, errors, error }: PayloadFormProps) {
  return (
    <>
      {COMMAND_TYPES[type].fields.map((field) => (
        <One
          key={field.name}
          field={field}
          value={draft[field.name] ?? ""}
          onChange={(value) => onChange({ ...draft, [field.name]: value })}
          error={errors[field.name] ?? fieldError(error, `payload.${field.name}`)}
        />
      ))}
    </>
  );
}
