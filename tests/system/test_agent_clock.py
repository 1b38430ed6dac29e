# SPDX-License-Identifier: Apache-2.0
"""A device whose clock is set while its reports wait: each is stored at the time it was read.

The clocks are moved while no request is on its way: the appliance measures a device's clock when a
request comes, and would measure the leap too."""
import pytest

from agent_house import House, wait_empty
from agent_process import stored_buckets
from virtual_clock import VirtualClock

pytestmark = pytest.mark.one_thread

INTERVAL_S = 600  # no report comes by itself while a test runs
LEAP_S = 901  # one and a half: by then the next one is due
REPORTS = 12
IDLE_S = 5  # so long, and longer than anything takes that is on its way
APART_S = 20  # a bucket, and the 10 s to which the appliance measures a clock


class Device:
    """An agent by a clock of its own, which goes on with the house's."""

    def __init__(self, house):
        self.house = house
        self.agent = house.agent()
        self.clock = VirtualClock(house.scratch / "device-clock")
        self.agent.clock = self.clock
        self.errors = [(0, 0)]  # of its clock: from which report on, seconds

    def buckets(self):
        """Of its reports, as it says when it queues them: by its clock."""
        return [int(event["bucket"]) for event in self.agent.events("queue.enqueue")
                if event.get("kind") == "heartbeat" and "bucket" in event]

    def read_at(self):
        """When they were truly read, to 10 s, by number."""
        found = {}
        for place, bucket in enumerate(self.buckets()):
            error_s = [error for since, error in self.errors if since <= place][-1]
            found[place + 1] = bucket - error_s
        return found

    def set_clock(self, error_s):
        """Wrong by so much, when no request is on its way."""
        self.errors.append((len(self.buckets()), error_s))
        self.clock.jump(realtime_s=error_s + self.house.clock.now_s() - self.clock.now_s())

    def leap(self):
        self.house.clock.jump(LEAP_S, LEAP_S)
        self.clock.jump(LEAP_S, LEAP_S)

    def start(self):
        before = len(self.buckets())
        self.agent.start()
        self.agent.wait(lambda: len(self.buckets()) > before, "its first report")

    def report(self, count=1, delivered=False):
        for _ in range(count):
            before = len(self.buckets())
            self.leap()
            self.agent.wait(lambda: len(self.buckets()) > before, "a report")
            if delivered:
                wait_empty(self.agent)

    def is_idle(self):
        """It waits for a retry's time, and has done so for a while: nothing is on its way."""
        def facts():
            status = self.agent.status()
            return ((status["retry_in_s"] or 0) > IDLE_S, status["queue"], status["delivered"],
                    len(self.agent.events("deliver.fail")))

        seen = [facts() for _ in range(4)]
        return seen[0][0] and all(fact == seen[0] for fact in seen)

    def deliver(self):
        """The network is there. What would wait long for its next try has its time go by."""
        def is_empty():
            if self.agent.status()["queue"]["heartbeats"] == 0:
                return True
            if self.is_idle():
                self.leap()
            return False

        self.house.wire.restore()
        self.agent.wait(is_empty, "an empty queue", 120)

    def assert_stored_when_read(self):
        """Each once, at its time, and nothing was put aside."""
        def rows():
            return self.house.appliance.sql(
                "SELECT seq, extract(epoch FROM bucket)::bigint, clock_offset_s FROM heartbeats"
                " WHERE device_id = %s ORDER BY seq", self.agent.device_id)

        read_at = self.read_at()
        self.agent.wait(lambda: len(rows()) >= len(read_at), f"{len(read_at)} rows: {rows()}")
        found = rows()
        said = f"{found}\n{read_at}\n{self.agent.log_tail(100)}"
        assert [row[0] for row in found] == sorted(read_at), said
        assert all(abs(bucket - read_at[seq]) <= APART_S for seq, bucket, _ in found), said
        assert self.agent.status()["queue"]["aside"] == 0
        stored = stored_buckets(self.house.appliance, self.agent)
        assert len(stored) == len(set(stored))


@pytest.fixture
def device(make_appliance, failpoint_bin_dir, scratch):
    house = House(make_appliance, failpoint_bin_dir, scratch,
                  interval=["--ingest-heartbeat-interval", f"{INTERVAL_S}s"])
    yield Device(house)
    house.destroy()


def in_1970(device):
    return 100 - device.house.clock.now_s()


def test_from_1970_until_the_network_comes(device):
    """A board without a clock of its own: its first hours have no network, and the wrong year."""
    device.set_clock(in_1970(device))
    device.house.wire.cut()
    device.start()
    device.report(REPORTS)
    assert max(device.buckets()) < 100 + (REPORTS + 1) * LEAP_S, "it is 1970 there"
    device.set_clock(0)
    device.report(2)
    device.deliver()
    assert device.agent.events("clock.step")
    device.assert_stored_when_read()


def test_set_while_the_agent_was_down(device):
    device.set_clock(in_1970(device))
    device.house.wire.cut()
    device.start()
    device.report(REPORTS)
    device.agent.kill()
    device.leap()
    device.set_clock(0)
    device.house.wire.restore()
    device.start()
    wait_empty(device.agent)
    device.assert_stored_when_read()


def test_set_back_by_hours_when_an_answer_was_lost(device):
    """What the appliance had taken before the clock was set, it knows again afterwards."""
    device.set_clock(7200)
    device.start()
    wait_empty(device.agent)
    device.report(2, delivered=True)
    failed = len(device.agent.events("deliver.fail"))
    device.house.wire.lose_reply(b"POST /v1/heartbeat ", times=2)  # an old connection's again
    device.report()
    device.house.wire.wait_lost(2)
    device.agent.wait(lambda: len(device.agent.events("deliver.fail")) > failed, "the loss")
    device.house.wire.cut()
    device.report(3)
    device.set_clock(0)
    device.deliver()
    device.assert_stored_when_read()


def test_reports_go_on_with_a_clock_that_is_set(device):
    """Nothing waits, and the clock is set all the same: forth, back, and to what it was."""
    device.start()
    wait_empty(device.agent)
    for error_s in (86400, -7200, 0):
        device.set_clock(error_s)
        device.report(2, delivered=True)
    assert abs(device.agent.status()["clock_offset_s"]) < 60
    device.assert_stored_when_read()
