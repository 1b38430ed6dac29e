# SPDX-License-Identifier: Apache-2.0
"""Starts, asks, kills and stops one musterd. Every wait is for a condition, with a deadline."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import psycopg2
import requests

DEADLINE_S = 60


def wait_until(condition, what, deadline_s=DEADLINE_S):
    """The first true answer of condition(); fails naming what was waited for."""
    end = time.monotonic() + deadline_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= end:
            raise AssertionError(f"waited {deadline_s} s for {what}")
        time.sleep(0.02)


def running(pid):
    """It lives, and is no zombie: who reaps what a killed daemon leaves may take seconds."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Appliance:
    def __init__(self, bin_dir, data_dir, options=(), environment=None, prefix=()):
        self.bin_dir = pathlib.Path(bin_dir)
        self.data_dir = pathlib.Path(data_dir)
        self.options = list(options)
        self.environment = dict(environment or {})
        self.prefix = list(prefix)  # a program that starts musterd, such as prlimit
        self.process = None
        self.run = {}
        self.session = requests.Session()

    # -- life --

    def launch(self):
        """Starts the process, waiting for nothing."""
        assert self.process is None
        self.data_dir.mkdir(parents=True, exist_ok=True)
        (self.data_dir / "run.json").unlink(missing_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}
        # Tests ask more than people do; those about limits set their own.
        # Each start fills two of the journal's segments with zeros and waits for the disk: those
        # about segments set their own.
        environment.update(MUSTER_LIMITS_GENERAL_MAX="0", MUSTER_LIMITS_BULK_MAX="0",
                           MUSTER_JOURNAL_SEGMENT="4MiB")
        environment.update(self.environment)
        self.output = open(self.data_dir / "output.txt", "ab")
        self.process = subprocess.Popen(
            [*self.prefix, self.bin_dir / "musterd", "--data-dir", self.data_dir, "--port", "0",
             "--tls-address", "127.0.0.1", "--http-port", "0", *self.options],
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output, env=environment)
        return self

    def wait_published(self):
        """Until a launched process serves."""
        def published():
            if self.process.poll() is not None:
                raise AssertionError(f"musterd ended with "
                                     f"{self.process.returncode}:\n{self.log_tail()}")
            try:
                return json.loads((self.data_dir / "run.json").read_text())
            except (FileNotFoundError, json.JSONDecodeError):
                return None

        self.run = wait_until(published, "musterd to serve")
        return self

    def spawn(self):
        """Starts the process and returns as soon as it serves."""
        return self.launch().wait_published()

    def start(self):
        """Starts it and waits until it stores."""
        self.spawn()
        self.wait_storing()
        return self

    def wait_storing(self):
        return wait_until(lambda: self.ready() and self.ready()["degraded"] == [],
                          "musterd to store")

    def terminate(self, signals=1, deadline_s=90):
        """SIGTERM, and its exit code."""
        for _ in range(signals):
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(deadline_s)
        self.forget()
        return code

    def kill(self):
        """kill -9: nothing is said, nothing is drained."""
        self.process.kill()
        self.process.wait(10)
        self.forget()

    def forget(self):
        """The process has ended."""
        self.process = None
        self.output.close()
        self.session.close()
        self.session = requests.Session()

    def destroy(self):
        """Ends the process and its private PostgreSQL, whatever state they are in."""
        if self.process:
            self.process.kill()
            self.process.wait(10)
            self.forget()
        pid = self.postgres_pid()
        if pid:
            try:
                os.kill(pid, signal.SIGQUIT)
            except ProcessLookupError:
                return
            wait_until(lambda: not running(pid), "PostgreSQL to end")
        # A clean stop takes its socket's directory along; a killed one leaves it to the next start.
        if "socket_dir" in self.run and os.path.isdir(self.run["socket_dir"]):
            shutil.rmtree(self.run["socket_dir"])

    def log_tail(self, lines=30):
        path = self.data_dir / "output.txt"
        return ("\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists()
                else "")

    def log_events(self, event):
        found = []
        for line in (self.data_dir / "output.txt").read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            if entry.get("event") == event:
                found.append(entry)
        return found

    # -- the private PostgreSQL --

    def postgres_directory(self):
        location = self.data_dir / "postgres.location"
        return (pathlib.Path(location.read_text().strip()) if location.exists()
                else self.data_dir / "postgres")

    def postgres_pid(self):
        """The postmaster's pid, if it lives."""
        try:
            pid = int((self.postgres_directory() / "postmaster.pid").read_text().splitlines()[0])
            comm = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
        except (FileNotFoundError, IndexError, ValueError, ProcessLookupError):
            return None
        return pid if comm == "postgres" and running(pid) else None

    def connect(self):
        if "socket_dir" in self.run:
            return psycopg2.connect(host=self.run["socket_dir"], dbname="muster", user="muster")
        return psycopg2.connect(self.environment["MUSTER_DATABASE_URL"])

    def sql(self, statement, *values):
        connection = self.connect()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def stored(self):
        return self.sql("SELECT count(*) FROM heartbeats")[0][0]

    # -- HTTP --

    @property
    def url(self):
        return self.run["http_url"]

    def admin_headers(self):
        return {"X-Admin-Key": (self.data_dir / "secrets" / "admin-key").read_text().strip()}

    def ready(self):
        """/ready's body while it says 200."""
        answer = self.probe()
        return answer[1] if answer and answer[0] == 200 else None

    def probe(self):
        """(status, body) of /ready, whatever it says; None without an answer."""
        try:
            answer = self.session.get(self.url + "/ready", timeout=5)
            return answer.status_code, answer.json()
        except (requests.RequestException, KeyError):
            return None

    def metrics(self):
        """name{labels} → value, as text."""
        values = {}
        for line in self.session.get(self.url + "/metrics", timeout=10).text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def has_sanitizer(self):
        """Such a build keeps what was freed: its memory says nothing about the program's."""
        binary = (self.bin_dir / "musterd").read_bytes()
        return b"__asan_init" in binary or b"__tsan_init" in binary

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines()
                    if line.startswith("VmRSS:"))

    def metric(self, prefix):
        """The sum of all series whose name begins so."""
        return sum(value for name, value in self.metrics().items() if name.startswith(prefix))

    def register(self, alias="device", headers=None, expect=201, **body):
        body = {"alias": alias, "kind": "android", **body}
        answer = self.session.post(self.url + "/v1/register", json=body, timeout=15,
                                   headers=headers or self.admin_headers())
        assert answer.status_code == expect, answer.text
        return answer.json()

    def delete_device(self, device_id):
        return self.session.delete(f"{self.url}/admin/devices/{device_id}",
                                   headers=self.admin_headers(),
                                   timeout=15)

    def heartbeat(self, token, **fields):
        fields.setdefault("ts", time.time())
        return self.session.post(self.url + "/v1/heartbeat", json=fields, timeout=15,
                                 headers={"Authorization": f"Bearer {token}"})

    def heartbeats(self, token, items, **body):
        return self.session.post(self.url + "/v1/heartbeats", json={"heartbeats": items, **body},
                                 timeout=30,
                                 headers={"Authorization": f"Bearer {token}"})

    def wait_stored(self, count, deadline_s=DEADLINE_S):
        return wait_until(lambda: self.stored() >= count, f"{count} heartbeats in the database",
                          deadline_s)

    # -- jobs --

    def ask_job(self, name):
        """Has a job run; the run's id."""
        answer = self.session.post(f"{self.url}/admin/jobs/{name}/run", timeout=15,
                                   headers=self.admin_headers())
        assert answer.status_code == 202, answer.text
        return answer.json()["run_id"]

    def job_run(self, run_id):
        answer = self.session.get(f"{self.url}/admin/job-runs/{run_id}", timeout=15,
                                  headers=self.admin_headers())
        assert answer.status_code == 200, answer.text
        return answer.json()

    def run_job(self, name, expect="ok", deadline_s=180):
        """Runs a job, waits until that has ended, and says how it went."""
        run_id = self.ask_job(name)
        run = wait_until(lambda: (run := self.job_run(run_id))["finished_at"] and run,
                         f"the job {name} to end", deadline_s)
        assert run["state"] == expect, run
        return run
