// SPDX-License-Identifier: Apache-2.0
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Monitor, Smartphone } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { signOut } from "@/session/session";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { Failure, Skeleton } from "@/ui/states";
import { Time } from "@/ui/time";
import { toast } from "@/ui/toast";
import { programOf } from "./user-agent";

export const SESSIONS_KEY = ["me", "sessions"];
const SHOWN = 6;

function Entry({ session, onEnd }: { session: Schema<"Session">; onEnd: () => void }) {
  const program = programOf(session.user_agent);
  const Icon = program.phone ? Smartphone : Monitor;
  return (
    <li className="flex items-center gap-3.5 px-4 py-3 sm:px-5">
      <span className="grid size-9 shrink-0 place-items-center rounded-full bg-surface-2 text-ink-3">
        <Icon className="size-4" aria-hidden />
      </span>
      <div className="min-w-0 grow">
        <p className="flex flex-wrap items-center gap-x-2 gap-y-1 text-sm font-medium">
          <span className="truncate" title={session.user_agent ?? undefined}>
            {program.name}
          </span>
          {session.current && <Badge tone="accent">this one</Badge>}
        </p>
        <p className="mt-0.5 text-xs text-ink-3">
          <span className="tabular">{session.address}</span> · used <Time at={session.last_used_at} /> · opened{" "}
          <Time at={session.created_at} />
        </p>
      </div>
      {!session.current && (
        <Button size="sm" onClick={onEnd} aria-label={`End the session of ${program.name} from ${session.address}`}>
          End
        </Button>
      )}
    </li>
  );
}

export function Sessions() {
  const queries = useQueryClient();
  const [all, setAll] = useState(false);
  const [ending, setEnding] = useState<Schema<"Session"> | null>(null);
  const [everywhere, setEverywhere] = useState(false);
  const { data, error, refetch } = useQuery({
    queryKey: SESSIONS_KEY,
    queryFn: ({ signal }) => api.get("/api/auth/sessions", { signal }),
  });

  if (error) return <Failure error={error} retry={() => void refetch()} className="m-4" />;
  if (!data)
    return (
      <div className="grid gap-3 p-5" aria-busy="true">
        <Skeleton className="h-9" />
        <Skeleton className="h-9 w-4/5" />
      </div>
    );
  const sorted = data.sessions.toSorted((a, b) => Number(b.current) - Number(a.current) || b.last_used_at.localeCompare(a.last_used_at));
  const shown = all ? sorted : sorted.slice(0, SHOWN);
  const end = async (session: Schema<"Session">) => {
    await api.delete("/api/auth/sessions/{id}", { path: { id: session.id } });
    await queries.invalidateQueries({ queryKey: SESSIONS_KEY });
    toast.ok("The session has ended.");
  };
  return (
    <>
      <ul className="divide-y divide-line">
        {shown.map((session) => (
          <Entry key={session.id} session={session} onEnd={() => setEnding(session)} />
        ))}
      </ul>
      <footer className="flex flex-wrap items-center justify-between gap-3 border-t border-line bg-surface-2/50 px-4 py-3 sm:px-5">
        {sorted.length > SHOWN ? (
          <Button variant="ghost" size="sm" onClick={() => setAll(!all)}>
            {all ? "Show fewer" : `Show all ${sorted.length}`}
          </Button>
        ) : (
          <span />
        )}
        <Button size="sm" onClick={() => setEverywhere(true)}>
          Sign out everywhere
        </Button>
      </footer>
      <Confirm
        open={ending !== null}
        onOpenChange={() => setEnding(null)}
        title="End this session?"
        description={ending ? `${programOf(ending.user_agent).name} from ${ending.address} will have to sign in again.` : ""}
        action="End the session"
        danger
        onConfirm={async () => {
          if (ending) await end(ending);
        }}
      />
      <Confirm
        open={everywhere}
        onOpenChange={setEverywhere}
        title="Sign out everywhere?"
        description="All of your sessions end, this one too. API tokens are not sessions: they stay."
        action="Sign out everywhere"
        danger
        onConfirm={() => signOut(true)}
      />
    </>
  );
}
