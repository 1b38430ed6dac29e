# SPDX-License-Identifier: Apache-2.0
"""The private PostgreSQL dies, hangs or loses its connections under load."""
import os
import signal

import psycopg2
import pytest

from appliance import wait_until
from fleet import Fleet
from postgres_server import pause, resume


CUT_ALL = ("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
           " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")


def flood(appliance, **options):
    return Fleet(appliance, **options).start(appliance)


def private(appliance):
    return appliance.session.get(appliance.url + "/health/detailed",
                                 timeout=10).json()["database"]["private"]


def writers_backend(appliance):
    """Its pid, or None while the server recovers."""
    try:
        found = appliance.sql("SELECT pid FROM pg_stat_activity WHERE query LIKE '%COPY%'"
                              " AND backend_type = 'client backend' AND pid <> pg_backend_pid() "
                              "LIMIT 1")
    except psycopg2.OperationalError:
        return None
    return found[0][0] if found else None


def finish(fleet, appliance):
    fleet.stop()
    fleet.wait_all_stored(appliance)
    assert fleet.shed_count == 0


@pytest.mark.release
def test_kill_9_of_the_postmaster(appliance):
    fleet = flood(appliance, devices=16, connections=8)
    for death in range(1, 4):  # the log limits repeats: counted elsewhere
        fleet.wait_acknowledged(1500)
        pid = appliance.postgres_pid()
        os.kill(pid, signal.SIGKILL)
        fleet.wait_acknowledged(300)  # acknowledged meanwhile
        wait_until(lambda: private(appliance)["restarts"] >= death, "its death to be noticed")
        wait_until(lambda: appliance.postgres_pid() not in (None, pid),
                   "PostgreSQL to be restarted")
    finish(fleet, appliance)
    assert appliance.terminate() == 0
    assert appliance.postgres_pid() is None, "a restarted one is stopped with the daemon too"


def test_kill_9_of_a_backend(appliance):
    """The whole server goes through crash recovery when one of its processes is killed."""
    fleet = flood(appliance, devices=16, connections=8)
    for _ in range(3):
        fleet.wait_acknowledged(1500)
        pid = wait_until(lambda: writers_backend(appliance), "a writer's connection")
        os.kill(pid, signal.SIGKILL)
        fleet.wait_acknowledged(300)
    finish(fleet, appliance)


def test_every_connection_is_cut(appliance):
    """A commit may have happened though its answer was lost: repeated, and stored once."""
    fleet = flood(appliance, devices=16, connections=8)
    for _ in range(6):
        fleet.wait_acknowledged(700)
        wait_until(lambda: appliance.sql(CUT_ALL)[0][0], "connections to be there and be cut")
    finish(fleet, appliance)
    assert appliance.metric("muster_writer_retries_total") >= 1


@pytest.mark.release
def test_postgres_hangs(appliance):
    """Stopped, not dead: connections stand and nothing comes back."""
    fleet = flood(appliance, devices=16, connections=8)
    fleet.wait_acknowledged(1000)
    pids = pause(appliance.postgres_pid())
    try:
        before = appliance.ready()["backlog"]
        fleet.wait_acknowledged(20000)
        assert fleet.shed_count == 0
        probe = appliance.probe()
        assert probe[0] == 200, "heartbeats are acknowledged"
        assert probe[1]["backlog"]["records"] > max(before["records"], 10000)
        assert probe[1]["journal"]["state"] == "accepting"
    finally:
        resume(pids)
    finish(fleet, appliance)
    assert appliance.log_events("postgres.died") == []


def test_cluster_that_does_not_start(appliance):
    """Away for long: degraded, acknowledged, and stored when it can start again."""
    fleet = flood(appliance, devices=8, connections=4)
    fleet.wait_acknowledged(500)
    control = appliance.postgres_directory() / "global" / "pg_control"
    aside = control.with_suffix(".aside")
    control.rename(aside)
    os.kill(appliance.postgres_pid(), signal.SIGKILL)
    wait_until(lambda: appliance.log_events("postgres.start_failed"), "a start that fails")
    ready = wait_until(lambda: (r := appliance.ready()) and "database" in r["degraded"] and r,
                       "/ready degraded")
    assert ready["ready"] is True
    wait_until(lambda: appliance.metric("muster_writer_breaker_state") > 0, "the breaker to open")
    fleet.wait_acknowledged(3000)
    aside.rename(control)
    appliance.wait_storing()
    finish(fleet, appliance)
    assert appliance.metric("muster_writer_breaker_state") == 0
