#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The whole bench: microbenchmarks, the ceilings, and the appliance end to end, in one run on one
machine.

Everything is a median of several rounds, in CPU seconds per million heartbeats or as a ratio to a
ceiling of the same run; nothing here asserts. Generator, daemon and PostgreSQL share the first two
cores.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

WRK_SCRIPT = """
wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer mu_0123456789012345678901234567890123456789012"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [[%s]]
"""
HEARTBEAT = ('{"ts":1763719200.123,"sent_at":1763719200.123,"battery":57,"charging":true,'
             '"ram_free_mb":512,"ram_total_mb":4096,"uptime_s":1234,"network":"wifi",'
             '"ssid":"office","fg_package":"org.example.app",'
             '"agent_version":"1.2.3","power_ok":true,"queue_depth":0,"boot_id":"b-1","seq":4711}')
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid):
    """CPU seconds of a process and of the children it has now or had and waited for."""
    total = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(stat.parent.name) == pid:
            total += sum(int(fields[i]) for i in (11, 12, 13, 14))
        elif int(fields[1]) == pid:
            total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_S


def wait_for(condition, what, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.05)
    sys.exit(f"bench: waited {seconds} s for {what}")


def show(title, rows):
    print(f"\n{title}")
    for name, value in rows:
        print(f"  {name:<58} {value}")
    sys.stdout.flush()


class Appliance:
    """One musterd of the bench's own, on loopback, in a scratch directory."""

    def __init__(self, bin_dir, scratch, options=()):
        self.bin_dir = bin_dir
        self.data_dir = scratch / "data"
        self.options = options
        self.process = None

    def __enter__(self):
        self.data_dir.mkdir()
        self.log = open(self.data_dir.parent / "musterd.log", "wb")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}
        self.process = subprocess.Popen(
            [self.bin_dir / "musterd", "--data-dir", self.data_dir, "--port", "0", "--tls-address",
             "127.0.0.1",
             "--http-port", "0", "--http-frontends", "2", *self.options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=environment)
        self.run = wait_for(self.published, "musterd to serve")
        wait_for(self.storing, "musterd to store")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()

    def published(self):
        if self.process.poll() is not None:
            sys.exit(f"bench: musterd ended; see {self.log.name}")
        try:
            return json.loads((self.data_dir / "run.json").read_text())
        except (OSError, json.JSONDecodeError):
            return None

    def ready(self):
        answer = subprocess.run(["curl", "-s", self.run["http_url"] + "/ready"],
                                capture_output=True, check=False)
        return json.loads(answer.stdout) if answer.stdout else {}

    def storing(self):
        return self.ready().get("degraded") == []

    def wait_stored(self):
        wait_for(lambda: self.ready()["backlog"]["records"] == 0, "the backlog to be stored")

    def postgres_pid(self):
        location = self.data_dir / "postgres.location"
        directory = (pathlib.Path(location.read_text().strip()) if location.exists()
                     else self.data_dir / "postgres")
        return int((directory / "postmaster.pid").read_text().split()[0])

    def psql(self, *arguments):
        return subprocess.run(["psql", "-X", "-q", "-At", "-h", self.run["socket_dir"], "-U",
                               "muster", "-d", "muster",
                               *arguments], check=True, capture_output=True,
                              text=True).stdout.strip()

    def wal_bytes(self):
        """How much write-ahead log there has ever been."""
        return int(self.psql("-c", "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"))

    def backends_reaped(self):
        """No psql but this one: the CPU time of those that ended has gone to the postmaster."""
        return self.psql("-c", "SELECT count(*) FROM pg_stat_activity"
                               " WHERE application_name = 'psql'"
                               " AND pid <> pg_backend_pid()") == "0"

    def rss_mb(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0

    def load(self, scenario, *options):
        """Runs the generator; its JSON, with CPU taken until everything is stored."""
        postgres = self.postgres_pid()
        report = self.data_dir.parent / "load.json"
        before = cpu_s(self.process.pid), cpu_s(postgres), self.wal_bytes()
        done = subprocess.run(
            [self.bin_dir / "muster-loadgen", scenario, "--url", self.run["http_url"], "--quiet",
             "--json", report,
             "--admin-key-file", self.data_dir / "secrets" / "admin-key",
             "--devices-file", self.data_dir.parent / "devices", *map(str, options)], check=False)
        self.wait_stored()
        after = cpu_s(self.process.pid), cpu_s(postgres), self.wal_bytes()
        if done.returncode != 0:
            sys.exit(f"bench: muster-loadgen {scenario} ended with {done.returncode}")
        answer = json.loads(report.read_text())
        millions = max(answer["counts"]["acknowledged"], 1) / 1e6
        answer["per_million"] = {"generator": answer["cpu_s"]["generator"] / millions,
                                 "daemon": (after[0] - before[0]) / millions,
                                 "postgres": (after[1] - before[1]) / millions}
        answer["wal_bytes_each"] = (after[2] - before[2]) / (millions * 1e6)
        return answer


def http_ceiling(bin_dir, scratch, seconds):
    """Requests a second, and CPU seconds per million, of h2o answering 204 on one core, wrk on the
    other."""
    script = scratch / "heartbeat.lua"
    script.write_text(WRK_SCRIPT % HEARTBEAT)
    port = 20000 + os.getpid() % 20000
    server = subprocess.Popen([bin_dir / "bench_ceiling_204", str(port)])
    try:
        wait_for(lambda: subprocess.run(["curl", "-s", "-o", "/dev/null",
                                         f"http://127.0.0.1:{port}/"],
                                        check=False).returncode == 0, "the ceiling's server")
        before = cpu_s(server.pid)
        out = subprocess.run(["wrk", "-t1", "-c256", f"-d{seconds}s", "-s", script,
                              f"http://127.0.0.1:{port}/v1/heartbeat"], check=True,
                             capture_output=True, text=True).stdout
        used = cpu_s(server.pid) - before
    finally:
        server.terminate()
        server.wait()
    rate = float(next(line.split()[1] for line in out.splitlines()
                      if line.startswith("Requests/sec")))
    requests = int(next(line.split()[0] for line in out.splitlines() if "requests in" in line))
    return rate, used / (requests / 1e6)


def copy_ceiling(appliance, scratch, rounds):
    """Rows a second, and PostgreSQL's CPU seconds per million, of \\copy of the same rows into a
    twin of a day."""
    rows_file = scratch / "rows.bin"
    appliance.psql("-c", f"\\copy (SELECT * FROM heartbeats ORDER BY received_at, device_id, "
                         f"bucket LIMIT 500000)"
                         f" TO '{rows_file}' (FORMAT binary)")
    results = []
    for _ in range(rounds):
        appliance.psql("-c", "CREATE TABLE copy_ceiling (LIKE heartbeats INCLUDING ALL)")
        before, began = cpu_s(appliance.postgres_pid()), time.monotonic()
        appliance.psql("-c", f"\\copy copy_ceiling FROM '{rows_file}' (FORMAT binary)")
        took = time.monotonic() - began
        used = wait_for(lambda: appliance.backends_reaped() and cpu_s(appliance.postgres_pid()),
                        "psql's backend to end") - before
        rows = int(appliance.psql("-c", "SELECT count(*) FROM copy_ceiling"))
        appliance.psql("-c", "DROP TABLE copy_ceiling")
        results.append((rows / took, used / (rows / 1e6)))
    rows_file.unlink()
    return (statistics.median(r[0] for r in results), statistics.median(r[1] for r in results))


def sorting(appliance, scratch):
    """WAL and CPU of batches of 10,000 rows sorted by device, and in the order of arrival."""
    results = []
    columns = appliance.psql("-c", "SELECT string_agg(attname, ',' ORDER BY attnum)"
                                   " FROM pg_attribute WHERE attrelid = 'heartbeats'::regclass"
                                   " AND attnum > 0")
    for name, order in (("sorted by device", "batch, device_id, bucket"),
                        ("in the order of arrival", "batch, received_at")):
        rows_file = scratch / "rows.bin"
        appliance.psql("-c", f"\\copy (SELECT {columns} FROM (SELECT *, row_number() OVER (ORDER BY"
                             f" received_at) / 10000 AS batch FROM (SELECT * FROM heartbeats"
                             f" ORDER BY received_at DESC LIMIT 300000) AS newest) AS rows"
                             f" ORDER BY {order})"
                             f" TO '{rows_file}' (FORMAT binary)")
        appliance.psql("-c", "CREATE TABLE copy_ceiling (LIKE heartbeats INCLUDING ALL)")
        before, cpu_before = appliance.wal_bytes(), cpu_s(appliance.postgres_pid())
        appliance.psql("-c", f"\\copy copy_ceiling FROM '{rows_file}' (FORMAT binary)")
        written = appliance.wal_bytes() - before
        used = wait_for(lambda: appliance.backends_reaped() and cpu_s(appliance.postgres_pid()),
                        "psql's backend to end") - cpu_before
        rows = int(appliance.psql("-c", "SELECT count(*) FROM copy_ceiling"))
        results.append((name, f"{written / rows:.0f} bytes of WAL a row, "
                              f"{used / (rows / 1e6):.1f} CPU s per million"))
        appliance.psql("-c", "DROP TABLE copy_ceiling")
        rows_file.unlink()
    return results


def median_of(runs, *path):
    values = []
    for run in runs:
        for key in path:
            run = run[key]
        values.append(run)
    return statistics.median(values)


def end_to_end(bin_dir, scratch, options):
    http_rate, http_cpu = http_ceiling(bin_dir, scratch, options.seconds)
    with Appliance(bin_dir, scratch) as appliance:
        appliance.load("register", "--devices", options.devices)
        floods = [appliance.load("flood", "--devices", options.devices, "--connections",
                                 options.connections,
                                 "--duration", f"{options.seconds}s")
                  for _ in range(options.rounds)]
        copy_rate, copy_cpu = copy_ceiling(appliance, scratch, options.rounds)
        cpu = {part: median_of(floods, "per_million", part)
               for part in ("daemon", "postgres", "generator")}
        show("Ceilings of this run", [
            ("h2o answering 204, one thread, wrk on the other core",
             f"{http_rate:,.0f}/s   {http_cpu:.1f} CPU s per million"),
            ("psql \\copy of the same rows into a day's twin",
             f"{copy_rate:,.0f} rows/s   {copy_cpu:.1f} CPU s per million"),
        ])
        show(f"Flood: {options.devices} devices, {options.connections} connections, median of "
             f"{options.rounds}", [
            ("acknowledged", f"{median_of(floods, 'acknowledged_per_s'):,.0f}/s"),
            ("daemon, CPU s per million",
             f"{cpu['daemon']:.1f}   {cpu['daemon'] / http_cpu:.2f} x the HTTP ceiling"),
            ("PostgreSQL, CPU s per million",
             f"{cpu['postgres']:.1f}   {cpu['postgres'] / copy_cpu:.2f} x the COPY ceiling"),
            ("both", f"{cpu['daemon'] + cpu['postgres']:.1f}"),
            ("generator, CPU s per million", f"{cpu['generator']:.1f}"),
            ("latency p50 / p99 / p99.9, ms", " / ".join(
                f"{median_of(floods, 'latency', 'percentiles_ns', p) / 1e6:.1f}"
                for p in ("p50", "p99", "p99.9"))),
            ("shed", sum(run["counts"]["shed"] for run in floods)),
            ("daemon's resident memory, MB", f"{appliance.rss_mb():.0f}"),
        ])
        storm = appliance.load("storm", "--devices", options.devices, "--rounds", options.rounds,
                               "--round-gap", "10s")
        quiet = appliance.load("compressed", "--devices", options.devices, "--speed", 5,
                               "--duration", "30s")
        steady = appliance.load("compressed", "--devices", options.devices, "--speed", 30,
                                "--duration", "20s")
        for name, run in (("Storm: every device connects and reports within a second", storm),
                          ("Steady at 5 times the real load, a connection each", quiet),
                          ("Steady at 30 times the real load, a connection each", steady)):
            show(name, [("latency p50 / p99 / p99.9, ms", " / ".join(
                f"{run['latency']['percentiles_ns'][p] / 1e6:.2f}"
                for p in ("p50", "p99", "p99.9"))),
                ("acknowledged, shed",
                 f"{run['counts']['acknowledged']:,}, {run['counts']['shed']}")])
        appliance.load("register", "--devices", options.fleet)
        fleet = appliance.load("flood", "--devices", options.fleet, "--connections",
                               options.connections, "--duration", f"{options.seconds}s")
        show(f"The same flood from {options.fleet:,} devices", [
            ("acknowledged", f"{fleet['acknowledged_per_s']:,.0f}/s"),
            ("daemon / PostgreSQL, CPU s per million",
             f"{fleet['per_million']['daemon']:.1f} / {fleet['per_million']['postgres']:.1f}"),
            ("WAL, bytes a heartbeat", f"{fleet['wal_bytes_each']:.0f}, with {options.devices:,} "
                                       f"devices {median_of(floods, 'wal_bytes_each'):.0f}"),
            ("daemon's resident memory, MB", f"{appliance.rss_mb():.0f}"),
        ])
        show("Its newest rows by COPY into a twin of a day, in batches of 10,000",
             sorting(appliance, scratch))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8, help="of one flood")
    parser.add_argument("--devices", type=int, default=2000)
    parser.add_argument("--fleet", type=int, default=100000, help="devices of the last flood")
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--only", choices=["micro", "end-to-end"])
    parser.add_argument("--all-cores", action="store_true", help="not only the first two")
    options = parser.parse_args()
    root = pathlib.Path(__file__).resolve().parent.parent
    bin_dir = pathlib.Path(os.environ.get("MUSTER_BIN_DIR", root / "build" / "release" / "bin"))
    if not options.all_cores and len(os.sched_getaffinity(0)) > 2:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} at the start")
    sys.stdout.flush()
    if options.only != "end-to-end":
        subprocess.run([bin_dir / "bench_micro"], check=True)
    if options.only != "micro":
        if not shutil.which("wrk"):
            sys.exit("bench: wrk is needed for the HTTP ceiling: apt-get install wrk")
        scratch = pathlib.Path(tempfile.mkdtemp(prefix="muster-bench-", dir="/var/tmp"))
        scratch.chmod(0o755)
        try:
            end_to_end(bin_dir, scratch, options)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
