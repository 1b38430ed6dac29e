# SPDX-License-Identifier: Apache-2.0
"""POST /v1/heartbeat as src/wire/README.md and the rules of time promise it."""
import concurrent.futures
import time

import pytest

from appliance import wait_until
from rawhttp import Raw, ask, heartbeat, post

pytestmark = pytest.mark.release

HOUR_S = 3600
DAY_S = 86400
SKEWED, QUARANTINED, BACKLOG, INVALID = 1, 2, 4, 8  # heartbeats.flags


def rows(daemon, device, columns, expect=1):
    """Of a device's heartbeats, oldest first, as soon as there are so many."""
    statement = f"SELECT {columns} FROM heartbeats WHERE device_id = %s ORDER BY bucket"
    return wait_until(lambda: (found := daemon.sql(statement, int(device["device_id"])))
                      if daemon.sql("SELECT count(*) FROM heartbeats WHERE device_id = %s",
                                    int(device["device_id"]))[0][0] >= expect else None,
                      f"{expect} rows of the device")


def status(daemon, device, columns):
    return daemon.sql(f"SELECT {columns} FROM device_last_status WHERE device_id = %s",
                      int(device["device_id"]))[0]


def send(daemon, device, body):
    """body: a dictionary, or JSON as it is to be sent."""
    return ask(daemon.url, heartbeat(device["token"], body))


INTEGERS = {"battery": (0, 100), "ram_free_mb": (0, 2**31 - 1), "ram_total_mb": (0, 2**31 - 1),
            "queue_depth": (0, 2**31 - 1), "uptime_s": (0, 2**53),
            "monitored_last_fg_s": (0, 2**53),
            "seq": (1, 2**53)}
BOOLEANS = ("charging", "power_ok", "device_owner", "battery_unrestricted", "doze_whitelisted",
            "net_validated")
STRINGS = {"ssid": 64, "fg_package": 255, "agent_version": 64, "boot_id": 64}


def json_of(value):
    return value if isinstance(value, bytes) else repr(value).encode()


def wrong_values():
    """(field, JSON)"""
    for field, (least, most) in INTEGERS.items():
        for value in (least - 1, most + 1, b"0.5", b"57.00000000000000000001", b'"1"', b"true",
                      b"[1]", b"{}",
                      b"1e300"):
            yield field, json_of(value)
    for field in BOOLEANS:
        for value in (b"1", b'"true"', b"[]"):
            yield field, value
    for value in (b'"WIFI"', b'"wifi "', b'""', b"1", b'"wifi\\u0000"'):
        yield "network", value
    for field, most in STRINGS.items():
        for value in (b'"' + b"x" * (most + 1) + b'"', b'"' + "ä".encode() * (most // 2) + b'xx"',
                      b"1", b"{}",
                      b'"a\\u0000b"'):
            yield field, value
    yield "boot_id", b'""'
    for value in (b'"1"', b"-1", b"4102444800", b"true"):
        yield "sent_at", value


def good_values():
    """(field, JSON, what is stored)"""
    for field, (least, most) in INTEGERS.items():
        yield field, json_of(least), least
        yield field, json_of(most), most
        yield field, b"57.0", 57
        yield field, b"5.7e1", 57
    for field in BOOLEANS:
        yield field, b"true", True
        yield field, b"false", False
    for value in ("wifi", "cellular", "ethernet", "offline"):
        yield "network", b'"' + value.encode() + b'"', value
    for field, most in STRINGS.items():
        yield field, b'"' + b"x" * most + b'"', "x" * most
        yield field, b'"' + "ä".encode() * (most // 2) + b'"', "ä" * (most // 2)
        yield field, b'"\\u00e4\\ud83d\\ude00\\n\\""', 'ä😀\n"'
    yield "ssid", b'""', ""


def test_wrong_optional_fields_are_stored_as_null_and_named(daemon):
    device = daemon.register("wrong fields")
    base = int(time.time()) - HOUR_S
    before = daemon.metrics()
    cases = list(wrong_values())
    with Raw(daemon.url) as raw:
        for i, (field, value) in enumerate(cases):
            good = b"charging" if field == "battery" else b"battery"
            kept = b"true" if field == "battery" else b"42"
            raw.send(heartbeat(device["token"], b'{"ts":%d,"%s":%s,"%s":%s}' % (
                base - 10 * i, field.encode(), value, good, kept)))
            answer = raw.answer()
            assert answer.status == 202, (field, value, answer)
            assert answer.json()["invalid_fields"] == [field], (field, value)
    names = [*INTEGERS, *BOOLEANS, *STRINGS, "network"]
    stored = rows(daemon, device, "flags, " + ", ".join(names), len(cases))[::-1]
    assert len(stored) == len(cases)
    for (field, value), (flags, *values) in zip(cases, stored):
        kept = {"charging": True} if field == "battery" else {"battery": 42}
        assert {n: v for n, v in zip(names, values) if v is not None} == kept, (field, value)
        assert flags & INVALID, field
    after = daemon.metrics()
    for field in {field for field, _ in cases}:
        name = f'muster_heartbeat_invalid_fields_total{{field="{field}"}}'
        assert after[name] - before[name] == sum(f == field for f, _ in cases), field


def test_good_optional_fields_are_stored(daemon):
    device = daemon.register("good fields")
    base = int(time.time()) - HOUR_S
    cases = list(good_values())
    with Raw(daemon.url) as raw:
        for i, (field, value, _) in enumerate(cases):
            raw.send(heartbeat(device["token"],
                               b'{"ts":%d,"%s":%s}' % (base - 10 * i, field.encode(), value)))
            answer = raw.answer()
            assert answer.status == 202 and "invalid_fields" not in answer.json(), \
                (field, value, answer)
    names = [*INTEGERS, *BOOLEANS, *STRINGS, "network"]
    stored = rows(daemon, device, ", ".join(names), len(cases))[::-1]
    for (field, value, expected), values in zip(cases, stored):
        assert {n: v for n, v in zip(names, values) if v is not None} == {field: expected}, \
            (field, value)


def test_several_wrong_fields_at_once(daemon):
    device = daemon.register("several")
    answer = daemon.heartbeat(device["token"], battery=101, ssid=5, network="tin", seq=0,
                              uptime_s=7)
    assert answer.status_code == 202
    assert sorted(answer.json()["invalid_fields"]) == ["battery", "network", "seq", "ssid"]
    assert rows(daemon, device,
                "battery, ssid, network, seq, uptime_s") == [(None, None, None, None, 7)]


def test_null_is_absent(daemon):
    device = daemon.register("null")
    names = [*INTEGERS, *BOOLEANS, *STRINGS, "network", "sent_at", "extra", "unknown"]
    answer = daemon.heartbeat(device["token"], **{name: None for name in names})
    assert answer.status_code == 202 and "invalid_fields" not in answer.json()
    stored = ", ".join(name for name in names if name not in ("sent_at", "unknown"))
    assert set(rows(daemon, device, stored)[0]) == {None}


def test_extra(daemon):
    device = daemon.register("extra")
    base = int(time.time()) - HOUR_S
    head = b'{"ts":%d,'

    def stored(i, body):
        answer = send(daemon, device, head % (base + 10 * i) + body)
        assert answer.status == 202, answer
        return answer.json().get("invalid_fields")

    assert stored(0, b'"z":1.50, "a": [1, {"b": null}], "extra": {"x":"\\u00e4"}, "gone": '
                     b'null}') is None
    fits = b'"k":"' + b"x" * (2048 - 8) + b'"}'  # {"k":"…"} is 2,048 bytes
    assert stored(1, fits) is None
    assert stored(2, fits.replace(b'"}', b'x"}')) == ["extra"]
    assert stored(3, b'"k":"a\\u0000"}') == ["extra"]
    assert stored(4, b'"k":1e-401}') == ["extra"]
    many = b",".join(b'"k%d":1' % i for i in range(200))
    assert stored(5, many + b"}") is None
    found = rows(daemon, device, "extra::text, extra", 6)
    assert found[0][1] == {"z": 1.5, "a": [1, {"b": None}], "extra": {"x": "ä"}}
    assert "1.50" in found[0][0], "numbers stay as they were sent"
    assert found[1][1] == {"k": "x" * 2040}
    assert [extra for _, extra in found[2:5]] == [None] * 3
    assert len(found[5][1]) == 200
    refused = send(daemon, device,
                   head % base + b",".join(b'"k%d":1' % i for i in range(257)) + b"}")
    assert refused.status == 400 and refused.problem()["type"].endswith("json-keys")


@pytest.mark.parametrize("body, kind", [
    (b"{}", "ts-missing"), (b'{"ts":null}', "ts-null"), (b'{"ts":"1"}', "ts-type"),
    (b'{"ts":true}', "ts-type"),
    (b'{"ts":[]}', "ts-type"), (b'{"ts":-1}', "ts-range"), (b'{"ts":4102444800}', "ts-range"),
    (b'{"ts":1e300}', "ts-range"), (b'{"ts":1795261956088}', "ts-range"),
    (b'{"battery":5}', "ts-missing"),
])
def test_wrong_ts(daemon, body, kind):
    device = daemon.register("wrong ts")
    name = f'muster_heartbeats_rejected_total{{reason="{kind}"}}'
    before = daemon.metrics()[name]
    answer = send(daemon, device, body)
    assert answer.status == 400
    problem = answer.problem()
    assert problem["type"].endswith(kind) and problem["field"] == "ts" and "ts" in problem["detail"]
    assert daemon.metrics()[name] == before + 1
    assert send(daemon, device, {"ts": time.time()}).status == 202


def test_ts_keeps_its_microseconds(daemon):
    device = daemon.register("fraction")
    base = int(time.time()) // 10 * 10 - HOUR_S
    assert send(daemon, device, b'{"ts":%d.123456}' % (base + 7)).status == 202
    found = rows(daemon, device,
                 "extract(epoch FROM bucket), extract(microseconds FROM observed_at)::int,"
                 " observed_at - bucket = interval '7.123456 s'")
    assert found[0][0] == base and found[0][2]


def test_one_bucket_is_stored_once(daemon):
    device = daemon.register("bucket")
    base = int(time.time()) // 10 * 10 - HOUR_S
    before = daemon.metric("muster_heartbeats_duplicate_total")
    first = daemon.heartbeat(device["token"], ts=base, battery=1)
    assert first.status_code == 202 and "duplicate" not in first.json()
    for offset in (0, 1, 9.999):
        again = daemon.heartbeat(device["token"], ts=base + offset, battery=2)
        assert again.status_code == 200 and again.json()["duplicate"] is True
        assert set(again.json()) == set(first.json()) | {"duplicate"}
    assert daemon.heartbeat(device["token"], ts=base + 10, battery=3).status_code == 202
    assert rows(daemon, device, "battery", 2) == [(1,), (3,)]
    assert daemon.metric("muster_heartbeats_duplicate_total") == before + 3


# ---- time ----

def test_slow_clock_with_sent_at(daemon):
    """An hour behind: corrected, flagged, remembered, and a repeat is the same heartbeat."""
    device = daemon.register("slow clock")
    before = daemon.metric("muster_heartbeats_skewed_total")
    ts = time.time() - HOUR_S
    assert daemon.heartbeat(device["token"], ts=ts, sent_at=ts).status_code == 202
    assert daemon.metric("muster_heartbeats_skewed_total") == before + 1
    again = daemon.heartbeat(device["token"], ts=ts, sent_at=time.time() - HOUR_S + 45)
    assert again.status_code == 200, "a small change of the clock does not move the bucket"
    assert daemon.heartbeat(device["token"], ts=ts).status_code == 200, "nor does a missing sent_at"
    found = rows(daemon, device, "flags, clock_offset_s, extract(epoch FROM observed_at),"
                 " extract(epoch FROM received_at - observed_at)")
    assert len(found) == 1
    flags, offset, observed_at, lag = found[0]
    assert flags & SKEWED and offset % 10 == 0 and abs(offset - HOUR_S) <= 10
    assert abs(float(observed_at) - (ts + offset)) < 0.001 and abs(lag) < 30
    wait_until(lambda: daemon.sql("SELECT clock_offset_s FROM devices WHERE id = %s",
                                  int(device["device_id"])) == [(offset,)], "the offset to be kept")


def test_right_again_clock(daemon):
    device = daemon.register("set right")
    ts = time.time() - HOUR_S
    assert daemon.heartbeat(device["token"], ts=ts, sent_at=ts).status_code == 202
    now = time.time() - 30
    assert daemon.heartbeat(device["token"], ts=now, sent_at=time.time()).status_code == 202
    found = dict(rows(daemon, device, "clock_offset_s, flags", 2))
    assert 0 in found and not found[0] & SKEWED


def test_fast_clock_without_sent_at(daemon):
    """ts makes no sense as it stands: it is taken for the time of sending."""
    device = daemon.register("fast clock")
    assert daemon.heartbeat(device["token"], ts=time.time() + DAY_S).status_code == 202
    flags, offset, lag = rows(daemon, device, "flags, clock_offset_s,"
                              " extract(epoch FROM received_at - observed_at)")[0]
    assert flags & SKEWED and abs(offset + DAY_S) <= 10 and abs(lag) < 30
    long_ago = daemon.register("1970")
    assert daemon.heartbeat(long_ago["token"], ts=1000).status_code == 202
    assert abs(rows(daemon, long_ago, "extract(epoch FROM received_at - observed_at)")[0][0]) < 30


def test_small_skew_is_let_be(daemon):
    device = daemon.register("small skew")
    assert daemon.heartbeat(device["token"], ts=time.time() - 200,
                            sent_at=time.time() - 200).status_code == 202
    assert rows(daemon, device, "flags, clock_offset_s") == [(0, 0)]


@pytest.mark.parametrize("ago", [-HOUR_S, -301 - 30, 7 * DAY_S + 60, 30 * DAY_S])
def test_outside_the_window(daemon, ago):
    device = daemon.register("outside")
    now = time.time()
    answer = send(daemon, device, {"ts": now - ago, "sent_at": now})
    assert answer.status == 400
    problem = answer.problem()
    assert problem["type"].endswith("ts-window") and problem["field"] == "ts"
    good = send(daemon, device, {"ts": now, "sent_at": now})
    assert good.status == 202
    assert len(rows(daemon, device, "bucket")) == 1


def test_edges_of_the_window(daemon):
    device = daemon.register("edges")
    now = time.time()
    before = daemon.metric("muster_heartbeats_late_total")
    for ago in (7 * DAY_S - 60, -240):
        assert send(daemon, device, {"ts": now - ago, "sent_at": now}).status == 202
    assert len(rows(daemon, device, "bucket", 2)) == 2
    assert daemon.metric("muster_heartbeats_late_total") == before + 1


# ---- the reply ----

def test_first_and_next_heartbeats_spread_evenly(daemon):
    """2,000 devices: each gets a phase of its own; thirtieths of the interval get equal shares."""
    key = daemon.admin_headers()["X-Admin-Key"]
    data = [post("/v1/register", {"alias": f"s{i}", "kind": "android"}, f"X-Admin-Key: {key}")
            for i in range(2000)]

    def enrol_and_report(part):
        answers = []
        with Raw(daemon.url) as raw:
            for request in part:
                raw.send(request)
                registered = raw.answer().json()
                raw.send(heartbeat(registered["token"]))
                answers.append((registered, raw.answer()))
        return answers

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = [answer for part in pool.map(enrol_and_report, [data[i::8] for i in range(8)])
                   for answer in part]
    assert all(registered["next_heartbeat_in_s"] == 0 for registered, _ in answers)
    assert {answer.status for _, answer in answers} == {202}
    shares = [0] * 30
    for _, answer in answers:
        reply = answer.json()
        assert 150 <= reply["next_heartbeat_in_s"] < 450
        shares[int((reply["server_time"] + reply["next_heartbeat_in_s"]) % 300 // 10)] += 1
    assert min(shares) >= 55 and max(shares) <= 80, shares


def test_a_phase_is_kept(daemon):
    device = daemon.register("phase")
    phases = []
    for i in range(3):
        reply = daemon.heartbeat(device["token"], ts=time.time() - 20 * i).json()
        phases.append((reply["server_time"] + reply["next_heartbeat_in_s"]) % 300)
    assert max(abs((phase - phases[0] + 150) % 300 - 150) for phase in phases) <= 1.01


# ---- last status ----

def test_newest_content_wins(daemon):
    device = daemon.register("out of order")
    now = time.time()
    assert daemon.heartbeat(device["token"], ts=now - 100, battery=50,
                            ssid="new").status_code == 202
    rows(daemon, device, "bucket", 1)
    first_received = status(daemon, device, "received_at")[0]
    assert daemon.heartbeat(device["token"], ts=now - 5000, battery=60,
                            ssid="old").status_code == 202
    rows(daemon, device, "bucket", 2)
    battery, ssid, received_at, observed_at = status(
        daemon, device, "battery, ssid, received_at, extract(epoch FROM observed_at)")
    assert (battery, ssid) == (50, "new") and abs(float(observed_at) - (now - 100)) < 1
    assert received_at > first_received, "late data is a sign of life all the same"
    assert daemon.heartbeat(device["token"], ts=now - 50, battery=70).status_code == 202
    rows(daemon, device, "bucket", 3)
    assert status(daemon, device, "battery, ssid") == (70, None), \
        "the newest report whole, not a mixture"


def test_batch_of_old_data_does_not_overwrite(daemon):
    device = daemon.register("backlog behind")
    now = time.time()
    assert daemon.heartbeat(device["token"], ts=now - 10, battery=90).status_code == 202
    items = [{"ts": now - 3600 - 10 * i, "battery": i % 100} for i in range(100)]
    assert daemon.heartbeats(device["token"], items, sent_at=now).status_code == 200
    assert len(rows(daemon, device, "bucket", 101)) == 101
    assert status(daemon, device, "battery") == (90,)


# ---- clones ----

def boots(daemon, device, sequence, start):
    """Heartbeats of boots in turn; the flags of each row."""
    seqs = {}
    for i, boot in enumerate(sequence):
        seqs[boot] = seqs.get(boot, 0) + 1
        answer = daemon.heartbeat(device["token"], ts=start + 10 * i, boot_id=boot, seq=seqs[boot])
        assert answer.status_code == 202 and answer.json()["commands"] == 0
    return [flags for flags, in rows(daemon, device, "flags", len(sequence))]


def test_clone_is_quarantined(daemon):
    device = daemon.register("clone")
    before = daemon.metrics()
    start = time.time() - 1000
    flags = boots(daemon, device, "ABABAB", start)
    assert [bool(f & QUARANTINED) for f in flags] == [False, False, False, True, True, True]
    subject = f"device:{device['device_id']}"
    wait_until(lambda: daemon.sql("SELECT quarantined_at IS NOT NULL FROM devices WHERE id = %s",
                                  int(device["device_id"])) == [(True,)],
               "the quarantine in PostgreSQL")
    assert daemon.sql("SELECT actor FROM audit_log WHERE action = 'device.quarantine' AND subject "
                      "= %s",
                      subject) == [("ingest",)]
    after = daemon.metrics()
    assert after["muster_clones_detected_total"] == before["muster_clones_detected_total"] + 1
    assert (after["muster_heartbeats_quarantined_total"]
            == before["muster_heartbeats_quarantined_total"] + 3)
    # Still stored, and remembered over a restart.
    assert daemon.terminate() == 0
    daemon.start()
    assert daemon.heartbeat(device["token"], ts=start + 500).status_code == 202
    assert rows(daemon, device, "flags", 7)[-1][0] & QUARANTINED


@pytest.mark.parametrize("sequence", ["AABBCC", "ABACCDD", "ABCDEF", "AABA"])
def test_reboots_are_no_clones(daemon, sequence):
    device = daemon.register("reboots")
    assert not any(f & QUARANTINED for f in boots(daemon, device, sequence, time.time() - 1000))


def test_backlog_is_no_evidence_of_a_clone(daemon):
    device = daemon.register("late")
    now = time.time()
    items = [{"ts": now - 1000 + 10 * i, "boot_id": "AB"[i % 2], "seq": i // 2 + 1}
             for i in range(20)]
    for item in items:
        assert daemon.heartbeats(device["token"], [item],
                                 sent_at=now).json()["results"] == [{"status": "stored"}]
    assert not any(f & QUARANTINED for f, in rows(daemon, device, "flags", 20))
    assert all(f & BACKLOG for f, in rows(daemon, device, "flags", 20))
