// SPDX-License-Identifier: Apache-2.0
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { cn } from "@/lib/cn";
import { newKey } from "@/lib/new-key";
import { SCOPES, scopesOf } from "@/lib/scopes";
import { useSession, type Role } from "@/session/session";
import { Button } from "@/ui/button";
import { Checkbox } from "@/ui/checkbox";
import { Dialog } from "@/ui/dialog";
import { Field, Input, NativeSelect } from "@/ui/field";
import { Secret } from "@/ui/secret";
import { against, Refused, RoleField } from "./user-forms";

export const API_TOKENS_KEY = ["api-tokens"];

const DAY_S = 86_400;
const LIVES = [
  { seconds: DAY_S, label: "a day" },
  { seconds: 7 * DAY_S, label: "a week" },
  { seconds: 30 * DAY_S, label: "30 days" },
  { seconds: 90 * DAY_S, label: "90 days" },
  { seconds: 366 * DAY_S, label: "a year" },
];

const toggled = (was: ReadonlySet<string>, scope: string, on: boolean) => {
  const next = new Set(was);
  if (on) next.add(scope);
  else next.delete(scope);
  return next;
};

function Scopes({ chosen, onChange }: { chosen: ReadonlySet<string>; onChange: (chosen: ReadonlySet<string>) => void }) {
  return (
    <fieldset>
      <legend className="mb-1.5 text-xs font-medium text-ink-2">What it can do</legend>
      <div className="divide-y divide-line rounded-control border border-line bg-surface">
        {SCOPES.map(({ name, label, actions }) => (
          <div key={name} className="flex flex-wrap items-center gap-x-5 gap-y-1.5 px-3 py-2">
            <span className="w-full text-sm sm:w-32">{label}</span>
            {actions.map((action) => {
              const scope = `${name}:${action}`;
              const id = `scope-${name}-${action}`;
              return (
                <span key={scope} className="flex w-20 items-center gap-2">
                  <Checkbox
                    id={id}
                    checked={chosen.has(scope)}
                    aria-label={`${label}: ${action}`}
                    onCheckedChange={(on) => onChange(toggled(chosen, scope, on === true))}
                  />
                  <label htmlFor={id} className="text-xs text-ink-2">
                    {action}
                  </label>
                </span>
              );
            })}
          </div>
        ))}
      </div>
    </fieldset>
  );
}

function Form({ onMade, onCancel }: { onMade: (made: Schema<"ApiTokenMade">) => void; onCancel: () => void }) {
  const { user } = useSession();
  const most: Role = user?.role ?? "viewer";
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [life, setLife] = useState(90 * DAY_S);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [key] = useState(newKey);
  const scopes = scopesOf(chosen);
  const make = useMutation({
    mutationFn: () => api.post("/admin/api-tokens", { body: { name: name.trim(), role, scopes, expires_in_s: life }, idempotencyKey: key }),
    onSuccess: onMade,
  });
  const ready = name.trim() !== "" && scopes.length > 0;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (ready && !make.isPending) make.mutate();
  };
  return (
    <form onSubmit={submit} className="grid gap-4">
      <Field label="What it is for" error={against(make.error, "name")}>
        {(field) => (
          <Input
            {...field}
            value={name}
            maxLength={64}
            autoFocus
            autoComplete="off"
            placeholder="Grafana"
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </Field>
      <div className="grid gap-4 sm:grid-cols-2">
        <RoleField value={role} onChange={setRole} most={most} />
        <Field label="Good for">
          {(field) => (
            <NativeSelect {...field} value={life} onChange={(event) => setLife(Number(event.target.value))}>
              {LIVES.map(({ seconds, label }) => (
                <option key={seconds} value={seconds}>
                  {label}
                </option>
              ))}
            </NativeSelect>
          )}
        </Field>
      </div>
      <Scopes chosen={chosen} onChange={setChosen} />
      <p className="text-xs text-ink-2">
        It acts in your name: within its role and these scopes, never with more power than you have, and not at all once you are gone.
      </p>
      <Refused error={make.error} except={["name"]} />
      <div
        className={cn(
          "sticky -bottom-4 -mx-5 -mb-4 flex items-center justify-end gap-2",
          "rounded-b-card border-t border-line bg-raised px-5 py-3",
        )}
      >
        <Button onClick={onCancel}>Cancel</Button>
        <Button type="submit" variant="primary" busy={make.isPending} disabled={!ready}>
          Create the token
        </Button>
      </div>
    </form>
  );
}

export function NewApiToken({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }) {
  const queries = useQueryClient();
  const [made, setMade] = useState<Schema<"ApiTokenMade"> | null>(null);
  const take = (next: Schema<"ApiTokenMade">) => {
    onOpenChange(false);
    setMade(next);
    void queries.invalidateQueries({ queryKey: API_TOKENS_KEY });
  };
  return (
    <>
      <Dialog
        open={open}
        onOpenChange={onOpenChange}
        title="New API token"
        description="For a program: scopes instead of a password."
        className="max-w-xl"
      >
        <Form onMade={take} onCancel={() => onOpenChange(false)} />
      </Dialog>
      <Dialog
        open={made !== null}
        onOpenChange={(next) => !next && setMade(null)}
        title={`The token for ${made?.api_token.name ?? ""}`}
        footer={
          <Button variant="primary" onClick={() => setMade(null)}>
            Done
          </Button>
        }
      >
        {made && (
          <Secret text={made.token} label="Copy the token">
            Sent as <code className="font-mono">Authorization: Bearer …</code>
          </Secret>
        )}
      </Dialog>
    </>
  );
}
