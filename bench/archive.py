#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Acknowledgements while a day of millions of heartbeats goes to the archive.

The same load in pairs on one appliance: with the archive held still, and with it at work on the
day, in turns until the day is done. Latency is the generator's, from the moment a heartbeat was due
(an open loop), so that a stall is not hidden. A day of 50 million needs 15 GB for the table while
it is there.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from run import Appliance, show

DAYS_AGO = 120
LOCK = (0x6d757374, 40)  # src/pg/advisory_lock.h: MU_LOCK_JOB_ARCHIVE

# In the order of arrival: each device once in each round, its texts mostly the same.
FILL = """
CREATE UNLOGGED TABLE bench_devices AS SELECT 1000000 + i AS id, 'site-' || i % 200 AS ssid,
    md5('boot' || i)::uuid::text AS boot_id, i % 300 AS phase_s, 2048 * (1 + i % 4) AS ram_mb
    FROM generate_series(1, {devices}) AS i ORDER BY i % 300;
CREATE TABLE {leaf} (LIKE heartbeats INCLUDING DEFAULTS INCLUDING INDEXES);
SET max_parallel_workers_per_gather = 0; SET enable_hashjoin = off; SET enable_mergejoin = off;
INSERT INTO {leaf} (device_id, bucket, received_at, observed_at, uptime_s, monitored_last_fg_s, seq,
    ram_free_mb, ram_total_mb, queue_depth, clock_offset_s, battery, flags, charging, power_ok,
    device_owner, battery_unrestricted, doze_whitelisted, net_validated, network, ssid, fg_package,
    agent_version, boot_id)
SELECT d.id, to_timestamp(floor(at / 10) * 10), to_timestamp(at + 0.2 + random()),
    to_timestamp(at), 3600 + r * {step}, (random() * 60)::int, r + 1,
    200 + (random() * 1000)::int, d.ram_mb, 0, 0, 100 - (r + d.id) % 90, 0, (r + d.id) % 5 = 0,
    true, true, true, true, true, 'wifi', d.ssid, 'org.example.kiosk', '1.4.2', d.boot_id
FROM generate_series(0, {rounds} - 1) AS r CROSS JOIN LATERAL
    (SELECT *, {from_s} + r * {step} + phase_s * {step} / 300.0 AS at FROM bench_devices
     WHERE r >= 0) AS d;
DROP TABLE bench_devices;
ALTER TABLE heartbeats ATTACH PARTITION {leaf} FOR VALUES FROM (to_timestamp({from_s}))
    TO (to_timestamp({from_s} + 86400));
"""


class Session:
    """One psql for many questions: to start one costs 30 ms of a core, which would be measured."""

    def __init__(self, appliance):
        self.process = subprocess.Popen(
            ["psql", "-X", "-q", "-At", "-h", appliance.run["socket_dir"], "-U", "muster",
             "-d", "muster"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, sql):
        """The answer's only line."""
        self.process.stdin.write(sql + ";\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.communicate()


class Hold:
    """The archive stands still while this is held: another session has its job's lock."""

    def __init__(self, appliance):
        self.appliance = appliance
        self.session = None

    def take(self):
        self.session = Session(self.appliance)
        # Waits for the slice under way.
        self.session.ask(f"SELECT 'held' FROM pg_advisory_lock({LOCK[0]}, {LOCK[1]})")

    def release(self):
        if self.session:
            self.session.close()
            self.session = None


def post(appliance, path):
    key = (appliance.data_dir / "secrets" / "admin-key").read_text().strip()
    request = urllib.request.Request(appliance.run["http_url"] + path, b"",
                                     {"X-Admin-Key": key, "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def fill(appliance, options):
    from_s = (int(time.time()) // 86400 - DAYS_AGO) * 86400
    leaf = time.strftime("heartbeats_%Y%m%d", time.gmtime(from_s))
    devices = min(100_000, max(2_000, options.rows // 288))
    rounds = max(1, options.rows // devices)
    appliance.psql("-c", FILL.format(devices=devices, rounds=rounds, step=86400 // rounds,
                                     leaf=leaf, from_s=from_s))
    appliance.psql("-c", f"VACUUM (ANALYZE) {leaf}")
    return leaf, from_s, devices, rounds


def load(appliance, options):
    answer = appliance.load("flood", "--devices", options.devices, "--rate", options.rate,
                            "--duration", f"{options.seconds}s")
    return {p: answer["latency"]["percentiles_ns"][p] / 1e6 for p in ("p50", "p99", "p99.9")}


class Watch:
    """How long the archive was at work, and what the disk held meanwhile."""

    def __init__(self, appliance, leaf):
        self.session, self.leaf = Session(appliance), leaf
        self.active_s = 0.0
        self.done = False

    def run_until(self, stop, ends_at=float("inf")):
        last = time.monotonic()
        while not self.done and last < ends_at:
            ended = stop.wait(0.2)
            now = time.monotonic()
            self.active_s += now - last
            last = now
            self.done = self.session.ask("SELECT state FROM partition_registry"
                                         f" WHERE partition = '{self.leaf}'") == "dropped"
            if ended:
                return


def archiving_load(appliance, options, watch):
    stop = threading.Event()
    watcher = threading.Thread(target=watch.run_until, args=(stop,))
    post(appliance, "/admin/jobs/archive/run")
    watcher.start()
    try:
        return load(appliance, options)
    finally:
        stop.set()
        watcher.join()


def measure(appliance, options, leaf, from_s):
    """Pairs of (still, at work)."""
    hold, watch, pairs = Hold(appliance), Watch(appliance, leaf), []
    hold.take()
    appliance.psql("-c", "INSERT INTO partition_registry (parent, partition, range_from, range_to)"
                         f" VALUES ('heartbeats', '{leaf}', to_timestamp({from_s}),"
                         f" to_timestamp({from_s} + 86400))")
    try:
        load(appliance, options)  # warms up, counts for nothing
        while not watch.done and len(pairs) < options.pairs:
            still = load(appliance, options)
            hold.release()
            at_work = archiving_load(appliance, options, watch)
            if not watch.done:
                hold.take()
            pairs.append((still, at_work))
    finally:
        hold.release()
    if not watch.done:
        post(appliance, "/admin/jobs/archive/run")
        ends_at = time.monotonic() + options.deadline
        watch.run_until(threading.Event(), ends_at)
    watch.session.close()
    if not watch.done:
        sys.exit("bench: the day was not archived in time")
    return pairs, watch.active_s


def both(pairs, percentile):
    still = statistics.median(pair[0][percentile] for pair in pairs)
    at_work = statistics.median(pair[1][percentile] for pair in pairs)
    ratio = statistics.median(pair[1][percentile] / pair[0][percentile] for pair in pairs)
    return f"{still:.2f} ms still, {at_work:.2f} ms at work: x {ratio:.2f} (median of the pairs)"


def report(appliance, options, leaf, shape, table_bytes, pairs, active_s):
    rows, plain, stored, files = (int(value) for value in appliance.psql(
        "-c", "SELECT row_count, plain_bytes, stored_bytes, file_count FROM archive_days").split(
            "|"))
    show(f"{rows} heartbeats of {shape[0]} devices to the archive, {options.rate} a second coming"
         f" in, {len(pairs)} pairs of {options.seconds} s", [
             *((f"latency, {p}", both(pairs, p)) for p in ("p50", "p99", "p99.9")),
             ("p99 of each pair", ", ".join(f"{a['p99']:.2f} -> {b['p99']:.2f}"
                                            for a, b in pairs)),
             ("written and read back", f"{rows / active_s:,.0f} rows/s, "
                                       f"{plain / active_s / 2**20:.0f} MiB/s in {active_s:.0f} s"),
             ("table and its key", f"{table_bytes / 2**20:,.0f} MiB"),
             ("COPY stream", f"{plain / 2**20:,.0f} MiB, {plain / rows:.0f} bytes a row"),
             ("files", f"{stored / 2**20:,.0f} MiB in {files}, {stored / rows:.1f} bytes a row: "
                       f"1/{plain / stored:.1f} of the stream, 1/{table_bytes / stored:.1f} of the"
                       " table"),
             ("musterd's memory now", f"{appliance.rss_mb():.0f} MB")])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default="build/release/bin", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--devices", type=int, default=20000, help="that report")
    parser.add_argument("--rate", type=int, default=2000, help="heartbeats a second")
    parser.add_argument("--seconds", type=int, default=30, help="of each half of a pair")
    parser.add_argument("--pairs", type=int, default=6, help="at the most")
    parser.add_argument("--bandwidth", default="16MiB", help="archive.bandwidth")
    parser.add_argument("--deadline", type=int, default=3600, help="seconds for the archive alone")
    parser.add_argument("--cores", default="0,1", help="what everything shares")
    parser.add_argument("--scratch", help="where the appliance lies")
    options = parser.parse_args()
    os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="muster-bench-", dir=options.scratch))
    scratch.chmod(0o755)
    try:
        with Appliance(options.bin.resolve(), scratch,
                       ("--archive-bandwidth", options.bandwidth)) as appliance:
            leaf, from_s, *shape = fill(appliance, options)
            table_bytes = int(appliance.psql("-c", f"SELECT pg_total_relation_size('{leaf}')"))
            pairs, active_s = measure(appliance, options, leaf, from_s)
            report(appliance, options, leaf, shape, table_bytes, pairs, active_s)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
