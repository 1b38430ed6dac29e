# SPDX-License-Identifier: Apache-2.0
"""Alerts as mail: what people get, once each, and the daily digest."""
import datetime

import pytest

from appliance import wait_until
from doubles.smtp_double import SmtpDouble
from virtual_clock import VirtualClock


DEADLINE_S = 300
NOW = ["--alerts-group-wait", "0s"]


@pytest.fixture
def smtp():
    with SmtpDouble() as double:
        yield double


class Post:
    """An appliance that mails, and one device of it."""

    def __init__(self, appliance, smtp):
        self.appliance = appliance
        self.smtp = smtp

    def channel(self, *to, **more):
        answer = self.appliance.session.post(
            self.appliance.url + "/admin/alert-channels", timeout=60,
            headers=self.appliance.admin_headers(),
            json={"kind": "email", "name": more.pop("name", "ops"), "to": list(to), **more})
        assert answer.status_code == 201, answer.text
        return int(answer.json()["channel"]["id"])

    def device(self, alias, site=None):
        device = self.appliance.register(alias)
        if site:
            answer = self.appliance.session.patch(
                f"{self.appliance.url}/admin/devices/{device['device_id']}", json={"site": site},
                headers=self.appliance.admin_headers(), timeout=60)
            assert answer.status_code == 200, answer.text
        return device

    def beat(self, device, battery, ts=None):
        fields = {"ts": ts, "sent_at": ts} if ts else {}
        answer = self.appliance.heartbeat(device["token"], battery=battery, **fields)
        assert answer.status_code == 202, answer.text

    def edges(self, kind):
        return self.appliance.sql("SELECT count(*) FROM alert_events WHERE kind = %s", kind)[0][0]

    def wait_mails(self, count):
        return [mail["message"] for mail in self.smtp.wait_mails(count, DEADLINE_S)]

    def notifications(self, kind, state):
        return self.appliance.sql("SELECT count(*) FROM alert_notifications WHERE kind = %s AND"
                                  " state = %s", kind, state)[0][0]

    def wait_notifications(self, kind, state, count):
        wait_until(lambda: self.notifications(kind, state) == count,
                   f"{count} {kind} to be {state}", DEADLINE_S)


def body(message):
    return message.get_content()


@pytest.fixture
def post(make_appliance, smtp):
    return Post(make_appliance(options=[*smtp.options(), *NOW]).start(), smtp)


def test_opened_and_resolved_are_one_thread(post):
    post.channel("ops@example.org")
    device = post.device("Kässe 4 =?x?=", site="Berlin")
    post.beat(device, 10)
    opened = post.wait_mails(1)[0]
    assert opened["Subject"] == "[warning] Low battery: Kässe 4 =?x?= (Berlin)"
    assert opened["To"] == "ops@example.org"
    assert opened["Auto-Submitted"] == "auto-generated"
    assert "10" in body(opened) and "Severity: warning" in body(opened)
    assert "Until:" not in body(opened)
    charged(post, device)
    closed = post.wait_mails(2)[1]
    assert closed["Subject"].startswith("[resolved] ")
    assert "Until:" in body(closed)
    assert closed["References"] == opened["References"] == closed["In-Reply-To"]
    assert closed["Message-ID"] != opened["Message-ID"]
    post.wait_notifications("closed", "sent", 1)
    assert len(post.smtp.mails) == 2


def charged(post, device, battery=50):
    """Reports until one falls into another bucket than the last."""
    def told():
        answer = post.appliance.heartbeat(device["token"], battery=battery)
        assert answer.status_code in (200, 202), answer.text
        return post.edges("resolved") > 0
    wait_until(told, "the recovery", DEADLINE_S)


def test_each_recipient_gets_one(post):
    """One is put off by the server for a while, one does not exist."""
    post.smtp.answer("rcpt", "451 4.3.0 later")
    post.smtp.answer("rcpt", "550 5.1.1 No such user")
    post.channel("a@example.org", "b@example.org", "c@example.org")
    post.beat(post.device("Till"), 5)
    post.wait_notifications("opened", "sent", 1)
    mails = post.smtp.wait_mails(2)
    # which of them met which answer is the mailer's order
    got = sorted(mail["to"][0] for mail in mails)
    assert len(got) == len(set(got)) == 2
    missing = ({"a@example.org", "b@example.org", "c@example.org"} - set(got)).pop()
    error, mailed = post.appliance.sql("SELECT error, detail -> 'mailed' FROM"
                                       " alert_notifications WHERE kind = 'opened'")[0]
    assert missing in (error or "") or missing in str(mailed)
    assert post.appliance.sql("SELECT attempt_count FROM alert_notifications")[0][0] == 1


def test_nobody_exists(post):
    post.smtp.answer("rcpt", "550 5.1.1 No such user", times=2)
    post.channel("a@example.org", "b@example.org")
    post.beat(post.device("Till"), 5)
    post.wait_notifications("opened", "failed", 1)
    error = post.appliance.sql("SELECT error FROM alert_notifications")[0][0]
    assert "a@example.org" in error and "550" in error
    assert post.smtp.mails == []


def test_a_users_own_address_as_it_is_now(post):
    user = post.appliance.sql("UPDATE users SET email = 'old@example.org' WHERE name = 'admin'"
                              " RETURNING id")[0][0]
    post.appliance.sql("INSERT INTO alert_channels (kind, name, user_id, updated_by)"
                       " VALUES ('email', 'admin', %s, 'test')", user)
    post.channel("ops@example.org", enabled=False)  # has the channels read anew
    post.beat(post.device("Till"), 5)
    assert post.smtp.wait_mails(1, DEADLINE_S)[0]["to"] == ["old@example.org"]
    post.appliance.sql("UPDATE users SET email = 'new@example.org' WHERE id = %s", user)
    post.channel("ops@example.org", enabled=False, name="another")
    post.beat(post.device("Till 2"), 5)
    assert post.smtp.wait_mails(2, DEADLINE_S)[1]["to"] == ["new@example.org"]
    post.appliance.sql("UPDATE users SET email = NULL WHERE id = %s", user)
    post.channel("ops@example.org", enabled=False, name="a third")
    post.beat(post.device("Till 3"), 5)
    wait_until(lambda: post.appliance.sql("SELECT error FROM alert_notifications WHERE"
                                          " error LIKE %s", "%no address%"),
               "the sentence", DEADLINE_S)
    assert len(post.smtp.mails) == 2


# -- digests --

class DigestPost(Post):
    def __init__(self, make_appliance, bin_dir, scratch, smtp):
        self.clock = VirtualClock(scratch / "clock")
        super().__init__(make_appliance(bin_dir=bin_dir, options=[*smtp.options(), *NOW],
                                        environment=self.clock.environment()).start(), smtp)

    def at(self, hour, zone="UTC"):
        """Jumps ahead to that local time, as an hour and its minute: 8.5 is half past eight."""
        now, there = self.appliance.sql(
            "SELECT extract(epoch FROM n)::float8, extract(epoch FROM (date_trunc('day', n AT TIME"
            " ZONE %s) + make_interval(days => 1, mins => %s)) AT TIME ZONE %s)::float8"
            " FROM to_timestamp(%s) n", zone, round(hour * 60), zone, self.clock.now_s())[0]
        self.clock.jump(there - now, there - now)

    def digests(self):
        return self.appliance.sql("SELECT count(*) FROM alert_notifications WHERE"
                                  " kind = 'digest'")[0][0]

    def sent_at(self):
        return self.appliance.sql("SELECT digest_sent_at FROM alert_channels")[0][0]


@pytest.fixture
def digest_post(make_appliance, failpoint_bin_dir, scratch, smtp):
    return DigestPost(make_appliance, failpoint_bin_dir, scratch, smtp)


def test_a_digest_a_day(digest_post):
    post = digest_post
    post.channel("ops@example.org", mode="digest", digest_at="08:00", digest_zone="Europe/Berlin")
    device = post.device("Till 4", site="Berlin")
    post.beat(device, 5, ts=post.clock.now_s())
    wait_until(lambda: post.edges("fired") == 1, "the edge", DEADLINE_S)
    assert post.smtp.mails == []
    post.at(8.01, "Europe/Berlin")
    mail = post.wait_mails(1)[0]
    assert mail["Subject"].startswith("Daily digest: ")
    assert "Till 4 (Berlin)" in body(mail) and "Europe/Berlin" in body(mail)
    assert mail["References"] is None
    post.wait_notifications("digest", "sent", 1)
    told = post.sent_at()
    # Set back, restarted: the day has had its digest.
    post.clock.jump(0, -3600)
    post.appliance.kill()
    post.appliance.start()
    post.clock.jump(3700, 3700)
    wait_until(lambda: post.appliance.metric("muster_alert_ticks_total") > 5, "some rounds")
    assert post.digests() == 1 and post.sent_at() == told
    post.at(8.01, "Europe/Berlin")
    post.wait_mails(2)
    post.wait_notifications("digest", "sent", 2)


@pytest.mark.parametrize("point", ["digest.commit", "digest.committed"])
def test_a_kill_makes_no_second_digest(digest_post, point):
    post = digest_post
    post.channel("ops@example.org", mode="digest", digest_at="08:00", digest_zone="UTC")
    post.beat(post.device("Till 4"), 5, ts=post.clock.now_s())
    wait_until(lambda: post.edges("fired") == 1, "the edge", DEADLINE_S)
    appliance = post.appliance
    appliance.terminate()
    appliance.environment["MUSTER_FAILPOINTS"] = f"{point}=crash"
    appliance.start()
    appliance.sql("SELECT 1")
    now = post.clock.now_s()
    ahead = (datetime.datetime.fromtimestamp(now, datetime.timezone.utc)
             .replace(hour=8, minute=1) + datetime.timedelta(days=1)).timestamp() - now
    post.clock.jump(ahead, ahead)
    assert appliance.process.wait(DEADLINE_S) == -9
    appliance.forget()
    del appliance.environment["MUSTER_FAILPOINTS"]
    appliance.start()
    post.wait_mails(1)
    post.wait_notifications("digest", "sent", 1)
    assert post.digests() == 1 and len(post.smtp.mails) == 1
