# SPDX-License-Identifier: Apache-2.0
"""Operators see the fleet change: what a viewer ends up with is what the database has."""
import concurrent.futures
import os
import random
import signal
import time

import pytest
import requests
import websockets

import people
from appliance import wait_until
from live_viewer import Sleeper, Viewer, ticket_of, wait_same, watch
from postgres_server import pause, resume

OPTIONS = ("--accounts-bcrypt-cost", "4", "--limits-general-max", "0",
           "--limits-general-burst", "0")
PACKAGES = ("com.example.till", "org.example.reader", 'a "quoted" näme', "x" * 200)


@pytest.fixture(scope="module")
def boss(daemon):
    return people.admin(daemon)


@pytest.fixture(scope="module")
def viewer(boss):
    return people.make(boss, "viewer")


@pytest.fixture
def fleet(daemon):
    return [daemon.register(f"live {i}") for i in range(20)]


class Reporter:
    """Heartbeats of some devices, each newer than the one before, over a few connections."""

    def __init__(self, daemon, devices, threads=4):
        self.daemon = daemon
        self.devices = devices
        self.threads = threads
        self.at = int(time.time()) - 3 * 86400

    def _send(self, part, ts, fields):
        with requests.Session() as session:
            for device in part:
                answer = session.post(
                    self.daemon.url + "/v1/heartbeat", timeout=60,
                    json={"ts": ts, "sent_at": time.time(), **fields(device)},
                    headers={"Authorization": f"Bearer {device['token']}"})
                assert answer.status_code == 202, answer.text

    def round(self, fields):
        """One of each device, with fields(device)."""
        self.at += 10
        parts = [self.devices[i::self.threads] for i in range(self.threads)]
        with concurrent.futures.ThreadPoolExecutor(self.threads) as pool:
            for done in [pool.submit(self._send, part, self.at, fields) for part in parts]:
                done.result()

    def wait_stored(self):
        """Until PostgreSQL has the newest of each."""
        ids = [int(device["device_id"]) for device in self.devices]
        wait_until(lambda: self.daemon.sql(
            "SELECT count(*) FROM device_last_status WHERE device_id = ANY(%s)"
            " AND observed_at = to_timestamp(%s)", ids, self.at)[0][0] == len(ids),
                   "the newest to be stored")


def something(dice):
    def fields(_):
        chosen = {"battery": dice.randrange(101), "charging": dice.random() < .5,
                  "network": dice.choice(("wifi", "cellular", "ethernet", "offline")),
                  "power_ok": dice.random() < .5, "fg_package": dice.choice(PACKAGES),
                  "agent_version": dice.choice(("1.0", "1.0.1-debug"))}
        for key in list(chosen):
            if dice.random() < .2:
                del chosen[key]
        return chosen
    return fields


def wait_battery(seen, expected):
    seen.wait(lambda v: {row.get("battery") for row in list(v.devices.values())} == expected,
              f"{expected} to be every device's battery")


# -- what is seen --

@pytest.mark.release
def test_snapshot_then_deltas_are_the_database(daemon, boss, viewer, fleet):
    dice = random.Random(1)
    reporter = Reporter(daemon, fleet)
    reporter.round(something(dice))
    seen = watch(daemon, viewer)
    for i in range(12):
        reporter.round(something(dice))
        if i % 4 == 0:
            reporter.wait_stored()
            wait_same(daemon, seen)
        if i == 4:
            reporter.devices.append(daemon.register("came later"))
        if i == 6:
            gone = reporter.devices.pop(0)
            assert daemon.delete_device(gone["device_id"]).status_code == 204
            boss.ask("PATCH", f"/admin/devices/{fleet[1]['device_id']}",
                     {"alias": "renamed", "tags": ["front"]}, expect=200)
    reporter.wait_stored()
    wait_same(daemon, seen)
    assert seen.counts["snapshot"] == 1 and seen.counts["delta"] > 1
    assert gone["device_id"] not in seen.devices
    seen.wait(lambda v: fleet[1]["device_id"] in v.edited, "the edit to be told")
    late = watch(daemon, viewer)
    wait_same(daemon, late)
    seen.close()
    late.close()


def test_older_news_change_nothing_but_liveness(daemon, viewer, fleet):
    device = fleet[0]
    now = time.time()
    first = daemon.heartbeat(device["token"], ts=now - 50, sent_at=now, battery=70)
    assert first.status_code == 202
    seen = watch(daemon, viewer, devices=[device["device_id"]])
    wait_battery(seen, {70})
    answer = daemon.heartbeats(device["token"], [{"ts": now - 4000, "battery": 1},
                                                 {"ts": now - 3000, "battery": 2}], sent_at=now)
    assert answer.status_code == 200
    wait_until(lambda: daemon.sql("SELECT count(*) FROM heartbeats WHERE device_id = %s",
                                  int(device["device_id"]))[0][0] == 3, "the older to be stored")
    wait_same(daemon, seen, [device["device_id"]])
    assert seen.devices[device["device_id"]]["battery"] == 70
    seen.close()


def test_only_what_was_asked_for(daemon, boss, viewer, fleet):
    wanted = [device["device_id"] for device in fleet[:3]]
    some = watch(daemon, viewer, devices=wanted)
    reporter = Reporter(daemon, fleet)
    reporter.round(lambda _: {"battery": 33})
    reporter.wait_stored()
    wait_same(daemon, some, wanted)
    boss.ask("POST", f"/admin/devices/{fleet[0]['device_id']}/commands", {"type": "ping"},
             expect=201)
    some.wait(lambda v: v.commands, "the command to be seen")
    assert {c["device_id"] for c in some.commands} == {fleet[0]["device_id"]}
    some.wait(lambda v: v.fleet and v.fleet["online"] >= 20, "the fleet's numbers")
    some.send({"type": "unsubscribe"})
    some.send({"type": "subscribe", "topics": ["nonsense"]})
    some.wait(lambda v: v.counts["error"] == 1, "a sentence about the nonsense")
    some.close()


# -- who may --

def closed_with(daemon, ticket, message=None):
    one = Viewer(daemon, ticket)
    if message:
        one.send(message)
    return one.wait_closed()


def test_a_ticket_opens_once(daemon, viewer):
    ticket = ticket_of(viewer)
    first = Viewer(daemon, ticket)
    first.wait(lambda v: v.counts["welcome"], "the welcome")
    assert first.last["welcome"]["role"] == "viewer"
    assert closed_with(daemon, ticket) == 4401
    assert daemon.metrics()['muster_security_events_total{kind="replay"}'] >= 1
    assert first.closed is None
    first.close()


def test_no_ticket_no_view(daemon):
    assert closed_with(daemon, "made up") == 4401
    assert closed_with(daemon, None, {"type": "subscribe", "topics": ["fleet"]}) == 4401
    assert closed_with(daemon, None, "no JSON") == 4401
    assert closed_with(daemon, None, b"binary") == 1003
    assert closed_with(daemon, None, "x" * 20000) == 1009
    assert closed_with(daemon, None) == 4401, "after five seconds of silence"


def test_origin_is_checked(daemon, viewer):
    with pytest.raises(websockets.InvalidStatusCode) as refused:
        Viewer(daemon, origin="https://elsewhere.example")
    assert refused.value.status_code == 403
    own = Viewer(daemon, ticket_of(viewer), origin=daemon.url)
    own.subscribe().wait_ready().close()


def test_api_token_sees_what_its_scopes_say(daemon, boss):
    made = boss.ask("POST", "/admin/api-tokens", {"name": "wall", "role": "viewer", "scopes":
                                            ["live:read", "devices:read"]}, expect=201).json()
    ticket = boss.ask("POST", "/api/auth/ws-ticket", expect=201, token=made["token"]).json()
    wall = Viewer(daemon, ticket["ticket"])
    wall.wait(lambda v: v.counts["welcome"], "the welcome")
    assert wall.last["welcome"]["topics"] == ["fleet", "devices"]
    wall.subscribe()
    wall.wait(lambda v: v.counts["error"] == 1, "a refusal of commands")
    wall.subscribe(topics=("devices",)).wait_ready()
    wait_same(daemon, wall)
    wall.close()


def test_whoever_is_nobody_any_more_is_sent_away(daemon, boss):
    leaver, disabled, stays = (people.make(boss, "viewer") for _ in range(3))
    left, barred, still = (watch(daemon, who) for who in (leaver, disabled, stays))
    leaver.ask("POST", "/api/auth/logout-all", expect=204)
    boss.ask("PATCH", f"/admin/users/{disabled.id()}", {"disabled": True}, expect=200)
    assert left.wait_closed() == 4401
    assert barred.wait_closed() == 4401
    assert still.closed is None
    still.close()


def test_a_client_that_talks_too_much(daemon, viewer):
    chatty = Viewer(daemon, ticket_of(viewer))
    for _ in range(30):
        try:
            chatty.send({"type": "unsubscribe"})
        except websockets.ConnectionClosed:
            break
    assert chatty.wait_closed() == 4429


# -- falling behind, coming back --

def test_resume_brings_what_was_missed(daemon, viewer, fleet):
    reporter = Reporter(daemon, fleet)
    reporter.round(lambda _: {"battery": 50})
    reporter.wait_stored()
    first = watch(daemon, viewer)
    wait_same(daemon, first)
    first.cut()
    reporter.devices = fleet[:5]
    reporter.round(lambda _: {"battery": 51})
    reporter.wait_stored()
    assert daemon.delete_device(fleet[9]["device_id"]).status_code == 204
    again = Viewer(daemon, ticket_of(viewer)).resume(first.place()).wait_ready()
    wait_same(daemon, again)
    assert again.counts["snapshot"] == 0
    stranger = Viewer(daemon, ticket_of(viewer))
    stranger.resume(("00000000", first.seq, {"77": {"id": "77"}})).wait_ready()
    wait_same(daemon, stranger)
    assert stranger.counts["snapshot"] > 0
    again.close()
    stranger.close()


def rename_all(daemon, boss, selection, name, tag):
    """Behind the API's back, and then something through it that has the list read anew."""
    daemon.sql("UPDATE devices SET alias = %s || id WHERE deleted_at IS NULL", name)
    boss.ask("POST", "/admin/bulk/tags", {"selection_id": selection, "add": [tag]}, expect=200)


@pytest.mark.release
def test_who_does_not_read_hurts_nobody(make_appliance):
    """Until its buffers are full it is sent rounds, then nothing but the promise of a resync."""
    # The sleeper is not to be cut off for taking nothing before its share is full.
    daemon = make_appliance(options=[*OPTIONS, "--limits-bulk-max", "0", "--limits-bulk-burst",
                                     "0", "--http-write-timeout", "10m"]).start()
    boss = people.admin(daemon)
    device = daemon.register("one that reports")
    daemon.sql("INSERT INTO devices (id, kind, alias, enrolled_by) SELECT 10000 + n, 'android',"
               " 'wide', 'test' FROM generate_series(1, 1500) n")
    selection = boss.ask("POST", "/admin/selections", {"device_ids": [device["device_id"]]},
                         expect=201).json()["id"]
    sleeper = Sleeper(daemon, ticket_of(boss))
    seen = watch(daemon, boss)
    wait_until(lambda: daemon.metric("muster_live_clients_current") == 2, "both to be up to date")
    for i in range(25):
        rename_all(daemon, boss, selection, f"{i}-" + "w" * 300, f"t{i}")
        wait_same(daemon, seen)
        if daemon.metric("muster_live_resyncs_total") > 0:
            break
    assert daemon.metric("muster_live_resyncs_total") == 1
    sent = daemon.metric("muster_live_bytes_total")
    assert daemon.heartbeat(device["token"], battery=7).status_code == 202
    rename_all(daemon, boss, selection, "short", "last")
    seen.wait(lambda v: v.devices[device["device_id"]].get("battery") == 7, "the heartbeat")
    wait_same(daemon, seen)
    assert seen.counts["resync"] == 0 and seen.last["snapshot"]["seq"] < seen.seq
    assert daemon.metric("muster_live_bytes_total") > sent
    assert daemon.metric("muster_live_dropped_total") == 0, "the bound is met before the queue's"
    assert daemon.metric("muster_live_clients_current") == 1
    sleeper.close()
    wait_until(lambda: daemon.metrics()["muster_live_clients"] == 1, "the sleeper to be gone")


@pytest.mark.release
def test_a_restart_is_a_snapshot(make_appliance):
    daemon = make_appliance(options=OPTIONS).start()
    device = daemon.register("one")
    watcher = people.make(people.admin(daemon), "viewer")
    assert daemon.heartbeat(device["token"], battery=5).status_code == 202
    before = watch(daemon, watcher)
    wait_battery(before, {5})
    assert daemon.terminate() == 0
    assert before.wait_closed() == 1001
    daemon.start()
    now = time.time()
    assert daemon.heartbeat(device["token"], ts=now + 20, battery=6).status_code == 202
    again = Viewer(daemon, ticket_of(watcher)).resume(before.place()).wait_ready()
    wait_battery(again, {6})
    wait_same(daemon, again)
    assert again.counts["snapshot"] > 0 and again.stream != before.stream


def test_postgres_away(make_appliance):
    daemon = make_appliance(options=OPTIONS).start()
    devices = [daemon.register(f"d{i}") for i in range(5)]
    watcher = people.make(people.admin(daemon), "viewer")
    reporter = Reporter(daemon, devices, threads=2)
    reporter.round(lambda _: {"battery": 1})
    seen = watch(daemon, watcher)
    ticket = ticket_of(watcher)
    wait_same(daemon, seen)
    stopped = pause(daemon.postgres_pid())
    try:
        reporter.round(lambda _: {"battery": 2})
        seen.wait(lambda v: v.fleet["backlog"] > 0, "the fleet's numbers to go on")
        assert seen.fleet["online"] == 5 and seen.fleet["silent"] == 0
        late = Viewer(daemon, ticket).subscribe()  # what is in memory needs no database
        late.wait_ready()
    finally:
        resume(stopped)
    reporter.wait_stored()
    wait_same(daemon, seen)
    wait_same(daemon, late)
    assert seen.closed is None and seen.counts["snapshot"] == 1
    os.kill(daemon.postgres_pid(), signal.SIGQUIT)  # every connection is gone; it is started anew
    reporter.round(lambda _: {"battery": 3})
    for viewer in (seen, late):
        wait_battery(viewer, {3})
        wait_same(daemon, viewer)
