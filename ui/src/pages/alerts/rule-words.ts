// SPDX-License-Identifier: Apache-2.0
import { amount, span } from "@/lib/alert-words";
import type { Schema } from "@/api/types";

export type AlertRule = Schema<"AlertRule">;
export type Values = Schema<"AlertRuleValues">;
export type Layer = Schema<"AlertRuleLayer">;
export type Change = Schema<"AlertRuleTagValues">;

/** offline has no holds, database_away none before it fires: their threshold is one. */
export const hasHold = (rule: AlertRule) => rule.rule !== "offline" && rule.rule !== "database_away";
export const hasClearHold = (rule: AlertRule) => rule.rule !== "offline";

/** "below 15 %, until 20 %", "above 12 min", "older than 4.2.0". */
export function firesWhen(rule: AlertRule, values: Pick<Values, "threshold" | "clear_at" | "text_value"> = rule.effective): string {
  if (rule.limits.text_value) return values.text_value ? `older than ${values.text_value}` : "no version is set";
  const until = values.clear_at === null || values.clear_at === values.threshold ? "" : `, until ${amount(rule.unit, values.clear_at)}`;
  return `${rule.fires} ${amount(rule.unit, values.threshold)}${until}`;
}

/** When it fires, at length; the form's name of a field instead of the API's. */
export const ruleDoc = (rule: AlertRule): string => rule.doc.replace("text_value", "the least version");

/** "at once", "after 5 min". */
export const heldFor = (seconds: number): string => (seconds === 0 ? "at once" : `after ${span(seconds)}`);

/** What a layer changes, in words: "below 30 %, critical, off". */
export function whatDiffers(rule: AlertRule, layer: Layer): string {
  const parts: string[] = [];
  if (layer.text_value) parts.push(`older than ${layer.text_value}`);
  if (layer.threshold !== null) parts.push(`${rule.fires} ${amount(rule.unit, layer.threshold)}`);
  if (layer.clear_at !== null) parts.push(`ends at ${amount(rule.unit, layer.clear_at)}`);
  if (layer.hold_s !== null) parts.push(`fires ${heldFor(layer.hold_s)}`);
  if (layer.clear_hold_s !== null) parts.push(`ends ${heldFor(layer.clear_hold_s)}`);
  if (layer.severity) parts.push(layer.severity);
  if (layer.enabled !== null) parts.push(layer.enabled ? "on" : "off");
  return parts.join(", ") || "nothing";
}

/** What a form holds: "" is "as the wider scope has it". */
export interface RuleDraft {
  threshold: string;
  clearAt: string;
  holdS: string;
  clearHoldS: string;
  severity: string;
  enabled: string;
  textValue: string;
  priority: string;
}

const shown = (value: number | string | boolean | null | undefined) => (value === null || value === undefined ? "" : String(value));

export const draftOfLayer = (layer: Layer | null): RuleDraft => ({
  threshold: shown(layer?.threshold),
  clearAt: shown(layer?.clear_at),
  holdS: shown(layer?.hold_s),
  clearHoldS: shown(layer?.clear_hold_s),
  severity: shown(layer?.severity),
  enabled: shown(layer?.enabled),
  textValue: shown(layer?.text_value),
  priority: shown(layer?.priority ?? 0),
});

const numberOr = (text: string): number | null => (text.trim() === "" ? null : Number(text));

/** All that the rule has; null where it is as the wider scope has it. */
export function changeOf(rule: AlertRule, draft: RuleDraft): Change {
  const change: Change = {
    severity: (draft.severity || null) as Change["severity"],
    enabled: draft.enabled === "" ? null : draft.enabled === "true",
  };
  if (rule.limits.text_value) change.text_value = draft.textValue.trim() || null;
  else change.threshold = numberOr(draft.threshold);
  if (rule.limits.clear_at) change.clear_at = numberOr(draft.clearAt);
  if (hasHold(rule)) change.hold_s = numberOr(draft.holdS);
  if (hasClearHold(rule)) change.clear_hold_s = numberOr(draft.clearHoldS);
  return change;
}

/** Nothing is set: everything is as the wider scope has it. */
export const isEmptyChange = (change: Change): boolean => Object.values(change).every((value) => value === null || value === undefined);

const UNIT_NAMES = { seconds: "seconds", minutes: "minutes", percent: "percent", count: "", version: "" };

/** "60 to 86,400 seconds". */
export function limitsOf(rule: AlertRule): string {
  const { least, most } = rule.limits;
  if (least === null || most === null) return "";
  return `${least.toLocaleString()} to ${most.toLocaleString()} ${UNIT_NAMES[rule.unit]}`.trim();
}

export const unitName = (rule: AlertRule): string => UNIT_NAMES[rule.unit];
