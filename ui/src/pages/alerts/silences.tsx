// SPDX-License-Identifier: Apache-2.0
import { useQueryClient } from "@tanstack/react-query";
import { BellOff, Plus } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { actorName, ruleTitle } from "@/lib/alert-words";
import { useKeyset } from "@/lib/keyset";
import { useFilter } from "@/lib/use-filter";
import { useMay } from "@/session/session";
import { Badge, type Tone } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { DataTable, type Column } from "@/ui/data-table";
import { Confirm } from "@/ui/dialog";
import { Segments } from "@/ui/select";
import { Empty } from "@/ui/states";
import { Time } from "@/ui/time";
import { toast } from "@/ui/toast";
import { FilterBar } from "./filters";
import { SilenceDialog } from "./silence-dialog";

export type Silence = Schema<"AlertSilence">;

const PAGE = 100;
const NAMES = ["silences"] as const;
const TONES: Record<Silence["state"], Tone> = { active: "info", upcoming: "neutral", past: "neutral" };

/** "Low battery, tagged kiosk, at Basel"; all that is given must fit. */
export function whatIsSilenced(silence: Silence): string {
  const parts = [silence.rule ? ruleTitle(silence.rule) : silence.device_id ? null : "Everything"];
  if (silence.device_id) parts.push(silence.device_alias ?? `device ${silence.device_id}`);
  if (silence.tag) parts.push(`tagged ${silence.tag}`);
  if (silence.site) parts.push(`at ${silence.site}`);
  return parts.filter(Boolean).join(", ");
}

function EndNow({ silence }: { silence: Silence }) {
  const queries = useQueryClient();
  const [asking, setAsking] = useState(false);
  if (!useMay("operator") || silence.state === "past") return null;
  return (
    <>
      <Button size="sm" onClick={() => setAsking(true)}>
        End now
      </Button>
      <Confirm
        open={asking}
        onOpenChange={setAsking}
        title="End this silence now?"
        description={`${whatIsSilenced(silence)}: what still fires is told at once. The silence stays in the list as past.`}
        action="End it"
        onConfirm={async () => {
          await api.delete("/admin/alert-silences/{id}", { path: { id: silence.id } });
          toast.ok("The silence has ended.");
          await queries.invalidateQueries({ queryKey: ["alerts"] });
        }}
      />
    </>
  );
}

const COLUMNS: Column<Silence>[] = [
  { id: "state", title: "State", width: 104, always: true, cell: (one) => <Badge tone={TONES[one.state]}>{one.state}</Badge> },
  {
    id: "what",
    title: "What is silenced",
    grow: 2,
    width: 220,
    always: true,
    cell: (one) => <span className="truncate font-medium">{whatIsSilenced(one)}</span>,
  },
  { id: "why", title: "Why", grow: 2, width: 180, cell: (one) => <span className="truncate text-ink-2">{one.comment || "–"}</span> },
  { id: "starts", title: "Begins", width: 110, cell: (one) => <Time at={one.starts_at} /> },
  { id: "ends", title: "Ends", width: 110, cell: (one) => <Time at={one.ends_at} /> },
  { id: "by", title: "Made by", width: 120, cell: (one) => <span className="truncate">{actorName(one.created_by)}</span> },
  { id: "end", title: "Actions", width: 104, align: "end", always: true, cell: (one) => <EndNow silence={one} /> },
];

function SilenceCard({ silence }: { silence: Silence }) {
  return (
    <div className="grid gap-1">
      <div className="flex items-center gap-2">
        <Badge tone={TONES[silence.state]}>{silence.state}</Badge>
        <span className="ml-auto text-xs text-ink-3">
          {silence.state === "upcoming" ? "begins " : silence.state === "active" ? "ends " : "ended "}
          <Time at={silence.state === "upcoming" ? silence.starts_at : silence.ends_at} />
        </span>
      </div>
      <p className="font-medium">{whatIsSilenced(silence)}</p>
      {silence.comment && <p className="text-sm text-ink-2">{silence.comment}</p>}
      <div className="flex items-center justify-between gap-2">
        <span className="text-xs text-ink-3">by {actorName(silence.created_by)}</span>
        <EndNow silence={silence} />
      </div>
    </div>
  );
}

/** Tell nobody for a while. */
export function Silences() {
  const operator = useMay("operator");
  const [making, setMaking] = useState(false);
  const [filter, setFilter] = useFilter(NAMES);
  const state = filter.silences === "past" || filter.silences === "all" || filter.silences === "upcoming" ? filter.silences : "active";
  const list = useKeyset(["alerts", "silences", state], async (cursor, signal) => {
    const page = await api.get("/admin/alert-silences", { query: { state, cursor, limit: PAGE }, signal });
    return { rows: page.silences, next: page.next_cursor };
  });
  const make = operator && (
    <Button variant="primary" onClick={() => setMaking(true)}>
      <Plus /> New silence
    </Button>
  );
  return (
    <>
      <FilterBar
        lead={
          <>
            <Segments
              label="State"
              className="max-sm:grow"
              value={state}
              onChange={(silences) => setFilter({ silences: silences === "active" ? "" : silences })}
              options={[
                { value: "active", label: "Active" },
                { value: "upcoming", label: "Upcoming" },
                { value: "past", label: "Past" },
                { value: "all", label: "All" },
              ]}
            />
            <div className="ml-auto max-sm:w-full max-sm:*:w-full">{list.rows.length > 0 && make}</div>
          </>
        }
      />
      <Card className="overflow-hidden">
        <DataTable
          label="Silences"
          columns={COLUMNS}
          rows={list.rows}
          rowId={(one) => one.id}
          renderCard={(one) => <SilenceCard silence={one} />}
          {...list.table}
          empty={
            <Empty icon={BellOff} title={state === "active" ? "No silence is in force" : "No silence here"} action={make}>
              For maintenance: what a silence covers is recorded and shown, but told to nobody. What still fires when it ends is told then.
            </Empty>
          }
        />
      </Card>
      {making && <SilenceDialog onClose={() => setMaking(false)} />}
    </>
  );
}
