# SPDX-License-Identifier: Apache-2.0
"""What musterd does with the settings of mail and FCM, before any feature uses them."""
import subprocess

import pytest

from appliance import wait_until
from doubles.fcm_double import Answer, FcmDouble, unavailable
from doubles.smtp_double import SmtpDouble


FETCHED = 'muster_fcm_access_tokens_total{result="ok"}'
FAILED = 'muster_fcm_access_tokens_total{result="failed"}'


@pytest.fixture
def google():
    with FcmDouble() as double:
        yield double
        assert double.violations == []


def refused_start(bin_dir, data_dir, *options):
    """Exit code and what it said."""
    done = subprocess.run([bin_dir / "musterd", "--data-dir", data_dir, "--port", "0",
                           "--http-port", "0", *options], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return done.returncode, done.stdout


def test_without_settings_nothing_is_sent(appliance):
    assert not [name for name in appliance.metrics() if name.startswith("muster_outbound")
                and ("fcm" in name or "smtp" in name)]


@pytest.mark.release
def test_the_access_token_is_fetched_at_start_and_kept_fresh(make_appliance, scratch, google):
    google.token_life_s = 4
    appliance = make_appliance(options=google.options(scratch)).spawn()
    google.wait_token_requests(3)
    wait_until(lambda: appliance.metrics()[FETCHED] >= 3, "the tokens to be counted")
    assert google.assertions[0]["iss"] == google.client_email
    assert appliance.terminate() == 0


def test_google_away_does_not_keep_the_daemon_from_serving(make_appliance, scratch, google):
    google.answer_token(unavailable(), times=2)
    appliance = make_appliance(options=google.options(scratch)).start()
    wait_until(lambda: appliance.metrics()[FETCHED] == 1, "the token")
    assert appliance.metrics()[FAILED] == 2
    assert any("Google answered 503" in line["detail"]
               for line in appliance.log_events("outbound.trouble"))


def test_a_revoked_account_is_in_the_log(make_appliance, scratch, google):
    google.answer_token(Answer(400, {"error": "invalid_grant",
                                     "error_description": "Invalid JWT Signature."}), times=10)
    appliance = make_appliance(options=google.options(scratch)).spawn()
    line, = wait_until(lambda: appliance.log_events("outbound.trouble"), "the log line")
    assert line["service"] == "fcm" and line["level"] == "warning"
    assert line["detail"] == ("No access token for FCM: Google answered 400 invalid_grant: "
                              "Invalid JWT Signature.")


def test_a_bad_service_account_stops_the_start(bin_dir, scratch, google):
    account = google.write_service_account(scratch)
    whole = account.read_text()
    for content, word in ((whole.replace('"client_email"', '"mail"'), "client_email"),
                          (whole.replace("MII", "AAA", 1), "private_key"), ("{", "JSON")):
        account.write_text(content)
        code, said = refused_start(bin_dir, scratch / "data", "--fcm-service-account", account)
        assert code != 0 and str(account) in said and word in said
        assert "BEGIN" not in said
    code, said = refused_start(bin_dir, scratch / "data", "--fcm-service-account", "/nowhere/key")
    assert code != 0 and "/nowhere/key" in said


def test_wrong_mail_settings_stop_the_start(bin_dir, scratch):
    for options, word in ((["--smtp-url", "mail.example.org"], "smtp.url"),
                          (["--smtp-url", "smtp://mail.example.org:587"], "smtp.from"),
                          (["--smtp-url", "smtp://mail.example.org:587", "--smtp-from", "a@b.c",
                            "--smtp-starttls", "never"], "smtp.starttls"),
                          (["--outbound-ca-file", "/nowhere/ca.pem"], "/nowhere/ca.pem")):
        code, said = refused_start(bin_dir, scratch / "data", *options)
        assert code != 0 and word in said


def test_mail_settings_are_taken(make_appliance):
    with SmtpDouble() as smtp:
        appliance = make_appliance(options=smtp.options()).spawn()
        wait_until(lambda: 'muster_outbound_breaker_state{service="smtp"}' in appliance.metrics(),
                   "the mail service to be there")
        assert appliance.terminate() == 0
