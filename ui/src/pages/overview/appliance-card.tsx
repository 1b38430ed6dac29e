// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { api } from "@/api/client";
import { bytes, count, duration, percent } from "@/lib/format";
import { useHealth, type Health } from "@/lib/health";
import type { LiveFleet } from "@/live/store";
import { useMay } from "@/session/session";
import { Dot, type Tone } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Card, CardBody, CardHeader } from "@/ui/card";
import { Failure, Skeleton } from "@/ui/states";
import { Time } from "@/ui/time";

const BACKUPS_READ = 10;

function Fact({ tone, label, children }: { tone: Tone; label: string; children: ReactNode }) {
  return (
    <div className="flex items-center gap-2.5 py-2 text-sm">
      <Dot tone={tone} />
      <dt className="shrink-0 text-ink-2">{label}</dt>
      <dd className="min-w-0 grow truncate text-right font-medium tabular">{children}</dd>
    </div>
  );
}

function LastBackup() {
  const backups = useQuery({
    queryKey: ["backups", "newest"],
    queryFn: ({ signal }) => api.get("/admin/backups", { query: { limit: BACKUPS_READ }, signal }),
    staleTime: 300_000,
  });
  if (backups.isPending)
    return (
      <Fact tone="neutral" label="Last backup">
        …
      </Fact>
    );
  if (backups.error)
    return (
      <Fact tone="warn" label="Last backup">
        could not be read
      </Fact>
    );
  const [newest] = backups.data.backups;
  const good = backups.data.backups.find((backup) => backup.outcome === "ok");
  const isTroubled = newest?.outcome === "failed" || good?.check_outcome === "failed";
  return (
    <Fact tone={good ? (isTroubled ? "warn" : "ok") : newest?.outcome === "running" ? "info" : "bad"} label="Last backup">
      {good ? <Time at={good.finished_at} /> : newest?.outcome === "running" ? "the first is being made" : "none yet"}
    </Fact>
  );
}

const JOURNAL: Record<Health["journal"]["state"], string> = {
  accepting: "yes",
  full: "no, the journal is full",
  refusing: "no, the journal's disk fails",
  draining: "no, it is being stopped",
  unknown: "unknown",
};

/** Below an hour it is urgent; a day is soon. */
function roomTone(hours: number | null): Tone {
  if (hours === null || hours > 24) return "ok";
  return hours > 1 ? "warn" : "bad";
}

function diskTone(disk: NonNullable<Health["disk"]>): Tone {
  const free = disk.free_bytes / disk.total_bytes;
  return free > 0.15 ? "ok" : free > 0.1 ? "warn" : "bad";
}

function HealthFacts({ health, fleet }: { health: Health; fleet: LiveFleet | null }) {
  const storing = fleet?.storing ?? health.database.storing;
  const backlog = fleet?.backlog ?? health.backlog.records;
  const { hours_left, used_bytes, capacity_bytes } = health.journal;
  return (
    <>
      <Fact tone={health.journal.state === "accepting" ? "ok" : "bad"} label="Accepts heartbeats">
        {JOURNAL[health.journal.state]}
      </Fact>
      <Fact tone={storing ? "ok" : "bad"} label="Stores them">
        {storing ? "yes" : "no, the database is away"}
      </Fact>
      <Fact tone={backlog === 0 || health.backlog.oldest_s < 10 ? "ok" : "warn"} label="Waiting to be stored">
        {backlog === 0 ? "none" : count(backlog)}
        {backlog > 0 && health.backlog.oldest_s > 0 && (
          <span className="font-normal text-ink-3"> · {duration(health.backlog.oldest_s)}</span>
        )}
      </Fact>
      <Fact tone={roomTone(hours_left)} label="Journal">
        {percent(used_bytes, capacity_bytes)} used
        {hours_left !== null && <span className="font-normal text-ink-3"> · room for {duration(hours_left * 3600)}</span>}
      </Fact>
      {health.disk && (
        <Fact tone={diskTone(health.disk)} label="Disk">
          {bytes(health.disk.free_bytes)} free
          <span className="font-normal text-ink-3"> · {percent(health.disk.free_bytes, health.disk.total_bytes)}</span>
        </Fact>
      )}
    </>
  );
}

/** Is what the fleet reports to in good health? */
export function ApplianceCard({ fleet, className }: { fleet: LiveFleet | null; className?: string }) {
  const health = useHealth();
  const may = useMay("operator");
  return (
    <Card className={className} aria-label="Appliance">
      <CardHeader
        title="Appliance"
        hint={health.data && `Version ${health.data.version}, ${health.data.well ? "well" : "not well"}`}
        actions={
          <Button asChild variant="ghost" size="sm" className="-mr-2.5 text-accent">
            <Link to="/appliance">Details</Link>
          </Button>
        }
      />
      <CardBody>
        {health.isPending && (
          <div className="grid gap-3" aria-busy="true">
            {[0, 1, 2, 3, 4, 5].map((line) => (
              <Skeleton key={line} className="h-6" />
            ))}
          </div>
        )}
        {health.error && <Failure error={health.error} retry={() => void health.refetch()} />}
        {health.data && (
          <dl className="divide-y divide-line">
            <HealthFacts health={health.data} fleet={fleet} />
            {may && <LastBackup />}
          </dl>
        )}
      </CardBody>
    </Card>
  );
}
