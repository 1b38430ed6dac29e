#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Commands to a connected fleet: one bulk order, and how long until every device has it.

The generator holds a WebSocket per device and answers as agents do, signatures checked. Daemon,
PostgreSQL and generator share the cores given by --cores. Times are the ledger's own, so they do
not depend on how often this program looks.
"""
import argparse
import json
import pathlib
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request

from run import Appliance, cpu_s, show, wait_for

LAST = """
SELECT count(*), count(*) FILTER (WHERE sent_at IS NOT NULL),
       count(*) FILTER (WHERE received_at IS NOT NULL), count(*) FILTER (WHERE state = 'done'),
       extract(epoch FROM max(sent_at) - min(queued_at)),
       extract(epoch FROM max(received_at) - min(queued_at)),
       extract(epoch FROM max(finished_at) - min(queued_at))
FROM commands WHERE bulk_id = %s"""


class Fleet:
    """muster-loadgen with a channel for each device; its heartbeats go on beside."""

    def __init__(self, appliance, devices, scratch):
        self.appliance = appliance
        self.devices = devices
        self.report = scratch / "loadgen.json"
        environment = {**os.environ, "MUSTER_DATA_DIR": str(appliance.data_dir)}
        self.process = subprocess.Popen(
            [appliance.bin_dir / "muster-loadgen", "steady", "--channels", "--quiet",
             "--url", appliance.run["http_url"], "--devices", str(devices), "--duration", "1h",
             "--devices-file", "none", "--json", self.report],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment)

    def wait_connected(self):
        wait_for(lambda: self.metric("muster_device_channels ") == self.devices, "the channels")
        time.sleep(1)  # let the storm of connections settle

    def metric(self, name):
        with urllib.request.urlopen(self.appliance.run["http_url"] + "/metrics") as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(name):
                    return float(line.split()[-1])
        return None

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        return json.loads(self.report.read_text())["channels"]


def order(appliance, device_ids):
    """One bulk order; (bulk id, seconds until its answer)."""
    key = (appliance.data_dir / "secrets" / "admin-key").read_text().strip()
    body = json.dumps({"type": "ping", "device_ids": device_ids}).encode()
    request = urllib.request.Request(
        appliance.run["http_url"] + "/admin/commands", body,
        {"X-Admin-Key": key, "Content-Type": "application/json"})
    began = time.monotonic()
    with urllib.request.urlopen(request, timeout=60) as answer:
        bulk = json.loads(answer.read())
    return int(bulk["bulk_id"]), time.monotonic() - began


def measure(appliance, device_ids):
    postgres = appliance.postgres_pid()
    before = cpu_s(appliance.process.pid), cpu_s(postgres)
    bulk_id, answered_s = order(appliance, device_ids)

    def done():
        row = appliance.psql("-c", LAST % bulk_id).split("|")
        return row if int(row[3]) == len(device_ids) else None

    row = wait_for(done, "every command to be done")
    after = cpu_s(appliance.process.pid), cpu_s(postgres)
    return {"answered": answered_s, "sent": float(row[4]), "received": float(row[5]),
            "done": float(row[6]), "cpu": after[0] - before[0], "postgres": after[1] - before[1]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default="build/release/bin", type=pathlib.Path)
    parser.add_argument("--devices", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", default="0,1", help="what everything shares")
    options = parser.parse_args()
    os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="muster-bench-"))
    scratch.chmod(0o755)
    try:
        with Appliance(options.bin.resolve(), scratch) as appliance:
            idle_mb = appliance.rss_mb()
            fleet = Fleet(appliance, options.devices, scratch)
            fleet.wait_connected()
            held_mb = appliance.rss_mb()
            ids = appliance.psql("-c", "SELECT id FROM devices ORDER BY id").split()
            rounds = [measure(appliance, ids) for _ in range(options.rounds)]
            counts = fleet.stop()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)

    def median(name, unit="s"):
        return f"{statistics.median(r[name] for r in rounds):.3f} {unit}"

    show(f"{options.devices} commands to {options.devices} connected devices (median of "
         f"{options.rounds})", [
             ("bulk order answered after", median("answered")),
             ("from queued to the last one sent", median("sent")),
             ("... to the last one received", median("received")),
             ("... to the last result stored", median("done")),
             ("CPU, musterd", median("cpu")), ("CPU, PostgreSQL", median("postgres"))])
    show("channels", [
        ("memory per connected device (RSS, everything included)",
         f"{(held_mb - idle_mb) * 1024 / options.devices:.1f} KiB"),
        ("commands, sent again, out of order, bad",
         ", ".join(str(counts[n]) for n in ("commands", "duplicates", "out_of_order", "bad")))])


if __name__ == "__main__":
    main()
