# SPDX-License-Identifier: Apache-2.0
"""POST /v1/heartbeats: every item judged alone, answered in order, after the last is durable."""
import json
import time

import pytest

from appliance import wait_until
from rawhttp import Raw, ask, heartbeat

pytestmark = pytest.mark.release

LIMIT_BYTES = 256 * 1024
HOUR_S = 3600


def send(daemon, device, body):
    return ask(daemon.url, heartbeat(device["token"], body, path="/v1/heartbeats"))


def statuses(answer):
    assert answer.status == 200, answer
    return [item["status"] for item in answer.json()["results"]]


def wait_rows(daemon, device, count, columns="extract(epoch FROM bucket)::bigint"):
    def enough():
        found = daemon.sql(f"SELECT {columns} FROM heartbeats WHERE device_id = %s ORDER BY bucket",
                           int(device["device_id"]))
        return found if len(found) >= count else None
    found = wait_until(enough, f"{count} rows")
    assert len(found) == count
    return found


def padded(items, bytes_wanted, sent_at):
    """A batch of exactly so many bytes; the envelope's unknown keys are ignored."""
    bare = json.dumps({"sent_at": sent_at, "heartbeats": items, "pad": ""})
    return json.dumps({"sent_at": sent_at, "heartbeats": items,
                       "pad": "x" * (bytes_wanted - len(bare))}).encode()


def test_every_item_is_answered_in_order(daemon):
    device = daemon.register("mixed")
    now = int(time.time()) // 10 * 10
    daemon.heartbeat(device["token"], ts=now - 50)
    items = [
        ({"ts": now - 100, "battery": 1}, "stored", None),
        ({"battery": 2}, "rejected", "ts is missing"),
        ({"ts": now - 50}, "duplicate", None),
        ({"ts": "x"}, "rejected", "ts is not a number"),
        ({"ts": None}, "rejected", "ts is null"),
        ({"ts": now - 110, "battery": 200}, "stored", None),
        ("text", "rejected", "not a JSON object"),
        (None, "rejected", "not a JSON object"),
        ([], "rejected", "not a JSON object"),
        ({"ts": now - 30 * 86400}, "rejected", "outside the accepted window"),
        ({"ts": now + 86400}, "rejected", "outside the accepted window"),
        ({"ts": now * 1000}, "rejected", "seconds, not milliseconds"),
        ({"ts": now - 120}, "stored", None),
    ]
    answer = send(daemon, device, {"sent_at": now, "heartbeats": [item for item, _, _ in items]})
    results = answer.json()["results"]
    assert len(results) == len(items)
    for (item, status, error), result in zip(items, results):
        assert result["status"] == status, (item, result)
        assert (error in result["error"]) if error else "error" not in result, (item, result)
    assert wait_rows(daemon, device, 4,
                     "extract(epoch FROM bucket)::bigint, battery, flags & 4") == [
        (now - 120, None, 4), (now - 110, None, 4), (now - 100, 1, 4), (now - 50, None, 0)]
    again = send(daemon, device,
                 {"sent_at": now, "heartbeats": [{"ts": now - d} for d in (100, 110, 120)]})
    assert statuses(again) == ["duplicate"] * 3


def test_a_doubled_key_rejects_its_item_alone(daemon):
    device = daemon.register("doubled")
    now = int(time.time()) // 10 * 10
    body = (b'{"heartbeats":[{"ts":%d,"battery":1,"battery":2},{"ts":%d,"t\\u0073":1},{"ts":%d}]}'
            % (now - 10, now - 20, now - 30))
    answer = send(daemon, device, body)
    assert statuses(answer) == ["rejected", "rejected", "stored"]
    assert "twice" in answer.json()["results"][0]["error"]
    assert wait_rows(daemon, device, 1) == [(now - 30,)]


def test_repeats_within_a_batch_are_stored_once(daemon):
    device = daemon.register("repeats")
    now = int(time.time()) // 10 * 10
    items = [{"ts": now - 100 - i % 10} for i in range(50)]
    assert set(statuses(send(daemon, device, {"heartbeats": items}))) <= {"stored", "duplicate"}
    assert len(wait_rows(daemon, device, len({item["ts"] // 10 for item in items}))) == 2


def test_five_hundred_items(daemon):
    device = daemon.register("full")
    now = int(time.time()) // 10 * 10
    items = [{"ts": now - 10 * i, "seq": i + 1, "boot_id": "b"} for i in range(500)]
    assert statuses(send(daemon, device, {"sent_at": now, "heartbeats": items})) == ["stored"] * 500
    assert wait_rows(daemon, device, 500, "seq") == [(500 - i,) for i in range(500)]
    too_many = send(daemon, device, {"sent_at": now, "heartbeats": items + [{"ts": now - 9000}]})
    assert too_many.status == 413
    assert (too_many.problem()["type"].endswith("heartbeats-size")
            and "500" in too_many.problem()["detail"])
    wait_rows(daemon, device, 500)


def test_256_kib(daemon):
    device = daemon.register("heavy")
    now = int(time.time()) // 10 * 10
    items = [{"ts": now - 10 * i} for i in range(10)]
    assert statuses(send(daemon, device, padded(items, LIMIT_BYTES, now))) == ["stored"] * 10
    with Raw(daemon.url) as raw:
        raw.send(heartbeat(device["token"], padded([{"ts": now - 500}], LIMIT_BYTES + 1, now),
                           path="/v1/heartbeats"))
        answer = raw.answer()
        assert answer.status == 413 and answer.problem()
        assert raw.ended(), "the rest is not read"
    wait_rows(daemon, device, 10)


def test_empty(daemon):
    device = daemon.register("empty")
    answer = send(daemon, device, {"heartbeats": []})
    assert answer.status == 200 and answer.json() == {"results": []}


@pytest.mark.parametrize("body, kind", [
    (b"{}", "heartbeats-missing"), (b'{"sent_at":1}', "heartbeats-missing"),
    (b'{"heartbeats":null}', "heartbeats-"), (b'{"heartbeats":{}}', "heartbeats-type"),
    (b'{"heartbeats":"x"}', "heartbeats-type"), (b"[]", "body-type"), (b"7", "body-type"),
    (b'{"heartbeats":[{"ts":1}', "json-syntax"), (b'{"heartbeats":[{"ts":1},]}', "json-syntax"),
    (b'{"heartbeats":[{"ts":01}]}', "json-syntax"), (b'{"heartbeats":[]}x', "json-syntax"),
    (b'{"heartbeats":[{"ts":1,"x":"\xff"}]}', "json-utf8"), (b"", "json-syntax"),
    (b'{"heartbeats":[{"ts":1,"x":1e308}]}', "json-number"),
    (b'{"heartbeats":[{"ts":1,"x":' + b"[" * 16 + b"]" * 16 + b"}]}", "json-depth"),
])
def test_what_refuses_the_whole(daemon, body, kind):
    device = daemon.register("whole")
    answer = send(daemon, device, body)
    assert answer.status == 400
    assert kind in answer.problem()["type"]
    assert statuses(send(daemon, device, {"heartbeats": [{"ts": time.time()}]})) == ["stored"]


def test_deepest_that_is_taken(daemon):
    device = daemon.register("deep")
    body = b'{"heartbeats":[{"ts":%d,"x":%s}]}' % (time.time(), b"[" * 15 + b"]" * 15)
    assert statuses(send(daemon, device, body)) == ["stored"]


# ---- time ----

def test_sent_at_corrects_all_items(daemon):
    device = daemon.register("skewed batch")
    now = int(time.time())
    slow = now - 2 * HOUR_S
    items = [{"ts": slow - 10 * i} for i in range(20)]
    before = daemon.metric("muster_heartbeats_skewed_total")
    assert statuses(send(daemon, device, {"sent_at": slow, "heartbeats": items})) == ["stored"] * 20
    assert daemon.metric("muster_heartbeats_skewed_total") == before + 20
    found = wait_rows(daemon, device, 20,
                      "extract(epoch FROM observed_at)::bigint, clock_offset_s, flags & 1")
    offset = found[0][1]
    assert abs(offset - 2 * HOUR_S) <= 10 and {row[1:] for row in found} == {(offset, 1)}
    assert [row[0] for row in found] == sorted(item["ts"] + offset for item in items)
    assert statuses(send(daemon, device,
                         {"sent_at": slow + 60, "heartbeats": items})) == ["duplicate"] * 20
    assert statuses(send(daemon, device, {"heartbeats": items})) == ["duplicate"] * 20


def test_without_sent_at_the_newest_item_tells_the_clock(daemon):
    """Whatever their order."""
    for newest_first in (True, False):
        device = daemon.register("ahead")
        ahead = int(time.time()) + 3 * HOUR_S
        items = [{"ts": ahead - 10 * i} for i in range(10)]
        body = {"heartbeats": items if newest_first else items[::-1]}
        assert statuses(send(daemon, device, body)) == ["stored"] * 10
        found = wait_rows(daemon, device, 10, "clock_offset_s")
        assert len(set(found)) == 1 and abs(found[0][0] + 3 * HOUR_S) <= 10


def test_wrong_sent_at_is_absent_and_marks_the_items(daemon):
    device = daemon.register("wrong sent_at")
    now = int(time.time())
    answer = send(daemon, device,
                  {"sent_at": "soon", "heartbeats": [{"ts": now - 20}, {"ts": now - 40}]})
    assert statuses(answer) == ["stored"] * 2
    assert wait_rows(daemon, device, 2, "flags & 8, clock_offset_s") == [(8, 0), (8, 0)]


def test_an_items_own_sent_at_measures_nothing(daemon):
    device = daemon.register("own sent_at")
    now = int(time.time())
    answer = send(daemon, device,
                  {"sent_at": now, "heartbeats": [{"ts": now - 20, "sent_at": now - 7200}]})
    assert statuses(answer) == ["stored"]
    assert wait_rows(daemon, device, 1, "clock_offset_s, flags & 9") == [(0, 0)]


def test_batches_count_by_item(daemon):
    device = daemon.register("counted")
    before = daemon.metrics()
    now = int(time.time()) // 10 * 10
    items = [{"ts": now - 3600 - 10 * i}
             for i in range(7)] + [{"ts": now - 3600, "battery": "x"}] + [{}] * 3
    send(daemon, device, {"sent_at": now, "heartbeats": items})
    send(daemon, device, {"sent_at": now, "heartbeats": items})
    after = daemon.metrics()

    def moved(name):
        return after[name] - before[name]

    assert (moved("muster_heartbeats_acknowledged_total")
            + moved("muster_heartbeats_duplicate_total")) == 16
    assert moved("muster_heartbeats_duplicate_total") >= 8
    assert moved('muster_heartbeats_rejected_total{reason="ts-missing"}') == 6
    assert moved("muster_heartbeats_late_total") == moved("muster_heartbeats_acknowledged_total")
    wait_rows(daemon, device, 7)
