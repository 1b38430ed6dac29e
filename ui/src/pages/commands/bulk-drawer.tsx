// SPDX-License-Identifier: Apache-2.0
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Ban, ListFilter, ShieldAlert } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { actorName } from "@/lib/alert-words";
import { commandTitle, progressOf, STATES, STATE_TITLES } from "@/lib/command-words";
import { count, percent } from "@/lib/format";
import { useMay } from "@/session/session";
import { STATUS_TONE } from "@/ui/badge";
import { Shares } from "@/ui/bars";
import { Button } from "@/ui/button";
import { CodeBlock } from "@/ui/copy-button";
import { Confirm } from "@/ui/dialog";
import { Drawer } from "@/ui/drawer";
import { Fact, Facts } from "@/ui/stat";
import { Failure, Skeleton } from "@/ui/states";
import { Time } from "@/ui/time";
import { toast } from "@/ui/toast";

type Bulk = Schema<"BulkCommand">;

function Progress({ bulk }: { bulk: Bulk }) {
  const { all, over } = progressOf(bulk.states);
  const bars = STATES.filter((state) => bulk.states[state] > 0).map((state) => ({
    key: state,
    label: STATE_TITLES[state],
    value: bulk.states[state],
    tone: state === "awaiting_confirmation" ? ("warn" as const) : STATUS_TONE[state] === "neutral" ? ("idle" as const) : (STATUS_TONE[state] as "ok"),
  }));
  return (
    <div className="grid gap-3">
      <div role="progressbar" aria-label="How many are over" aria-valuemin={0} aria-valuemax={all} aria-valuenow={over}>
        <p className="flex items-baseline justify-between">
          <span className="text-2xl font-semibold tracking-tight tabular">{percent(over, all)}</span>
          <span className="text-sm text-ink-2 tabular">
            {count(over)} of {count(all)} over
          </span>
        </p>
      </div>
      <Shares label="States" bars={bars} />
    </div>
  );
}

function Actions({ bulk }: { bulk: Bulk }) {
  const queries = useQueryClient();
  const admin = useMay("admin");
  const [asking, setAsking] = useState<"cancel" | "confirm" | null>(null);
  const path = { id: bulk.id };
  const open = progressOf(bulk.states).canCancel;
  const waiting = bulk.states.awaiting_confirmation;
  const title = commandTitle(bulk.type);
  const close = (next: boolean) => !next && setAsking(null);
  const read = () => queries.invalidateQueries({ queryKey: ["commands"] });
  return (
    <>
      <Button onClick={() => setAsking("cancel")}>
        <Ban /> Take back {count(open)}
      </Button>
      {waiting > 0 && admin && (
        <Button variant="danger" onClick={() => setAsking("confirm")}>
          <ShieldAlert /> Confirm
        </Button>
      )}
      <Confirm
        open={asking === "cancel"}
        onOpenChange={close}
        title={`Take back ${count(open)} commands?`}
        description="Those that their devices have already go on."
        action="Take them back"
        onConfirm={async () => {
          const { changed_count } = await api.post("/admin/bulk-commands/{id}/cancel", { path });
          toast.ok(`${count(changed_count)} were taken back.`);
          await read();
        }}
      />
      <Confirm
        open={asking === "confirm"}
        onOpenChange={close}
        title={`${title}: ${count(waiting)} devices?`}
        description="All that is on them is erased. This can't be undone."
        action={title}
        typeToConfirm={`${bulk.type} ${bulk.device_count}`}
        danger
        onConfirm={async () => {
          const { changed_count } = await api.post("/admin/bulk-commands/{id}/confirm", { path, body: { confirm: `${bulk.type} ${bulk.device_count}` } });
          toast.ok(`Confirmed: ${count(changed_count)} devices get it.`);
          await read();
        }}
      />
    </>
  );
}

/** One command to many devices, and how far it is. */
export function BulkDrawer({ id, onClose }: { id: string | null; onClose: () => void }) {
  const query = useQuery({
    queryKey: ["commands", "bulk", id],
    queryFn: ({ signal }) => api.get("/admin/bulk-commands/{id}", { path: { id: id ?? "" }, signal }),
    enabled: id !== null,
  });
  const bulk = query.data;
  const acts = useMay("operator") && bulk && progressOf(bulk.states).canCancel > 0;
  return (
    <Drawer
      open={id !== null}
      onOpenChange={(open) => !open && onClose()}
      title={bulk ? `${commandTitle(bulk.type)}: ${count(bulk.device_count)} devices` : "Bulk command"}
      description={`Bulk command ${id ?? ""}`}
      footer={acts && <Actions bulk={bulk} />}
    >
      {query.error && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.isPending && !query.error && <Skeleton className="h-64" />}
      {bulk && (
        <div className="grid grid-cols-1 gap-6">
          <Progress bulk={bulk} />
          <Facts>
            <Fact label="Asked by">{actorName(bulk.created_by)}</Fact>
            <Fact label="Asked">
              <Time at={bulk.created_at} />
            </Fact>
            <Fact label="Devices">
              <span className="tabular">
                {count(bulk.device_count)} of {count(bulk.asked_count)} that were asked for
              </span>
            </Fact>
            {bulk.withheld_count > 0 && <Fact label="Held back">{count(bulk.withheld_count)}, in quarantine</Fact>}
          </Facts>
          {Object.keys(bulk.payload).length > 0 && <CodeBlock text={JSON.stringify(bulk.payload, null, 2)} label="Copy the payload" />}
          <Button asChild size="sm" className="w-fit">
            <Link to={`/commands?of_bulk=${bulk.id}`}>
              <ListFilter /> Show its commands
            </Link>
          </Button>
        </div>
      )}
    </Drawer>
  );
}
