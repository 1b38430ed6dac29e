// SPDX-License-Identifier: Apache-2.0
import { useMutation } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { api, ApiError } from "@/api/client";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field, Input, NativeSelect } from "@/ui/field";
import { newKey } from "@/lib/new-key";
import { serverNow } from "@/live/server-now";
import type { Made } from "./session";

const USES_MAX = 1_000_000;
const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;
const LIVES = [
  { seconds: HOUR_S, label: "an hour" },
  { seconds: DAY_S, label: "a day" },
  { seconds: 7 * DAY_S, label: "a week" },
  { seconds: 30 * DAY_S, label: "30 days" },
  { seconds: 365 * DAY_S, label: "a year" },
];

function Form({ onMade, onCancel }: { onMade: (made: Made) => void; onCancel: () => void }) {
  const [uses, setUses] = useState("1");
  const [life, setLife] = useState(DAY_S);
  const [note, setNote] = useState("");
  const [key] = useState(newKey);
  const number = Number(uses);
  const valid = Number.isInteger(number) && number >= 1 && number <= USES_MAX;
  const make = useMutation({
    mutationFn: () =>
      api.post("/admin/enrolment-tokens", {
        body: { max_uses: number, expires_in_s: life, note: note.trim() || undefined },
        idempotencyKey: key,
      }),
    onSuccess: ({ id, token, max_uses }) =>
      onMade({ id, token, max_uses, note: note.trim(), since: Math.floor(serverNow()) - 1 }),
  });
  const field = make.error instanceof ApiError ? make.error.field : null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (valid && !make.isPending) make.mutate();
  };
  return (
    <form onSubmit={submit} className="grid gap-4">
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label="How many devices" error={valid ? null : `A number from 1 to ${USES_MAX.toLocaleString()}`}>
          {(props) => (
            <Input
              {...props}
              type="number"
              inputMode="numeric"
              min={1}
              max={USES_MAX}
              value={uses}
              autoFocus
              onChange={(event) => setUses(event.target.value)}
            />
          )}
        </Field>
        <Field label="Good for">
          {(props) => (
            <NativeSelect {...props} value={life} onChange={(event) => setLife(Number(event.target.value))}>
              {LIVES.map(({ seconds, label }) => (
                <option key={seconds} value={seconds}>
                  {label}
                </option>
              ))}
            </NativeSelect>
          )}
        </Field>
      </div>
      <Field label="What it is for" hint="So that it can be told from others later" error={field === "note" ? make.error?.message : null}>
        {(props) => (
          <Input {...props} value={note} maxLength={256} placeholder="New tills, Wien" onChange={(event) => setNote(event.target.value)} />
        )}
      </Field>
      {number > 1 && life > 7 * DAY_S && (
        <p className="text-xs text-ink-2">
          Whoever has the token can let devices in as long as it is good. Short and few is safer; it can be revoked at any time.
        </p>
      )}
      {make.error && field !== "note" && (
        <p role="alert" className="rounded-control bg-bad-soft px-3 py-2 text-sm text-bad">
          {make.error.message}
        </p>
      )}
      <div className="flex justify-end gap-2 pt-1">
        <Button onClick={onCancel}>Cancel</Button>
        <Button type="submit" variant="primary" busy={make.isPending} disabled={!valid}>
          Create the token
        </Button>
      </div>
    </form>
  );
}

export interface CreateTokenProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  onMade: (made: Made) => void;
}

export function CreateToken({ open, onOpenChange, onMade }: CreateTokenProps) {
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title="New enrolment token"
      description="It lets devices register with this appliance, and does nothing else."
    >
      <Form
        onMade={(made) => {
          onOpenChange(false);
          onMade(made);
        }}
        onCancel={() => onOpenChange(false)}
      />
    </Dialog>
  );
}
