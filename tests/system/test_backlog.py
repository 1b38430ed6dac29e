# SPDX-License-Identifier: Apache-2.0
"""What a writer meets on its way through a backlog: a database that has forgotten, rows it refuses,
days without a partition, devices that were deleted meanwhile."""
import datetime
import time

import pytest
import requests

from appliance import wait_until
from fleet import Fleet
from postgres_server import pause, resume

DAY_S = 86400


def is_checkpointed(appliance):
    """Everything durable is stored, and the checkpoint says so."""
    metrics = appliance.metrics()
    return (metrics["muster_writer_checkpoint_sequence"]
            == metrics["muster_journal_durable_sequence"])


def partition_of(seconds):
    day = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return day.strftime("heartbeats_%Y%m%d")


# ---- a restored database ----

@pytest.mark.parametrize("running", [False, True])
def test_restored_database_is_filled_up_again(make_appliance, postgres_server, scratch, running):
    """An older copy of the database comes back: what it lacks is replayed from the kept journal,
    and devices registered since are put back with their tokens, above whose ids new ones go."""
    appliance = make_appliance(environment=postgres_server.environment).start()
    fleet = Fleet(appliance, devices=6, connections=3).start(appliance)
    fleet.wait_acknowledged(1000)
    fleet.stop()
    fleet.wait_all_stored(appliance)
    wait_until(lambda: is_checkpointed(appliance), "the checkpoint to follow")
    backup = postgres_server.back_up(scratch / "backup")
    fleet.start(appliance)
    fleet.wait_acknowledged(2000)
    fleet.stop()
    fleet.wait_all_stored(appliance)
    late = appliance.register("registered after the backup")
    assert appliance.heartbeat(late["token"]).status_code == 202
    wait_until(lambda: is_checkpointed(appliance), "the checkpoint to follow")

    if not running:
        assert appliance.terminate() == 0
    postgres_server.restore(backup)
    if running:
        wait_until(lambda: appliance.metric("muster_writer_rewinds_total") > 0,
                   "the rewind", 90)
        entry = wait_until(lambda: appliance.log_events("writer.rewound"),
                           "the rewind in the log")[-1]
        assert entry["seq"] < entry["from_seq"]
        appliance.wait_storing()
        assert appliance.heartbeat(late["token"], ts=time.time() - 50).status_code == 202
        wait_until(lambda: appliance.log_events("identity.put_back"),
                   "the device list to be read again")
    else:
        appliance.start()
    put_back = appliance.log_events("identity.put_back")[-1]
    assert put_back["devices"] == 1 and put_back["tokens"] == 1
    assert appliance.heartbeat(late["token"], ts=time.time() - 100).status_code == 202
    newer = appliance.register("registered after the restore")
    assert int(newer["device_id"]) > int(late["device_id"])
    wait_until(lambda: appliance.sql("SELECT count(*) FROM heartbeats WHERE device_id = %s",
                                     int(late["device_id"]))[0][0] == (3 if running else 2),
               "the late device's heartbeats, the one from before the restore too")
    # It is not the fleet's.
    appliance.sql("DELETE FROM heartbeats WHERE device_id = %s", int(late["device_id"]))
    fleet.wait_all_stored(appliance)


# ---- refused rows ----

def test_poison_goes_aside_once(appliance):
    fleet = Fleet(appliance, devices=8, connections=4).start(appliance)
    fleet.wait_acknowledged(500)
    poisoned = fleet.devices[3]
    appliance.sql(f"""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.device_id = {poisoned.id} THEN
                RAISE EXCEPTION 'refused by the test' USING ERRCODE = '22000'; END IF;
            RETURN NEW; END $$""")
    of_poisoned = "SELECT count(*) FROM heartbeats WHERE device_id = %s"
    known_good = appliance.sql(of_poisoned, poisoned.id)[0][0]
    appliance.sql("CREATE TRIGGER refuse BEFORE INSERT ON heartbeats"
                  " FOR EACH ROW EXECUTE FUNCTION refuse()")
    fleet.wait_acknowledged(1500)
    poisoned.active = False  # enough of it
    fleet.wait_acknowledged(500)
    appliance.kill()  # in the midst of it: refused ones are repeated too
    appliance.spawn()
    fleet.aim(appliance)
    fleet.wait_acknowledged(500)
    fleet.stop()
    poisoned.active = True
    fleet.wait_all_stored(appliance, ignore=[poisoned.id])
    rejects = appliance.sql("SELECT device_id, sqlstate, reason, count(*), count(DISTINCT seq)"
                            " FROM ingest_rejects GROUP BY 1, 2, 3")
    assert len(rejects) == 1, rejects
    device_id, sqlstate, reason, count, distinct = rejects[0]
    assert (device_id, sqlstate, reason) == (poisoned.id, "22000", "data")
    assert count == distinct
    assert appliance.sql(of_poisoned, poisoned.id)[0][0] >= known_good
    # None is lost: stored or set aside, raw, with its place in the journal.
    buckets = {row[0] for row in appliance.sql(
        "SELECT extract(epoch FROM bucket)::bigint FROM heartbeats WHERE device_id = %s",
        poisoned.id)}
    for (record,) in appliance.sql("SELECT record FROM ingest_rejects"):
        buckets.add(int.from_bytes(bytes(record)[24:32], "little"))
    assert {fleet.base_s + 10 * k for k in poisoned.acknowledged} <= buckets
    assert appliance.log_events("writer.record_refused")


# ---- partitions ----

def test_missing_partition_is_made(appliance):
    """Dropped by hand: the writer makes the day again and loses nothing."""
    fleet = Fleet(appliance, devices=4, connections=2, days_back=3)
    day = partition_of(fleet.base_s)
    appliance.sql(f"ALTER TABLE heartbeats DETACH PARTITION {day}")
    appliance.sql(f"DROP TABLE {day}")
    appliance.sql("DELETE FROM partition_registry WHERE partition = %s", day)
    fleet.start(appliance)
    fleet.wait_acknowledged(1000)
    fleet.stop()
    fleet.wait_all_stored(appliance)
    assert appliance.sql("SELECT to_regclass(%s) IS NOT NULL", day) == [(True,)]
    assert appliance.metric("muster_writer_partitions_made_total") >= 1
    assert appliance.sql("SELECT count(*) FROM ingest_rejects") == [(0,)]


def test_detached_day_goes_aside_as_expired(appliance):
    """A day that retention took is never made again: its late heartbeats are set aside."""
    fleet = Fleet(appliance, devices=2, connections=1, days_back=5)
    day = partition_of(fleet.base_s)
    appliance.sql(f"ALTER TABLE heartbeats DETACH PARTITION {day}")
    appliance.sql(f"DROP TABLE {day}")
    appliance.sql("UPDATE partition_registry SET state = 'dropped' WHERE partition = %s", day)
    token = fleet.devices[0].token
    assert appliance.heartbeat(token, ts=fleet.base_s).status_code == 202
    assert appliance.heartbeat(token, ts=time.time()).status_code == 202
    reasons = "SELECT reason, count(*) FROM ingest_rejects GROUP BY 1"
    wait_until(lambda: appliance.sql(reasons) == [("expired", 1)], "the record to be set aside")
    appliance.wait_stored(1)
    assert appliance.sql("SELECT to_regclass(%s) IS NULL", day) == [(True,)]


# ---- deletion ----

def test_deleted_device_under_load(appliance):
    fleet = Fleet(appliance, devices=12, connections=6).start(appliance)
    fleet.wait_acknowledged(2000)
    victims = fleet.devices[:4]
    for victim in victims:
        assert appliance.delete_device(victim.id).status_code in (200, 204)
        # From this moment on: the answer is 410 for ever.
        assert appliance.heartbeat(victim.token).status_code == 410
    for victim in victims:
        wait_until(lambda v=victim: not v.active, "the fleet to be told 410")
        assert victim.answers[401] == 0
    fleet.wait_acknowledged(1000)
    fleet.stop()
    ids = [victim.id for victim in victims]
    fleet.wait_all_stored(appliance, ignore=ids)
    rows = "SELECT count(*) FROM heartbeats WHERE device_id = ANY (%s)"
    statuses = "SELECT count(*) FROM device_last_status WHERE device_id = ANY (%s)"
    count = appliance.sql(rows, ids)
    assert appliance.sql(statuses, ids) == [(0,)]
    appliance.kill()
    appliance.start()
    for victim in victims:
        assert appliance.heartbeat(victim.token).status_code == 410
    wait_until(lambda: is_checkpointed(appliance), "the replay to be over")
    assert appliance.sql(rows, ids) == count
    assert appliance.sql(statuses, ids) == [(0,)]
    assert appliance.heartbeat(victims[0].token[:-3] + "AAA").status_code == 401


def test_deleted_while_its_heartbeats_wait(make_appliance, postgres_server):
    """The journal still holds them when the tombstone comes: dropped and counted."""
    # What a writer has taken by then is stored, and purged later: a hundred of them at most.
    appliance = make_appliance(environment=postgres_server.environment,
                               options=["--writer-count", "1", "--writer-batch-rows",
                                        "100"]).start()
    fleet = Fleet(appliance, devices=4, connections=2).start(appliance)
    fleet.wait_acknowledged(300)
    # Only the writers wait: they copy into the days' own tables (near midnight, into two).
    holder = postgres_server.connect()
    cursor = holder.cursor()
    cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits"
                   " WHERE inhparent = 'heartbeats'::regclass")
    for (day,) in cursor.fetchall():
        cursor.execute(f"LOCK TABLE {day} IN SHARE MODE")
    victim = fleet.devices[1]
    before = len(victim.acknowledged)
    wait_until(lambda: len(victim.acknowledged) >= before + 500
               and appliance.probe()[1]["backlog"]["records"] >= 1000, "a backlog of the victim's")
    assert appliance.delete_device(victim.id).status_code in (200, 204)
    assert appliance.heartbeat(victim.token).status_code == 410
    fleet.stop()
    holder.rollback()
    holder.close()
    fleet.wait_all_stored(appliance, ignore=[victim.id])
    wait_until(lambda: appliance.metric("muster_writer_deleted_dropped_total") > 0,
               "what was on its way to be dropped")
    assert appliance.sql("SELECT count(*) FROM device_last_status WHERE device_id = %s",
                         victim.id) == [(0,)]
    barrier = appliance.sql("SELECT deletion_journal_seq FROM devices WHERE id = %s",
                            victim.id)[0][0]
    assert barrier <= appliance.metric("muster_journal_durable_sequence")


# ---- a long backlog ----

@pytest.mark.release
def test_backlog_longer_than_memory(make_appliance, postgres_server):
    """The tail in memory is the smallest there is: writers read what they missed from files."""
    appliance = make_appliance(
        environment=postgres_server.environment,
        options=["--journal-tail", "4MiB", "--journal-segment", "1MiB",
                 "--writer-batch-rows", "500"]).start()
    fleet = Fleet(appliance, devices=24, connections=8, per_s=40000).start(appliance)
    pids = pause(postgres_server.pid())
    try:
        fleet.wait_acknowledged(80000)
    finally:
        resume(pids)
    fleet.wait_acknowledged(5000)  # new ones come in while the old ones are read
    fleet.stop()
    fleet.wait_all_stored(appliance)
    assert appliance.metric("muster_journal_missing_records") == 0
    assert appliance.metric("muster_journal_damaged_bytes") == 0


def test_heartbeats_are_answered_while_registrations_are_not(make_appliance, postgres_server):
    """PostgreSQL away: the data plane goes on, the control plane says when to come again."""
    appliance = make_appliance(environment=postgres_server.environment).start()
    device = appliance.register("known")
    postgres_server.stop()
    answer = appliance.session.post(appliance.url + "/v1/register", timeout=30,
                                    json={"alias": "x", "kind": "android"},
                                    headers=appliance.admin_headers())
    assert answer.status_code == 503, answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert int(answer.headers["Retry-After"]) >= 1
    assert appliance.heartbeat(device["token"]).status_code == 202
    health = requests.get(appliance.url + "/health", timeout=10)
    assert health.status_code == 200
    postgres_server.start()
    appliance.wait_stored(1)
