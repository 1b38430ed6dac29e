# SPDX-License-Identifier: Apache-2.0
"""Devices through the API: lists, detail, changes, history, export, quarantine and take-over."""
import csv
import datetime
import io
import json
import time
import uuid

import pytest

from appliance import wait_until


def ask(daemon, method, path, expect=200, **arguments):
    answer = daemon.session.request(method, daemon.url + path, headers=daemon.admin_headers(),
                                    timeout=60, **arguments)
    assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json() if answer.content and "json" in answer.headers["content-type"] else answer


def get(daemon, path, expect=200, **params):
    return ask(daemon, "GET", path, expect, params=params)


def device_of(daemon, device_id):
    return get(daemon, f"/admin/devices/{device_id}")


def patch(daemon, device_id, expect=200, **body):
    return ask(daemon, "PATCH", f"/admin/devices/{device_id}", expect, json=body)


def pages(daemon, limit, between=None, **params):
    """The ids of all pages, in order."""
    ids, cursor = [], None
    while True:
        page = get(daemon, "/admin/devices", limit=limit, **params,
                   **({"cursor": cursor} if cursor else {}))
        ids += [device["id"] for device in page["devices"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return ids
        assert len(page["devices"]) == limit
        if between:
            between()


@pytest.fixture
def site():
    """A name of the test's own: the daemon is shared."""
    return "site-" + uuid.uuid4().hex[:12]


@pytest.fixture
def fleet(daemon, site):
    """Twelve devices of one site."""
    made = [daemon.register(f"Gerät {number:02}", hardware_id=f"{site}-{number}")
            for number in range(12)]
    for number, device in enumerate(made):
        patch(daemon, device["device_id"], site=site, tags=[f"t{number % 3}", f"{site}-tag"])
    return made


def ids_of(devices):
    return [device["device_id"] for device in devices]


# -- lists --

def test_a_list_shows_what_a_device_reported(daemon, site, fleet):
    now = time.time()
    daemon.heartbeat(fleet[0]["token"], ts=now, battery=41, charging=False, network="wifi",
                     ssid="Büro", fg_package="org.example.app", agent_version="2.5.0", uptime_s=77)
    page = wait_until(lambda: (found := get(daemon, "/admin/devices", site=site, battery_below=42))
                      ["devices"] and found, "the battery in the list")
    device = page["devices"][0]
    assert len(page["devices"]) == 1 and page["next_cursor"] is None and "count" not in page
    assert device["id"] == fleet[0]["device_id"] and device["alias"] == "Gerät 00"
    assert device["status"] == "online" and device["agent_version"] == "2.5.0"
    assert device["tags"] == sorted(["t0", f"{site}-tag"])
    last = device["last"]
    assert (last["battery"], last["charging"], last["network"], last["ssid"]) == (
        41, False, "wifi", "Büro")
    assert last["fg_package"] == "org.example.app" and last["uptime_s"] == 77
    seen = datetime.datetime.fromisoformat(device["last_seen_at"].replace("Z", "+00:00"))
    assert abs(seen.timestamp() - now) < 120


def test_filters_and_count(daemon, site, fleet):
    listed = get(daemon, "/admin/devices", site=site, count="true")
    assert listed["count"] == 12 and [d["id"] for d in listed["devices"]] == ids_of(fleet)
    assert all(device["status"] == "never" and device["last"] is None
               for device in listed["devices"])
    tagged = get(daemon, "/admin/devices", tag=[f"{site}-tag", "t1"], count="true")
    assert [d["id"] for d in tagged["devices"]] == ids_of(fleet)[1::3] and tagged["count"] == 4
    assert get(daemon, "/admin/devices", site=site, status="never", count="true")["count"] == 12
    assert get(daemon, "/admin/devices", site=site, status="online", count="true")["count"] == 0
    assert get(daemon, "/admin/devices", site=site, kind="desktop")["devices"] == []
    found = get(daemon, "/admin/devices", q=f"{site}-7".upper())["devices"]
    assert [d["id"] for d in found] == [fleet[7]["device_id"]]
    names = {tag["name"]: tag["devices"] for tag in get(daemon, "/admin/tags")["tags"]}
    assert names[f"{site}-tag"] == 12
    assert {"name": site, "devices": 12} in get(daemon, "/admin/sites")["sites"]


@pytest.mark.release
@pytest.mark.parametrize("sort", ["id", "alias", "created_at", "last_seen", "battery",
                                  "agent_version"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_pages_cover_each_device_once(daemon, site, fleet, sort, direction):
    ids = pages(daemon, 5, site=site, sort=sort, direction=direction)
    assert sorted(ids, key=int) == ids_of(fleet)
    if sort in ("id", "alias", "created_at"):
        assert ids == (ids_of(fleet) if direction == "asc" else ids_of(fleet)[::-1])


def test_pages_while_devices_come_and_go(daemon, site, fleet):
    doomed = [device["device_id"] for device in fleet[1::4]]

    def disturb():
        added = daemon.register("Gerät 00a")["device_id"]
        patch(daemon, added, site=site)
        if doomed:
            assert daemon.delete_device(doomed.pop()).status_code == 204

    ids = pages(daemon, 2, between=disturb, site=site, sort="created_at")
    assert len(ids) == len(set(ids))
    staying = [device for device in ids_of(fleet) if ids_of(fleet).index(device) % 4 != 1]
    assert set(staying) <= set(ids)


@pytest.mark.parametrize("params, field", [
    ({"limit": 0}, "limit"), ({"limit": 501}, "limit"), ({"limit": "ten"}, "limit"),
    ({"sort": "secret"}, "sort"), ({"status": "dead"}, "status"), ({"battery_below": 0},
                                                                   "battery_below"),
    ({"direction": "up"}, "direction"), ({"q": ""}, "q"), ({"q": "x" * 201}, "q"),
    ({"sort": "battery", "status": "deleted"}, "sort"), ({"colour": "red"}, "colour"),
    ({"offset": -1}, "offset"), ({"offset": 1_000_001}, "offset"), ({"offset": "end"}, "offset"),
    ({"cursor": "!"}, "cursor"), ({"cursor": "e30"}, "cursor"), ({"cursor": "A" * 3000}, "cursor"),
])
def test_a_wrong_parameter_is_named(daemon, params, field):
    problem = get(daemon, "/admin/devices", expect=400, **params)
    assert problem["field"] == field, problem


def test_a_cursor_belongs_to_its_order(daemon, site, fleet):
    cursor = get(daemon, "/admin/devices", site=site, sort="alias", limit=3)["next_cursor"]
    get(daemon, "/admin/devices", site=site, sort="alias", limit=3, cursor=cursor)
    get(daemon, "/admin/devices", expect=400, site=site, sort="alias", direction="desc",
        cursor=cursor)
    get(daemon, "/admin/devices", expect=400, site=site, cursor=cursor)
    get(daemon, "/admin/devices", expect=400, sort="alias", cursor=cursor[:-3])


@pytest.mark.parametrize("sort", ["id", "alias", "created_at", "last_seen", "battery",
                                  "agent_version"])
def test_a_page_may_begin_anywhere(daemon, site, fleet, sort):
    ids = pages(daemon, 5, site=site, sort=sort)
    for offset in (0, 4, 11, 12, 1_000_000):
        page = get(daemon, "/admin/devices", site=site, sort=sort, limit=3, offset=offset)
        assert [device["id"] for device in page["devices"]] == ids[offset:offset + 3]
        assert (page["next_cursor"] is None) == (offset + 3 >= len(ids))
    cursor = get(daemon, "/admin/devices", site=site, sort=sort, limit=3, offset=4)["next_cursor"]
    page = get(daemon, "/admin/devices", site=site, sort=sort, limit=3, cursor=cursor)
    assert [device["id"] for device in page["devices"]] == ids[7:10]
    problem = get(daemon, "/admin/devices", expect=400, site=site, sort=sort, offset=3,
                  cursor=cursor)
    assert problem["field"] == "offset" and "give one of them" in problem["detail"]


def test_searching_takes_wildcards_as_they_stand(daemon, site):
    names = ["50%", "under_score", "back\\slash", "quote' OR 1=1", "Ärger 🎉"]
    made = {name: daemon.register(f"{site} {name}")["device_id"] for name in names}
    for name in names:
        found = get(daemon, "/admin/devices", q=f"{site} {name}".upper())["devices"]
        assert [device["id"] for device in found] == [made[name]], name
    assert get(daemon, "/admin/devices", q=f"{site} %")["devices"] == []
    assert get(daemon, "/admin/devices", q=f"{site}_50")["devices"] == []


# -- one device --

def test_detail_has_no_secret(daemon, site, fleet):
    device = fleet[0]
    daemon.heartbeat(device["token"], battery=9, boot_id="b", seq=4, colour="red")
    detail = wait_until(lambda: (found := device_of(daemon, device["device_id"]))["last"] and found,
                        "the last status")
    assert detail["last"]["extra"] == {"colour": "red"} and detail["last"]["seq"] == 4
    assert detail["commands_pending"] == 0 and detail["enrolled_by"] == "admin-key"
    assert [token["generation"] for token in detail["tokens"]] == [1]
    assert device["token"] not in json.dumps(detail) and device["hmac"]["key"] not in json.dumps(
        detail)
    get(daemon, "/admin/devices/999999999", expect=404)
    get(daemon, "/admin/devices/x", expect=404)


def test_changes_are_kept_and_audited(daemon, site):
    device = daemon.register("before")
    device_id = device["device_id"]
    changed = patch(daemon, device_id, alias="näch🎉", tags=["b", "a", "b"], site=site,
                    notes="one\ntwo", heartbeat_interval_s=20)
    assert changed["alias"] == "näch🎉" and changed["tags"] == ["a", "b"]
    assert changed["notes"] == "one\ntwo" and changed["heartbeat_interval_s"] == 20
    # Only what is given changes; null clears.
    changed = patch(daemon, device_id, site=None)
    assert changed["site"] is None and changed["alias"] == "näch🎉" and changed["tags"] == ["a",
                                                                                           "b"]
    audit = daemon.sql("SELECT before->>'alias', after->>'alias' FROM audit_log WHERE subject = %s"
                       " AND action = 'device.change' ORDER BY id", f"device:{device_id}")
    assert audit == [("before", "näch🎉"), ("näch🎉", "näch🎉")]
    # The device hears of its interval at once; its phase may add half of it.
    answer = daemon.heartbeat(device["token"]).json()
    assert answer["next_heartbeat_in_s"] <= 40
    assert patch(daemon, device_id, heartbeat_interval_s=None)["heartbeat_interval_s"] is None


@pytest.mark.parametrize("body", [
    {"alias": ""}, {"alias": "x" * 129}, {"alias": "a\nb"}, {"alias": None, "id": "7"},
    {"tags": ["x" * 65]}, {"tags": [str(i) for i in range(33)]}, {"tags": [""]}, {"tags": "a"},
    {"heartbeat_interval_s": 0}, {"heartbeat_interval_s": 1e9}, {"notes": "x" * 4001},
    {"site": ""}, {"kind": "desktop"},
])
def test_wrong_changes_change_nothing(daemon, body):
    device_id = daemon.register("steady")["device_id"]
    answer = daemon.session.patch(f"{daemon.url}/admin/devices/{device_id}", json=body,
                                  headers=daemon.admin_headers(), timeout=30)
    assert answer.status_code in (400, 413), answer.text
    assert device_of(daemon, device_id)["alias"] == "steady"


def test_an_interval_survives_a_restart(appliance):
    device = appliance.register("d")
    patch(appliance, device["device_id"], heartbeat_interval_s=20, tags=["kept"])
    appliance.kill()
    appliance.start()
    assert appliance.heartbeat(device["token"]).json()["next_heartbeat_in_s"] <= 40
    listed = get(appliance, "/admin/devices", tag="kept")["devices"]
    assert [d["heartbeat_interval_s"] for d in listed] == [20]


@pytest.mark.release
def test_status_is_known_after_a_restart(appliance):
    device = appliance.register("d")
    appliance.heartbeat(device["token"], battery=12, network="cellular", agent_version="1.10.0")
    appliance.wait_stored(1)
    assert appliance.terminate() == 0
    appliance.start()
    listed = get(appliance, "/admin/devices", battery_below=13, network="cellular",
                 agent_version="1.10.0", status="online", sort="battery")["devices"]
    assert [d["id"] for d in listed] == [device["device_id"]]


# -- history --

def send_history(daemon, device, start, count, step=60):
    items = []
    for number in range(count):
        items.append({"ts": start + number * step, "battery": 100 - number,
                      "charging": number % 2 == 0, "network": "wifi" if number < 30 else "cellular",
                      "ram_free_mb": 1000 + number, "uptime_s": number, "boot_id": "b"})
    answer = daemon.heartbeats(device["token"], items, sent_at=time.time())
    assert {result["status"] for result in answer.json()["results"]} == {"stored"}
    wait_until(lambda: len(get(daemon, f"/admin/devices/{device['device_id']}/heartbeats",
                               limit=500)["heartbeats"]) == count, "the history to be stored")


def test_history_is_down_sampled(daemon):
    device = daemon.register("history")
    start = int(time.time() - 3600) // 600 * 600
    send_history(daemon, device, start, 50)
    range_ = {"from": datetime.datetime.fromtimestamp(start, datetime.timezone.utc).isoformat(),
              "to": datetime.datetime.fromtimestamp(start + 3000,
                                                    datetime.timezone.utc).isoformat()}
    series = get(daemon, f"/admin/devices/{device['device_id']}/history", points=5, **range_)
    assert series["step_s"] == 600 and [p["count"] for p in series["points"]] == [10] * 5
    first = series["points"][0]
    assert first["battery"] == {"min": 91, "avg": 95.5, "max": 100}
    assert first["charging_share"] == 0.5 and first["network"] == "wifi"
    assert series["points"][4]["network"] == "cellular"
    assert series["points"][4]["ram_free_mb"]["max"] == 1049
    whole = get(daemon, f"/admin/devices/{device['device_id']}/history", points=2000, **range_)
    assert len(whole["points"]) == 50
    for wrong in ({"points": 2001}, {"points": 0}, {"from": range_["to"], "to": range_["from"]},
                  {"from": "2020-01-01T00:00:00Z"}, {"from": "yesterday"}):
        get(daemon, f"/admin/devices/{device['device_id']}/history", expect=400, **wrong)
    get(daemon, "/admin/devices/999999999/history", expect=404)


def test_events_are_changes_of_state(daemon):
    device = daemon.register("events")
    path = f"/admin/devices/{device['device_id']}/events"
    send_history(daemon, device, int(time.time() - 3600) // 10 * 10, 40)
    page = get(daemon, path, limit=500)
    events = page["events"]
    assert page["next_to"] is None
    assert len([e for e in events if e["what"] == "charging"]) == 39
    assert [(e["before"], e["after"]) for e in events if e["what"] == "network"] == [("wifi",
                                                                                   "cellular")]
    # Page by page they are the same.
    paged, to = [], {}
    while True:
        page = get(daemon, path, limit=7, **to)
        paged += page["events"]
        if page["next_to"] is None:
            break
        to = {"to": page["next_to"]}
        to["from"] = (datetime.datetime.fromisoformat(events[-1]["at"].replace("Z", "+00:00"))
                      - datetime.timedelta(hours=2)).isoformat()
    assert paged == events


def test_heartbeats_are_paged(daemon):
    device = daemon.register("raw")
    path = f"/admin/devices/{device['device_id']}/heartbeats"
    send_history(daemon, device, int(time.time() - 3600) // 10 * 10, 25)
    everything = get(daemon, path, limit=500)["heartbeats"]
    assert [h["battery"] for h in everything] == list(range(76, 101))
    first = get(daemon, path, limit=10)
    assert first["heartbeats"] == everything[:10]
    since = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=6)).isoformat()
    rest = get(daemon, path, limit=500, to=first["next_to"], **{"from": since})
    assert rest["heartbeats"] == everything[10:]


# -- export --

def test_export_is_safe_for_spreadsheets(daemon, site):
    names = ["plain", "=1+1", "+cmd", "-2", "@sum", 'quoted "x", y', "Ünï🎉"]
    for name in names:
        patch(daemon, daemon.register(name)["device_id"], site=site, tags=["=a", "b"])
    answer = get(daemon, "/admin/devices.csv", site=site)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "devices.csv" in answer.headers["content-disposition"]
    text = answer.content.decode()
    assert text.count("\r\n") == len(names) + 1 and "\n" not in text.replace("\r\n", "")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["alias"] for row in rows] == [
        "plain", "'=1+1", "'+cmd", "'-2", "'@sum", 'quoted "x", y', "Ünï🎉"]
    assert {row["tags"] for row in rows} == {"'=a; b"}
    assert {row["status"] for row in rows} == {"never"}


@pytest.mark.release
def test_export_of_many_pages_is_whole(appliance):
    appliance.sql("INSERT INTO devices (alias, kind, enrolled_by)"
                  " SELECT 'many ' || i, 'android', 'test' FROM generate_series(1, 1777) AS i")
    appliance.terminate()
    appliance.start()
    rows = list(csv.DictReader(io.StringIO(get(appliance, "/admin/devices.csv").content.decode())))
    assert [row["alias"] for row in rows] == [f"many {i}" for i in range(1, 1778)]
    assert len(pages(appliance, 500, sort="last_seen", direction="desc")) == 1777


# -- quarantine --

def quarantine(daemon, device):
    """Two machines take turns with one token."""
    for seq in range(1, 8):
        for boot in ("one", "two"):
            daemon.heartbeat(device["token"], boot_id=boot, seq=seq)
        if device_of(daemon, device["device_id"])["status"] == "quarantined":
            break
    wait_until(lambda: device_of(daemon, device["device_id"])["quarantined_at"],
               "the quarantine in the database")


def resolve(daemon, device_id, decision, expect=204):
    return ask(daemon, "POST", f"/admin/devices/{device_id}/quarantine/resolve", expect,
               json={"decision": decision})


def test_trust_ends_a_quarantine(appliance):
    device = appliance.register("twin", hardware_id="twin-1")
    device_id = device["device_id"]
    resolve(appliance, device_id, "trust", 409)
    quarantine(appliance, device)
    assert get(appliance, "/admin/devices", status="quarantined")["devices"][0]["id"] == device_id
    resolve(appliance, device_id, "perhaps", 400)
    resolve(appliance, device_id, "trust")
    detail = device_of(appliance, device_id)
    assert detail["status"] == "online" and detail["quarantined_at"] is None
    assert appliance.heartbeat(device["token"], boot_id="two", seq=50).ok
    resolve(appliance, device_id, "trust", 409)
    # The decision outlives the process.
    assert appliance.terminate() == 0
    appliance.start()
    assert device_of(appliance, device_id)["status"] == "online"
    # And the detector goes on: two that go on alternating are caught again.
    quarantine(appliance, device)


def test_replace_revokes_and_lets_register_again(appliance):
    device = appliance.register("twin", hardware_id="twin-2", fcm_token="of-one-of-them")
    device_id = device["device_id"]
    quarantine(appliance, device)
    resolve(appliance, device_id, "replace")
    assert appliance.sql("SELECT fcm_token FROM devices WHERE id = %s", int(device_id)) == [(None,)]
    assert appliance.heartbeat(device["token"]).status_code == 401
    assert all(token["revoked_at"] for token in device_of(appliance, device_id)["tokens"])
    token = ask(appliance, "POST", "/admin/enrolment-tokens", 201,
                json={"max_uses": 3, "expires_in_s": 3600})["token"]
    enrolment = {"X-Enrolment-Token": token}
    again = appliance.register("right one", headers=enrolment, hardware_id="twin-2")
    assert again["device_id"] == device_id
    assert appliance.heartbeat(again["token"]).ok
    assert appliance.heartbeat(device["token"]).status_code == 401
    # Once: the window is closed.
    appliance.register("third", headers=enrolment, hardware_id="twin-2", expect=409)
    appliance.kill()
    appliance.start()
    assert appliance.heartbeat(device["token"]).status_code == 401
    assert appliance.heartbeat(again["token"]).ok


def test_a_takeover_needs_leave(daemon, site):
    device = daemon.register("owned", hardware_id=site)
    assert daemon.heartbeat(device["token"]).status_code == 202
    token = ask(daemon, "POST", "/admin/enrolment-tokens", 201,
                json={"max_uses": 5, "expires_in_s": 3600})["token"]
    enrolment = {"X-Enrolment-Token": token}
    daemon.register("wiped", headers=enrolment, hardware_id=site, expect=409)
    until = ask(daemon, "POST", f"/admin/devices/{device['device_id']}/allow-takeover")
    assert device_of(daemon, device["device_id"])["takeover_until"] == until["takeover_until"]
    taken = daemon.register("wiped", headers=enrolment, hardware_id=site)
    assert taken["device_id"] == device["device_id"]
    assert device_of(daemon, device["device_id"])["takeover_until"] is None
    daemon.register("again", headers=enrolment, hardware_id=site, expect=409)
    # A window that has passed is none.
    ask(daemon, "POST", f"/admin/devices/{device['device_id']}/allow-takeover")
    daemon.sql("UPDATE devices SET takeover_until = now() - interval '1 second' WHERE id = %s",
               int(device["device_id"]))
    assert daemon.heartbeat(taken["token"]).ok
    daemon.register("late", headers=enrolment, hardware_id=site, expect=409)
    without = daemon.register("no hardware id")
    ask(daemon, "POST", f"/admin/devices/{without['device_id']}/allow-takeover", 409)
    actions = daemon.sql("SELECT count(*) FROM audit_log WHERE action = 'device.allow_takeover'"
                         " AND subject = %s", f"device:{device['device_id']}")
    assert actions == [(2,)]


def test_deleted_devices_are_listed_apart(daemon, site, fleet):
    gone = fleet[3]["device_id"]
    assert daemon.delete_device(gone).status_code == 204
    assert gone not in pages(daemon, 5, site=site)
    deleted = get(daemon, "/admin/devices", site=site, status="deleted")["devices"]
    assert [d["id"] for d in deleted] == [gone] and deleted[0]["status"] == "deleted"
    assert device_of(daemon, gone)["deleted_at"]
    patch(daemon, gone, expect=404, alias="risen")
