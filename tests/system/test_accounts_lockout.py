# SPDX-License-Identifier: Apache-2.0
"""Guessing passwords gets slow, and tells nothing about who is there."""
import threading

import pytest
import requests

import people
from people import PASSWORD, Person, slug

pytestmark = pytest.mark.one_thread

OPTIONS = ("--accounts-bcrypt-cost", "4", "--limits-auth-failures", "0",
           "--accounts-lock-first", "1h", "--accounts-lock-longest", "4h")


@pytest.fixture
def boss(daemon):
    return people.admin(daemon)


def guess(daemon, username, password="not the password"):
    return requests.post(daemon.url + "/api/auth/login", timeout=60,
                         json={"username": username, "password": password})


def lock(daemon, username):
    """The answers until it is locked, that one included."""
    answers = []
    while not answers or answers[-1].status_code == 401:
        assert len(answers) < 25
        answers.append(guess(daemon, username))
    return answers


def shown(answers):
    """What a guesser sees."""
    return [(answer.status_code, slug(answer), answer.json()["detail"].split("try again")[0],
             "Retry-After" in answer.headers, sorted(answer.json())) for answer in answers]


def test_locked_and_unlocked(boss):
    person = people.make(boss)
    answers = lock(boss.daemon, person.username)
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert slug(answers[-1]) == "login-locked"
    assert 3500 < int(answers[-1].headers["Retry-After"]) <= 3600

    # The right password does not help now; who is signed in stays so.
    assert guess(boss.daemon, person.username, PASSWORD).status_code == 429
    person.me()
    person.refresh()
    row = boss.ask("GET", f"/admin/users/{person.id()}", expect=200).json()
    assert row["locked_until"] is not None

    boss.ask("POST", f"/admin/users/{person.id()}/unlock", expect=204)
    assert guess(boss.daemon, person.username, PASSWORD).status_code == 200
    assert boss.ask("GET", f"/admin/users/{person.id()}",
                    expect=200).json()["locked_until"] is None


def test_a_lock_ends_by_itself_and_the_next_is_longer(boss):
    person = people.make(boss)
    lock(boss.daemon, person.username)
    waits = []
    for _ in range(4):
        # Tries while it is locked do not make it longer.
        for _ in range(3):
            waits.append(int(guess(boss.daemon, person.username).headers["Retry-After"]))
        people.age_failures(boss.daemon, max(waits) + 1)
        assert guess(boss.daemon, person.username).status_code == 401
    hours = [round(wait / 3600) for wait in waits]
    assert hours == [1] * 3 + [2] * 3 + [4] * 6  # and no longer than lock_longest
    people.age_failures(boss.daemon, 4 * 3600 + 1)
    assert guess(boss.daemon, person.username, PASSWORD).status_code == 200
    assert boss.daemon.sql("SELECT count(*) FROM login_failures WHERE name_sha256 ="
                           " sha256(convert_to(%s, 'UTF8'))", person.username) == [(0,)]


def test_a_success_forgives(boss):
    person = people.make(boss)
    for _ in range(3):
        for _ in range(4):
            assert guess(boss.daemon, person.username).status_code == 401
        assert guess(boss.daemon, person.username, PASSWORD).status_code == 200


def test_a_day_forgives(boss):
    person = people.make(boss)
    for _ in range(4):
        assert guess(boss.daemon, person.username).status_code == 401
    people.age_failures(boss.daemon, 86401)
    for _ in range(4):
        assert guess(boss.daemon, person.username).status_code == 401
    assert guess(boss.daemon, person.username, PASSWORD).status_code == 200


def test_who_is_there_is_not_told(boss):
    person = people.make(boss)
    disabled = people.make(boss)
    boss.ask("PATCH", f"/admin/users/{disabled.id()}", {"disabled": True}, expect=200)
    reset_only = f"fresh{next(people.COUNTER)}"
    boss.ask("POST", "/admin/users", {"username": reset_only, "role": "viewer"}, expect=201)
    known = shown(lock(boss.daemon, person.username))
    for username in ("no-such-user", disabled.username, reset_only, "ünknöwn"):
        assert shown(lock(boss.daemon, username)) == known
    # Nor does the case of the name make another one of it.
    assert guess(boss.daemon, person.username.upper(), PASSWORD).status_code == 429
    assert guess(boss.daemon, "NO-such-USER").status_code == 429


@pytest.mark.parametrize("letter,other", [("k", "\u212a"), ("i", "\u0130")])
def test_letters_that_postgresql_folds_are_other_names(boss, letter, other):
    """Or each would be a lock of its own before the same door."""
    person = people.make(boss, username=f"folded-{letter}-{next(people.COUNTER)}")
    lock(boss.daemon, person.username)
    twin = person.username.replace(letter, other)
    assert guess(boss.daemon, twin, PASSWORD).status_code == 401


def test_what_was_typed_is_not_kept(boss):
    """People type passwords into the field above."""
    guess(boss.daemon, "my secret password 1")
    assert "my secret password" not in str(boss.daemon.sql("SELECT * FROM login_failures"))
    assert "my secret password" not in (boss.daemon.data_dir / "output.txt").read_text()


def test_many_guesses_at_once(boss):
    """Not many more than the limit are looked at, however many come at the same moment."""
    person = people.make(boss)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(guess(boss.daemon, person.username)))
               for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {401, 429, 503}
    assert statuses.count(401) <= 5 + 3  # the limit, and what bcrypt's bound lets run beside it
    assert guess(boss.daemon, person.username, PASSWORD).status_code in (200, 429)


def test_a_stolen_access_token_can_not_guess_either(boss):
    person = people.make(boss)
    change = {"old_password": "not it", "new_password": "another fine password"}
    for _ in range(5):
        assert person.ask("POST", "/api/auth/password", change).status_code == 403
    assert slug(person.ask("POST", "/api/auth/password", change, expect=429)) == "login-locked"
    assert guess(boss.daemon, person.username, PASSWORD).status_code == 429


def test_the_book_of_failures_is_bounded(boss):
    boss.daemon.sql("INSERT INTO login_failures (name_sha256, last_failed_at)"
                    " SELECT sha256(i::text::bytea), now() - interval '1 hour' - i * interval '1 s'"
                    " FROM generate_series(1, 65536) i")
    try:
        assert guess(boss.daemon, "one-more-name").status_code == 401
        assert boss.daemon.sql("SELECT count(*) FROM login_failures") == [(65536,)]
        assert boss.daemon.sql("SELECT count(*) FROM login_failures WHERE name_sha256 ="
                               " sha256('one-more-name')") == [(1,)]
    finally:
        boss.daemon.sql("DELETE FROM login_failures")


def test_an_address_that_fails_too_often(make_appliance):
    appliance = make_appliance(options=["--accounts-bcrypt-cost", "4",
                                        "--limits-auth-failures", "10"])
    appliance.start()
    boss = people.admin(appliance)
    answers = [guess(appliance, f"name-{i}") for i in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert slug(answers[-1]) == "authentication-rate"
    # Now a password is not even looked at; who is signed in goes on.
    assert slug(guess(appliance, "admin", boss.password)) == "authentication-rate"
    boss.me()
    boss.refresh()


def test_devices_that_were_shut_out_keep_nobody_from_signing_in(make_appliance):
    """They share an address with the people who are to let them in again."""
    appliance = make_appliance(options=["--accounts-bcrypt-cost", "4",
                                        "--limits-auth-failures", "10"])
    appliance.start()
    answers = [appliance.heartbeat("mu_" + "A" * 43) for _ in range(12)]
    assert answers[-1].status_code == 429
    people.admin(appliance)
    assert guess(appliance, "nobody").status_code == 401


def test_security_events(boss):
    person = people.make(boss)
    kinds = ("login_failed", "lockout", "session_reuse", "origin_refused", "password_reset")

    def counts():
        return [boss.daemon.metric(f'muster_security_events_total{{kind="{kind}"}}')
                for kind in kinds]

    before = counts()
    first = person.refresh_token
    person.refresh()
    people.age(boss.daemon, person.username, 11)
    person.refresh(first, expect=401)
    Person(boss.daemon, person.username, PASSWORD).sign_in()
    requests.post(boss.daemon.url + "/api/auth/refresh", json={}, timeout=60,
                  headers={"Cookie": f"muster_refresh={first}", "Origin": "https://evil.example"})
    requests.post(boss.daemon.url + "/api/auth/reset", timeout=60,
                  json={"token": "mx_" + "0" * 43, "password": PASSWORD})
    lock(boss.daemon, person.username)
    assert [after - earlier for after, earlier in zip(counts(), before)] == [5, 1, 1, 1, 1]
