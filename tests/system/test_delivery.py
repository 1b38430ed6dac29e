# SPDX-License-Identifier: Apache-2.0
"""Commands on their way: WebSocket, FCM, heartbeat; and everything that comes between."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest
import websockets

from appliance import Appliance, wait_until
from device_channel import Channel, check_command, result_of
from doubles import fcm_double
from doubles.fcm_double import FcmDouble
from postgres_server import pause, resume

LONG = ["--commands-resend", "1h"]  # nothing is sent again but for a reason


class Site:
    """An appliance whose FCM is ours."""

    def __init__(self, appliance, fcm):
        self.appliance = appliance
        self.fcm = fcm
        self.count = 0

    def device(self, fcm=False, **options):
        self.count += 1
        if fcm:
            options["fcm_token"] = f"fcm-token-{self.count}"
        made = self.appliance.register(f"device-{self.count}", **options)
        made["fcm_token"] = options.get("fcm_token")
        return made

    def channel(self, device, **options):
        return Channel(self.appliance, device, **options)

    def queue(self, device, kind="ping", payload=None, **more):
        answer = self.appliance.session.post(
            f"{self.appliance.url}/admin/devices/{device['device_id']}/commands",
            json={"type": kind, **({"payload": payload} if payload else {}), **more}, timeout=30,
            headers=self.appliance.admin_headers())
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def cancel(self, command_id):
        answer = self.appliance.session.post(
            f"{self.appliance.url}/admin/commands/{command_id}/cancel", timeout=30,
            headers=self.appliance.admin_headers())
        assert answer.status_code == 200, answer.text

    def show(self, command_id):
        answer = self.appliance.session.get(f"{self.appliance.url}/admin/commands/{command_id}",
                                            headers=self.appliance.admin_headers(), timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def state(self, command_id):
        return self.show(command_id)["command"]["state"]

    def wait_state(self, command_id, state):
        wait_until(lambda: self.state(command_id) == state, f"command {command_id} to be {state}")

    def attempts(self, command_id):
        return sorted(self.show(command_id)["attempts"], key=lambda a: a["number"])

    def wait_attempts(self, command_id, *statuses):
        def there():
            found = self.attempts(command_id)
            return found if [a["status"] for a in found] == list(statuses) else None
        return wait_until(there, f"attempts {statuses} of {command_id}")

    def told(self, device):
        """The count in the reply to a heartbeat."""
        answer = self.appliance.heartbeat(device["token"])
        assert answer.status_code in (200, 202), answer.text
        return answer.json()["commands"]

    def wait_told(self, device, count):
        wait_until(lambda: self.told(device) == count, f"a heartbeat to be told {count}")

    def fetch(self, device):
        answer = self.appliance.session.get(
            self.appliance.url + "/v1/commands", timeout=30,
            headers={"Authorization": f"Bearer {device['token']}"})
        assert answer.status_code == 200, answer.text
        return [check_command(device, envelope) for envelope in answer.json()["commands"]]

    def message(self, device, count=1):
        """FCM's newest to the device, once there are so many."""
        wait_until(lambda: len(self.fcm.to(device["fcm_token"])) >= count,
                   f"{count} messages by FCM")
        return self.fcm.to(device["fcm_token"])[-1]["message"]


@pytest.fixture(scope="module")
def site(bin_dir):
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="muster-test-"))
    scratch.chmod(0o755)
    with FcmDouble() as fcm:
        started = Appliance(bin_dir, scratch / "data", options=LONG + fcm.options(scratch))
        try:
            started.start()
            yield Site(started, fcm)
            assert started.process and started.process.poll() is None, started.log_tail()
            assert fcm.violations == []
        finally:
            started.destroy()
            shutil.rmtree(scratch, ignore_errors=True)


# ---- by WebSocket ----

def test_push_acknowledge_result(site):
    device = site.device(fcm=True)
    channel = site.channel(device)
    command = site.queue(device, "lock", {"message": "Grüße"})
    envelope = channel.command(command)
    assert envelope["type"] == "lock" and "Grüße" in envelope["payload"]
    site.wait_state(command, "sent")
    assert site.wait_attempts(command, "sent")[0]["path"] == "websocket"
    before = site.appliance.metrics()
    assert channel.acknowledge(command) == {"type": "acknowledged", "command_id": command,
                                            "state": "received", "run": True}
    assert site.state(command) == "received"
    delivered = 'muster_commands_delivered_total{path="websocket"}'
    assert site.appliance.metrics()[delivered] == before[delivered] + 1
    result = {"type": "result", **result_of(device, command, result='{"locked":true}')}
    channel.send(result)
    channel.take("result_stored")
    shown = site.show(command)["command"]
    assert shown["state"] == "done" and shown["report"]["result"] == {"locked": True}
    channel.send(result)  # again: a duplicate, answered alike
    channel.take("result_stored")
    assert site.fcm.to(device["fcm_token"]) == []
    channel.close()


def test_older_path_must_name_the_token_s_own_device(site):
    device = site.device()
    other = site.device()
    channel = site.channel(device, path=f"/ws/{device['device_id']}")
    command = site.queue(device)
    assert channel.command()["command_id"] == command
    channel.close()
    for path in (f"/ws/{other['device_id']}", f"/ws/0{device['device_id']}", "/ws/x"):
        with pytest.raises(websockets.InvalidStatusCode) as refused:
            site.channel(device, path=path)
        assert refused.value.status_code == 403


def test_who_may_not(site):
    device = site.device()
    for token in ("mu_" + "0" * 43, "nonsense"):
        with pytest.raises(websockets.InvalidStatusCode) as refused:
            site.channel(device, token=token)
        assert refused.value.status_code == 401
    assert site.appliance.delete_device(device["device_id"]).status_code == 204
    with pytest.raises(websockets.InvalidStatusCode) as refused:
        site.channel(device)
    assert refused.value.status_code == 410


def test_one_at_a_time_in_order(site):
    device = site.device()
    commands = [site.queue(device) for _ in range(4)]
    channel = site.channel(device)
    for command in commands:
        assert channel.command()["command_id"] == command
        assert sum(channel.seen.values()) == commands.index(command) + 1
        channel.acknowledge(command)
    assert list(channel.seen.values()) == [1, 1, 1, 1]
    channel.close()


def test_a_reconnected_device_gets_the_rest_in_order(site):
    device = site.device()
    commands = [site.queue(device) for _ in range(3)]
    first = site.channel(device)
    assert first.command()["command_id"] == commands[0]
    first.acknowledge(commands[0])
    assert first.command()["command_id"] == commands[1]
    first.cut()  # before it could say so
    second = site.channel(device)
    for command in commands[1:]:
        assert second.command()["command_id"] == command
        second.acknowledge(command)
    assert commands[0] not in second.seen
    assert [site.state(command) for command in commands] == ["received"] * 3
    second.close()


def test_a_second_channel_replaces_the_first(site):
    device = site.device()
    first = site.channel(device)
    second = site.channel(device)
    assert first.wait_closed() == 4001
    command = site.queue(device)
    assert second.command()["command_id"] == command
    second.acknowledge(command)
    assert not first.seen
    second.close()


def test_a_deleted_device_is_closed(site):
    device = site.device()
    channel = site.channel(device)
    assert site.appliance.delete_device(device["device_id"]).status_code == 204
    assert channel.wait_closed() == 4410


def test_a_token_that_ends_closes_its_channel(site):
    """Who has only the old token is not to hear what the device is told."""
    device = site.device(hardware_id="taken over")
    former = site.channel(device)
    again = site.appliance.register("taken over", hardware_id="taken over")
    assert again["device_id"] == device["device_id"]
    command = site.queue(device)  # until the new one is used, the old one is good
    former.command(command)
    former.acknowledge(command)
    assert site.appliance.heartbeat(again["token"]).ok
    later = site.queue(device)
    assert former.wait_closed() == 4401
    assert later not in former.seen
    channel = site.channel(again)
    assert channel.command()["command_id"] == later
    channel.close()


def test_malformed_messages(site):
    device = site.device()
    channel = site.channel(device)
    for message in ("{", "[]", '{"type":"received"}', '{"type":"received","command_id":"0"}',
                    '{"type":"jump","command_id":"1"}'):
        channel.send(message)
        assert channel.take("error")["detail"]
    channel.send({"type": "received", "command_id": "9223372036854775807"})
    assert channel.take("error")["command_id"] == "9223372036854775807"
    command = site.queue(device)
    channel.command(command)
    forged = {"type": "result", **result_of(device, command)}
    forged["signature"] = forged["signature"][::-1]
    channel.send(forged)
    assert channel.take("result_refused")["command_id"] == command
    assert site.appliance.metrics()['muster_security_events_total{kind="bad_signature"}'] >= 1
    assert site.state(command) == "sent"
    channel.acknowledge(command)
    channel.send(b"\x00\x01")
    assert channel.wait_closed() == 1003


def test_opening_a_channel_is_a_sign_of_life(site):
    device = site.device()
    channel = site.channel(device)
    wait_until(lambda: site.appliance.sql(
        "SELECT first_seen_at IS NOT NULL FROM devices WHERE id = %s",
        int(device["device_id"])) == [(True,)], "the device to be seen")
    channel.close()


# ---- paths ----

def test_order_of_the_paths(site):
    device = site.device(fcm=True)
    channel = site.channel(device)
    first = site.queue(device)
    channel.command(first)
    channel.acknowledge(first)
    assert site.fcm.to(device["fcm_token"]) == []
    channel.close()
    wait_until(lambda: channel.closed, "the channel to be closed")
    second = site.queue(device)
    envelope = check_command(device, site.message(device)["data"])
    assert envelope["command_id"] == second
    attempt = site.wait_attempts(second, "accepted")[0]
    assert attempt["path"] == "fcm" and attempt["http_status"] == 200
    assert attempt["fcm_message_id"].startswith("projects/")
    bare = site.device()
    third = site.queue(bare)
    site.wait_told(bare, 1)
    assert site.state(third) == "queued"
    assert [e["command_id"] for e in site.fetch(bare)] == [third]


def test_a_lost_channel_falls_back_to_fcm(site):
    device = site.device(fcm=True)
    channel = site.channel(device)
    command = site.queue(device)
    channel.command(command)
    channel.cut()
    assert site.message(device)["data"]["command_id"] == command
    assert [a["path"] for a in site.wait_attempts(command, "sent", "accepted")] == [
        "websocket", "fcm"]


def test_two_paths_are_one_command(site):
    device = site.device()
    channel = site.channel(device)
    command = site.queue(device)
    nonce = channel.command(command)["nonce"]
    fetched = site.fetch(device)
    assert [e["command_id"] for e in fetched] == [command]
    assert fetched[0]["nonce"] != nonce  # signed afresh
    before = site.appliance.metric("muster_commands_delivered_total")
    channel.acknowledge(command)
    channel.acknowledge(command)
    assert site.appliance.metric("muster_commands_delivered_total") == before + 1
    assert site.fetch(device) == []
    assert site.show(command)["command"]["state"] == "received"
    site.wait_told(device, 0)
    channel.close()


def test_secrets_do_not_travel_by_fcm(site):
    device = site.device(fcm=True)
    answer = site.appliance.session.post(
        f"{site.appliance.url}/admin/devices/{device['device_id']}/rotate-key", timeout=30,
        headers=site.appliance.admin_headers())
    assert answer.status_code == 201, answer.text
    assert site.message(device)["data"] == {"fetch": "commands"}
    command = answer.json()["id"]
    assert site.wait_attempts(command, "accepted")[0]["path"] == "fcm_nudge"
    assert site.state(command) == "queued"
    assert [e["type"] for e in site.fetch(device)] == ["rotate_key"]


def test_large_ones_are_fetched(site):
    device = site.device(fcm=True)
    command = site.queue(device, "set_config", {"settings": {"motd": "x" * 8000}})
    assert site.message(device)["data"] == {"fetch": "commands"}
    assert [e["command_id"] for e in site.fetch(device)] == [command]


# ---- withheld, taken back, too late ----

def test_quarantined_devices_get_nothing(site):
    device = site.device(fcm=True)
    start = time.time() - 1000
    for i, boot in enumerate("ABABAB"):
        answer = site.appliance.heartbeat(device["token"], ts=start + 10 * i, boot_id=boot,
                                          seq=i + 1)
        assert answer.status_code == 202
    wait_until(lambda: site.appliance.sql(
        "SELECT quarantined_at IS NOT NULL FROM devices WHERE id = %s",
        int(device["device_id"])) == [(True,)], "the quarantine")
    channel = site.channel(device)
    site.appliance.sql(
        "INSERT INTO commands (device_id, expires_at, ttl_s, state, type, payload, created_by)"
        " VALUES (%s, now() + interval '1 hour', 3600, 'queued', 'ping', '{}', 'test')",
        int(device["device_id"]))
    channel.close()  # each of these makes the dispatcher look
    channel = site.channel(device)
    healthy = site.device()
    other = site.channel(healthy)
    command = site.queue(healthy)
    other.command(command)  # it has looked at whatever came before
    other.acknowledge(command)
    assert not channel.seen and site.fcm.to(device["fcm_token"]) == []
    assert site.told(device) == 0
    channel.close()
    other.close()


def test_cancelled_before_and_after(site):
    device = site.device()
    never, taken_back, last = [site.queue(device) for _ in range(3)]
    site.cancel(never)
    channel = site.channel(device)
    assert channel.command()["command_id"] == taken_back
    site.cancel(taken_back)
    assert channel.command()["command_id"] == last
    channel.send({"type": "received", "command_id": taken_back})
    told = channel.take("acknowledged", lambda m: m["command_id"] == taken_back)
    assert told["state"] == "cancelled" and told["run"] is False
    channel.acknowledge(last)
    assert never not in channel.seen
    assert [site.state(c) for c in (never, taken_back, last)] == ["cancelled", "cancelled",
                                                                  "received"]
    channel.close()


def test_time_runs_out(site):
    device = site.device()
    late, timely = [site.queue(device) for _ in range(2)]
    site.wait_told(device, 2)
    site.appliance.sql("UPDATE commands SET expires_at = now() WHERE id = %s", int(late))
    site.wait_state(late, "expired")
    site.wait_told(device, 1)
    channel = site.channel(device)
    assert channel.command()["command_id"] == timely
    channel.acknowledge(timely)
    assert late not in channel.seen
    channel.close()


# ---- FCM's moods ----

def test_unregistered(site):
    device = site.device(fcm=True)
    site.fcm.answer(device["fcm_token"], fcm_double.unregistered())
    command = site.queue(device)
    attempt = site.wait_attempts(command, "unregistered")[0]
    assert attempt["http_status"] == 404
    wait_until(lambda: site.appliance.sql("SELECT fcm_token FROM devices WHERE id = %s",
                                          int(device["device_id"])) == [(None,)],
               "the token to be forgotten")
    site.wait_told(device, 1)
    assert [e["command_id"] for e in site.fetch(device)] == [command]


def test_throttled_and_unavailable_are_repeated_and_kept(site):
    device = site.device(fcm=True)
    site.fcm.answer(device["fcm_token"], fcm_double.throttled(1, whose="Device"),
                    fcm_double.internal(), fcm_double.unavailable())
    command = site.queue(device)
    attempts = site.wait_attempts(command, "throttled", "unreachable", "unreachable",
                                  "accepted")
    assert [a["number"] for a in attempts] == [1, 2, 3, 4]
    assert [a["http_status"] for a in attempts] == [429, 500, 503, 200]
    assert all(a["retry_at"] for a in attempts[:3]) and attempts[3]["retry_at"] is None
    assert all(a["latency_us"] > 0 for a in attempts)
    envelopes = [m["message"]["data"] for m in site.fcm.to(device["fcm_token"])]
    assert {e["command_id"] for e in envelopes} == {command}


def test_refused(site):
    device = site.device(fcm=True)
    site.fcm.answer(device["fcm_token"], fcm_double.mismatch())
    command = site.queue(device)
    assert site.wait_attempts(command, "refused")[0]["http_status"] == 403
    site.wait_told(device, 1)  # the heartbeat still brings it
    assert [e["command_id"] for e in site.fetch(device)] == [command]


def test_an_fcm_that_hangs_holds_up_nobody(site):
    stuck = site.device(fcm=True)
    site.fcm.answer(stuck["fcm_token"], fcm_double.hang())
    command = site.queue(stuck)
    site.message(stuck)
    healthy = site.device()
    channel = site.channel(healthy)
    other = site.queue(healthy)
    channel.command(other)
    channel.acknowledge(other)
    channel.close()
    device_channel = site.channel(stuck)  # the other path is open meanwhile
    device_channel.command(command)
    device_channel.acknowledge(command)
    device_channel.close()
    assert site.state(command) == "received"


# ---- again ----

def test_a_silent_device_is_asked_again(make_appliance):
    appliance = make_appliance(options=["--commands-resend", "500ms"]).start()
    site = Site(appliance, None)
    device = site.device()
    channel = site.channel(device)
    command = site.queue(device)
    envelopes = [channel.command(command) for _ in range(3)]
    assert len({e["nonce"] for e in envelopes}) == 3
    channel.acknowledge(command)
    assert len(site.attempts(command)) >= 3
    channel.close()


# ---- many ----

def test_a_bulk_order_reaches_a_connected_fleet(appliance, scratch):
    """The generator's devices check every signature, acknowledge and answer."""
    count = 300
    report = scratch / "report.json"
    generator = subprocess.Popen(
        [appliance.bin_dir / "muster-loadgen", "steady", "--channels", "--quiet", "--url",
         appliance.url, "--devices", str(count), "--duration", "10m", "--devices-file", "none",
         "--json", report],
        env={**os.environ, "MUSTER_ADMIN_KEY": appliance.admin_headers()["X-Admin-Key"]},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: appliance.metrics()["muster_device_channels"] == count, "the channels")
        ids = [str(row[0]) for row in appliance.sql("SELECT id FROM devices")]
        for _ in range(2):
            answer = appliance.session.post(
                appliance.url + "/admin/commands", json={"type": "ping", "device_ids": ids},
                headers=appliance.admin_headers(), timeout=60)
            assert answer.status_code == 201 and answer.json()["device_count"] == count
        wait_until(lambda: appliance.sql(
            "SELECT count(*) FROM commands WHERE state = 'done'") == [(2 * count,)], "all results")
        wait_until(lambda: appliance.metrics()["muster_commands_pending"] == 0, "none pending")
    finally:
        generator.terminate()
        generator.wait(60)
    counts = json.loads(report.read_text())["channels"]
    assert counts["bad"] == counts["out_of_order"] == counts["lost"] == 0
    assert counts["commands"] - counts["duplicates"] == 2 * count
    assert appliance.sql("SELECT first_path, count(*) FROM commands GROUP BY 1") == [
        ("websocket", 2 * count)]


# ---- crashes and outages ----

def test_kill_between_queued_and_sent(appliance):
    site = Site(appliance, None)
    device = site.device()
    commands = [site.queue(device) for _ in range(2)]
    appliance.kill()
    appliance.start()
    site.wait_told(device, 2)  # counted at start
    channel = site.channel(device)
    for command in commands:
        assert channel.command()["command_id"] == command
        channel.acknowledge(command)
    site.wait_told(device, 0)
    channel.close()


@pytest.mark.release
def test_kill_between_sent_and_received(make_appliance):
    appliance = make_appliance(options=LONG).start()
    site = Site(appliance, None)
    device = site.device()
    channel = site.channel(device)
    command = site.queue(device)
    channel.command(command)
    site.wait_state(command, "sent")
    appliance.kill()
    channel.wait_closed()
    appliance.start()
    channel = site.channel(device)
    channel.command(command)
    channel.acknowledge(command)
    assert site.state(command) == "received"
    assert appliance.terminate() == 0
    assert channel.wait_closed() == 1001


def test_result_while_the_database_hangs(make_appliance):
    appliance = make_appliance(options=LONG + ["--database-statement-timeout", "5s"]).start()
    site = Site(appliance, None)
    device = site.device()
    channel = site.channel(device)
    command = site.queue(device)
    channel.command(command)
    site.wait_state(command, "sent")
    paused = pause(appliance.postgres_pid())
    try:
        channel.send({"type": "received", "command_id": command})
        channel.send({"type": "result", **result_of(device, command)})
        wait_until(lambda: appliance.metric("muster_dispatch_outages_total") > 0,
                   "the dispatcher to notice")
        assert not channel.messages and channel.closed is None
    finally:
        resume(paused)
    assert channel.take("result_stored")["command_id"] == command
    assert site.state(command) == "done"
    channel.close()


@pytest.mark.release
def test_a_restart_of_the_database_in_between(make_appliance, postgres_server):
    appliance = make_appliance(options=LONG, environment=postgres_server.environment).start()
    site = Site(appliance, None)
    devices = [site.device() for _ in range(20)]
    channels = [site.channel(device) for device in devices]
    commands = [site.queue(device) for device in devices]
    for channel in channels:
        channel.command()
    postgres_server.stop("immediate")
    for channel, command in zip(channels, commands):
        channel.send({"type": "received", "command_id": command})
    postgres_server.start()
    for channel, command in zip(channels, commands):
        channel.take("acknowledged", lambda m, c=command: m["command_id"] == c)
    assert {site.state(command) for command in commands} == {"received"}
    for channel in channels:
        channel.close()
