// SPDX-License-Identifier: Apache-2.0
/** Numbers, sizes and times as people read them. Dates: what the API gives (RFC 3339 or epoch seconds). */
export type Moment = string | number | null | undefined;

export function toDate(moment: Moment): Date | null {
  if (moment === null || moment === undefined || moment === "") return null;
  const date = new Date(typeof moment === "number" ? moment * 1000 : moment);
  return Number.isNaN(date.getTime()) ? null : date;
}

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** With the viewer's zone. */
export const exactTime = (date: Date) => exact.format(date);
export const clockTime = (date: Date) => clock.format(date);
export const calendarDay = (date: Date) => day.format(date);

const UNITS: [number, string][] = [
  [60, "s"],
  [60, "min"],
  [24, "h"],
  [365, "d"],
  [Number.POSITIVE_INFINITY, "y"],
];

/** 42 s, 5 min, 3 h, 12 d. */
export function duration(seconds: number): string {
  let value = Math.abs(seconds);
  for (const [most, unit] of UNITS) {
    if (value < most) return `${Math.floor(value)} ${unit}`;
    value /= most;
  }
  return "";
}

/** "5 min ago", "in 3 h", "now". */
export function relative(date: Date, nowMs: number): string {
  const seconds = (nowMs - date.getTime()) / 1000;
  if (Math.abs(seconds) < 2) return "now";
  return seconds > 0 ? `${duration(seconds)} ago` : `in ${duration(seconds)}`;
}

const plain = new Intl.NumberFormat();
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const oneDigit = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

export const count = (value: number) => plain.format(value);
export const devices = (value: number) => (value === 1 ? "1 device" : `${count(value)} devices`);
export const short = (value: number) => compact.format(value);
export const decimal = (value: number) => oneDigit.format(value);

export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let index = 0;
  let left = value;
  while (left >= 1024 && index < units.length - 1) {
    left /= 1024;
    index++;
  }
  return `${oneDigit.format(left)} ${units[index]}`;
}

export const percent = (part: number, whole: number) => (whole > 0 ? `${oneDigit.format((100 * part) / whole)} %` : "–");
