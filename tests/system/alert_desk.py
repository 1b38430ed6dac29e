# SPDX-License-Identifier: Apache-2.0
"""Channels, incidents and outbox rows put straight into the database of an appliance, to try what
brings them out. Rows come in as the alert thread and the API would write them, with ids that the
alert thread does not come to; what it does not know it leaves alone, once it has read what stands
(own_incidents)."""
import base64
import itertools
import json
import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from appliance import wait_until
from virtual_clock import ticks

COUNTER = itertools.count(1_000_000)


def new_secret():
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()


class Desk:
    def __init__(self, appliance, clock=None):
        self.appliance = appliance
        self.clock = clock

    def sql(self, statement, *values):
        return self.appliance.sql(statement, *values)

    def now(self):
        """The appliance's, as SQL wants it."""
        seconds = self.clock.shifts()[1] / 1e6 if self.clock else 0
        return f"(clock_timestamp() + interval '{seconds:.6f} seconds')"

    def own_incidents(self):
        """Waits until the alert thread has read what stands: it does in its first round with the
        device list, and closes what has no alert."""
        before = ticks(self.appliance)
        wait_until(lambda: ticks(self.appliance) > before + 3, "the alert thread's next rounds")

    # -- channels --

    def seal(self, channel_id, secret):
        """As notify/channel.h says."""
        master = base64.b64decode(
            (self.appliance.data_dir / "secrets" / "hmac-master").read_text())
        key = HKDF(hashes.SHA256(), 32, None, b"muster key: alert-channel").derive(master)
        nonce = os.urandom(12)
        return nonce + AESGCM(key).encrypt(nonce, json.dumps(secret).encode(),
                                           f"alert-channel:{channel_id}".encode())

    def channel(self, kind, secret=None, config=None, **columns):
        """The id of a new one; of Discord or a webhook with what is sealed."""
        columns.setdefault("name", f"channel {next(COUNTER)}")
        columns.setdefault("rate_per_min", 600)
        columns.update(kind=kind, config=json.dumps(config or {}), updated_by="test")
        names = ", ".join(columns)
        marks = ", ".join(["%s"] * len(columns))
        identity = self.sql(f"INSERT INTO alert_channels ({names}) VALUES ({marks}) RETURNING id",
                            *columns.values())[0][0]
        if secret:
            self.sql("UPDATE alert_channels SET sealed = %s WHERE id = %s",
                     self.seal(identity, secret), identity)
        self.reread(identity)
        return identity

    def discord(self, double, **columns):
        return self.channel("discord", {"url": double.webhook()}, **columns)

    def webhook(self, double, **columns):
        """(id, its secret)"""
        secret = new_secret()
        double.secrets.append(secret)
        return self.channel("webhook", {"url": double.url(), "secrets": [secret], "until": 0},
                            {"allow_private": True}, **columns), secret

    def change(self, channel_id, **columns):
        sets = ", ".join(f"{name} = %s" for name in columns)
        self.sql(f"UPDATE alert_channels SET {sets}{', ' if sets else ''}updated_at = now()"
                 " WHERE id = %s", *columns.values(), channel_id)
        self.reread(channel_id)

    def reread(self, channel_id):
        """Channels are read anew each minute, or once the API has changed one."""
        if self.clock:
            self.clock.jump(61, 0)
            return
        answer = self.appliance.session.patch(
            f"{self.appliance.url}/admin/alert-channels/{channel_id}", timeout=15,
            json={"min_severity": "info"}, headers=self.appliance.admin_headers())
        assert answer.status_code == 200, answer.text

    # -- incidents --

    def incident(self, **columns):
        columns.setdefault("kind", "appliance")
        columns.setdefault("rule", "disk")
        columns.setdefault("severity", "warning")
        names = "".join(f", {name}" for name in columns)
        marks = ", %s" * len(columns)
        return self.sql(f"INSERT INTO alert_incidents (id, opened_at, updated_at{names})"
                        f" VALUES (%s, {self.now()}, {self.now()}{marks}) RETURNING id",
                        next(COUNTER), *columns.values())[0][0]

    def member(self, incident_id, device_id, firing=True, **columns):
        rule, severity = self.sql("SELECT rule, severity FROM alert_incidents WHERE id = %s",
                                  incident_id)[0]
        columns.setdefault("value", 780)
        columns.setdefault("threshold", 720)
        names = "".join(f", {name}" for name in columns)
        self.sql(f"INSERT INTO alerts (id, device_id, incident_id, pending_at, fired_at,"
                 f" resolved_at, episode, state, rule, severity{names}) SELECT %s, %s, %s,"
                 f" {self.now()}, {self.now()}, CASE WHEN NOT %s THEN {self.now()} END,"
                 " 1 + coalesce((SELECT max(episode) FROM alerts WHERE device_id = %s AND rule ="
                 f" %s), 0), CASE WHEN %s THEN 'firing' ELSE 'resolved' END, %s, %s"
                 f"{', %s' * len(columns)}",
                 next(COUNTER), device_id, incident_id, firing, device_id, rule, firing, rule,
                 severity, *columns.values())
        self.sql("UPDATE alert_incidents SET alert_count = alert_count + 1, firing_count ="
                 " firing_count + %s WHERE id = %s", int(firing), incident_id)

    def close(self, incident_id):
        self.sql(f"UPDATE alert_incidents SET closed_at = {self.now()}, firing_count = 0,"
                 " version = version + 1 WHERE id = %s", incident_id)

    def device(self, alias, site=None, tags=()):
        """A row alone: nothing judges it."""
        return self.sql("INSERT INTO devices (kind, alias, enrolled_by, site, tags, deleted_at)"
                        " VALUES ('android', %s, 'test', %s, %s, now()) RETURNING id",
                        alias, site, list(tags))[0][0]

    # -- the outbox --

    def notify(self, incident_id, channel_id, kind, due_s=0, created_s=0):
        """A row as outbox.h adds it. Times from now."""
        if kind != "opened":
            self.sql("UPDATE alert_incidents SET version = version + 1 WHERE id = %s", incident_id)
        return self.sql(
            "INSERT INTO alert_notifications (incident_id, channel_id, created_at, due_at,"
            f" incident_version, kind) SELECT id, %s, {self.now()} + %s * interval '1 second',"
            f" {self.now()} + %s * interval '1 second', version, %s FROM alert_incidents"
            " WHERE id = %s RETURNING id",
            channel_id, created_s, due_s, kind, incident_id)[0][0]

    def test_message(self, channel_id, title="Test", text="A test."):
        return self.sql(
            "INSERT INTO alert_notifications (channel_id, created_at, due_at, kind, detail)"
            f" VALUES (%s, {self.now()}, timestamptz 'epoch', 'test', %s) RETURNING id",
            channel_id, json.dumps({"title": title, "text": text}))[0][0]

    def row(self, notification_id):
        names = ("state", "kind", "error", "attempt_count", "http_status", "remote_id")
        found = self.sql(f"SELECT {', '.join(names)} FROM alert_notifications WHERE id = %s",
                         notification_id)[0]
        return dict(zip(names, found))

    def wait(self, notification_id, state, deadline_s=120):
        """Until it has this state, time going by where the clock is ours; the row."""
        def there():
            row = self.row(notification_id)
            if row["state"] == state:
                return row
            assert row["state"] == "waiting", row
            self.pass_time()
            return None
        return wait_until(there, f"notification {notification_id} to be {state}:"
                          f" {self.row(notification_id)}", deadline_s)

    def wait_error(self, notification_id, part, deadline_s=120):
        def there():
            row = self.row(notification_id)
            return row if part in (row["error"] or "") else None
        return wait_until(there, f"notification {notification_id} to say {part}", deadline_s)

    def pass_time(self, seconds=2.0):
        if self.clock:
            self.clock.jump(seconds, seconds)

    def channel_row(self, channel_id):
        names = ("enabled", "broken", "error")
        return dict(zip(names, self.sql(
            "SELECT enabled, broken, error FROM alert_channels WHERE id = %s", channel_id)[0]))
