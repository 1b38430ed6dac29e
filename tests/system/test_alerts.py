# SPDX-License-Identifier: Apache-2.0
"""Alerts by a clock that the test sets: each rule's edges, and what must not raise any."""
import pytest

from alert_desk import Desk
from alert_watch import MINUTE, Watch
from appliance import wait_until
from doubles.webhook_double import WebhookDouble


@pytest.fixture
def watch(make_appliance, failpoint_bin_dir, scratch):
    return Watch(make_appliance, failpoint_bin_dir, scratch)


def fired(device, rule="offline"):
    return ("fired", rule, device["id"])


def resolved(device, rule="offline"):
    return ("resolved", rule, device["id"])


# -- silence --

def test_offline_at_its_deadline_once_and_back(watch):
    quiet = watch.add("quiet")
    other = watch.add("other")
    watch.advance(10 * MINUTE, awake=[other])
    assert watch.edges() == []
    watch.advance(4 * MINUTE, awake=[other])
    assert watch.edges() == [fired(quiet)]
    assert watch.standing() == [(quiet["id"], "offline", "firing")]
    assert watch.appliance.metric('muster_alerts_firing{rule="offline"}') == 1
    watch.advance(16 * MINUTE, awake=[other])
    assert len(watch.edges()) == 1
    watch.send(quiet)
    wait_until(lambda: len(watch.edges()) == 2, "the recovery")
    assert watch.log() == [("opened", "offline", quiet["id"]), fired(quiet), resolved(quiet),
                           ("closed", "offline", quiet["id"])]
    assert watch.standing() == []
    value, threshold, detail = watch.appliance.sql(
        "SELECT value, threshold, detail FROM alerts")[0]
    assert 720 <= value < 800 and threshold == 720
    assert abs(detail["heard_s"] + 30 * MINUTE - watch.clock.now_s()) < 5 * MINUTE
    # From the deadline to the alert: the clock's step, and what this machine adds.
    assert watch.appliance.metric("muster_alert_detection_delay_seconds_count") == 1
    assert watch.appliance.metric("muster_alert_detection_delay_seconds_sum") < MINUTE


def test_thresholds_of_devices_and_tags(watch):
    plain, tagged, special = (watch.add(name) for name in ("plain", "tagged", "special"))
    watch.ask("PUT", "/admin/alert-rules/offline/tags/night", threshold=20 * MINUTE, priority=1)
    watch.ask("PUT", f"/admin/alert-rules/offline/devices/{special['id']}",
              threshold=26 * MINUTE, severity="info")
    watch.ask("PATCH", f"/admin/devices/{tagged['id']}", tags=["day", "night"])
    watch.beat(plain, tagged, special)
    watch.advance(14 * MINUTE)
    assert watch.edges() == [fired(plain)]
    watch.advance(8 * MINUTE)
    assert watch.edges() == [fired(plain), fired(tagged)]
    watch.advance(6 * MINUTE)
    assert watch.edges() == [fired(plain), fired(tagged), fired(special)]
    assert watch.appliance.sql("SELECT severity FROM alerts ORDER BY id") == [
        ("critical",), ("critical",), ("info",)]
    # A wider limit excuses the one that is within it, switching off excuses all.
    watch.ask("PUT", f"/admin/alert-rules/offline/devices/{special['id']}", threshold=86400)
    watch.clock.advance(watch.appliance, 4)
    assert watch.edges()[3:] == [resolved(special)]
    watch.ask("PATCH", "/admin/alert-rules/offline", enabled=False)
    assert sorted(watch.edges()[4:]) == sorted([resolved(plain), resolved(tagged)])
    assert watch.resolved_by(plain, "offline") == "rule-off"


@pytest.mark.long
def test_a_start_counts_as_a_stamp(watch):
    device = watch.add()
    watch.advance(10 * MINUTE)
    assert watch.appliance.terminate() == 0
    watch.clock.jump(30 * MINUTE, 30 * MINUTE)  # away for half an hour
    watch.appliance.start()
    watch.advance(10 * MINUTE)
    assert watch.edges() == []
    watch.advance(4 * MINUTE)
    assert watch.edges() == [fired(device)]
    # What fires goes on firing, and is not told again.
    watch.appliance.kill()
    watch.appliance.start()
    watch.advance(16 * MINUTE)
    assert watch.edges() == [fired(device)]
    assert watch.standing() == [(device["id"], "offline", "firing")]
    watch.send(device)
    wait_until(lambda: watch.edges() == [fired(device), resolved(device)], "the recovery")


def test_a_paused_machine_and_a_set_clock_raise_nothing(watch):
    device = watch.add()
    watch.advance(8 * MINUTE)
    watch.clock.jump(3600, 3600)  # a suspended virtual machine
    watch.clock.wait_looked()
    watch.clock.jump(0, 7200)  # somebody sets the clock
    watch.clock.wait_looked()
    watch.clock.jump(0, -7200)
    watch.advance(2 * MINUTE)
    assert watch.edges() == []
    watch.advance(4 * MINUTE)
    assert watch.edges() == [fired(device)]


def test_a_database_outage_is_no_silence(make_appliance, failpoint_bin_dir, scratch,
                                         postgres_server):
    watch = Watch(make_appliance, failpoint_bin_dir, scratch,
                  environment=postgres_server.environment)
    awake, silent, flapping = (watch.add(name) for name in ("awake", "silent", "flapping"))
    postgres_server.stop()
    for _ in range(10):
        watch.clock.advance(watch.appliance, 2 * MINUTE)
        watch.send(awake)
    watch.send(flapping)  # silent in between, and back: nobody has to be told
    wait_until(lambda: watch.appliance.metric('muster_alerts_firing{rule="offline"}') == 1,
               "the alert thread to go on without PostgreSQL")
    assert watch.appliance.metric("muster_alert_edges_waiting") >= 1
    postgres_server.start()

    def written():
        watch.clock.jump(4, 4)  # breakers and backoffs wait by this clock too
        watch.clock.wait_looked()
        watch.send(awake)
        watch.send(flapping)  # however often this has to be asked
        return (watch.appliance.ready()["degraded"] == []
                and watch.appliance.metric("muster_alert_edges_waiting") == 0)

    wait_until(written, "the database to be back")
    assert watch.edges() == [fired(silent)]
    watch.send(silent)
    wait_until(lambda: watch.edges() == [fired(silent), resolved(silent)], "the recovery")


# -- content --

def test_low_battery_with_its_hysteresis(watch):
    device = watch.add(battery=15)  # exactly at the threshold is no alert
    assert watch.edges() == []
    watch.beat_later(device, battery=14)
    edges = [fired(device, "low_battery")]
    assert watch.edges() == edges
    for battery in (16, 14, 19):
        watch.beat_later(device, battery=battery)
    watch.beat_later(device)  # not sent: unknown
    assert watch.edges() == edges
    watch.beat_later(device, battery=20)
    assert watch.edges() == edges + [resolved(device, "low_battery")]
    watch.beat_later(device, battery=1)
    assert watch.appliance.sql("SELECT episode, state, value, threshold FROM alerts"
                               " ORDER BY id") == [(1, "resolved", 14, 15), (2, "firing", 1, 15)]


def test_a_backlog_says_how_things_were(watch):
    device = watch.add(battery=80)
    now = watch.clock.now_s()
    answer = watch.appliance.heartbeats(
        device["token"], [{"ts": now - 3000, "battery": 3}, {"ts": now - 2000, "battery": 5}],
        sent_at=now)
    assert [item["status"] for item in answer.json()["results"]] == ["stored", "stored"]
    watch.caught_up()
    watch.clock.wait_looked()
    assert watch.edges() == []
    # Newer than a backlog, and yet not the newest.
    watch.beat_later(device, battery=70)
    answer = watch.appliance.heartbeats(device["token"], [{"ts": now + 1, "battery": 5}],
                                        sent_at=watch.clock.now_s())
    watch.caught_up()
    watch.clock.wait_looked()
    assert watch.edges() == []


def test_service_down_and_up(watch):
    device = watch.add(monitored_last_fg_s=86400)  # nobody asked for it
    assert watch.edges() == []
    watch.beat_later(device, monitored_last_fg_s=0)
    watch.ask("PATCH", f"/admin/devices/{device['id']}/monitoring", package="com.example.shop",
              display_name="Shop", threshold_min=1)
    watch.beat_later(device, monitored_last_fg_s=60)
    watch.beat_later(device)
    assert watch.edges() == []
    watch.beat_later(device, monitored_last_fg_s=61)
    down = [fired(device, "service_down")]
    assert watch.edges() == down
    detail = watch.appliance.sql("SELECT detail FROM alerts")[0][0]
    assert detail["service"] == "Shop" and detail["package"] == "com.example.shop"
    assert detail["threshold_min"] == 1 and detail["last_foreground_at"].endswith("Z")
    # The same as epoch seconds of the device's clock.
    watch.beat_later(device, monitored_last_fg_s=int(watch.clock.now_s()) - 3)
    up = down + [resolved(device, "service_down")]
    assert watch.edges() == up
    watch.beat_later(device, monitored_last_fg_s=int(watch.clock.now_s()) - 90)
    assert watch.edges() == up + down
    watch.ask("PATCH", f"/admin/devices/{device['id']}/monitoring", enabled=False)
    assert watch.edges() == up + down + [resolved(device, "service_down")]
    assert watch.resolved_by(device, "service_down") == "monitoring-changed"


def test_agent_clock_and_queue(watch):
    device = watch.add(agent_version="1.9.9", queue_depth=100)
    assert watch.edges() == []
    # A rule that changes is judged at once, by what was said last.
    watch.ask("PATCH", "/admin/alert-rules/agent_outdated", text_value="1.10")
    wait_until(lambda: watch.edges() == [fired(device, "agent_outdated")], "the old agent")
    watch.beat_later(device, agent_version="1.10.0", queue_depth=101)
    assert sorted(watch.edges()[1:]) == sorted([resolved(device, "agent_outdated"),
                                                fired(device, "queue_depth")])
    watch.beat_later(device, queue_depth=21)
    assert len(watch.edges()) == 3
    watch.beat_later(device, queue_depth=20)
    assert watch.edges()[3:] == [resolved(device, "queue_depth")]
    watch.clock.advance(watch.appliance, 12)
    now = watch.clock.now_s()
    assert watch.appliance.heartbeat(device["token"], ts=now - 900, sent_at=now - 900).ok
    watch.caught_up()
    watch.clock.wait_looked()
    assert watch.edges()[4:] == [fired(device, "clock_skew")]
    watch.beat_later(device)
    assert watch.edges()[5:] == [resolved(device, "clock_skew")]


def test_a_hold_matures_between_heartbeats(make_appliance, failpoint_bin_dir, scratch):
    # Announced: 150 to 450 s. So a value counts for at least 300 s, and for 900 at the most.
    watch = Watch(make_appliance, failpoint_bin_dir, scratch, interval_s=300)

    def edges():
        return [kind for kind, rule, _ in watch.edges() if rule == "low_battery"]

    watch.ask("PATCH", "/admin/alert-rules/low_battery", hold_s=90, clear_hold_s=60)
    device = watch.add(battery=5)
    assert watch.standing() == [(device["id"], "low_battery", "pending")]
    watch.clock.advance(watch.appliance, 60)
    assert edges() == []
    watch.clock.advance(watch.appliance, 40)
    assert edges() == ["fired"]
    watch.beat_later(device, battery=50)
    assert edges() == ["fired"]
    watch.beat_later(device, battery=16)  # between: clearing begins anew
    watch.beat_later(device, battery=50)
    watch.clock.advance(watch.appliance, 30)
    assert edges() == ["fired"]
    watch.clock.advance(watch.appliance, 40)
    assert edges() == ["fired", "resolved"]
    # Pending, and well again: nobody ever hears of it.
    watch.beat_later(device, battery=5)
    assert watch.standing() == [(device["id"], "low_battery", "pending")]
    watch.beat_later(device, battery=50)
    assert watch.standing() == [] and edges() == ["fired", "resolved"]
    # Pending, and then silent: what was said has become old.
    watch.ask("PATCH", "/admin/alert-rules/low_battery", hold_s=1000)
    watch.beat_later(device, battery=5)
    watch.clock.advance(watch.appliance, 1100)
    assert edges() == ["fired", "resolved"]
    watch.beat(device, battery=5)
    assert edges() == ["fired", "resolved", "fired"]


def test_a_day_of_the_log_that_is_missing_is_made(watch):
    device = watch.add(battery=50)
    watch.clock.jump(0, 40 * 86400)  # past all days that were made ahead
    watch.beat(device, battery=5)
    assert watch.edges() == [fired(device, "low_battery")]
    now = watch.clock.now_s()
    at = watch.appliance.sql("SELECT extract(epoch FROM at) FROM alert_events")
    assert all(abs(float(second) - now) < 600 for second, in at)


def test_rows_that_somebody_changed_are_read_again(watch):
    device = watch.add(battery=5)
    watch.appliance.sql("UPDATE alerts SET state = 'resolved', resolved_at = fired_at")
    watch.beat_later(device, battery=50)  # its end finds no row that fires

    def settled():
        watch.clock.jump(1, 1)
        return watch.appliance.sql("SELECT count(*) FROM alert_incidents WHERE closed_at IS NULL"
                                   " AND rule = 'low_battery'") == [(0,)]

    wait_until(settled, "the incident to be closed")
    assert watch.edges() == [fired(device, "low_battery")]
    watch.beat_later(device, battery=5)
    assert watch.standing() == [(device["id"], "low_battery", "firing")]
    assert watch.appliance.sql("SELECT max(episode) FROM alerts") == [(2,)]


# -- devices that are not judged --

def test_quarantine_ends_what_content_says(watch):
    device = watch.add(battery=5)
    assert watch.edges() == [fired(device, "low_battery")]
    for seq in range(1, 8):  # two machines take turns with one token
        for boot in ("one", "two"):
            watch.send(device, boot_id=boot, seq=seq)
            watch.clock.jump(1, 1)
    wait_until(lambda: watch.edges() == [fired(device, "low_battery"),
                                         resolved(device, "low_battery")], "the quarantine's end")
    assert watch.resolved_by(device, "low_battery") == "device-quarantined"
    watch.beat_later(device, battery=4)
    assert len(watch.edges()) == 2
    watch.ask("POST", f"/admin/devices/{device['id']}/quarantine/resolve", expect=204,
              decision="trust")
    watch.beat_later(device, battery=4)
    assert watch.edges()[2:] == [fired(device, "low_battery")]


def test_a_deleted_device_goes_without_a_word(watch):
    watch.ask("POST", "/admin/alert-channels", expect=201, kind="webhook", name="bridge",
              url="http://127.0.0.1:9/", allow_private=True)
    gone = watch.add("gone", battery=5)
    stays = watch.add("stays", battery=5)
    assert [kind for kind, _ in watch.told()] == ["opened", "opened"]
    assert watch.appliance.delete_device(gone["id"]).ok
    watch.clock.wait_looked(3)
    assert watch.edges()[2:] == [resolved(gone, "low_battery")]
    assert watch.resolved_by(gone, "low_battery") == "device-deleted"
    watch.beat_later(stays, battery=50)
    assert watch.edges()[3:] == [resolved(stays, "low_battery")]
    # Both incidents are over; of one of them somebody is told.
    assert watch.appliance.sql("SELECT count(*) FROM alert_incidents WHERE closed_at IS NULL"
                               " AND device_id <> 0") == [(0,)]
    assert [kind for kind, _ in watch.told()] == ["opened", "opened", "closed"]


# -- many at once --

def test_a_site_that_goes_is_one_incident(watch):
    site = [watch.add(f"berlin {i}") for i in range(8)]
    alone = watch.add("elsewhere")
    for device in site:
        watch.ask("PATCH", f"/admin/devices/{device['id']}", site="Berlin")
    watch.beat(alone, *site)
    watch.advance(14 * MINUTE)
    assert sorted(watch.edges()) == sorted([fired(alone), *map(fired, site)])
    open_now = watch.appliance.sql("SELECT kind, group_key, firing_count, alert_count FROM"
                                   " alert_incidents WHERE closed_at IS NULL ORDER BY kind")
    assert [row for row in open_now if row[0] == "site"] == [("site", "Berlin", 8, 8)]
    watch.beat(*site)
    wait_until(lambda: len(watch.edges()) == 17, "all to be back")
    assert watch.appliance.sql("SELECT closed_at IS NOT NULL, firing_count FROM alert_incidents"
                               " WHERE kind = 'site'") == [(True, 0)]


def test_metrics_are_always_there(watch):
    values = watch.appliance.metrics()
    for rule in ("offline", "low_battery", "service_down", "agent_outdated", "clock_skew",
                 "queue_depth", "journal_backlog", "disk", "database_away", "partition_missing",
                 "backup_age", "rejects", "job_failing"):
        assert f'muster_alerts_firing{{rule="{rule}"}}' in values
        for state in ("pending", "firing", "resolved"):
            assert (f'muster_alert_transitions_total{{rule="{rule}",to="{state}"}}' in values)
    for name in ("muster_alert_ticks_total", "muster_alert_edges_waiting",
                 "muster_alert_incidents_open", "muster_alert_commit_duration_seconds_count"):
        assert name in values
    watch.add(battery=5)
    assert watch.appliance.metric('muster_alerts_firing{rule="low_battery"}') == 1
    assert watch.appliance.metric("muster_alert_commit_duration_seconds_count") >= 1


# -- what changes while it is judged --

def test_a_changed_device_is_judged_by_its_rules(watch):
    """Nothing new has to come of it for that."""
    device = watch.add("tagged", battery=40)
    watch.ask("PUT", "/admin/alert-rules/low_battery/tags/frail", threshold=50)
    assert watch.edges() == []
    watch.ask("PATCH", f"/admin/devices/{device['id']}", tags=["frail"])
    wait_until(lambda: watch.edges() == [fired(device, "low_battery")], "the tag's rule to count")
    watch.ask("PATCH", f"/admin/devices/{device['id']}", tags=[])
    wait_until(lambda: watch.edges()[1:] == [resolved(device, "low_battery")],
               "the rule to count no longer")


def test_a_clock_set_back_hides_nothing(watch):
    """What was seen by the clock of before must not count as newer for an hour."""
    device = watch.add("dated", battery=80)
    watch.clock.jump(0, -3600)
    watch.clock.wait_looked()
    watch.beat(device, battery=5)
    wait_until(lambda: watch.edges() == [fired(device, "low_battery")], "the alert")
    watch.beat_later(device, battery=60)
    wait_until(lambda: watch.edges()[1:] == [resolved(device, "low_battery")], "the recovery")
    opened, closed, fired_at, resolved_at = watch.appliance.sql(
        "SELECT i.opened_at, i.closed_at, a.fired_at, a.resolved_at FROM alerts a JOIN"
        " alert_incidents i ON i.id = a.incident_id")[0]
    assert opened <= closed and fired_at <= resolved_at


def test_a_clock_set_back_during_an_episode(watch):
    device, other = watch.add("low", battery=5), watch.add("other")
    wait_until(lambda: watch.edges() == [fired(device, "low_battery")], "the alert")
    watch.clock.jump(0, -3600)
    watch.clock.wait_looked()
    watch.clock.jump(20, 20)  # and the daemon is stopped for a while
    watch.clock.wait_looked()
    watch.beat(device, other, battery=90)
    wait_until(lambda: watch.edges()[1:] == [resolved(device, "low_battery")], "the recovery")
    assert watch.standing() == []
    watch.advance(10 * MINUTE)
    assert len(watch.edges()) == 2
    watch.advance(4 * MINUTE)
    assert sorted(watch.edges()[2:]) == sorted([fired(device), fired(other)])


def test_what_the_database_refuses_holds_up_no_others(watch):
    good, bad, late = (watch.add(name, battery=80) for name in ("good", "bad", "late"))
    watch.appliance.sql("ALTER TABLE alerts ADD CONSTRAINT never"
                        f" CHECK (device_id <> {bad['id']} OR value IS DISTINCT FROM 5)")
    watch.beat_later(bad, good, late, battery=5)
    wait_until(lambda: watch.appliance.metric("muster_alert_edges_refused_total") == 1,
               "the bad one to be found")
    wait_until(lambda: sorted(watch.edges()) == sorted(
        [fired(good, "low_battery"), fired(late, "low_battery")]), "the others")
    # It comes to an end that nobody has to be told of, and is told the next time.
    watch.beat_later(bad, good, late, battery=90)
    wait_until(lambda: len(watch.edges()) == 4, "the recoveries")
    watch.beat_later(bad, battery=6)
    wait_until(lambda: watch.edges()[4:] == [fired(bad, "low_battery")], "the bad one's next")
    assert watch.appliance.metric("muster_alert_edges_refused_total") == 1


def test_a_group_whose_last_device_is_deleted_ends_with_a_word(make_appliance, failpoint_bin_dir,
                                                               scratch):
    watch = Watch(make_appliance, failpoint_bin_dir, scratch,
                  options=["--alerts-group-devices", "2", "--alerts-group-wait", "0s"])
    desk = Desk(watch.appliance, watch.clock)
    with WebhookDouble(now=watch.clock.now_s) as receiver:
        desk.webhook(receiver)
        devices = [watch.add(f"till {i}") for i in range(4)]
        for device in devices:
            watch.ask("PATCH", f"/admin/devices/{device['id']}", site="Bonn")
        watch.beat_later(*devices)
        watch.advance(14 * MINUTE)
        wait_until(lambda: "alert.opened" in receiver.types(), "the incident to be told")
        watch.beat(*devices[1:])
        wait_until(lambda: len(watch.log("resolved")) == 3, "three to be back")
        watch.ask("DELETE", f"/admin/devices/{devices[0]['id']}", expect=204)
        wait_until(lambda: watch.log("closed"), "the incident to close")
        wait_until(lambda: "alert.closed" in receiver.types(), "that to be told")
