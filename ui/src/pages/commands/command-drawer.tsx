// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { SearchX } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { actorName, span } from "@/lib/alert-words";
import { commandTitle } from "@/lib/command-types";
import { isOver, PATHS, type Command } from "@/lib/command-words";
import { isUnknown } from "@/lib/form-error";
import { latency } from "@/lib/metrics";
import { useMay } from "@/session/session";
import { Badge, type Tone } from "@/ui/badge";
import { CodeBlock } from "@/ui/copy-button";
import { Drawer } from "@/ui/drawer";
import { Fact, Facts } from "@/ui/stat";
import { Empty, Failure, Skeleton } from "@/ui/states";
import { Time } from "@/ui/time";
import { CommandActions } from "./command-actions";
import { took } from "./columns";
import { CommandSteps } from "./command-steps";
import { ResultView } from "./result-view";
import { StateBadge } from "./state-badge";
import { useLiveStates } from "./use-live-states";

type Attempt = Schema<"CommandAttempt">;

const ATTEMPT_TONES: Record<Attempt["status"], Tone> = {
  started: "neutral",
  sent: "info",
  accepted: "ok",
  throttled: "warn",
  unregistered: "bad",
  refused: "bad",
  unreachable: "warn",
};

function Attempts({ attempts, over }: { attempts: Attempt[]; over: boolean }) {
  if (attempts.length === 0)
    return (
      <p className="text-sm text-ink-3">{over ? "It was never sent." : "It was not sent yet. The device gets it with its next request."}</p>
    );
  return (
    <ul className="divide-y divide-line">
      {attempts.map((one) => (
        <li key={one.number} className="grid gap-0.5 py-2 text-sm">
          <div className="flex items-center gap-2">
            <span className="w-6 text-xs text-ink-3 tabular">{one.number}</span>
            <span className="font-medium">{PATHS[one.path] ?? one.path}</span>
            <Badge tone={ATTEMPT_TONES[one.status]}>{one.status}</Badge>
            <span className="ml-auto text-xs text-ink-3 tabular">{one.latency_us ? latency(one.latency_us / 1e6) : ""}</span>
            <Time at={one.started_at} className="text-xs whitespace-nowrap text-ink-3" />
          </div>
          {(one.error || one.http_status) && (
            <p className="pl-8 text-xs break-words text-ink-2">
              {[one.http_status && `HTTP ${one.http_status}`, one.error].filter(Boolean).join(": ")}
              {one.retry_at && (
                <>
                  , again <Time at={one.retry_at} />
                </>
              )}
            </p>
          )}
        </li>
      ))}
    </ul>
  );
}

const pretty = (value: unknown) => JSON.stringify(value, null, 2);

function Result({ command }: { command: Command }) {
  const { report } = command;
  if (!report) {
    const silent = isOver(command.state) ? "The device reported nothing." : "The device has not reported yet.";
    return <p className="text-sm text-ink-3">{silent}</p>;
  }
  return (
    <div className="grid grid-cols-1 gap-2">
      {report.late && (
        <p className="rounded-control bg-warn-soft px-3 py-2 text-sm">It came after the command had expired or was cancelled.</p>
      )}
      {report.error && <p className="rounded-control bg-bad-soft px-3 py-2 text-sm break-words">{report.error}</p>}
      {report.result !== undefined && report.result !== null ? (
        <ResultView result={report.result} name={`${command.type}-${command.device_alias}-${command.id}`} device={command.device_alias} />
      ) : (
        !report.error && <p className="text-sm text-ink-3">It was {report.status}; nothing more came with it.</p>
      )}
    </div>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section aria-label={title} className="grid grid-cols-1 gap-2">
      <h3 className="text-sm font-semibold">{title}</h3>
      {children}
    </section>
  );
}

function Details({ command, attempts }: { command: Command; attempts: Attempt[] }) {
  const empty = Object.keys(command.payload).length === 0;
  return (
    <div className="grid grid-cols-1 gap-6">
      <div className="flex flex-wrap items-center gap-2">
        <StateBadge state={command.state} />
        {command.bulk_id && (
          <Link to={`/commands?bulk_id=${command.bulk_id}`} className="rounded-full">
            <Badge tone="accent" className="hover:underline">
              Bulk {command.bulk_id}
            </Badge>
          </Link>
        )}
        {command.state === "done" && took(command) && <span className="text-xs text-ink-3">answered within {took(command)}</span>}
      </div>
      {command.error && command.error !== command.report?.error && (
        <p className="rounded-control bg-bad-soft px-3 py-2 text-sm">{command.error}</p>
      )}
      {command.withheld && (
        <p className="rounded-control bg-warn-soft px-3 py-2 text-sm">
          It is held back: its device is in quarantine, for two may share its identity.
        </p>
      )}
      <CommandSteps command={command} />
      <Facts>
        <Fact label="Device">
          <Link to={`/devices/${command.device_id}`} className="font-medium text-accent hover:underline">
            {command.device_alias}
          </Link>
        </Fact>
        <Fact label="Asked by">{actorName(command.created_by)}</Fact>
        <Fact label="First came by">{command.first_path ? PATHS[command.first_path] : "–"}</Fact>
        {!isOver(command.state) && (
          <Fact label="Ends by itself">
            <Time at={command.expires_at} />
          </Fact>
        )}
        <Fact label="Time to receive">{span(command.ttl_s)}</Fact>
      </Facts>
      {!empty && (
        <Section title="Payload">
          <CodeBlock text={pretty(command.payload)} label="Copy the payload" />
        </Section>
      )}
      <Section title="Result">
        <Result command={command} />
      </Section>
      <Section title="Attempts">
        <Attempts attempts={attempts} over={isOver(command.state)} />
      </Section>
    </div>
  );
}

export function CommandDrawer({ id, onClose }: { id: string | null; onClose: () => void }) {
  const query = useQuery({
    queryKey: ["commands", "one", id],
    queryFn: ({ signal }) => api.get("/admin/commands/{id}", { path: { id: id ?? "" }, signal }),
    enabled: id !== null,
  });
  const operator = useMay("operator");
  const unknown = isUnknown(query.error);
  const [command] = useLiveStates(query.data ? [query.data.command] : []);
  return (
    <Drawer
      open={id !== null}
      onOpenChange={(open) => !open && onClose()}
      title={command ? commandTitle(command.type) : "Command"}
      description={`Command ${id ?? ""}`}
      className="sm:max-w-xl"
      footer={operator && command && !isOver(command.state) && <CommandActions command={command} />}
    >
      {unknown && (
        <Empty icon={SearchX} title="There is no such command">
          Nothing has the number {id}; commands that are over are kept for a while only.
        </Empty>
      )}
      {query.error && !unknown && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.isPending && !query.error && <Skeleton className="h-64" />}
      {command && query.data && <Details command={command} attempts={query.data.attempts} />}
    </Drawer>
  );
}
