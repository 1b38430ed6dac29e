#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What watching costs: a flood of heartbeats with and without a crowd of operators' WebSockets.

Pairs of rounds, in alternating order, on one appliance; the answer is the median of the pairs'
ratios. As in run.py, generator, daemon and PostgreSQL share the first two cores; the viewers, who
would sit elsewhere, have the others to themselves if there are any.
"""
import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import urllib.request

from run import Appliance, show, wait_for

OPTIONS = ("--accounts-bcrypt-cost", "4", "--limits-general-max", "0", "--limits-general-burst",
           "0", "--accounts-access-life", "12h")


def ask(appliance, path, body=None, token=None):
    request = urllib.request.Request(
        appliance.run["http_url"] + path, method="POST", data=json.dumps(body or {}).encode()
        if body is not None else b"", headers={"Content-Type": "application/json"})
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def sign_in(appliance):
    password = (appliance.data_dir / "secrets" / "admin-password").read_text().strip()
    return ask(appliance, "/api/auth/login", {"username": "admin",
                                              "password": password})["access_token"]


def metrics(appliance):
    found = {}
    with urllib.request.urlopen(appliance.run["http_url"] + "/metrics", timeout=30) as answer:
        for line in answer.read().decode().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name] = float(value)
    return found


class Crowd:
    """So many viewers, up to date when entered; .seen is their report afterwards."""

    def __init__(self, appliance, count, token, cores):
        self.appliance, self.count, self.token, self.cores = appliance, count, token, cores
        self.seen = None

    def __enter__(self):
        port = self.appliance.run["http_url"].rsplit(":", 1)[1].strip("/")
        self.process = subprocess.Popen(
            [self.appliance.bin_dir / "bench_viewers", port], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, preexec_fn=lambda: os.sched_setaffinity(0, self.cores))
        for i in range(self.count):
            ticket = ask(self.appliance, "/api/auth/ws-ticket", token=self.token)["ticket"]
            self.process.stdin.write(ticket.encode() + b"\n")
            self.process.stdin.flush()
            if i % 8 == 7:  # 16 tickets a user may be out
                wait_for(lambda: metrics(self.appliance)["muster_live_clients"] >= i - 7,
                         "viewers to come in")
        wait_for(lambda: metrics(self.appliance)["muster_live_clients_current"] == self.count,
                 "all viewers to be up to date")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=30)
        self.seen = json.loads(out) if out else {}


def flood(appliance, arguments):
    return appliance.load("flood", "--devices", arguments.devices, "--duration",
                          f"{arguments.seconds}s", "--connections", arguments.connections)


def one_round(appliance, arguments, token, cores, watched):
    if not watched:
        return flood(appliance, arguments), None
    before = metrics(appliance)
    with Crowd(appliance, arguments.viewers, token, cores) as crowd:
        answer = flood(appliance, arguments)
        after = metrics(appliance)
    if crowd.seen["opened"] != arguments.viewers or crowd.seen["closed"] > 0:
        sys.exit(f"bench: not all viewers stayed: {crowd.seen}")
    crowd.seen["server"] = {name: after[f"muster_{name}"] - before[f"muster_{name}"] for name in
                            ("live_rounds_total", "live_deltas_total", "live_bytes_total",
                             "live_resyncs_total", "bus_gaps_total")}
    return answer, crowd.seen


def rate(answer):
    return answer["acknowledged_per_s"]


def run_pairs(appliance, arguments, cores):
    token = sign_in(appliance)
    flood(appliance, arguments)  # warms up, registers
    pairs = []
    for number in range(arguments.pairs):
        results = {}
        for watched in (False, True) if number % 2 == 0 else (True, False):
            results[watched] = one_round(appliance, arguments, token, cores, watched)
        (alone, _), (seen, crowd) = results[False], results[True]
        pairs.append((rate(alone), rate(seen), alone, seen, crowd))
        show(f"Pair {number + 1} of {arguments.pairs}", (
            ("heartbeats/s without, with viewers", f"{rate(alone):,.0f}  {rate(seen):,.0f}"),
            ("ratio", f"{rate(seen) / rate(alone):.3f}"),
            ("daemon's CPU s per million, without, with",
             f"{alone['per_million']['daemon']:.1f}  {seen['per_million']['daemon']:.1f}"),
            ("viewers read", f"{crowd['bytes'] / 1e6:,.0f} MB in {crowd['deltas']:,} deltas"),
            ("from a heartbeat's receipt to a viewer, p50 and p99",
             f"{crowd['age_p50_s']:.2f} s  {crowd['age_p99_s']:.2f} s"),
            ("server's rounds, resyncs, gaps",
             "{live_rounds_total:.0f}  {live_resyncs_total:.0f}  {bus_gaps_total:.0f}"
             .format(**crowd["server"]))))
    return pairs


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path(__file__).resolve()
                        .parents[1] / "build" / "release" / "bin")
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--devices", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--seconds", type=int, default=20, help="of each flood")
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    every = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, every[:2])
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as scratch:
        os.chmod(scratch, 0o755)
        with Appliance(arguments.bin, pathlib.Path(scratch), OPTIONS) as appliance:
            pairs = run_pairs(appliance, arguments, every[2:] or every)
    ratios = [seen / alone for alone, seen, *_ in pairs]
    cpu = [seen["per_million"]["daemon"] / alone["per_million"]["daemon"]
           for _, _, alone, seen, _ in pairs]
    show(f"{arguments.viewers} viewers of {arguments.devices} devices in a flood, "
         f"{len(pairs)} pairs", (
             ("heartbeats/s with viewers, of those without: median",
              f"{statistics.median(ratios):.3f}  ({min(ratios):.3f} to {max(ratios):.3f})"),
             ("daemon's CPU a heartbeat, the same", f"{statistics.median(cpu):.3f}")))


if __name__ == "__main__":
    main()
