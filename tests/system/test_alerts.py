# SPDX-License-Identifier: Apache-2.0
"""Alerts by a clock that the test sets: each rule's edges, and what must not raise any."""
import pytest

from appliance import wait_until
from virtual_clock import VirtualClock

MINUTE = 60
OFFLINE_S = 12 * MINUTE


class Watch:
    """An appliance, its clock, and the log of its alerts."""

    def __init__(self, make_appliance, bin_dir, scratch, **options):
        self.clock = VirtualClock(scratch / "clock")
        self.appliance = make_appliance(bin_dir=bin_dir, environment=self.clock.environment(),
                                        **options)
        self.appliance.start()
        self.devices = []

    def add(self, alias="device", **fields):
        """A device that has reported once."""
        made = self.appliance.register(alias)
        device = {"id": int(made["device_id"]), "token": made["token"]}
        self.devices.append(device)
        self.beat(device, **fields)
        return device

    def beat(self, device, **fields):
        """A heartbeat, stored and judged."""
        stored = self.appliance.stored()
        now = self.clock.now_s()
        answer = self.appliance.heartbeat(device["token"], ts=now, sent_at=now, **fields)
        assert answer.status_code == 202, answer.text
        self.appliance.wait_stored(stored + 1)
        self.settle()

    def beat_later(self, device, **fields):
        """In the next bucket."""
        self.clock.advance(self.appliance, 12)
        self.beat(device, **fields)

    def settle(self):
        """Rounds of the alert thread, each of which reads the bus and writes."""
        self.clock.wait_looked()

    def advance(self, seconds, awake=()):
        """Time goes by; the devices named report each few minutes."""
        while seconds > 0:
            step = min(seconds, 4 * MINUTE)
            self.clock.advance(self.appliance, step)
            seconds -= step
            for device in awake:
                self.beat(device)

    def log(self, *kinds):
        """(kind, rule, device) in order."""
        rows = self.appliance.sql("SELECT kind, rule, device_id FROM alert_events ORDER BY id")
        return [row for row in rows if not kinds or row[0] in kinds]

    def edges(self):
        return self.log("fired", "resolved")

    def standing(self):
        return self.appliance.sql("SELECT device_id, rule, state FROM alerts"
                                  " WHERE state <> 'resolved' ORDER BY 1, 2")


@pytest.fixture
def watch(make_appliance, failpoint_bin_dir, scratch):
    return Watch(make_appliance, failpoint_bin_dir, scratch)


def test_offline_at_its_deadline_once_and_back(watch):
    quiet = watch.add("quiet")
    other = watch.add("other")
    watch.advance(10 * MINUTE, awake=[other])
    assert watch.edges() == []
    watch.advance(6 * MINUTE, awake=[other])
    watch.settle()
    assert watch.edges() == [("fired", "offline", quiet["id"])]
    assert watch.standing() == [(quiet["id"], "offline", "firing")]
    watch.advance(20 * MINUTE, awake=[other])
    assert len(watch.edges()) == 1
    watch.beat(quiet)
    wait_until(lambda: len(watch.edges()) == 2, "the recovery")
    assert watch.log() == [("opened", "offline", quiet["id"]), ("fired", "offline", quiet["id"]),
                           ("resolved", "offline", quiet["id"]), ("closed", "offline", quiet["id"])]
    assert watch.standing() == []


def test_low_battery_with_its_hysteresis(watch):
    device = watch.add(battery=15)  # exactly at the threshold is no alert
    assert watch.edges() == []
    watch.beat_later(device, battery=14)
    fired = [("fired", "low_battery", device["id"])]
    assert watch.edges() == fired
    for battery in (16, 14, 19):
        watch.beat_later(device, battery=battery)
    watch.beat_later(device)  # not sent: unknown
    assert watch.edges() == fired
    watch.beat_later(device, battery=20)
    assert watch.edges() == fired + [("resolved", "low_battery", device["id"])]
