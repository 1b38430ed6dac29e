// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { CircleAlert, CircleCheck, CircleMinus, RefreshCw, TriangleAlert, type LucideIcon } from "lucide-react";
import { Link } from "react-router";
import { api } from "@/api/client";
import type { Schema } from "@/api/types";
import { cn } from "@/lib/cn";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { Failure, Skeleton } from "@/ui/states";
import { Time } from "@/ui/time";

type Check = Schema<"DoctorCheck">;
type Status = Check["status"];

interface Group {
  status: Status;
  title: string;
  icon: LucideIcon;
  tone: string;
  soft: string;
}

const GROUPS: Group[] = [
  { status: "fail", title: "Must be mended", icon: CircleAlert, tone: "text-bad", soft: "bg-bad-soft text-bad" },
  { status: "warn", title: "Should be looked at", icon: TriangleAlert, tone: "text-warn", soft: "bg-warn-soft text-warn" },
  { status: "skip", title: "Could not be told, or does not apply", icon: CircleMinus, tone: "text-ink-3", soft: "bg-idle-soft text-ink-2" },
  { status: "ok", title: "As it should be", icon: CircleCheck, tone: "text-ok", soft: "bg-ok-soft text-ok" },
];
const WORST: Record<"ok" | "warn" | "fail", Status> = { ok: "ok", warn: "warn", fail: "fail" };

/** Where on the console a finding can be looked into, or mended. */
const PLACES: Record<string, readonly [to: string, name: string]> = {
  "alert-channels": ["/alerts/channels", "Channels"],
  archive: ["/appliance/archives", "Archives"],
  backup: ["/appliance/backups", "Backups"],
  "backup-check": ["/appliance/backups", "Backups"],
  "backup-outcome": ["/appliance/backups", "Backups"],
  jobs: ["/appliance/jobs", "Jobs"],
  partitions: ["/appliance/partitions", "Partitions"],
  "journal-room": ["/appliance", "Pipeline"],
  storing: ["/appliance/database", "Database"],
  passwords: ["/users", "Users"],
  administrators: ["/users", "Users"],
  quarantine: ["/devices?status=quarantined", "Devices in quarantine"],
  "agent-versions": ["/devices", "Devices"],
  "audit-chain": ["/audit", "Audit"],
};

const nameOf = (check: string) => check.replaceAll("-", " ");

function verdict({ counts }: Schema<"Doctor">): string {
  const things = (number: number) => (number === 1 ? "1 thing" : `${number} things`);
  if (counts.fail > 0)
    return counts.warn > 0
      ? `${things(counts.fail)} must be mended, ${counts.warn} should be looked at`
      : `${things(counts.fail)} must be mended`;
  if (counts.warn > 0) return `${things(counts.warn)} should be looked at`;
  return "Everything is as it should be";
}

function CheckLine({ check, group }: { check: Check; group: Group }) {
  const place = PLACES[check.name];
  return (
    <li className="flex gap-3 px-4 py-3">
      <group.icon className={cn("mt-0.5 size-4 shrink-0", group.tone)} aria-hidden />
      <div className="min-w-0 grow sm:grid sm:grid-cols-[11rem_minmax(0,1fr)] sm:gap-4">
        <p className="text-sm font-medium first-letter:uppercase">{nameOf(check.name)}</p>
        <div className="min-w-0">
          <p className="text-sm break-words text-ink-2">{check.found}</p>
          {check.advice && <p className="mt-1 text-sm break-words text-ink">{check.advice}</p>}
          {place && group.status !== "ok" && (
            <Link to={place[0]} className="mt-1 inline-block text-sm font-medium text-accent hover:underline">
              {place[1]}
            </Link>
          )}
        </div>
      </div>
    </li>
  );
}

function GroupCard({ group, checks }: { group: Group; checks: Check[] }) {
  if (checks.length === 0) return null;
  return (
    <Card>
      <details open={group.status !== "ok"} className="group/details">
        <summary className="flex cursor-pointer items-center gap-2 rounded-card px-4 py-3 text-sm font-semibold">
          <span className="grow">{group.title}</span>
          <span className="rounded-full bg-surface-2 px-2 py-0.5 text-xs font-medium text-ink-2 tabular">{checks.length}</span>
        </summary>
        <ul className="divide-y divide-line border-t border-line">
          {checks.map((check) => (
            <CheckLine key={check.name} check={check} group={group} />
          ))}
        </ul>
      </details>
    </Card>
  );
}

export function DoctorTab() {
  const doctor = useQuery({
    queryKey: ["doctor"],
    queryFn: ({ signal }) => api.get("/admin/doctor", { signal }),
    staleTime: 600_000, // walks the audit chain: on demand
  });
  if (doctor.isPending)
    return (
      <div className="grid gap-4" aria-busy="true">
        <Skeleton className="h-20" />
        <Skeleton className="h-40" />
        <Skeleton className="h-64" />
      </div>
    );
  if (doctor.error && !doctor.data) return <Failure error={doctor.error} retry={() => void doctor.refetch()} />;
  const { data } = doctor;
  if (!data) return null;
  const worst = GROUPS.find((group) => group.status === WORST[data.status as keyof typeof WORST]);
  const Icon = worst?.icon ?? CircleCheck;
  return (
    <div className="grid gap-4">
      <Card className="flex flex-wrap items-center gap-4 px-4 py-4 sm:px-5">
        <span aria-hidden className={cn("grid size-11 place-items-center rounded-full", worst?.soft)}>
          <Icon className="size-6" />
        </span>
        <div className="min-w-0 grow basis-52">
          <h2 className="text-lg font-semibold tracking-tight text-balance">{verdict(data)}</h2>
          <p className="text-sm text-ink-2">
            {data.checks.length} checks, examined <Time at={doctor.dataUpdatedAt / 1000} />
          </p>
        </div>
        <Button busy={doctor.isFetching} onClick={() => void doctor.refetch()}>
          {!doctor.isFetching && <RefreshCw />}
          Examine again
        </Button>
      </Card>
      {doctor.error && <Failure error={doctor.error} />}
      {GROUPS.map((group) => (
        <GroupCard key={group.status} group={group} checks={data.checks.filter((check) => check.status === group.status)} />
      ))}
    </div>
  );
}
