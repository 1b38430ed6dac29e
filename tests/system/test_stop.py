# SPDX-License-Identifier: Apache-2.0
"""SIGTERM drains, a second one stops at once; either way nothing acknowledged is lost."""
import signal

import pytest

from appliance import wait_until
from fleet import Fleet
from postgres_server import pause, resume

pytestmark = pytest.mark.release


def test_sigterm_under_load_drains(make_appliance):
    appliance = make_appliance().start()
    fleet = Fleet(appliance, devices=16, connections=8).start(appliance)
    for writer_count in (2, 5, 1):
        fleet.wait_acknowledged(2000)
        assert appliance.terminate() == 0
        fleet.aim(None)
        drained = appliance.log_events("drained")[-1]
        assert drained["all_stored"] is True and drained["backlog_records"] == 0
        assert appliance.postgres_pid() is None
        appliance.options = ["--writer-count", str(writer_count)]
        appliance.start()
        fleet.aim(appliance)
    fleet.stop()
    fleet.wait_all_stored(appliance)
    opened = appliance.log_events("journal.opened")
    assert [entry["torn_bytes"] for entry in opened] == [0] * 4
    assert appliance.metric("muster_writer_duplicates_total") == 0, \
        "a drained journal is not replayed"


def test_second_sigterm_stops_at_once(make_appliance):
    """PostgreSQL answers nothing and the drain may take an hour: the second signal ends it."""
    appliance = make_appliance(options=["--stop-drain", "1h"]).start()
    fleet = Fleet(appliance, devices=16, connections=8).start(appliance)
    fleet.wait_acknowledged(1000)
    pids = pause(appliance.postgres_pid())
    try:
        fleet.wait_acknowledged(5000)
        appliance.process.send_signal(signal.SIGTERM)
        wait_until(lambda: appliance.log_events("stopping"), "the first signal to be read")
        appliance.process.send_signal(signal.SIGTERM)
        assert appliance.process.wait(30) == 0  # far less than the drain may take
    finally:
        resume(pids)
    appliance.forget()
    fleet.aim(None)
    assert appliance.log_events("stopping.at_once")
    assert appliance.log_events("drained")[-1]["all_stored"] is False
    appliance.start()
    fleet.aim(appliance)
    fleet.wait_acknowledged(100)
    fleet.stop()
    fleet.wait_all_stored(appliance)


def test_writer_count_changes_over_a_backlog(make_appliance, postgres_server):
    """2 → 5 → 1 writers, each started over what the others left half done."""
    appliance = make_appliance(environment=postgres_server.environment)
    fleet = None
    for writer_count in (2, 5, 1, 3):
        appliance.options = ["--writer-count", str(writer_count)]
        appliance.start()
        if fleet is None:
            fleet = Fleet(appliance, devices=24, connections=8).start(appliance)
        fleet.aim(appliance)
        fleet.wait_acknowledged(1500)
        pids = pause(postgres_server.pid())  # in the midst of whatever each writer is doing
        fleet.wait_acknowledged(3000)
        appliance.kill()
        fleet.aim(None)
        resume(pids)
    appliance.start()
    fleet.aim(appliance)
    fleet.wait_acknowledged(100)
    fleet.stop()
    fleet.wait_all_stored(appliance)


def test_drain_deadline_leaves_the_rest_to_the_journal(make_appliance, postgres_server):
    appliance = make_appliance(environment=postgres_server.environment,
                               options=["--stop-drain", "500ms"]).start()
    fleet = Fleet(appliance, devices=8, connections=4).start(appliance)
    fleet.wait_acknowledged(500)
    postgres_server.stop()
    fleet.wait_acknowledged(2000)
    assert appliance.terminate() == 0
    fleet.aim(None)
    assert appliance.log_events("drained")[-1]["all_stored"] is False
    assert appliance.log_events("drained")[-1]["backlog_records"] >= 2000
    postgres_server.start()
    appliance.start()
    fleet.aim(appliance)
    fleet.wait_acknowledged(100)
    fleet.stop()
    fleet.wait_all_stored(appliance)
