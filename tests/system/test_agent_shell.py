# SPDX-License-Identifier: Apache-2.0
"""The Linux agent around its core: whom it trusts, SIGHUP, its status, what --replace leaves."""
import base64
import hashlib
import json
import pathlib
import signal
import socket
import subprocess

import pytest

from agent_process import make_enrolment_token, write_secret

pytestmark = [pytest.mark.one_thread, pytest.mark.release]

OTHER_PIN = "sha256//" + base64.b64encode(bytes(32)).decode()


def enroll_by_tls(agent, daemon, *more, expect=0):
    token = write_secret(agent.directory / "enrolment-token", make_enrolment_token(daemon))
    return agent.enroll(daemon.run["https_url"], "--token-file", token, more=more, expect=expect)


def pin_of(daemon):
    """As the README tells an owner to find it."""
    pem = subprocess.run(["openssl", "x509", "-in", daemon.data_dir / "tls" / "tls.crt", "-noout",
                          "-pubkey"], capture_output=True, check=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=pem,
                         capture_output=True, check=True).stdout
    return "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()


def wait_channel_open(agent):
    return agent.wait(lambda: (said := agent.status())["push_channel"] == "open" and said,
                      "its push channel")


# ---- whom it trusts ----

def test_nobody_vouches_for_the_server(daemon, plain):
    devices = daemon.sql("SELECT count(*) FROM devices")
    refused = enroll_by_tls(plain, daemon, expect=1)
    assert pin_of(daemon) in refused.stderr and "tls.crt" in refused.stderr
    refused = enroll_by_tls(plain, daemon, "--pin", OTHER_PIN, expect=1)
    assert pin_of(daemon) in refused.stderr
    assert not plain.config_file.exists()
    assert daemon.sql("SELECT count(*) FROM devices") == devices


@pytest.mark.parametrize("how", ("pin", "ca_file"))
def test_reports_by_tls(daemon, plain, how):
    option = (("--pin", pin_of(daemon)) if how == "pin"
              else ("--ca-file", str(daemon.data_dir / "tls" / "tls.crt")))
    enroll_by_tls(plain, daemon, *option)
    assert plain.config["tls"] == {how: option[1]}
    plain.start()
    wait_channel_open(plain)
    plain.wait_event("deliver.ok")
    assert plain.status()["delivered"] >= 1
    assert plain.terminate() == 0


def test_another_server_gets_nothing(daemon, plain):
    enroll_by_tls(plain, daemon, "--pin", pin_of(daemon))
    plain.configure(tls={"pin": OTHER_PIN})
    plain.start()
    plain.wait_event("deliver.fail")
    said = plain.status()
    assert said["delivered"] == 0 and said["queue"]["heartbeats"] == 1
    assert plain.terminate() == 0


# ---- SIGHUP ----

def test_the_configuration_is_read_again(daemon, plain):
    plain.enrolled(daemon).start()
    wait_channel_open(plain)
    config = plain.config
    config["settings"]["monitored_package"] = "kiosk.service"
    plain.config_file.write_text(json.dumps(config))
    plain.process.send_signal(signal.SIGHUP)
    plain.wait_event("agent.start", count=2)
    wait_channel_open(plain)
    pid = plain.status()["pid"]
    for broken in ("{", json.dumps({**config, "serve": 1})):
        refused = len(plain.events("config.refused"))
        plain.config_file.write_text(broken)
        plain.process.send_signal(signal.SIGHUP)
        plain.wait_event("config.refused", count=refused + 1)
        said = plain.status()
        assert (said["pid"], said["push_channel"]) == (pid, "open"), "it went on as it was"
    assert len(plain.events("agent.start")) == 2
    assert plain.terminate() == 0


# ---- status ----

def test_status(daemon, plain):
    plain.enrolled(daemon)
    stopped = plain.call("status", *plain.places(), expect=3)
    assert "no agent runs" in stopped.stderr
    stopped = plain.call("status", *plain.places(), "--json", expect=3)
    assert json.loads(stopped.stdout)["running"] is False
    plain.start()
    said = wait_channel_open(plain)
    plain.wait(lambda: plain.status()["last_delivery_at"], "a delivery")
    assert said["running"] is True and said["pid"] == plain.process.pid
    assert said["device_id"] == str(plain.device_id) and said["server"] == daemon.url
    text = plain.call("status", *plain.places()).stdout
    for word in ("queue", "last delivery", "next heartbeat", "clock", "push channel     open"):
        assert word in text, text
    for secret in plain.secrets():
        assert secret not in text + json.dumps(plain.status()) + plain.log()
    sock = plain.state / "status.sock"
    assert sock.stat().st_mode & 0o777 == 0o600
    assert plain.terminate() == 0
    assert not sock.exists()


def test_who_asks_and_does_not_listen(daemon, plain):
    """Many connections that read nothing hold nobody up."""
    plain.enrolled(daemon).start()
    wait_channel_open(plain)
    # A socket's name is short, a test's directory may not be.
    near = plain.directory.parent / "s"
    near.symlink_to(plain.state)
    held = []
    for _ in range(200):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(near / "status.sock"))  # waits for its turn
        client.settimeout(60)
        held.append(client)
    assert plain.status()["running"] is True
    for client in held:
        assert json.loads(client.makefile().read())["running"] is True
        client.close()
    assert plain.terminate() == 0


def test_started_with_closed_standard_files(daemon, plain):
    """No socket and no file of its own takes the number that its log goes to."""
    plain.enrolled(daemon)
    plain.prefix = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    plain.start()
    plain.prefix = []
    plain.wait(lambda: plain.status()["delivered"] >= 1, "a delivery")
    files = pathlib.Path(f"/proc/{plain.process.pid}/fd")
    assert [str((files / number).readlink()) for number in "012"] == ["/dev/null"] * 3
    assert plain.terminate() == 0


# ---- --replace ----

def test_a_replaced_device_begins_anew(daemon, plain):
    plain.enrolled(daemon).start()
    plain.wait_event("deliver.ok")
    first = plain.device_id
    token = write_secret(plain.directory / "enrolment-token", make_enrolment_token(daemon))
    refused = plain.enroll(daemon.url, "--token-file", token, more=["--replace"], expect=1)
    assert "stop it first" in refused.stderr
    plain.terminate()
    plain.enroll(daemon.url, "--token-file", token, more=["--replace"])
    assert plain.device_id != first
    assert len(list(plain.state.glob("agent.db.before-*"))) >= 1
    assert not (plain.state / "agent.db").exists()
    plain.start()
    wait_channel_open(plain)
    assert plain.terminate() == 0
