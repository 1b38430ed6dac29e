#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Lists and details of a large fleet, while it reports at half of what the appliance can take.

The ceiling is measured in the same run (a closed-loop flood), then the generator sends at half of
it while one client asks for each kind of page in turn, over one connection. Daemon, PostgreSQL,
generator and client share the cores given by --cores.
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import time
import urllib.parse

from run import Appliance, show

ANNOTATE = """
UPDATE devices SET site = 'site ' || id % 200, tags = ARRAY['floor ' || id % 9, 'team ' || id % 50],
    alias = CASE WHEN id % 3 = 0 THEN 'Büro ' ELSE 'device ' END || id,
    notes = CASE WHEN id % 10 = 0 THEN 'a note about device ' || id END;
VACUUM (ANALYZE) devices; VACUUM (ANALYZE) device_last_status"""

# What is asked for: a name, and the parameters of one request.
LISTS = [
    ("first page", lambda: {}),
    ("page from the middle, by alias", lambda: {"sort": "alias", "cursor": CURSORS["alias"]}),
    ("newest first", lambda: {"sort": "created_at", "direction": "desc"}),
    ("last seen longest ago", lambda: {"sort": "last_seen"}),
    ("lowest battery", lambda: {"sort": "battery"}),
    ("by agent version", lambda: {"sort": "agent_version", "direction": "desc"}),
    ("silent ones", lambda: {"status": "silent"}),
    ("online ones, by alias", lambda: {"status": "online", "sort": "alias"}),
    ("battery below 15 of a site", lambda: {"battery_below": 15, "site": some_site()}),
    ("a site", lambda: {"site": some_site(), "sort": "alias"}),
    ("two tags", lambda: {"tag": ["floor 3", f"team {random.randrange(50)}"]}),
    ("search, a rare text", lambda: {"q": f"device {random.randrange(90000) + 10000}"}),
    ("search, a common text", lambda: {"q": "büro"}),
    ("search, nothing found", lambda: {"q": "no such thing"}),
    ("app in the foreground", lambda: {"app": "org.example.app"}),
    ("500 devices", lambda: {"limit": 500}),
    ("with the count of all", lambda: {"count": "true"}),
    ("with the count of a status", lambda: {"count": "true", "status": "online"}),
]
CURSORS = {}


def some_site():
    return f"site {random.randrange(200)}"


class Client:
    def __init__(self, appliance):
        self.key = (appliance.data_dir / "secrets" / "admin-key").read_text().strip()
        where = urllib.parse.urlsplit(appliance.run["http_url"])
        self.connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)

    def get(self, path, **params):
        self.connection.request("GET", f"{path}?{urllib.parse.urlencode(params, doseq=True)}",
                                headers={"X-Admin-Key": self.key})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"bench: {path} {params}: {answer.status} {body[:300]}")
        return body

    def time_ms(self, path, params, rounds):
        times = []
        for _ in range(rounds):
            asked = params()
            began = time.perf_counter()
            self.get(path() if callable(path) else path, **asked)
            times.append((time.perf_counter() - began) * 1000)
        times.sort()
        return times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))]


def measure(client, device_ids, rounds):
    client.get("/admin/devices", sort="battery", limit=1)  # reads the last statuses, once
    cursor = None
    for _ in range(20):
        page = json.loads(client.get("/admin/devices", sort="alias", limit=500,
                                     **({"cursor": cursor} if cursor else {})))
        cursor = page["next_cursor"]
        if cursor is None:
            break
        CURSORS["alias"] = cursor
    if "alias" not in CURSORS:
        raise SystemExit("bench: more than 500 devices are needed")
    results = [(name, client.time_ms("/admin/devices", params, rounds)) for name, params in LISTS]

    def some_device(suffix=""):
        return lambda: f"/admin/devices/{random.choice(device_ids)}{suffix}"

    for name, suffix in (("detail", ""), ("history of a day", "/history"),
                         ("events of a day", "/events"), ("heartbeats of a day", "/heartbeats")):
        results.append((name, client.time_ms(some_device(suffix), dict, rounds)))
    return results


def report(title, results):
    show(title, [(name, f"p50 {p50:7.1f} ms   p99 {p99:7.1f} ms") for name, (p50, p99) in results])


def loadgen(appliance, *options):
    return [appliance.bin_dir / "muster-loadgen", *map(str, options), "--url",
            appliance.run["http_url"], "--quiet", "--admin-key-file",
            appliance.data_dir / "secrets" / "admin-key", "--devices-file",
            appliance.data_dir.parent / "devices"]


def ceiling(appliance, devices, seconds):
    """Heartbeats a second that are acknowledged in a closed loop."""
    answer = appliance.load("flood", "--devices", devices, "--duration", f"{seconds}s")
    return answer["counts"]["acknowledged"] / seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default="build/release/bin", type=pathlib.Path)
    parser.add_argument("--devices", type=int, default=100000)
    parser.add_argument("--rounds", type=int, default=300, help="requests of each kind")
    parser.add_argument("--seconds", type=int, default=20, help="of the flood for the ceiling")
    parser.add_argument("--cores", default="0,1", help="what everything shares")
    options = parser.parse_args()
    os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="muster-bench-"))
    scratch.chmod(0o755)
    try:
        with Appliance(options.bin.resolve(), scratch) as appliance:
            rate = ceiling(appliance, options.devices, options.seconds)
            appliance.psql("-c", ANNOTATE.split(";")[0])
            for statement in ANNOTATE.split(";")[1:]:
                appliance.psql("-c", statement)
            ids = appliance.psql("-c", "SELECT id FROM devices ORDER BY random()"
                                       " LIMIT 1000").split()
            client = Client(appliance)
            report(f"{options.devices} devices, idle", measure(client, ids, options.rounds))
            load = subprocess.Popen(loadgen(appliance, "flood", "--devices", options.devices,
                                            "--rate", int(rate / 2), "--duration", "1h"),
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            try:
                time.sleep(10)  # until it flows
                report(f"the same under {int(rate / 2)} heartbeats/s (the ceiling: {int(rate)})",
                       measure(client, ids, options.rounds))
                if load.poll() is not None:
                    raise SystemExit("bench: the generator ended too early")
            finally:
                load.terminate()
                load.wait(60)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
