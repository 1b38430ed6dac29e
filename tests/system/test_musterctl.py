# SPDX-License-Identifier: Apache-2.0
"""musterctl as a person or a script uses it, against a real appliance."""
import json
import os
import subprocess
import threading

import pytest

pytestmark = [pytest.mark.one_thread, pytest.mark.release]


class Ctl:
    def __init__(self, daemon, binary, home):
        self.daemon = daemon
        self.binary = binary
        self.home = home
        self.session = home / "muster" / "session.json"

    def __call__(self, *words, expect=0, text=None):
        environment = {"PATH": os.environ["PATH"], "XDG_CONFIG_HOME": str(self.home)}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        done = subprocess.run([self.binary, *words], input=text, text=True, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
                              start_new_session=True)
        assert done.returncode == expect, (words, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *words, **options):
        return json.loads(self(*words, "--json", **options).stdout)

    def sign_in(self):
        password = self.daemon.data_dir / "secrets" / "admin-password"
        return self("login", "--url", self.daemon.url, "--password-file", password)


@pytest.fixture
def ctl(daemon, bin_dir, scratch):
    made = Ctl(daemon, bin_dir / "musterctl", scratch)
    made.sign_in()
    return made


def test_signing_in_and_out(daemon, bin_dir, scratch):
    ctl = Ctl(daemon, bin_dir / "musterctl", scratch)
    assert "not signed in" in ctl("whoami", "--url", daemon.url, expect=4).stderr
    wrong = scratch / "wrong"
    wrong.write_text("not the password\n")
    refused = ctl("login", "--url", daemon.url, "--password-file", wrong, expect=4)
    assert "status 401" in refused.stderr or "not signed in" in refused.stderr
    assert not ctl.session.exists()

    assert "Signed in" in ctl.sign_in().stdout
    assert ctl.session.stat().st_mode & 0o777 == 0o600
    assert ctl.json("whoami")["username"] == "admin"
    ctl("logout")
    assert not ctl.session.exists()
    ctl("whoami", expect=4)


def test_an_expired_access_token_is_renewed(ctl):
    kept = json.loads(ctl.session.read_text())
    kept["access_expires_s"] = 0
    ctl.session.write_text(json.dumps(kept))
    assert ctl.json("whoami")["username"] == "admin"
    renewed = json.loads(ctl.session.read_text())
    assert renewed["refresh_token"] != kept["refresh_token"]
    assert renewed["access_expires_s"] > 0


def test_a_session_that_was_ended_elsewhere(ctl, daemon):
    kept = json.loads(ctl.session.read_text())
    answer = daemon.session.post(daemon.url + "/api/auth/logout", timeout=30,
                                 headers={"Authorization": "Bearer " + kept["access_token"]})
    assert answer.status_code in (200, 204)
    assert "login" in ctl("whoami", expect=4).stderr


def test_own_certificate_is_trusted_once(daemon, bin_dir, scratch):
    url = daemon.run["https_url"]
    ctl = Ctl(daemon, bin_dir / "musterctl", scratch)
    password = daemon.data_dir / "secrets" / "admin-password"
    certificate = daemon.data_dir / "tls" / "tls.crt"
    printed = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in",
                              certificate], check=True, stdout=subprocess.PIPE, text=True).stdout
    fingerprint = printed.strip().split("=", 1)[1]

    # Nobody to ask: refused, and the password has not been sent.
    ctl("login", "--url", url, "--password-file", password, expect=3)
    wrong = ctl("login", "--url", url, "--password-file", password, "--fingerprint",
                "00" + fingerprint[2:], expect=3)
    assert fingerprint in wrong.stderr
    ctl("login", "--url", url, "--password-file", password, "--fingerprint", fingerprint)
    assert ctl.json("whoami")["username"] == "admin"

    # Another certificate there from now on.
    kept = json.loads(ctl.session.read_text())
    other = scratch / "other.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                    scratch / "other.key", "-out", other, "-days", "2", "-subj", "/CN=other"],
                   check=True, stderr=subprocess.DEVNULL)
    kept["certificate"] = other.read_text()
    ctl.session.write_text(json.dumps(kept))
    assert "another certificate" in ctl("whoami", expect=3).stderr


def test_devices(ctl, daemon, scratch):
    ids = [daemon.register(f"till {i}")["device_id"] for i in range(5)]
    odd = daemon.register("till \u202eno")  # what a terminal would obey
    daemon.heartbeat(odd["token"], ssid="\x1b[31mred\x9b0m")
    daemon.wait_stored(1)
    ctl("devices", "set", ids[0], "--site", "Köln", "--tag", "a", "--tag", "b", "--notes", "x")
    shown = ctl.json("devices", "show", ids[0])
    assert shown["site"] == "Köln" and shown["tags"] == ["a", "b"]

    listed = ctl.json("devices", "list", "--search", "till", "--sort", "alias")
    assert [row["id"] for row in listed["devices"]] == [*ids, odd["device_id"]]
    page = ctl("devices", "list", "--search", "till", "--limit", "2")
    assert len(page.stdout.splitlines()) == 3 and "--all" in page.stderr
    whole = ctl("devices", "list", "--search", "till", "--limit", "2", "--all")
    assert len(whole.stdout.splitlines()) == 7 and "Köln" in whole.stdout
    assert "\u202e" not in whole.stdout
    everything = ctl("devices", "show", odd["device_id"]).stdout
    assert "[31mred" in everything and "\x9b" not in everything and "\x1b" not in everything

    file = scratch / "devices.csv"
    ctl("devices", "export", "--output", file, "--search", "till")
    assert len(file.read_text().splitlines()) == 7
    assert "can't be made" in ctl("devices", "export", "--output", file, expect=2).stderr

    assert "--yes" in ctl("devices", "delete", ids[4], expect=1, text="").stderr
    ctl("devices", "delete", ids[4], "--yes")
    assert "status 404" in ctl("devices", "set", ids[4], "--site", "x", expect=1).stderr


def test_a_command_is_sent_and_waited_for(ctl, daemon):
    device = daemon.register("waited")
    token = {"Authorization": "Bearer " + device["token"]}
    sent = ctl.json("commands", "send", device["device_id"], "ping")
    assert sent["state"] == "queued"
    assert ctl.json("commands", "list", "--device", device["device_id"])["commands"][0]["id"] \
        == sent["id"]
    timed_out = ctl("commands", "wait", sent["id"], "--timeout", "0s", expect=6)
    assert "still queued" in timed_out.stderr

    waiter = threading.Thread(target=lambda: finished.append(
        ctl("commands", "wait", sent["id"], "--timeout", "2m", expect=6)))
    finished = []
    waiter.start()
    ctl("commands", "cancel", sent["id"])
    waiter.join(120)
    assert finished and "cancelled" in finished[0].stdout
    got = daemon.session.get(daemon.url + "/v1/commands", headers=token, timeout=30).json()
    assert got["commands"] == []


def test_other_credentials(ctl, daemon, scratch):
    made = ctl.json("tokens", "create", "reader", "--scope", "devices:read", "--expires", "1d")
    file = scratch / "token"
    file.write_text(made["token"] + "\n")
    assert "devices" in ctl.json("devices", "list", "--token-file", file)
    refused = ctl("users", "list", "--token-file", file, expect=1)
    assert "status 403" in refused.stderr
    key = daemon.data_dir / "secrets" / "admin-key"
    enrolled = ctl.json("enrol", "create", "--uses", "3", "--expires", "1h", "--admin-key-file",
                        key)
    assert enrolled["max_uses"] == 3 and enrolled["expires_in_s"] == 3600
    # No secret is an argument of any process.
    assert "MUSTER_TOKEN_FILE" in ctl("--help").stdout
    # Nothing runs into its explanation, however long it is.
    lines = ctl("monitoring", "set", "--help").stdout.splitlines()
    at = lines.index("  --threshold-min N|yes|no|default")
    assert lines[at + 1] == " " * 27 + "1 to 120 minutes."
    assert "  --package TEXT           Which." in lines


def test_users_and_audit(ctl, scratch):
    password = scratch / "password"
    password.write_text("a long enough phrase 71\n")
    ctl("users", "add", "vera", "--role", "viewer", "--password-file", password)
    names = {row["username"]: row for row in ctl.json("users", "list")["users"]}
    assert names["vera"]["role"] == "viewer"
    ctl("users", "remove", str(names["vera"]["id"]), "--yes")
    entries = ctl.json("audit", "list", "--action", "user.create")["entries"]
    assert entries and entries[0]["actor"] == "user:admin"
    assert ctl.json("audit", "verify")["ok"] is True


def test_any_request(ctl):
    assert ctl.json("api", "GET", "/api/auth/me")["username"] == "admin"
    assert "must begin with /" in ctl("api", "GET", "admin", expect=2).stderr
    assert "status 404" in ctl("api", "GET", "/admin/nowhere", expect=1).stderr


def test_nobody_there(bin_dir, scratch, daemon):
    ctl = Ctl(daemon, bin_dir / "musterctl", scratch)
    key = daemon.data_dir / "secrets" / "admin-key"
    answer = ctl("devices", "list", "--url", "http://127.0.0.1:1", "--admin-key-file", key,
                 expect=3)
    assert "can't be reached" in answer.stderr
