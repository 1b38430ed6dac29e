# SPDX-License-Identifier: Apache-2.0
"""device_last_status against history: broken by hand in each way, found, repaired, counted; and
nothing is found where nothing is wrong, whatever the load."""
import threading
import time

import pytest

from appliance import wait_until

pytestmark = pytest.mark.one_thread

KINDS = ("missing", "liveness", "content", "ahead", "deleted")
CONTENT = ("uptime_s", "monitored_last_fg_s", "seq", "ram_free_mb", "ram_total_mb", "queue_depth",
           "battery", "flags", "charging", "power_ok", "device_owner", "battery_unrestricted",
           "doze_whitelisted", "net_validated", "network", "ssid", "fg_package", "agent_version",
           "boot_id", "extra")


def drift(appliance):
    return {kind: int(appliance.metric(f'muster_reconcile_drift_total{{kind="{kind}"}}'))
            for kind in KINDS}


def difference(before, after):
    return {kind: after[kind] - before[kind] for kind in KINDS if after[kind] != before[kind]}


def rows(appliance, *columns):
    return dict((row[0], row[1:]) for row in appliance.sql(
        f"SELECT device_id, {', '.join(columns)} FROM device_last_status"))


def status(appliance):
    return rows(appliance, "received_at", "observed_at", "clock_offset_s", *CONTENT)


def truth(appliance):
    """Made without any of the product's statements: all of history, row by row."""
    newest, received = {}, {}
    for row in appliance.sql("SELECT h.device_id, h.bucket, h.received_at, h.observed_at, "
                             + ", ".join(f"h.{column}" for column in CONTENT) +
                             " FROM heartbeats h JOIN devices d ON d.id = h.device_id"
                             " WHERE d.deleted_at IS NULL"):
        device, bucket = row[:2]
        if device not in newest or bucket > newest[device][0]:
            newest[device] = (bucket, *row[3:])
        received[device] = max(received.get(device, row[2]), row[2])
    return {device: (received[device], *newest[device][1:]) for device in newest}


def assert_true(appliance):
    assert rows(appliance, "received_at", "observed_at", *CONTENT) == truth(appliance)


@pytest.fixture(scope="module")
def fleet(daemon):
    """Five devices with a day of backlog each; the last one's newest arrival is an old item."""
    devices = [daemon.register(f"d{number}") for number in range(5)]
    now = time.time()
    for device in devices:
        items = [{"ts": now - age, "battery": 50 + number, "network": "wifi", "x": number}
                 for number, age in enumerate(range(0, 86400, 7200))]
        assert daemon.heartbeats(device["token"], items, sent_at=now).status_code == 200
    daemon.wait_stored(60)
    old = daemon.heartbeats(devices[4]["token"], [{"ts": now - 4 * 86400, "battery": 1}],
                            sent_at=time.time())
    assert old.status_code == 200
    daemon.wait_stored(61)
    daemon.run_job("reconcile")
    assert_true(daemon)
    return [int(device["device_id"]) for device in devices]


@pytest.mark.parametrize("kind,damage", [
    ("missing", "DELETE FROM device_last_status WHERE device_id = %s"),
    ("liveness", "UPDATE device_last_status SET received_at = received_at - interval '1 hour'"
                 " WHERE device_id = %s"),
    ("content", "UPDATE device_last_status SET battery = 3, ssid = 'nonesuch'"
                " WHERE device_id = %s"),
    ("content", "UPDATE device_last_status SET extra = NULL WHERE device_id = %s"),
    ("content", "UPDATE device_last_status SET observed_at = observed_at - interval '3 hours',"
                " battery = 9 WHERE device_id = %s"),
    ("ahead", "UPDATE device_last_status SET observed_at = observed_at + interval '1 hour',"
              " battery = 9 WHERE device_id = %s"),
    ("ahead", "UPDATE device_last_status SET observed_at = observed_at + interval '3 years'"
              " WHERE device_id = %s"),
])
@pytest.mark.parametrize("which", [0, 4])
def test_damage_is_repaired_and_counted(daemon, fleet, kind, damage, which):
    before, whole = drift(daemon), status(daemon)
    daemon.sql(damage, fleet[which])
    assert status(daemon) != whole
    run = daemon.run_job("reconcile")
    assert difference(before, drift(daemon)) == {kind: 1} and run["changed"] == 1
    assert status(daemon) == whole
    assert_true(daemon)
    assert daemon.run_job("reconcile")["changed"] == 0
    notes = daemon.log_events("job.note")
    assert f"device {fleet[which]} was wrong: {kind}" in notes[-1]["detail"]


def test_an_old_item_that_came_last_counts(daemon, fleet):
    """Its bucket is days old: only what arrived since the last pass tells."""
    before, whole = drift(daemon), status(daemon)
    daemon.sql("UPDATE job_reconcile SET arrivals_to = now() - interval '1 hour'")
    daemon.sql("UPDATE device_last_status s SET received_at = (SELECT received_at FROM heartbeats h"
               " WHERE h.device_id = s.device_id ORDER BY bucket DESC LIMIT 1)"
               " WHERE device_id = %s", fleet[4])
    assert status(daemon) != whole
    daemon.run_job("reconcile")
    assert difference(before, drift(daemon)) == {"liveness": 1}
    assert status(daemon) == whole


def test_a_writer_that_comes_between_wins(daemon, fleet):
    """The row is missing; while it is made from history a writer makes it, with what is newer."""
    device = fleet[0]
    daemon.sql("DELETE FROM device_last_status WHERE device_id = %s", device)
    before = drift(daemon)
    writer = daemon.connect()
    try:
        writer.autocommit = False
        with writer.cursor() as cursor:
            # A bucket that the device can't have sent for yet.
            cursor.execute("INSERT INTO heartbeats (device_id, bucket, received_at, observed_at,"
                           " clock_offset_s, flags, battery) SELECT %s, t, now(), t, 0, 0, 77"
                           " FROM date_bin('10 seconds', now() + interval '30 s', 'epoch') AS t",
                           [device])
            cursor.execute("INSERT INTO device_last_status (device_id, received_at, observed_at,"
                           " clock_offset_s, flags, battery) SELECT %s, now(), t, 0, 0, 77"
                           " FROM date_bin('10 seconds', now() + interval '30 s', 'epoch') AS t",
                           [device])
        run_id = daemon.ask_job("reconcile")
        wait_until(lambda: daemon.sql("SELECT count(*) FROM pg_stat_activity"
                                      " WHERE wait_event_type = 'Lock'"
                                      " AND query LIKE '%%INSERT INTO device_last_status AS s%%'")
                   == [(1,)], "the repair to wait for the writer", 60)
        writer.commit()
    finally:
        writer.close()
    wait_until(lambda: daemon.job_run(run_id)["finished_at"], "the pass to end", 180)
    assert rows(daemon, "battery")[device] == (77,)
    assert_true(daemon)
    assert difference(before, drift(daemon)) == {}


def test_rows_of_deleted_devices_go(daemon, fleet):
    gone = daemon.register("gone")
    assert daemon.delete_device(gone["device_id"]).status_code == 204
    before, whole = drift(daemon), status(daemon)
    daemon.sql("UPDATE devices SET deleted_at = now() - interval '5 minutes' WHERE id = %s",
               gone["device_id"])
    for device_id in (int(gone["device_id"]), 99999999):
        daemon.sql("INSERT INTO device_last_status (device_id, received_at, observed_at,"
                   " clock_offset_s, flags) VALUES (%s, now(), now(), 0, 0)", device_id)
    daemon.run_job("reconcile")
    assert difference(before, drift(daemon)) == {"deleted": 2}
    assert status(daemon) == whole


def test_what_cannot_be_judged_stays(daemon, fleet):
    """Silent for longer than the window: history may have gone to the archive."""
    device = daemon.register("silent")
    daemon.sql("INSERT INTO device_last_status (device_id, received_at, observed_at,"
               " clock_offset_s, flags, battery) VALUES (%s, now() - interval '60 days',"
               " now() - interval '60 days', 0, 0, 7)", device["device_id"])
    before, whole = drift(daemon), status(daemon)
    daemon.run_job("reconcile")
    assert difference(before, drift(daemon)) == {} and status(daemon) == whole
    daemon.sql("DELETE FROM device_last_status WHERE device_id = %s", device["device_id"])


@pytest.mark.release
def test_no_drift_under_load(make_appliance):
    """Writers commit all the time, duplicates and old items among it, while passes go on; then a
    row that is broken meanwhile comes right."""
    appliance = make_appliance(options=("--writer-count", "3"))
    appliance.start()
    devices = [appliance.register(f"d{number}") for number in range(40)]
    stop = threading.Event()
    failed = []

    def send(mine):
        import requests
        session, number = requests.Session(), 0
        while not stop.is_set():
            now = time.time()
            for device in mine:
                number += 1
                items = [{"ts": now, "battery": number % 100},
                         {"ts": now - number % 3000 * 100, "battery": 1}]
                answer = session.post(appliance.url + "/v1/heartbeats", timeout=60,
                                      json={"sent_at": now, "heartbeats": items},
                                      headers={"Authorization": f"Bearer {device['token']}"})
                if answer.status_code != 200:
                    failed.append(answer.text)

    threads = [threading.Thread(target=send, args=(devices[part::4],)) for part in range(4)]
    for thread in threads:
        thread.start()
    try:
        appliance.wait_stored(500)
        for _ in range(20):
            appliance.run_job("reconcile")
        assert drift(appliance) == dict.fromkeys(KINDS, 0)
        # Broken under the writers' hands: whoever repairs it, a pass or the next heartbeat.
        for _ in range(5):
            appliance.sql("UPDATE device_last_status SET battery = 101, received_at = received_at"
                          " - interval '1 hour', observed_at = observed_at + interval '1 hour'"
                          " WHERE device_id % 3 = 0")
            appliance.sql("DELETE FROM device_last_status WHERE device_id % 3 = 1")
            appliance.run_job("reconcile")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failed
    wait_until(lambda: appliance.ready()["backlog"]["records"] == 0, "all to be stored")
    appliance.run_job("reconcile")
    counted = drift(appliance)
    appliance.run_job("reconcile")
    assert drift(appliance) == counted and counted["ahead"] > 0
    # Within a bucket history keeps the first, the status the newest of several.
    expected = truth(appliance)
    for device_id, row in rows(appliance, "received_at", "observed_at", "battery").items():
        received_at, observed_at = expected[device_id][:2]
        assert row[0] >= received_at and 0 <= (row[1] - observed_at).total_seconds() < 10
        assert row[2] <= 100


@pytest.mark.long
@pytest.mark.release
def test_two_thousand_devices(daemon, fleet):
    """Each costs a look at its newest bucket, not at its days."""
    daemon.sql("INSERT INTO devices (id, alias, kind, enrolled_by) SELECT i, 'many ' || i,"
               " 'android', 'test' FROM generate_series(1000001, 1002000) AS i")
    daemon.sql("INSERT INTO heartbeats (device_id, bucket, received_at, observed_at,"
               " clock_offset_s, flags, battery) SELECT i, at, at, at, 0, 0, i %% 100"
               " FROM generate_series(1000001, 1002000) AS i,"
               " generate_series(date_bin('10 s', now(), 'epoch') - interval '2 days',"
               "  date_bin('10 s', now(), 'epoch') - interval '2 hours', interval '2 hours') AS at"
               .replace("%%", "%"))
    daemon.sql("ANALYZE heartbeats")
    before = drift(daemon)
    checked = daemon.metric("muster_reconcile_checked_total")
    assert daemon.run_job("reconcile", deadline_s=600)["changed"] == 2000
    assert difference(before, drift(daemon)) == {"missing": 2000}
    assert daemon.metric("muster_reconcile_checked_total") - checked >= 2000
    assert_true(daemon)
    daemon.sql("UPDATE device_last_status SET battery = 101 WHERE device_id IN (1000001, 1001000,"
               " 1002000)")
    # Vacuum does that within the hour.
    daemon.sql("SELECT brin_summarize_new_values(indexrelid) FROM pg_index"
               " JOIN pg_class ON pg_class.oid = indexrelid"
               " WHERE relname LIKE 'heartbeats_%%received_at%%' AND relkind = 'i'"
               .replace("%%", "%"))

    def read():
        return int(daemon.sql("SELECT sum(coalesce(idx_tup_fetch, 0) + seq_tup_read)"
                              " FROM pg_stat_user_tables WHERE relname LIKE 'heartbeats_%'")[0][0])

    # What sessions have read is told within ten seconds, by each.
    seen = wait_until(lambda: (first := read()) and time.sleep(12) is None and read() == first
                      and first, "the statistics to rest", 120)
    run = daemon.run_job("reconcile", deadline_s=600)
    assert run["changed"] == 3
    wait_until(lambda: read() >= seen + 2000, "the statistics", 120)
    assert read() < seen + 10000  # of 46,000 rows
    assert_true(daemon)
