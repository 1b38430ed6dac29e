#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Acknowledgements while millions of heartbeats of deleted devices are purged.

The same load twice on one appliance: without and with a purge beside it. Latency is the
generator's, from the moment a heartbeat was due (an open loop), so that a stall is not hidden.
"""
import argparse
import json
import os
import pathlib
import shutil
import tempfile
import threading
import time
import urllib.request

from run import Appliance, show

MAKE = """
INSERT INTO devices (alias, kind, enrolled_by)
SELECT 'doomed ' || i, 'android', 'bench' FROM generate_series(1, {devices}) AS i"""
FILL = """
INSERT INTO heartbeats (device_id, bucket, received_at, observed_at, clock_offset_s, flags, battery,
                        network, ssid, fg_package)
SELECT d.id, b, b, b, 0, 0, 50, 'wifi', 'office', 'org.example.app' FROM devices d,
    generate_series(date_trunc('day', now() - interval '{day} days'), date_trunc('day', now()
        - interval '{day} days') + interval '1 day' - interval '1 second',
        interval '86400 seconds' / {rows}) AS b
WHERE d.alias LIKE 'doomed%'"""


def post(appliance, path, body):
    key = (appliance.data_dir / "secrets" / "admin-key").read_text().strip()
    request = urllib.request.Request(appliance.run["http_url"] + path, json.dumps(body).encode(),
                                     {"X-Admin-Key": key, "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.loads(answer.read())


def rows_purged(appliance):
    return int(appliance.psql("-c", "SELECT coalesce(sum(rows_purged), 0) FROM bulk_deletions"))


def load(appliance, options):
    return appliance.load("flood", "--devices", options.devices, "--rate", options.rate,
                          "--duration", f"{options.seconds}s")


def fill(appliance, options):
    days = 5
    appliance.psql("-c", MAKE.format(devices=1000))
    per_day = max(1, options.rows // days // 1000)
    for day in range(1, days + 1):
        appliance.psql("-c", FILL.format(day=day, rows=per_day))
    appliance.psql("-c", "VACUUM (ANALYZE) heartbeats")
    return int(appliance.psql("-c", "SELECT count(*) FROM heartbeats"))


def latency(answer):
    return " / ".join(f"{answer['latency']['percentiles_ns'][p] / 1e6:.1f} ms"
                      for p in ("p50", "p99", "p99.9")) + " (p50 / p99 / p99.9)"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default="build/release/bin", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--devices", type=int, default=20000, help="that report")
    parser.add_argument("--rate", type=int, default=20000, help="heartbeats a second")
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--cores", default="0,1", help="what everything shares")
    options = parser.parse_args()
    os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="muster-bench-"))
    scratch.chmod(0o755)
    try:
        with Appliance(options.bin.resolve(), scratch) as appliance:
            filled = fill(appliance, options)
            before = load(appliance, options)
            selection = post(appliance, "/admin/selections", {"filter": {"q": "doomed"}})
            post(appliance, "/admin/bulk/delete", {"selection_id": selection["id"],
                                                   "confirm": selection["confirm"],
                                                   "purge_history": True})
            began, samples, stop = time.monotonic(), [], threading.Event()

            def watch():
                while not stop.wait(1):
                    samples.append(rows_purged(appliance))

            watcher = threading.Thread(target=watch)
            watcher.start()
            beside = load(appliance, options)
            stop.set()
            watcher.join()
            took = time.monotonic() - began
            show(f"{filled} heartbeats to purge, {options.rate} a second coming in", [
                ("latency without a purge", latency(before)),
                ("latency beside it", latency(beside)),
                ("purged meanwhile", f"{samples[-1] if samples else 0} in {took:.0f} s")])
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
