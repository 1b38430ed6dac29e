# SPDX-License-Identifier: Apache-2.0
"""From the outbox to Discord, webhooks and mail: each edge in order, whatever goes wrong."""
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading

import pytest

from alert_desk import Desk, new_secret
from appliance import Appliance, wait_until
from doubles import discord_double, webhook_double
from doubles.discord_double import DiscordDouble
from doubles.smtp_double import SmtpDouble
from doubles.webhook_double import WebhookDouble
from virtual_clock import VirtualClock


def make_certificate(directory):
    """(certificate, key) for localhost and the loopback addresses; its own authority."""
    pair = (directory / "certificate.pem", directory / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1",
                    "-keyout", pair[1], "-out", pair[0]], check=True, capture_output=True)
    return pair


class Place:
    """An appliance for a module's tests, its clock, and who is asked to relay mail."""

    def __init__(self, bin_dir):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="muster-test-"))
        self.directory.chmod(0o755)
        self.certificate = make_certificate(self.directory)
        self.clock = VirtualClock(self.directory / "clock")
        self.smtp = SmtpDouble().__enter__()
        self.appliance = Appliance(
            bin_dir, self.directory / "data", environment=self.clock.environment(),
            options=["--outbound-ca-file", str(self.certificate[0]),
                     "--alerts-console-url", "https://console.example",
                     "--smtp-url", self.smtp.url, "--smtp-from", "muster@example.org",
                     "--smtp-starttls", "never"])
        self.desk = Desk(self.appliance, self.clock)

    def close(self):
        self.appliance.destroy()
        self.smtp.__exit__(None, None, None)
        shutil.rmtree(self.directory, ignore_errors=True)


@pytest.fixture(scope="module")
def place(failpoint_bin_dir):
    made = Place(failpoint_bin_dir)
    try:
        made.appliance.start()
        made.desk.own_incidents()
        yield made
        assert made.appliance.process.poll() is None, made.appliance.log_tail()
    finally:
        made.close()


@pytest.fixture
def desk(place):
    yield place.desk
    # What a test left must not keep the channels of the next busy.
    place.desk.sql("UPDATE alert_channels SET enabled = false WHERE enabled")


@pytest.fixture
def discord():
    with DiscordDouble(bucket_max=1000) as double:
        yield double
    assert double.violations == []
    assert double.early == []


@pytest.fixture
def receiver(place):
    with WebhookDouble(now=place.clock.now_s) as double:
        yield double
    assert double.violations == []


# ---- Discord ----

@pytest.mark.long
def test_an_incident_is_one_message_and_a_recovery(desk, discord):
    channel = desk.discord(discord)
    incident = desk.incident(rule="disk", severity="critical")
    opened = desk.wait(desk.notify(incident, channel, "opened"), "sent")
    embed = discord.wait_events(1)[0][1]["embeds"][0]
    assert "Disk nearly full" in embed["title"]
    assert embed["url"] == f"https://console.example/incidents/{incident}"
    assert opened["remote_id"] == discord.events[0][1]["id"]

    desk.sql("UPDATE alert_incidents SET acked_at = now(), acked_by = 'user:anna' WHERE id = %s",
             incident)
    desk.wait(desk.notify(incident, channel, "updated"), "sent")
    method, message = discord.wait_events(2)[1]
    assert (method, message["id"]) == ("PATCH", opened["remote_id"])
    assert {"name": "Acknowledged by", "value": "user:anna", "inline": True} in \
        message["embeds"][0]["fields"]

    desk.close(incident)
    desk.wait(desk.notify(incident, channel, "closed"), "sent")
    edited, recovery = discord.wait_events(4)[2:]
    assert (edited[0], edited[1]["id"]) == ("PATCH", opened["remote_id"])
    assert "Resolved" in edited[1]["embeds"][0]["title"]
    assert recovery[0] == "POST"
    assert "Resolved" in recovery[1]["embeds"][0]["title"]
    assert "fields" not in recovery[1]["embeds"][0]
    kinds = desk.sql("SELECT kind, detail->>'edge' FROM alert_events WHERE incident_id = %s"
                     " ORDER BY id", incident)
    assert kinds == [("notified", "opened"), ("notified", "updated"), ("notified", "closed")]


HARD = ["x" * 1000, "😀" * 500, "@everyone", "**bold** [link](https://evil.example) `code`",
        "<@&1234> <#5> ~~s~~ ||spoiler|| > q", "line\nbreak", "👨‍👩‍👧‍👦" * 120, "_" * 999 + "end",
        "العربية " * 100]


def test_whatever_aliases_hold_fits_discords_limits(desk, discord):
    channel = desk.discord(discord)
    for alias in HARD:
        incident = desk.incident(kind="device", rule="offline",
                                 device_id=desk.device(alias, site="S" * 100))
        desk.member(incident, desk.sql("SELECT device_id FROM alert_incidents WHERE id = %s",
                                       incident)[0][0])
        desk.wait(desk.notify(incident, channel, "opened"), "sent")
    group = desk.incident(kind="site", group_key="*Berlin* " * 11, rule="offline")
    for alias in HARD + [f"till {i} " + "😀" * 300 for i in range(25)]:
        desk.member(group, desk.device(alias))
    note = "😀_*" * 400
    for i in range(30):
        desk.sql("INSERT INTO alert_events (at, incident_id, kind, actor, detail)"
                 " VALUES (now(), %s, 'acked', 'user:anna', jsonb_build_object('note', %s))",
                 group, f"{i} {note}")
    desk.wait(desk.notify(group, channel, "opened"), "sent")
    messages = [message for _, message in discord.wait_events(len(HARD) + 1)]
    titles = [message["embeds"][0]["title"] for message in messages]
    assert titles[0].endswith("xxx…")
    assert len(titles[0].encode("utf-16-le")) == 2 * 256
    assert titles[1].endswith("😀…")
    assert "\\*\\*bold\\*\\* \\[link\\]" in titles[3]
    assert "\\<@&1234\\>" in titles[4]
    fields = {field["name"]: field["value"] for field in messages[-1]["embeds"][0]["fields"]}
    shown = fields["Devices"].count("• ")
    assert 5 <= shown <= 20
    assert fields["Devices"].endswith(f"\nand {len(HARD) + 25 - shown} more")
    assert "2" in fields["What happened"]


def test_discords_buckets_are_not_overdrawn(desk):
    with DiscordDouble(bucket_max=3, bucket_s=1.0) as discord:
        channel = desk.discord(discord)
        rows = [desk.notify(desk.incident(), channel, "opened") for _ in range(10)]
        discord.wait_events(10)
        for row in rows:
            desk.wait(row, "sent")
        assert discord.count(429) == 0
        assert discord.early == []
        assert discord.violations == []


@pytest.mark.parametrize("with_header", [True, False])
def test_a_429_is_obeyed(desk, with_header):
    with DiscordDouble(bucket_max=1000) as discord:
        channel = desk.discord(discord)
        discord.answer_next(discord_double.throttled(1.5, with_header=with_header), times=2)
        rows = [desk.notify(desk.incident(), channel, "opened") for _ in range(3)]
        events = discord.wait_events(3)
        for row in rows:
            wait_until(lambda r=row: desk.row(r)["state"] == "sent", "the row to be marked")
        assert discord.count(429) == 2
        assert discord.early == []
        assert len(events) == 3


def test_a_global_429_holds_all_of_discord(desk):
    with DiscordDouble(bucket_max=1000) as discord:
        first, second = desk.discord(discord), desk.discord(discord)
        discord.answer_next(discord_double.throttled(3.0, whole=True))
        rows = [desk.notify(desk.incident(), first, "opened")]
        discord.wait_requests(1)
        desk.wait_error(rows[0], "429")
        rows += [desk.notify(desk.incident(), channel, "opened") for channel in (first, second)]
        discord.wait_events(3)
        assert discord.early == []


def test_a_deleted_webhook_is_left_alone(desk, discord):
    channel = desk.discord(discord)
    url = f"http://{discord.host}/api/webhooks/1/gone"
    desk.sql("UPDATE alert_channels SET sealed = %s WHERE id = %s",
             desk.seal(channel, {"url": url}), channel)
    desk.change(channel)
    first = desk.incident()
    row = desk.wait(desk.notify(first, channel, "opened"), "failed")
    assert row["http_status"] == 404 and "deleted" in row["error"]
    wait_until(lambda: desk.channel_row(channel)["broken"], "the channel to be known as broken")
    shown = desk.channel_row(channel)
    assert shown["enabled"] and "404" in shown["error"]
    asked = len(discord.requests)
    for _ in range(5):
        assert "before" in desk.wait(desk.notify(desk.incident(), channel, "opened"),
                                     "failed")["error"]
    # Its end is not told either.
    desk.close(first)
    assert desk.wait(desk.notify(first, channel, "closed"), "dropped")["error"] == "not told before"
    assert len(discord.requests) == asked
    # A test is tried all the same; so is everything once the channel was changed.
    assert desk.wait(desk.test_message(channel), "failed")["http_status"] == 404
    assert len(discord.requests) == asked + 1
    desk.sql("UPDATE alert_channels SET sealed = %s WHERE id = %s",
             desk.seal(channel, {"url": discord.webhook()}), channel)
    desk.change(channel)
    desk.wait(desk.notify(desk.incident(), channel, "opened"), "sent")
    wait_until(lambda: desk.channel_row(channel)["error"] is None, "the channel to be well")
    assert not desk.channel_row(channel)["broken"]


def test_a_deleted_message_is_posted_anew(desk, discord):
    channel = desk.discord(discord)
    incident = desk.incident()
    opened = desk.wait(desk.notify(incident, channel, "opened"), "sent")
    discord.delete_message(opened["remote_id"])
    updated = desk.wait(desk.notify(incident, channel, "updated"), "sent")
    assert updated["remote_id"] not in (None, opened["remote_id"])
    # From then on that one is edited.
    desk.wait(desk.notify(incident, channel, "updated"), "sent")
    assert [(method, message["id"]) for method, message in discord.events] == [
        ("POST", opened["remote_id"]), ("POST", updated["remote_id"]),
        ("PATCH", updated["remote_id"])]
    discord.delete_message(updated["remote_id"])
    desk.close(incident)
    desk.wait(desk.notify(incident, channel, "closed"), "sent")
    assert [method for method, _ in discord.events] == ["POST", "POST", "PATCH", "POST"]


def test_an_outage_of_discord_is_waited_out(desk, discord):
    channel = desk.discord(discord)
    discord.answer_always(discord_double.unavailable())
    rows = [desk.notify(desk.incident(), channel, "opened") for _ in range(6)]
    discord.wait_requests(3)
    wait_until(lambda: desk.appliance.metric('muster_alert_channels{kind="discord",state="away"}'),
               "the breaker to open")
    # The others wait without having cost a try.
    assert sum(1 for row in rows if desk.row(row)["attempt_count"] == 0) >= 3
    assert desk.channel_row(channel)["error"].startswith("Discord answered 503")
    discord.answer_always(None)
    for row in rows:
        desk.wait(row, "sent")
    assert len(discord.events) == 6


def test_what_discord_refuses_is_given_up(desk, discord):
    channel = desk.discord(discord)
    discord.answer_next(discord_double.failure(400, 50035, "Invalid Form Body"))
    row = desk.wait(desk.notify(desk.incident(), channel, "opened"), "failed")
    assert row["attempt_count"] == 1 and "Invalid Form Body" in row["error"]
    assert not desk.channel_row(channel)["broken"]
    desk.wait(desk.notify(desk.incident(), channel, "opened"), "sent")


def test_a_recovery_does_not_hang_on_an_edit(desk, discord):
    channel = desk.discord(discord)
    incident = desk.incident()
    desk.wait(desk.notify(incident, channel, "opened"), "sent")
    desk.close(incident)
    discord.answer_next(discord_double.failure(400, 50035, "Invalid Form Body"))
    desk.wait(desk.notify(incident, channel, "closed"), "sent")
    assert [method for method, _ in discord.events] == ["POST", "POST"]


# ---- webhooks ----

def test_a_webhook_is_signed_and_says_everything(desk, receiver):
    channel, _ = desk.webhook(receiver)
    device = desk.device("Till 4", site="Berlin")
    incident = desk.incident(kind="device", device_id=device, rule="offline", severity="critical")
    desk.member(incident, device)
    opened = desk.notify(incident, channel, "opened")
    message = receiver.wait_messages(1)[0]
    assert message["id"] == f"msg_{incident}_{opened}"
    assert message["content_type"] == "application/json"
    assert message["body"]["type"] == "alert.opened"
    data = message["body"]["data"]
    assert data["devices"] == [
        {"id": str(device), "alias": "Till 4", "site": "Berlin", "firing": True}]
    told = data["incident"]
    assert told["title"] == "Device offline: Till 4"
    assert told["what"] == "No request for 13 min (limit 12 min)."
    assert (told["rule"], told["severity"], told["state"]) == ("offline", "critical", "firing")
    assert (told["kind"], told["where"], told["closed_at"]) == ("device", "Site Berlin", None)
    desk.wait(opened, "sent")
    desk.wait(desk.notify(incident, channel, "updated"), "sent")
    desk.close(incident)
    desk.wait(desk.notify(incident, channel, "closed"), "sent")
    assert receiver.types() == ["alert.opened", "alert.updated", "alert.closed"]
    assert receiver.messages[2]["body"]["data"]["incident"]["state"] == "resolved"


def test_edges_stay_in_order_when_tries_fail(desk, receiver):
    channel, _ = desk.webhook(receiver)
    incident, other = desk.incident(), desk.incident()
    receiver.answer_next(webhook_double.Answer(500))
    receiver.answer_next(webhook_double.cut())
    receiver.answer_next(webhook_double.Answer(302, headers={"Location": receiver.url()}))
    opened = desk.notify(incident, channel, "opened")
    receiver.wait_requests(1)
    desk.wait_error(opened, "500")
    desk.close(incident)
    closed = desk.notify(incident, channel, "closed", created_s=60)
    free = desk.notify(other, channel, "opened")
    assert desk.wait(closed, "sent")["attempt_count"] == 1
    assert desk.wait(opened, "sent")["attempt_count"] >= 2
    desk.wait(free, "sent")
    mine = [m["body"]["type"] for m in receiver.messages if m["id"].startswith(f"msg_{incident}_")]
    assert mine == ["alert.opened", "alert.closed"]
    assert receiver.repeated == []


def test_the_id_stays_while_tries_go_on(desk, receiver):
    channel, _ = desk.webhook(receiver)
    receiver.answer_next(webhook_double.Answer(500, after=True), times=2)
    row = desk.wait(desk.notify(desk.incident(), channel, "opened"), "sent")
    assert row["attempt_count"] == 3
    assert len(receiver.messages) == 1
    assert receiver.repeated == [receiver.messages[0]["id"]] * 2


def test_two_secrets_sign_while_they_are_changed(desk, place, receiver):
    channel, old = desk.webhook(receiver)
    new = new_secret()
    until = int((place.clock.now_s() + 3600) * 1e6)
    sealed = desk.seal(channel, {"url": receiver.url(), "secrets": [new, old], "until": until})
    desk.sql("UPDATE alert_channels SET sealed = %s WHERE id = %s", sealed, channel)
    desk.change(channel)
    desk.wait(desk.notify(desk.incident(), channel, "opened"), "sent")
    signatures = receiver.messages[0]["signatures"]
    assert len(signatures) == 2 and signatures[0] != signatures[1]
    receiver.secrets[:] = [new]
    desk.wait(desk.notify(desk.incident(), channel, "opened"), "sent")
    # Afterwards only the new one does.
    place.clock.jump(3700, 3700)
    desk.wait(desk.notify(desk.incident(), channel, "opened"), "sent")
    assert [len(m["signatures"]) for m in receiver.messages] == [2, 2, 1]


def test_410_turns_the_channel_off(desk, receiver):
    channel, _ = desk.webhook(receiver)
    receiver.answer_next(webhook_double.Answer(410))
    row = desk.wait(desk.notify(desk.incident(), channel, "opened"), "failed")
    assert "410" in row["error"]
    assert not desk.channel_row(channel)["enabled"]
    assert desk.wait(desk.notify(desk.incident(), channel, "opened"),
                     "dropped")["error"] == "the channel is off"
    assert receiver.requests == [410]


def test_retry_after_is_obeyed(desk, place, receiver):
    channel, _ = desk.webhook(receiver)
    receiver.answer_next(webhook_double.Answer(503, headers={"Retry-After": "600"}))
    row = desk.notify(desk.incident(), channel, "opened")
    desk.wait_error(row, "503")
    left = desk.sql(f"SELECT extract(epoch FROM due_at - {desk.now()}) FROM alert_notifications"
                    " WHERE id = %s", row)[0][0]
    assert float(left) > 500
    place.clock.jump(300, 300)
    other = desk.notify(desk.incident(), channel, "opened")
    place.clock.jump(120, 120)
    assert desk.row(other)["state"] == "waiting"
    assert receiver.requests == [503]
    place.clock.jump(300, 300)
    desk.wait(row, "sent")
    desk.wait(other, "sent")


def test_tries_come_to_an_end(desk, place, receiver):
    channel, _ = desk.webhook(receiver)
    receiver.answer_always(webhook_double.Answer(500))
    incident = desk.incident()
    row = desk.notify(incident, channel, "opened")

    def failed():
        place.clock.jump(600, 600)
        return desk.row(row)["state"] == "failed"

    wait_until(failed, "the row to be given up", 180)
    assert desk.row(row)["attempt_count"] <= 12
    assert desk.sql("SELECT kind FROM alert_events WHERE incident_id = %s", incident) == [
        ("not_notified",)]
    assert desk.appliance.log_events("alerts.notifier") or desk.appliance.log_tail()


def test_what_was_held_for_days_is_tried_again(desk, place, receiver):
    """A day of trying begins with the first try, not when there was something to tell."""
    channel, _ = desk.webhook(receiver)
    receiver.answer_next(webhook_double.Answer(500))
    row = desk.notify(desk.incident(), channel, "opened", created_s=-2 * 86400)
    wait_until(lambda: desk.row(row)["attempt_count"] == 1 and desk.row(row)["error"],
               "the first try to fail")
    place.clock.jump(60, 60)
    assert desk.wait(row, "sent")["attempt_count"] == 2


def test_a_message_of_its_own_each_minute(desk, place, receiver):
    """rate_per_min: beyond a small burst one waits for its turn."""
    channel, _ = desk.webhook(receiver, rate_per_min=4)
    rows = [desk.notify(desk.incident(), channel, "opened") for _ in range(3)]
    receiver.wait_messages(1)
    wait_until(lambda: sum(desk.row(row)["state"] == "sent" for row in rows) == 1, "one to be sent")
    for _ in range(10):
        place.clock.jump(1, 1)
    assert len(receiver.messages) <= 2
    for row in rows:
        desk.wait(row, "sent")


# ---- where a webhook may lead ----

class Listener:
    """Counts who connects, and says nothing."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.count = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.count += 1
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "0177.0.0.1",
                                  "127.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0"])
def test_a_url_cannot_lead_inside(desk, host):
    """Put past the check of the API: what counts is the address that would be connected to."""
    with Listener() as listener:
        secret = {"url": f"https://{host}:{listener.port}/", "secrets": [new_secret()], "until": 0}
        channel = desk.channel("webhook", secret, {"allow_private": False})
        row = desk.wait(desk.test_message(channel), "failed")
        assert "not of the public Internet" in row["error"]
        assert listener.count == 0


def test_a_kept_connection_does_not_lead_inside_either(desk, place):
    with WebhookDouble(place.certificate, now=place.clock.now_s) as receiver:
        secret = new_secret()
        receiver.secrets.append(secret)
        sealed = {"url": receiver.url("localhost"), "secrets": [secret], "until": 0}
        allowed = desk.channel("webhook", sealed, {"allow_private": True})
        refused = desk.channel("webhook", sealed, {"allow_private": False})
        desk.wait(desk.test_message(allowed), "sent")
        row = desk.wait(desk.test_message(refused), "failed")
        assert "not of the public Internet" in row["error"]
        desk.wait(desk.test_message(allowed), "sent")
        assert len(receiver.messages) == 2


def test_a_certificate_is_verified(desk, place):
    """127.0.0.2 is not among its names."""
    with socket.create_server(("127.0.0.2", 0)) as plain:
        port = plain.getsockname()[1]
        thread = threading.Thread(target=serve_tls_once, args=(plain, place.certificate),
                                  daemon=True)
        thread.start()
        secret = {"url": f"https://127.0.0.2:{port}/", "secrets": [new_secret()], "until": 0}
        channel = desk.channel("webhook", secret, {"allow_private": True})
        row = desk.wait(desk.test_message(channel), "failed")
        assert "certificate" in row["error"] or "SSL" in row["error"]
        thread.join(30)


def serve_tls_once(plain, certificate):
    import ssl
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    connection, _ = plain.accept()
    try:
        context.wrap_socket(connection, server_side=True).close()
    except OSError:
        pass  # it was not believed
    finally:
        connection.close()


# ---- who is not told ----

def test_over_before_it_was_told(desk, receiver):
    channel, _ = desk.webhook(receiver)
    incident = desk.incident()
    opened = desk.notify(incident, channel, "opened", due_s=30)
    desk.close(incident)
    closed = desk.notify(incident, channel, "closed")
    assert desk.wait(opened, "dropped")["error"] == "over before it was told"
    assert desk.wait(closed, "dropped")["error"] == "over before it was told"
    desk.wait(desk.notify(desk.incident(), channel, "opened"), "sent")
    assert receiver.types() == ["alert.opened"]


def silence(desk, minutes, **columns):
    columns.update(created_by="test")
    names = "".join(f", {name}" for name in columns)
    return desk.sql(f"INSERT INTO alert_silences (starts_at, ends_at{names}) VALUES ({desk.now()},"
                    f" {desk.now()} + interval '{minutes} minutes'{', %s' * len(columns)})"
                    " RETURNING id", *columns.values())[0][0]


def test_a_silence_holds_back_what_still_stands_when_it_ends(desk, place, receiver):
    channel, _ = desk.webhook(receiver)
    device = desk.device("Till 9", site="Bonn", tags=["tills"])
    silence(desk, 10, tag="tills", rule="offline")
    held = desk.incident(kind="device", device_id=device, rule="offline")
    over = desk.incident(kind="device", device_id=device, rule="offline")
    other = desk.incident(kind="device", device_id=device, rule="low_battery")
    held_row = desk.notify(held, channel, "opened")
    over_row = desk.notify(over, channel, "opened")
    desk.wait(desk.notify(other, channel, "opened"), "sent")
    for row in (held_row, over_row):
        wait_until(lambda r=row: desk.row(r)["error"] == "silenced", "it to be silenced")
    desk.close(over)
    closed = desk.notify(over, channel, "closed")
    assert desk.wait(closed, "dropped")["error"] == "silenced"
    assert desk.row(over_row)["state"] == "dropped"
    assert len(receiver.messages) == 1
    place.clock.jump(601, 601)
    desk.wait(held_row, "sent")
    assert len(receiver.messages) == 2


def test_a_group_is_silent_when_all_of_it_is(desk, receiver):
    channel, _ = desk.webhook(receiver)
    devices = [desk.device(f"Kiosk {i}", site="Ulm") for i in range(3)]
    group = desk.incident(kind="site", group_key="Ulm", rule="offline")
    for device in devices:
        desk.member(group, device)
    partly = [silence(desk, 60, device_id=device) for device in devices[:2]]
    desk.wait(desk.notify(group, channel, "opened"), "sent")
    partly.append(silence(desk, 30, device_id=devices[2]))
    row = desk.notify(group, channel, "updated")
    wait_until(lambda: desk.row(row)["error"] == "silenced", "the update to be silenced")
    desk.sql("DELETE FROM alert_silences WHERE id = ANY (%s)", partly)
    assert receiver.types() == ["alert.opened"]


def test_what_became_part_of_a_wider_incident(desk, discord, receiver):
    channel, _ = desk.webhook(receiver)
    chat = desk.discord(discord)
    told, untold, wider = desk.incident(), desk.incident(), desk.incident()
    opened = desk.wait(desk.notify(told, chat, "opened"), "sent")
    waiting = desk.notify(untold, channel, "opened", due_s=5)
    desk.sql("UPDATE alert_incidents SET merged_into = %s, closed_at = now() WHERE id = ANY (%s)",
             wider, [told, untold])
    assert desk.wait(waiting, "dropped")["error"] == "part of a wider incident"
    desk.wait(desk.notify(told, chat, "updated"), "sent")
    assert desk.wait(desk.notify(told, chat, "closed"),
                     "dropped")["error"] == "part of a wider incident"
    method, message = discord.wait_events(2)[1]
    assert (method, message["id"]) == ("PATCH", opened["remote_id"])
    assert "Part of a wider incident" in message["embeds"][0]["title"]
    assert receiver.messages == []


def test_updates_that_say_nothing_new_are_dropped(desk, receiver):
    channel, _ = desk.webhook(receiver)
    incident = desk.incident()
    opened = desk.notify(incident, channel, "opened", due_s=20)
    updated = desk.notify(incident, channel, "updated")
    # 'opened' said it all: it was made from what stood there by then.
    desk.wait(opened, "sent")
    assert desk.wait(updated, "dropped")["error"] == "said since"
    late = desk.notify(incident, channel, "updated", due_s=20)
    desk.close(incident)
    closed = desk.notify(incident, channel, "closed")
    assert desk.wait(late, "dropped")["error"] == "said since"
    desk.wait(closed, "sent")
    assert receiver.types() == ["alert.opened", "alert.closed"]


# ---- mail ----

def test_mail_goes_out_too(desk, place):
    channel = desk.channel("email", config={"to": ["anna@example.org", "ben@example.org"]})
    desk.wait(desk.notify(desk.incident(severity="critical"), channel, "opened"), "sent")
    mails = place.smtp.wait_mails(2)
    assert {mail["to"][0] for mail in mails} == {"anna@example.org", "ben@example.org"}
    assert all("Disk nearly full" in mail["message"]["Subject"] for mail in mails)


# ---- kill -9 ----

def test_killed_between_answer_and_mark_it_is_sent_again_with_the_same_id(failpoint_bin_dir,
                                                                          make_appliance, scratch):
    appliance = make_appliance(bin_dir=failpoint_bin_dir)
    appliance.environment["MUSTER_FAILPOINTS"] = "notify.after_send=crash@2"
    appliance.start()
    desk = Desk(appliance)
    with WebhookDouble() as receiver:
        channel, _ = desk.webhook(receiver)
        # Closed ones: the alert thread has nothing to do with them after the restart.
        rows = [desk.notify(desk.incident(closed_at="now"), channel, "opened") for _ in range(4)]
        wait_until(lambda: appliance.process.poll() is not None, "it to kill itself", 120)
        appliance.forget()
        del appliance.environment["MUSTER_FAILPOINTS"]
        assert len(receiver.messages) == 2
        appliance.start()
        for row in rows:
            desk.wait(row, "sent")
        assert receiver.repeated == [receiver.messages[1]["id"]]
        assert len(receiver.messages) == 4
        assert receiver.violations == []
        assert desk.sql("SELECT count(*) FROM alert_events WHERE kind = 'notified'") == [(4,)]


@pytest.mark.long
@pytest.mark.release
def test_killed_at_any_moment_everything_is_told_in_order(make_appliance, dice):
    appliance = make_appliance()
    appliance.start()
    desk = Desk(appliance)
    with WebhookDouble() as receiver:
        channel, _ = desk.webhook(receiver)
        incidents = [desk.incident(closed_at="now") for _ in range(40)]
        for incident in incidents:
            desk.notify(incident, channel, "opened")
        for incident in incidents:
            desk.notify(incident, channel, "closed", created_s=1)
        for _ in range(4):
            wanted = min(79, len(receiver.requests) + dice.randrange(1, 20))
            receiver.wait_requests(wanted)
            appliance.kill()
            appliance.start()
        wait_until(lambda: desk.sql("SELECT count(*) FROM alert_notifications WHERE state <>"
                                    " 'waiting'") == [(80,)], "all of them to be told", 240)
        assert len(receiver.messages) == 80
        assert receiver.violations == []
        for incident in incidents:
            types = [m["body"]["type"] for m in receiver.messages
                     if m["id"].startswith(f"msg_{incident}_")]
            assert types == ["alert.opened", "alert.closed"]
