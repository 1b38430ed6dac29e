// SPDX-License-Identifier: Apache-2.0
import { useState, type FormEvent, type ReactNode } from "react";
import { Button } from "@/ui/button";
import { CheckField } from "@/ui/checkbox";
import { Dialog } from "@/ui/dialog";
import { Field, Input, Textarea } from "@/ui/field";
import { initialValues, payloadOf, type CommandField, type CommandKind, type FormValues } from "./command-types";

interface OneProps {
  field: CommandField;
  value: string | boolean | undefined;
  problem: string | undefined;
  first: boolean;
  onChange: (value: string | boolean) => void;
}

function One({ field, value, problem, first, onChange }: OneProps) {
  if (field.kind === "check") return <CheckField label={field.label} hint={field.hint} checked={value === true} onChange={onChange} />;
  const typed = typeof value === "string" ? value : "";
  return (
    <Field label={field.required ? field.label : `${field.label} (optional)`} hint={field.hint} error={problem}>
      {(ids) =>
        field.kind === "lines" || field.kind === "json" ? (
          <Textarea
            {...ids}
            autoFocus={first}
            spellCheck={field.kind === "lines"}
            className={field.kind === "json" ? "min-h-32 font-mono text-xs" : undefined}
            value={typed}
            onChange={(event) => onChange(event.target.value)}
          />
        ) : (
          <Input
            {...ids}
            autoFocus={first}
            autoComplete="off"
            spellCheck={false}
            inputMode={field.kind === "number" ? "numeric" : undefined}
            value={typed}
            onChange={(event) => onChange(event.target.value)}
          />
        )
      }
    </Field>
  );
}

export interface CommandFormProps {
  kind: CommandKind;
  /** "Till 4", "312 devices". */
  target: string;
  /** Given up. What follows a success is `onSend`'s to do. */
  onCancel: () => void;
  /** Thrown errors stay in the dialog, in the appliance's words. */
  onSend: (payload: Record<string, never>) => Promise<void>;
  /** What one must know first. */
  children?: ReactNode;
  ready?: boolean;
}

export function CommandForm({ kind, target, onCancel, onSend, children, ready = true }: CommandFormProps) {
  const [values, setValues] = useState<FormValues>(() => initialValues(kind));
  const [problems, setProblems] = useState<Record<string, string>>({});
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  const send = async (event: FormEvent) => {
    event.preventDefault();
    const { payload, problems: found } = payloadOf(kind, values);
    setProblems(found ?? {});
    if (found) return;
    setBusy(true);
    setError(null);
    try {
      await onSend(payload);
    } catch (caught) {
      setError(caught instanceof Error ? caught.message : String(caught));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onCancel()}
      title={`${kind.label}: ${target}`}
      description={kind.hint}
      footer={
        <>
          <Button onClick={onCancel}>Cancel</Button>
          <Button type="submit" form="command-form" variant={kind.danger ? "danger" : "primary"} busy={busy} disabled={!ready}>
            {kind.danger ? "Go on" : "Send"}
          </Button>
        </>
      }
    >
      <form id="command-form" className="grid gap-4" onSubmit={(event) => void send(event)}>
        {children}
        {kind.fields.map((field, index) => (
          <One
            key={field.name}
            field={field}
            first={index === 0}
            value={values[field.name]}
            problem={problems[field.name]}
            onChange={(value) => setValues((was) => ({ ...was, [field.name]: value }))}
          />
        ))}
        {error && (
          <p role="alert" className="rounded-control bg-bad-soft px-3 py-2 text-sm text-bad">
            {error}
          </p>
        )}
      </form>
    </Dialog>
  );
}
