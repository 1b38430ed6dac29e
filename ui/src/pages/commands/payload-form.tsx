// SPDX-License-Identifier: Apache-2.0
import type { CommandType, Draft, PayloadField } from "@/lib/command-types";
import { fieldError } from "@/lib/form-error";
import { CheckField } from "@/ui/checkbox";
import { Field, Input, Textarea } from "@/ui/field";

export interface PayloadFormProps {
  type: CommandType;
  draft: Draft;
  onChange: (draft: Draft) => void;
  /** By field, of what was typed. */
  errors: Record<string, string>;
  /** What the appliance said. */
  error: unknown;
}

interface OneProps {
  field: PayloadField;
  value: string;
  first: boolean;
  onChange: (value: string) => void;
  error: string | null;
}

type Given = { id: string; "aria-describedby"?: string; "aria-invalid"?: true };

function Control({ field, value, first, onChange, given }: Omit<OneProps, "error"> & { given: Given }) {
  const common = { ...given, autoFocus: first, value, onChange: (event: { target: { value: string } }) => onChange(event.target.value) };
  if (field.kind === "lines") return <Textarea {...common} maxLength={field.most} />;
  if (field.kind === "json")
    return <Textarea {...common} spellCheck={false} className="min-h-28 font-mono text-xs" placeholder={field.placeholder} />;
  if (field.kind === "number")
    return (
      <div className="relative">
        <Input {...common} type="number" inputMode="numeric" min={field.least} max={field.most} className="pr-20 tabular" />
        <span className="pointer-events-none absolute inset-y-0 right-3 my-auto h-5 text-sm text-ink-3">{field.unit}</span>
      </div>
    );
  const placeholder = field.kind === "text" ? field.placeholder : undefined;
  return (
    <Input
      {...common}
      autoComplete="off"
      spellCheck={false}
      maxLength={field.kind === "text" ? field.most : undefined}
      placeholder={placeholder}
    />
  );
}

function One({ error, ...props }: OneProps) {
  const { field, value, onChange } = props;
  if (field.kind === "boolean")
    return <CheckField label={field.label} hint={field.hint} checked={value === "true"} onChange={(on) => onChange(String(on))} />;
  return (
    <Field label={field.needed ? field.label : `${field.label} (optional)`} hint={field.hint} error={error}>
      {(given) => <Control {...props} given={given} />}
    </Field>
  );
}

/** What a command takes, as a form. */
export function PayloadForm({ type, draft, onChange, errors, error }: PayloadFormProps) {
  return (
    <>
      {type.fields.map((field, index) => (
        <One
          key={field.name}
          field={field}
          first={index === 0}
          value={draft[field.name] ?? ""}
          onChange={(value) => onChange({ ...draft, [field.name]: value })}
          error={errors[field.name] ?? fieldError(error, `payload.${field.name}`)}
        />
      ))}
    </>
  );
}
