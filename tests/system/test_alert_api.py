# SPDX-License-Identifier: Apache-2.0
"""Alerts, incidents, rules, silences and channels over the API. What the alert thread would have
written stands in the tables already, with ids far above its own."""
import http.server
import itertools
import json
import threading

import pytest

import people
from appliance import wait_until
from live_viewer import Viewer, ticket_of

pytestmark = pytest.mark.one_thread

OPTIONS = ("--accounts-bcrypt-cost", "4", "--limits-general-max", "0",
           "--limits-general-burst", "0")
IDS = itertools.count(10_000_000)
NAMES = itertools.count(1)


@pytest.fixture(scope="module")
def boss(daemon):
    return people.admin(daemon)


@pytest.fixture(scope="module")
def viewer(boss):
    return people.make(boss, "viewer")


@pytest.fixture(scope="module")
def operator(boss):
    return people.make(boss, "operator")


@pytest.fixture
def device(daemon):
    return daemon.register(f"kiosk {next(NAMES)}")["device_id"]


class Book:
    """Writes as the alert thread does."""

    def __init__(self, daemon):
        self.daemon = daemon

    def incident(self, **columns):
        columns = {"id": next(IDS), "kind": "device", "rule": "offline", "severity": "critical",
                   "alert_count": 1, "firing_count": 1, **columns}
        self._insert("alert_incidents", columns, ("opened_at", "updated_at"))
        return str(columns["id"])

    def alert(self, device_id, **columns):
        columns = {"id": next(IDS), "device_id": int(device_id), "rule": "offline",
                   "severity": "critical", "state": "firing", "episode": 1, "value": 800,
                   "threshold": 720, **columns}
        times = ["pending_at"]
        if columns["state"] != "pending":
            times.append("fired_at")
        if columns["state"] == "resolved":
            times.append("resolved_at")
        self._insert("alerts", columns, times)
        return str(columns["id"])

    def told(self, incident, channel, **columns):
        columns = {"incident_id": int(incident), "channel_id": int(channel), "kind": "opened",
                   "state": "sent", "incident_version": 1, **columns}
        self._insert("alert_notifications", columns, ("created_at", "due_at"))

    def _insert(self, table, columns, times):
        names = [*columns, *times]
        values = ["%s"] * len(columns) + ["now()"] * len(times)
        self.daemon.sql(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(values)})",
                        *columns.values())


@pytest.fixture(scope="module")
def book(daemon):
    """Whatever the alert thread counts on from, after it has read all anew, is none of ours."""
    made, far = Book(daemon), 10 ** 15
    made.incident(id=far, closed_at="2020-01-01T00:00:00Z")
    made.alert(far, id=far, state="resolved")
    return made


def ids(answer, member):
    return [row["id"] for row in answer.json()[member]]


def audited(daemon, action):
    """Subject, before and after of the newest such line."""
    return daemon.sql("SELECT subject, before, after FROM audit_log WHERE action = %s"
                      " ORDER BY id DESC LIMIT 1", action)[0]


# -- alerts --

def test_alerts_are_found_by_what_they_are(daemon, viewer, boss, book):
    here, there = (daemon.register(f"found {i}")["device_id"] for i in range(2))
    boss.ask("PATCH", f"/admin/devices/{here}", {"site": "Found Köln", "tags": ["found"]},
             expect=200)
    incident = book.incident(device_id=int(here))
    fires = book.alert(here, incident_id=int(incident))
    waits = book.alert(here, rule="low_battery", severity="warning", state="pending", value=12)
    over = book.alert(there, state="resolved", resolved_by="recovered")

    def listed(query):
        return ids(viewer.ask("GET", f"/admin/alerts?{query}", expect=200), "alerts")

    assert fires in listed("") and waits not in listed("") and over not in listed("")
    assert listed(f"device_id={here}") == [waits, fires]
    assert listed(f"device_id={here}&state=pending") == [waits]
    assert listed("site=Found%20K%C3%B6ln") == [fires]
    assert listed("tag=found&state=all") == [waits, fires]
    assert listed(f"state=resolved&device_id={there}") == [over]
    assert waits in listed("state=pending&rule=low_battery&severity=warning")
    assert waits not in listed("state=pending&rule=offline")
    assert listed(f"incident_id={incident}") == [fires]
    assert listed(f"device_id={here}&until=2020-01-01T00:00:00Z") == []
    assert listed(f"device_id={here}&since=2020-01-01T00:00:00Z&sort=newest") == [waits, fires]
    own = viewer.ask("GET", f"/admin/devices/{here}/alerts", expect=200)
    assert ids(own, "alerts") == [waits, fires]
    viewer.ask("GET", "/admin/devices/999999/alerts", expect=404)

    one = viewer.ask("GET", f"/admin/alerts/{fires}", expect=200).json()
    assert one["device_alias"] == "found 0" and one["incident_id"] == incident
    assert one["title"] == "Device offline" and one["unit"] == "seconds"
    assert (one["value"], one["threshold"], one["state"]) == (800, 720, "firing")
    assert one["fired_at"] and one["resolved_at"] is None and one["acked_by"] is None
    viewer.ask("GET", "/admin/alerts/999", expect=404)
    assert "bogus" in viewer.ask("GET", "/admin/alerts?bogus=1", expect=400).json()["detail"]
    assert "firing" in viewer.ask("GET", "/admin/alerts?state=odd", expect=400).json()["detail"]


def test_pages_follow_each_other(viewer, book, device):
    made = [book.alert(device, state="resolved", episode=i + 1) for i in range(7)]
    path, found, pages = f"/admin/devices/{device}/alerts?limit=3", [], 0
    cursor = ""
    while cursor is not None:
        page = viewer.ask("GET", path + cursor, expect=200).json()
        found += [alert["id"] for alert in page["alerts"]]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        pages += 1
    assert found == made[::-1] and pages == 3


def test_the_appliance_is_no_device(viewer, book):
    alert = book.alert(0, rule="disk", state="resolved", episode=next(IDS) - 9_000_000)
    one = viewer.ask("GET", f"/admin/alerts/{alert}", expect=200).json()
    assert one["device_id"] is None and one["device_alias"] is None and one["unit"] == "percent"


def test_summary_counts(daemon, viewer, book, device):
    def summary():
        return viewer.ask("GET", "/admin/alerts/summary", expect=200).json()

    before = summary()
    incident = book.incident(device_id=int(device), rule="queue_depth")
    book.alert(device, rule="queue_depth", severity="info", incident_id=int(incident))
    book.alert(device, rule="clock_skew", severity="info", state="pending")
    after = summary()

    def of(counts, rule):
        return next(row for row in counts["by_rule"] if row["rule"] == rule)

    assert len(after["by_rule"]) == 13
    assert of(after, "queue_depth")["firing"] == of(before, "queue_depth")["firing"] + 1
    assert of(after, "clock_skew")["pending"] == of(before, "clock_skew")["pending"] + 1
    assert after["firing"] == before["firing"] + 1
    assert after["by_severity"]["info"] == before["by_severity"]["info"] + 1
    assert after["open_incidents"] == before["open_incidents"] + 1
    assert after["unacked_incidents"] == before["unacked_incidents"] + 1
    daemon.sql("UPDATE alert_incidents SET acked_at = now() WHERE id = %s", int(incident))
    assert summary()["unacked_incidents"] == before["unacked_incidents"]


# -- incidents --

def test_incidents_are_found_by_what_they_are(daemon, viewer, book, device):
    site = book.incident(kind="site", group_key="Halle 7", alert_count=3)
    one = book.incident(device_id=int(device), rule="clock_skew", severity="warning")
    closed = book.incident(kind="network", group_key="203.0.113.0/24", rule="clock_skew")
    daemon.sql("UPDATE alert_incidents SET closed_at = now() WHERE id = %s", int(closed))
    part = book.incident(device_id=int(device), merged_into=int(site))
    daemon.sql("UPDATE alert_incidents SET acked_at = now(), acked_by = 'x' WHERE id = %s",
               int(one))

    def listed(query):
        return ids(viewer.ask("GET", f"/admin/incidents?{query}", expect=200), "incidents")

    assert {site, one} <= set(listed("")) and not {closed, part} & set(listed(""))
    assert listed("state=closed&q=203.0.113") == [closed]
    assert listed("q=halle%207") == [site]
    assert listed("kind=site&q=HALLE") == [site]
    assert listed(f"device_id={device}&state=all") == [part, one]
    assert listed(f"device_id={device}&acked=true") == [one]
    assert listed("rule=clock_skew&severity=warning&acked=false&kind=device") == []
    alias = viewer.ask("GET", f"/admin/incidents/{one}", expect=200).json()
    assert alias["incident"]["device_alias"].startswith("kiosk")
    viewer.ask("GET", "/admin/incidents/999", expect=404)
    for part in ("alerts", "events", "notifications"):
        viewer.ask("GET", f"/admin/incidents/999/{part}", expect=404)


def test_an_incident_of_many(viewer, book, device):
    site = book.incident(kind="site", group_key="many", alert_count=120)
    members = [book.alert(device, state="resolved", incident_id=int(site), rule="queue_depth",
                          episode=100 + i) for i in range(120)]
    whole = viewer.ask("GET", f"/admin/incidents/{site}", expect=200).json()
    assert [alert["id"] for alert in whole["alerts"]] == members[:19:-1]
    rest = viewer.ask("GET", f"/admin/incidents/{site}/alerts?limit=500"
                      f"&cursor={whole['next_cursor']}", expect=200).json()
    assert [alert["id"] for alert in rest["alerts"]] == members[19::-1]
    assert rest["next_cursor"] is None


def test_acknowledging(daemon, boss, viewer, operator, book, device):
    channel = boss.ask("POST", "/admin/alert-channels",
                       {"kind": "email", "name": "acks", "to": ["a@example.org"],
                        "enabled": True, "rules": ["disk"]}, expect=201).json()["channel"]["id"]
    other = boss.ask("POST", "/admin/alert-channels",
                     {"kind": "email", "name": "not told", "to": ["a@example.org"],
                      "rules": ["disk"]}, expect=201).json()["channel"]["id"]
    incident = book.incident(device_id=int(device))
    book.told(incident, channel)
    path = f"/admin/incidents/{incident}"
    console = Viewer(daemon, ticket_of(viewer)).subscribe(topics=["alerts"]).wait_ready()

    viewer.ask("POST", f"{path}/acknowledge", expect=403)
    seen = operator.ask("POST", f"{path}/acknowledge", {"note": "On my way"}, expect=200).json()
    assert seen["acked_by"] == operator.username and seen["ack_note"] == "On my way"
    assert seen["acked_at"] and seen["version"] == 2
    assert operator.ask("POST", f"{path}/acknowledge", expect=200).json() == seen  # once more
    told = viewer.ask("GET", f"{path}/notifications", expect=200).json()["notifications"]
    assert [(row["channel_id"], row["kind"], row["incident_version"]) for row in told] == [
        (channel, "updated", 2), (channel, "opened", 1)]
    assert told[0]["channel_name"] == "acks" and other not in {row["channel_id"] for row in told}
    console.wait(lambda v: [a["change"] for a in v.alerts if a["incident_id"] == incident]
                 == ["acked"], "the acknowledgement to be told live")
    assert [a for a in console.alerts if a["incident_id"] == incident][0] == {
        "incident_id": incident, "alert_id": None, "device_id": device, "rule": "offline",
        "change": "acked", "firing_count": 1, "acked": True, "at": console.alerts[-1]["at"]}
    subject, before, after = audited(daemon, "incident.acknowledge")
    assert subject == f"incident:{incident}"
    assert before == {"acked": False} and after == {"acked": True, "note": "On my way"}

    again = boss.ask("POST", f"{path}/acknowledge", {"note": "No, me"}, expect=200).json()
    assert (again["acked_by"], again["ack_note"], again["version"]) == ("admin", "No, me", 3)
    back = operator.ask("DELETE", f"{path}/acknowledge", expect=200).json()
    assert back["acked_at"] is None and back["ack_note"] is None and back["version"] == 4
    assert operator.ask("DELETE", f"{path}/acknowledge", expect=200).json()["version"] == 4
    operator.ask("POST", f"{path}/note", {"text": "Plug was\nout."}, expect=201)
    operator.ask("POST", f"{path}/note", {}, expect=400)
    viewer.ask("POST", f"{path}/note", {"text": "x"}, expect=403)
    thread = viewer.ask("GET", f"{path}/events", expect=200).json()["events"]
    said = [(line["kind"], line["actor"], (line["detail"] or {}).get("text"))
            for line in thread if line["actor"] != "appliance"]
    assert said == [("noted", f"user:{operator.username}", "Plug was\nout."),
                    ("unacked", f"user:{operator.username}", None),
                    ("acked", "user:admin", "No, me"),
                    ("acked", f"user:{operator.username}", "On my way")]
    page = viewer.ask("GET", f"{path}/events?limit=2", expect=200).json()
    assert len(page["events"]) == 2 and page["next_cursor"] == page["events"][1]["id"]
    console.close()


def test_what_can_not_be_acknowledged(daemon, operator, book, device):
    closed = book.incident(device_id=int(device))
    daemon.sql("UPDATE alert_incidents SET closed_at = now() WHERE id = %s", int(closed))
    merged = book.incident(device_id=int(device), merged_into=4711)
    refused = operator.ask("POST", f"/admin/incidents/{closed}/acknowledge", expect=409)
    assert people.slug(refused) == "incident-closed"
    refused = operator.ask("POST", f"/admin/incidents/{merged}/acknowledge", expect=409)
    assert "4711" in refused.json()["detail"]
    operator.ask("POST", f"/admin/incidents/{closed}/note", {"text": "was the fuse"}, expect=201)
    operator.ask("POST", "/admin/incidents/999/acknowledge", expect=404)


# -- with the alert thread --

def test_a_battery_runs_low_and_is_charged(daemon, boss, viewer, operator):
    """From a heartbeat to the list, the thread and whoever watches; and a rule that is changed."""
    phone = daemon.register("phone")
    console = Viewer(daemon, ticket_of(viewer)).subscribe(topics=["alerts"]).wait_ready()

    def standing():
        alerts = viewer.ask("GET", f"/admin/devices/{phone['device_id']}/alerts?state=firing",
                            expect=200).json()["alerts"]
        return [alert for alert in alerts if alert["rule"] == "low_battery"]

    def report(battery):
        assert daemon.heartbeat(phone["token"], battery=battery).status_code == 202

    report(9)
    try:
        alert = wait_until(standing, "the alert to fire", 120)[0]
    except AssertionError as reason:
        raise AssertionError(daemon.log_tail()) from reason
    assert (alert["value"], alert["threshold"], alert["severity"]) == (9, 15, "warning")
    incident = alert["incident_id"]
    operator.ask("POST", f"/admin/incidents/{incident}/acknowledge", expect=200)
    assert standing()[0]["acked_by"] == operator.username
    # Judged anew at once, by another rule for this device alone.
    boss.ask("PUT", f"/admin/alert-rules/low_battery/devices/{phone['device_id']}",
             {"threshold": 5, "clear_at": 8}, expect=200)
    wait_until(lambda: not standing(), "the alert to end")
    over = viewer.ask("GET", f"/admin/alerts/{alert['id']}", expect=200).json()
    assert over["state"] == "resolved" and over["resolved_at"]
    closed = viewer.ask("GET", f"/admin/incidents/{incident}", expect=200).json()["incident"]
    assert closed["closed_at"] and closed["firing_count"] == 0 and closed["acked_by"]
    # Two publish: an acknowledgement may overtake what it is of.
    console.wait(lambda v: sorted(a["change"] for a in v.alerts if a["incident_id"] == incident) ==
                 ["acked", "closed", "fired", "opened", "resolved"], "all of it to be told live")
    fired = next(a for a in console.alerts if a["change"] == "fired"
                 and a["alert_id"] == alert["id"])
    assert fired["device_id"] == phone["device_id"] and fired["firing_count"] == 1
    lines = viewer.ask("GET", f"/admin/incidents/{incident}/events", expect=200).json()["events"]
    assert {"opened", "fired", "acked", "resolved", "closed"} <= {line["kind"] for line in lines}
    boss.ask("DELETE", f"/admin/alert-rules/low_battery/devices/{phone['device_id']}", expect=204)
    console.close()


# -- rules --

def rule_of(person, rule):
    return person.ask("GET", f"/admin/alert-rules/{rule}", expect=200).json()


def test_rules_for_all(daemon, boss, viewer, operator):
    rules = viewer.ask("GET", "/admin/alert-rules", expect=200).json()["rules"]
    assert len(rules) == 13 and {rule["about"] for rule in rules} == {"device", "appliance"}
    offline = rules[0]
    assert offline["rule"] == "offline" and offline["defaults"]["threshold"] == 720
    assert offline["limits"] == {"least": 60, "most": 86400, "clear_at": False,
                                 "text_value": False}
    operator.ask("PATCH", "/admin/alert-rules/offline", {"threshold": 300}, expect=403)
    changed = boss.ask("PATCH", "/admin/alert-rules/offline",
                       {"threshold": 300, "severity": "warning"}, expect=200).json()
    assert changed["values"]["threshold"] == 300 and changed["values"]["enabled"] is None
    boss.ask("PATCH", "/admin/alert-rules/offline", {"enabled": True}, expect=200)
    offline = rule_of(viewer, "offline")
    assert offline["fleet"]["threshold"] == 300 and offline["fleet"]["updated_by"] == "user:admin"
    assert offline["effective"] == {**offline["defaults"], "threshold": 300,
                                    "severity": "warning"}
    subject, before, after = audited(daemon, "alert_rule.change")
    assert subject == "alert-rule:offline:0"
    assert before["enabled"] is None and after["enabled"] is True and after["threshold"] == 300
    gone = boss.ask("PATCH", "/admin/alert-rules/offline",
                    {"threshold": None, "severity": None, "enabled": None}, expect=200).json()
    assert gone["values"] is None and rule_of(viewer, "offline")["fleet"] is None
    assert daemon.sql("SELECT count(*) FROM alert_rules WHERE rule = 'offline'") == [(0,)]


@pytest.mark.parametrize("rule, body, says", [
    ("offline", {"threshold": 59}, "from 60 to 86400 seconds"),
    ("offline", {"threshold": 86401}, "from 60 to 86400 seconds"),
    ("offline", {"threshold": 100.5}, "whole number"),
    ("offline", {"threshold": "300"}, "whole number"),
    ("offline", {"clear_at": 60}, "has no clear_at"),
    ("offline", {"text_value": "1.0"}, "has no text_value"),
    ("offline", {"hold_s": 86401}, "86400"),
    ("offline", {"severity": "bad"}, "info|warning|critical"),
    ("offline", {"priority": 1}, "priority"),
    ("low_battery", {"threshold": 101}, "from 1 to 100 percent"),
    ("low_battery", {"threshold": 30, "clear_at": 25}, "clear_at must be 30 or more"),
    ("low_battery", {"clear_at": 101}, "from 1 to 100 percent"),
    ("offline", {"hold_s": 60}, "its threshold is how long"),
    ("offline", {"clear_hold_s": 60}, "the device's next request"),
    ("queue_depth", {"threshold": 10, "clear_at": 11}, "clear_at must be 10 or less"),
    ("service_down", {"threshold": 121}, "from 1 to 120 minutes"),
    ("agent_outdated", {"threshold": 5}, "text_value is the least version"),
    ("agent_outdated", {"text_value": "latest"}, "must be a version"),
    ("disk", {"threshold": 0}, "from 1 to 99 percent"),
])
def test_what_a_rule_can_not_be(boss, rule, body, says):
    before = rule_of(boss, rule)
    refused = boss.ask("PATCH", f"/admin/alert-rules/{rule}", body, expect=400).json()
    assert says in refused["detail"], refused
    assert rule_of(boss, rule) == before


def test_rules_of_tags_and_devices(daemon, boss, viewer, device):
    boss.ask("PATCH", f"/admin/devices/{device}", {"tags": ["kiosk", "köln"]}, expect=200)
    rule = "/admin/alert-rules/low_battery"

    def applies():
        rules = viewer.ask("GET", f"/admin/devices/{device}/alert-rules", expect=200).json()
        return next(row for row in rules["rules"] if row["rule"] == "low_battery")

    assert applies()["sources"]["threshold"] == "default"
    boss.ask("PATCH", rule, {"threshold": 18}, expect=200)
    assert applies()["sources"]["threshold"] == "fleet"
    boss.ask("PUT", f"{rule}/tags/k%C3%B6ln", {"threshold": 30, "clear_at": 40, "priority": 5},
             expect=200)
    boss.ask("PUT", f"{rule}/tags/kiosk", {"threshold": 35, "priority": 9}, expect=200)
    now = applies()
    assert now["effective"]["threshold"] == 30 and now["sources"]["threshold"] == "tag:köln"
    boss.ask("PUT", f"{rule}/tags/kiosk", {"threshold": 35, "priority": 5}, expect=200)
    now = applies()  # the same priority: by name
    assert now["effective"]["threshold"] == 35 and now["sources"]["threshold"] == "tag:kiosk"
    # 10 above the threshold, as köln has it.
    assert now["sources"]["clear_at"] == "tag:kiosk" and now["effective"]["clear_at"] == 45
    boss.ask("PUT", f"{rule}/devices/{device}", {"enabled": False, "threshold": 50}, expect=200)
    now = applies()
    assert now["effective"]["enabled"] is False and now["sources"]["enabled"] == "device"
    assert now["effective"]["clear_at"] == 60 and now["sources"]["clear_at"] == "device"
    boss.ask("PUT", f"{rule}/devices/{device}", {"severity": "info"}, expect=200)  # the whole
    assert applies()["sources"]["threshold"] == "tag:kiosk"

    found = viewer.ask("GET", f"{rule}/overrides", expect=200).json()
    assert [row["tag"] for row in found["tags"]] == ["kiosk", "köln"]
    assert [row["device_id"] for row in found["devices"]] == [device]
    assert found["devices"][0]["values"]["severity"] == "info"
    counted = rule_of(viewer, "low_battery")
    assert (counted["tag_override_count"], counted["device_override_count"]) == (2, 1)

    for path in ("tags/k%C3%B6ln", "tags/kiosk", f"devices/{device}", f"devices/{device}"):
        boss.ask("DELETE", f"{rule}/{path}", expect=204)
    boss.ask("PATCH", rule, {"threshold": None}, expect=200)
    assert set(applies()["sources"].values()) == {"default"}
    subject, before, after = audited(daemon, "alert_rule.remove")
    assert subject == f"alert-rule:low_battery:{device}"
    assert before["severity"] == "info" and after is None


def test_rules_that_devices_do_not_have(boss, device):
    refused = boss.ask("PUT", "/admin/alert-rules/disk/tags/x", {"threshold": 5}, expect=400)
    assert "appliance itself" in refused.json()["detail"]
    boss.ask("PUT", "/admin/alert-rules/nonsense/tags/x", {"threshold": 5}, expect=404)
    boss.ask("PUT", "/admin/alert-rules/offline/devices/999999", {"threshold": 90}, expect=404)
    empty = boss.ask("PUT", f"/admin/alert-rules/offline/devices/{device}", {"threshold": None},
                     expect=400)
    assert "DELETE" in empty.json()["detail"]
    boss.ask("PUT", f"/admin/alert-rules/offline/tags/{'x' * 65}", {"threshold": 90}, expect=400)
    boss.ask("PUT", "/admin/alert-rules/offline/tags/%0A", {"threshold": 90}, expect=400)


# -- silences --

def test_silences(daemon, boss, viewer, operator, device):
    viewer.ask("POST", "/admin/alert-silences", {"all": True, "duration_s": 60}, expect=403)
    made = operator.ask("POST", "/admin/alert-silences",
                        {"device_id": device, "rule": "offline", "duration_s": 3600,
                         "comment": "moved"}, expect=201).json()
    assert made["state"] == "active" and made["created_by"] == f"user:{operator.username}"
    assert made["device_alias"].startswith("kiosk") and made["tag"] is None
    later = operator.ask("POST", "/admin/alert-silences",
                         {"all": True, "starts_at": "2090-01-01T00:00:00Z",
                          "ends_at": "2090-01-02T00:00:00Z"}, expect=201).json()
    assert later["state"] == "upcoming"

    def listed(query=""):
        return ids(viewer.ask("GET", f"/admin/alert-silences?{query}", expect=200), "silences")

    assert {made["id"], later["id"]} <= set(listed())
    assert made["id"] in listed("state=active") and later["id"] not in listed("state=active")
    for one in (made, later):
        ended = operator.ask("DELETE", f"/admin/alert-silences/{one['id']}", expect=200).json()
        assert ended["state"] == "past"
        again = operator.ask("DELETE", f"/admin/alert-silences/{one['id']}", expect=200).json()
        assert again == ended
    assert {made["id"], later["id"]} <= set(listed("state=past"))
    assert not {made["id"], later["id"]} & set(listed())
    operator.ask("DELETE", "/admin/alert-silences/999", expect=404)


@pytest.mark.parametrize("body, says", [
    ({"duration_s": 60}, "Say what is silenced"),
    ({"all": False, "duration_s": 60}, "Say what is silenced"),
    ({"all": True, "rule": "offline", "duration_s": 60}, "leave one out"),
    ({"all": True}, "either ends_at or duration_s"),
    ({"all": True, "duration_s": 60, "ends_at": "2090-01-01T00:00:00Z"}, "either"),
    ({"all": True, "duration_s": 30 * 86400 + 1}, "2592000"),
    ({"all": True, "ends_at": "2090-01-01T00:00:00Z"}, "30 days"),
    ({"all": True, "ends_at": "2020-01-01T00:00:00Z"}, "in the past"),
    ({"all": True, "starts_at": "2090-01-02T00:00:00Z", "ends_at": "2090-01-01T00:00:00Z"},
     "after it begins"),
    ({"rule": "everything", "duration_s": 60}, "one of"),
])
def test_what_a_silence_can_not_be(operator, body, says):
    refused = operator.ask("POST", "/admin/alert-silences", body, expect=400).json()
    assert says in refused["detail"], refused
    operator.ask("POST", "/admin/alert-silences", {"device_id": "999999", "duration_s": 60},
                 expect=404)


# -- channels --

class Receiver:
    """A program that takes webhooks."""

    def __init__(self):
        self.signatures = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                receiver.signatures.append(self.headers["webhook-signature"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/very-secret-path"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


def test_a_webhook(daemon, boss, viewer, operator, receiver):
    new = {"kind": "webhook", "name": "Bridge", "url": receiver.url, "allow_private": True,
           "rules": ["offline", "disk", "offline"], "min_severity": "warning"}
    operator.ask("POST", "/admin/alert-channels", new, expect=403)
    answer = boss.ask("POST", "/admin/alert-channels", new, expect=201)
    channel, signing = answer.json()["channel"], answer.json()["signing_secret"]
    assert signing.startswith("whsec_") and channel["host"] in receiver.url
    assert channel["rules"] == ["disk", "offline"] and channel["allow_private"] is True
    path = f"/admin/alert-channels/{channel['id']}"
    assert people.slug(boss.ask("POST", "/admin/alert-channels", {**new, "name": "bridge"},
                                expect=409)) == "name-taken"

    def tested():
        queued = boss.ask("POST", f"{path}/test", expect=202).json()["notification_id"]
        seen = wait_until(lambda: [n for n in [viewer.ask(
            "GET", f"/admin/alert-notifications/{queued}", expect=200).json()]
            if n["state"] != "waiting"], "the test to go out")
        return seen[0]

    sent = tested()
    assert (sent["state"], sent["kind"], sent["error"]) == ("sent", "test", None)
    assert len(receiver.signatures[-1].split()) == 1
    operator.ask("POST", f"{path}/rotate-secret", expect=403)
    rotated = boss.ask("POST", f"{path}/rotate-secret", expect=200).json()
    assert rotated["signing_secret"].startswith("whsec_") != signing
    wait_until(lambda: tested()["state"] == "sent" and len(receiver.signatures[-1].split()) == 2,
               "messages with two signatures")

    # A change leaves the URL as it is, and never shows it.
    changed = boss.ask("PATCH", path, {"name": "Bridge 2", "enabled": False}, expect=200)
    shown = [answer_of.text for answer_of in (
        changed, viewer.ask("GET", path, expect=200),
        viewer.ask("GET", "/admin/alert-channels", expect=200))]
    refused = boss.ask("POST", f"{path}/test", expect=409)
    assert people.slug(refused) == "channel-off"
    assert boss.ask("PATCH", path, {"enabled": True}, expect=200).json()["name"] == "Bridge 2"
    assert tested()["state"] == "sent"
    assert people.slug(boss.ask("PATCH", path, {"allow_private": False}, expect=400)) \
        == "field-invalid"
    boss.ask("DELETE", path, expect=204)
    boss.ask("DELETE", path, expect=404)
    stored = daemon.sql("SELECT coalesce(string_agg(t::text, ' '), '') FROM alert_channels t")
    audit = daemon.sql("SELECT string_agg(coalesce(before::text, '') || coalesce(after::text, ''),"
                       " ' ') FROM audit_log")
    kept = daemon.sql("SELECT sealed IS NULL FROM alert_channels WHERE id = %s",
                      int(channel["id"]))
    for text in (*shown, stored[0][0], audit[0][0], daemon.log_tail(10_000)):
        assert "very-secret-path" not in text and signing not in text
        assert rotated["signing_secret"] not in text
    assert kept == [(True,)]


@pytest.mark.parametrize("body, says", [
    ({"kind": "webhook"}, "url is missing"),
    ({"kind": "email"}, "to is missing"),
    ({"kind": "email", "to": ["nobody"]}, "no e-mail address"),
    ({"kind": "email", "to": ["a@example.org"], "url": "https://example.org"}, "has no url"),
    ({"kind": "discord", "url": "https://example.org/api/webhooks/1/x"}, "not Discord"),
    ({"kind": "discord", "url": "https://discord.com/x"}, "must look like"),
    ({"kind": "webhook", "url": "https://10.0.0.1/x"}, "not an address of the public"),
    ({"kind": "webhook", "url": "http://example.org/x"}, "https"),
    ({"kind": "discord", "allow_private": True,
      "url": "https://discord.com/api/webhooks/1/x"}, "has no allow_private"),
    ({"kind": "sms", "to": ["1"]}, "one of"),
    ({"kind": "email", "to": ["a@example.org"], "digest_at": "24:00"}, "00:00 to 23:59"),
    ({"kind": "email", "to": ["a@example.org"], "digest_at": "7:30 "}, "00:00 to 23:59"),
    ({"kind": "email", "to": ["a@example.org"], "digest_zone": "Mars/Olympus"}, "time zone"),
    ({"kind": "email", "to": ["a@example.org"], "rules": ["nonsense"]}, "one of"),
    ({"kind": "email", "to": ["a@example.org"], "rate_per_min": 0}, "from 1 to 600"),
])
def test_what_a_channel_can_not_be(boss, body, says):
    refused = boss.ask("POST", "/admin/alert-channels", {"name": "wrong", **body}, expect=400)
    assert says in refused.json()["detail"], refused.text
    assert "wrong" not in boss.ask("GET", "/admin/alert-channels", expect=200).text


def test_other_channels(boss):
    discord = boss.ask("POST", "/admin/alert-channels",
                       {"kind": "discord", "name": "Ops", "mode": "digest", "digest_at": "07:30",
                        "digest_zone": "Europe/Berlin", "tags": ["b", "a"],
                        "url": "https://discord.com/api/webhooks/123/a-b_c"}, expect=201).json()
    channel = discord["channel"]
    assert discord["signing_secret"] is None and channel["host"] == "discord.com"
    assert (channel["digest_at"], channel["digest_zone"]) == ("07:30", "Europe/Berlin")
    assert channel["tags"] == ["a", "b"] and channel["to"] is None
    refused = boss.ask("POST", f"/admin/alert-channels/{channel['id']}/rotate-secret", expect=409)
    assert people.slug(refused) == "not-signed"
    mail = boss.ask("POST", "/admin/alert-channels",
                    {"kind": "email", "name": "Mail", "to": ["a@example.org"]},
                    expect=201).json()["channel"]
    changed = boss.ask("PATCH", f"/admin/alert-channels/{mail['id']}",
                       {"to": ["b@example.org", "c@example.org"]}, expect=200).json()
    assert changed["to"] == ["b@example.org", "c@example.org"]
    refused = boss.ask("PATCH", f"/admin/alert-channels/{mail['id']}", {"name": "OPS"}, expect=409)
    assert people.slug(refused) == "name-taken"
    for made in (channel, mail):
        boss.ask("DELETE", f"/admin/alert-channels/{made['id']}", expect=204)


def test_own_subscription(daemon, boss):
    person = people.make(boss, "viewer", email=f"p{next(NAMES)}@example.org")
    path = "/api/auth/me/alert-subscription"
    none = person.ask("GET", path, expect=200).json()
    assert none == {"min_severity": "info", "rules": [], "tags": [], "sites": [], "mode": "none",
                    "digest_at": "08:00", "digest_zone": "UTC", "email": none["email"],
                    "failed_at": None, "error": None, "updated_at": None}
    assert none["email"].endswith("@example.org")
    person.ask("PUT", path, {"mode": "none"}, expect=400)  # DELETE says that
    made = person.ask("PUT", path, {"mode": "digest", "rules": ["offline"], "tags": ["kiosk"],
                                    "min_severity": "warning", "digest_at": "06:45",
                                    "digest_zone": "Europe/Berlin"}, expect=200).json()
    assert made["email"].endswith("@example.org") and made["rules"] == ["offline"]
    assert person.ask("GET", path, expect=200).json() == made
    plain = person.ask("PUT", path, {}, expect=200).json()  # the whole
    assert (plain["mode"], plain["rules"], plain["digest_at"]) == ("immediate", [], "08:00")
    person.ask("PUT", path, {"digest_zone": "x"}, expect=400)
    listed = boss.ask("GET", "/admin/alert-channels", expect=200).json()["channels"]
    assert person.username not in {channel["name"] for channel in listed}

    def to():
        return daemon.sql("SELECT config -> 'to' FROM alert_channels WHERE user_id = %s"
                          " AND deleted_at IS NULL", int(person.id()))

    boss.ask("PATCH", f"/admin/users/{person.id()}", {"email": "new@example.org"}, expect=200)
    assert to() == [(["new@example.org"],)]
    boss.ask("PATCH", f"/admin/users/{person.id()}", {"email": None}, expect=200)
    assert to() == []
    refused = person.ask("PUT", path, {}, expect=409)
    assert people.slug(refused) == "no-email"
    assert person.ask("GET", path, expect=200).json() == none | {"email": None}
    boss.ask("PATCH", f"/admin/users/{person.id()}", {"email": "new@example.org"}, expect=200)
    assert person.ask("PUT", path, {"tags": ["kiosk"]}, expect=200).json()["mode"] == "immediate"
    person.ask("DELETE", path, expect=204)
    assert person.ask("GET", path, expect=200).json() == none | {"email": "new@example.org"}
    boss.ask("DELETE", f"/admin/users/{person.id()}", expect=204)


# -- what goes with a device --

def settings_of(daemon, device_id):
    return [daemon.sql(f"SELECT count(*) FROM {table} WHERE device_id = %s", int(device_id))[0][0]
            for table in ("alert_rules", "device_monitoring", "alert_silences")]


@pytest.mark.parametrize("how", ["one", "bulk"])
def test_settings_go_with_their_device(daemon, boss, how):
    gone, kept = (daemon.register(f"settings {how} {i}")["device_id"] for i in range(2))
    for device_id in (gone, kept):
        boss.ask("PUT", f"/admin/alert-rules/offline/devices/{device_id}", {"threshold": 90},
                 expect=200)
        boss.ask("PATCH", f"/admin/devices/{device_id}/monitoring", {"package": "com.example"},
                 expect=200)
        boss.ask("POST", "/admin/alert-silences", {"device_id": device_id, "duration_s": 600},
                 expect=201)
        assert settings_of(daemon, device_id) == [1, 1, 1]
    if how == "one":
        assert daemon.delete_device(gone).status_code == 204
    else:
        selection = boss.ask("POST", "/admin/selections", {"device_ids": [gone]},
                             expect=201).json()
        boss.ask("POST", "/admin/bulk/delete",
                 {"selection_id": selection["id"], "confirm": selection["confirm"]})
        wait_until(lambda: daemon.sql("SELECT deleted_at IS NOT NULL FROM devices WHERE id = %s",
                                      int(gone)) == [(True,)], "the device to be deleted")
    assert settings_of(daemon, gone) == [0, 0, 0]
    assert settings_of(daemon, kept) == [1, 1, 1]
    boss.ask("PUT", f"/admin/alert-rules/offline/devices/{gone}", {"threshold": 90}, expect=404)


def test_replies_hold_what_they_say(boss, viewer, book, device):
    """Every list's shape names what its rows have, and no more."""
    incident = book.incident(device_id=int(device))
    book.alert(device, rule="clock_skew", state="resolved", incident_id=int(incident))
    channel = boss.ask("POST", "/admin/alert-channels",
                       {"kind": "email", "name": "shapes", "to": ["a@example.org"],
                        "rules": ["disk"]}, expect=201).json()["channel"]["id"]
    book.told(incident, channel)
    boss.ask("POST", "/admin/alert-silences", {"device_id": device, "duration_s": 60}, expect=201)
    boss.ask("POST", f"/admin/incidents/{incident}/note", {"text": "x"}, expect=201)
    document = viewer.ask("GET", "/api/openapi.json", expect=200).json()
    schemas = document["components"]["schemas"]
    for path, member, name in (("alerts?state=all", "alerts", "Alert"),
                               ("incidents?state=all", "incidents", "Incident"),
                               ("alert-rules", "rules", "AlertRule"),
                               ("alert-notifications", "notifications", "AlertNotification"),
                               ("alert-silences?state=all", "silences", "AlertSilence"),
                               ("alert-channels", "channels", "AlertChannel"),
                               (f"incidents/{incident}/events", "events", "IncidentEvent"),
                               (f"devices/{device}/alert-rules", "rules", "DeviceAlertRule")):
        rows = viewer.ask("GET", f"/admin/{path}", expect=200).json()[member]
        assert rows, path
        for row in rows:
            assert set(row) == set(schemas[name]["properties"]), (path, json.dumps(row))
