// SPDX-License-Identifier: Apache-2.0
import type { ReactNode } from "react";
import { amount, span, SEVERITIES } from "@/lib/alert-words";
import { fieldError } from "@/lib/form-error";
import { Field, Input, NativeSelect } from "@/ui/field";
import { hasClearHold, hasHold, limitsOf, unitName, type AlertRule, type RuleDraft, type Values } from "./rule-words";

/** The fields by which the appliance may refuse it and that are shown here. */
export const RULE_FIELDS = ["threshold", "clear_at", "hold_s", "clear_hold_s", "text_value", "priority"] as const;

export interface RuleFormProps {
  rule: AlertRule;
  draft: RuleDraft;
  onChange: (change: Partial<RuleDraft>) => void;
  /** What holds where nothing is given, and how that is called: "as built in". */
  wider: Values;
  widerName: string;
  error: unknown;
  disabled?: boolean;
  /** Of a tag: among a device's tags the lowest wins. */
  priority?: boolean;
}

interface NumberProps {
  label: string;
  hint: ReactNode;
  value: string;
  onChange: (value: string) => void;
  unit: string;
  placeholder: string;
  error: string | null;
  disabled?: boolean;
}

function NumberField({ label, hint, value, onChange, unit, placeholder, error, disabled }: NumberProps) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(field) => (
        <div className="relative">
          <Input
            {...field}
            type="number"
            inputMode="numeric"
            className="pr-20 tabular"
            value={value}
            placeholder={placeholder}
            disabled={disabled}
            onChange={(event) => onChange(event.target.value)}
          />
          {unit && <span className="pointer-events-none absolute inset-y-0 right-3 my-auto h-5 text-sm text-ink-3">{unit}</span>}
        </div>
      )}
    </Field>
  );
}

/** What a number of seconds comes to, where that is not plain. */
const said = (value: string) => (Number(value) >= 60 ? `That is ${span(Number(value))}. ` : "");

function Threshold({ rule, draft, onChange, wider, error, disabled }: RuleFormProps) {
  if (rule.limits.text_value)
    return (
      <Field label="Least version" hint="Agents older than this are told. Empty: none are." error={fieldError(error, "text_value")}>
        {(field) => (
          <Input
            {...field}
            value={draft.textValue}
            placeholder={wider.text_value ?? "4.2.0"}
            disabled={disabled}
            onChange={(event) => onChange({ textValue: event.target.value })}
          />
        )}
      </Field>
    );
  const seconds = rule.unit === "seconds";
  return (
    <>
      <NumberField
        label={`Fires when ${rule.fires}`}
        hint={`${seconds ? said(draft.threshold) : ""}From ${limitsOf(rule)}.`}
        value={draft.threshold}
        onChange={(threshold) => onChange({ threshold })}
        unit={unitName(rule)}
        placeholder={String(wider.threshold ?? "")}
        error={fieldError(error, "threshold")}
        disabled={disabled}
      />
      {rule.limits.clear_at && (
        <NumberField
          label="Ends at"
          hint={`${seconds ? said(draft.clearAt) : ""}A firing alert goes on until this, so that it doesn't flap.`}
          value={draft.clearAt}
          onChange={(clearAt) => onChange({ clearAt })}
          unit={unitName(rule)}
          placeholder={draft.threshold ? "as far off as before" : String(wider.clear_at ?? "")}
          error={fieldError(error, "clear_at")}
          disabled={disabled}
        />
      )}
    </>
  );
}

function Holds({ rule, draft, onChange, wider, error, disabled }: RuleFormProps) {
  return (
    <>
      {hasHold(rule) && (
        <NumberField
          label="Held before it fires"
          hint={`${said(draft.holdS)}The condition must last so long.`}
          value={draft.holdS}
          onChange={(holdS) => onChange({ holdS })}
          unit="seconds"
          placeholder={String(wider.hold_s)}
          error={fieldError(error, "hold_s")}
          disabled={disabled}
        />
      )}
      {hasClearHold(rule) && (
        <NumberField
          label="Held before it ends"
          hint={`${said(draft.clearHoldS)}It must be over for so long.`}
          value={draft.clearHoldS}
          onChange={(clearHoldS) => onChange({ clearHoldS })}
          unit="seconds"
          placeholder={String(wider.clear_hold_s)}
          error={fieldError(error, "clear_hold_s")}
          disabled={disabled}
        />
      )}
    </>
  );
}

/** Empty fields are as the wider scope has them; their placeholder says what that is. */
export function RuleForm(props: RuleFormProps) {
  const { draft, onChange, wider, widerName, error, disabled, priority } = props;
  return (
    <div className="grid items-start gap-4 sm:grid-cols-2">
      <Field label="Judged">
        {(field) => (
          <NativeSelect
            {...field}
            value={draft.enabled}
            disabled={disabled}
            onChange={(event) => onChange({ enabled: event.target.value })}
          >
            <option value="">{`${widerName} (${wider.enabled ? "on" : "off"})`}</option>
            <option value="true">On</option>
            <option value="false">Off</option>
          </NativeSelect>
        )}
      </Field>
      <Field label="Severity">
        {(field) => (
          <NativeSelect
            {...field}
            value={draft.severity}
            disabled={disabled}
            onChange={(event) => onChange({ severity: event.target.value })}
          >
            <option value="">{`${widerName} (${wider.severity})`}</option>
            {SEVERITIES.map((severity) => (
              <option key={severity} value={severity}>
                {severity}
              </option>
            ))}
          </NativeSelect>
        )}
      </Field>
      <Threshold {...props} />
      <Holds {...props} />
      {priority && (
        <NumberField
          label="Priority"
          hint="A device may have several tags: the lowest wins."
          value={draft.priority}
          onChange={(value) => onChange({ priority: value })}
          unit=""
          placeholder="0"
          error={fieldError(error, "priority")}
        />
      )}
    </div>
  );
}

/** "Built in: below 15 %, until 20 %". */
export const builtIn = (rule: AlertRule): string =>
  rule.limits.text_value
    ? "Built in: off until a version is set."
    : `Built in: ${rule.fires} ${amount(rule.unit, rule.defaults.threshold)}.`;
