// SPDX-License-Identifier: Apache-2.0
export interface Period {
  from?: string;
  to?: string;
}

export const PERIODS = [
  { value: "", label: "Any time" },
  { value: "1h", label: "Last hour", seconds: 3600 },
  { value: "24h", label: "Last 24 hours", seconds: 86_400 },
  { value: "7d", label: "Last 7 days", seconds: 7 * 86_400 },
  { value: "30d", label: "Last 30 days", seconds: 30 * 86_400 },
  { value: "custom", label: "From … to …" },
] as const;

const iso = (local: string): string | undefined => {
  const date = new Date(local);
  return local === "" || Number.isNaN(date.getTime()) ? undefined : date.toISOString();
};

/** As the API asks for it; to the minute, so that the same choice is the same request for a while. */
export function periodOf(choice: string, from: string, to: string, nowMs: number): Period {
  if (choice === "custom") return { from: iso(from), to: iso(to) };
  const seconds = PERIODS.find((period) => period.value === choice && "seconds" in period);
  if (!seconds || !("seconds" in seconds)) return {};
  const minute = 60_000;
  return { from: new Date(Math.floor((nowMs - seconds.seconds * 1000) / minute) * minute).toISOString() };
}
