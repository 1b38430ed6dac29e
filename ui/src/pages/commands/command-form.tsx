// SPDX-License-Identifier: Apache-2.0
/** The form of a command: what it takes, how long it may wait. To one device, to many, or with a choice of both above it. */
import { useMutation } from "@tanstack/react-query";
import { useRef, useState, type FormEvent, type ReactNode } from "react";
import type { Schema } from "@/api/types";
import { initialOf, payloadOf, type CommandType, type Draft } from "@/lib/command-types";
import { duration } from "@/lib/format";
import { isOfField } from "@/lib/form-error";
import { newKey } from "@/lib/new-key";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field, NativeSelect } from "@/ui/field";
import { Failure } from "@/ui/states";
import { PayloadForm } from "./payload-form";

export type Order = Schema<"CommandOrder">;

const TTLS: readonly [value: string, name: string][] = [
  ["600", "10 minutes"],
  ["3600", "1 hour"],
  ["86400", "1 day"],
  ["604800", "7 days"],
];

export interface CommandFormProps {
  type: CommandType;
  /** Without it: the command's name and its target. */
  title?: string;
  /** "Till 4", "312 devices". */
  target: string;
  /** Given up. What follows a success is `onSend`'s to do. */
  onCancel: () => void;
  /** The same order sent again has the same key. Thrown errors stay in the dialog, in the appliance's words. */
  onSend: (order: Order, idempotencyKey: string) => Promise<void>;
  /** What one must choose or know first. */
  children?: ReactNode;
  ready?: boolean;
}

/** An order that is sent again after a lost answer is one order. */
function useOrderKey(order: string): string {
  const known = useRef({ order: "", key: "" });
  if (known.current.order !== order) known.current = { order, key: newKey() };
  return known.current.key;
}

export function CommandForm({ type, title, target, onCancel, onSend, children, ready = true }: CommandFormProps) {
  const [typed, setTyped] = useState<{ type: string; draft: Draft }>({ type: type.type, draft: initialOf(type) });
  const [ttl, setTtl] = useState("");
  const [tried, setTried] = useState(false);
  const draft = typed.type === type.type ? typed.draft : initialOf(type);
  const { payload, errors, missing } = payloadOf(type, draft);
  const order: Order = { type: type.type, payload: payload as Order["payload"], ...(ttl && { ttl_s: Number(ttl) }) };
  const key = useOrderKey(JSON.stringify([target, order]));
  const sending = useMutation({ mutationFn: () => onSend(order, key) });
  const incomplete = Object.keys(errors).length > 0 || Object.keys(missing).length > 0;
  const send = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (!incomplete && ready) sending.mutate();
  };
  const shown = isOfField(sending.error, type.fields.map((field) => `payload.${field.name}`));
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onCancel()}
      title={title ?? `${type.title}: ${target}`}
      description={type.does}
      footer={
        <>
          <Button onClick={onCancel}>Cancel</Button>
          <Button type="submit" form="command-form" variant={type.danger ? "danger" : "primary"} busy={sending.isPending} disabled={!ready}>
            {type.danger ? "Go on" : "Send"}
          </Button>
        </>
      }
    >
      <form id="command-form" noValidate className="grid gap-4" onSubmit={send}>
        {children}
        <PayloadForm
          type={type}
          draft={draft}
          onChange={(next) => setTyped({ type: type.type, draft: next })}
          errors={tried ? { ...missing, ...errors } : errors}
          error={sending.error}
        />
        <Field label="Time to be received" hint="Then it expires.">
          {(field) => (
            <NativeSelect {...field} value={ttl} onChange={(event) => setTtl(event.target.value)}>
              <option value="">As usual: {duration(type.ttlS)}</option>
              {TTLS.map(([value, name]) => (
                <option key={value} value={value}>
                  {name}
                </option>
              ))}
            </NativeSelect>
          )}
        </Field>
        {sending.error && !shown && <Failure error={sending.error} />}
      </form>
    </Dialog>
  );
}
