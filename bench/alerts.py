#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A whole fleet that falls silent at once: how late that is noticed, what watching costs, what
people are told.

The generator floods with and without the devices' rules, in pairs; then nobody reports any more.
Each device's deadline is its last stored heartbeat plus the rule's threshold, which is set above
what the announced times allow. Sites take turns by device id. Daemon, PostgreSQL and generator
share the cores given by --cores; CPU time of the alert thread is the kernel's.
"""
import argparse
import http.server
import json
import os
import pathlib
import shutil
import statistics
import tempfile
import threading
import time
import urllib.request

from run import Appliance, show, wait_for

INTERVAL_S = 2
THRESHOLD_S = 130  # above 2 x the longest announced time + 120 s
RULES = ("offline", "low_battery", "service_down", "agent_outdated", "clock_skew", "queue_depth")

LATE = f"""
WITH late AS (
    SELECT extract(epoch FROM a.fired_at - s.received_at) - {THRESHOLD_S} AS s
    FROM alerts a JOIN device_last_status s USING (device_id) WHERE a.rule = 'offline')
SELECT count(*), min(s), percentile_disc(0.5) WITHIN GROUP (ORDER BY s),
       percentile_disc(0.99) WITHIN GROUP (ORDER BY s), max(s) FROM late"""
STORED = "SELECT extract(epoch FROM max(updated_at) - min(opened_at)) FROM alert_incidents"
FIRING = "SELECT count(*) FROM alerts WHERE rule = 'offline' AND state = 'firing'"
INCIDENTS = """
SELECT kind, count(*) FILTER (WHERE merged_into IS NULL), count(*) FILTER (WHERE
       merged_into IS NOT NULL), coalesce(sum(firing_count), 0)
FROM alert_incidents WHERE rule = 'offline' GROUP BY 1 ORDER BY 1"""
NOTIFICATIONS = """
SELECT kind, state, count(*) FROM alert_notifications GROUP BY 1, 2 ORDER BY 1, 2"""


class Sink(http.server.BaseHTTPRequestHandler):
    """Takes any webhook."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def ask(appliance, method, path, body):
    key = (appliance.data_dir / "secrets" / "admin-key").read_text().strip()
    request = urllib.request.Request(
        appliance.run["http_url"] + path, json.dumps(body).encode(), method=method,
        headers={"X-Admin-Key": key, "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def set_rules(appliance, enabled):
    for rule in RULES:
        ask(appliance, "PATCH", f"/admin/alert-rules/{rule}", {"enabled": enabled})


def thread_cpu_s(appliance, name):
    """What the scheduler has given to a thread of that name."""
    for task in pathlib.Path(f"/proc/{appliance.process.pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            return int((task / "schedstat").read_text().split()[0]) / 1e9
    raise SystemExit(f"bench: musterd has no thread {name}")


def share(appliance, seconds):
    """CPU of the alert thread in a second, of which nothing else is asked."""
    before, began = thread_cpu_s(appliance, "alert"), time.monotonic()
    time.sleep(seconds)
    return (thread_cpu_s(appliance, "alert") - before) / (time.monotonic() - began)


def flood(appliance, options):
    return appliance.load("flood", "--devices", options.devices, "--duration",
                          f"{options.seconds}s", "--connections", 256)


def floods(appliance, options):
    pairs = []
    for number in range(options.pairs):
        rates = {}
        for watched in (False, True) if number % 2 == 0 else (True, False):
            set_rules(appliance, watched)
            before = thread_cpu_s(appliance, "alert")
            answer = flood(appliance, options)
            millions = answer["counts"]["acknowledged"] / 1e6
            rates[watched] = (answer["acknowledged_per_s"],
                              (thread_cpu_s(appliance, "alert") - before) / millions)
        pairs.append((rates[True][0] / rates[False][0], rates[False][1], rates[True][1]))
    return pairs


def silence(appliance, options):
    """Everybody has just reported, and nobody does again."""
    appliance.psql("-c", f"UPDATE devices SET site = 'site ' || id % {options.sites}")
    ask(appliance, "PATCH", "/admin/alert-rules/offline",
        {"enabled": True, "threshold": THRESHOLD_S})
    set_rules(appliance, True)
    flood(appliance, options)
    began = time.monotonic()
    found = {"watching": share(appliance, 20)}
    before = thread_cpu_s(appliance, "alert")
    wait_for(lambda: time.monotonic() - began > THRESHOLD_S / 2
             and int(appliance.psql("-c", FIRING)) == options.devices, "every device to fire", 600)
    found["edges"] = thread_cpu_s(appliance, "alert") - before
    time.sleep(10)  # the last notifications
    found["silent"] = share(appliance, 20)
    found["late"] = appliance.psql("-c", LATE).split("|")
    found["stored"] = float(appliance.psql("-c", STORED))
    found["incidents"] = [row.split("|") for row in
                          appliance.psql("-c", INCIDENTS).splitlines()]
    found["notifications"] = [row.split("|") for row in
                              appliance.psql("-c", NOTIFICATIONS).splitlines()]
    return found


def report(options, pairs, found):
    def ms(seconds):
        return f"{float(seconds) * 1000:,.0f} ms"

    count, least, half, most_of, last = found["late"]

    if pairs:
        ratios = [pair[0] for pair in pairs]
        show(f"flood, {len(pairs)} pairs", [
            ("heartbeats/s with the rules, of those without: median",
             f"{statistics.median(ratios):.3f}  ({min(ratios):.3f} to {max(ratios):.3f})"),
            ("CPU s of the alert thread per million, without, with",
             f"{statistics.median(p[1] for p in pairs):.2f}  "
             f"{statistics.median(p[2] for p in pairs):.2f}")])
    show(f"{count} devices of {options.sites} sites fall silent", [
        ("fired after the deadline: least, p50, p99, max",
         "   ".join(map(ms, (least, half, most_of, last)))),
        ("from the first incident opened to the last one updated", f"{found['stored']:.1f} s"),
        ("CPU of the alert thread: all watched", f"{found['watching'] * 1000:.2f} ms a second"),
        ("... all silent", f"{found['silent'] * 1000:.2f} ms a second"),
        ("... from one to the other", f"{found['edges']:.2f} s")])
    show("what is told", [
        (f"incidents of kind {kind}", f"{standing}, merged {merged}, firing alerts {firing}")
        for kind, standing, merged, firing in found["incidents"]] + [
            (f"notifications: {kind}, {state}", number)
            for kind, state, number in found["notifications"]])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default="build/release/bin", type=pathlib.Path)
    parser.add_argument("--devices", type=int, default=100000)
    parser.add_argument("--sites", type=int, default=40)
    parser.add_argument("--seconds", type=int, default=10, help="of each flood")
    parser.add_argument("--pairs", type=int, default=1, help="of floods without and with rules")
    parser.add_argument("--cores", default="0,1", help="what everything shares")
    options = parser.parse_args()
    os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="muster-bench-"))
    scratch.chmod(0o755)
    sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    try:
        with Appliance(options.bin.resolve(), scratch,
                       ("--ingest-heartbeat-interval", f"{INTERVAL_S}s")) as appliance:
            ask(appliance, "POST", "/admin/alert-channels",
                {"kind": "webhook", "name": "bench", "allow_private": True, "rate_per_min": 600,
                 "url": f"http://127.0.0.1:{sink.server_port}/"})
            flood(appliance, options)  # registers, warms up
            pairs = floods(appliance, options)
            report(options, pairs, silence(appliance, options))
    finally:
        sink.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
