// SPDX-License-Identifier: Apache-2.0
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { useMay } from "@/session/session";
import { Button } from "@/ui/button";
import { Card, CardBody, CardHeader } from "@/ui/card";
import { Field, Input } from "@/ui/field";
import { Failure, Skeleton } from "@/ui/states";
import { SwitchField } from "@/ui/switch";
import { Time } from "@/ui/time";
import { toast } from "@/ui/toast";
import { changeOf, formOf, type MonitoringForm } from "./monitoring";
import { keyOf } from "./use-device";

type Monitoring = Schema<"DeviceMonitoring">;

interface OwnProps {
  name: string;
  form: MonitoringForm;
  onReset: (name: string) => void;
}

/** Whose value it is; the device's own can be given back. */
function Whose({ name, form, onReset }: OwnProps) {
  if (form.fleet.includes(name)) return <span className="text-xs text-ink-3">as the fleet has it</span>;
  return (
    <button type="button" className="text-xs font-medium text-accent hover:underline" onClick={() => onReset(name)}>
      as the fleet again
    </button>
  );
}

function Form({ monitoring, deviceId, may }: { monitoring: Monitoring; deviceId: string; may: boolean }) {
  const client = useQueryClient();
  const [form, setForm] = useState(() => formOf(monitoring));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const { change, problem } = changeOf(monitoring, form);
  const set = (name: keyof MonitoringForm["values"], value: string | boolean) =>
    setForm((was) => ({ values: { ...was.values, [name]: value }, fleet: was.fleet.filter((one) => one !== name) }));
  const reset = (name: string) => setForm((was) => ({ ...was, fleet: [...was.fleet, name] }));
  const save = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const answer = await api.patch("/admin/devices/{id}/monitoring", { path: { id: deviceId }, body: change });
      client.setQueryData(keyOf(deviceId, "monitoring"), answer);
      void client.invalidateQueries({ queryKey: keyOf(deviceId, "rules") });
      toast.ok(answer.command_id ? "Kept. The agent is being told." : "Kept.");
    } catch (caught) {
      setError(caught);
    } finally {
      setBusy(false);
    }
  };
  const whose = (name: string) => may && <Whose name={name} form={form} onReset={reset} />;
  const changed = Object.keys(change).length > 0;
  return (
    <form className="grid gap-5" onSubmit={(event) => void save(event)}>
      <fieldset disabled={!may} className="grid gap-5">
        <div className="grid gap-1">
          <SwitchField
            label="Watch it"
            hint="An alert tells when the service is not in the foreground for longer than it may."
            checked={form.values.enabled}
            onChange={(next) => set("enabled", next)}
            disabled={!may}
          />
          <div>{whose("enabled")}</div>
        </div>
        <Field label="Package" hint={whose("package") || "An Android package, or a program of a desktop."}>
          {(ids) => <Input {...ids} spellCheck={false} autoComplete="off" maxLength={255} placeholder="com.example.till" value={form.values.package} onChange={(event) => set("package", event.target.value)} />}
        </Field>
        <Field label="What alerts call it" hint={whose("display_name")}>
          {(ids) => <Input {...ids} autoComplete="off" maxLength={100} placeholder="Till" value={form.values.display_name} onChange={(event) => set("display_name", event.target.value)} />}
        </Field>
        <Field label="Minutes it may be away" hint={whose("threshold_min")} error={problem}>
          {(ids) => <Input {...ids} type="number" inputMode="numeric" min={1} max={120} className="w-28" value={form.values.threshold_min} onChange={(event) => set("threshold_min", event.target.value)} />}
        </Field>
        <div className="grid gap-1">
          <SwitchField
            label="The appliance relaunches it"
            hint="It sends the command to relaunch it when it is down: a few times, ever more slowly, and says how that went."
            checked={form.values.auto_remediate}
            onChange={(next) => set("auto_remediate", next)}
            disabled={!may}
          />
          <div>{whose("auto_remediate")}</div>
        </div>
        <div className="grid gap-1">
          <SwitchField
            label="The agent relaunches it by itself"
            hint="At once and without the network, within the same bounds."
            checked={form.values.auto_relaunch}
            onChange={(next) => set("auto_relaunch", next)}
            disabled={!may}
          />
          <div>{whose("auto_relaunch")}</div>
        </div>
      </fieldset>
      {error !== null && <Failure error={error} />}
      {may && (
        <div className="flex items-center gap-2">
          <Button type="submit" variant="primary" busy={busy} disabled={!changed || problem !== null}>
            Keep
          </Button>
          {changed && (
            <Button variant="ghost" onClick={() => setForm(formOf(monitoring))}>
              Leave it as it was
            </Button>
          )}
        </div>
      )}
    </form>
  );
}

export function MonitoringTab({ deviceId }: { deviceId: string }) {
  const may = useMay("operator");
  const query = useQuery({
    queryKey: keyOf(deviceId, "monitoring"),
    queryFn: ({ signal }) => api.get("/admin/devices/{id}/monitoring", { path: { id: deviceId }, signal }),
  });
  if (query.error) return <Failure error={query.error} retry={() => void query.refetch()} />;
  if (!query.data) return <Skeleton className="h-96 max-w-2xl" />;
  const { updated_at, updated_by } = query.data;
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
        <Form key={JSON.stringify(query.data)} monitoring={query.data} deviceId={deviceId} may={may} />
      </CardBody>
    </Card>
  );
}
