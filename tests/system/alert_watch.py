# SPDX-License-Identifier: Apache-2.0
"""An appliance whose time the test moves, its devices, and the log of its alerts."""
from appliance import wait_until
from virtual_clock import VirtualClock

MINUTE = 60
INTERVAL_S = 60


class Watch:
    def __init__(self, make_appliance, bin_dir, scratch, environment=None, options=(),
                 interval_s=INTERVAL_S):
        self.clock = VirtualClock(scratch / "clock")
        self.appliance = make_appliance(
            bin_dir=bin_dir, environment={**self.clock.environment(), **(environment or {})},
            options=["--ingest-heartbeat-interval", f"{interval_s}s", *options])
        self.appliance.start()

    # -- devices --

    def add(self, alias="device", **fields):
        """A device that has reported once."""
        made = self.appliance.register(alias)
        device = {"id": int(made["device_id"]), "token": made["token"]}
        self.beat(device, **fields)
        return device

    def send(self, device, **fields):
        """A heartbeat, acknowledged."""
        now = self.clock.now_s()
        answer = self.appliance.heartbeat(device["token"], ts=now, sent_at=now, **fields)
        assert answer.status_code in (200, 202), answer.text

    def beat(self, *devices, **fields):
        """A heartbeat of each, stored and judged."""
        for device in devices:
            self.send(device, **fields)
        self.caught_up()
        self.clock.wait_looked()

    def beat_later(self, *devices, **fields):
        """In the next bucket."""
        self.clock.advance(self.appliance, 12)
        self.beat(*devices, **fields)

    def caught_up(self):
        """What was acknowledged is stored, and the bus has been told."""
        wait_until(lambda: self.appliance.ready()["backlog"]["records"] == 0,
                   "all that was acknowledged to be stored")

    # -- time --

    def advance(self, seconds, awake=(), **fields):
        """Time goes by; the devices named report every two minutes."""
        while seconds > 0:
            step = min(seconds, 2 * MINUTE)
            self.clock.advance(self.appliance, step)
            seconds -= step
            if awake:
                self.beat(*awake, **fields)

    # -- operators --

    def ask(self, method, path, expect=200, **body):
        answer = self.appliance.session.request(
            method, self.appliance.url + path, json=body or None,
            headers=self.appliance.admin_headers(), timeout=15)
        assert answer.status_code == expect, answer.text
        self.clock.wait_looked(3)
        return answer.json() if answer.content else None

    # -- what came of it --

    def log(self, *kinds):
        """(kind, rule, device) in order; without the appliance's own."""
        rows = self.appliance.sql("SELECT kind, rule, device_id FROM alert_events"
                                  " WHERE device_id IS DISTINCT FROM 0 AND rule NOT IN"
                                  " ('database_away', 'journal_backlog', 'disk', 'backup_age',"
                                  " 'partition_missing', 'rejects', 'job_failing') ORDER BY id")
        return [row for row in rows if not kinds or row[0] in kinds]

    def edges(self):
        return self.log("fired", "resolved")

    def standing(self):
        return self.appliance.sql("SELECT device_id, rule, state FROM alerts WHERE device_id <> 0"
                                  " AND state <> 'resolved' ORDER BY 1, 2")

    def resolved_by(self, device, rule):
        return self.appliance.sql("SELECT resolved_by FROM alerts WHERE device_id = %s AND"
                                  " rule = %s ORDER BY id DESC LIMIT 1", device["id"], rule)[0][0]

    def told(self):
        """(kind, state) of the outbox, in order."""
        return self.appliance.sql("SELECT kind, state FROM alert_notifications ORDER BY id")
