# SPDX-License-Identifier: Apache-2.0
"""The ledger of commands: asked for, fetched, acknowledged, answered; by whom, in what order, and
through what."""
import base64
import concurrent.futures
import copy
import hashlib
import hmac
import json
import uuid

import pytest

import people
from appliance import wait_until
from device_channel import check_command, result_of

DAY_S = 86400


class Desk:
    """An operator's and the devices' requests to one appliance."""

    def __init__(self, appliance):
        self.appliance = appliance
        self.count = 0

    def device(self, **options):
        self.count += 1
        device = self.appliance.register(f"device-{self.count}", **options)
        device["alias"] = f"device-{self.count}"
        return device

    def post(self, path, body=None, headers=None):
        return self.appliance.session.post(self.appliance.url + path, json=body, timeout=60,
                                           headers=headers or self.appliance.admin_headers())

    def get(self, path, expect=200, **query):
        answer = self.appliance.session.get(self.appliance.url + path, params=query, timeout=60,
                                            headers=self.appliance.admin_headers())
        assert answer.status_code == expect, answer.text
        return answer.json()

    def order(self, device, kind="ping", payload=None, expect=201, headers=None, **more):
        body = {"type": kind, **more}
        if payload is not None:
            body["payload"] = payload
        answer = self.post(f"/admin/devices/{device['device_id']}/commands", body, headers)
        assert answer.status_code == expect, answer.text
        return answer.json()

    def queue(self, device, *kind, **more):
        return self.order(device, *kind, **more)["id"]

    def show(self, command_id):
        return self.get(f"/admin/commands/{command_id}")["command"]

    def state(self, command_id):
        return self.show(command_id)["state"]

    def cancel(self, command_id):
        return self.post(f"/admin/commands/{command_id}/cancel")

    # -- the device --

    @staticmethod
    def bearer(device):
        return {"Authorization": f"Bearer {device['token']}"}

    def fetch(self, device, **query):
        answer = self.appliance.session.get(self.appliance.url + "/v1/commands", params=query,
                                            timeout=60, headers=self.bearer(device))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fetched(self, device, **query):
        return [check_command(device, e)["command_id"]
                for e in self.fetch(device, **query)["commands"]]

    def received(self, device, command_id, expect=200, **body):
        answer = self.post(f"/v1/commands/{command_id}/received", body, self.bearer(device))
        assert answer.status_code == expect, answer.text
        return answer.json()

    def result(self, device, body, expect=200):
        answer = self.post("/v1/action-result", body, self.bearer(device))
        assert answer.status_code == expect, answer.text
        return answer.json()

    def finish(self, device, command_id, **fields):
        return self.result(device, result_of(device, command_id, **fields))


@pytest.fixture(scope="module")
def desk(daemon):
    return Desk(daemon)


def audit(desk, action, subject):
    return desk.appliance.sql("SELECT actor, before, after FROM audit_log WHERE action = %s"
                              " AND subject = %s", action, subject)


# ---- from order to result ----

@pytest.mark.release
def test_a_command_by_way_of_a_fetch(desk):
    device = desk.device()
    made = desk.order(device, "lock", {"message": "Bitte zurück an „Büro 1“"}, ttl_s=600)
    assert made["state"] == "queued" and made["created_by"] == "admin-key"
    assert made["device_id"] == device["device_id"] and made["device_alias"] == device["alias"]
    assert made["ttl_s"] == 600 and made["sent_at"] is None and made["withheld"] is None
    envelope, = desk.fetch(device)["commands"]
    check_command(device, envelope)
    assert envelope["type"] == "lock"
    assert json.loads(envelope["payload"]) == made["payload"]
    assert desk.state(made["id"]) == "sent"
    assert desk.received(device, made["id"]) == {"state": "received", "run": True}
    answer = desk.finish(device, made["id"], result='{"locked": true}')
    assert answer == {"command_id": made["id"], "state": "done", "duplicate": False, "late": False}
    detail = desk.get(f"/admin/commands/{made['id']}")
    command = detail["command"]
    assert command["state"] == "done" and command["first_path"] == "heartbeat"
    assert command["report"]["status"] == "done" and command["report"]["late"] is False
    assert command["report"]["result"] == {"locked": True}
    attempt, = detail["attempts"]
    assert (attempt["path"], attempt["status"], attempt["number"]) == ("heartbeat", "sent", 1)
    assert [row[0] for row in audit(desk, "command.create", f"command:{made['id']}")] == [
        "admin-key"]


def test_failed_with_an_error(desk):
    device = desk.device()
    command = desk.queue(device, "launch_package", {"package": "com.example.app"})
    desk.fetch(device)
    desk.finish(device, command, status="failed", error="It is not installed.")
    shown = desk.show(command)
    assert shown["state"] == "failed" and shown["error"] == "It is not installed."
    assert shown["received_at"] is not None  # a result acknowledges too


def test_each_fetch_signs_anew_and_repeats_what_is_open(desk):
    device = desk.device()
    commands = [desk.queue(device) for _ in range(3)]
    first = desk.fetch(device)["commands"]
    second = desk.fetch(device)["commands"]
    assert [e["command_id"] for e in first] == [e["command_id"] for e in second] == commands
    nonces = {check_command(device, e)["nonce"] for e in first + second}
    assert len(nonces) == 6
    desk.received(device, commands[0])
    assert desk.fetched(device) == commands[1:]


def test_a_fetch_is_bounded_and_in_order(desk):
    device = desk.device()
    commands = [desk.queue(device) for _ in range(5)]
    page = desk.fetch(device, limit=2)
    assert [e["command_id"] for e in page["commands"]] == commands[:2] and page["more"] is True
    for command in commands[:2]:
        desk.received(device, command)
    assert desk.fetched(device) == commands[2:]
    assert desk.fetch(device)["more"] is False


def test_receipts_on_two_paths(desk):
    device = desk.device()
    command = desk.queue(device)
    desk.fetch(device)
    assert desk.received(device, command, path="fcm") == {"state": "received", "run": True}
    assert desk.received(device, command, path="heartbeat") == {"state": "received", "run": True}
    assert desk.show(command)["first_path"] == "fcm"
    desk.finish(device, command)
    assert desk.received(device, command) == {"state": "done", "run": False}
    desk.received(device, "999999999", expect=404)
    desk.received(desk.device(), command, expect=404)


# ---- results ----

def test_a_result_twice_and_another_one(desk):
    device = desk.device()
    command = desk.queue(device)
    body = result_of(device, command, result="[1, 2]")
    assert desk.result(device, body)["duplicate"] is False
    assert desk.result(device, body)["duplicate"] is True
    assert desk.result(device, result_of(device, command, "failed"), expect=409)["detail"]
    assert desk.state(command) == "done"


def test_results_at_once_are_one(desk):
    device = desk.device()
    command = desk.queue(device)
    body = result_of(device, command)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(
            lambda _: Desk(desk.appliance).result(device, body)["duplicate"], range(8)))
    assert sorted(answers) == [False] + [True] * 7


def test_forged_results(desk):
    device, other = desk.device(), desk.device()
    command = desk.queue(device)
    good = result_of(device, command)
    before = desk.appliance.metric('muster_security_events_total{kind="bad_signature"}')
    for change in ({"status": "failed"}, {"result": "{}"}, {"signature": "0" * 64},
                   {"key_version": 2}, {"finished_at": good["finished_at"] + 1}):
        assert desk.result(device, {**good, **change}, expect=403)["type"].endswith(
            "result-signature")
    desk.result(other, good, expect=404)
    stolen = {**other, "device_id": device["device_id"]}
    desk.result(device, result_of(stolen, command), expect=403)
    after = desk.appliance.metric('muster_security_events_total{kind="bad_signature"}')
    assert after == before + 6
    assert desk.state(command) == "queued"


def test_malformed_results(desk):
    device = desk.device()
    command = desk.queue(device)
    good = result_of(device, command)
    for change in ({"status": "maybe"}, {"signature": "0" * 63}, {"signature": "G" * 64},
                   {"command_id": 17}, {"finished_at": 0}, {"finished_at": 1.5},
                   {"key_version": "1"}, {"result": {"an": "object"}}, {"error": 5}):
        desk.result(device, {**good, **change}, expect=400)
    desk.result(device, result_of(device, command, result="{not json"), expect=400)
    desk.result(device, result_of(device, command, result='"' + "x" * 65535 + '"'), expect=400)
    desk.result(device, result_of(device, command, error="x" * 1025), expect=400)
    largest = '"' + "x" * 65534 + '"'
    assert desk.result(device, result_of(device, command, result=largest))["state"] == "done"
    assert len(desk.show(command)["report"]["result"]) == 65534


def test_results_need_a_live_token(desk):
    device = desk.device()
    command = desk.queue(device)
    answer = desk.post("/v1/action-result", result_of(device, command),
                       {"Authorization": "Bearer mu_" + "x" * 43})
    assert answer.status_code == 401
    assert desk.appliance.delete_device(device["device_id"]).status_code == 204
    desk.result(device, result_of(device, command), expect=410)
    assert desk.post(f"/admin/devices/{device['device_id']}/commands",
                     {"type": "ping"}).status_code == 404


def test_late_results_are_kept_and_flagged(desk):
    device = desk.device()
    cancelled = desk.queue(device)
    expired = desk.queue(device)
    desk.fetch(device)
    assert desk.cancel(cancelled).status_code == 200
    desk.appliance.sql("UPDATE commands SET expires_at = now() WHERE id = %s", int(expired))
    wait_until(lambda: desk.state(expired) == "expired", "the command to expire")
    assert desk.received(device, cancelled) == {"state": "cancelled", "run": False}
    for command, state in ((cancelled, "cancelled"), (expired, "expired")):
        body = result_of(device, command, result='"ran all the same"')
        answer = desk.result(device, body)
        assert (answer["state"], answer["late"], answer["duplicate"]) == (state, True, False)
        shown = desk.show(command)
        assert shown["state"] == state and shown["report"]["late"] is True
        assert shown["report"]["result"] == "ran all the same"
        assert desk.result(device, body)["duplicate"] is True


# ---- orders ----

def test_payloads_are_checked_by_type(desk):
    device = desk.device()
    for kind, payload in (("ping", {"x": 1}), ("launch_package", {}),
                          ("launch_package", {"package": ""}), ("launch_package", {"package": 5}),
                          ("reboot", {"delay_s": 3601}), ("set_config", {"settings": []}),
                          ("lock", {"message": "x" * 201}), ("request_logs", {"lines": 0}),
                          ("nonsense", {}), ("rotate_key", {"version": 2})):
        problem = desk.order(device, kind, payload, expect=400)
        assert problem["field"] and problem["detail"], (kind, payload)
    desk.order(device, "set_config", {"settings": {"x": "y" * 16384}}, expect=413)
    desk.order(device, "ping", ttl_s=59, expect=400)
    desk.order(device, "ping", ttl_s=7 * DAY_S + 1, expect=400)
    for kind, payload in (("reboot", {"delay_s": 60}), ("relaunch_app", None),
                          ("stop_package", {"package": "a.b"}), ("request_logs", {"lines": 50}),
                          ("screenshot", {"reason": "Ticket 7"}), ("nudge_update", {}),
                          ("set_config", {"settings": {"heartbeat_interval_s": 60}})):
        desk.order(device, kind, payload)
    assert desk.order({"device_id": "99999999"}, expect=404)


def test_idempotency_key(desk):
    device = desk.device()
    headers = {**desk.appliance.admin_headers(), "Idempotency-Key": str(uuid.uuid4())}
    first = desk.order(device, "ping", headers=headers)
    again = desk.order(device, "ping", headers=headers)
    assert again["id"] == first["id"]
    desk.order(device, "reboot", headers=headers, expect=422)
    assert desk.fetched(device) == [first["id"]]


def test_who_may(desk):
    admin = people.admin(desk.appliance)
    operator, viewer = people.make(admin, "operator"), people.make(admin, "viewer")
    device = desk.device()
    path = f"/admin/devices/{device['device_id']}/commands"
    made = operator.ask("POST", path, {"type": "ping"}, expect=201).json()
    assert made["created_by"] == f"user:{operator.username}"
    viewer.ask("POST", path, {"type": "ping"}, expect=403)
    viewer.ask("GET", f"/admin/commands/{made['id']}", expect=200)
    viewer.ask("POST", f"/admin/commands/{made['id']}/cancel", expect=403)
    for kind in ("wipe", "raw"):
        payload = {"name": "x"} if kind == "raw" else {}
        refused = operator.ask("POST", path, {"type": kind, "payload": payload}, expect=403)
        assert "admin" in refused.json()["detail"]
    operator.ask("POST", f"/admin/devices/{device['device_id']}/rotate-key", expect=403)
    operator.ask("POST", f"/admin/commands/{made['id']}/cancel", expect=200)
    assert requests_without_credentials(desk, path) == 401


def requests_without_credentials(desk, path):
    return desk.post(path, {"type": "ping"}, {"X-Nobody": "1"}).status_code


def test_raw_only_where_it_is_declared(desk):
    device = desk.device()
    problem = desk.order(device, "raw", {"name": "blink"}, expect=409)
    assert problem["type"].endswith("not-declared")
    assert desk.appliance.heartbeat(device["token"], capabilities=["raw"]).status_code == 202
    wait_until(lambda: desk.appliance.sql(
        "SELECT 1 FROM device_last_status WHERE device_id = %s", int(device["device_id"])),
        "the heartbeat to be stored")
    desk.order(device, "raw", {"name": "blink", "args": {"times": [1, 2]}})
    assert json.loads(desk.fetch(device)["commands"][0]["payload"]) == {
        "name": "blink", "args": {"times": [1, 2]}}


def test_quarantined_devices_wait(desk):
    device = desk.device()
    desk.appliance.sql("UPDATE devices SET quarantined_at = now() WHERE id = %s",
                       int(device["device_id"]))
    made = desk.order(device)
    assert made["state"] == "queued" and made["withheld"] == "quarantined"
    assert desk.fetch(device)["commands"] == []
    desk.appliance.sql("UPDATE devices SET quarantined_at = NULL WHERE id = %s",
                       int(device["device_id"]))
    assert desk.fetched(device) == [made["id"]]
    assert desk.show(made["id"])["withheld"] is None


def test_private_payloads_are_not_in_the_audit_log(desk):
    device = desk.device()
    command = desk.queue(device, "set_config", {"settings": {"wifi": "top-secret-psk"}})
    (_, _, after), = audit(desk, "command.create", f"command:{command}")
    assert after["type"] == "set_config" and "top-secret-psk" not in json.dumps(after)
    command = desk.queue(device, "screenshot", {"reason": "Ticket 4711"})
    (_, _, after), = audit(desk, "command.create", f"command:{command}")
    assert after["payload"] == {"reason": "Ticket 4711"}


def test_what_waits_is_bounded(desk):
    device, other = desk.device(), desk.device()
    desk.appliance.sql("INSERT INTO commands (device_id, expires_at, queued_at, ttl_s, state, type,"
                       " payload, created_by) SELECT %s, now() + interval '1 hour', now(), 3600,"
                       " 'queued', 'ping', '{}', 'test' FROM generate_series(1, 500)",
                       int(device["device_id"]))
    assert desk.order(device, expect=409)["type"].endswith("queue-full")
    made = desk.post("/admin/commands", {"type": "ping", "device_ids": [
        device["device_id"], other["device_id"]]}).json()
    assert (made["device_count"], made["skipped_count"]) == (1, 1)
    desk.received(device, desk.fetched(device, limit=1)[0])
    desk.order(device)


# ---- time, cancelling ----

def test_time_to_live(desk):
    device = desk.device()
    late, timely = desk.queue(device, ttl_s=60), desk.queue(device)
    desk.appliance.sql("UPDATE commands SET expires_at = now() WHERE id = %s", int(late))
    assert desk.fetched(device) == [timely]
    wait_until(lambda: desk.state(late) == "expired", "the command to expire")
    assert desk.show(late)["error"]


def test_cancelling(desk):
    device = desk.device()
    queued, sent, received, done = [desk.queue(device) for _ in range(4)]
    assert desk.cancel(queued).json()["state"] == "cancelled"
    assert desk.cancel(queued).status_code == 200  # again
    assert desk.fetched(device) == [sent, received, done]
    desk.received(device, received)
    desk.finish(device, done)
    assert desk.cancel(sent).json()["state"] == "cancelled"
    for command, state in ((received, "received"), (done, "done")):
        refused = desk.cancel(command)
        assert refused.status_code == 409 and state in refused.json()["detail"]
    assert desk.post("/admin/commands/99999999/cancel").status_code == 404
    assert len(audit(desk, "command.cancel", f"command:{queued}")) == 1


def test_cancel_against_receipt(desk):
    """Whoever comes first is right, and the other is told so."""
    device = desk.device()
    for _ in range(10):
        command = desk.queue(device)
        desk.fetch(device)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            cancel = pool.submit(Desk(desk.appliance).cancel, command)
            receipt = pool.submit(Desk(desk.appliance).received, device, command)
        cancelled = cancel.result().status_code == 200
        assert cancelled or cancel.result().status_code == 409
        assert receipt.result()["run"] is not cancelled
        assert desk.state(command) == ("cancelled" if cancelled else "received")


# ---- wiping ----

def test_wipe_in_two_steps(desk):
    device = desk.device()
    made = desk.order(device, "wipe", {"reason": "Lost in Lübeck"})
    assert made["state"] == "awaiting_confirmation" and made["queued_at"] is None
    path = f"/admin/commands/{made['id']}/confirm"
    assert desk.fetch(device)["commands"] == []
    wrong = desk.post(path, {"alias": device["alias"] + " "})
    assert wrong.status_code == 422
    assert desk.fetch(device)["commands"] == []
    admin = people.admin(desk.appliance)
    operator = people.make(admin, "operator")
    operator.ask("POST", path, {"alias": device["alias"]}, expect=403)
    confirmed = admin.ask("POST", path, {"alias": device["alias"]}, expect=200).json()
    assert confirmed["state"] == "queued" and confirmed["queued_at"]
    assert desk.post(path, {"alias": device["alias"]}).status_code == 409
    assert desk.fetched(device) == [made["id"]]
    assert audit(desk, "command.confirm", f"command:{made['id']}")[0][0] == "user:admin"


def test_wipe_not_confirmed_in_time(desk):
    device = desk.device()
    command = desk.queue(device, "wipe")
    assert desk.appliance.sql("SELECT expires_at - created_at FROM commands WHERE id = %s",
                              int(command))[0][0].total_seconds() == 300
    desk.appliance.sql("UPDATE commands SET expires_at = now() WHERE id = %s", int(command))
    late = desk.post(f"/admin/commands/{command}/confirm", {"alias": device["alias"]})
    assert late.status_code == 409
    wait_until(lambda: desk.state(command) == "expired", "the wipe to expire")
    assert desk.fetch(device)["commands"] == []


def test_a_wipe_can_be_taken_back(desk):
    device = desk.device()
    command = desk.queue(device, "wipe")
    assert desk.cancel(command).json()["state"] == "cancelled"
    assert desk.post(f"/admin/commands/{command}/confirm",
                     {"alias": device["alias"]}).status_code == 409


# ---- many at once ----

@pytest.mark.long
@pytest.mark.release
def test_bulk_of_five_thousand(desk):
    ids = [str(row[0]) for row in desk.appliance.sql(
        "INSERT INTO devices (kind, alias, enrolled_by) SELECT 'android', 'bulk ' || n, 'test'"
        " FROM generate_series(1, 5000) n RETURNING id")]
    gone = desk.device()
    desk.appliance.delete_device(gone["device_id"])
    desk.appliance.sql("UPDATE devices SET quarantined_at = now() WHERE id = %s", int(ids[0]))
    answer = desk.post("/admin/commands", {"type": "ping", "device_ids": ids + [
        gone["device_id"], "99999999", ids[1]]})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["asked_count"], made["device_count"], made["skipped_count"],
            made["withheld_count"]) == (5003, 5000, 3, 1)
    assert desk.appliance.sql("SELECT count(DISTINCT xmin::text), count(DISTINCT device_id)"
                              " FROM commands WHERE bulk_id = %s",
                              int(made["bulk_id"])) == [(1, 5000)]
    shown = desk.get(f"/admin/bulk-commands/{made['bulk_id']}")
    assert shown["states"]["queued"] == 5000 and shown["withheld_count"] == 1
    first = desk.get("/admin/commands", bulk_id=made["bulk_id"], limit=200)
    assert len(first["commands"]) == 200 and first["next_cursor"]
    cancelled = desk.post(f"/admin/bulk-commands/{made['bulk_id']}/cancel").json()
    assert cancelled["changed_count"] == 5000
    assert desk.get(f"/admin/bulk-commands/{made['bulk_id']}")["states"]["cancelled"] == 5000


def test_bulk_by_selection(desk):
    devices = [desk.device() for _ in range(3)]
    made = desk.post("/admin/selections", {"device_ids": [d["device_id"] for d in devices]})
    assert made.status_code == 201, made.text
    selection = made.json()["id"]
    desk.appliance.delete_device(devices[2]["device_id"])
    answer = desk.post("/admin/commands", {"type": "reboot", "selection_id": selection}).json()
    assert (answer["device_count"], answer["skipped_count"]) == (2, 1)
    for device in devices[:2]:
        envelope, = desk.fetch(device)["commands"]
        assert envelope["type"] == "reboot"
        desk.finish(device, envelope["command_id"])
    shown = desk.get(f"/admin/bulk-commands/{answer['bulk_id']}")
    assert shown["states"]["done"] == 2 and shown["selection_id"] == selection
    assert desk.post("/admin/commands",
                     {"type": "ping", "selection_id": "99999999"}).status_code == 404


def test_bulk_list(desk):
    device, other = desk.device(), desk.device()
    made = [desk.post("/admin/commands", {"type": "ping", "device_ids": [
        device["device_id"], other["device_id"]]}).json()["bulk_id"] for _ in range(3)]
    envelope = desk.fetch(device)["commands"][0]
    desk.finish(device, envelope["command_id"])
    page = desk.get("/admin/bulk-commands", limit=2)
    assert [one["id"] for one in page["bulk_commands"]] == made[:0:-1]
    rest = desk.get("/admin/bulk-commands", limit=2, cursor=page["next_cursor"])
    first = rest["bulk_commands"][0]
    assert first["id"] == made[0]
    assert first == desk.get(f"/admin/bulk-commands/{made[0]}")
    assert (first["states"]["done"], first["states"]["sent"] + first["states"]["queued"]) == (1, 1)
    # Its commands are gone, as retention takes them: it is still told what was asked.
    desk.appliance.sql("DELETE FROM commands WHERE bulk_id = %s", int(made[1]))
    emptied = desk.get("/admin/bulk-commands", limit=2)["bulk_commands"][1]
    assert emptied["device_count"] == 2 and set(emptied["states"].values()) == {0}


def test_bulk_refusals(desk):
    device = desk.device()
    for body in ({"type": "ping"}, {"type": "ping", "device_ids": []},
                 {"type": "ping", "device_ids": ["x"]},
                 {"type": "ping", "device_ids": [device["device_id"]], "selection_id": "1"},
                 {"type": "launch_package", "device_ids": [device["device_id"]]}):
        assert desk.post("/admin/commands", body).status_code == 400, body
    too_many = [str(n) for n in range(1, 10002)]
    assert desk.post("/admin/commands",
                     {"type": "ping", "device_ids": too_many}).status_code == 413
    assert desk.post("/admin/commands",
                     {"type": "ping", "device_ids": ["99999999"]}).status_code == 404
    assert desk.fetch(device)["commands"] == []


def test_bulk_wipe_in_two_steps(desk):
    devices = [desk.device() for _ in range(2)]
    made = desk.post("/admin/commands", {"type": "wipe", "device_ids": [
        d["device_id"] for d in devices]}).json()
    assert made["state"] == "awaiting_confirmation" and made["confirm"] == "wipe 2"
    path = f"/admin/bulk-commands/{made['bulk_id']}/confirm"
    assert desk.post(path, {"confirm": "wipe 3"}).status_code == 422
    assert all(desk.fetch(d)["commands"] == [] for d in devices)
    assert desk.post(path, {"confirm": "wipe 2"}).json()["changed_count"] == 2
    assert all(len(desk.fetched(d)) == 1 for d in devices)
    assert desk.post(path, {"confirm": "wipe 2"}).json()["changed_count"] == 0


# ---- looking ----

def test_lists(desk):
    device = desk.device()
    commands = [desk.queue(device, kind) for kind in ("ping", "reboot", "ping", "ping")]
    desk.fetch(device, limit=1)
    desk.finish(device, commands[0], result="1")
    ours = {"device_id": device["device_id"]}
    listed = desk.get("/admin/commands", **ours)
    assert [c["id"] for c in listed["commands"]] == commands[::-1]
    assert listed["next_cursor"] is None
    assert listed["commands"][3]["report"]["has_result"] is True
    assert "result" not in listed["commands"][3]["report"]
    found = []
    page = {"next_cursor": None}
    while True:
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        page = desk.get("/admin/commands", limit=3, **ours, **cursor)
        found += [c["id"] for c in page["commands"]]
        if not page["next_cursor"]:
            break
    assert found == commands[::-1]

    def ids(**query):
        return [c["id"] for c in desk.get("/admin/commands", **query)["commands"]]

    assert ids(type="reboot", **ours) == [commands[1]]
    assert ids(state="done", **ours) == [commands[0]]
    assert commands[0] in ids(state="done") and commands[1] not in ids(state="done")
    assert ids(state="queued", type="ping", **ours) == commands[:1:-1]
    assert ids(**{"from": "2000-01-01T00:00:00Z", "to": "2000-01-02T00:00:00Z"}) == []
    assert len(ids(**{"from": "2000-01-01T00:00:00Z"}, **ours)) == 4
    desk.get("/admin/commands", expect=400, state="nonsense")
    desk.get("/admin/commands", expect=400, limit=201)
    desk.get("/admin/commands/99999999", expect=404)
    desk.get("/admin/bulk-commands/99999999", expect=404)


def test_metrics(desk):
    device = desk.device()
    names = [f'muster_commands_total{{type="reboot",state="{state}"}}'
             for state in ("queued", "done", "cancelled")]
    before = [desk.appliance.metrics()[name] for name in names]
    done, cancelled = desk.queue(device, "reboot"), desk.queue(device, "reboot")
    desk.finish(device, done)
    desk.cancel(cancelled)
    after = [desk.appliance.metrics()[name] for name in names]
    assert [b - a for a, b in zip(before, after)] == [2, 1, 1]


# ---- FCM's token ----

def test_fcm_token(desk):
    device = desk.device()

    def stored():
        return desk.appliance.sql("SELECT fcm_token FROM devices WHERE id = %s",
                                  int(device["device_id"]))[0][0]

    for body in ({"fcm_token": "with space"}, {"fcm_token": ""}, {}, {"fcm_token": "x" * 4097},
                 {"fcm_token": 7}):
        assert desk.post("/v1/fcm-token", body, desk.bearer(device)).status_code == 400, body
    assert stored() is None
    assert desk.post("/v1/fcm-token", {"fcm_token": "abc:def"},
                     desk.bearer(device)).status_code == 204
    assert stored() == "abc:def"
    assert desk.post("/v1/fcm-token", {"fcm_token": None}, desk.bearer(device)).status_code == 204
    assert stored() is None
    assert desk.post("/v1/fcm-token", {"fcm_token": "x"}).status_code == 401


# ---- keys ----

def with_key(device, key, version):
    fresh = copy.deepcopy(device)
    fresh["hmac"] = {"key": key, "version": version}
    return fresh


def test_a_new_key_without_a_gap(desk):
    old = desk.device()
    before = desk.queue(old)
    path = f"/admin/devices/{old['device_id']}/rotate-key"
    answer = desk.post(path)
    assert answer.status_code == 201, answer.text
    rotation = answer.json()
    assert rotation["type"] == "rotate_key" and rotation["payload"] == {"version": 2}
    assert desk.post(path).status_code == 409
    after = desk.queue(old)
    envelopes = [check_command(old, e) for e in desk.fetch(old)["commands"]]
    assert [e["command_id"] for e in envelopes] == [before, rotation["id"], after]
    brought = json.loads(envelopes[1]["payload"])
    assert brought["version"] == 2 and len(base64.b64decode(brought["key"])) == 32
    assert brought["key"] != old["hmac"]["key"]
    new = with_key(old, brought["key"], 2)
    for command in (before, rotation["id"], after):
        desk.received(old, command)

    # Until the device has answered with the new key, both are good and the old one signs.
    desk.finish(old, before)
    during = desk.queue(old)
    assert desk.fetched(old) == [during]
    desk.result(old, result_of(old, rotation["id"]), expect=403)
    desk.finish(new, during)
    desk.finish(new, rotation["id"])
    assert desk.appliance.sql("SELECT hmac_key_version, hmac_next_key_version FROM devices"
                              " WHERE id = %s", int(old["device_id"])) == [(2, None)]
    assert len(audit(desk, "device.key_rotated", f"device:{old['device_id']}")) == 1

    # From here on the new one signs; what waited under the old one is still taken.
    last = desk.queue(old)
    assert desk.fetched(new) == [last]
    desk.finish(old, after)
    desk.finish(new, last)
    for table in ("commands", "bulk_commands", "audit_log", "idempotency_keys"):
        assert brought["key"] not in str(desk.appliance.sql(f"SELECT t::text FROM {table} t"))


def test_a_rotation_that_expired_is_asked_for_again(desk):
    device = desk.device()
    path = f"/admin/devices/{device['device_id']}/rotate-key"
    first = desk.post(path).json()["id"]
    brought = json.loads(desk.fetch(device)["commands"][0]["payload"])
    assert desk.cancel(first).status_code == 200
    again = desk.post(path).json()
    assert again["payload"] == {"version": 2}  # the device may have it already
    assert json.loads(desk.fetch(device)["commands"][0]["payload"]) == brought
    desk.received(device, again["id"])  # and then it was set up anew
    third = desk.post(path).json()
    assert json.loads(desk.fetch(device)["commands"][0]["payload"]) == brought
    new = with_key(device, brought["key"], 2)
    for command in (again["id"], third["id"]):
        desk.finish(new, command)
    assert desk.post(path).json()["payload"] == {"version": 3}


def test_rotations_asked_for_at_once_are_one(desk):
    device = desk.device()
    path = f"/admin/devices/{device['device_id']}/rotate-key"
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: Desk(desk.appliance).post(path).status_code, range(4)))
    assert sorted(answers) == [201, 409, 409, 409]
    assert len(desk.fetch(device)["commands"]) == 1


def test_derivation_is_as_documented(desk):
    device = desk.device()
    master = base64.b64decode((desk.appliance.data_dir / "secrets" / "hmac-master").read_text())
    info = (b"muster device command key\0" + int(device["device_id"]).to_bytes(8, "big")
            + (1).to_bytes(4, "big") + b"\1")
    extracted = hmac.new(bytes(32), master, hashlib.sha256).digest()
    key = hmac.new(extracted, info, hashlib.sha256).digest()
    assert base64.b64encode(key).decode() == device["hmac"]["key"]


# ---- through trouble ----

@pytest.mark.release
def test_commands_cross_a_kill(make_appliance):
    appliance = make_appliance().start()
    desk = Desk(appliance)
    device = desk.device()
    done, sent, queued = [desk.queue(device) for _ in range(3)]
    wiped = desk.order(device, "wipe")["id"]
    desk.fetch(device, limit=2)
    body = result_of(device, done)
    desk.result(device, body)
    appliance.kill()
    appliance.start()
    assert [desk.state(c) for c in (done, sent, queued, wiped)] == [
        "done", "sent", "queued", "awaiting_confirmation"]
    wait_until(lambda: appliance.heartbeat(device["token"]).json()["commands"] == 2,
               "the heartbeat to be told of two")
    assert desk.result(device, body)["duplicate"] is True
    assert desk.fetched(device) == [sent, queued]
    for command in (sent, queued):
        desk.received(device, command)
        desk.finish(device, command)
    assert desk.post(f"/admin/commands/{wiped}/confirm",
                     {"alias": device["alias"]}).status_code == 200
    assert desk.fetched(device) == [wiped]


@pytest.mark.release
def test_a_result_while_the_database_is_away(make_appliance, postgres_server):
    appliance = make_appliance(environment=postgres_server.environment).start()
    desk = Desk(appliance)
    device = desk.device()
    command = desk.queue(device)
    desk.fetch(device)
    body = result_of(device, command)
    postgres_server.stop()
    away = desk.post("/v1/action-result", body, desk.bearer(device))
    assert away.status_code == 503 and int(away.headers["Retry-After"]) > 0
    answer = appliance.session.get(appliance.url + "/v1/commands", timeout=60,
                                   headers=desk.bearer(device))
    assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
    postgres_server.start()
    answers = []

    def taken():
        answers.append(desk.post("/v1/action-result", body, desk.bearer(device)))
        return answers[-1].status_code != 503

    wait_until(taken, "the result to be taken")
    assert answers[-1].status_code == 200 and answers[-1].json()["state"] == "done"
