# SPDX-License-Identifier: Apache-2.0
"""kill -9 around the COMMIT of every transition: each edge is recorded once, told at least once."""
import signal

import pytest

from alert_desk import Desk
from alert_watch import Watch
from appliance import wait_until
from doubles.webhook_double import WebhookDouble

HOLD_S = 60


class Story:
    """One alert's life: pending, firing, resolved. Each step may be taken again."""

    def __init__(self, watch):
        self.watch = watch
        self.device = watch.add("story", battery=90)

    def state(self):
        rows = self.watch.appliance.sql("SELECT state FROM alerts WHERE rule = 'low_battery'")
        assert len(rows) <= 1, "an edge was recorded twice"
        return rows[0][0] if rows else None

    def report(self, battery):
        """Acknowledged, so it counts, whatever becomes of the process."""
        watch = self.watch
        watch.clock.jump(2, 2)
        now = watch.clock.now_s()
        watch.appliance.heartbeat(self.device["token"], ts=now, sent_at=now, battery=battery)

    def until(self, state, battery):
        def reached():
            if self.state() == state:
                return True
            self.report(battery)
            return False

        wait_until(reached, f"the alert to be {state}")

    def until_dead(self, battery):
        def dead():
            if self.watch.appliance.process.poll() is not None:
                return True
            try:
                self.report(battery)
            except OSError:  # it died in between
                pass
            return False

        wait_until(dead, "the failpoint to kill it")
        assert self.watch.appliance.process.returncode == -signal.SIGKILL
        self.watch.appliance.forget()


STEPS = [("pending", 5), ("firing", 5), ("resolved", 60)]


def check(watch, receiver):
    assert watch.appliance.sql("SELECT kind, episode FROM alert_events WHERE rule = 'low_battery'"
                               " AND kind IN ('opened', 'fired', 'resolved', 'closed')"
                               " ORDER BY id") == [("opened", None), ("fired", 1), ("resolved", 1),
                                                   ("closed", None)]
    assert watch.appliance.sql("SELECT state, episode, resolved_by FROM alerts"
                               " WHERE rule = 'low_battery'") == [("resolved", 1, "recovered")]
    assert watch.appliance.sql("SELECT count(*), count(closed_at) FROM alert_incidents"
                               " WHERE rule = 'low_battery'") == [(1, 1)]

    def told():
        watch.clock.jump(2, 2)
        return len(receiver.types()) >= 2

    wait_until(told, "the webhook to hear of both ends")
    assert len(receiver.types()) == 2, "one message an edge; a repeated one has its id"
    assert watch.appliance.sql("SELECT kind, count(*) FROM alert_notifications GROUP BY 1"
                               " ORDER BY 1") == [("closed", 1), ("opened", 1)]
    assert receiver.violations == []


@pytest.fixture
def receiver():
    with WebhookDouble() as double:
        yield double


def start(make_appliance, bin_dir, scratch, receiver):
    watch = Watch(make_appliance, bin_dir, scratch, options=["--alerts-group-wait", "0s"])
    receiver.now = watch.clock.now_s
    # What else there may be to tell of this machine is not the story's.
    Desk(watch.appliance, watch.clock).webhook(receiver, rules=["low_battery"])
    watch.ask("PATCH", "/admin/alert-rules/low_battery", hold_s=HOLD_S)
    return watch


@pytest.mark.parametrize("point", ["alert.before_commit", "alert.after_commit"])
@pytest.mark.parametrize("step", range(len(STEPS)), ids=[state for state, _ in STEPS])
def test_killed_around_the_commit(make_appliance, failpoint_bin_dir, scratch, receiver, point,
                                  step):
    watch = start(make_appliance, failpoint_bin_dir, scratch, receiver)
    story = Story(watch)
    for state, battery in STEPS[:step]:
        story.until(state, battery)
    assert watch.appliance.terminate() == 0
    watch.appliance.environment["MUSTER_FAILPOINTS"] = f"{point}=crash@1"
    watch.appliance.start()
    state, battery = STEPS[step]
    story.until_dead(battery)
    del watch.appliance.environment["MUSTER_FAILPOINTS"]
    watch.appliance.start()
    for state, battery in STEPS[step:]:
        story.until(state, battery)
    check(watch, receiver)


@pytest.mark.parametrize("step", range(len(STEPS) + 1),
                         ids=["before", *(state for state, _ in STEPS)])
def test_killed_in_every_state(make_appliance, failpoint_bin_dir, scratch, receiver, step):
    watch = start(make_appliance, failpoint_bin_dir, scratch, receiver)
    story = Story(watch)
    for state, battery in STEPS[:step]:
        story.until(state, battery)
    watch.appliance.kill()
    watch.appliance.start()
    for state, battery in STEPS[step:]:
        story.until(state, battery)
    check(watch, receiver)


def test_the_answer_to_commit_is_lost(make_appliance, failpoint_bin_dir, scratch, receiver):
    """Committed or not, the thread can't know: it reads what stands, and goes on from there."""
    watch = start(make_appliance, failpoint_bin_dir, scratch, receiver)
    story = Story(watch)
    assert watch.appliance.terminate() == 0
    watch.appliance.environment["MUSTER_FAILPOINTS"] = (
        "alert.before_commit=error:EIO@1*2;alert.after_commit=error:EIO@1*3")
    watch.appliance.start()
    for state, battery in STEPS:
        story.until(state, battery)
    assert watch.appliance.metric("muster_alert_database_failures_total") >= 5
    check(watch, receiver)
