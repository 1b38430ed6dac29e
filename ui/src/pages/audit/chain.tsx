// SPDX-License-Identifier: Apache-2.0
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link2, ShieldAlert, ShieldCheck } from "lucide-react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { cn } from "@/lib/cn";
import { count } from "@/lib/format";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { Code } from "@/ui/copy-button";
import { Failure } from "@/ui/states";
import { Time } from "@/ui/time";

type Report = Schema<"AuditReport">;

/** Opens the entry of this number. */
type Open = (id: string) => void;

function Place({ problem, onOpen }: { problem: Report["problems"][number]; onOpen: Open }) {
  const { entry_id: entry, link } = problem;
  return (
    <p className="flex flex-wrap items-center gap-x-2 text-xs text-ink-3 tabular">
      {entry && (
        <button type="button" onClick={() => onOpen(entry)} className="rounded font-medium text-accent hover:underline">
          entry {entry}
        </button>
      )}
      {link !== null && <span>link {count(link)} of the chain</span>}
    </p>
  );
}

function Problems({ report, onOpen }: { report: Report; onOpen: Open }) {
  const more = report.problem_count - report.problems.length;
  return (
    <ul aria-label="What is wrong with the log" className="mt-3 grid max-h-72 gap-2 overflow-y-auto">
      {report.problems.map((problem, index) => (
        <li key={index} className="flex items-start gap-3 rounded-control bg-surface px-3 py-2 text-sm">
          <Badge tone="bad">{problem.kind}</Badge>
          <div className="min-w-0">
            <p>{problem.detail}</p>
            <Place problem={problem} onOpen={onOpen} />
          </div>
        </li>
      ))}
      {more > 0 && <li className="text-xs text-ink-3">and {count(more)} more</li>}
    </ul>
  );
}

function Words({ report, at, onOpen }: { report: Report; at: number; onOpen: Open }) {
  const wrong = report.problem_count;
  return (
    <div className="min-w-0 grow">
      <p className={cn("text-sm font-semibold", report.ok ? "text-ok" : "text-bad")}>
        {report.ok
          ? "The log is whole: nothing was changed, deleted, inserted or moved"
          : `The log can't be believed: ${count(wrong)} ${wrong === 1 ? "place is" : "places are"} wrong`}
      </p>
      <p className="mt-0.5 text-xs text-ink-2 tabular">
        {count(report.linked)} entries verified <Time at={at / 1000} />
        {report.first_link > 1 && <> · the chain begins at link {count(report.first_link)}: retention has taken those before</>}
        {report.unlinked > 0 && <> · {count(report.unlinked)} fresh, linked within a second</>}
      </p>
      <div className="mt-1.5 flex flex-wrap items-center gap-x-2 gap-y-1 text-xs text-ink-2">
        Its end, to note down elsewhere: <Code text={report.last_sha256} />
      </div>
      {!report.ok && <Problems report={report} onOpen={onOpen} />}
    </div>
  );
}

/** Whether the log can be believed: walked through when it is asked for. */
export function Chain({ onOpen }: { onOpen: Open }) {
  const verify = useQuery({
    queryKey: ["audit-verify"],
    queryFn: ({ signal }) => api.get("/admin/audit/verify", { signal }),
    enabled: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const queries = useQueryClient();
  // What is wrong is to be looked at as it is now, not as the list has it.
  const walk = async () => {
    const { data } = await verify.refetch();
    if (data && !data.ok) await queries.invalidateQueries({ queryKey: ["audit"] });
  };
  const report = verify.data;
  const Icon = !report ? Link2 : report.ok ? ShieldCheck : ShieldAlert;
  const look = !report ? "bg-surface-2 text-ink-3" : report.ok ? "bg-ok-soft text-ok" : "bg-bad-soft text-bad";
  return (
    <Card className={cn("mb-4 px-4 py-3.5", report && !report.ok && "border-bad/50")} aria-label="The chain" data-testid="chain">
      <div className="flex flex-wrap items-start gap-x-3.5 gap-y-3">
        <span
          className={cn("grid size-9 shrink-0 place-items-center rounded-full", look)}
        >
          <Icon className="size-4.5" aria-hidden />
        </span>
        <div role="status" className="flex min-w-0 grow basis-64">
          {report ? (
            <Words report={report} at={verify.dataUpdatedAt} onOpen={onOpen} />
          ) : (
            <div>
              <p className="text-sm font-semibold">Every entry is chained to the one before</p>
              <p className="mt-0.5 text-xs text-ink-2">
                Verifying walks the chain from its beginning and names each entry that was touched.
              </p>
            </div>
          )}
        </div>
        <Button busy={verify.isFetching} onClick={() => void walk()}>
          {report ? "Verify again" : "Verify the chain"}
        </Button>
      </div>
      {verify.error && <Failure error={verify.error} retry={() => void walk()} className="mt-3" />}
    </Card>
  );
}
