// SPDX-License-Identifier: Apache-2.0
import { RadioGroup } from "radix-ui";
import type { ReactNode } from "react";
import { RULES, RULE_TITLES } from "@/lib/alert-words";
import { fieldError } from "@/lib/form-error";
import type { Schema } from "@/api/types";
import { CheckField } from "@/ui/checkbox";
import { Field, Input, NativeSelect, Textarea } from "@/ui/field";
import { Segments } from "@/ui/select";
import { addressesOf, CHANNEL_KINDS, type Channel, type ChannelKind } from "./channel-words";
import { PickMany } from "./pick-many";
import { useSites, useTags } from "./place-choices";

export interface ChannelDraft {
  kind: ChannelKind;
  name: string;
  url: string;
  to: string;
  allowPrivate: boolean;
  minSeverity: Channel["min_severity"];
  rules: string[];
  tags: string[];
  sites: string[];
  mode: Channel["mode"];
  digestAt: string;
  digestZone: string;
  ratePerMin: string;
}

const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

export const draftOf = (channel?: Channel): ChannelDraft => ({
  kind: channel?.kind ?? "discord",
  name: channel?.name ?? "",
  url: "",
  to: channel?.to?.join("\n") ?? "",
  allowPrivate: channel?.allow_private ?? false,
  minSeverity: channel?.min_severity ?? "warning",
  rules: channel?.rules ?? [],
  tags: channel?.tags ?? [],
  sites: channel?.sites ?? [],
  mode: channel?.mode ?? "immediate",
  digestAt: channel?.digest_at ?? "08:00",
  digestZone: channel?.digest_zone ?? ownZone(),
  ratePerMin: String(channel?.rate_per_min ?? 20),
});

/** What is sent; an URL that was left empty stays as it is. */
export function channelBody(draft: ChannelDraft): Schema<"AlertChannelChange"> {
  return {
    name: draft.name.trim(),
    ...(draft.kind === "email" ? { to: addressesOf(draft.to) } : draft.url ? { url: draft.url.trim() } : {}),
    ...(draft.kind === "webhook" ? { allow_private: draft.allowPrivate } : {}),
    min_severity: draft.minSeverity,
    rules: draft.rules as Schema<"NewAlertChannel">["rules"],
    tags: draft.tags,
    sites: draft.sites,
    mode: draft.mode,
    digest_at: draft.digestAt,
    digest_zone: draft.digestZone.trim(),
    rate_per_min: Number(draft.ratePerMin),
  };
}

function Step({ number, title, children }: { number: number; title: string; children: ReactNode }) {
  return (
    <fieldset className="grid gap-3.5">
      <legend className="mb-3 flex items-center gap-2 text-sm font-semibold">
        <span aria-hidden className="grid size-5 place-items-center rounded-full bg-accent-soft text-xs text-accent tabular">
          {number}
        </span>
        {title}
      </legend>
      {children}
    </fieldset>
  );
}

export interface ChannelFormProps {
  draft: ChannelDraft;
  onChange: (change: Partial<ChannelDraft>) => void;
  error: unknown;
  /** It is there already: its kind can't be changed, its URL isn't shown. */
  existing?: boolean;
}

function Kinds({ draft, onChange }: ChannelFormProps) {
  return (
    <RadioGroup.Root
      aria-label="How it is told"
      value={draft.kind}
      onValueChange={(kind) => onChange({ kind: kind as ChannelKind })}
      className="grid gap-2 sm:grid-cols-3"
    >
      {(Object.keys(CHANNEL_KINDS) as ChannelKind[]).map((kind) => {
        const { name, icon: Icon, hint } = CHANNEL_KINDS[kind];
        return (
          <RadioGroup.Item
            key={kind}
            value={kind}
            className="grid content-start gap-1 rounded-control border border-line-strong p-3 text-left hover:bg-surface-2 data-[state=checked]:border-accent data-[state=checked]:bg-accent-soft"
          >
            <span className="flex items-center gap-2 text-sm font-medium">
              <Icon className="size-4" aria-hidden /> {name}
            </span>
            <span className="text-xs text-ink-2">{hint}</span>
          </RadioGroup.Item>
        );
      })}
    </RadioGroup.Root>
  );
}

function Address({ draft, onChange, error, existing }: ChannelFormProps) {
  if (draft.kind === "email")
    return (
      <Field label="Addresses" hint="One a line, 20 at most." error={fieldError(error, "to")}>
        {(field) => (
          <Textarea
            {...field}
            spellCheck={false}
            placeholder="duty@example.org"
            value={draft.to}
            onChange={(event) => onChange({ to: event.target.value })}
          />
        )}
      </Field>
    );
  const hint = existing
    ? "Leave it empty to keep the one it has. It is kept sealed and never shown."
    : draft.kind === "discord"
      ? "In Discord: channel settings, Integrations, Webhooks, Copy URL. It is kept sealed and never shown again."
      : "https://… It is kept sealed; only its host is shown afterwards.";
  return (
    <>
      <Field label="URL" hint={hint} error={fieldError(error, "url")}>
        {(field) => (
          <Input
            {...field}
            type="url"
            autoComplete="off"
            spellCheck={false}
            placeholder={draft.kind === "discord" ? "https://discord.com/api/webhooks/…" : "https://pager.example.org/hook"}
            value={draft.url}
            onChange={(event) => onChange({ url: event.target.value })}
          />
        )}
      </Field>
      {draft.kind === "webhook" && (
        <CheckField
          label="It may lead into a private network"
          hint="Without it, only public addresses over https are reached."
          checked={draft.allowPrivate}
          onChange={(allowPrivate) => onChange({ allowPrivate })}
        />
      )}
    </>
  );
}

const named = (names: string[]) => names.map((name) => [name, name] as const);
const RULE_OPTIONS = RULES.map((rule) => [rule, RULE_TITLES[rule]] as const);

function What({ draft, onChange }: ChannelFormProps) {
  const tags = useTags();
  const sites = useSites();
  return (
    <div className="grid items-start gap-3.5 sm:grid-cols-2">
      <Field label="At least so bad">
        {(field) => (
          <NativeSelect
            {...field}
            value={draft.minSeverity}
            onChange={(event) => onChange({ minSeverity: event.target.value as ChannelDraft["minSeverity"] })}
          >
            <option value="info">Information: everything</option>
            <option value="warning">Warning and critical</option>
            <option value="critical">Critical alone</option>
          </NativeSelect>
        )}
      </Field>
      <PickMany label="Rules" any="Any rule" options={RULE_OPTIONS} value={draft.rules} onChange={(rules) => onChange({ rules })} />
      <PickMany
        label="Sites"
        any="Any site"
        options={named(sites)}
        value={draft.sites}
        onChange={(chosen) => onChange({ sites: chosen })}
      />
      <PickMany label="Tags" any="Any tag" options={named(tags)} value={draft.tags} onChange={(chosen) => onChange({ tags: chosen })} />
    </div>
  );
}

function When({ draft, onChange, error }: ChannelFormProps) {
  return (
    <>
      <Segments
        label="When"
        className="w-fit"
        value={draft.mode}
        onChange={(mode) => onChange({ mode })}
        options={[
          { value: "immediate", label: "At once" },
          { value: "digest", label: "Once a day" },
        ]}
      />
      <div className="grid items-start gap-3.5 sm:grid-cols-2">
        {draft.mode === "digest" && (
          <>
            <Field label="Time of day" error={fieldError(error, "digest_at")}>
              {(field) => (
                <Input {...field} type="time" value={draft.digestAt} onChange={(event) => onChange({ digestAt: event.target.value })} />
              )}
            </Field>
            <Field label="Time zone" hint="Such as Europe/Vienna." error={fieldError(error, "digest_zone")}>
              {(field) => <Input {...field} value={draft.digestZone} onChange={(event) => onChange({ digestZone: event.target.value })} />}
            </Field>
          </>
        )}
        <Field label="Most messages a minute" hint="What is over waits, and is told together." error={fieldError(error, "rate_per_min")}>
          {(field) => (
            <Input
              {...field}
              type="number"
              min={1}
              max={600}
              value={draft.ratePerMin}
              onChange={(event) => onChange({ ratePerMin: event.target.value })}
            />
          )}
        </Field>
      </div>
    </>
  );
}

/** The fields by which the appliance may refuse it and that are shown here. */
export const CHANNEL_FIELDS = ["name", "url", "to", "digest_at", "digest_zone", "rate_per_min"] as const;

export function ChannelForm(props: ChannelFormProps) {
  const { draft, onChange, error, existing } = props;
  return (
    <div className="grid gap-6">
      <Step number={1} title="Where">
        {!existing && <Kinds {...props} />}
        <Field label="Name" error={fieldError(error, "name")}>
          {(field) => (
            <Input
              {...field}
              maxLength={100}
              placeholder="On-call pager"
              value={draft.name}
              onChange={(event) => onChange({ name: event.target.value })}
            />
          )}
        </Field>
        <Address {...props} />
      </Step>
      <Step number={2} title="What">
        <What {...props} />
      </Step>
      <Step number={3} title="When">
        <When {...props} />
      </Step>
    </div>
  );
}
