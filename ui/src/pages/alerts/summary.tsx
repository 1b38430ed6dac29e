// SPDX-License-Identifier: Apache-2.0
import type { Schema } from "@/api/types";
import { count } from "@/lib/format";
import { Stat } from "@/ui/stat";

/** What burns, in four numbers. */
export function Summary({ summary }: { summary: Schema<"AlertSummary"> | undefined }) {
  const number = (value: number | undefined) => (value === undefined ? undefined : count(value));
  return (
    <div className="mb-5 grid grid-cols-2 gap-3 lg:grid-cols-4">
      <Stat
        label="Open incidents"
        value={number(summary?.open_incidents)}
        tone={summary && summary.open_incidents === 0 ? "ok" : "neutral"}
        hint={summary ? (summary.open_incidents === 0 ? "all is well" : `${count(summary.unacked_incidents)} not acknowledged`) : undefined}
        to="/alerts"
      />
      <Stat
        label="Critical"
        value={number(summary?.by_severity.critical)}
        tone={summary?.by_severity.critical ? "bad" : "neutral"}
        hint="alerts that fire"
        to="/alerts?severity=critical"
      />
      <Stat
        label="Warning"
        value={number(summary?.by_severity.warning)}
        tone={summary?.by_severity.warning ? "warn" : "neutral"}
        hint={summary && summary.by_severity.info > 0 ? `and ${count(summary.by_severity.info)} for information` : "alerts that fire"}
        to="/alerts?severity=warning"
      />
      <Stat
        label="Silences"
        value={number(summary?.silences)}
        tone={summary?.silences ? "info" : "neutral"}
        hint={summary?.silences ? "some are not told" : "everything is told"}
        to="/alerts/silences"
      />
    </div>
  );
}
