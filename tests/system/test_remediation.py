# SPDX-License-Identifier: Apache-2.0
"""service_down where the appliance may mend it: relaunch commands, how often, and what the
incident's thread says of them. By a clock that the test sets."""

import pytest

from appliance import wait_until
from device_channel import result_of
from doubles.smtp_double import SmtpDouble
from virtual_clock import VirtualClock


DEADLINE_S = 300
PACKAGE = "com.example.till"


class Shop:
    """One device whose service is down."""

    def __init__(self, make_appliance, bin_dir, scratch, smtp):
        self.clock = VirtualClock(scratch / "clock")
        self.smtp = smtp
        self.appliance = make_appliance(
            bin_dir=bin_dir, environment=self.clock.environment(),
            options=[*smtp.options(), "--alerts-group-wait", "0s"])
        self.appliance.start()
        self.device = self.appliance.register("Till 4")
        self.post("/admin/alert-channels", {"kind": "email", "name": "ops",
                                            "to": ["ops@example.org"], "rules": ["service_down"]})
        self.monitor(enabled=True, package=PACKAGE, display_name="The till", auto_remediate=True)

    def post(self, path, body, method="POST", expect=(200, 201)):
        answer = self.appliance.session.request(
            method, self.appliance.url + path, json=body, timeout=60,
            headers=self.appliance.admin_headers())
        assert answer.status_code in expect, answer.text
        return answer.json()

    def monitor(self, **fields):
        self.post(f"/admin/devices/{self.device['device_id']}/monitoring", fields, "PATCH")

    def beat(self, last_s):
        """A heartbeat: the service was in front that many seconds ago."""
        now = self.clock.now_s()
        answer = self.appliance.heartbeat(self.device["token"], ts=now, sent_at=now,
                                          monitored_last_fg_s=last_s)
        assert answer.status_code in (200, 202), answer.text

    def advance(self, seconds):
        """Time goes by; the device reports that nothing has changed, so that it is not offline."""
        while seconds > 0:
            step = min(seconds, 200)
            self.clock.advance(self.appliance, step)
            seconds -= step
            self.beat(1800)

    def lines(self):
        """The incident's thread, as far as it is of remediation."""
        return [kind for kind, in self.appliance.sql(
            "SELECT kind FROM alert_events WHERE kind LIKE %s ORDER BY id", "remedy%")]

    def wait_lines(self, *kinds):
        wait_until(lambda: self.lines() == list(kinds), f"the thread to be {kinds}, not "
                   f"{self.lines()}", DEADLINE_S)

    def commands(self):
        """The agent is also told what to watch; that is another's test."""
        return self.appliance.sql("SELECT id, state, type, payload::jsonb, created_by FROM commands"
                                  " WHERE type <> 'set_config' ORDER BY id")

    def wait_sent(self, count):
        """So many commands there have been; the newest one's id."""
        wait_until(lambda: len(self.commands()) == count, f"{count} commands", DEADLINE_S)
        return str(self.commands()[-1][0])

    def fetch(self):
        answer = self.appliance.session.get(
            self.appliance.url + "/v1/commands", timeout=60,
            headers={"Authorization": f"Bearer {self.device['token']}"})
        assert answer.status_code == 200, answer.text
        return [c for c in answer.json()["commands"] if c["type"] != "set_config"]

    def answer(self, command_id, status, error=None):
        body = result_of(self.device, command_id, status=status, error=error)
        answer = self.appliance.session.post(
            self.appliance.url + "/v1/action-result", json=body, timeout=60,
            headers={"Authorization": f"Bearer {self.device['token']}"})
        assert answer.status_code == 200, answer.text

    def fall(self):
        self.beat(1800)
        wait_until(lambda: self.appliance.sql(
            "SELECT count(*) FROM alerts WHERE rule = 'service_down' AND state = 'firing'")[0][0],
            "service_down", DEADLINE_S)

    def recover(self):
        def over():
            self.clock.advance(self.appliance, 12)
            self.beat(0)
            return self.appliance.sql("SELECT count(*) FROM alert_events WHERE kind = 'resolved'"
                                      " AND rule = 'service_down'")[0][0]
        wait_until(over, "the recovery", DEADLINE_S)


@pytest.fixture
def smtp():
    with SmtpDouble() as double:
        yield double


@pytest.fixture
def shop(make_appliance, failpoint_bin_dir, scratch, smtp):
    return Shop(make_appliance, failpoint_bin_dir, scratch, smtp)


def test_relaunched_and_it_helped(shop):
    shop.fall()
    command = shop.wait_sent(1)
    _, state, kind, payload, created_by = shop.commands()[0]
    assert (kind, payload) == ("relaunch_app", {"package": PACKAGE})
    assert created_by.startswith("alert:") and state in ("queued", "sent")
    fetched, = shop.fetch()
    assert (fetched["command_id"], fetched["type"]) == (command, "relaunch_app")
    shop.answer(command, "done")
    shop.wait_lines("remedy_sent", "remedy_done")
    shop.recover()
    shop.wait_lines("remedy_sent", "remedy_done", "remedy_worked")
    mails = wait_until(lambda: (m := shop.smtp.wait_mails(1)) and any(
        mail["message"]["Subject"].startswith("[resolved]") for mail in m) and m,
        "the recovery's mail", DEADLINE_S)
    assert "relaunch carried out (1 of 3)" in mails[-1]["message"].get_content()
    assert len(shop.commands()) == 1


@pytest.mark.long
def test_three_tries_and_given_up(shop):
    shop.fall()
    lines = []
    for turn, wait_s in enumerate((120, 600, 0), 1):
        command = shop.wait_sent(turn)
        assert [c["command_id"] for c in shop.fetch()] == [command]
        shop.answer(command, "failed", error="no such app")
        lines += ["remedy_sent", "remedy_failed"]
        if turn < 3:
            shop.wait_lines(*lines)
            shop.advance(wait_s - 60)
            assert len(shop.commands()) == turn
            shop.advance(90)
    shop.wait_lines(*lines, "remedy_gave_up")
    shop.advance(2400)
    assert len(shop.commands()) == 3
    shop.wait_lines(*lines, "remedy_gave_up")
    texts = [mail["message"].get_content() for mail in shop.smtp.wait_mails(2)]
    wait_until(lambda: any("relaunching given up" in mail["message"].get_content()
                           for mail in shop.smtp.wait_mails(2)), "it to be told", DEADLINE_S)
    assert any("relaunch failed (1 of 3): no such app" in text for text in texts)


def test_not_while_it_may_not(shop):
    """Quarantined; then switched off; then both are over."""
    device = int(shop.device["device_id"])
    shop.monitor(auto_remediate=False)
    shop.fall()
    shop.advance(30)
    shop.appliance.sql("UPDATE device_monitoring SET auto_remediate = true")
    shop.appliance.sql("UPDATE devices SET quarantined_at = now() WHERE id = %s", device)
    shop.advance(30)
    assert shop.commands() == []
    shop.appliance.sql("UPDATE devices SET quarantined_at = NULL WHERE id = %s", device)
    shop.advance(30)
    shop.wait_sent(1)


def test_what_has_not_gone_out_is_taken_back(shop):
    shop.appliance.sql("UPDATE devices SET quarantined_at = NULL")
    shop.fall()
    shop.wait_sent(1)
    shop.recover()
    wait_until(lambda: shop.commands()[0][1] == "cancelled", "the command to be taken back",
               DEADLINE_S)
    shop.wait_lines("remedy_sent", "remedy_cancelled")


@pytest.mark.parametrize("point", ["remedy.queued", "remedy.commit", "remedy.committed"])
def test_a_kill_sends_no_second_command(shop, point):
    appliance = shop.appliance
    shop.monitor(auto_remediate=False)
    shop.fall()
    appliance.terminate()
    appliance.environment["MUSTER_FAILPOINTS"] = f"{point}=crash"
    appliance.launch()
    if point == "remedy.queued":  # passed only with something to send
        appliance.wait_published()
        wait_until(appliance.postgres_pid, "PostgreSQL")
        wait_until(lambda: appliance.ready() and appliance.ready()["degraded"] == [],
                   "musterd to store")
        appliance.sql("UPDATE device_monitoring SET auto_remediate = true")
    assert appliance.process.wait(DEADLINE_S) == -9
    appliance.forget()
    del appliance.environment["MUSTER_FAILPOINTS"]
    appliance.start()
    appliance.sql("UPDATE device_monitoring SET auto_remediate = true")
    command = shop.wait_sent(1)
    shop.advance(30)
    shop.wait_lines("remedy_sent")
    assert len(shop.commands()) == 1
    assert [c["command_id"] for c in shop.fetch()] == [command]
