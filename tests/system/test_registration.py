# SPDX-License-Identifier: Apache-2.0
"""Enrolment as a device and its administrator see it: POST /v1/register, enrolment tokens,
deletion."""
import base64
import concurrent.futures
import json
import time

import pytest

from appliance import wait_until
from rawhttp import Raw, ask, bearer, heartbeat, post

pytestmark = pytest.mark.release

OTHER_ADDRESS = "127.0.0.2"  # failures are counted per address: these do not touch the other tests


@pytest.fixture(scope="module")
def enrol(daemon):
    """enrol(**body) → (id, headers) of a fresh enrolment token."""
    def create(**body):
        answer = daemon.session.post(daemon.url + "/admin/enrolment-tokens", json=body, timeout=15,
                                     headers=daemon.admin_headers())
        assert answer.status_code == 201, answer.text
        return answer.json()["id"], {"X-Enrolment-Token": answer.json()["token"]}
    return create


def delete(daemon, device_id, path="/admin/devices"):
    return daemon.session.delete(f"{daemon.url}{path}/{device_id}", headers=daemon.admin_headers(),
                                 timeout=15).status_code


def uses(daemon, token_id):
    return daemon.sql("SELECT uses FROM enrolment_tokens WHERE id = %s", int(token_id))[0][0]


def ago(seconds):
    return time.time() - seconds


def test_what_a_registration_brings(daemon):
    device = daemon.register("büro-1", hardware_id="hw-first", agent_version="1.0", fcm_token="f:1")
    assert set(device) == {"device_id", "token", "hmac", "heartbeat_interval_s",
                           "next_heartbeat_in_s"}
    assert isinstance(device["device_id"], str) and int(device["device_id"]) > 0
    assert device["token"].startswith("mu_") and len(device["token"]) >= 43
    assert len(base64.b64decode(device["hmac"]["key"])) == 32 and device["hmac"]["version"] == 1
    assert device["heartbeat_interval_s"] == 300 and device["next_heartbeat_in_s"] == 0
    assert daemon.sql("SELECT alias, kind, hardware_id, agent_version, fcm_token, enrolled_by FROM "
                      "devices"
                      " WHERE id = %s", int(device["device_id"])) == [
                          ("büro-1", "android", "hw-first", "1.0", "f:1", "admin-key")]
    other = daemon.register("desk", kind="desktop")
    assert other["token"] != device["token"] and other["hmac"]["key"] != device["hmac"]["key"]
    assert daemon.sql("SELECT actor FROM audit_log WHERE action = 'device.register' AND subject = "
                      "%s",
                      f"device:{device['device_id']}") == [("admin-key",)]


def test_tokens_are_stored_as_digests_only(daemon, enrol):
    _, headers = enrol()
    device = daemon.register("secret", headers=headers)
    for table in ("devices", "device_tokens", "enrolment_tokens", "enrolment_token_uses",
                  "audit_log"):
        text = str(daemon.sql(f"SELECT t::text FROM {table} t"))
        assert device["token"] not in text and headers["X-Enrolment-Token"] not in text, table


def test_old_admin_header_is_accepted_and_counted(daemon):
    before = daemon.metric("muster_old_admin_header_total")
    key = daemon.admin_headers()["X-Admin-Key"]
    daemon.register("old agent", headers={"X-Admin": key})
    assert daemon.metric("muster_old_admin_header_total") == before + 1
    daemon.register("new agent", headers={"X-Admin-Key": key})
    assert daemon.metric("muster_old_admin_header_total") == before + 1


def test_single_use_token(daemon, enrol):
    token_id, headers = enrol()
    daemon.register("first", headers=headers, hardware_id="single-1")
    assert uses(daemon, token_id) == 1
    refused = daemon.register("second", headers=headers, hardware_id="single-2", expect=403)
    assert refused["type"].endswith("enrolment-token-used-up") and refused["detail"]
    assert uses(daemon, token_id) == 1


def listed(daemon, **query):
    answer = daemon.session.get(daemon.url + "/admin/enrolment-tokens", params=query, timeout=15,
                                headers=daemon.admin_headers())
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_tokens_are_listed_with_what_became_of_them(daemon, enrol):
    first, headers = enrol(max_uses=2, note="the shop in Wien")
    second, _ = enrol(expires_in_s=60)
    device = daemon.register("till", headers=headers, hardware_id="listed-1")
    daemon.session.delete(f"{daemon.url}/admin/enrolment-tokens/{second}", timeout=15,
                          headers=daemon.admin_headers())
    newest, older = listed(daemon)["tokens"][:2]
    assert newest["id"] == second and newest["note"] is None and newest["uses"] == 0
    assert newest["revoked_at"] and newest["last_used_at"] is None is newest["last_device_id"]
    assert older["id"] == first and older["note"] == "the shop in Wien"
    assert (older["uses"], older["max_uses"], older["revoked_at"]) == (1, 2, None)
    assert older["last_device_id"] == device["device_id"] and older["last_used_at"]
    assert headers["X-Enrolment-Token"] not in str(listed(daemon))

    page = listed(daemon, limit=1)
    assert [token["id"] for token in page["tokens"]] == [second]
    assert page["next_before"] == second
    page = listed(daemon, limit=1, before=page["next_before"])
    assert [token["id"] for token in page["tokens"]] == [first]


def test_tokens_that_are_open_are_listed_apart_and_counted(daemon, enrol):
    before = listed(daemon, limit=1)
    open_before = {token["id"] for token in listed(daemon, state="open", limit=500)["tokens"]}
    assert before["open_count"] == len(open_before)
    fresh, _ = enrol()
    used, headers = enrol()
    daemon.register("till", headers=headers, hardware_id="open-1")
    expired, _ = enrol(expires_in_s=60)
    daemon.sql("UPDATE enrolment_tokens SET expires_at = now() - interval '1 second' WHERE id = %s",
               int(expired))
    revoked, _ = enrol()
    assert delete(daemon, revoked, "/admin/enrolment-tokens") == 204

    page = listed(daemon, state="open", limit=500)
    assert {token["id"] for token in page["tokens"]} == open_before | {fresh}
    assert (page["count"], page["open_count"]) == (before["count"] + 4, before["open_count"] + 1)
    everything = [token["id"] for token in listed(daemon, state="all", limit=4)["tokens"]]
    assert everything == [revoked, expired, used, fresh]


def test_the_list_says_how_agents_know_the_appliance(daemon):
    server = listed(daemon)["server"]
    facts = json.loads((daemon.data_dir / "run.json").read_text(encoding="utf-8"))
    assert server["tls_pin"] == facts["tls_pin"] and server["self_signed"] is True
    assert facts["https_url"].endswith(f":{server['https_port']}")


def test_limited_uses_hold_when_all_come_at_once(daemon, enrol):
    token_id, headers = enrol(max_uses=3)
    request = [ask_register(headers,
                            {"alias": f"a{i}", "kind": "android", "hardware_id": f"at-once-{i}"})
               for i in range(16)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda data: ask(daemon.url, data), request))
    assert sorted(answer.status for answer in answers) == [201] * 3 + [403] * 13
    assert len({answer.json()["device_id"] for answer in answers if answer.status == 201}) == 3
    assert uses(daemon, token_id) == 3


def ask_register(headers, body):
    return post("/v1/register", body, *(f"{name}: {value}" for name, value in headers.items()))


def test_one_hardware_id_at_once_is_one_device(daemon):
    data = ask_register(daemon.admin_headers(),
                        {"alias": "x", "kind": "android", "hardware_id": "racing"})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(daemon.url, data), range(8)))
    assert [answer.status for answer in answers] == [201] * 8
    assert len({answer.json()["device_id"] for answer in answers}) == 1
    assert len({answer.json()["token"] for answer in answers}) == 8


def test_expired_revoked_unknown(daemon, enrol):
    token_id, headers = enrol(expires_in_s=60)
    daemon.sql("UPDATE enrolment_tokens SET expires_at = now() - interval '1 second' WHERE id = %s",
               int(token_id))
    assert daemon.register(headers=headers, expect=403)["type"].endswith("enrolment-token-expired")

    token_id, headers = enrol(max_uses=5)
    daemon.register("in time", headers=headers)
    assert delete(daemon, token_id, "/admin/enrolment-tokens") == 204
    assert daemon.register(headers=headers, expect=403)["type"].endswith("enrolment-token-revoked")
    assert delete(daemon, token_id, "/admin/enrolment-tokens") == 204, "again is no harm"
    assert delete(daemon, 999999, "/admin/enrolment-tokens") == 404
    assert delete(daemon, "x", "/admin/enrolment-tokens") == 404

    unknown = {"X-Enrolment-Token": headers["X-Enrolment-Token"][:-1] + "!"}
    assert daemon.register(headers=unknown, expect=401)["type"].endswith("enrolment-token-unknown")
    assert daemon.register(headers={"X-Other": "1"},
                           expect=401)["type"].endswith("enrolment-token-missing")
    assert daemon.register(headers={"X-Admin-Key": "wrong"}, expect=401)["detail"]


def test_lost_reply(daemon, enrol):
    """Until the first authenticated request a repeat is the same registration."""
    token_id, headers = enrol()
    first = daemon.register("phone", headers=headers, hardware_id="lost-1")
    again = daemon.register("phone", headers=headers, hardware_id="lost-1")
    assert again["device_id"] == first["device_id"] and again["token"] != first["token"]
    assert again["hmac"] == first["hmac"]
    assert uses(daemon, token_id) == 1
    other_id, other = enrol()
    taken = daemon.register(headers=other, hardware_id="lost-1", expect=409)
    assert taken["type"].endswith("hardware-id-taken") and taken["field"] == "hardware_id"
    assert uses(daemon, other_id) == 0

    assert daemon.heartbeat(again["token"], ts=ago(60)).status_code == 202
    assert daemon.register("phone", headers=headers, hardware_id="lost-1",
                           expect=409)["field"] == "hardware_id"
    assert daemon.heartbeat(again["token"], ts=ago(90)).status_code == 202


def test_take_over_with_the_old_token(daemon, enrol):
    device = daemon.register("phone", hardware_id="mine")
    stranger = daemon.register("stranger")
    daemon.heartbeat(device["token"], ts=ago(60))
    token_id, headers = enrol()
    with_stranger = {**headers, "Authorization": f"Bearer {stranger['token']}"}
    daemon.register(headers=with_stranger, hardware_id="mine", expect=409)
    with_own = {**headers, "Authorization": f"Bearer {device['token']}"}
    again = daemon.register("phone", headers=with_own, hardware_id="mine")
    assert again["device_id"] == device["device_id"]
    assert uses(daemon, token_id) == 1
    assert daemon.register(headers=with_own, hardware_id="mine",
                           expect=403)["type"].endswith("used-up")


def test_replaced_token_lives_until_the_new_one_is_used(daemon):
    old = daemon.register("phone", hardware_id="replaced")
    assert daemon.heartbeat(old["token"], ts=ago(60)).status_code == 202
    new = daemon.register("phone", hardware_id="replaced")
    assert new["device_id"] == old["device_id"]
    assert daemon.heartbeat(old["token"], ts=ago(90)).status_code == 202
    assert daemon.heartbeat(new["token"], ts=ago(120)).status_code == 202
    assert daemon.heartbeat(old["token"], ts=ago(150)).status_code == 401
    assert daemon.heartbeat(new["token"], ts=ago(150)).status_code == 202


def test_deleted_device(daemon, enrol):
    device = daemon.register("gone", hardware_id="deleted-hw")
    assert daemon.heartbeat(device["token"], ts=ago(60)).status_code == 202
    assert delete(daemon, device["device_id"]) == 204
    gone = daemon.heartbeat(device["token"], ts=ago(90))
    assert gone.status_code == 410 and gone.json()["type"].endswith("device-deleted")
    assert daemon.heartbeats(device["token"], [{"ts": ago(90)}]).status_code == 410
    assert delete(daemon, device["device_id"]) == 204, "again is no harm"
    assert delete(daemon, 987654321) == 404
    _, headers = enrol()
    successor = daemon.register("back", headers=headers, hardware_id="deleted-hw")
    assert successor["device_id"] != device["device_id"]
    assert daemon.heartbeat(device["token"], ts=ago(90)).status_code == 410
    assert daemon.heartbeat(successor["token"], ts=ago(90)).status_code == 202
    assert daemon.sql("SELECT count(*) FROM audit_log WHERE action = 'device.delete' AND subject = "
                      "%s",
                      f"device:{device['device_id']}")[0][0] >= 1


def test_deleted_stays_deleted_after_a_restart(daemon):
    device = daemon.register("gone too")
    kept = daemon.register("kept", hardware_id="kept")
    assert daemon.heartbeat(kept["token"], ts=ago(60)).status_code == 202
    assert delete(daemon, device["device_id"]) == 204
    assert daemon.terminate() == 0
    daemon.start()
    assert daemon.heartbeat(device["token"]).status_code == 410
    assert daemon.heartbeat(kept["token"], ts=ago(90)).status_code == 202


def test_deletion_is_for_admins(daemon):
    device = daemon.register("kept")
    for headers in ([], [bearer(device["token"])], ["X-Admin-Key: wrong"]):
        request = f"DELETE /admin/devices/{device['device_id']} HTTP/1.1\r\nHost: x\r\n"
        data = (request + "".join(line + "\r\n" for line in headers) + "\r\n").encode()
        assert ask(daemon.url, data).status == 401
    assert daemon.heartbeat(device["token"]).status_code == 202


@pytest.mark.parametrize("body, status, field", [
    ({"kind": "android"}, 400, "alias"),
    ({"alias": "", "kind": "android"}, 400, "alias"),
    ({"alias": None, "kind": "android"}, 400, "alias"),
    ({"alias": 7, "kind": "android"}, 400, "alias"),
    ({"alias": "a" * 129, "kind": "android"}, 400, "alias"),
    ({"alias": "a\u0001", "kind": "android"}, 400, "alias"),
    ({"alias": "a\u0000b", "kind": "android"}, 400, "alias"),
    ({"alias": "a"}, 400, "kind"),
    ({"alias": "a", "kind": "toaster"}, 400, "kind"),
    ({"alias": "a", "kind": "android", "hardware_id": ""}, 400, "hardware_id"),
    ({"alias": "a", "kind": "android", "hardware_id": "h" * 129}, 400, "hardware_id"),
    ({"alias": "a", "kind": "android", "agent_version": "ä"}, 400, "agent_version"),
    ({"alias": "a", "kind": "android", "agent_version": "v" * 65}, 400, "agent_version"),
    ({"alias": "a", "kind": "android", "fcm_token": "f" * 4097}, 400, "fcm_token"),
    ({"alias": "a", "kind": "android", "fcm_token": "a b"}, 400, "fcm_token"),
    ({"alias": "a", "kind": "android", "colour": 1}, 400, "colour"),
    (b'{"alias":"a","kind":"android","alias":"b"}', 400, None),
    (b'{"alias":"a","kind":', 400, None),
    (b"[]", 400, None),
    (b"", 400, None),
    (b'{"alias":"\xff","kind":"android"}', 400, None),
])
def test_wrong_bodies(daemon, body, status, field):
    key = "X-Admin-Key: " + daemon.admin_headers()["X-Admin-Key"]
    before = daemon.sql("SELECT count(*) FROM devices")
    answer = ask(daemon.url, post("/v1/register", body, key))
    assert answer.status == status
    problem = answer.problem()
    assert problem.get("field") == field, problem
    if field:
        assert field in problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert daemon.sql("SELECT count(*) FROM devices") == before


def test_limits_of_good_bodies(daemon):
    device = daemon.register("ä" * 128, hardware_id="h" * 128, agent_version="v" * 64,
                             fcm_token="f" * 4096)
    assert daemon.sql("SELECT length(alias), length(fcm_token) FROM devices WHERE id = %s",
                      int(device["device_id"])) == [(128, 4096)]
    absent = daemon.register("absent", hardware_id=None, agent_version=None, fcm_token=None)
    assert daemon.sql("SELECT hardware_id, agent_version, fcm_token FROM devices WHERE id = %s",
                      int(absent["device_id"])) == [(None, None, None)]


@pytest.mark.parametrize("body, field", [
    ({"max_uses": 0}, "max_uses"), ({"max_uses": 1000001}, "max_uses"),
    ({"max_uses": "1"}, "max_uses"),
    ({"expires_in_s": 59}, "expires_in_s"), ({"expires_in_s": 31536001}, "expires_in_s"),
    ({"note": "n" * 257}, "note"), ({"uses": 1}, "uses"),
])
def test_wrong_enrolment_tokens(daemon, body, field):
    answer = daemon.session.post(daemon.url + "/admin/enrolment-tokens", json=body, timeout=15,
                                 headers=daemon.admin_headers())
    assert answer.status_code == 400 and answer.json()["field"] == field
    assert field in answer.json()["detail"]


def test_enrolment_token_defaults(daemon):
    answer = ask(daemon.url, post("/admin/enrolment-tokens", b"",
                                  "X-Admin-Key: " + daemon.admin_headers()["X-Admin-Key"]))
    assert answer.status == 201
    made = answer.json()
    assert (made["max_uses"] == 1 and made["expires_in_s"] == 86400
            and made["token"].startswith("me_"))


def test_unknown_token(daemon):
    answer = ask(daemon.url, heartbeat("mu_" + "A" * 43), source="127.0.0.3")
    assert answer.status == 401 and answer.problem()["type"].endswith("token-unknown")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    answer = ask(daemon.url, post("/v1/heartbeat", {"ts": 1}), source="127.0.0.3")
    assert answer.status == 401 and answer.problem()["type"].endswith("token-missing")
    answer = ask(daemon.url, post("/v1/heartbeat", {"ts": 1}, "Authorization: Basic YTpi"),
                 source="127.0.0.3")
    assert answer.status == 401
    device = daemon.register("case")
    lower = post("/v1/heartbeat", {"ts": ago(60)}, f"authorization: bearer {device['token']}")
    assert ask(daemon.url, lower, source="127.0.0.3").status == 202, \
        "the scheme's case does not matter"


def test_failures_are_limited_and_good_tokens_never(daemon):
    device = daemon.register("behind the same NAT")
    with Raw(daemon.url, source=OTHER_ADDRESS) as raw:
        statuses = []
        for i in range(80):
            raw.send(heartbeat("mu_" + "B" * 43))
            answer = raw.answer()
            statuses.append(answer.status)
            if answer.status == 429:
                assert int(answer.headers["retry-after"]) >= 1
                assert answer.problem()["type"].endswith("authentication-rate")
            if i % 10 == 9:
                raw.send(heartbeat(device["token"], {"ts": ago(60 + 10 * i)}))
                assert raw.answer().status == 202
        assert statuses[:60] == [401] * 60 and set(statuses[60:]) == {429}
        raw.send(ask_register({"X-Enrolment-Token": "me_wrong"}, {"alias": "a", "kind": "android"}))
        assert raw.answer().status == 429, "one count for all ways to fail"
        raw.send(ask_register(daemon.admin_headers(), {"alias": "a", "kind": "android"}))
        assert raw.answer().status == 201, "who has the key is not a guesser"
    assert ask(daemon.url, heartbeat("mu_" + "B" * 43), source="127.0.0.4").status == 401, \
        "only that address"
    wait_until(lambda: daemon.metric('muster_device_requests_refused_total{reason="rate_limited"}')
               >= 20,
               "the refusals to be counted")
