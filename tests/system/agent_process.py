# SPDX-License-Identifier: Apache-2.0
"""One muster-agent: enrolled, run, asked, killed. Its clock is the test's where one is given."""
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile

from appliance import DEADLINE_S, wait_until

NOT_RUNNING = 3  # exit code of `muster-agent status`
HEARTBEAT, RESULT = 0, 1  # kinds of the queue's items


def make_enrolment_token(appliance, max_uses=1):
    answer = appliance.session.post(appliance.url + "/admin/enrolment-tokens", timeout=15,
                                    json={"max_uses": max_uses}, headers=appliance.admin_headers())
    assert answer.status_code == 201, answer.text
    return answer.json()["token"]


def write_secret(path, text):
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


class Agent:
    def __init__(self, bin_dir, directory, clock=None, prefix=(), binary=None):
        """binary: instead of bin_dir's, such as a copy that may be replaced."""
        self.binary = pathlib.Path(binary or pathlib.Path(bin_dir) / "muster-agent")
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config_file = self.directory / "agent.json"
        self.state = self.directory / "state"
        self.clock = clock
        self.prefix = list(prefix)  # a program that starts it, such as ip netns exec
        self.process = None
        self.output = None
        self.outputs = ""  # of all that was enrolled and asked

    # -- as a program --

    def environment(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
        kept.update(self.clock.environment() if self.clock else {})
        return kept

    def run(self, *arguments):
        done = subprocess.run([*self.prefix, self.binary, *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, env=self.environment(),
                              timeout=DEADLINE_S, check=False)
        self.outputs += done.stdout + done.stderr
        return done

    def call(self, *arguments, expect=0):
        """Runs the program to its end; what it said."""
        done = self.run(*arguments)
        assert done.returncode == expect, (done.returncode, done.stdout + done.stderr)
        return done

    def places(self):
        return ["--config", str(self.config_file), "--state-dir", str(self.state)]

    def enroll(self, url, secret_option, secret_file, alias="agent", expect=0, more=()):
        return self.call("enroll", *self.places(), "--server", url, secret_option,
                         str(secret_file), "--alias", alias, *more, expect=expect)

    def enrolled(self, appliance, alias="agent", url=None, more=()):
        """With a token made for it."""
        token = write_secret(self.directory / "enrolment-token", make_enrolment_token(appliance))
        self.enroll(url or appliance.url, "--token-file", token, alias, more=more)
        return self

    def status(self):
        """As `muster-agent status --json` says, once it runs."""
        def ask():
            done = self.run("status", *self.places(), "--json")
            if done.returncode == NOT_RUNNING and self.is_alive():
                return None  # not yet
            assert done.returncode == 0, done.stdout + done.stderr + self.log_tail()
            return json.loads(done.stdout)

        return wait_until(ask, "its status")

    # -- its configuration --

    @property
    def config(self):
        return json.loads(self.config_file.read_text())

    @property
    def device_id(self):
        return int(self.config["device_id"])

    def device(self):
        """As POST /v1/register answered it, for device_channel's functions."""
        config = self.config
        return {"device_id": config["device_id"], "token": config["token"],
                "hmac": config["keys"]["current"]}

    def configure(self, **members):
        """The machine owner's word, between two runs; an object's members one by one."""
        assert self.process is None
        config = self.config
        for name, value in members.items():
            if isinstance(value, dict):
                config.setdefault(name, {}).update(value)
            else:
                config[name] = value
        self.config_file.write_text(json.dumps(config))
        self.config_file.chmod(0o600)

    def secrets(self):
        config = self.config
        return [config["token"], config["keys"]["current"]["key"]]

    # -- life --

    def start(self):
        assert self.process is None
        self.output = open(self.directory / "output.txt", "ab")
        self.process = subprocess.Popen([*self.prefix, self.binary, "run", *self.places()],
                                        stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=self.output, env=self.environment())
        return self

    def terminate(self):
        """SIGTERM, and its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE_S)
        self.forget()
        return code

    def kill(self):
        self.process.kill()
        self.process.wait(DEADLINE_S)
        self.forget()

    def forget(self):
        self.process = None
        self.output.close()

    def destroy(self):
        if self.process:
            self.kill()

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    # -- what it says --

    def log(self):
        path = self.directory / "output.txt"
        return path.read_text(errors="replace") if path.exists() else ""

    def log_tail(self, lines=40):
        return "\n".join(self.log().splitlines()[-lines:])

    def events(self, *names):
        found = []
        for line in self.log().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(entry, dict) and entry.get("event") in names:
                found.append(entry)
        return found

    def wait(self, condition, what, deadline_s=DEADLINE_S):
        """Until condition(), while it lives."""
        def look():
            if not self.is_alive():
                raise AssertionError(f"the agent has ended ({self.process and self.process.poll()})"
                                     f":\n{self.log_tail()}")
            return condition()

        try:
            return wait_until(look, what, deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log_tail()}") from None

    def wait_event(self, name, count=1):
        return self.wait(lambda: len(found := self.events(name)) >= count and found,
                         f"{count} {name}")

    def settle(self, rounds=3):
        """Until what was due at the call has been done: its loop has answered so often since."""
        for _ in range(rounds):
            self.status()

    def has_sanitizer(self):
        binary = self.binary.read_bytes()
        return b"__asan_init" in binary or b"__tsan_init" in binary

    # -- its database --

    def rows(self, statement):
        """From a copy: the agent keeps its database to itself. Of one that runs only what lies
        still can be read so."""
        with tempfile.TemporaryDirectory() as copy:
            for name in ("agent.db", "agent.db-wal"):
                if (self.state / name).exists():
                    shutil.copyfile(self.state / name, pathlib.Path(copy) / name)
            database = sqlite3.connect(pathlib.Path(copy) / "agent.db")
            try:
                return database.execute(statement).fetchall()
            finally:
                database.close()

    def queued(self):
        """Bodies of the heartbeats that wait, by bucket; of one that does not run."""
        assert self.process is None
        return {key: json.loads(body) for key, body in self.rows(
            f"SELECT key, body FROM items WHERE kind = {HEARTBEAT} ORDER BY id")}


def stored_buckets(appliance, agent):
    """Buckets in the table heartbeats, as often as they stand there."""
    return sorted(int(row[0]) for row in appliance.sql(
        "SELECT extract(epoch FROM bucket)::bigint FROM heartbeats WHERE device_id = %s",
        agent.device_id))
