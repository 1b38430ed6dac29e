// SPDX-License-Identifier: Apache-2.0
/** Where the appliance keeps things, and the machine it runs on. */
import { bytes, count, decimal, duration } from "@/lib/format";
import type { Health } from "@/lib/health";
import { total, type Reading } from "@/lib/metrics";
import { StatusBadge } from "@/ui/badge";
import { Card, CardBody, CardHeader } from "@/ui/card";
import { Fact, Facts } from "@/ui/stat";
import { Meter } from "./meter";

const sum = (now: Reading, name: string, having = "") => total(now, name, having) ?? 0;

export function JournalCard({ now }: { now: Reading }) {
  const used = sum(now, "muster_journal_used_bytes");
  const capacity = sum(now, "muster_journal_capacity_bytes");
  const left = total(now, "muster_journal_left_seconds");
  const damaged = sum(now, "muster_journal_damaged_bytes");
  const missing = sum(now, "muster_journal_missing_records");
  const errors = sum(now, "muster_journal_write_errors_total") + sum(now, "muster_journal_sync_errors_total");
  return (
    <Card>
      <CardHeader title="Journal" hint="What was acknowledged is here until PostgreSQL has it" />
      <CardBody className="grid gap-4">
        <Meter label="Room" used={used} whole={capacity} says={`${bytes(used)} of ${bytes(capacity)}`} />
        <Facts>
          <Fact label="Segments">{count(sum(now, "muster_journal_segments"))}</Fact>
          <Fact label="Full in">
            {left !== null && Number.isFinite(left) ? `${duration(left)} at this rate, if nothing were stored` : "never, nothing comes in"}
          </Fact>
          <Fact label="Durable up to">{count(sum(now, "muster_journal_durable_sequence"))}</Fact>
          <Fact label="Stored up to">{count(sum(now, "muster_writer_checkpoint_sequence"))} (checkpoint)</Fact>
          <Fact label="Disk errors">{errors > 0 ? <span className="text-bad">{count(errors)}</span> : "none"}</Fact>
          <Fact label="Damage">
            {damaged > 0 || missing > 0 ? (
              <span className="text-bad">
                {bytes(damaged)} damaged, {count(missing)} missing at most
              </span>
            ) : (
              "none found"
            )}
          </Fact>
        </Facts>
      </CardBody>
    </Card>
  );
}

export function MachineCard({ now }: { now: Reading }) {
  const memory = sum(now, "muster_host_memory_total_bytes");
  const free = sum(now, "muster_host_memory_available_bytes");
  const disk = sum(now, "muster_host_data_size_bytes");
  const diskFree = sum(now, "muster_host_data_free_bytes");
  const cpus = sum(now, "muster_host_cpus");
  const load = sum(now, "muster_host_load1");
  const started = sum(now, "process_start_time_seconds");
  return (
    <Card>
      <CardHeader title="Machine" hint={`Up for ${duration(now.at - started)}`} />
      <CardBody className="grid gap-4">
        <Meter label="Disk" used={disk - diskFree} whole={disk} says={`${bytes(diskFree)} of ${bytes(disk)} free`} />
        <Meter label="Memory" used={memory - free} whole={memory} says={`${bytes(free)} of ${bytes(memory)} free`} />
        <Meter label="Load" used={load} whole={cpus} says={`${decimal(load)} on ${count(cpus)} processors`} />
        <Facts>
          <Fact label="musterd's memory">{bytes(sum(now, "process_resident_memory_bytes"))}</Fact>
          <Fact label="Open files">
            {count(sum(now, "process_open_fds"))} of {count(sum(now, "process_max_fds"))}
          </Fact>
          <Fact label="Operators live">{count(sum(now, "muster_live_clients"))}</Fact>
        </Facts>
      </CardBody>
    </Card>
  );
}

const PRIVATE = "The appliance's own PostgreSQL";

export function DatabaseCard({ now, health }: { now: Reading; health: Health | undefined }) {
  const most = sum(now, "muster_pg_connections_max");
  const lent = sum(now, "muster_pg_connections", 'state="lent"');
  const waiters = sum(now, "muster_pg_connection_waiters");
  const database = health?.database;
  return (
    <Card>
      <CardHeader title="Database" hint={database?.private ? PRIVATE : "An existing PostgreSQL"} />
      <CardBody className="grid gap-4">
        <Meter label="Connections in use" used={lent} whole={most} says={`${count(lent)} of ${count(most)}`} />
        <Facts>
          <Fact label="Stores">{database ? <StatusBadge status={database.storing ? "ok" : "failed"} /> : "–"}</Fact>
          <Fact label="Breaker">{database?.breaker ?? "–"}</Fact>
          {database?.private && (
            <Fact label="Server">
              {database.private.state}
              {database.private.restarts > 0 && `, ended by itself ${count(database.private.restarts)} times`}
            </Fact>
          )}
          {database?.private?.last_error && <Fact label="Last error">{database.private.last_error}</Fact>}
          <Fact label="Wait for a connection">{waiters > 0 ? `${count(waiters)} wait now` : "nobody"}</Fact>
          <Fact label="Failed connects">{count(sum(now, "muster_pg_connects_total", 'result="failed"'))}</Fact>
        </Facts>
        {database && <p className="font-mono text-xs break-all text-ink-3">{database.where}</p>}
      </CardBody>
    </Card>
  );
}
