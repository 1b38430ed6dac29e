# SPDX-License-Identifier: Apache-2.0
"""The Windows agent under Wine against a real appliance: the same core, another machine.

./muster test --only windows builds it and says where it is: MUSTER_TEST_WINDOWS_AGENT."""
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess

import pytest

from agent_process import HEARTBEAT, make_enrolment_token, write_secret
from appliance import DEADLINE_S, wait_until
from tcp_proxy import TcpProxy

pytestmark = [pytest.mark.one_thread, pytest.mark.release]

WINE = "/usr/lib/wine/wine64"
WINESERVER = "/usr/lib/wine/wineserver64"
WINE_DEADLINE_S = 180  # its first start makes a whole Windows
NOT_RUNNING = 3


class WindowsAgent:
    def __init__(self, binary, directory):
        self.binary = binary
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.state = self.directory / "state"
        self.output = self.directory / "output.txt"
        self.process = None
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("MUSTER_", "WINE"))}
        kept.pop("DISPLAY", None)
        self.environment = {**kept, "WINEPREFIX": str(self.directory / "wine"),
                            "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}

    def prepare(self):
        """A server that stays: one that comes and goes with each program is Wine's to get wrong."""
        subprocess.run([WINESERVER, "-p"], env=self.environment, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=True)
        return self

    def places(self):
        return ["--state-dir", "Z:" + str(self.state).replace("/", "\\")]

    def run(self, *arguments):
        """To its end. Into files: Wine's own services may outlive it and would hold pipes open."""
        paths = self.directory / "stdout.txt", self.directory / "stderr.txt"
        with open(paths[0], "wb") as stdout, open(paths[1], "wb") as stderr:
            done = subprocess.run([WINE, self.binary, *arguments], stdin=subprocess.DEVNULL,
                                  stdout=stdout, stderr=stderr, env=self.environment,
                                  timeout=WINE_DEADLINE_S, check=False)
        done.stdout, done.stderr = (path.read_text(errors="replace") for path in paths)
        return done

    def start(self):
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen([WINE, self.binary, "run", *self.places()],
                                            stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, env=self.environment)
        return self

    def kill(self):
        """No farewell: what it held is what the disk holds. Wine hears of it a moment later."""
        self.process.kill()
        self.process.wait(30)
        self.process = None
        wait_until(lambda: self.run("status", *self.places()).returncode == NOT_RUNNING,
                   "its end", WINE_DEADLINE_S)

    def status(self):
        """None: it has not come so far."""
        done = self.run("status", *self.places())
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None

    def said(self):
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def wait(self, condition, what):
        def asked():
            assert self.process.poll() is None, f"it ended:\n{self.said()}"
            return condition()

        try:
            return wait_until(asked, what, WINE_DEADLINE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()[-4000:]}") from None

    def queued(self):
        """How many heartbeats wait, as the running one says."""
        status = self.status()
        return status and status["queue"]["heartbeats"]

    def has_channel(self):
        status = self.status()
        return status and status["push_channel"] == "open"

    def left(self):
        """Buckets of the heartbeats in the store of one that was killed: of a copy, since whoever
        opens a store may tidy it up."""
        assert not self.process
        copy = self.directory / "copy"
        copy.mkdir()
        for path in self.state.glob("agent.db*"):
            shutil.copy(path, copy)
        store = sqlite3.connect(copy / "agent.db")
        try:
            return {row[0] for row in store.execute("SELECT key FROM items WHERE kind = ?",
                                                    (HEARTBEAT,))}
        finally:
            store.close()
            shutil.rmtree(copy)

    def destroy(self):
        if self.process:
            self.process.kill()
            self.process.wait(30)
        # Only the servers of this prefix.
        for what in ("-k", "-w"):
            subprocess.run([WINESERVER, what], env=self.environment, timeout=60, check=False)
        shutil.rmtree(self.directory / "wine", ignore_errors=True)


@pytest.fixture
def windows_agent(scratch):
    binary = os.environ.get("MUSTER_TEST_WINDOWS_AGENT")
    if not binary:
        pytest.skip("the Windows agent is not built here: ./muster test --only windows does")
    if not pathlib.Path(WINE).exists():
        pytest.skip("Wine is not installed: ./muster test --only windows does")
    made = WindowsAgent(binary, scratch / "windows")
    (made.directory / "wine").mkdir()
    yield made.prepare()
    made.destroy()


@pytest.fixture
def wire(appliance):
    """An address that stays when the appliance comes back at another."""
    proxy = TcpProxy(int(appliance.url.rsplit(":", 1)[1])).start()
    yield proxy
    proxy.stop()


def enroll(agent, appliance, wire):
    token = write_secret(agent.directory / "token", make_enrolment_token(appliance))
    done = agent.run("enroll", *agent.places(), "--server", wire.url, "--token-file",
                     "Z:" + str(token).replace("/", "\\"), "--alias", "window")
    assert done.returncode == 0, done.stdout + done.stderr
    assert wire.url in done.stdout
    return int(done.stdout.split("device ")[1].split()[0])


def buckets(appliance, device_id):
    return {row[0] for row in appliance.sql(
        "SELECT extract(epoch FROM bucket)::bigint FROM heartbeats WHERE device_id = %s",
        device_id)}


def admin(appliance, method, path, body=None):
    answer = appliance.session.request(method, appliance.url + path, json=body,
                                       headers=appliance.admin_headers(), timeout=DEADLINE_S)
    assert answer.ok, answer.text
    return answer.json()


def test_it_enrols_reports_obeys_and_forgets_nothing(windows_agent, appliance, wire):
    agent = windows_agent
    version = agent.run("version")
    assert version.returncode == 0 and version.stdout.startswith("muster-agent "), version
    assert agent.run("run", *agent.places()).returncode == 1  # not enrolled

    refused = agent.run("enroll", *agent.places(), "--server", "http://fleet.example",
                        "--token-file", "x", "--alias", "window")
    assert refused.returncode == 1 and "only this machine itself" in refused.stderr
    device_id = enroll(agent, appliance, wire)
    sealed = (agent.state / "agent.dat").read_bytes()
    assert b"token" not in sealed and b"server" not in sealed

    # It reports what Windows says of itself.
    agent.start()
    agent.wait(lambda: buckets(appliance, device_id), "a heartbeat in the table")
    row = appliance.sql("SELECT agent_version, ram_total_mb, uptime_s, boot_id, seq, extra"
                        " FROM heartbeats WHERE device_id = %s ORDER BY bucket LIMIT 1",
                        device_id)[0]
    assert row[0] == version.stdout.split()[1]
    assert row[1] > 0 and row[2] > 0 and row[3] and row[4] == 1
    assert row[5]["disk_free_mb"] > 0
    twice = agent.run("run", *agent.places())
    assert twice.returncode == 1 and "runs there already" in twice.stderr

    # It checks a signed command, runs it and signs the result.
    agent.wait(agent.has_channel, "its channel to open")
    command = admin(appliance, "POST", f"/admin/devices/{device_id}/commands", {"type": "ping"})
    agent.wait(lambda: admin(appliance, "GET", f"/admin/commands/{command['id']}")["command"]
               ["state"] == "done", "the ping's result")

    # Nobody can be reached, and it is killed twice: what it had queued is kept and sent.
    agent.kill()
    assert appliance.terminate() == 0
    agent.start()
    agent.wait(agent.queued, "a heartbeat in the queue")
    agent.kill()
    queued = agent.left()
    assert queued
    agent.start()
    assert agent.wait(agent.queued, "the queue after the start") >= len(queued)
    appliance.start()
    wire.port_behind = int(appliance.url.rsplit(":", 1)[1])
    agent.wait(lambda: buckets(appliance, device_id) >= queued, "the queue in the table")
    agent.wait(lambda: agent.queued() == 0, "the queue to have let go of them")
    assert agent.process.poll() is None
