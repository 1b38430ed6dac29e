# SPDX-License-Identifier: Apache-2.0
"""./muster status, psql, load, down beside a running appliance; up where its build is tested."""
import json
import os
import pathlib
import re
import socket
import subprocess
import time

import pytest

pytestmark = [pytest.mark.one_thread, pytest.mark.release]

ROOT = pathlib.Path(__file__).resolve().parents[2]


def muster(*arguments, data_dir, code=0, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}
    done = subprocess.run([ROOT / "muster", *arguments],
                          env={**clean, "MUSTER_DATA_DIR": str(data_dir), **environment},
                          capture_output=True, text=True, timeout=300, check=False,
                          stdin=subprocess.DEVNULL, cwd="/")
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


@pytest.fixture
def at(daemon):
    """at(command, …): the launcher on the running appliance's data directory."""
    return lambda *arguments, **options: muster(*arguments, data_dir=daemon.data_dir, **options)


def test_status(daemon, at):
    state = json.loads(at("status", "--json"))
    assert state["running"] is True and state["ready"] is True
    assert state["pid"] == daemon.process.pid
    assert state["http_url"] == daemon.url and state["https_url"] == daemon.run["https_url"]
    assert state["backlog"] == 0 and state["details"]["degraded"] == []
    text = at("status")
    assert str(daemon.process.pid) in text and daemon.url in text
    assert "not '--wrong'" in at("status", "--wrong", code=1)


def test_psql(daemon, at):
    token = daemon.register("psql")["token"]
    assert daemon.heartbeat(token, ts=time.time()).status_code == 202
    daemon.wait_stored(1)
    counted = at("psql", "-At", "-c", "SELECT count(*) FROM heartbeats")
    assert counted.strip() == str(daemon.stored())
    assert at("psql", "-At", "-c", "SELECT 'a b', 1").strip() == "a b|1"
    assert "syntax error" in at("psql", "-c", "SELEC", code=1)


def test_load(daemon, at):
    if not (ROOT / "build/release/bin/muster-loadgen").exists():
        pytest.skip("build/release has no muster-loadgen")
    text = at("load", "flood", "--count", "200", "--devices", "10", "--verify",
              "--slo", "lost=0,errors=0")
    assert "nothing lost" in text
    assert (daemon.data_dir / "loadgen-devices").exists()


def test_nothing_runs_here(tmp_path):
    text = muster("status", "--json", data_dir=tmp_path, code=3)
    assert json.loads(re.search(r"\{.*\}", text).group()) == {
        "running": False, "pid": None, "ready": False, "backlog": None}
    assert "not running" in muster("status", data_dir=tmp_path, code=3)
    assert "not running" in muster("down", data_dir=tmp_path)
    assert "./muster up" in muster("psql", data_dir=tmp_path, code=1)
    assert "./muster up" in muster("load", data_dir=tmp_path, code=1)


def test_a_strangers_pid_is_left_alone(tmp_path):
    """A recycled pid in musterd.pid names somebody else."""
    sleeper = subprocess.Popen(["sleep", "300"])
    try:
        (tmp_path / "musterd.pid").write_text(f"{sleeper.pid} 1\n")
        assert "not running" in muster("down", data_dir=tmp_path)
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_help_and_wrong_commands(tmp_path):
    text = muster("help", data_dir=tmp_path)
    for command in ("up", "down", "status", "psql", "load", "bench", "test"):
        assert re.search(rf"^  {command}\b", text, re.MULTILINE), command
    assert "./muster help" in muster("start", data_dir=tmp_path, code=1)


def test_down(daemon, at):
    """Stops cleanly, stores everything first, and says so when there is nothing left to stop."""
    token = daemon.register("down")["token"]
    now = time.time()
    items = [{"ts": now - 10 * i} for i in range(300)]
    assert daemon.heartbeats(token, items, sent_at=now).status_code == 200
    before = daemon.process
    assert "Stopped" in at("down")
    assert before.wait(10) == 0
    assert daemon.log_events("drained")[-1]["all_stored"] is True
    assert "not running" in at("down")
    assert daemon.postgres_pid() is None
    daemon.forget()
    daemon.start()
    assert daemon.stored() >= 300


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.long
def test_up_and_down(bin_dir, scratch):
    """The two commands of the README, in a directory of their own; a second up changes nothing."""
    if bin_dir.resolve() != ROOT / "build/release/bin":
        pytest.skip("./muster up builds and runs build/release; this run tests another build")
    data_dir, ports = scratch / "var", {"MUSTER_PORT": free_port(), "MUSTER_HTTP_PORT": free_port()}
    try:
        text = muster("up", "--detach", data_dir=data_dir, **ports)
        state = json.loads(muster("status", "--json", data_dir=data_dir))
        assert state["ready"] is True and state["http_url"].endswith(ports["MUSTER_HTTP_PORT"])
        command = next(line for line in text.splitlines() if "/v1/register" in line)
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30,
                              check=True)
        assert "next_heartbeat_in_s" in done.stdout, "the line that up prints works as it stands"
        again = muster("up", "--detach", data_dir=data_dir, **ports)
        assert "already" in again
        assert json.loads(muster("status", "--json", data_dir=data_dir))["pid"] == state["pid"]
        other = {"MUSTER_PORT": free_port(), "MUSTER_HTTP_PORT": ports["MUSTER_HTTP_PORT"]}
        assert "is taken" in muster("up", "--detach", data_dir=scratch / "other", code=1, **other)
    finally:
        muster("down", data_dir=data_dir)
