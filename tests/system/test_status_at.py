# SPDX-License-Identifier: Apache-2.0
"""The fleet as it was: asked at several moments, against what was sent for them."""
import datetime
import json
import time

import pytest

from test_devices import ask, get
from test_jobs import ctl

pytestmark = pytest.mark.one_thread

OPTIONS = ("--ingest-heartbeat-interval", "5m")
# A whole bucket's beginning, some hours ago and away from midnight.
NOW = time.time()
BASE = (NOW - 30 * 3600) // 10 * 10
MINUTE = 60


def stamp(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()


def at(daemon, seconds, **query):
    page = get(daemon, "/admin/status", at=stamp(seconds), **query)
    return {device["alias"]: device for device in page["devices"]}


def summary(daemon, seconds, **query):
    counts = get(daemon, "/admin/status/summary", at=stamp(seconds), **query)
    return {name: counts[name] for name in ("devices", "online", "late", "silent", "never")}


def counted(devices):
    states = [device["status"] for device in devices.values()]
    return {"devices": len(states), **{state: states.count(state) for state in
                                       ("online", "late", "silent", "never")}}


@pytest.fixture(scope="module")
def fleet(daemon):
    """a: every five minutes for two hours. b: stops after half an hour. c: never reports. d: made
    an hour after BASE. e: deleted since. f: reports each hour."""
    devices = {name: daemon.register(name) for name in "abcdef"}
    made = {name: BASE - 86400 for name in "abcef"} | {"d": BASE + 3600}
    for name, device in devices.items():
        daemon.sql("UPDATE devices SET created_at = to_timestamp(%s), site = %s, tags = %s"
                   " WHERE id = %s", made[name], "Berlin" if name < "c" else None,
                   ["x", "y"] if name == "a" else [], device["device_id"])
    daemon.sql("UPDATE devices SET heartbeat_interval_s = 3600 WHERE alias = 'f'")
    sent = 0
    plan = {"a": range(0, 121, 5), "b": range(0, 31, 5), "d": range(60, 121, 5),
            "e": range(0, 121, 5), "f": range(0, 121, 60)}
    for name, minutes in plan.items():
        items = [{"ts": BASE + minute * MINUTE, "battery": minute % 100, "network": "wifi"}
                 for minute in minutes]
        answer = daemon.heartbeats(devices[name]["token"], items, sent_at=time.time())
        assert {one["status"] for one in answer.json()["results"]} == {"stored"}
        sent += len(items)
    daemon.wait_stored(sent)
    assert daemon.delete_device(devices["e"]["device_id"]).status_code == 204
    return devices


@pytest.mark.parametrize("minutes,expected", [
    # exactly at a bucket's heartbeat; a second before the first
    (0, {"a": "online", "b": "online", "c": "never", "e": "online", "f": "online"}),
    (-1 / 60, {"a": "never", "b": "never", "c": "never", "e": "never", "f": "never"}),
    # b was heard of last at 30: one and a half intervals, 12 minutes
    (37.5, {"a": "online", "b": "online", "c": "never", "e": "online", "f": "online"}),
    (37.6, {"a": "online", "b": "late", "c": "never", "e": "online", "f": "online"}),
    (42, {"a": "online", "b": "late", "c": "never", "e": "online", "f": "online"}),
    (42.1, {"a": "online", "b": "silent", "c": "never", "e": "online", "f": "online"}),
    (60, {"a": "online", "b": "silent", "c": "never", "d": "online", "e": "online",
          "f": "online"}),
    (131, {"a": "late", "b": "silent", "c": "never", "d": "late", "e": "late", "f": "online"}),
    # f: one and a half hours, two hours and two minutes, after its last at 120
    (211, {"a": "silent", "b": "silent", "c": "never", "d": "silent", "e": "silent",
           "f": "late"}),
    (243, {"a": "silent", "b": "silent", "c": "never", "d": "silent", "e": "silent",
           "f": "silent"}),
])
def test_states_at(daemon, fleet, minutes, expected):
    moment = BASE + minutes * MINUTE
    devices = at(daemon, moment)
    assert {name: device["status"] for name, device in devices.items()} == expected
    assert summary(daemon, moment) == counted(devices)


def test_content_is_the_newest_up_to_then(daemon, fleet):
    devices = at(daemon, BASE + 20 * MINUTE)
    assert devices["a"]["last"]["battery"] == 20 and devices["a"]["last"]["network"] == "wifi"
    assert devices["c"]["last"] is None and devices["c"]["last_seen_at"] is None
    assert devices["e"]["deleted_at"]
    # One second before, in the bucket before; and ten seconds after.
    assert at(daemon, BASE + 20 * MINUTE - 1)["a"]["last"]["battery"] == 15
    assert at(daemon, BASE + 20 * MINUTE + 10)["a"]["last"]["battery"] == 20
    assert at(daemon, BASE + 300 * MINUTE)["b"]["last"]["battery"] == 30


def test_a_moment_within_a_bucket(daemon, fleet):
    """Recorded 7 s after the bucket's beginning: at 5 s it was not there yet."""
    device = daemon.register("g")
    daemon.sql("UPDATE devices SET created_at = to_timestamp(%s) WHERE alias = 'g'", BASE)
    before = daemon.stored()
    daemon.heartbeats(device["token"], [{"ts": BASE + 600, "battery": 1},
                                        {"ts": BASE + 667, "battery": 2}], sent_at=time.time())
    daemon.wait_stored(before + 2)
    assert at(daemon, BASE + 665)["g"]["last"]["battery"] == 1
    assert at(daemon, BASE + 667)["g"]["last"]["battery"] == 2
    assert daemon.delete_device(device["device_id"]).status_code == 204
    daemon.sql("UPDATE devices SET deleted_at = created_at WHERE alias = 'g'")
    assert "g" not in at(daemon, BASE + 667)


def test_what_was_known_then(daemon, fleet):
    """All of it came today; but for b, whose first three came at once and the others an hour
    later."""
    moment = BASE + 30 * MINUTE
    assert at(daemon, moment, known="received")["a"]["status"] == "never"
    daemon.sql("UPDATE heartbeats SET received_at = observed_at + CASE WHEN observed_at <="
               " to_timestamp(%s) THEN interval '1 second' ELSE interval '1 hour' END"
               " WHERE device_id = %s", BASE + 10 * MINUTE, fleet["b"]["device_id"])
    for minutes, status, battery in ((10, "online", 5), (11, "online", 10), (30, "silent", 10),
                                     (76, "online", 15), (91, "online", 30), (98, "late", 30)):
        devices = at(daemon, BASE + minutes * MINUTE, known="received")
        assert (devices["b"]["status"], devices["b"]["last"]["battery"]) == (status, battery)
        assert summary(daemon, BASE + minutes * MINUTE, known="received") == counted(devices)
    assert at(daemon, moment)["b"]["status"] == "online"


def test_filters_and_pages(daemon, fleet):
    moment = BASE + 60 * MINUTE
    assert set(at(daemon, moment, site="Berlin")) == {"a", "b"}
    assert set(at(daemon, moment, tag=["x", "y"])) == {"a"}
    assert set(at(daemon, moment, tag=["x", "z"])) == set()
    assert summary(daemon, moment, site="Berlin")["devices"] == 2
    names, cursor = [], {}
    while True:
        page = get(daemon, "/admin/status", at=stamp(moment), limit=2, **cursor)
        names += [device["alias"] for device in page["devices"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert names == ["a", "b", "c", "d", "e", "f"]


def test_wrong_moments(daemon, fleet):
    def problem(status, **query):
        return ask(daemon, "GET", "/admin/status", status, params=query)

    assert problem(400)["field"] == "at"
    assert "future" in problem(400, at=stamp(time.time() + 600))["detail"]
    assert problem(400, at="yesterday")["field"] == "at"
    assert "before the first day" in problem(404, at="2001-01-01T00:00:00Z")["detail"]


def test_the_archive_has_it(daemon, fleet):
    day = datetime.datetime.fromtimestamp(BASE, datetime.timezone.utc).date()
    name = f"heartbeats_{day:%Y%m%d}"

    def state(value):
        daemon.sql("UPDATE partition_registry SET state = %s WHERE partition = %s", value, name)

    try:
        # On its way it is neither gone nor there.
        for leaving in ("detaching", "archiving", "archived"):
            state(leaving)
            detail = ask(daemon, "GET", "/admin/status", 409, params={"at": stamp(BASE)})["detail"]
            assert f"{day}" in detail and "on its way" in detail
        state("dropped")
        for path in ("/admin/status", "/admin/status/summary"):
            detail = ask(daemon, "GET", path, 404, params={"at": stamp(BASE)})["detail"]
            assert f"{day}" in detail and "no archive" in detail
        daemon.sql("INSERT INTO archive_days (parent, day, created_at, state, sequence,"
                   " manifest_sha256) VALUES ('heartbeats', %s, now(), 'archived', 1,"
                   " sha256('x'))", f"{day} 00:00:00+00")
        detail = ask(daemon, "GET", "/admin/status", 409, params={"at": stamp(BASE)})["detail"]
        assert f"restore {day}" in detail
        assert "archive restore" in ctl_error(daemon, "status", "--at", stamp(BASE))
        # Shortly after midnight the day before matters too, later it does not.
        midnight = datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time(),
                                             datetime.timezone.utc).timestamp()
        ask(daemon, "GET", "/admin/status", 409, params={"at": stamp(midnight + 300)})
        # f is heard of each hour: it may still be online by what it sent the day before.
        ask(daemon, "GET", "/admin/status", 409, params={"at": stamp(midnight + 7200)})
        ask(daemon, "GET", "/admin/status", 200, params={"at": stamp(midnight + 8400)})
        assert daemon.sql("UPDATE devices SET heartbeat_interval_s = 7200 WHERE alias = 'b'"
                          " RETURNING 1")
        ask(daemon, "GET", "/admin/status", 409, params={"at": stamp(midnight + 8400)})
        daemon.sql("UPDATE devices SET heartbeat_interval_s = NULL WHERE alias = 'b'")
        state("restored")
        assert at(daemon, BASE)["a"]["status"] == "online"
    finally:
        state("attached")
        daemon.sql("DELETE FROM archive_days")


def ctl_error(daemon, *words):
    import subprocess
    done = subprocess.run([daemon.bin_dir / "musterctl", "--url", daemon.url, "--admin-key-file",
                           daemon.data_dir / "secrets" / "admin-key", *words],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done
    return done.stderr


def test_musterctl(daemon, fleet):
    text = ctl(daemon, "status", "--at", stamp(BASE + 60 * MINUTE))
    assert text.startswith("6 devices: 4 online, 0 late, 1 silent, 1 never heard of\n")
    assert len(text.splitlines()) == 8
    page = json.loads(ctl(daemon, "status", "--at", stamp(BASE), "--known", "received", "--json"))
    assert page["known"] == "received" and len(page["devices"]) == 5
    text = ctl(daemon, "status", "--at", stamp(BASE), "--limit", "2", "--all")
    assert len(text.splitlines()) == 7
    # e was deleted just now.
    assert "6 devices: " in ctl(daemon, "status", "--at", "2h ago")
    now = ctl(daemon, "status")
    assert now.startswith("ready; 0 heartbeats wait") and "5 devices: 0 online" in now
    both = json.loads(ctl(daemon, "status", "--json"))
    assert both["ready"]["ready"] is True and both["fleet"]["devices"] == 5
    assert "must be a time" in ctl_usage(daemon, "status", "--at", "teatime")


def ctl_usage(daemon, *words):
    import subprocess
    done = subprocess.run([daemon.bin_dir / "musterctl", *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done
    return done.stderr


def test_a_large_fleet_is_counted(daemon, fleet):
    """Also with all of it silent."""
    daemon.sql("INSERT INTO devices (alias, kind, enrolled_by, created_at, first_seen_at)"
               " SELECT 'many ' || i, 'android', 'test', to_timestamp(%s), to_timestamp(%s)"
               " FROM generate_series(1, 20000) AS i", BASE - 3600, BASE - 3600)
    daemon.sql("INSERT INTO heartbeats (device_id, bucket, received_at, observed_at,"
               " clock_offset_s, flags) SELECT id, at, at, at, 0, 0 FROM devices,"
               " generate_series(to_timestamp(%s), to_timestamp(%s), interval '10 minutes') AS at"
               " WHERE alias LIKE 'many%%'", BASE, BASE + 1800)
    expected = {"devices": 20005, "online": 20004, "late": 0, "silent": 0, "never": 1}
    assert summary(daemon, BASE + 30 * MINUTE) == expected
    assert summary(daemon, BASE + 60 * MINUTE)["silent"] == 20001
    assert summary(daemon, BASE + 60 * MINUTE, known="received")["online"] == 0
