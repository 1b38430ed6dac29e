# SPDX-License-Identifier: Apache-2.0
"""Forgotten passwords: codes by mail and from an administrator."""
import re
import pathlib
import threading

import pytest
import requests

import people
from appliance import wait_until
from doubles.smtp_double import SmtpDouble
from people import PASSWORD, Person, slug

pytestmark = pytest.mark.one_thread

BASE = ["--accounts-bcrypt-cost", "4", "--limits-auth-failures", "0", "--limits-reset-max", "0"]
OPTIONS = tuple(BASE)
FRESH = "a fresh new password"


@pytest.fixture
def boss(daemon):
    return people.admin(daemon)


def issue(boss, person):
    user = boss.daemon.sql("SELECT id FROM users WHERE name = %s", person.username)[0][0]
    return boss.ask("POST", f"/admin/users/{user}/reset-token", expect=201).json()["token"]


def reset(daemon, token, password=FRESH):
    return requests.post(daemon.url + "/api/auth/reset", timeout=60,
                         json={"token": token, "password": password})


def request(daemon, **body):
    return requests.post(daemon.url + "/api/auth/reset-request", json=body, timeout=60)


# -- from an administrator --

def test_a_code_from_an_administrator(boss):
    person = people.make(boss)
    token = issue(boss, person)
    assert token not in str(boss.daemon.sql("SELECT * FROM password_resets"))
    assert reset(boss.daemon, token).status_code == 204
    person.me(expect=401)  # all sessions are over
    person.refresh(expect=401)
    Person(boss.daemon, person.username, PASSWORD).sign_in(expect=401)
    answer = Person(boss.daemon, person.username, FRESH).sign_in().json()
    assert answer["password_change_advised"] is False
    assert slug(reset(boss.daemon, token, "yet another password")) == "reset-token"
    Person(boss.daemon, person.username, FRESH).sign_in()
    actions = [row[0] for row in boss.daemon.sql(
        "SELECT action FROM audit_log WHERE actor = %s OR (actor = 'user:admin' AND action ="
        " 'user.reset_token') ORDER BY id", f"user:{person.username}")]
    assert "user.reset_token" in actions and "user.password_reset" in actions


def test_a_user_without_a_password_sets_the_first(boss):
    username = f"first{next(people.COUNTER)}"
    made = boss.ask("POST", "/admin/users", {"username": username, "role": "viewer"},
                    expect=201).json()
    for password in ("!", "", " ", PASSWORD):
        if password:
            Person(boss.daemon, username, password).sign_in(expect=401)
    assert reset(boss.daemon, made["reset_token"]).status_code == 204
    Person(boss.daemon, username, FRESH).sign_in()


def test_a_weak_password_does_not_use_the_code_up(boss):
    person = people.make(boss)
    token = issue(boss, person)
    answer = reset(boss.daemon, token, "short")
    assert answer.status_code == 400 and answer.json()["field"] == "password"
    assert reset(boss.daemon, token, person.username).status_code == 400
    assert reset(boss.daemon, token).status_code == 204


def test_codes_expire(boss):
    person = people.make(boss)
    token = issue(boss, person)
    boss.daemon.sql("UPDATE password_resets SET expires_at = now() - interval '1 second'"
                    " WHERE user_id = %s", int(person.id()))
    assert reset(boss.daemon, token).status_code == 401
    person.sign_in()


@pytest.mark.parametrize("token", ["x", "mx_", "mx_" + "0" * 43, "mx_'; --"])
def test_unknown_codes(daemon, token):
    answer = reset(daemon, token)
    assert answer.status_code == 401 and slug(answer) == "reset-token"


def test_a_disabled_user_has_no_reset(boss):
    person = people.make(boss)
    token = issue(boss, person)
    boss.ask("PATCH", f"/admin/users/{person.id()}", {"disabled": True}, expect=200)
    assert reset(boss.daemon, token).status_code == 401


def test_a_changed_password_takes_codes_away(boss):
    person = people.make(boss)
    token = issue(boss, person)
    person.ask("POST", "/api/auth/password", {"old_password": PASSWORD, "new_password": FRESH},
               expect=204)
    assert reset(boss.daemon, token, "an attacker's password").status_code == 401


def test_a_reset_unlocks(boss):
    person = people.make(boss)
    wrong = Person(boss.daemon, person.username, "not the password")
    for _ in range(5):
        wrong.sign_in(expect=401)
    wrong.sign_in(expect=429)
    assert reset(boss.daemon, issue(boss, person)).status_code == 204
    Person(boss.daemon, person.username, FRESH).sign_in()


def at_once(*calls):
    """What each gives, all begun at the same moment."""
    barrier = threading.Barrier(len(calls))
    results = [None] * len(calls)

    def run(i):
        barrier.wait()
        results[i] = calls[i]()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def settled(answers):
    """503: bcrypt was busy; nothing happened."""
    return [answer for answer in answers if answer.status_code != 503]


def test_two_resets_with_one_code(boss):
    person = people.make(boss)
    for turn in range(5):
        token = issue(boss, person)
        passwords = [f"{FRESH} {turn} {i}" for i in range(3)]
        answers = at_once(*[lambda p=p: reset(boss.daemon, token, p) for p in passwords])
        statuses = [answer.status_code for answer in answers]
        assert statuses.count(204) == 1 and set(statuses) <= {204, 401, 503}, statuses
        winner = passwords[statuses.index(204)]
        for password in passwords:
            Person(boss.daemon, person.username,
                   password).sign_in(expect=200 if password == winner else 401)


def test_a_reset_while_a_login_is_under_way(boss):
    """Whichever comes first, no session that the old password opened is left."""
    person = people.make(boss)
    old = PASSWORD
    for turn in range(8):
        token = issue(boss, person)
        new = f"{FRESH} {turn}"

        def sign_in():
            return requests.post(boss.daemon.url + "/api/auth/login", timeout=60,
                                 json={"username": person.username, "password": old})

        login, done = at_once(sign_in, lambda: reset(boss.daemon, token, new))
        if done.status_code == 503:
            done = reset(boss.daemon, token, new)
        assert done.status_code == 204
        assert login.status_code in (200, 401, 503)
        if login.status_code == 200:
            person.me(expect=401, token=login.json()["access_token"])
            person.refresh(login.json()["refresh_token"], expect=401)
        old = new


# -- by mail --

@pytest.fixture(scope="module")
def mailing(bin_dir, tmp_path_factory):
    """An appliance that sends mail."""
    import shutil
    import tempfile

    from appliance import Appliance
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="muster-test-"))
    scratch.chmod(0o755)
    with SmtpDouble() as smtp:
        appliance = Appliance(bin_dir, scratch / "data", options=[
            *BASE, "--smtp-url", smtp.url, "--smtp-from", "Muster <muster@example.org>",
            "--smtp-starttls", "never", "--accounts-reset-url", "https://console.example/reset"])
        try:
            appliance.start()
            appliance.smtp = smtp
            yield appliance
        finally:
            appliance.destroy()
            shutil.rmtree(scratch, ignore_errors=True)


def mailed(appliance, address, count=1):
    """The count-th mail to this address."""
    def found():
        mails = [mail for mail in list(appliance.smtp.mails) if address in str(mail["to"])]
        return mails[count - 1] if len(mails) >= count else None

    return wait_until(found, f"mail {count} to {address}")


def text_of(mail):
    return mail["message"].get_content()


def token_in(mail):
    return re.search(r"^(mx_[0-9A-Za-z]{43})\r?$", text_of(mail), re.M).group(1)


@pytest.mark.parametrize("by", ["username", "email"])
def test_a_code_by_mail(mailing, by):
    boss = people.admin(mailing)
    address = f"{by}@example.org"
    person = people.make(boss, email=address)
    body = {"username": person.username.upper()} if by == "username" else {"email": address.upper()}
    answer = request(mailing, **body)
    assert answer.status_code == 202 and answer.content == b""
    mail = mailed(mailing, address)
    assert mail["message"]["Subject"] == "Muster: a new password"
    assert person.username in text_of(mail)
    token = token_in(mail)
    assert f"https://console.example/reset#{token}" in text_of(mail)
    assert reset(mailing, token).status_code == 204
    Person(mailing, person.username, FRESH).sign_in()
    assert reset(mailing, token, "again another one").status_code == 401
    assert token not in (mailing.data_dir / "output.txt").read_text()


def test_who_is_there_is_not_told(mailing):
    boss = people.admin(mailing)
    people.make(boss, email="there@example.org")
    without = people.make(boss)
    gone = people.make(boss, email="gone@example.org")
    boss.ask("PATCH", f"/admin/users/{gone.id()}", {"disabled": True}, expect=200)
    shown = set()
    for body in ({"email": "there@example.org"}, {"email": "nobody@example.org"},
                 {"username": without.username}, {"username": gone.username},
                 {"email": "'; DROP TABLE users; --"}):
        answer = request(mailing, **body)
        shown.add((answer.status_code, answer.content, tuple(sorted(answer.headers))))
    assert len(shown) == 1 and shown.pop()[0] == 202
    mailed(mailing, "there@example.org")
    assert not [mail for mail in mailing.smtp.mails if "there@example.org" not in str(mail["to"])
                and ("gone" in str(mail["to"]) or "nobody" in str(mail["to"]))]


def test_nobody_is_flooded_with_mail(mailing):
    boss = people.admin(mailing)
    person = people.make(boss, email="calm@example.org")
    for _ in range(6):
        assert request(mailing, username=person.username).status_code in (202, 429)
    mailed(mailing, "calm@example.org", 3)
    # Another's mail, asked for later, has come: so would have a fourth.
    people.make(boss, email="later@example.org")
    request(mailing, email="later@example.org")
    mailed(mailing, "later@example.org")
    assert len([mail for mail in mailing.smtp.mails if "calm" in str(mail["to"])]) == 3


def test_a_second_mail_does_not_spoil_the_first(mailing):
    boss = people.admin(mailing)
    person = people.make(boss, email="twice@example.org")
    request(mailing, username=person.username)
    request(mailing, username=person.username)
    tokens = [token_in(mailed(mailing, "twice@example.org", n)) for n in (1, 2)]
    assert reset(mailing, tokens[0]).status_code == 204
    assert reset(mailing, tokens[1], "yet another one here").status_code == 401


def test_without_a_mail_server(boss):
    person = people.make(boss, email="nowhere@example.org")
    assert request(boss.daemon, username=person.username).status_code == 202
    assert request(boss.daemon, username="no-such-user").status_code == 202
    assert boss.daemon.sql("SELECT count(*) FROM password_resets WHERE user_id = %s",
                           int(person.id())) == [(0,)]


@pytest.mark.parametrize("body", [{}, {"username": ""}, {"email": "x"}, {"username": 7},
                                  {"username": "a", "extra": 1}])
def test_malformed_requests(daemon, body):
    assert request(daemon, **body).status_code == 400


def test_three_an_hour(make_appliance):
    appliance = make_appliance(options=BASE[:-2])
    appliance.start()
    answers = [request(appliance, username=f"nobody-{i}") for i in range(4)]
    assert [answer.status_code for answer in answers] == [202] * 3 + [429]
    # The window slides: the last one's requests fade out over the next.
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 7200
