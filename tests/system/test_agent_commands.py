# SPDX-License-Identifier: Apache-2.0
"""Commands as the agent takes them: on both paths, what its policy refuses, what was forged, and
what a crash comes between."""
import contextlib
import json
import os
import pathlib
import signal

import pytest

from agent_house import STEP_S, wait_channel
from appliance import wait_until
from doubles.http_double import Answer

pytestmark = pytest.mark.one_thread

PACKAGE = "com.example.till"


class Program:
    """One that policy lists; says each of its starts."""

    def __init__(self, directory):
        self.path = directory / "kiosk"
        self.started = directory / "kiosk.started"
        self.path.write_text(f"#!/bin/sh\necho $$ >> {self.started}\n"
                             "trap 'exit 0' TERM\nwhile :; do sleep 0.1; done\n")
        self.path.chmod(0o755)

    def pids(self):
        return ([int(line) for line in self.started.read_text().split()]
                if self.started.exists() else [])

    def running(self):
        """Zombies do not."""
        found = []
        for pid in self.pids():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
                found += [pid] if state != "Z" else []
        return found

    def end(self):
        for pid in self.running():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def program(scratch):
    made = Program(scratch)
    yield made
    made.end()


@pytest.fixture
def faked(fake, make_agent):
    """An agent of the double that has opened its channel."""
    agent = make_agent()
    fake.write_config(agent)
    agent.start()
    fake.wait_channel()
    fake.wait_heartbeats(1)
    return agent


def refusals(agent, reason):
    return [event for event in agent.events("command.refused") if event["reason"] == reason]


def runs(agent, command_id):
    return [event for event in agent.events("command.run")
            if str(event["command_id"]) == str(command_id)]


# ---- by a real appliance ----

def test_by_the_channel(house):
    agent = house.agent().start()
    wait_channel(agent)
    ping = house.wait_command(agent, house.order(agent, "ping"), "done")
    assert ping["first_path"] == "websocket"
    result = ping["report"]["result"]
    assert result["agent_version"] == agent.call("version").stdout.split()[-1]
    assert result["channel"] == "open" and result["clock_synced"] is True
    logs = house.wait_command(agent, house.order(agent, "request_logs", {"lines": 50}), "done")
    events = logs["report"]["result"]["events"]
    assert "command.result" in json.dumps(events) and "agent.start" in json.dumps(events)
    assert not any(secret in json.dumps(logs) for secret in agent.secrets())


def test_fetched_where_no_channel_opens(house):
    agent = house.agent()
    house.wire.refuse(b"GET /v1/device/ws")
    orders = [house.order(agent, "ping") for _ in range(3)]
    agent.start()
    for number, order in enumerate(orders):
        shown = house.wait_command(agent, order, "done")
        assert shown["first_path"] == "heartbeat"
    ran = [str(event["command_id"]) for event in agent.events("command.run")]
    assert ran == orders, "once each, in their order"
    # And the count in a later heartbeat's answer makes it fetch again.
    late = house.order(agent, "ping")
    agent.wait(lambda: house.report(agent) or house.command(late)["state"] == "done",
               "the late one to be done")


def test_settings_from_afar(house):
    agent = house.agent().start()
    wait_channel(agent)
    policy = agent.config.get("policy")
    order = house.order(agent, "set_config", {"settings": {"monitored_package": PACKAGE}})
    house.wait_command(agent, order, "done")
    assert agent.config["settings"]["monitored_package"] == PACKAGE
    assert agent.config_file.stat().st_mode & 0o777 == 0o600
    # Neither what is not known, nor half of what is, nor the owner's word.
    for settings in ({"monitored_package": "other", "colour": "red"},
                     {"policy": {"reboot": True}}, {"server": "https://elsewhere.example"}):
        failed = house.wait_command(agent, house.order(agent, "set_config",
                                                       {"settings": settings}), "failed")
        assert next(iter(set(settings) - {"monitored_package"})) in failed["error"]
    assert agent.config["settings"]["monitored_package"] == PACKAGE
    assert agent.config.get("policy") == policy and agent.config["server"] == house.wire.url
    agent.terminate()
    house.clock.jump(STEP_S, STEP_S)
    agent.start()  # it holds
    wait_channel(agent)
    assert agent.config["settings"]["monitored_package"] == PACKAGE


def test_the_monitored_program_is_in_the_heartbeat(house, program):
    agent = house.agent()
    agent.configure(policy={"programs": [str(program.path)]},
                    settings={"monitored_package": str(program.path)})
    agent.start()
    wait_channel(agent)
    house.wait_command(agent, house.order(agent, "relaunch_app"), "done")
    house.report(agent)
    package = {"package": str(program.path)}
    house.wait_command(agent, house.order(agent, "stop_package", package), "done")
    house.report(agent, 2)
    house.wait_reported(agent, 4)
    ages = [row[0] for row in house.appliance.sql(
        "SELECT monitored_last_fg_s FROM heartbeats WHERE device_id = %s ORDER BY bucket",
        agent.device_id)]
    assert ages[0] is None, "before it was seen"
    assert ages[1] == 0 and 0 < ages[-2] < ages[-1], ages


def test_programs_that_policy_lists_and_others(house, program):
    agent = house.agent()
    agent.configure(policy={"programs": [str(program.path)]})
    agent.start()
    wait_channel(agent)
    package = {"package": str(program.path)}
    house.wait_command(agent, house.order(agent, "launch_package", package), "done")
    first = wait_until(program.running, "the program to run")
    house.wait_command(agent, house.order(agent, "relaunch_app", package), "done")
    second = wait_until(lambda: len(program.pids()) == 2 and program.running(), "it to run anew")
    assert len(second) == 1 and second != first
    house.wait_command(agent, house.order(agent, "stop_package", package), "done")
    assert program.running() == []

    before = program.pids()
    for kind, payload in (("launch_package", {"package": "/bin/touch"}),
                          ("relaunch_app", {"package": str(program.path) + "/../kiosk"}),
                          ("stop_package", {"package": "ssh.service"}), ("relaunch_app", None),
                          ("reboot", {"delay_s": 0}), ("screenshot", {"reason": "a test"})):
        failed = house.wait_command(agent, house.order(agent, kind, payload), "failed")
        assert failed["error"].endswith("."), (kind, failed["error"])
        assert "polic" in failed["error"] or payload is None, (kind, failed["error"])
    assert program.pids() == before
    assert agent.is_alive()


def test_a_type_that_no_agent_knows(fake, faked):
    order = fake.offer(fake.command("make_coffee"))
    result, = fake.wait_results(1)
    assert result["command_id"] == order and result["status"] == "failed"
    assert result["error"].endswith(".") and fake.check_result(result) is None


def test_a_new_key(house):
    agent = house.agent().start()
    wait_channel(agent)
    old = agent.config["keys"]["current"]
    rotation = house.ask("POST", f"/admin/devices/{agent.device_id}/rotate-key", expect=201)["id"]
    house.wait_command(agent, rotation, "done")
    assert agent.config["keys"]["next"]["version"] == 2
    assert agent.config["keys"]["current"] == old
    house.wait_command(agent, house.order(agent, "ping"), "done")  # signed with the new one
    keys = agent.config["keys"]
    assert keys["current"]["version"] == 2 and keys["current"]["key"] != old["key"]
    assert "next" not in keys or keys["next"] is None
    assert agent.events("key.rotated") and not agent.events("command.refused")
    assert house.appliance.sql(
        "SELECT hmac_key_version, hmac_next_key_version FROM devices WHERE id = %s",
        agent.device_id) == [(2, None)]
    agent.kill()
    agent.start()  # it is on the disk
    wait_channel(agent)
    house.wait_command(agent, house.order(agent, "ping"), "done")
    text = agent.log() + agent.outputs
    assert old["key"] not in text and keys["current"]["key"] not in text


def test_killed_at_every_step_of_a_rotation(house):
    """The key is asked for again until it is there; none of its versions is lost."""
    agent = house.agent().start()
    wait_channel(agent)
    for version in (2, 3, 4):
        rotation = house.ask("POST", f"/admin/devices/{agent.device_id}/rotate-key",
                             expect=201)["id"]
        agent.kill()
        agent.start()
        house.wait_command(agent, rotation, "done")
        agent.kill()
        agent.start()
        house.wait_command(agent, house.order(agent, "ping"), "done")
        assert agent.config["keys"]["current"]["version"] == version


# ---- by one that lies ----

@pytest.mark.long
@pytest.mark.parametrize("channel", (True, False), ids=("channel", "fetch"))
def test_what_is_forged_is_refused_and_reported(fake, make_agent, clock, channel):
    agent = make_agent()
    fake.channel = channel
    fake.write_config(agent)
    agent.start()
    fake.wait_heartbeats(1)
    if channel:
        fake.wait_channel()
    good = fake.command("ping")
    device = fake.command("ping", device_id="18")
    stranger = fake.command("ping", key=os.urandom(32))
    unknown = {**fake.command("ping"), "key_version": "9"}
    forged = {
        "signature": [{**good, "payload": '{"a":1}'}, {**good, "type": "reboot"},
                      {**good, "command_id": "99"}, {**good, "nonce": "0" * 32},
                      {**good, "signature": "0" * 64}, stranger],
        "device": [device],
        "key_version": [unknown],
        "malformed": [{name: value for name, value in good.items() if name != "nonce"},
                      {**good, "colour": "red"}, {**good, "timestamp": "01"},
                      {**good, "command_id": 17}],
    }
    count = 0
    for reason, envelopes in forged.items():
        for envelope in envelopes:
            count += 1
            before = len(refusals(agent, reason))
            # A flood of refusals fills no log: each has a while of its own.
            clock.jump(STEP_S, STEP_S)
            order = fake.offer({**envelope, "command_id": envelope["command_id"]})
            agent.wait(lambda: len(refusals(agent, reason)) > before, f"{envelope} to be refused")
            fake.withdraw(order)
    assert fake.receipts == [] and fake.results == [], "nobody is answered"
    assert agent.events("command.run") == []
    before = len(fake.heartbeats)
    clock.jump(STEP_S, STEP_S)
    fake.wait_heartbeats(before + 2)
    assert fake.heartbeats[-1]["refused_commands"] >= count, fake.heartbeats[-1]
    fake.offer(good)  # and the true one still runs
    result, = fake.wait_results(1)
    assert result["status"] == "done" and fake.check_result(result) is None


def test_a_replay_is_refused(fake, faked):
    first = fake.command("ping")
    fake.offer(first)
    fake.wait_results(1)
    # The same nonce for another command, by whoever has the key; and the whole of it once more.
    fake.offer(fake.command("ping", nonce=first["nonce"]))
    faked.wait(lambda: refusals(faked, "replay"), "the nonce to be refused")
    assert len(fake.results) == 1 and len(faked.events("command.run")) == 1
    fake.offer(first)
    faked.wait(lambda: len(refusals(faked, "replay")) == 2, "the replay to be refused")
    # Signed anew it is known: acknowledged again, not run.
    receipts = len(fake.receipts)
    fake.offer(fake.command("ping", command_id=first["command_id"]))
    fake.wait_receipts(receipts + 1)
    assert len(runs(faked, first["command_id"])) == 1 and len(fake.results) == 1


def test_one_that_is_too_old_makes_it_fetch(fake, faked, clock):
    for count, seconds in enumerate((-330, 330), 1):
        asked = fake.count("/v1/commands")
        stale = fake.command("ping", timestamp=str(int(clock.now_s()) + seconds))
        with fake.lock:
            channel, = fake.channels
            fresh = fake.command("ping", command_id=stale["command_id"])
            fake.offered[fresh["command_id"]] = fresh  # what it will find there was signed anew
        fake.push(channel, {"type": "command", "command": stale})
        faked.wait_event("command.stale", count)
        clock.jump(STEP_S, STEP_S)  # it fetches so often at most
        fake.wait_requests("/v1/commands", asked + 1)
        fake.wait_results(count)
        assert len(runs(faked, stale["command_id"])) == 1


def test_the_clock_of_the_device_is_wrong(fake, make_agent, scratch):
    """By two hours: commands are judged by the appliance's time."""
    agent = make_agent()
    fake.now = lambda: agent.clock.now_s() + 7200
    fake.write_config(agent)
    agent.start()
    fake.wait_channel()
    fake.wait_heartbeats(1)
    agent.wait(lambda: agent.status()["clock_synced"], "it to know the time")
    assert 7190 < agent.status()["clock_offset_s"] < 7210
    order = fake.offer(fake.command("ping"))
    result, = fake.wait_results(1)
    assert (result["command_id"], result["status"]) == (order, "done")
    assert agent.events("command.stale") == []


# ---- what comes between ----

def test_killed_between_command_and_result(fake, make_agent, clock):
    """The answer was lost, the agent killed: the result comes all the same, of one run."""
    agent = make_agent()
    fake.channel = False
    fake.write_config(agent)
    fake.answer_path_always("/v1/action-result", Answer(503, headers={"Retry-After": "1"}))
    order = fake.offer(fake.command("ping"))
    agent.start()
    fake.wait_requests("/v1/action-result", 1)
    for _ in range(3):
        agent.kill()
        clock.jump(STEP_S, STEP_S)
        agent.start()
        fake.wait_requests("/v1/action-result", fake.count("/v1/action-result") + 1)
    assert fake.results == [] and agent.status()["queue"]["results"] == 1
    fake.pass_all()
    agent.kill()
    agent.start()
    result, = fake.wait_results(1)
    assert (result["command_id"], result["status"]) == (order, "done")
    assert fake.check_result(result) is None
    agent.wait(lambda: agent.status()["queue"]["results"] == 0, "the queue to be empty")
    assert len(runs(agent, order)) == 1


def test_the_lost_answer_to_a_result(fake, make_agent, clock):
    agent = make_agent()
    fake.channel = False
    fake.write_config(agent)
    fake.answer_path("/v1/action-result", Answer(fault="cut", after=True))
    order = fake.offer(fake.command("ping"))
    agent.start()
    fake.wait_results(1)
    clock.jump(STEP_S, STEP_S)
    first, second = fake.wait_results(2)
    assert first == second and first["command_id"] == order
    agent.wait(lambda: agent.status()["queue"]["results"] == 0, "the queue to be empty")
    assert len(runs(agent, order)) == 1


def test_a_program_is_started_once_whatever_happens(fake, make_agent, clock, program):
    """Killed after it was acknowledged, before its result: what ran is not run again."""
    agent = make_agent()
    fake.write_config(agent, policy={"programs": [str(program.path)]})
    agent.start()
    fake.wait_channel()
    order = fake.offer(fake.command("launch_package", {"package": str(program.path)}))
    wait_until(program.pids, "the program to start")
    agent.kill()
    clock.jump(STEP_S, STEP_S)
    agent.start()
    for result in fake.wait_results(1):  # two, if the kill came between the first and its answer
        assert result["command_id"] == order and fake.check_result(result) is None
    fake.offer({**fake.command("launch_package", {"package": str(program.path)},
                               command_id=order)})  # asked for again: known
    fake.wait_receipts(2)
    assert len(program.pids()) == 1


def test_cancelled_before_it_was_acknowledged(house):
    agent = house.agent()
    order = house.order(agent, "ping")
    house.ask("POST", f"/admin/commands/{order}/cancel")
    agent.start()
    wait_channel(agent)
    later = house.order(agent, "ping")
    house.wait_command(agent, later, "done")
    assert runs(agent, order) == [] and house.command(order)["state"] == "cancelled"
