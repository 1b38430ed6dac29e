// SPDX-License-Identifier: Apache-2.0
import { api } from "@/api/client";
import { actorName, eventLine, isGroup, type Incident, type IncidentEvent, type Unit } from "@/lib/alert-words";
import { useKeyset } from "@/lib/keyset";
import { cn } from "@/lib/cn";
import { Button } from "@/ui/button";
import { Dot, type Tone } from "@/ui/badge";
import { Failure, Skeleton } from "@/ui/states";
import { Time } from "@/ui/time";

const PAGE = 100;

const TONES: Record<string, Tone> = {
  opened: "bad",
  fired: "bad",
  resolved: "ok",
  closed: "ok",
  acked: "info",
  noted: "accent",
  notified: "info",
  not_notified: "warn",
  remedy_sent: "info",
  remedy_done: "ok",
  remedy_worked: "ok",
  remedy_failed: "warn",
  remedy_gave_up: "bad",
};

const BY_PEOPLE = new Set(["acked", "unacked", "noted"]);

function ThreadLine({ event, incident, unit, last }: { event: IncidentEvent; incident: Incident; unit: Unit | undefined; last: boolean }) {
  const { title, more } = eventLine(event, unit);
  const said = BY_PEOPLE.has(event.kind);
  return (
    <li className="relative grid grid-cols-[1rem_minmax(0,1fr)_auto] gap-x-2 pb-4">
      {!last && <span aria-hidden className="absolute top-3 bottom-0 left-[0.4375rem] w-px bg-line" />}
      <Dot tone={TONES[event.kind] ?? "neutral"} className="relative mt-1.5 ml-1 ring-4 ring-raised" />
      <div className="min-w-0">
        <p className="text-sm">
          <span className="font-medium">{title}</span>
          {said && <> by {actorName(event.actor)}</>}
          {isGroup(incident) && event.device_alias && <span className="text-ink-2"> · {event.device_alias}</span>}
        </p>
        {more && (
          <p
            className={cn(
              "break-words",
              said ? "mt-1 rounded-control bg-surface-2 px-2.5 py-1.5 text-sm whitespace-pre-line" : "text-xs text-ink-2",
            )}
          >
            {more}
          </p>
        )}
      </div>
      <Time at={event.at} className="text-xs leading-5 whitespace-nowrap text-ink-3" />
    </li>
  );
}

/** What happened, line by line, the newest first. */
export function IncidentThread({ incident, unit }: { incident: Incident; unit: Unit | undefined }) {
  const { rows, query } = useKeyset(["alerts", "thread", incident.id], async (cursor, signal) => {
    const page = await api.get("/admin/incidents/{id}/events", { path: { id: incident.id }, query: { cursor, limit: PAGE }, signal });
    return { rows: page.events, next: page.next_cursor };
  });
  if (query.isPending) return <Skeleton className="h-32" />;
  return (
    <>
      {query.error && <Failure error={query.error} retry={() => void query.refetch()} className="mb-3" />}
      <ol aria-label="Thread">
        {rows.map((event, index) => (
          <ThreadLine key={event.id} event={event} incident={incident} unit={unit} last={index === rows.length - 1} />
        ))}
      </ol>
      {query.hasNextPage && (
        <Button size="sm" busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          Older lines
        </Button>
      )}
    </>
  );
}
