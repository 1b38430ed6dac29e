# SPDX-License-Identifier: Apache-2.0
"""Alerts about the appliance itself, and the one that is told while PostgreSQL is away."""

import pytest

from appliance import wait_until
from doubles.smtp_double import SmtpDouble
from virtual_clock import VirtualClock


DEADLINE_S = 300
GRACE_S = 300  # of a start, until PostgreSQL is thought to be away


class House:
    """An appliance of a clock that the test sets, and the mail that it sends."""

    def __init__(self, make_appliance, bin_dir, scratch, smtp, server=None):
        self.clock = VirtualClock(scratch / "clock")
        self.smtp = smtp
        environment = self.clock.environment()
        if server:
            environment["MUSTER_DATABASE_URL"] = server.url
        self.appliance = make_appliance(
            bin_dir=bin_dir, environment=environment,
            options=[*smtp.options(), "--alerts-group-wait", "0s"])
        self.appliance.start()

    def channel(self, *rules):
        answer = self.appliance.session.post(
            self.appliance.url + "/admin/alert-channels", timeout=60,
            headers=self.appliance.admin_headers(),
            json={"kind": "email", "name": "ops", "to": ["ops@example.org"],
                  "rules": list(rules)})
        assert answer.status_code == 201, answer.text
        # What is told without the database goes to those that the notifier knows.
        wait_until(lambda: self.appliance.metric(
            'muster_alert_channels{kind="email",state="ok"}') == 1, "it to be known", DEADLINE_S)

    def edges(self, rule):
        return [kind for kind, in self.appliance.sql(
            "SELECT kind FROM alert_events WHERE rule = %s AND device_id = 0 AND kind IN"
            " ('fired', 'resolved') ORDER BY id", rule)]

    def wait_edges(self, rule, *kinds):
        def there():
            self.clock.advance(self.appliance, 10)
            return self.edges(rule) == list(kinds)
        wait_until(there, f"{rule} to be {kinds}", DEADLINE_S)

    def subjects(self, count):
        """Of that many mails, once they are there. A try that the set clock has cut short is made
        again only as that goes on."""
        def there():
            if len(self.smtp.mails) < count:
                self.clock.advance(self.appliance, 4)
            return len(self.smtp.mails) >= count
        wait_until(there, f"{count} mails", DEADLINE_S)
        return [mail["message"]["Subject"] for mail in self.smtp.wait_mails(count)]


@pytest.fixture
def smtp():
    with SmtpDouble() as double:
        yield double


@pytest.fixture
def house(make_appliance, failpoint_bin_dir, scratch, smtp):
    return House(make_appliance, failpoint_bin_dir, scratch, smtp)


def test_a_job_that_fails_again_and_again(house):
    """Three runs in a row; the first good one ends it."""
    appliance = house.appliance
    house.channel("job_failing")
    appliance.sql("ALTER TABLE selections RENAME TO selections_away")
    for _ in range(3):
        appliance.run_job("selections", expect="failed")
    house.wait_edges("job_failing", "fired")
    assert house.subjects(1)[0].startswith("[warning] ")
    detail, = appliance.sql("SELECT detail FROM alerts WHERE rule = 'job_failing'")[0]
    assert detail["job"] == "selections"
    appliance.sql("ALTER TABLE selections_away RENAME TO selections")
    appliance.run_job("selections")
    house.wait_edges("job_failing", "fired", "resolved")
    assert house.subjects(2)[1].startswith("[resolved] ")


def test_a_missing_partition(house):
    appliance = house.appliance
    appliance.run_job("partitions")  # the run at start is over: it would mend this at once
    name, = appliance.sql("SELECT 'heartbeats_' || to_char((to_timestamp(%s) AT TIME ZONE 'UTC')"
                          "::date + 2, 'YYYYMMDD')", house.clock.now_s())[0]
    appliance.sql(f"ALTER TABLE heartbeats DETACH PARTITION {name}")
    house.wait_edges("partition_missing", "fired")
    detail, = appliance.sql("SELECT detail FROM alerts WHERE rule = 'partition_missing'")[0]
    assert detail["first_day"].replace("-", "") == name[-8:]
    appliance.sql(f"DROP TABLE {name}")
    appliance.sql("DELETE FROM partition_registry WHERE partition = %s", name)
    appliance.run_job("partitions")
    house.wait_edges("partition_missing", "fired", "resolved")


@pytest.mark.long
def test_records_that_were_refused(house):
    appliance = house.appliance
    appliance.sql("INSERT INTO ingest_rejects (journal_id, seq, device_id, rejected_at, reason,"
                  " record) VALUES (decode(repeat('00', 16), 'hex'), 1, 1, to_timestamp(%s),"
                  " 'data', '')", house.clock.now_s())
    house.wait_edges("rejects", "fired")
    house.clock.advance(appliance, 3600)
    house.wait_edges("rejects", "fired", "resolved")


# -- the database away --

@pytest.fixture
def outage(make_appliance, failpoint_bin_dir, scratch, smtp, postgres_server):
    house = House(make_appliance, failpoint_bin_dir, scratch, smtp, postgres_server)
    house.server = postgres_server
    house.channel("database_away")  # that heartbeats wait for it is told by another
    return house


def note(house):
    return house.appliance.data_dir / "alerts" / "outage.json"


def written(house):
    """Edges, and what was told of them, as the database has it."""
    kinds = [kind for kind, in house.appliance.sql(
        "SELECT kind FROM alert_events WHERE rule = 'database_away' ORDER BY at, id")]
    told = house.appliance.sql("SELECT kind, state FROM alert_notifications ORDER BY id")
    return kinds, told


def go_away(house):
    """PostgreSQL stops; a minute later that was told."""
    house.clock.advance(house.appliance, 20)  # the alert thread has seen it store
    house.server.stop()
    # A batch has to fail before the writers know.
    device = house.device
    answer = house.appliance.heartbeat(device["token"], ts=house.clock.now_s())
    assert answer.status_code == 202, answer.text
    wait_until(lambda: "database" in (house.appliance.ready() or {"degraded": []})["degraded"],
               "it to be noticed", DEADLINE_S)
    house.clock.advance(house.appliance, 60)


def come_back(house):
    house.server.start()
    house.appliance.wait_storing()
    house.clock.advance(house.appliance, 60)
    wait_until(lambda: not note(house).exists(), "the outage to be written down", DEADLINE_S)


def test_the_database_away_is_told_at_once(outage):
    outage.device = outage.appliance.register("device")
    go_away(outage)
    assert outage.subjects(1) == ["[critical] Database away"]
    assert note(outage).exists()
    outage.clock.advance(outage.appliance, 600)
    come_back(outage)
    subjects = outage.subjects(2)
    assert subjects[1].startswith("[resolved] ")
    wait_until(lambda: written(outage)[1] == [("opened", "sent"), ("closed", "sent")],
               "the recovery to be told", DEADLINE_S)
    assert [kind for kind in written(outage)[0] if kind != "notified"] == [
        "fired", "opened", "resolved", "closed"]
    assert len(outage.smtp.mails) == 2


def test_a_kill_during_the_outage_tells_nobody_again(outage):
    outage.device = outage.appliance.register("device")
    go_away(outage)
    outage.subjects(1)
    for _ in range(2):
        outage.appliance.kill()
        outage.appliance.spawn()
        outage.clock.advance(outage.appliance, GRACE_S + 100)
    assert len(outage.smtp.mails) == 1 and note(outage).exists()
    come_back(outage)
    assert outage.subjects(2)[1].startswith("[resolved] ")
    # A mail that was sent and not yet written down would go once more: it comes at least once.
    wait_until(lambda: written(outage)[1] == [("opened", "sent"), ("closed", "sent")],
               "the recovery to be told", DEADLINE_S)
    outage.appliance.kill()
    outage.appliance.start()
    outage.clock.advance(outage.appliance, 60)
    wait_until(lambda: outage.appliance.ready()["degraded"] == [], "it to be back", DEADLINE_S)
    assert written(outage)[0].count("fired") == written(outage)[0].count("resolved") == 1
    assert len(outage.smtp.mails) == 2


@pytest.mark.parametrize("point", ["outage.commit", "outage.committed"])
def test_a_kill_while_it_is_written_down(outage, point):
    outage.device = outage.appliance.register("device")
    appliance = outage.appliance
    go_away(outage)
    outage.subjects(1)
    appliance.kill()
    outage.server.start()
    appliance.environment["MUSTER_FAILPOINTS"] = f"{point}=crash"
    appliance.start()
    outage.clock.jump(4, 4)
    for _ in range(100):
        if appliance.process.poll() is not None:
            break
        outage.clock.jump(4, 4)
        try:
            appliance.process.wait(0.3)
        except Exception:  # it lives
            pass
    assert appliance.process.wait(DEADLINE_S) == -9
    appliance.forget()
    del appliance.environment["MUSTER_FAILPOINTS"]
    appliance.start()
    outage.clock.advance(appliance, 60)
    wait_until(lambda: not note(outage).exists(), "the outage to be written down", DEADLINE_S)
    assert outage.subjects(2)[1].startswith("[resolved] ")
    assert written(outage)[0].count("fired") == written(outage)[0].count("closed") == 1
    assert appliance.sql("SELECT count(*) FROM alerts WHERE rule = 'database_away'")[0][0] == 1
