// SPDX-License-Identifier: Apache-2.0
import { useState, type FormEvent } from "react";
import { api, ApiError } from "@/api/client";
import { reloadUser, useSession } from "@/session/session";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { PASSWORD_CHARS_MIN, passwordFault, PasswordInput } from "@/ui/password-input";
import { Failure } from "@/ui/states";
import { Time } from "@/ui/time";
import { toast } from "@/ui/toast";

const EMPTY = { old: "", next: "", again: "" };

export function PasswordForm({ onChanged }: { onChanged: () => void }) {
  const { user } = useSession();
  const [values, setValues] = useState(EMPTY);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const fault = passwordFault(values.next, values.again);
  const change = (name: keyof typeof EMPTY) => (event: { target: { value: string } }) =>
    setValues({ ...values, [name]: event.target.value });
  // What names the field stands beside it, the rest below.
  const fieldError = (name: string) => (error instanceof ApiError && error.field === name ? error.message : null);
  const elsewhere = error && !fieldError("old_password") && !fieldError("new_password");

  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      await api.post("/api/auth/password", { body: { old_password: values.old, new_password: values.next } });
      setValues(EMPTY);
      toast.ok("Your password is changed. Your other sessions have ended.");
      onChanged();
      await reloadUser();
    } catch (caught) {
      setError(caught);
    } finally {
      setBusy(false);
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (fault === null && values.old !== "") void save();
  };
  return (
    <form onSubmit={submit}>
      <div className="grid max-w-md gap-4 p-4 sm:p-5">
        <input type="text" name="username" autoComplete="username" value={user?.username ?? ""} readOnly hidden />
        <Field label="Password so far" error={fieldError("old_password")}>
          {(field) => <PasswordInput {...field} autoComplete="current-password" value={values.old} onChange={change("old")} />}
        </Field>
        <Field
          label="New password"
          hint={`At least ${PASSWORD_CHARS_MIN} characters. A sentence is easier to keep than a riddle.`}
          error={fieldError("new_password")}
        >
          {(field) => <PasswordInput {...field} autoComplete="new-password" value={values.next} onChange={change("next")} />}
        </Field>
        <Field label="Once more" error={values.again === "" ? null : fault}>
          {(field) => <PasswordInput {...field} autoComplete="new-password" value={values.again} onChange={change("again")} />}
        </Field>
        {elsewhere ? <Failure error={error} /> : null}
      </div>
      <footer className="flex flex-wrap items-center justify-between gap-3 border-t border-line bg-surface-2/50 px-4 py-3 sm:px-5">
        <p className="text-xs text-ink-3">
          Set <Time at={user?.password_changed_at} />. Changing it ends your other sessions.
        </p>
        <Button type="submit" variant="primary" busy={busy} disabled={fault !== null || values.old === ""}>
          Change the password
        </Button>
      </footer>
    </form>
  );
}
