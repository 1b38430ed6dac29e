# SPDX-License-Identifier: Apache-2.0
"""Selections, bulk tags and bulk deletion: what was shown is what is changed, whatever happens."""
import threading
import time
import uuid

import pytest
import requests

from appliance import wait_until
from test_devices import ask, get, ids_of, patch


@pytest.fixture
def site():
    return "site-" + uuid.uuid4().hex[:12]


@pytest.fixture
def fleet(daemon, site):
    made = [daemon.register(f"device {number}") for number in range(9)]
    for device in made:
        patch(daemon, device["device_id"], site=site)
    return made


def select(appliance, expect=201, **body):
    return ask(appliance, "POST", "/admin/selections", expect, json=body)


def bulk_delete(appliance, selection, expect=200, confirm=None, **body):
    return ask(appliance, "POST", "/admin/bulk/delete", expect,
               json={"selection_id": selection["id"],
                     "confirm": selection["confirm"] if confirm is None else confirm, **body})


def members(appliance, selection):
    ids, after = [], {}
    while True:
        page = get(appliance, f"/admin/selections/{selection['id']}", limit=4, **after)
        ids += [device["id"] for device in page["devices"]]
        if page["next_after"] is None:
            return ids
        after = {"after": page["next_after"]}


# -- selections --

def test_a_selection_stays_what_it_was(daemon, site, fleet):
    selection = select(daemon, filter={"site": site})
    assert selection["count"] == 9 and selection["confirm"] == "DELETE 9"
    late = daemon.register("late")
    patch(daemon, late["device_id"], site=site)
    patch(daemon, fleet[0]["device_id"], site="elsewhere")
    assert members(daemon, selection) == ids_of(fleet)
    chosen = select(daemon, device_ids=[fleet[2]["device_id"], fleet[1]["device_id"],
                                        fleet[1]["device_id"], "999999999"])
    assert chosen["count"] == 2
    assert members(daemon, chosen) == [fleet[1]["device_id"], fleet[2]["device_id"]]
    bulk_delete(daemon, selection)
    assert daemon.heartbeat(late["token"]).status_code == 202
    assert daemon.heartbeat(fleet[0]["token"]).status_code == 410
    deleted = get(daemon, "/admin/devices", site=site, status="deleted", count="true")
    assert deleted["count"] == 8


def test_by_what_memory_knows(daemon, site, fleet):
    for device in fleet[:3]:
        assert daemon.heartbeat(device["token"], battery=3).status_code == 202
    wait_until(lambda: len(get(daemon, "/admin/devices", site=site,
                               battery_below=4)["devices"]) == 3, "three low batteries")
    assert members(daemon, select(daemon, filter={"site": site, "battery_below": 4})) == ids_of(
        fleet[:3])
    assert select(daemon, filter={"site": site, "network": "offline"})["count"] == 0


@pytest.mark.parametrize("body", [
    {}, {"filter": {}, "device_ids": ["1"]}, {"device_ids": []}, {"device_ids": ["x"]},
    {"device_ids": [1]}, {"filter": {"status": "deleted"}}, {"filter": {"colour": "red"}},
    {"filter": []}, {"filter": {"limit": 5}},
])
def test_a_wrong_selection_is_refused(daemon, body):
    select(daemon, expect=400, **body)


def test_a_selection_expires_and_is_ones_own(daemon, site, fleet):
    selection = select(daemon, filter={"site": site})
    daemon.sql("UPDATE selections SET created_by = 'user:somebody' WHERE id = %s",
               int(selection["id"]))
    bulk_delete(daemon, selection, expect=404)
    get(daemon, f"/admin/selections/{selection['id']}", expect=404)
    daemon.sql("UPDATE selections SET created_by = 'admin-key', expires_at = now() WHERE id = %s",
               int(selection["id"]))
    bulk_delete(daemon, selection, expect=410)
    ask(daemon, "POST", "/admin/bulk/tags", 410, json={"selection_id": selection["id"],
                                                       "add": ["x"]})
    assert daemon.heartbeat(fleet[0]["token"]).status_code == 202


def test_a_wrong_confirmation_deletes_nothing(daemon, site, fleet):
    selection = select(daemon, filter={"site": site})
    for wrong in ("DELETE 8", "delete 9", "DELETE", "DELETE 9 "):
        problem = bulk_delete(daemon, selection, expect=400, confirm=wrong)
        assert problem["field"] == "confirm"
    assert get(daemon, "/admin/devices", site=site, count="true")["count"] == 9


# -- tags --

def test_bulk_tags(daemon, site, fleet):
    patch(daemon, fleet[0]["device_id"], tags=["old", "kept"])
    selection = select(daemon, filter={"site": site})
    answer = ask(daemon, "POST", "/admin/bulk/tags",
                 json={"selection_id": selection["id"], "add": ["new", "ünï"], "remove": ["old"]})
    assert answer == {"changed": 9, "unchanged": 0}
    tags = {device["id"]: device["tags"]
            for device in get(daemon, "/admin/devices", site=site)["devices"]}
    assert tags[fleet[0]["device_id"]] == ["kept", "new", "ünï"]
    assert tags[fleet[1]["device_id"]] == ["new", "ünï"]
    answer = ask(daemon, "POST", "/admin/bulk/tags",
                 json={"selection_id": selection["id"], "add": ["new"]})
    assert answer == {"changed": 0, "unchanged": 9}
    # One device would have too many: none is changed.
    ask(daemon, "POST", "/admin/bulk/tags", 409,
        json={"selection_id": selection["id"], "add": [f"t{i}" for i in range(30)]})
    assert get(daemon, "/admin/devices", site=site, tag="t0")["devices"] == []


# -- deletion --

def test_everything_of_them_goes_at_once(daemon, site, fleet):
    for device in fleet:
        assert daemon.heartbeat(device["token"], battery=50).status_code == 202
    ids = [int(device["device_id"]) for device in fleet]
    wait_until(lambda: daemon.sql("SELECT count(*) FROM device_last_status WHERE device_id = ANY"
                                  " (%s)", ids) == [(9,)], "nine last statuses")
    daemon.sql("INSERT INTO commands (device_id, expires_at, ttl_s, state, type, payload,"
               " created_by) SELECT id, now() + interval '1 hour', 3600, 'queued', 'ping', '{}',"
               " 'test' FROM unnest(%s) AS id", ids)
    selection = select(daemon, filter={"site": site})
    answer = bulk_delete(daemon, selection)
    assert answer["devices"] == 9 and answer["finished"] is True
    assert {daemon.heartbeat(device["token"]).status_code for device in fleet} == {410}
    assert daemon.sql("SELECT count(*) FROM device_last_status WHERE device_id = ANY (%s)",
                      ids) == [(0,)]
    assert daemon.sql("SELECT DISTINCT state FROM commands WHERE device_id = ANY (%s)",
                      ids) == [("cancelled",)]
    audit = daemon.sql("SELECT count(*) FROM audit_log WHERE action = 'device.delete'"
                       " AND after->>'bulk_deletion' = %s", answer["id"])
    assert audit == [(9,)]
    # A reply that was lost can be asked for again.
    assert bulk_delete(daemon, selection) == answer
    assert daemon.sql("SELECT count(*) FROM bulk_deletions WHERE selection_id = %s",
                      int(selection["id"])) == [(1,)]


@pytest.mark.release
def test_deletion_while_heartbeats_flow(appliance):
    devices = [appliance.register(f"d{number}") for number in range(24)]
    stop = threading.Event()
    answers = {device["device_id"]: [] for device in devices}

    def flow(mine):
        session = requests.Session()
        while not stop.is_set():
            for device in mine:
                answer = session.post(appliance.url + "/v1/heartbeat", timeout=60,
                                      json={"ts": time.time(), "battery": 50},
                                      headers={"Authorization": f"Bearer {device['token']}"})
                answers[device["device_id"]].append(answer.status_code)

    threads = [threading.Thread(target=flow, args=(devices[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: all(len(codes) >= 2 for codes in answers.values()), "heartbeats")
        doomed = devices[:20]
        bulk_delete(appliance, select(appliance, device_ids=ids_of(doomed)))
        wait_until(lambda: all(answers[device["device_id"]][-1] == 410 for device in doomed),
                   "all of them to be told")
        counts = {device["device_id"]: len(answers[device["device_id"]]) for device in devices}
        wait_until(lambda: all(len(answers[i]) > counts[i] for i in counts), "one more each")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for device in doomed:
        codes = answers[device["device_id"]]
        assert set(codes) <= {200, 202, 503, 410}
        assert set(codes[codes.index(410):]) == {410}, "410 is for ever"
    for device in devices[20:]:
        assert set(answers[device["device_id"]]) <= {200, 202}
    # Nothing of them reappears once all that was acknowledged is stored.
    wait_until(lambda: appliance.ready()["backlog"]["records"] == 0,
               "the backlog to be stored")
    ids = [int(device["device_id"]) for device in doomed]
    assert appliance.sql("SELECT count(*) FROM device_last_status WHERE device_id = ANY (%s)",
                         ids) == [(0,)]
    assert {device["id"] for device in get(appliance, "/admin/devices")["devices"]} == set(
        ids_of(devices[20:]))


MANY = ("INSERT INTO devices (alias, kind, enrolled_by)"
        " SELECT 'many ' || i, 'android', 'test' FROM generate_series(1, 1200) AS i")


@pytest.mark.parametrize("failpoint", ["bulk_delete.begun=crash", "bulk_delete.after_chunk=crash@2",
                                       "bulk_delete.after_chunk=error:EIO@1*1"])
def test_an_interrupted_deletion_is_finished(make_appliance, failpoint_bin_dir, failpoint):
    appliance = make_appliance(bin_dir=failpoint_bin_dir)
    appliance.start()
    reporting = appliance.register("reports")
    appliance.sql(MANY)
    assert appliance.terminate() == 0
    appliance.environment["MUSTER_FAILPOINTS"] = failpoint
    appliance.start()
    selection = select(appliance, filter={})
    assert selection["count"] == 1201
    if "crash" in failpoint:
        with pytest.raises(requests.RequestException):
            bulk_delete(appliance, selection)
        appliance.process.wait(60)
        appliance.forget()
        del appliance.environment["MUSTER_FAILPOINTS"]
        appliance.start()
    else:
        assert bulk_delete(appliance, selection)["finished"] is False
        assert appliance.heartbeat(reporting["token"]).status_code == 410
    wait_until(lambda: appliance.sql("SELECT state FROM bulk_deletions") == [("done",)],
               "the deletion to be finished", 120)
    assert appliance.sql("SELECT count(*) FROM devices WHERE deleted_at IS NULL") == [(0,)]
    assert appliance.heartbeat(reporting["token"]).status_code == 410
    assert get(appliance, "/admin/devices")["devices"] == []
    audited = appliance.sql("SELECT count(*) FROM audit_log WHERE action = 'device.delete'")
    assert audited == [(1201,)]
