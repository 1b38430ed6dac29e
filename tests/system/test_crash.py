# SPDX-License-Identifier: Apache-2.0
"""kill -9 of musterd (and, now and then, of its PostgreSQL) at random moments under load."""
import os
import signal
import time

import pytest

from appliance import wait_until
from fleet import Fleet

pytestmark = pytest.mark.release


def kill_at_random_moment(appliance, fleet, dice):
    """After a random number of acknowledgements; half of the time also somewhere inside of a
    group, a batch or a checkpoint that follows."""
    fleet.wait_acknowledged(dice.choice([1, 50, 500, dice.randrange(1, 4000)]))
    # the random moment itself, nothing is waited for
    time.sleep(dice.choice([0, dice.random() * 0.4]))
    appliance.kill()


def kill_while_starting(appliance, dice):
    """Before it serves, or just when it begins to."""
    appliance.launch()
    time.sleep(dice.random() * 0.15)
    appliance.kill()


@pytest.mark.long
def test_kill_9_at_random_moments(make_appliance, request, dice):
    rounds = request.config.getoption("--rounds")
    appliance = make_appliance()
    appliance.start()
    verify_every = max(10, rounds // 20)
    # Enough devices for their buckets to last.
    fleet = Fleet(appliance, devices=24 + rounds // 5, connections=8,
                  seed=dice.randrange(1 << 30)).start(appliance)
    for number in range(1, rounds + 1):
        kill_at_random_moment(appliance, fleet, dice)
        if dice.randrange(4) == 0 and appliance.postgres_pid():
            os.kill(appliance.postgres_pid(), signal.SIGKILL)
        if dice.randrange(4) == 0:
            kill_while_starting(appliance, dice)
        appliance.spawn()
        fleet.aim(appliance)
        if number % verify_every == 0 or number == rounds:
            fleet.stop()
            fleet.wait_all_stored(appliance)
            fleet.start(appliance)
    fleet.stop()
    adopted = len(appliance.log_events("postgres.adopted"))
    assert adopted >= rounds // 3, "the orphaned PostgreSQL is adopted"
    assert fleet.acknowledged_count > 50 * rounds
    assert appliance.sql("SELECT count(*) FROM ingest_rejects") == [(0,)]
    opened = appliance.log_events("journal.opened")
    assert len(opened) >= rounds and all(entry["damaged_bytes"] == 0 for entry in opened)
    assert appliance.terminate() == 0


def test_killed_by_a_failpoint_around_the_commit(make_appliance, failpoint_bin_dir):
    """A crash just before and just after COMMIT: the batch is repeated, stored once."""
    appliance = make_appliance(bin_dir=failpoint_bin_dir)
    appliance.start()
    fleet = Fleet(appliance, devices=8, connections=4, seed=7)
    fleet.start(appliance)
    fleet.wait_acknowledged(500)
    fleet.aim(None)
    assert appliance.terminate() == 0
    for point in ("store.before_commit=crash@3", "store.after_commit=crash@3",
                  "journal.write=crash@20",
                  "journal.sync=crash@20", "journal.prepare=crash@1"):
        appliance.environment["MUSTER_FAILPOINTS"] = point
        appliance.launch()
        try:
            appliance.wait_published()
            fleet.aim(appliance)
        except AssertionError:
            assert point.startswith("journal.prepare"), point
        code = wait_until(lambda: appliance.process.poll(), f"the crash at {point}")
        assert code == -signal.SIGKILL, point
        fleet.aim(None)
        appliance.forget()
    del appliance.environment["MUSTER_FAILPOINTS"]
    appliance.spawn()
    fleet.aim(appliance)
    fleet.wait_acknowledged(200)
    fleet.stop()
    fleet.wait_all_stored(appliance)


def test_answer_to_commit_is_lost(make_appliance, failpoint_bin_dir):
    """Committed, and the writer can't know: it repeats the batch, which falls out as duplicates."""
    appliance = make_appliance(bin_dir=failpoint_bin_dir, options=["--writer-count", "1"])
    appliance.environment["MUSTER_FAILPOINTS"] = (
        "store.after_commit=error:EIO@2*3;store.before_commit=error:EIO@9*2")
    appliance.start()
    fleet = Fleet(appliance, devices=8, connections=4).start(appliance)
    fleet.wait_acknowledged(500)
    wait_until(lambda: appliance.metric("muster_writer_duplicates_total") > 0,
               "a batch that was there already")
    fleet.wait_acknowledged(3000)
    fleet.stop()
    fleet.wait_all_stored(appliance)
    # Rows of a commit whose answer was lost are not counted as stored by this try, nor by the next.
    assert appliance.metric("muster_writer_rows_total") < appliance.stored()


def test_writes_and_syncs_that_fail(make_appliance, failpoint_bin_dir, dice):
    """The group is written once more, to a new segment; killed right after, nothing acknowledged is
    lost."""
    points = ["journal.sync=error:EIO@30*1", "journal.write=error:EIO@60*2",
              "journal.write=error:ENOSPC@25*1",
              "journal.sync=error:EIO@10*1;journal.prepare=error:ENOSPC@2*3"]
    appliance = make_appliance(bin_dir=failpoint_bin_dir,
                               options=["--journal-segment", "1MiB"]).start()
    fleet = Fleet(appliance, devices=8, connections=4,
                  seed=dice.randrange(1 << 30)).start(appliance)
    for point in points:
        fleet.aim(None)
        appliance.kill()
        appliance.environment["MUSTER_FAILPOINTS"] = point
        appliance.spawn()
        fleet.aim(appliance)
        wait_until(lambda: appliance.metric("muster_journal_sync_errors_total")
                   + appliance.metric("muster_journal_write_errors_total") > 0,
                   f"the fault at {point}")
        fleet.wait_acknowledged(dice.randrange(1, 2000))
        # Rewritten; or, when that failed too, told to keep it (503) and try again.
        assert appliance.metric("muster_journal_rewritten_groups_total") \
            + appliance.metric("muster_journal_failed_records_total") > 0, point
    appliance.kill()
    del appliance.environment["MUSTER_FAILPOINTS"]
    appliance.spawn()
    fleet.aim(appliance)
    fleet.wait_acknowledged(200)
    fleet.stop()
    fleet.wait_all_stored(appliance)
    assert appliance.sql("SELECT count(*) FROM ingest_rejects") == [(0,)]


def test_the_proof_notices(appliance):
    """What the other tests rely on: a row too few, a changed field and a row too many are all
    seen."""
    fleet = Fleet(appliance, devices=4, connections=2).start(appliance)
    fleet.wait_acknowledged(200)
    fleet.stop()
    fleet.wait_all_stored(appliance)
    device = fleet.devices[0]
    connection = appliance.connect()
    with connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM heartbeats WHERE device_id = %s AND bucket = to_timestamp(%s)",
                       (device.id, fleet.base_s))
        assert fleet.compare(connection) == {device.id: [0]}
        cursor.execute("UPDATE heartbeats SET uptime_s = uptime_s + 1 WHERE device_id = %s",
                       (device.id,))
        with pytest.raises(AssertionError, match="another record's fields"):
            fleet.compare(connection)
        cursor.execute("UPDATE heartbeats SET uptime_s = uptime_s - 1, bucket = bucket + interval "
                       "'3 days'"
                       " WHERE device_id = %s", (device.id,))
        with pytest.raises(AssertionError, match="never sent"):
            fleet.compare(connection)
        connection.rollback()
    connection.close()
