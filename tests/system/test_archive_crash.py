# SPDX-License-Identifier: Apache-2.0
"""Whatever stops the archive in the middle, no row is lost and none comes twice."""
import datetime
import signal

import pytest

from appliance import wait_until
from archive_days import (KEEP_ALL, archive, day_back, files_of, make_day, partition, rows_of,
                          state_of, verify_directory, wait_request, wait_state)
from test_devices import ask

pytestmark = pytest.mark.one_thread

POINTS = ["archive.taken_out", "archive.detached", "archive.begun", "archive.part_write",
          "archive.part_sync", "archive.part_renamed", "archive.part_recorded", "archive.naming",
          "archive.named", "archive.written", "archive.proved", "archive.settled",
          "archive.dropping", "archive.dropped"]


@pytest.mark.long
def test_killed_at_every_step(make_appliance, failpoint_bin_dir):
    appliance = make_appliance(bin_dir=failpoint_bin_dir, options=KEEP_ALL)
    appliance.start()
    days = [day_back(200 - n) for n in range(len(POINTS) + 1)]
    before = {day: make_day(appliance, day, 400) for day in days}
    assert appliance.terminate() == 0
    appliance.options = []
    for point in POINTS:
        appliance.environment["MUSTER_FAILPOINTS"] = f"{point}=crash"
        appliance.launch()
        code = wait_until(lambda: appliance.process.poll(), f"the crash at {point}", 180)
        assert code == -signal.SIGKILL, point
        appliance.forget()
    del appliance.environment["MUSTER_FAILPOINTS"]
    appliance.start()
    wait_state(appliance, days[-1], "dropped")
    assert {state_of(appliance, day) for day in days} == {"dropped"}
    report = verify_directory(appliance, appliance.data_dir / "archive")
    assert report["days"] == len(days)
    assert report["rows"] == sum(len(rows) for rows in before.values())
    assert len(files_of(appliance.data_dir / "archive")) == 2 * len(days), "no orphans"
    for day in days:
        request = ask(appliance, "POST", f"/admin/archives/heartbeats/{day}/restore", 202,
                      json={})
    wait_request(appliance, request)
    assert {day: rows_of(appliance, day) for day in days} == before


def test_a_name_is_on_the_disk_before_the_table_says_so(make_appliance, failpoint_bin_dir):
    """Cut off just after the directory got its name: the next one syncs that name first."""
    appliance = make_appliance(bin_dir=failpoint_bin_dir, options=KEEP_ALL)
    appliance.start()
    day = day_back(150)
    before = make_day(appliance, day, 300)
    assert appliance.terminate() == 0
    appliance.options = []
    for point in ("archive.named", "archive.names_sync"):
        appliance.environment["MUSTER_FAILPOINTS"] = f"{point}=crash"
        appliance.launch()
        code = wait_until(lambda: appliance.process.poll(), f"the crash at {point}", 180)
        assert code == -signal.SIGKILL, point
        appliance.forget()
    del appliance.environment["MUSTER_FAILPOINTS"]
    appliance.start()
    wait_state(appliance, day, "dropped")
    assert verify_directory(appliance, appliance.data_dir / "archive")["rows"] == len(before)


def test_devices_purged_on_the_day_s_way_out(make_appliance):
    """Many of them, and few of the day's: these alone are missing from the files."""
    appliance = make_appliance(options=KEEP_ALL)
    appliance.start()
    day = day_back(140)
    make_day(appliance, day, 3000)
    # 1000000 to 1000040 are the day's.
    appliance.sql("INSERT INTO archive_purged (device_id)"
                  " SELECT i FROM generate_series(999700, 1000004) AS i")
    left = appliance.sql(f"SELECT h::text FROM {partition(day)} h WHERE device_id > 1000004"
                         " ORDER BY device_id, bucket")
    assert appliance.terminate() == 0
    appliance.options = []
    appliance.start()
    wait_state(appliance, day, "dropped")
    assert verify_directory(appliance, appliance.data_dir / "archive")["rows"] == len(left)
    archive(appliance, "restore", str(day))
    assert rows_of(appliance, day) == left


def test_rows_that_were_moved_meanwhile(make_appliance, postgres_server, failpoint_bin_dir):
    """Half a day is written; then its rows lie elsewhere in the table, as after a dump that was
    loaded: all of them are archived, and once."""
    appliance = make_appliance(bin_dir=failpoint_bin_dir, options=KEEP_ALL,
                               environment=postgres_server.environment)
    appliance.start()
    day = day_back(140)
    make_day(appliance, day, 105000)
    appliance.sql(f"DELETE FROM {partition(day)} WHERE device_id % 3 = 0")
    before = rows_of(appliance, day)
    assert len(before) > 66000, "more than the first part takes"
    assert appliance.terminate() == 0
    appliance.options = []
    appliance.environment["MUSTER_FAILPOINTS"] = "archive.part_recorded=crash"
    appliance.launch()
    code = wait_until(lambda: appliance.process.poll(), "the crash after the first part", 180)
    assert code == -signal.SIGKILL
    appliance.forget()
    connection = postgres_server.connect()
    connection.autocommit = True
    connection.cursor().execute(f"VACUUM FULL {partition(day)}")
    connection.close()
    del appliance.environment["MUSTER_FAILPOINTS"]
    appliance.start()
    wait_state(appliance, day, "dropped")
    assert verify_directory(appliance, appliance.data_dir / "archive")["rows"] == len(before)
    archive(appliance, "restore", str(day))
    assert rows_of(appliance, day) == before


@pytest.mark.long
def test_a_day_in_trouble_holds_up_no_other_table(appliance):
    """A heartbeats day whose table is gone before its files were written: said, and stays."""
    gone, lost, day = day_back(131), day_back(130), day_back(600)
    appliance.sql("INSERT INTO partition_registry (parent, partition, range_from, range_to, state)"
                  f" VALUES ('heartbeats', '{partition(gone)}', '{gone} 00:00Z',"
                  f" timestamptz '{gone} 00:00Z' + '1 day', 'detaching')")
    wait_state(appliance, gone, "dropped")
    assert [line["day"] for line in appliance.log_events("archive.trouble")
            if line["what"] == "lost"] == [str(gone)]
    appliance.sql("INSERT INTO partition_registry (parent, partition, range_from, range_to, state)"
                  f" VALUES ('heartbeats', '{partition(lost)}', '{lost} 00:00Z',"
                  f" timestamptz '{lost} 00:00Z' + '1 day', 'archiving')")
    name = f"alert_events_{day:%Y%m%d}"
    appliance.sql(f"CREATE TABLE {name} PARTITION OF alert_events FOR VALUES"
                  f" FROM ('{day} 00:00Z') TO ('{day + datetime.timedelta(days=1)} 00:00Z');"
                  "INSERT INTO partition_registry (parent, partition, range_from, range_to)"
                  f" VALUES ('alert_events', '{name}', '{day} 00:00Z',"
                  f" timestamptz '{day} 00:00Z' + '1 day')")
    wait_until(lambda: appliance.sql("SELECT state FROM partition_registry WHERE partition = %s",
                                     name)[0][0] == "dropped", "the other table's day", 180)
    assert state_of(appliance, lost) == "archiving"
    wait_until(lambda: appliance.metric('muster_job_failures_in_a_row{job="archive"}') >= 1,
               "the trouble to be told", 180)


def test_killed_while_restoring(make_appliance, failpoint_bin_dir):
    appliance = make_appliance(bin_dir=failpoint_bin_dir, options=KEEP_ALL)
    appliance.start()
    day = day_back(200)
    before = make_day(appliance, day, 2000)
    assert appliance.terminate() == 0
    appliance.options = []
    appliance.start()
    wait_state(appliance, day, "dropped")
    for point in ("archive.restored_part", "archive.restoring", "archive.restored"):
        assert appliance.terminate() == 0
        appliance.environment["MUSTER_FAILPOINTS"] = f"{point}=crash"
        appliance.start()
        # It may die before its answer has gone.
        try:
            ask(appliance, "POST", f"/admin/archives/heartbeats/{day}/restore", 202, json={})
        except OSError:
            pass
        code = wait_until(lambda: appliance.process.poll(), f"the crash at {point}", 180)
        assert code == -signal.SIGKILL, point
        appliance.forget()
        del appliance.environment["MUSTER_FAILPOINTS"]
        appliance.start()
        wait_until(lambda: appliance.sql("SELECT count(*) FROM archive_requests WHERE state IN"
                                         " ('waiting', 'running')") == [(0,)],
                   "the request to end", 180)
        assert state_of(appliance, day) == "restored"
        assert rows_of(appliance, day) == before
        archive(appliance, "drop-restored", str(day))
        wait_state(appliance, day, "dropped")
