#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Signing in beside what it can't cost less than: bcrypt, by the same library, in the same run.

One client signs in again and again over one connection; between two sign-ins bcrypt of the same
cost is timed alone. Then as many clients at once as let every core work.
"""
import argparse
import concurrent.futures
import ctypes
import ctypes.util
import http.client
import json
import os
import pathlib
import shutil
import statistics
import tempfile
import time
import urllib.parse

from run import Appliance, show

OPTIONS = ["--limits-general-max", "0", "--limits-general-burst", "0"]


class Bcrypt:
    """crypt_rn of libxcrypt."""

    def __init__(self, cost):
        self.library = ctypes.CDLL(ctypes.util.find_library("crypt"))
        self.library.crypt_rn.restype = ctypes.c_char_p
        self.setting = f"$2b${cost:02}$abcdefghijklmnopqrstuu".encode()
        self.room = ctypes.create_string_buffer(65536)

    def time_ms(self):
        began = time.perf_counter()
        hashed = self.library.crypt_rn(b"a fine long password", self.setting, self.room,
                                       len(self.room))
        if not hashed:
            raise SystemExit("bench: libxcrypt has no bcrypt")
        return (time.perf_counter() - began) * 1000


class Client:
    def __init__(self, appliance):
        where = urllib.parse.urlsplit(appliance.run["http_url"])
        self.connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
        password = (appliance.data_dir / "secrets" / "admin-password").read_text().strip()
        self.body = json.dumps({"username": "admin", "password": password})

    def time_ms(self):
        began = time.perf_counter()
        self.connection.request("POST", "/api/auth/login", self.body,
                                {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"bench: {answer.status} {body[:300]}")
        return (time.perf_counter() - began) * 1000


def line(times):
    times = sorted(times)
    return f"p50 {statistics.median(times):7.1f} ms   max {times[-1]:7.1f} ms"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default="build/release/bin", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--cost", type=int, default=12, help="as accounts.bcrypt_cost")
    parser.add_argument("--cores", default="0,1", help="what everything shares")
    options = parser.parse_args()
    os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="muster-bench-"))
    scratch.chmod(0o755)
    try:
        daemon_options = [*OPTIONS, "--accounts-bcrypt-cost", str(options.cost)]
        with Appliance(options.bin.resolve(), scratch, options=daemon_options) as appliance:
            client, bcrypt = Client(appliance), Bcrypt(options.cost)
            alone, whole = [], []
            for _ in range(options.rounds):
                alone.append(bcrypt.time_ms())
                whole.append(client.time_ms())
            cores = len(os.sched_getaffinity(0))
            clients = [Client(appliance) for _ in range(cores)]
            began = time.perf_counter()
            with concurrent.futures.ThreadPoolExecutor(cores) as pool:
                list(pool.map(lambda one: [one.time_ms() for _ in range(options.rounds)], clients))
            rate = cores * options.rounds / (time.perf_counter() - began)
            median = statistics.median(alone)
            show("Signing in", [
                (f"bcrypt alone, cost {options.cost}", line(alone)),
                ("a whole sign-in", line(whole)),
                ("the rest of it", f"{statistics.median(whole) - median:.1f} ms"),
                (f"{cores} clients at once", f"{rate:.1f}/s; bcrypt alone on {cores} cores: "
                                             f"{cores * 1000 / median:.1f}/s"),
            ])
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
