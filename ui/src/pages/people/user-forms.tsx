// SPDX-License-Identifier: Apache-2.0
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { api, ApiError } from "@/api/client";
import type { Schema } from "@/api/types";
import { newKey } from "@/lib/new-key";
import type { Role } from "@/session/session";
import { Button } from "@/ui/button";
import { CodeBlock } from "@/ui/copy-button";
import { Dialog } from "@/ui/dialog";
import { Field, Input, NativeSelect } from "@/ui/field";
import { Secret } from "@/ui/secret";
import { toast } from "@/ui/toast";
import { mayOf, ROLES } from "./role";

export type User = Schema<"User">;
export const USERS_KEY = ["users"];

/** A code that was just made, and for whom. */
export interface Code {
  username: string;
  token: string;
}

export interface RoleFieldProps {
  value: Role;
  onChange: (role: Role) => void;
  most?: Role;
  hint?: string;
}

export function RoleField({ value, onChange, most = "admin", hint }: RoleFieldProps) {
  const last = ROLES.findIndex((role) => role.value === most);
  return (
    <Field label="Role" hint={hint ?? mayOf(value)}>
      {(field) => (
        <NativeSelect {...field} value={value} onChange={(event) => onChange(event.target.value as Role)}>
          {ROLES.slice(0, last + 1).map((role) => (
            <option key={role.value} value={role.value}>
              {role.label}
            </option>
          ))}
        </NativeSelect>
      )}
    </Field>
  );
}

export function Refused({ error, except = [] }: { error: Error | null; except?: string[] }) {
  if (!error || (error instanceof ApiError && error.field !== null && except.includes(error.field))) return null;
  return (
    <p role="alert" className="rounded-control bg-bad-soft px-3 py-2 text-sm text-bad">
      {error.message}
    </p>
  );
}

/** What the appliance has against one field. */
export const against = (error: Error | null, field: string) => (error instanceof ApiError && error.field === field ? error.message : null);

function NewUserForm({ onMade, onCancel }: { onMade: (made: Schema<"UserMade">) => void; onCancel: () => void }) {
  const [username, setUsername] = useState("");
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [key] = useState(newKey);
  const make = useMutation({
    mutationFn: () => {
      const body = { username: username.trim(), role, email: email.trim() || undefined };
      return api.post("/admin/users", { body, idempotencyKey: key });
    },
    onSuccess: onMade,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (username.trim() && !make.isPending) make.mutate();
  };
  return (
    <form onSubmit={submit} className="grid gap-4">
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label="Name to sign in with" error={against(make.error, "username")}>
          {(field) => (
            <Input
              {...field}
              value={username}
              maxLength={64}
              autoFocus
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              onChange={(event) => setUsername(event.target.value)}
            />
          )}
        </Field>
        <RoleField value={role} onChange={setRole} />
      </div>
      <Field label="E-mail" hint="Where forgotten passwords and alerts go; may be empty" error={against(make.error, "email")}>
        {(field) => <Input {...field} type="email" value={email} autoComplete="off" onChange={(event) => setEmail(event.target.value)} />}
      </Field>
      <p className="text-xs text-ink-2">
        You get a one-time code to hand over; with it the new user chooses a password that nobody else knows.
      </p>
      <Refused error={make.error} except={["username", "email"]} />
      <div className="flex justify-end gap-2 pt-1">
        <Button onClick={onCancel}>Cancel</Button>
        <Button type="submit" variant="primary" busy={make.isPending} disabled={!username.trim()}>
          Create the user
        </Button>
      </div>
    </form>
  );
}

export interface NewUserProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  onCode: (code: Code) => void;
}

export function NewUser({ open, onOpenChange, onCode }: NewUserProps) {
  const queries = useQueryClient();
  const made = ({ user, reset_token }: Schema<"UserMade">) => {
    onOpenChange(false);
    void queries.invalidateQueries({ queryKey: USERS_KEY });
    if (reset_token) onCode({ username: user.username, token: reset_token });
  };
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="New user">
      <NewUserForm onMade={made} onCancel={() => onOpenChange(false)} />
    </Dialog>
  );
}

function EditForm({ user, onDone }: { user: User; onDone: () => void }) {
  const queries = useQueryClient();
  const [role, setRole] = useState<Role>(user.role);
  const [email, setEmail] = useState(user.email ?? "");
  const changed = { ...(role !== user.role && { role }), ...(email.trim() !== (user.email ?? "") && { email: email.trim() || null }) };
  const save = useMutation({
    mutationFn: () => api.patch("/admin/users/{id}", { path: { id: user.id }, body: changed }),
    onSuccess: async () => {
      toast.ok(`${user.username} was changed.`);
      onDone();
      await queries.invalidateQueries({ queryKey: USERS_KEY });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!save.isPending) save.mutate();
  };
  return (
    <form onSubmit={submit} className="grid gap-4">
      <RoleField value={role} onChange={setRole} hint={`${mayOf(role)} Holds from the next request on.`} />
      <Field label="E-mail" hint="Where forgotten passwords and alerts go; may be empty" error={against(save.error, "email")}>
        {(field) => <Input {...field} type="email" value={email} autoComplete="off" onChange={(event) => setEmail(event.target.value)} />}
      </Field>
      <Refused error={save.error} except={["email"]} />
      <div className="flex justify-end gap-2 pt-1">
        <Button onClick={onDone}>Cancel</Button>
        <Button type="submit" variant="primary" busy={save.isPending} disabled={Object.keys(changed).length === 0}>
          Save
        </Button>
      </div>
    </form>
  );
}

export function EditUser({ user, onDone }: { user: User | null; onDone: () => void }) {
  return (
    <Dialog open={user !== null} onOpenChange={(open) => !open && onDone()} title={user?.username}>
      {user && <EditForm user={user} onDone={onDone} />}
    </Dialog>
  );
}

/** To hand over: the code travels in the part of the address that no server's log gets to see. */
export function CodeDialog({ code, onDone }: { code: Code | null; onDone: () => void }) {
  return (
    <Dialog
      open={code !== null}
      onOpenChange={(open) => !open && onDone()}
      title={`A one-time code for ${code?.username ?? ""}`}
      description="With it a password is chosen, once and before it expires. Hand it over on a way that you trust."
      footer={
        <Button variant="primary" onClick={onDone}>
          Done
        </Button>
      }
    >
      {code && (
        <div className="grid grid-cols-1 gap-4">
          <Secret text={code.token} label="Copy the code" />
          <div className="grid grid-cols-1 gap-1.5">
            <p className="text-xs font-medium text-ink-2">Or as an address to open</p>
            <CodeBlock text={`${window.location.origin}/reset#${encodeURIComponent(code.token)}`} label="Copy the address" />
          </div>
        </div>
      )}
    </Dialog>
  );
}
