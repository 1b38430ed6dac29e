// SPDX-License-Identifier: Apache-2.0
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState, type ComponentProps, type FormEvent } from "react";
import { api, type Tagged } from "@/api/client";
import type { Schema } from "@/api/types";
import { useMay } from "@/session/session";
import { Button } from "@/ui/button";
import { Card, CardBody, CardHeader } from "@/ui/card";
import { Field, Input } from "@/ui/field";
import { Failure, Skeleton } from "@/ui/states";
import { SwitchField } from "@/ui/switch";
import { Time } from "@/ui/time";
import { toast } from "@/ui/toast";
import { Conflict } from "./conflict";
import { changeOf, formOf, type MonitoringForm } from "./monitoring";
import { keyOf } from "./use-device";
import { isChangedMeanwhile } from "./write";

type Monitoring = Schema<"DeviceMonitoring">;

type Name = keyof MonitoringForm["values"];
type Fleet = Schema<"FleetMonitoring">;

/** The fleet's value, as it is said. */
function fleetText(fleet: Fleet | undefined, name: Name): string | null {
  const value = fleet?.[name];
  if (value === undefined) return null;
  if (value === null) return "nothing";
  if (typeof value === "boolean") return value ? "on" : "off";
  return name === "threshold_min" ? `${value} min` : String(value);
}

interface WhoseProps {
  name: Name;
  own: boolean;
  fleet: Fleet | undefined;
  onReset: () => void;
}

/** Whose value it is; the device's own can be given back. */
function Whose({ name, own, fleet, onReset }: WhoseProps) {
  const text = fleetText(fleet, name);
  if (!own) return <span className="text-xs text-ink-3">As the fleet has it{text && `: ${text}`}.</span>;
  return (
    <span className="text-xs text-ink-3">
      This device’s own{text && `; the fleet has ${text}`}.{" "}
      <button type="button" className="font-medium text-accent hover:underline" onClick={onReset}>
        As the fleet again
      </button>
    </span>
  );
}

const TEXTS: { name: "package" | "display_name" | "threshold_min"; label: string; more: ComponentProps<typeof Input> }[] = [
  { name: "package", label: "Package", more: { spellCheck: false, maxLength: 255, placeholder: "com.example.till" } },
  { name: "display_name", label: "What alerts call it", more: { maxLength: 100, placeholder: "Till" } },
  {
    name: "threshold_min",
    label: "Minutes it may be away",
    more: { type: "number", inputMode: "numeric", min: 1, max: 120, className: "w-28" },
  },
];
const SWITCHES: { name: "auto_remediate" | "auto_relaunch"; label: string; hint: string }[] = [
  {
    name: "auto_remediate",
    label: "The appliance relaunches it",
    hint: "It sends the command to relaunch it when it is down: a few times, ever more slowly, and says how that went.",
  },
  {
    name: "auto_relaunch",
    label: "The agent relaunches it by itself",
    hint: "At once and without the network, within the same bounds.",
  },
];
const WATCH = {
  name: "enabled",
  label: "Watch it",
  hint: "An alert tells when the service is not in the foreground for longer than it may.",
} as const;

interface MembersProps {
  form: MonitoringForm;
  may: boolean;
  fleet: Fleet | undefined;
  problem: string | null;
  onChange: (form: MonitoringForm) => void;
}

function Members({ form, may, fleet, problem, onChange }: MembersProps) {
  const set = (name: Name, value: string | boolean) =>
    onChange({ values: { ...form.values, [name]: value }, fleet: form.fleet.filter((one) => one !== name) });
  const reset = (name: Name) => {
    const value = fleet?.[name];
    const shown = value === undefined ? form.values[name] : typeof value === "boolean" ? value : String(value ?? "");
    onChange({ values: { ...form.values, [name]: shown }, fleet: [...form.fleet, name] });
  };
  const whose = (name: Name) => <Whose name={name} own={!form.fleet.includes(name)} fleet={fleet} onReset={() => reset(name)} />;
  const onOff = ({ name, label, hint }: { name: "enabled" | "auto_remediate" | "auto_relaunch"; label: string; hint: string }) => (
    <div key={name} className="grid gap-1">
      <SwitchField label={label} hint={hint} checked={form.values[name]} onChange={(next) => set(name, next)} disabled={!may} />
      <div>{whose(name)}</div>
    </div>
  );
  return (
    <fieldset disabled={!may} className="grid gap-5">
      {onOff(WATCH)}
      {TEXTS.map(({ name, label, more }) => (
        <div key={name} className="grid gap-1">
          <Field label={label} error={name === "threshold_min" ? problem : null}>
            {(ids) => (
              <Input {...ids} autoComplete="off" {...more} value={form.values[name]} onChange={(event) => set(name, event.target.value)} />
            )}
          </Field>
          {whose(name)}
        </div>
      ))}
      {SWITCHES.map(onOff)}
    </fieldset>
  );
}

const LABELS = new Map([WATCH, ...TEXTS, ...SWITCHES].map(({ name, label }) => [name, label] as const));

/** What theirs has other than what one began with. */
const othersOf = (theirs: Monitoring, mine: Monitoring): string =>
  [...LABELS].flatMap(([name, label]) => (theirs[name] === mine[name] ? [] : [label])).join(", ");

type Found = Tagged<Monitoring>;

/** The form, and what it began with: what somebody else makes of that meanwhile is said, not overwritten. */
function useForm(found: Found) {
  const [base, setBase] = useState(found);
  const [form, setForm] = useState(() => formOf(found.value));
  const heard = useRef(found);
  const begin = (from: Found) => {
    setBase(from);
    setForm(formOf(from.value));
  };
  const untouched = (from: Found) => Object.keys(changeOf(from.value, form).change).length === 0;
  const dirty = !untouched(base);
  const free = !dirty || untouched(found);
  useEffect(() => {
    if (!free || heard.current === found) return;
    heard.current = found;
    begin(found);
  }, [free, found]);
  return { base, form, setForm, begin, dirty, theirs: dirty && found.etag !== base.etag ? found : null };
}

interface FormProps {
  found: Found;
  fleet: Fleet | undefined;
  deviceId: string;
  may: boolean;
}

function useSave({ deviceId }: FormProps, begin: (from: Found) => void) {
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const key = keyOf(deviceId, "monitoring");
  const save = async (over: Found, form: MonitoringForm) => {
    setBusy(true);
    setError(null);
    try {
      const { change } = changeOf(over.value, form);
      const asked = { path: { id: deviceId }, body: change, ifMatch: over.etag };
      const answer = await api.tagged("patch", "/admin/devices/{id}/monitoring", asked);
      begin(answer);
      client.setQueryData<Found>(key, answer);
      void client.invalidateQueries({ queryKey: keyOf(deviceId, "rules") });
      toast.ok(answer.value.command_id ? "Saved. The agent is being told." : "Saved.");
    } catch (caught) {
      if (isChangedMeanwhile(caught)) await client.invalidateQueries({ queryKey: key });
      else setError(caught);
    } finally {
      setBusy(false);
    }
  };
  return { save, busy, error };
}

function Form(props: FormProps) {
  const { found, fleet, may } = props;
  const { base, form, setForm, begin, dirty, theirs } = useForm(found);
  const { save, busy, error } = useSave(props, begin);
  const { problem } = changeOf(base.value, form);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void save(base, form);
  };
  return (
    <form className="grid gap-5" noValidate onSubmit={submit}>
      <Members form={form} may={may} fleet={fleet} problem={problem} onChange={setForm} />
      {theirs && (
        <Conflict busy={busy} onTake={() => begin(theirs)} onReplace={() => void save(theirs, form)}>
          Somebody changed this while you wrote: {othersOf(theirs.value, base.value) || "whose values these are"}.
        </Conflict>
      )}
      {error !== null && <Failure error={error} />}
      {may && (
        <div className="flex items-center gap-2">
          <Button type="submit" variant="primary" busy={busy} disabled={!dirty || problem !== null || theirs !== null}>
            Save
          </Button>
          {dirty && (
            <Button variant="ghost" onClick={() => begin(found)}>
              Leave it as it was
            </Button>
          )}
        </div>
      )}
    </form>
  );
}

export function MonitoringTab({ deviceId, deleted }: { deviceId: string; deleted: boolean }) {
  const may = useMay("operator") && !deleted;
  const fleet = useQuery({
    queryKey: ["alerts", "monitoring"],
    queryFn: ({ signal }) => api.get("/admin/monitoring", { signal }),
  });
  const query = useQuery({
    queryKey: keyOf(deviceId, "monitoring"),
    queryFn: ({ signal }): Promise<Found> => api.tagged("get", "/admin/devices/{id}/monitoring", { path: { id: deviceId }, signal }),
  });
  if (query.error) return <Failure error={query.error} retry={() => void query.refetch()} />;
  if (!query.data) return <Skeleton className="h-96 max-w-2xl" />;
  const { updated_at, updated_by } = query.data.value;
  return (
    <Card className="max-w-2xl">
      <CardHeader
        title="The service that it is there for"
        hint={
          updated_at ? (
            <>
              set <Time at={updated_at} /> by {updated_by}
            </>
          ) : (
            "nothing is set for this device itself"
          )
        }
      />
      <CardBody>
        <Form found={query.data} fleet={fleet.data} deviceId={deviceId} may={may} />
      </CardBody>
    </Card>
  );
}
