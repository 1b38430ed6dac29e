// SPDX-License-Identifier: Apache-2.0
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { DevicePicker, type PickedDevice } from "@/lib/device-picker";
import { fieldError } from "@/lib/form-error";
import { Button } from "@/ui/button";
import { CheckField } from "@/ui/checkbox";
import { Dialog } from "@/ui/dialog";
import { Field, Input, Textarea } from "@/ui/field";
import { Segments } from "@/ui/select";
import { Failure } from "@/ui/states";
import { toast } from "@/ui/toast";
import { RuleChoice } from "./filters";
import { SiteChoice, TagChoice } from "./place-choices";
import { DURATIONS, silenceBody, type SilenceDraft } from "./silence-draft";

const NOTHING: SilenceDraft = {
  device: null,
  rule: "",
  tag: "",
  site: "",
  all: false,
  duration: "3600",
  begins: "",
  ends: "",
  comment: "",
};

interface PartProps {
  draft: SilenceDraft;
  change: (change: Partial<SilenceDraft>) => void;
}

function Scope({ draft, change }: PartProps) {
  return (
    <fieldset className="grid gap-3.5">
      <legend className="mb-2 text-sm font-semibold">What</legend>
      <Field label="Device">
        {(field) => (
          <DevicePicker
            {...field}
            placeholder="Any device"
            value={draft.device}
            onChange={(device: PickedDevice | null) => change({ device, all: false })}
          />
        )}
      </Field>
      <div className="grid gap-3.5 sm:grid-cols-3">
        <div className="grid gap-1.5">
          <span className="text-xs font-medium text-ink-2">Rule</span>
          <RuleChoice value={draft.rule} onChange={(rule) => change({ rule, all: false })} />
        </div>
        <div className="grid gap-1.5">
          <span className="text-xs font-medium text-ink-2">Site</span>
          <SiteChoice value={draft.site} onChange={(site) => change({ site, all: false })} />
        </div>
        <div className="grid gap-1.5">
          <span className="text-xs font-medium text-ink-2">Tag</span>
          <TagChoice value={draft.tag} onChange={(tag) => change({ tag, all: false })} />
        </div>
      </div>
      {!draft.device && !draft.rule && !draft.tag && !draft.site && (
        <CheckField
          label="Everything"
          hint="Nothing at all is told, the appliance's own troubles too."
          checked={draft.all}
          onChange={(all) => change({ all })}
        />
      )}
    </fieldset>
  );
}

function When({ draft, change, error }: PartProps & { error: unknown }) {
  return (
    <fieldset className="grid gap-3.5">
      <legend className="mb-2 text-sm font-semibold">For how long</legend>
      <Segments
        label="For how long"
        className="w-fit"
        value={draft.duration}
        onChange={(duration) => change({ duration })}
        options={DURATIONS}
      />
      {draft.duration === "until" && (
        <div className="grid items-start gap-3.5 sm:grid-cols-2">
          <Field label="From" hint="Empty: from now on." error={fieldError(error, "starts_at")}>
            {(field) => (
              <Input {...field} type="datetime-local" value={draft.begins} onChange={(event) => change({ begins: event.target.value })} />
            )}
          </Field>
          <Field label="Until" hint="30 days at most." error={fieldError(error, "ends_at")}>
            {(field) => (
              <Input {...field} type="datetime-local" value={draft.ends} onChange={(event) => change({ ends: event.target.value })} />
            )}
          </Field>
        </div>
      )}
      <Field label="Why" error={fieldError(error, "comment")}>
        {(field) => (
          <Textarea
            {...field}
            className="min-h-16"
            maxLength={500}
            placeholder="Router is being replaced"
            value={draft.comment}
            onChange={(event) => change({ comment: event.target.value })}
          />
        )}
      </Field>
    </fieldset>
  );
}

export function SilenceDialog({ onClose, device }: { onClose: () => void; device?: PickedDevice }) {
  const queries = useQueryClient();
  const [draft, setDraft] = useState<SilenceDraft>({ ...NOTHING, device: device ?? null });
  const change = (next: Partial<SilenceDraft>) => setDraft((was) => ({ ...was, ...next }));
  const body = silenceBody(draft);
  const making = useMutation({
    mutationFn: (wanted: Schema<"NewAlertSilence">) => api.post("/admin/alert-silences", { body: wanted }),
    onSuccess: async () => {
      toast.ok("The silence is set.");
      onClose();
      await queries.invalidateQueries({ queryKey: ["alerts"] });
    },
  });
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="New silence"
      description="What fits all that you choose is recorded and shown, but told to nobody. What still fires at the end is told then."
      className="max-w-xl"
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" busy={making.isPending} disabled={!body} onClick={() => body && making.mutate(body)}>
            Silence
          </Button>
        </>
      }
    >
      <div className="grid gap-6">
        <Scope draft={draft} change={change} />
        <When draft={draft} change={change} error={making.error} />
        {making.error && <Failure error={making.error} />}
      </div>
    </Dialog>
  );
}
