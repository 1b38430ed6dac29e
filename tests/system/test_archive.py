# SPDX-License-Identifier: Apache-2.0
"""Old days leave their table for files, verified, and come back; no kill loses a row."""
import datetime
import json
import pathlib
import shutil
import signal
import subprocess

import psycopg2
import pytest

from appliance import wait_until
from fleet import Fleet
from test_devices import ask, get
from test_jobs import ctl

TODAY = datetime.datetime.now(datetime.timezone.utc).date()
KEEP_ALL = ["--retention-heartbeats", "3650d"]


def day_back(days):
    return TODAY - datetime.timedelta(days=days)


def partition(day):
    return f"heartbeats_{day:%Y%m%d}"


def make_day(appliance, day, rows, devices=41, known=True):
    """A day of heartbeats as if it had been written long ago; its rows as text. Before it is
    attached: the archive may take it at once."""
    name = partition(day)
    appliance.sql(f"""
        CREATE TABLE {name} (LIKE heartbeats INCLUDING DEFAULTS INCLUDING INDEXES);
        INSERT INTO {name} (device_id, bucket, received_at, observed_at, clock_offset_s, flags,
            battery, network, ssid, boot_id, extra)
        SELECT 1000000 + n % {devices}, t, t + interval '1 second', t, 0, 0, n % 101, 'wifi',
            'Café ' || n % 9, md5((n % {devices})::text),
            CASE WHEN n % 13 = 0 THEN jsonb_build_object('n', n) END
        FROM (SELECT n, timestamptz '{day} 00:00Z' + (n * 7919 % 8640) * interval '10 seconds' AS t
              FROM generate_series(1, {rows}) AS n) AS s
        ON CONFLICT DO NOTHING RETURNING 1""")
    made = appliance.sql(f"SELECT h::text FROM {name} h ORDER BY device_id, bucket")
    appliance.sql(f"""
        ALTER TABLE heartbeats ATTACH PARTITION {name} FOR VALUES FROM ('{day} 00:00Z')
            TO ('{day + datetime.timedelta(days=1)} 00:00Z')""")
    if known:
        register(appliance, day)
    return made


def register(appliance, day):
    """From here on the archive knows of it."""
    appliance.sql("INSERT INTO partition_registry (parent, partition, range_from, range_to)"
                  f" VALUES ('heartbeats', '{partition(day)}', '{day} 00:00Z',"
                  f" timestamptz '{day} 00:00Z' + '1 day')")


def rows_of(appliance, day):
    """As text, so that every value counts."""
    return appliance.sql(f"SELECT h::text FROM heartbeats h WHERE bucket >= '{day} 00:00Z'"
                         f" AND bucket < timestamptz '{day} 00:00Z' + interval '1 day'"
                         " ORDER BY device_id, bucket")


def state_of(appliance, day):
    return appliance.sql("SELECT state FROM partition_registry WHERE partition = %s",
                         partition(day))[0][0]


def wait_state(appliance, day, state):
    wait_until(lambda: state_of(appliance, day) == state, f"{day} to be {state}", 180)


def wait_request(appliance, request):
    return wait_until(
        lambda: (now := get(appliance, f"/admin/archive-requests/{request['id']}"))["finished_at"]
        and now, f"{request['kind']} of {request['day']} to end", 180)


def archive(appliance, *words, expect=0):
    return ctl(appliance, "archive", *words, expect=expect)


def verify_directory(appliance, directory, expect=0):
    """Without the appliance: another process, no URL, no key."""
    done = subprocess.run([appliance.bin_dir / "musterctl", "archive", "verify", "--directory",
                           directory, "--json"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=180, env={"HOME": str(directory)})
    assert done.returncode == expect, done
    return json.loads(done.stdout)


def test_day_goes_and_comes_back(appliance):
    day, other = day_back(120), day_back(119)
    before = make_day(appliance, day, 5000)
    make_day(appliance, other, 10)
    assert len(before) > 3000
    archive(appliance, "retire")
    wait_state(appliance, other, "dropped")
    assert rows_of(appliance, day) == []
    listed = get(appliance, "/admin/archives")["archives"]
    assert [entry["day"] for entry in listed] == [str(other), str(day)]
    assert listed[1]["rows"] == len(before) and listed[1]["state"] == "archived"
    assert listed[1]["verify_ok"] and listed[1]["sequence"] == 1 and listed[0]["sequence"] == 2
    page = get(appliance, "/admin/archives", limit=1)
    assert get(appliance, "/admin/archives", limit=1, cursor=page["next_cursor"])["archives"] == [
        listed[1]]
    report = verify_directory(appliance, appliance.data_dir / "archive")
    assert report["ok"] and report["days"] == 2
    assert report["rows"] == len(before) + listed[0]["rows"]
    assert "as it was written" in archive(appliance, "verify", str(day))
    assert "2 days: 0 not" in archive(appliance, "verify", "--all")
    assert str(day) in archive(appliance, "list") and "verify" in archive(appliance, "show",
                                                                          str(day))
    assert appliance.metric('muster_archive_partitions{table="heartbeats"}') == 2
    assert appliance.metric("muster_archive_last_verify_ok") == 1

    archive(appliance, "restore", str(day), "--keep", "1h")
    assert rows_of(appliance, day) == before
    shown = get(appliance, f"/admin/archives/heartbeats/{day}")
    assert shown["archive"]["state"] == "restored" and shown["archive"]["restored_until"]
    assert shown["requests"][0]["kind"] == "restore"
    archive(appliance, "drop-restored", str(day))
    wait_state(appliance, day, "dropped")
    assert rows_of(appliance, day) == []
    assert appliance.sql("SELECT action FROM audit_log WHERE action LIKE 'archive.%' ORDER BY id")


def test_what_can_not_be_is_said(daemon):
    day = day_back(100)
    for path in (f"heartbeats/{day}", "heartbeats/2026-02-30", f"nothing/{day}", "heartbeats/x"):
        ask(daemon, "GET", f"/admin/archives/{path}", 404)
        ask(daemon, "POST", f"/admin/archives/{path}/restore", 404, json={})
        ask(daemon, "POST", f"/admin/archives/{path}/verify", 404)
    ask(daemon, "GET", "/admin/archives?cursor=x", 400)
    ask(daemon, "GET", "/admin/archive-requests/999999", 404)
    assert get(daemon, "/admin/archives")["archives"] == []
    make_day(daemon, day, 20)
    daemon.run_job("archive")
    wait_state(daemon, day, "dropped")
    ask(daemon, "POST", f"/admin/archives/heartbeats/{day}/drop-restored", 409)
    ask(daemon, "POST", f"/admin/archives/heartbeats/{day}/restore", 400, json={"keep_s": 1})
    archive(daemon, "restore", "yesterday", expect=2)
    archive(daemon, "verify", expect=2)


def files_of(root):
    return sorted(path for path in pathlib.Path(root).rglob("*") if path.is_file())


def flip(path, dice):
    data = bytearray(path.read_bytes())
    at = dice.randrange(len(data))
    data[at] ^= 1 << dice.randrange(8)
    path.write_bytes(data)


def test_any_change_is_found_and_named(appliance, scratch, dice):
    days = [day_back(100 + n) for n in (3, 2, 1)]
    for day in days:
        make_day(appliance, day, 1500)
    appliance.run_job("archive")
    wait_state(appliance, days[-1], "dropped")
    root = appliance.data_dir / "archive"
    files = files_of(root)
    assert len(files) == 6
    for number in range(30):
        copy = scratch / f"copy-{number}"
        shutil.copytree(root, copy)
        victim = copy / files[number % len(files)].relative_to(root)
        name = str(victim.relative_to(copy))
        kind = dice.choice(["flip", "flip", "flip", "cut", "longer", "gone", "renamed"])
        if kind == "flip":
            flip(victim, dice)
        elif kind == "cut":
            victim.write_bytes(victim.read_bytes()[:-1 - dice.randrange(50)])
        elif kind == "longer":
            victim.write_bytes(victim.read_bytes() + b"\0")
        elif kind == "gone":
            victim.unlink()
        else:
            victim.rename(victim.with_name("part-0009.copy.zst"))
        report = verify_directory(appliance, copy, expect=5)
        assert name in [problem["file"] for problem in report["problems"]], (kind, report)
        shutil.rmtree(copy)

    # The appliance finds the same, and says so everywhere.
    victim = root / "heartbeats" / f"{days[1]:%Y}" / f"{days[1]:%Y%m%d}" / "part-0000.copy.zst"
    whole = victim.read_bytes()
    flip(victim, dice)
    printed = archive(appliance, "verify", str(days[1]), expect=5)
    assert "part-0000.copy.zst: was changed" in printed
    assert "1 not as they were written" in archive(appliance, "verify", "--all", expect=5)
    assert appliance.metric("muster_archive_verify_failures_total") == 2
    entry = get(appliance, f"/admin/archives/heartbeats/{days[1]}")["archive"]
    assert entry["verify_ok"] is False and "part-0000" in entry["verify_detail"]
    archive(appliance, "restore", str(days[1]), expect=5)
    assert rows_of(appliance, days[1]) == []
    victim.write_bytes(whole)
    archive(appliance, "verify", "--all")

    # The newest day gone: its files say nothing, the database does.
    shutil.rmtree(root / "heartbeats" / f"{days[2]:%Y}" / f"{days[2]:%Y%m%d}")
    assert verify_directory(appliance, root)["ok"]
    assert "manifest.json: is missing" in archive(appliance, "verify", str(days[2]), expect=5)


POINTS = ["archive.taken_out", "archive.detached", "archive.begun", "archive.part_write",
          "archive.part_sync", "archive.part_renamed", "archive.part_recorded", "archive.naming",
          "archive.named", "archive.written", "archive.proved", "archive.settled",
          "archive.dropping", "archive.dropped"]


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


def test_a_day_in_trouble_holds_up_no_other_table(appliance):
    """A heartbeats day whose table is gone before its files were written: said, and stays."""
    lost, day = day_back(130), day_back(600)
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


def test_long_reader_only_delays_and_writers_pass(appliance):
    day = day_back(150)
    make_day(appliance, day, 500, known=False)
    with appliance.connect() as connection:
        reader = connection.cursor()
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM heartbeats")
        seen = reader.fetchone()[0]
        register(appliance, day)
        fleet = Fleet(appliance, devices=8, connections=4, seed=11, per_s=500).start(appliance)
        appliance.ask_job("archive")
        wait_until(lambda: appliance.metric("muster_archive_detach_waits_total") >= 2,
                   "the day to wait for its reader")
        assert state_of(appliance, day) == "detaching"
        fleet.wait_acknowledged(500)
        reader.execute("SELECT count(*) FROM heartbeats")
        assert reader.fetchone()[0] == seen, "the reader sees what it saw"
        connection.rollback()
    wait_state(appliance, day, "dropped")
    fleet.wait_acknowledged(200)
    fleet.stop()
    fleet.wait_all_stored(appliance)
    assert appliance.sql("SELECT count(*) FROM ingest_rejects") == [(0,)]


def test_ingest_goes_on_while_days_are_archived(make_appliance):
    """Days of several files each, archived and restored, and not one refused heartbeat."""
    appliance = make_appliance(options=["--archive-bandwidth", "4MiB"])
    appliance.start()
    # No faster, or a device runs out of the days it may send for.
    fleet = Fleet(appliance, devices=16, connections=8, seed=5, per_s=1000).start(appliance)
    days = [day_back(130), day_back(129)]
    before = [make_day(appliance, day, 150000, devices=61) for day in days][0]
    appliance.ask_job("archive")
    wait_state(appliance, days[1], "dropped")
    assert get(appliance, f"/admin/archives/heartbeats/{days[0]}")["archive"]["files"] > 1
    archive(appliance, "restore", str(days[0]))
    assert rows_of(appliance, days[0]) == before
    archive(appliance, "drop-restored", str(days[0]))
    wait_state(appliance, days[0], "dropped")
    fleet.wait_acknowledged(500)
    fleet.stop()
    fleet.wait_all_stored(appliance)
    assert appliance.sql("SELECT count(*) FROM ingest_rejects") == [(0,)]


def test_record_for_an_archived_day_is_kept_aside(make_appliance, failpoint_bin_dir):
    """Its day is gone, or only restored: acknowledged, it is kept as expired, and blocks nobody."""
    appliance = make_appliance(bin_dir=failpoint_bin_dir,
                               options=["--retention-heartbeats", "12d",
                                        "--ingest-window-back", "9d"])
    appliance.start()
    day = day_back(13)
    make_day(appliance, day, 50)
    appliance.run_job("archive")
    wait_state(appliance, day, "dropped")
    archive(appliance, "restore", str(day))
    with appliance.connect() as connection, connection.cursor() as cursor:
        with pytest.raises(psycopg2.errors.CheckViolation):
            cursor.execute("INSERT INTO heartbeats (device_id, bucket, received_at, observed_at,"
                           " clock_offset_s, flags) VALUES (1, %s, now(), now(), 0, 0)",
                           (f"{day} 00:00:00Z",))
