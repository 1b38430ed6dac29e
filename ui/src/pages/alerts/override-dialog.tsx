// SPDX-License-Identifier: Apache-2.0
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { api } from "@/api/client";
import { DevicePicker, type PickedDevice } from "@/lib/device-picker";
import { isOfField } from "@/lib/form-error";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field, Input } from "@/ui/field";
import { Segments } from "@/ui/select";
import { Failure } from "@/ui/states";
import { toast } from "@/ui/toast";
import { useTags } from "./place-choices";
import { RULE_FIELDS, RuleForm } from "./rule-form";
import type { Override } from "./rule-overrides";
import { changeOf, draftOfLayer, isEmptyChange, type AlertRule } from "./rule-words";

interface Target {
  kind: "tag" | "device";
  tag: string;
  device: PickedDevice | null;
}

function WhoseFields({ target, onChange }: { target: Target; onChange: (target: Target) => void }) {
  const list = useId();
  const tags = useTags();
  return (
    <div className="grid gap-3.5">
      <Segments
        label="Of what"
        className="w-fit"
        value={target.kind}
        onChange={(kind) => onChange({ ...target, kind })}
        options={[
          { value: "tag", label: "Devices with a tag" },
          { value: "device", label: "One device" },
        ]}
      />
      {target.kind === "tag" ? (
        <Field label="Tag">
          {(field) => (
            <>
              <Input
                {...field}
                list={list}
                value={target.tag}
                maxLength={64}
                autoComplete="off"
                onChange={(event) => onChange({ ...target, tag: event.target.value })}
              />
              <datalist id={list}>
                {tags.map((tag) => (
                  <option key={tag} value={tag} />
                ))}
              </datalist>
            </>
          )}
        </Field>
      ) : (
        <Field label="Device">
          {(field) => <DevicePicker {...field} value={target.device} onChange={(device) => onChange({ ...target, device })} />}
        </Field>
      )}
    </div>
  );
}

/** Other values for a tag's devices, or for one. */
export function OverrideDialog({ rule, override, onClose }: { rule: AlertRule; override: Override | null; onClose: () => void }) {
  const queries = useQueryClient();
  const [target, setTarget] = useState<Target>({
    kind: override?.device ? "device" : "tag",
    tag: override?.tag ?? "",
    device: override?.device ?? null,
  });
  const [draft, setDraft] = useState(() => draftOfLayer(override?.values ?? null));
  const change = changeOf(rule, draft);
  const ofTag = target.kind === "tag";
  const saving = useMutation({
    mutationFn: async () => {
      if (ofTag)
        await api.put("/admin/alert-rules/{rule}/tags/{tag}", {
          path: { rule: rule.rule, tag: target.tag.trim() },
          body: { ...change, priority: Number(draft.priority) },
        });
      else
        await api.put("/admin/alert-rules/{rule}/devices/{id}", { path: { rule: rule.rule, id: target.device?.id ?? "" }, body: change });
    },
    onSuccess: async () => {
      toast.ok(`${rule.title} differs for ${ofTag ? target.tag : target.device?.alias}.`);
      onClose();
      await queries.invalidateQueries({ queryKey: ["alerts", "rules"] });
    },
  });
  const whole = (ofTag ? target.tag.trim() !== "" : target.device !== null) && !isEmptyChange(change);
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={override ? `${rule.title}: ${override.device?.alias ?? override.tag}` : `${rule.title}: other values`}
      description="What is left empty is as for all."
      className="max-w-xl"
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" disabled={!whole} busy={saving.isPending} onClick={() => saving.mutate()}>
            Save
          </Button>
        </>
      }
    >
      <div className="grid gap-5">
        {!override && <WhoseFields target={target} onChange={setTarget} />}
        <RuleForm
          rule={rule}
          draft={draft}
          onChange={(next) => setDraft((was) => ({ ...was, ...next }))}
          wider={rule.effective}
          widerName="As for all"
          error={saving.error}
          priority={ofTag}
        />
        {saving.error && !isOfField(saving.error, RULE_FIELDS) && <Failure error={saving.error} />}
      </div>
    </Dialog>
  );
}
