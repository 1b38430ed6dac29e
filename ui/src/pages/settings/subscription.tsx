// SPDX-License-Identifier: Apache-2.0
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { Link } from "react-router";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { useSession } from "@/session/session";
import { Button } from "@/ui/button";
import { CheckField } from "@/ui/checkbox";
import { Field, Input } from "@/ui/field";
import { Segments } from "@/ui/select";
import { Failure, Skeleton } from "@/ui/states";
import { SwitchField } from "@/ui/switch";
import { TagInput } from "@/ui/tag-input";
import { Time } from "@/ui/time";
import { toast } from "@/ui/toast";
import { RULES, type RuleName } from "./rules";

const KEY = ["me", "alert-subscription"];

interface Values {
  min_severity: "info" | "warning" | "critical";
  mode: "immediate" | "digest";
  digest_at: string;
  digest_zone: string;
  rules: RuleName[];
  tags: string[];
  sites: string[];
}

const AT_FIRST: Values = {
  min_severity: "warning",
  mode: "immediate",
  digest_at: "08:00",
  digest_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  rules: [],
  tags: [],
  sites: [],
};

type Found = Schema<"AlertSubscription"> & { mode: Values["mode"] };

/** Nobody having subscribed is an answer, too. */
const isOne = (answer: Schema<"AlertSubscription">): answer is Found => answer.mode !== "none";

const valuesOf = (one: Found): Values => ({
  min_severity: one.min_severity,
  mode: one.mode,
  digest_at: one.digest_at,
  digest_zone: one.digest_zone,
  rules: one.rules.filter((rule): rule is RuleName => RULES.some((known) => known.value === rule)),
  tags: one.tags,
  sites: one.sites,
});

function Digest({ values, change }: { values: Values; change: (next: Partial<Values>) => void }) {
  return (
    <div className="grid max-w-md grid-cols-2 gap-3">
      <Field label="At">
        {(field) => (
          <Input
            {...field}
            type="time"
            required
            value={values.digest_at}
            onChange={(event) => change({ digest_at: event.target.value })}
          />
        )}
      </Field>
      <Field label="Time zone">
        {(field) => (
          <>
            <Input
              {...field}
              list="zones"
              required
              spellCheck={false}
              value={values.digest_zone}
              onChange={(event) => change({ digest_zone: event.target.value })}
            />
            <datalist id="zones">
              {Intl.supportedValuesOf("timeZone").map((zone) => (
                <option key={zone} value={zone} />
              ))}
            </datalist>
          </>
        )}
      </Field>
    </div>
  );
}

function Narrower({ values, change }: { values: Values; change: (next: Partial<Values>) => void }) {
  const [wanted, setWanted] = useState(false);
  const tags = useQuery({ queryKey: ["tags"], queryFn: ({ signal }) => api.get("/admin/tags", { signal }), enabled: wanted });
  const sites = useQuery({ queryKey: ["sites"], queryFn: ({ signal }) => api.get("/admin/sites", { signal }), enabled: wanted });
  const toggle = (rule: RuleName, on: boolean) =>
    change({ rules: on ? [...values.rules, rule] : values.rules.filter((one) => one !== rule) });
  return (
    <>
      <fieldset>
        <legend className="text-xs font-medium text-ink-2">Rules</legend>
        <p className="mt-0.5 mb-2.5 text-xs text-ink-3">None ticked: all of them.</p>
        <div className="grid grid-cols-[repeat(auto-fill,minmax(11rem,1fr))] gap-x-4 gap-y-2.5">
          {RULES.map((rule) => (
            <CheckField
              key={rule.value}
              label={rule.label}
              checked={values.rules.includes(rule.value)}
              onChange={(on) => toggle(rule.value, on)}
            />
          ))}
        </div>
      </fieldset>
      <div className="grid gap-4 md:grid-cols-2">
        <Field label="Only devices with one of these tags" hint="None: all devices. The appliance's own alerts come always.">
          {(field) => (
            <TagInput
              {...field}
              values={values.tags}
              onChange={(next) => change({ tags: next })}
              suggestions={tags.data?.tags.map((tag) => tag.name)}
              placeholder="All"
              onFocus={() => setWanted(true)}
            />
          )}
        </Field>
        <Field label="Only devices at one of these sites">
          {(field) => (
            <TagInput
              {...field}
              values={values.sites}
              onChange={(next) => change({ sites: next })}
              suggestions={sites.data?.sites.map((site) => site.name)}
              placeholder="All"
              onFocus={() => setWanted(true)}
            />
          )}
        </Field>
      </div>
    </>
  );
}

function Form({ found, email }: { found: Found | null; email: string }) {
  const queries = useQueryClient();
  const [on, setOn] = useState(found !== null);
  const [values, setValues] = useState<Values>(found ? valuesOf(found) : AT_FIRST);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const change = (next: Partial<Values>) => setValues({ ...values, ...next });

  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      if (on) await api.put("/api/auth/me/alert-subscription", { body: values });
      else await api.delete("/api/auth/me/alert-subscription");
      await queries.invalidateQueries({ queryKey: KEY });
      toast.ok(on ? `Alerts are mailed to ${email}.` : "No more alerts by mail.");
    } catch (caught) {
      setError(caught);
    } finally {
      setBusy(false);
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void save();
  };
  const dirty = on !== (found !== null) || (on && found !== null && JSON.stringify(values) !== JSON.stringify(valuesOf(found)));
  return (
    <form onSubmit={submit}>
      <div className="grid gap-5 p-4 sm:p-5">
        <SwitchField label="Mail me alerts" hint={`to ${email}`} checked={on} onChange={setOn} />
        {found?.error && (
          <p role="alert" className="rounded-control bg-bad-soft px-3 py-2 text-sm">
            The mail of <Time at={found.failed_at} /> did not get through: {found.error}
          </p>
        )}
        {on && (
          <>
            <div className="flex flex-wrap gap-x-8 gap-y-4">
              <div className="grid gap-1.5">
                <span className="text-xs font-medium text-ink-2">At least so bad</span>
                <Segments
                  label="At least so bad"
                  value={values.min_severity}
                  onChange={(min_severity) => change({ min_severity })}
                  options={[
                    { value: "info", label: "Info" },
                    { value: "warning", label: "Warning" },
                    { value: "critical", label: "Critical" },
                  ]}
                />
              </div>
              <div className="grid gap-1.5">
                <span className="text-xs font-medium text-ink-2">When</span>
                <Segments
                  label="When"
                  value={values.mode}
                  onChange={(mode) => change({ mode })}
                  options={[
                    { value: "immediate", label: "At once" },
                    { value: "digest", label: "Once a day" },
                  ]}
                />
              </div>
            </div>
            {values.mode === "digest" && <Digest values={values} change={change} />}
            <Narrower values={values} change={change} />
          </>
        )}
        {error ? <Failure error={error} /> : null}
      </div>
      <footer className="flex items-center justify-end gap-3 border-t border-line bg-surface-2/50 px-4 py-3 sm:px-5">
        {dirty && <span className="text-xs text-ink-3">Not saved yet</span>}
        <Button type="submit" variant="primary" busy={busy} disabled={!dirty}>
          Save
        </Button>
      </footer>
    </form>
  );
}

export function Subscription() {
  const { user } = useSession();
  const { data, error, refetch } = useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => api.get("/api/auth/me/alert-subscription", { signal }),
    enabled: Boolean(user?.email),
  });
  if (!user?.email)
    return (
      <p className="p-4 text-sm text-ink-2 sm:p-5">
        Your account has no e-mail address.{" "}
        {user?.role === "admin" ? (
          <>
            Give it one under{" "}
            <Link to="/people" className="font-medium text-accent hover:underline">
              Users &amp; tokens
            </Link>
            .
          </>
        ) : (
          "An administrator can give it one."
        )}
      </p>
    );
  if (error) return <Failure error={error} retry={() => void refetch()} className="m-4" />;
  if (data === undefined)
    return (
      <div className="p-5" aria-busy="true">
        <Skeleton className="h-9" />
      </div>
    );
  return <Form key={data.updated_at ?? "none"} found={isOne(data) ? data : null} email={user.email} />;
}
