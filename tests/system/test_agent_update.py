# SPDX-License-Identifier: Apache-2.0
"""Updates of the agent: a real one, tried beside itself, against an appliance that offers good ones
and bad ones."""
import os
import pathlib
import shutil

import pytest

from agent_house import enqueued
from doubles.update_double import CRASHING, ELSEWHERE, FILES, SILENT, UpdateDouble, program_of

pytestmark = pytest.mark.one_thread

OLD, NEW = "0.1.0", "0.1.1"
FIRST_S = 60   # within which a started agent asks
TRIAL_S = 120
LONGEST_WAIT_S = 301  # between two tries to report


@pytest.fixture
def offers(clock):
    with UpdateDouble(now=clock.now_s) as double:
        yield double


@pytest.fixture
def agent(make_agent, failpoint_bin_dir, scratch, offers):
    """One that may replace its own program, and has reported."""
    directory = scratch / "program"
    directory.mkdir()
    binary = directory / "muster-agent"
    shutil.copy(pathlib.Path(failpoint_bin_dir) / "muster-agent", binary)
    made = make_agent(binary=binary)
    offers.write_config(made, update=offers.pinned())
    made.original = binary.read_bytes()
    made.start()
    offers.wait_heartbeats(1)
    return made


def ask(clock):
    clock.jump(FIRST_S, FIRST_S)


def assert_goes_on(agent, offers, clock):
    """The old program is in its place, and reports."""
    before = len(offers.heartbeats)
    made = len(enqueued(agent))
    clock.jump(11, 11)
    agent.wait(lambda: len(enqueued(agent)) > made, "another report")
    offers.wait_heartbeats(before + 1)
    assert agent.binary.read_bytes() == agent.original
    assert not agent.binary.with_name("muster-agent.new").exists()
    assert not (agent.state / "update.download").exists()
    assert offers.heartbeats[-1]["agent_version"] == OLD
    assert agent.terminate() == 0


def assert_all_arrived(agent, offers):
    """Each bucket that was ever queued."""
    agent.wait(lambda: enqueued(agent) <= offers.buckets, "all that was queued")


def test_a_good_one_takes_the_place(agent, offers, clock):
    program = program_of(agent.binary, NEW)
    offers.publish(NEW, program, constraints={"wifi_only": False, "min_battery": 1})
    pid = agent.process.pid
    ask(clock)
    agent.wait(lambda: [event["state"] for event in agent.events("update.install")] ==
               ["trial", "done"], "the new program")
    assert agent.binary.read_bytes() == program
    assert agent.binary.with_name("muster-agent.previous").read_bytes() == agent.original
    assert os.readlink(f"/proc/{pid}/exe") == str(agent.binary)
    assert offers.questions[0] == {"version": OLD, "channel": "stable"}
    assert offers.downloads == [(FILES + "1", True)]
    assert offers.versions() == [OLD, NEW]
    assert not (agent.state / "update.download").exists()
    assert agent.status()["version"] == NEW
    assert_all_arrived(agent, offers)
    # It asks for the next one, and is offered what it is.
    ask(clock)
    offers.wait_questions(2)
    assert offers.questions[-1]["version"] == NEW
    assert agent.terminate() == 0


def test_another_servers_file_comes_without_the_token(agent, offers, clock):
    offers.publish(NEW, CRASHING, whole_url=True)
    offers.offered_release["url"] = offers.endpoint.replace("127.0.0.1", "localhost") + FILES + "1"
    ask(clock)
    offers.wait_downloads(1)
    assert offers.downloads == [(FILES + "1", False)]


@pytest.mark.long
def test_one_that_crashes_is_rolled_back(agent, offers, clock):
    offers.publish(NEW, CRASHING)
    ask(clock)
    told = agent.wait_event("update.rollback")
    assert told[0]["version"] == NEW and "status 7" in told[0]["why"], told
    assert_goes_on(agent, offers, clock)
    # The same version is left alone, a restart notwithstanding.
    agent.start()
    ask(clock)
    refused = agent.wait_event("update.refused")
    assert "24 hours" in refused[0]["why"], refused
    assert len(offers.downloads) == 1


def test_one_that_says_nothing_is_rolled_back(agent, offers, clock):
    offers.publish(NEW, SILENT)
    ask(clock)
    agent.wait(lambda: "silent" in agent.log().splitlines(), "the trial")
    clock.jump(TRIAL_S, TRIAL_S)
    told = agent.wait_event("update.rollback")
    assert f"within {TRIAL_S} s" in told[0]["why"], told
    assert_goes_on(agent, offers, clock)


def test_one_that_cannot_report_is_rolled_back(agent, offers, clock):
    offers.publish(NEW, program_of(agent.binary, NEW))
    offers.refuse_reports(NEW)
    ask(clock)
    agent.wait_event("agent.start", 2)  # the one on trial
    agent.wait_event("deliver.fail")  # and it has queued a report
    clock.jump(TRIAL_S, TRIAL_S)
    agent.wait_event("update.rollback")
    assert offers.versions() == [OLD]
    # What it had queued is the old one's to deliver.
    offers.accept_reports()
    clock.jump(LONGEST_WAIT_S, LONGEST_WAIT_S)
    assert_all_arrived(agent, offers)
    assert NEW in offers.versions()
    assert_goes_on(agent, offers, clock)


def test_one_of_another_version_is_rolled_back(agent, offers, clock):
    offers.publish(NEW, agent.original)
    ask(clock)
    told = agent.wait_event("update.rollback")
    assert f"says that it is version {OLD}" in told[0]["why"], told
    assert_goes_on(agent, offers, clock)


@pytest.mark.parametrize("damage, why, downloads", [
    ("signature", "fits none of the pinned keys", 0), ("hash", "SHA-256", 1),
    ("truncated", "size", 1), ("longer", "longer", 1), ("missing", "404", 1)])
def test_a_bad_one_is_never_started(agent, offers, clock, damage, why, downloads):
    offers.publish(NEW, program_of(agent.binary, NEW), damage=damage)
    ask(clock)
    told = agent.wait_event("update.refused")
    assert told[0]["version"] == NEW and why in told[0]["why"], told
    assert len(offers.downloads) == downloads
    assert not agent.events("update.install")
    assert_goes_on(agent, offers, clock)


def test_an_older_one_is_refused_though_it_is_signed(agent, offers, clock):
    offers.publish("0.0.9", program_of(agent.binary, "0.0.9"))
    ask(clock)
    told = agent.wait_event("update.refused")
    assert "not newer" in told[0]["why"], told
    assert not offers.downloads
    assert_goes_on(agent, offers, clock)


@pytest.mark.parametrize("damage", ["redirect", "cut"])
def test_a_download_that_did_not_come_is_tried_again(agent, offers, clock, damage):
    program = program_of(agent.binary, NEW)
    offers.publish(NEW, program, damage=damage)
    ask(clock)
    agent.wait(lambda: [event for event in agent.events("retry.schedule")
                        if event.get("endpoint") == "update"], "a retry")
    assert offers.count(ELSEWHERE) == 0
    offers.publish(NEW, program)
    clock.jump(FIRST_S, FIRST_S)
    agent.wait(lambda: [event["state"] for event in agent.events("update.install")] ==
               ["trial", "done"], "the new program")


def test_killed_during_a_trial_it_begins_again_as_the_old_one(agent, offers, clock):
    offers.publish(NEW, SILENT)
    ask(clock)
    agent.wait_event("update.install")
    agent.kill()
    agent.start()  # the one on trial is gone with it: the store is free
    told = agent.wait_event("update.rollback")
    assert "cut off" in told[0]["why"], told
    assert_goes_on(agent, offers, clock)


def test_a_heartbeats_word_and_a_nudge_ask_at_once(agent, offers, clock):
    offers.nudging = True
    clock.jump(11, 11)
    offers.wait_questions(1)
    offers.nudging = False
    agent.wait_event("update.check")  # answered: the time to the next question runs from here
    clock.jump(FIRST_S, FIRST_S)
    offers.offer(offers.command("nudge_update", {"version": NEW}))
    agent.wait(lambda: any(question.get("wanted") == NEW for question in offers.questions),
               "the question for it")
