// SPDX-License-Identifier: Apache-2.0
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { duration } from "@/lib/format";
import { newKey } from "@/lib/new-key";
import { useMay } from "@/session/session";
import { StatusBadge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Code, CodeBlock } from "@/ui/copy-button";
import { Drawer } from "@/ui/drawer";
import { Fact, Facts } from "@/ui/stat";
import { Failure, Skeleton } from "@/ui/states";
import { Time } from "@/ui/time";
import { toast } from "@/ui/toast";
import { commandLabel } from "./command-types";
import { epoch } from "./history";
import { ResultView } from "./result-view";
import { ConfirmWipe } from "./send-command";
import { keyOf } from "./use-device";

type Command = Schema<"Command">;

const CANCELLABLE = ["awaiting_confirmation", "queued", "sent"];
const STEPS: [keyof Command & ("created_at" | "queued_at" | "sent_at" | "received_at" | "finished_at"), string][] = [
  ["created_at", "Asked for"],
  ["queued_at", "Ready to be sent"],
  ["sent_at", "Sent first"],
  ["received_at", "Received"],
  ["finished_at", "Over"],
];

export const spell = (seconds: number) => (seconds < 1 ? `${Math.max(0, Math.round(seconds * 1000))} ms` : duration(seconds));

function Course({ command }: { command: Command }) {
  const start = epoch(command.created_at);
  return (
    <Facts>
      <Fact label="State">
        <StatusBadge status={command.state} />
      </Fact>
      {STEPS.filter(([name]) => command[name]).map(([name, label]) => (
        <Fact key={name} label={label}>
          <Time at={command[name]} />
          {name !== "created_at" && <span className="text-ink-3 tabular"> · after {spell(epoch(command[name]) - start)}</span>}
        </Fact>
      ))}
      <Fact label="Asked by">{command.created_by}</Fact>
      {command.first_path && <Fact label="Came by">{command.first_path}</Fact>}
      {!command.finished_at && (
        <Fact label="Ends">
          <Time at={command.expires_at} />
        </Fact>
      )}
      {command.withheld && <Fact label="Held back">the device is in quarantine</Fact>}
      {command.error && <Fact label="Why">{command.error}</Fact>}
      {command.report?.error && <Fact label="It says">{command.report.error}</Fact>}
      {command.report?.late && <Fact label="Late">the answer came when the command was over already</Fact>}
      <Fact label="Id">
        <Code text={command.id} />
      </Fact>
    </Facts>
  );
}

function Attempts({ attempts }: { attempts: Schema<"CommandAttempt">[] }) {
  if (attempts.length === 0) return null;
  return (
    <section>
      <h3 className="mb-2 text-sm font-semibold">Attempts to deliver it</h3>
      <ul className="grid gap-1.5 text-sm">
        {attempts.map((one) => (
          <li key={one.number} className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5">
            <span className="w-6 text-right text-ink-3 tabular">{one.number}</span>
            <span className="w-24">{one.path.replace("_", " ")}</span>
            <span className={["sent", "accepted"].includes(one.status) ? "text-ok" : "text-ink-2"}>{one.status}</span>
            {one.latency_us !== null && <span className="text-ink-3 tabular">{(one.latency_us / 1000).toFixed(1)} ms</span>}
            <Time at={one.started_at} className="ml-auto text-ink-3" />
            {one.error && <span className="basis-full pl-9 text-xs text-bad">{one.error}</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}

export function CommandDrawer({ deviceId, commandId, onClose }: { deviceId: string; commandId: string; onClose: () => void }) {
  const client = useQueryClient();
  const operator = useMay("operator");
  const admin = useMay("admin");
  const [wiping, setWiping] = useState(false);
  const query = useQuery({
    queryKey: keyOf(deviceId, "commands", "one", commandId),
    queryFn: ({ signal }) => api.get("/admin/commands/{id}", { path: { id: commandId }, signal }),
  });
  const command = query.data?.command;
  const cancel = async () => {
    try {
      await api.post("/admin/commands/{id}/cancel", { path: { id: commandId }, idempotencyKey: newKey() });
      toast.ok("The command is taken back.");
    } catch (error) {
      toast.failed(error);
    }
    await client.invalidateQueries({ queryKey: keyOf(deviceId, "commands") });
  };
  const open = command !== undefined && CANCELLABLE.includes(command.state) && operator;
  const payload = command?.payload && Object.keys(command.payload).length > 0 ? JSON.stringify(command.payload, null, 2) : null;
  return (
    <Drawer
      open
      onOpenChange={(next) => !next && onClose()}
      title={command ? commandLabel(command.type) : "Command"}
      description={command?.device_alias}
      footer={
        open && (
          <>
            <Button onClick={() => void cancel()}>Take it back</Button>
            {command.state === "awaiting_confirmation" && admin && (
              <Button variant="danger" onClick={() => setWiping(true)}>
                Confirm the wipe…
              </Button>
            )}
          </>
        )
      }
    >
      {query.error && <Failure error={query.error} retry={() => void query.refetch()} />}
      {!query.data && !query.error && <Skeleton className="h-64" />}
      {query.data && command && (
        <div className="grid grid-cols-[minmax(0,1fr)] gap-6">
          <Course command={command} />
          {payload && (
            <section>
              <h3 className="mb-2 text-sm font-semibold">What was asked</h3>
              <CodeBlock text={payload} label="Copy the payload" />
            </section>
          )}
          {command.report?.has_result && (
            <section>
              <h3 className="mb-2 text-sm font-semibold">Result</h3>
              <ResultView result={command.report.result} name={`${command.type}-${command.device_alias}-${command.id}`} />
            </section>
          )}
          <Attempts attempts={query.data.attempts} />
        </div>
      )}
      {wiping && command && <ConfirmWipe command={command} onClose={() => setWiping(false)} />}
    </Drawer>
  );
}
