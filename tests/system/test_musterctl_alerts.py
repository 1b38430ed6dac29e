# SPDX-License-Identifier: Apache-2.0
"""musterctl's alerts and monitoring, as a person or a script uses them."""
import pytest

from test_musterctl import Ctl

pytestmark = pytest.mark.one_thread

OPTIONS = ("--accounts-bcrypt-cost", "4", "--limits-general-max", "0",
           "--limits-general-burst", "0")
INCIDENT, ALERT = 10_000_001, 10_000_002  # far above the alert thread's own


@pytest.fixture
def ctl(daemon, bin_dir, scratch):
    made = Ctl(daemon, bin_dir / "musterctl", scratch)
    made.sign_in()
    return made


@pytest.fixture(scope="module")
def stands(daemon):
    """A device with an incident of one alert."""
    device = daemon.register("till 7")
    daemon.sql("INSERT INTO alert_incidents (id, opened_at, updated_at, device_id, alert_count,"
               " firing_count, kind, rule, severity)"
               " VALUES (%s, now(), now(), %s, 1, 1, 'device', 'queue_depth', 'warning')",
               INCIDENT, int(device["device_id"]))
    daemon.sql("INSERT INTO alerts (id, device_id, incident_id, pending_at, fired_at, value,"
               " threshold, episode, state, rule, severity) VALUES (%s, %s, %s, now(), now(), 140,"
               " 100, 1, 'firing', 'queue_depth', 'warning')",
               ALERT, int(device["device_id"]), INCIDENT)
    return device["device_id"]


def test_alerts_and_incidents(ctl, stands):
    table = ctl("alerts", "list", "--device", stands, "--rule", "queue_depth").stdout
    assert "till 7" in table and "140" in table and "warning" in table
    listed = ctl.json("alerts", "list", "--state", "firing", "--severity", "warning")
    assert str(ALERT) in {alert["id"] for alert in listed["alerts"]}
    assert ctl.json("alerts", "show", str(ALERT))["title"] == "Reports pile up on the device"
    assert ctl.json("alerts", "summary")["firing"] >= 1
    assert "firing" in ctl("alerts", "summary").stdout
    assert "till 7" in ctl("alerts", "incidents", "--search", "TILL").stdout
    shown = ctl.json("alerts", "incident", str(INCIDENT))
    assert shown["alerts"][0]["id"] == str(ALERT)
    assert "status 404" in ctl("alerts", "show", "999", expect=1).stderr


def test_what_people_say_of_one(ctl, stands):
    acked = ctl.json("alerts", "ack", str(INCIDENT), "--note", "I go and look")
    assert acked["acked_by"] == "admin" and acked["ack_note"] == "I go and look"
    ctl("alerts", "note", str(INCIDENT), "The cable was loose.")
    assert ctl.json("alerts", "unack", str(INCIDENT))["acked_at"] is None
    thread = ctl("alerts", "thread", str(INCIDENT)).stdout
    assert "cable was loose" in thread and "user:admin" in thread and "unacked" in thread
    assert "needs TEXT" in ctl("alerts", "note", str(INCIDENT), expect=2).stderr


def test_rules(ctl, stands):
    assert "low_battery" in ctl("alerts", "rules").stdout
    ctl("alerts", "set-rule", "low_battery", "--threshold", "12", "--clear-at", "25", "--hold",
        "2m", "--severity", "critical")
    row = next(row for row in ctl.json("alerts", "rules")["rules"] if row["rule"] == "low_battery")
    assert row["effective"]["threshold"] == 12 and row["effective"]["hold_s"] == 120
    ctl("alerts", "set-rule", "low_battery", "--threshold", "default", "--clear-at", "default")
    row = next(row for row in ctl.json("alerts", "rules")["rules"] if row["rule"] == "low_battery")
    assert row["effective"]["threshold"] == 15 and row["fleet"]["hold_s"] == 120
    ctl("alerts", "override-tag", "low_battery", "kiosk 2", "--threshold", "30", "--priority", "4")
    ctl("alerts", "override-device", "low_battery", stands, "--enabled", "no")
    overrides = ctl.json("alerts", "overrides", "low_battery")
    assert overrides["tags"][0]["tag"] == "kiosk 2"
    assert overrides["devices"][0]["values"]["enabled"] is False
    assert "low_battery" in ctl("alerts", "device-rules", stands).stdout
    ctl("alerts", "drop-tag", "low_battery", "kiosk 2")
    ctl("alerts", "drop-device", "low_battery", stands)
    assert ctl.json("alerts", "overrides", "low_battery")["tags"] == []
    wrong = ctl("alerts", "set-rule", "offline", "--threshold", "5", expect=1)
    assert "from 60 to 86400 seconds" in wrong.stderr
    assert "yes, no or default" in ctl("alerts", "set-rule", "offline", "--enabled", "maybe",
                                       expect=2).stderr


def test_channels(ctl, scratch):
    file = scratch / "url"
    file.write_text("http://127.0.0.1:1/hooks/quite-secret\n")
    made = ctl.json("alerts", "add-webhook", "Bridge", "--url-file", file, "--allow-private",
                    "--severity", "warning", "--rule", "offline", "--rule", "disk")
    channel = made["channel"]["id"]
    assert made["signing_secret"].startswith("whsec_")
    assert made["channel"]["rules"] == ["disk", "offline"]
    discord = ctl.json("alerts", "add-discord", "Ops", "--url-file", "-", "--mode", "digest",
                       text="https://discord.com/api/webhooks/123/quite-secret\n")
    mail = ctl.json("alerts", "add-email", "Mail", "--to", "a@example.org", "--to",
                    "b@example.org")
    assert mail["channel"]["to"] == ["a@example.org", "b@example.org"]
    table = ctl("alerts", "channels").stdout
    assert "Bridge" in table and "discord.com" in table and "quite-secret" not in table
    failed = ctl("alerts", "test", channel, expect=5)
    assert "could not be sent" in failed.stderr and "quite-secret" not in failed.stderr
    assert "failed" in ctl("alerts", "told", "--channel", channel).stdout
    rotated = ctl.json("alerts", "rotate-secret", channel)
    assert rotated["signing_secret"].startswith("whsec_") and rotated["old_valid_until"]
    ctl("alerts", "set-channel", channel, "--enabled", "no", "--name", "Bridge 2")
    assert ctl.json("alerts", "channel", channel)["enabled"] is False
    assert "--yes" in ctl("alerts", "remove-channel", channel, expect=1, text="").stderr
    for made_channel in (channel, discord["channel"]["id"], mail["channel"]["id"]):
        ctl("alerts", "remove-channel", made_channel, "--yes")
    assert ctl.json("alerts", "channels")["channels"] == []
    # A URL is no argument of any process: --url is where the appliance is.
    assert "needs --url-file" in ctl("alerts", "add-webhook", "x", "--url", "https://x.example",
                                        expect=2).stderr


def test_own_mails(ctl):
    refused = ctl("alerts", "subscribe", "--mode", "digest", expect=1)
    assert "no e-mail address" in refused.stderr
    ctl("alerts", "unsubscribe")
    none = ctl.json("alerts", "subscription")
    assert (none["mode"], none["updated_at"]) == ("none", None)


def test_silences(ctl, stands):
    made = ctl.json("alerts", "silence", "--device", stands, "--rule", "offline", "--for", "2h",
                    "--comment", "moving house")
    assert made["state"] == "active"
    assert "moving house" in ctl("alerts", "silences").stdout
    assert ctl.json("alerts", "unsilence", made["id"])["state"] == "past"
    assert "Say what is silenced" in ctl("alerts", "silence", "--for", "1h", expect=1).stderr
    every = ctl.json("alerts", "silence", "--everything", "--for", "1h")
    ctl("alerts", "unsilence", every["id"])


def test_monitoring(ctl, stands):
    changed = ctl.json("monitoring", "set", stands, "--package", "com.example.till", "--name",
                       "Till", "--threshold-min", "3", "--auto-remediate", "yes")
    assert changed["command_id"] and changed["auto_remediate"] is True
    assert "com.example.till" in ctl("monitoring", "show", stands).stdout
    wrong = ctl("monitoring", "set", stands, "--threshold-min", "121", expect=1)
    assert "from 1 to 120" in wrong.stderr
    ctl("monitoring", "set-fleet", "--threshold-min", "30")
    assert ctl.json("monitoring", "show-fleet")["threshold_min"] == 30
    ctl("monitoring", "set", stands, "--threshold-min", "default")
    assert ctl.json("monitoring", "show", stands)["threshold_min"] == 30
    reset = ctl.json("monitoring", "reset", stands)
    assert reset["package"] is None and len(reset["from_fleet"]) == 6
    ctl("monitoring", "set-fleet", "--threshold-min", "default")


def test_help(ctl):
    assert "alerts add-discord" in ctl("alerts", "--help").stdout
    assert "--clear-at N|yes|no|default" in ctl("alerts", "set-rule", "--help").stdout
