# SPDX-License-Identifier: Apache-2.0
"""FCM against a stand-in for Google that checks what it gets."""
import re
import time

import pytest

from driver import Driver
from doubles.fcm_double import (FcmDouble, Answer, cut, failure, hang, internal, invalid, mismatch,
                                sent, third_party, throttled, unauthenticated, unavailable,
                                unregistered)

TTL_S = 600


@pytest.fixture
def google():
    with FcmDouble() as double:
        yield double
        assert double.violations == []


def config(google, path, **more):
    return {"service_account": str(google.write_service_account(path)),
            "endpoint": google.endpoint, "backoff_base_ms": 5, "backoff_cap_ms": 20, **more}


def drive(google, path, **more):
    return Driver(fcm=config(google, path, **more))


def send(driver, number, token="T", ttl_s=TTL_S, data=None, **more):
    driver.tell(do="fcm", id=number, token=token, ttl_s=ttl_s,
                data={"command": "7"} if data is None else data, **more)
    return driver


def outcomes(reports):
    return [report["outcome"] for report in reports]


def test_a_message_as_google_documents_it(google, tmp_path):
    with drive(google, tmp_path) as driver:
        send(driver, 1, "tok:en-1_%", data={"id": "42", "payload": '{"ä":"\\u0000"}', "empty": ""},
             collapse="commands")
        report, = driver.final("fcm", 1)
        assert (report["outcome"], report["attempt"], report["status"]) == ("sent", 1, 200)
        assert re.fullmatch(r"projects/muster-test/messages/\w+", report["message_id"])
        assert report["error"] == "" and report["code"] == ""
        message = google.messages[0]["message"]
        ttl = message["android"].pop("ttl")
        assert TTL_S - 100 <= int(ttl[:-1]) <= TTL_S and ttl.endswith("s")
        assert message == {"token": "tok:en-1_%",
                           "data": {"id": "42", "payload": '{"ä":"\\u0000"}', "empty": ""},
                           "android": {"priority": "HIGH", "collapse_key": "commands"}}
        metrics = driver.metrics()
        assert metrics['muster_outbound_requests_total{service="fcm",result="ok"}'] == 1
        assert metrics['muster_outbound_requests_total{service="oauth",result="ok"}'] == 1
        assert metrics['muster_fcm_reports_total{outcome="sent"}'] == 1
        assert metrics['muster_outbound_request_duration_seconds_count{service="fcm"}'] == 1


def test_one_access_token_for_all(google, tmp_path):
    with drive(google, tmp_path) as driver:
        for number in range(20):
            send(driver, number, f"T{number}")
        for number in range(20):
            assert outcomes(driver.final("fcm", number)) == ["sent"]
    assert google.token_requests == 1 and len(google.assertions) == 1


@pytest.mark.parametrize("answer, outcome, status, code", [
    (unregistered(), "unregistered", 404, "UNREGISTERED"),
    (failure(404, "NOT_FOUND"), "refused", 404, "NOT_FOUND"),
    (failure(400, "INVALID_ARGUMENT", "UNREGISTERED"), "refused", 400, "UNREGISTERED"),
    (invalid(), "refused", 400, "INVALID_ARGUMENT"),
    (mismatch(), "refused", 403, "SENDER_ID_MISMATCH"),
    (third_party(), "refused", 401, "THIRD_PARTY_AUTH_ERROR"),
    (Answer(302, b"", {"Location": "http://127.0.0.1:1/"}), "refused", 302, ""),
    (Answer(404, b"<html>not found"), "refused", 404, ""),
])
def test_answers_that_are_final(google, tmp_path, answer, outcome, status, code):
    google.answer("T", answer)
    with drive(google, tmp_path) as driver:
        report, = send(driver, 1).final("fcm", 1)
        assert (report["outcome"], report["status"], report["code"]) == (outcome, status, code)
        assert report["error"].startswith(f"FCM answered {status}")
        assert outcomes(send(driver, 2).final("fcm", 2)) == ["sent"]


@pytest.mark.parametrize("answer, status, code", [
    (internal(), 500, "INTERNAL"),
    (unavailable(), 503, "UNAVAILABLE"),
    (Answer(502, b"<html>bad gateway"), 502, ""),
    (Answer(408, b""), 408, ""),
    (throttled(0, whose="Device"), 429, "QUOTA_EXCEEDED"),
    (throttled(0), 429, "QUOTA_EXCEEDED"),
])
def test_answers_that_are_tried_again(google, tmp_path, answer, status, code):
    google.answer("T", answer, answer)
    with drive(google, tmp_path) as driver:
        reports = send(driver, 1).final("fcm", 1)
    assert outcomes(reports) == ["will_retry", "will_retry", "sent"]
    assert [r["attempt"] for r in reports] == [1, 2, 3]
    assert [(r["status"], r["code"]) for r in reports[:2]] == [(status, code)] * 2
    assert all(r["error"] for r in reports[:2]) and all(r["retry_in_ms"] <= 25 for r in reports)


def test_a_cut_connection_is_tried_again(google, tmp_path):
    # Once by libcurl itself, when it was a kept connection.
    google.answer("T", cut(), cut(), cut())
    with drive(google, tmp_path) as driver:
        reports = send(driver, 1).final("fcm", 1)
    assert outcomes(reports)[-1] == "sent" and len(reports) > 1
    assert {(r["outcome"], r["status"]) for r in reports[:-1]} == {("will_retry", 0)}
    assert all(r["error"].startswith(google.endpoint + ": ") for r in reports[:-1])


def test_retry_after_is_kept_to(google, tmp_path):
    google.answer("T", unavailable(retry_after=2))
    with drive(google, tmp_path) as driver:
        first, second = send(driver, 1).final("fcm", 1)
    assert first["retry_in_ms"] == 2000 and second["outcome"] == "sent"
    assert google.messages[1]["at"] - google.messages[0]["at"] >= 1.9


def test_attempts_are_bounded(google, tmp_path):
    google.answer_always(internal())
    with drive(google, tmp_path, attempts_max=4) as driver:
        reports = send(driver, 1).final("fcm", 1)
    assert outcomes(reports) == ["will_retry"] * 3 + ["gave_up"]
    assert reports[-1]["attempt"] == 4


def test_nothing_is_tried_past_its_ttl(google, tmp_path):
    google.answer("T", unavailable(retry_after=60))
    with drive(google, tmp_path) as driver:
        report, = send(driver, 1, ttl_s=30).final("fcm", 1)
    assert (report["outcome"], report["status"]) == ("gave_up", 503)


def test_without_a_token_a_message_ends_with_its_ttl(google, tmp_path):
    google.answer_token(internal(), times=100000)
    with drive(google, tmp_path) as driver:
        report, = send(driver, 1, ttl_s=1).final("fcm", 1)
        assert (report["outcome"], report["attempt"]) == ("gave_up", 0)
        assert "time to live" in report["error"]
        assert "Google answered 500" in driver.wait("trouble")["detail"]
    assert google.messages == []


def test_a_hanging_server_is_left(google, tmp_path):
    google.answer("T", hang())
    with drive(google, tmp_path, timeout_ms=1500) as driver:
        first, second = send(driver, 1).final("fcm", 1)
    assert (first["outcome"], first["status"]) == ("will_retry", 0)
    assert second["outcome"] == "sent"


def test_a_project_s_quota_holds_all_back(google, tmp_path):
    google.answer("first", throttled(2))
    with drive(google, tmp_path) as driver:
        report = send(driver, 1, "first").wait("fcm", id=1)
        assert report["outcome"] == "will_retry" and 2000 <= report["retry_in_ms"] <= 2200
        for number in range(2, 10):
            send(driver, number, f"T{number}")
        assert driver.metrics()["muster_fcm_paused"] == 1
        for number in range(1, 10):
            assert driver.final("fcm", number)[-1]["outcome"] == "sent"
        assert driver.metrics()["muster_fcm_paused"] == 0
        assert "too much" in driver.wait("trouble")["detail"]
    arrived = [m["at"] for m in google.messages]
    assert len(arrived) == 10 and arrived[1] - arrived[0] >= 1.9


def test_a_device_s_quota_holds_only_it_back(google, tmp_path):
    google.answer("slow", throttled(3, whose="Device"))
    with drive(google, tmp_path) as driver:
        assert send(driver, 1, "slow").wait("fcm", id=1)["outcome"] == "will_retry"
        send(driver, 2, "other")
        assert outcomes(driver.final("fcm", 2)) == ["sent"]
        assert outcomes(driver.final("fcm", 1)) == ["sent"]
    assert [m["message"]["token"] for m in google.messages] == ["slow", "other", "slow"]


def test_a_quota_without_retry_after_is_a_minute(google, tmp_path):
    google.answer("T", throttled())
    with drive(google, tmp_path) as driver:
        report = send(driver, 1).wait("fcm", id=1)
        assert 60000 <= report["retry_in_ms"] <= 66000
        driver.tell(do="stop", deadline_ms=20000)
        assert driver.wait("fcm", id=1)["outcome"] == "cancelled"


# ---- access tokens ----

def test_a_401_drops_the_token_and_tries_once_more(google, tmp_path):
    with drive(google, tmp_path) as driver:
        assert outcomes(send(driver, 1).final("fcm", 1)) == ["sent"]
        google.revoke_access()
        reports = send(driver, 2).final("fcm", 2)
        assert outcomes(reports) == ["will_retry", "sent"]
        assert reports[0]["status"] == 401
    assert google.token_requests == 2


def test_many_401_make_one_new_token(google, tmp_path):
    with drive(google, tmp_path) as driver:
        assert outcomes(send(driver, 999).final("fcm", 999)) == ["sent"]
        google.revoke_access()
        for number in range(30):
            send(driver, number, f"T{number}")
        for number in range(30):
            assert driver.final("fcm", number)[-1]["outcome"] == "sent"
    assert google.token_requests == 2


def test_a_second_401_is_final(google, tmp_path):
    google.answer("T", unauthenticated(), unauthenticated())
    with drive(google, tmp_path) as driver:
        reports = send(driver, 1).final("fcm", 1)
        assert outcomes(reports) == ["will_retry", "refused"]
        assert outcomes(send(driver, 2, "other").final("fcm", 2)) == ["sent"]
    assert google.token_requests == 3


def test_a_refused_account_is_said_and_ends_what_waits(google, tmp_path):
    google.answer_token(Answer(400, {"error": "invalid_grant",
                                     "error_description": "Invalid JWT Signature."}))
    driver = Driver(fcm=config(google, tmp_path), held=True)
    with driver:
        send(driver, 1)
        driver.tell(do="start")
        report, = driver.final("fcm", 1)
        assert (report["outcome"], report["attempt"]) == ("gave_up", 0)
        assert report["error"] == ("No access token for FCM: Google answered 400 invalid_grant: "
                                   "Invalid JWT Signature.")
        assert driver.wait("trouble", service="fcm")["detail"] == report["error"]
        assert driver.metrics()['muster_fcm_access_tokens_total{result="failed"}'] == 1


@pytest.mark.parametrize("answer", [
    internal(), cut(), Answer(200, b"{}"), Answer(200, b"<html>"),
    Answer(200, {"access_token": "a b", "expires_in": 3600}),
    Answer(200, {"access_token": "x" * 5000, "expires_in": 3600})])
def test_fetching_a_token_is_tried_again(google, tmp_path, answer):
    google.answer_token(answer, times=2)
    with drive(google, tmp_path) as driver:
        assert outcomes(send(driver, 1).final("fcm", 1)) == ["sent"]
    assert google.token_requests == 3


def test_messages_wait_for_the_token(google, tmp_path):
    google.answer_token(unavailable(retry_after=1))
    with drive(google, tmp_path) as driver:
        for number in range(5):
            send(driver, number, f"T{number}")
        for number in range(5):
            assert outcomes(driver.final("fcm", number)) == ["sent"]
    assert google.token_requests == 2


def test_a_token_is_fetched_anew_before_it_ends(google, tmp_path):
    google.token_life_s = 4
    with drive(google, tmp_path):
        google.wait_token_requests(3)
    assert [claims["aud"] for claims in google.assertions[:3]] == [google.token_uri] * 3


def test_the_token_uri_can_be_another(google, tmp_path):
    account = google.service_account()
    account["token_uri"] = "https://oauth2.example.org/token"
    google.service_account = lambda: account
    with drive(google, tmp_path, token_uri=google.token_uri) as driver:
        assert outcomes(send(driver, 1).final("fcm", 1)) == ["sent"]


# ---- what is refused, bounds, stop ----

EINVAL, EAGAIN, EMSGSIZE, ESHUTDOWN = 22, 11, 90, 108


@pytest.mark.parametrize("message, code", [
    ({"token": ""}, EINVAL),
    ({"token": "a b"}, EINVAL),
    ({"token": "a\nb"}, EINVAL),
    ({"token": "x" * 4097}, EINVAL),
    ({"ttl_s": 0}, EINVAL),
    ({"ttl_s": 28 * 86400 + 1}, EINVAL),
    ({"collapse": "x" * 65}, EINVAL),
    ({"data": {"from": "x"}}, EINVAL),
    ({"data": {"message_type": "x"}}, EINVAL),
    ({"data": {"google.x": "x"}}, EINVAL),
    ({"data": {"gcmx": "x"}}, EINVAL),
    ({"data": {"": "x"}}, EINVAL),
    ({"data": {"key": "x" * 4094}}, EMSGSIZE),
    ({"data": {str(n): "x" for n in range(65)}}, EMSGSIZE),
])
def test_messages_that_fcm_would_not_take(google, tmp_path, message, code):
    with drive(google, tmp_path) as driver:
        send(driver, 1, **message)
        assert driver.wait("refused", id=1)["code"] == code
    assert google.messages == []


def test_the_largest_message(google, tmp_path):
    with drive(google, tmp_path) as driver:
        send(driver, 1, data={"key": "ä" * 2046 + "x"})
        assert outcomes(driver.final("fcm", 1)) == ["sent"]


def test_what_is_in_hand_is_bounded(google, tmp_path):
    google.answer_token(internal(), times=100000)
    with drive(google, tmp_path, messages_max=3) as driver:
        for number in range(5):
            send(driver, number)
        assert driver.wait("refused", id=3)["code"] == EAGAIN
        assert driver.wait("refused", id=4)["code"] == EAGAIN
        assert driver.metrics()[
            'muster_outbound_requests_total{service="fcm",result="queue_full"}'] == 2
        driver.tell(do="stop", deadline_ms=0)
        for number in range(3):
            assert outcomes(driver.final("fcm", number)) == ["cancelled"]


def test_thousands_from_several_threads(google, tmp_path):
    for number in range(0, 2000, 10):
        google.answer(f"device-{number}", *[internal()] * (number // 10 % 3))
    with drive(google, tmp_path) as driver:
        driver.tell(do="flood", count=500, threads=4, ttl_s=TTL_S, data={"command": "1"})
        for number in range(2000):
            assert driver.final("fcm", number)[-1]["outcome"] == "sent"
        assert driver.metrics()["muster_fcm_in_hand"] == 0
    taken = [m["message"]["token"] for m in google.messages if m["answer"].status == 200]
    assert sorted(taken) == sorted(f"device-{number}" for number in range(2000))


def test_an_away_service_is_left_alone_and_found_again(google, tmp_path):
    google.answer_next(internal(), times=5)
    with drive(google, tmp_path) as driver:
        assert outcomes(send(driver, 1).final("fcm", 1)) == ["will_retry"] * 5 + ["sent"]
        assert driver.metrics()['muster_outbound_breaker_opened_total{service="fcm"}'] == 1
        assert "one after the other" in driver.wait("trouble", service="fcm")["detail"]
    arrived = [m["at"] for m in google.messages]
    assert arrived[5] - arrived[4] >= 0.9


def test_stop_finishes_what_is_under_way(google, tmp_path):
    with drive(google, tmp_path) as driver:
        driver.tell(do="flood", count=200, threads=1, ttl_s=TTL_S, data={})
        driver.tell(do="stop", deadline_ms=60000)
        driver.wait("stopped")
        last = [driver.final("fcm", number) for number in range(200)]
        assert all(outcomes(reports) == ["sent"] for reports in last)
        send(driver, 1000)
        assert driver.wait("refused", id=1000)["code"] == ESHUTDOWN


def test_stop_cancels_what_does_not_end(google, tmp_path):
    google.answer("hangs", hang())
    google.answer("waits", unavailable(retry_after=300))
    with drive(google, tmp_path) as driver:
        send(driver, 1, "hangs")
        send(driver, 2, "waits")
        assert driver.wait("fcm", id=2)["outcome"] == "will_retry"
        google.wait_messages(2)
        driver.tell(do="stop", deadline_ms=200)
        assert outcomes(driver.final("fcm", 1)) == ["cancelled"]
        assert outcomes(driver.final("fcm", 2)) == ["cancelled"]
        driver.wait("stopped")


def test_never_started_all_are_cancelled(google, tmp_path):
    driver = Driver(fcm=config(google, tmp_path), held=True)
    with driver:
        send(driver, 1)
        driver.tell(do="stop", deadline_ms=1000)
        assert outcomes(driver.final("fcm", 1)) == ["cancelled"]
    assert google.token_requests == 0


def test_no_secret_is_told(google, tmp_path):
    google.answer_token(internal())
    google.answer("T", internal(), cut(), failure(403, "PERMISSION_DENIED"))
    driver = drive(google, tmp_path)
    with driver:
        reports = send(driver, 1).final("fcm", 1)
    told = str(reports) + str(driver.kept) + driver.errors
    assert "ya29" not in told and "assertion" not in told and "BEGIN" not in told


def test_a_wrong_endpoint_is_a_sentence(google, tmp_path):
    driver = drive(google, tmp_path, endpoint="http://fcm.example.org")
    assert driver.created["code"] == EINVAL and "fcm.endpoint" in driver.created["error"]
    driver.close()
    driver = drive(google, tmp_path, token_uri="http://fcm.example.org")
    assert driver.created["code"] == EINVAL and "fcm.token_uri" in driver.created["error"]
    driver.close()


def test_the_clock_of_the_assertion(google, tmp_path):
    with drive(google, tmp_path) as driver:
        send(driver, 1).final("fcm", 1)
    claims, = google.assertions
    assert claims["exp"] - claims["iat"] == 3600 and abs(claims["iat"] - time.time()) < 120
    assert google.messages[0]["answer"].status == sent().status
