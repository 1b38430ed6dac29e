# SPDX-License-Identifier: Apache-2.0
"""Old days leave their table for files, verified, and come back."""
import shutil

import psycopg2
import pytest

from appliance import wait_until
from archive_days import (archive, day_back, files_of, make_day, register, rows_of, state_of,
                          verify_directory, wait_state)
from fleet import Fleet
from test_devices import ask, get

pytestmark = pytest.mark.one_thread


@pytest.mark.release
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


@pytest.mark.long
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


@pytest.mark.long
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


def test_partitions_are_listed(appliance):
    day = day_back(30)
    make_day(appliance, day, 500)
    appliance.sql(f"ANALYZE heartbeats_{day:%Y%m%d}")
    listed = get(appliance, "/admin/partitions", parent="heartbeats")["partitions"]
    days = [one["day"] for one in listed]
    assert days == sorted(days, reverse=True)
    assert str(day_back(0)) in days and str(day_back(-7)) in days  # a week is made ahead
    old = listed[-1]
    assert old["day"] == str(day) and old["partition"] == f"heartbeats_{day:%Y%m%d}"
    assert old["state"] == "attached" and old["bytes"] > 8192 and 400 < old["rows"] <= 500
    everything = get(appliance, "/admin/partitions")["partitions"]
    assert {"heartbeats", "alert_events", "security_events"} <= {one["parent"]
                                                                 for one in everything}
    assert len(get(appliance, "/admin/partitions", limit=3)["partitions"]) == 3
