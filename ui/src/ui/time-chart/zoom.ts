// SPDX-License-Identifier: Apache-2.0
/** A stretch of time within a larger one: closer, wider, earlier, later. Epoch seconds. */
export type Span = readonly [from: number, to: number];

/** Closer than this nothing more can be seen: a device reports every few minutes. */
const LEAST_S = 120;
const IN = 0.5;
const ASIDE = 0.25;

/** As long as it is, and within the bounds. */
export function kept([from, to]: Span, [least, most]: Span): Span {
  const length = Math.min(Math.max(to - from, Math.min(LEAST_S, most - least)), most - least);
  const start = Math.min(Math.max(from, least), most - length);
  return [start, start + length];
}

/** `factor` of its length, about the moment `at`, which stays where it is. */
export function scaled(span: Span, bounds: Span, factor: number, at = (span[0] + span[1]) / 2): Span {
  const length = Math.max((span[1] - span[0]) * factor, LEAST_S);
  const share = (at - span[0]) / (span[1] - span[0]);
  return kept([at - length * share, at + length * (1 - share)], bounds);
}

export const moved = (span: Span, bounds: Span, seconds: number): Span => kept([span[0] + seconds, span[1] + seconds], bounds);

export const isAll = (span: Span, bounds: Span): boolean => span[0] <= bounds[0] + 1 && span[1] >= bounds[1] - 1;

export type Step = "in" | "out" | "earlier" | "later" | "first" | "last" | "all";

export function stepped(span: Span, bounds: Span, step: Step): Span {
  const length = span[1] - span[0];
  if (step === "in") return scaled(span, bounds, IN);
  if (step === "out") return scaled(span, bounds, 1 / IN);
  if (step === "earlier") return moved(span, bounds, -length * ASIDE);
  if (step === "later") return moved(span, bounds, length * ASIDE);
  if (step === "first") return moved(span, bounds, bounds[0] - span[0]);
  if (step === "last") return moved(span, bounds, bounds[1] - span[1]);
  return bounds;
}

const KEYS: Readonly<Record<string, Step>> = {
  "+": "in",
  "=": "in",
  "-": "out",
  _: "out",
  ArrowLeft: "earlier",
  ArrowRight: "later",
  Home: "first",
  End: "last",
  "0": "all",
};

export const stepOfKey = (key: string): Step | undefined => KEYS[key];
