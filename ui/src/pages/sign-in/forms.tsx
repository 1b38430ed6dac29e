// SPDX-License-Identifier: Apache-2.0
import { useState } from "react";
import { api } from "@/api/client";
import { clockTime } from "@/lib/format";
import { enter, reloadUser, signIn, useSession } from "@/session/session";
import { Button } from "@/ui/button";
import { Field, Input } from "@/ui/field";
import { PASSWORD_CHARS_MIN, passwordFault, PasswordInput } from "@/ui/password-input";
import { Frame, LinkButton, Notice } from "./frame";
import { useAttempt, waitText, withoutWait, type Attempt } from "./use-attempt";

function Trouble({ attempt }: { attempt: Attempt }) {
  const { error, wait, waitEnds } = attempt;
  if (!error) return null;
  if (waitEnds === null) return <Notice tone="bad">{error}</Notice>;
  if (wait === 0) return <Notice tone="info">The wait is over: try again.</Notice>;
  return (
    <Notice tone="bad">
      {withoutWait(error)}
      <p className="mt-1 text-ink-2">
        Try again in{" "}
        <b className="font-semibold tabular text-ink" role="timer">
          {waitText(wait)}
        </b>
        , at <span className="tabular">{clockTime(new Date(waitEnds))}</span>.
      </p>
    </Notice>
  );
}

function Submit({ attempt, ready, children }: { attempt: Attempt; ready: boolean; children: string }) {
  return (
    <Button type="submit" variant="primary" size="lg" className="h-10 text-sm" busy={attempt.busy} disabled={!ready || attempt.wait > 0}>
      {children}
    </Button>
  );
}

export interface SignInFormProps {
  note: string | null;
  onForgotten: () => void;
  /** Somebody else chose the password that was right. */
  onFirst: (password: string) => void;
}

export function SignInForm({ note, onForgotten, onFirst }: SignInFormProps) {
  const { reason } = useSession();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const attempt = useAttempt(async () => {
    if (!(await signIn(username.trim(), password))) onFirst(password);
  });
  return (
    <Frame title="Sign in" hint="to the console of this appliance">
      <form onSubmit={attempt.submit} className="grid gap-4">
        {note && <Notice tone="ok">{note}</Notice>}
        {!note && reason && !attempt.error && <Notice tone="info">{reason}</Notice>}
        <Field label="User name">
          {(field) => (
            <Input
              {...field}
              name="username"
              className="h-10"
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
              autoFocus
              required
              value={username}
              onChange={(event) => {
                setUsername(event.target.value);
                attempt.forget(); // a lock is of a name
              }}
            />
          )}
        </Field>
        <Field label="Password">
          {(field) => (
            <PasswordInput
              {...field}
              name="password"
              className="h-10"
              autoComplete="current-password"
              required
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          )}
        </Field>
        <Trouble attempt={attempt} />
        <Submit attempt={attempt} ready={username.trim() !== "" && password !== ""}>
          Sign in
        </Submit>
        <p className="text-center">
          <LinkButton onClick={onForgotten}>Forgotten your password?</LinkButton>
        </p>
      </form>
    </Frame>
  );
}

export function ForgottenForm({ onCode, onBack }: { onCode: () => void; onBack: () => void }) {
  const [who, setWho] = useState("");
  const [asked, setAsked] = useState(false);
  const attempt = useAttempt(async () => {
    const name = who.trim();
    await api.post("/api/auth/reset-request", { body: name.includes("@") ? { email: name } : { username: name } });
    setAsked(true);
  });
  return (
    <Frame title="A new password" hint="A code for it is mailed to the address of your account.">
      <form onSubmit={attempt.submit} className="grid gap-4">
        {asked ? (
          <Notice tone="ok">
            If there is such an account with an address, a code is on its way. It is good once, and for a short time. No mail? An
            administrator can give you a code too.
          </Notice>
        ) : (
          <>
            <Field label="User name or e-mail address">
              {(field) => (
                <Input
                  {...field}
                  className="h-10"
                  autoComplete="username"
                  autoCapitalize="none"
                  spellCheck={false}
                  autoFocus
                  required
                  value={who}
                  onChange={(event) => setWho(event.target.value)}
                />
              )}
            </Field>
            <Trouble attempt={attempt} />
            <Submit attempt={attempt} ready={who.trim() !== ""}>
              Mail me a code
            </Submit>
          </>
        )}
        {asked && (
          <Button variant="primary" size="lg" className="h-10 text-sm" onClick={onCode}>
            Enter the code
          </Button>
        )}
        <p className="flex justify-between gap-4">
          <LinkButton onClick={onBack}>Back to sign in</LinkButton>
          {!asked && <LinkButton onClick={onCode}>I have a code</LinkButton>}
        </p>
      </form>
    </Frame>
  );
}

interface NewPassword {
  password: string;
  again: string;
}

const EMPTY: NewPassword = { password: "", again: "" };
const isGood = ({ password, again }: NewPassword) => passwordFault(password, again) === null;

interface NewPasswordProps {
  value: NewPassword;
  onChange: (value: NewPassword) => void;
  autoFocus: boolean;
}

function NewPasswordFields({ value, onChange, autoFocus }: NewPasswordProps) {
  const { password, again } = value;
  const hint = `At least ${PASSWORD_CHARS_MIN} characters. A sentence is easier to keep than a riddle.`;
  const shared = { className: "h-10", autoComplete: "new-password" };
  return (
    <>
      <Field label="New password" hint={hint}>
        {(field) => (
          <PasswordInput
            {...field}
            {...shared}
            autoFocus={autoFocus}
            value={password}
            onChange={(event) => onChange({ ...value, password: event.target.value })}
          />
        )}
      </Field>
      <Field label="Once more" error={again === "" ? null : passwordFault(password, again)}>
        {(field) => (
          <PasswordInput {...field} {...shared} value={again} onChange={(event) => onChange({ ...value, again: event.target.value })} />
        )}
      </Field>
    </>
  );
}

export function ResetForm({ code: given, onDone, onBack }: { code: string; onDone: () => void; onBack: () => void }) {
  const [code, setCode] = useState(given);
  const [wanted, setWanted] = useState(EMPTY);
  const attempt = useAttempt(async () => {
    await api.post("/api/auth/reset", { body: { token: code.trim(), password: wanted.password }, outside: true });
    onDone();
  });
  return (
    <Frame title="Set your password" hint="All sessions of your account end with it.">
      <form onSubmit={attempt.submit} className="grid gap-4">
        <Field label="Code" hint={given ? "From the address you opened." : "From the mail, or from an administrator."}>
          {(field) => (
            <Input
              {...field}
              className="h-10 font-mono"
              autoComplete="one-time-code"
              autoCapitalize="none"
              spellCheck={false}
              autoFocus={!given}
              value={code}
              onChange={(event) => setCode(event.target.value)}
            />
          )}
        </Field>
        <NewPasswordFields value={wanted} onChange={setWanted} autoFocus={Boolean(given)} />
        <Trouble attempt={attempt} />
        <Submit attempt={attempt} ready={code.trim() !== "" && isGood(wanted)}>
          Set the password
        </Submit>
        <p>
          <LinkButton onClick={onBack}>Back to sign in</LinkButton>
        </p>
      </form>
    </Frame>
  );
}

/** The first sign-in with a password that somebody else knows: one of one's own, or later. */
export function FirstPasswordForm({ old }: { old: string }) {
  const { user } = useSession();
  const [wanted, setWanted] = useState(EMPTY);
  const attempt = useAttempt(async () => {
    await api.post("/api/auth/password", { body: { old_password: old, new_password: wanted.password } });
    await reloadUser();
    enter();
  });
  return (
    <Frame title="Choose your own password" hint="Somebody else chose the one you signed in with, and knows it.">
      <form onSubmit={attempt.submit} className="grid gap-4">
        <input type="text" name="username" autoComplete="username" value={user?.username ?? ""} readOnly hidden />
        <NewPasswordFields value={wanted} onChange={setWanted} autoFocus />
        <Trouble attempt={attempt} />
        <Submit attempt={attempt} ready={isGood(wanted)}>
          Set it and go on
        </Submit>
        <p className="text-center">
          <LinkButton onClick={enter}>Not now</LinkButton>
        </p>
      </form>
    </Frame>
  );
}
