# SPDX-License-Identifier: Apache-2.0
"""Signing in, staying in, signing out; people and their roles."""
import re
import stat
import threading

import pytest
import requests

import people
from people import PASSWORD, Person, slug

OPTIONS = ("--accounts-bcrypt-cost", "4", "--limits-auth-failures", "0")


@pytest.fixture
def boss(daemon):
    return people.admin(daemon)


# -- the first user --

def test_the_first_user_is_made_at_the_first_start(daemon):
    file = daemon.data_dir / "secrets" / "admin-password"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    password = file.read_text().strip()
    assert len(password) >= 20
    answer = Person(daemon, "admin", password).sign_in().json()
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in_s"] == 900
    assert answer["password_change_advised"] is True
    assert answer["user"]["username"] == "admin"
    assert answer["user"]["role"] == "admin"
    assert daemon.sql("SELECT count(*) FROM users WHERE password_hash LIKE %s", "%" + password
                      + "%") == [(0,)]
    assert password not in (daemon.data_dir / "output.txt").read_text()


def test_a_restart_makes_no_second_one(make_appliance):
    appliance = make_appliance(options=OPTIONS)
    appliance.start()
    boss = people.admin(appliance)
    boss.ask("POST", "/api/auth/password", {"old_password": boss.password,
                                            "new_password": PASSWORD}, expect=204)
    other = people.make(boss, "admin")
    other.ask("DELETE", f"/admin/users/{boss.id()}", expect=204)
    (appliance.data_dir / "secrets" / "admin-password").unlink()
    assert appliance.terminate() == 0
    appliance.start()
    assert appliance.sql("SELECT name FROM users") == [(other.username,)]
    assert not (appliance.data_dir / "secrets" / "admin-password").exists()
    assert other.me().json()["username"] == other.username  # sessions outlive a restart
    other.refresh()


def test_a_bad_secret_stops_the_start(make_appliance):
    appliance = make_appliance()
    secrets = appliance.data_dir / "secrets"
    secrets.mkdir(parents=True, mode=0o700)
    for name, text in (("jwt-secret", "changeme\n"), ("jwt-secret", ""),
                       ("jwt-secret", "A" * 43 + "=\n"), ("admin-password", "admin\n")):
        (secrets / name).write_text(text)
        (secrets / name).chmod(0o600)
        appliance.launch()
        assert appliance.process.wait(60) != 0
        appliance.forget()
        assert f"secrets/{name} " in appliance.log_tail()
        (secrets / name).unlink()


# -- login --

def test_login(boss):
    person = people.make(boss, username="Zoe.O-Hara@x")
    assert person.sign_in().json()["user"]["username"] == "Zoe.O-Hara@x"
    assert Person(boss.daemon, "zoe.o-hara@X", PASSWORD).sign_in().status_code == 200
    assert boss.daemon.sql("SELECT last_login_at > now() - interval '5 minutes' FROM users"
                           " WHERE name = 'Zoe.O-Hara@x'") == [(True,)]


@pytest.mark.parametrize("username, password", [
    ("admin", "not the password"), ("nobody-here", "not the password"), ("'; DROP TABLE users;--",
                                                                        "x"),
    ("admin", "x" * 1000), ("ädmin", "not the password")])
def test_wrong_credentials(daemon, username, password):
    answer = Person(daemon, username, password).sign_in(expect=401)
    assert slug(answer) == "credentials"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("body", [
    {}, {"username": "admin"}, {"password": "x"}, {"username": 1, "password": "x"},
    {"username": "admin", "password": ["x"]}, {"username": "", "password": "x"},
    {"username": "admin", "password": "x", "extra": 1}, {"username": "admin", "password": "x\0y"},
    {"username": "a" * 257, "password": "x"}, {"username": "admin", "password": "x" * 1025}])
def test_malformed_logins(daemon, body):
    answer = requests.post(daemon.url + "/api/auth/login", json=body, timeout=60)
    assert answer.status_code == 400, answer.text
    assert "x" * 1025 not in answer.text


def test_long_passwords_count_to_the_end(boss):
    long = "0123456789" * 10
    person = people.make(boss)
    person.ask("POST", "/api/auth/password", {"old_password": PASSWORD, "new_password": long},
               expect=204)
    Person(boss.daemon, person.username, long).sign_in()
    Person(boss.daemon, person.username, long[:-1]).sign_in(expect=401)
    Person(boss.daemon, person.username, long[:72]).sign_in(expect=401)


def sign_in_at_once(person, count):
    answers = []

    def sign_in():
        answers.append(requests.post(person.daemon.url + "/api/auth/login", timeout=120,
                                     json={"username": person.username,
                                           "password": person.password}))

    threads = [threading.Thread(target=sign_in) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_many_logins_at_once(boss):
    person = people.make(boss)
    answers = sign_in_at_once(person, 24)
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert any(answer.status_code == 200 for answer in answers)
    person.me()


def test_passwords_leave_a_worker_to_the_rest(make_appliance):
    """Of two workers one checks passwords, and takes its time; what comes beside it is told when to
    come again."""
    appliance = make_appliance(options=["--accounts-bcrypt-cost", "14", "--control-workers", "2"])
    appliance.start()
    boss = people.admin(appliance)
    answers = sign_in_at_once(boss, 12)
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert slug(answer) == "passwords-busy" and int(answer.headers["Retry-After"]) > 0
    boss.me()


def test_a_stronger_cost_makes_the_hash_anew(make_appliance):
    appliance = make_appliance(options=OPTIONS)
    appliance.start()
    person = people.make(people.admin(appliance))
    assert appliance.terminate() == 0
    appliance.options = ["--accounts-bcrypt-cost", "5"]
    appliance.start()
    person.sign_in()
    assert appliance.sql("SELECT left(password_hash, 7) FROM users WHERE name = %s",
                         person.username) == [("$2b$05$",)]
    person.sign_in()


# -- refresh --

def test_refresh_rotates(boss):
    person = people.make(boss)
    seen = {person.refresh_token}
    for _ in range(5):
        person.refresh()
        assert person.refresh_token not in seen
        seen.add(person.refresh_token)
        person.me()
    assert len(person.sessions()) == 1


def test_two_tabs_are_one(boss):
    person = people.make(boss)
    first = person.refresh_token
    one = person.refresh(first).json()
    two = person.refresh(first).json()
    assert one["refresh_token"] == two["refresh_token"]
    # The other tab has moved on meanwhile: the newest is what is given, not a used one.
    three = person.refresh(one["refresh_token"]).json()
    four = person.refresh(first).json()
    assert four["refresh_token"] == three["refresh_token"]
    person.me()


def test_two_tabs_at_the_same_moment(boss):
    person = people.make(boss)
    first = person.refresh_token
    answers = []

    def refresh():
        answers.append(requests.post(boss.daemon.url + "/api/auth/refresh", timeout=60,
                                     json={"refresh_token": first}))

    threads = [threading.Thread(target=refresh) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 8
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    person.refresh(answers[0].json()["refresh_token"])


def test_a_replayed_token_ends_the_session(boss):
    person = people.make(boss)
    other = Person(boss.daemon, person.username, PASSWORD)
    other.sign_in()
    first = person.refresh_token
    person.refresh()
    newest = person.refresh_token
    people.age(boss.daemon, person.username, 11)
    assert slug(person.refresh(first, expect=401)) == "refresh-reuse"
    person.me(expect=401)                    # the access token too, at once
    person.refresh(newest, expect=401)       # and whoever held the newest
    assert boss.daemon.sql(
        "SELECT ended_by FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.name = %s"
        " AND ended_at IS NOT NULL", person.username) == [("refresh-reuse",)]
    assert boss.daemon.sql("SELECT count(*) FROM audit_log WHERE actor = %s AND"
                           " action = 'session.end'", f"user:{person.username}") == [(1,)]
    other.me()                               # another session is another family
    other.refresh()


@pytest.mark.parametrize("token", ["", "mr_", "mr_" + "0" * 43, "mr_" + "0" * 44, "x" * 46,
                                   "mu_" + "0" * 43, "mr_'" + "0" * 42])
def test_unknown_refresh_tokens(daemon, token):
    answer = requests.post(daemon.url + "/api/auth/refresh", json={"refresh_token": token},
                           timeout=60)
    assert answer.status_code == (400 if token == "" else 401)


def test_sessions_expire(boss):
    idle = people.make(boss)
    old = people.make(boss)
    boss.daemon.sql("UPDATE sessions SET idle_expires_at = now() - interval '1 second'"
                    " WHERE user_id = %s", int(idle.id()))
    idle.refresh(expect=401)
    assert idle.sessions() == []
    boss.daemon.sql("UPDATE sessions SET expires_at = now() - interval '1 second'"
                    " WHERE user_id = %s", int(old.id()))
    old.refresh(expect=401)
    old.me(expect=401)


def test_refreshing_never_outlives_the_session(boss):
    person = people.make(boss)
    boss.daemon.sql("UPDATE sessions SET expires_at = now() + interval '1 minute',"
                    " idle_expires_at = now() + interval '1 minute' WHERE user_id = %s",
                    int(person.id()))
    person.refresh()
    assert boss.daemon.sql("SELECT idle_expires_at <= expires_at FROM sessions WHERE user_id = %s",
                           int(person.id())) == [(True,)]


def test_sessions_are_bounded(boss):
    person = people.make(boss)
    for _ in range(50):
        person.sign_in()
    assert len(person.sessions()) == 50
    assert boss.daemon.sql("SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id"
                           " WHERE u.name = %s AND ended_by = 'too-many'",
                           person.username) == [(1,)]


# -- the cookie --

def cookie_of(answer):
    return answer.headers["Set-Cookie"]


def test_cookie_over_plain_http(boss):
    person = people.make(boss)
    answer = person.sign_in(cookie=True)
    assert "refresh_token" not in answer.json()
    cookie = cookie_of(answer)
    value = re.match(r"muster_refresh=(mr_[0-9A-Za-z]{43});", cookie).group(1)
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
    assert "Secure" not in cookie

    def refresh(expect, **headers):
        answer = requests.post(boss.daemon.url + "/api/auth/refresh", json={}, timeout=60,
                               headers={"Cookie": f"muster_refresh={value}", **headers})
        assert answer.status_code == expect, answer.text
        return answer

    # A page of another site can't use it, whatever the browser thinks of SameSite.
    refresh(403)
    refresh(403, Origin="https://evil.example")
    refresh(403, Origin="null")
    refresh(403, **{"Sec-Fetch-Site": "cross-site"})
    refresh(403, Origin="http://evil.example", **{"Sec-Fetch-Site": "same-origin"})
    answer = refresh(200, Origin=boss.daemon.url)
    assert "refresh_token" not in answer.json()
    assert cookie_of(answer).startswith("muster_refresh=mr_") and value not in cookie_of(answer)
    refresh(200, **{"Sec-Fetch-Site": "same-origin"})

    # Nor can it sign somebody in, as whom it likes.
    body = {"username": person.username, "password": PASSWORD, "cookie": True}
    for origin, expect in (("https://evil.example", 403), (boss.daemon.url, 200)):
        got = requests.post(boss.daemon.url + "/api/auth/login", json=body, timeout=60,
                            headers={"Origin": origin})
        assert got.status_code == expect and ("Set-Cookie" in got.headers) == (expect == 200)

    # Signing out takes it back.
    answer = person.ask("POST", "/api/auth/logout", expect=204,
                        headers={"Cookie": f"muster_refresh={value}"})
    assert "muster_refresh=;" in cookie_of(answer) and "Max-Age=0" in cookie_of(answer)
    assert "Max-Age=0" in cookie_of(refresh(401, Origin=boss.daemon.url))


@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
def test_cookie_over_tls(boss):
    person = people.make(boss)
    url = boss.daemon.run["https_url"]
    answer = requests.post(url + "/api/auth/login", verify=False, timeout=60,
                           json={"username": person.username, "password": PASSWORD, "cookie": True})
    assert answer.status_code == 200
    cookie = cookie_of(answer)
    value = re.match(r"__Host-muster_refresh=(mr_[0-9A-Za-z]{43});", cookie).group(1)
    for attribute in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/"):
        assert attribute in cookie
    assert "Domain" not in cookie

    def refresh(origin):
        return requests.post(url + "/api/auth/refresh", json={}, verify=False, timeout=60,
                             headers={"Cookie": f"__Host-muster_refresh={value}",
                                      "Origin": origin}).status_code

    assert refresh(url.replace("https:", "http:")) == 403
    assert refresh(url) == 200


# -- signing out --

def test_logout(boss):
    person = people.make(boss)
    other = Person(boss.daemon, person.username, PASSWORD)
    other.sign_in()
    person.ask("POST", "/api/auth/logout", expect=204)
    person.me(expect=401)
    person.refresh(expect=401)
    other.me()
    assert [row["current"] for row in other.sessions()] == [True]


def test_logout_everywhere(boss):
    person = people.make(boss)
    others = [Person(boss.daemon, person.username, PASSWORD) for _ in range(3)]
    for other in others:
        other.sign_in()
    person.ask("POST", "/api/auth/logout-all", expect=204)
    for each in [person, *others]:
        each.me(expect=401)
        each.refresh(expect=401)
    boss.me()
    person.sign_in()


def test_own_sessions(boss):
    person = people.make(boss)
    other = Person(boss.daemon, person.username, PASSWORD)
    other.sign_in()
    rows = person.sessions()
    assert len(rows) == 2 and sorted(row["current"] for row in rows) == [False, True]
    assert rows[0]["address"] == "127.0.0.1"
    assert rows[0]["user_agent"].startswith("python-requests")
    foreign = boss.sessions()[0]["id"]
    person.ask("DELETE", f"/api/auth/sessions/{foreign}", expect=404)
    boss.me()
    target = next(row["id"] for row in rows if not row["current"])
    person.ask("DELETE", f"/api/auth/sessions/{target}", expect=204)
    other.me(expect=401)
    person.me()
    person.ask("DELETE", "/api/auth/sessions/0", expect=404)
    person.ask("DELETE", "/api/auth/sessions/x", expect=404)


def test_a_user_agent_of_any_bytes(boss):
    person = people.make(boss)
    answer = requests.post(boss.daemon.url + "/api/auth/login", timeout=60,
                           headers={"User-Agent": b"\xff\xfe caf\xe9 " + b"x" * 300},
                           json={"username": person.username, "password": PASSWORD})
    assert answer.status_code == 200
    assert sorted(row["user_agent"] for row in person.sessions())[0] == (
        "?? caf? " + "x" * 192)


# -- the password --

def test_change_password(boss):
    person = people.make(boss)
    other = Person(boss.daemon, person.username, PASSWORD)
    other.sign_in()
    change = {"old_password": PASSWORD, "new_password": "another fine password"}
    answer = person.ask("POST", "/api/auth/password", {**change, "old_password": "wrong"},
                        expect=403)
    assert slug(answer) == "old-password"
    person.ask("POST", "/api/auth/password", change, expect=204)
    person.me()
    person.refresh()
    other.me(expect=401)
    other.refresh(expect=401)
    Person(boss.daemon, person.username, PASSWORD).sign_in(expect=401)
    again = Person(boss.daemon, person.username, "another fine password").sign_in().json()
    assert again["password_change_advised"] is False


@pytest.mark.parametrize("password", ["short", "password123", "PERSON-NAMED", "aaaaaaaaaaaa",
                                      "x" * 257, "zwölf"])
def test_passwords_that_will_not_do(boss, password):
    name = "person-named" if password == "PERSON-NAMED" else f"weak{next(people.COUNTER)}"
    person = people.make(boss, username=name)
    answer = person.ask("POST", "/api/auth/password",
                        {"old_password": PASSWORD, "new_password": password}, expect=400)
    assert slug(answer) == "password" and answer.json()["field"] == "new_password"
    answer = boss.ask("POST", "/admin/users", {"username": "person-named", "role": "viewer",
                                               "password": password}, expect=400)
    assert answer.json()["field"] == "password"
    person.sign_in()


# -- people --

def test_users(boss):
    made = boss.ask("POST", "/admin/users", {"username": "ursula", "role": "operator",
                                             "email": "u@example.org", "password": PASSWORD},
                    expect=201).json()["user"]
    path = f"/admin/users/{made['id']}"
    assert boss.ask("GET", path, expect=200).json() == made
    assert made["role"] == "operator" and made["email"] == "u@example.org"
    assert made["disabled"] is False and made["disabled_at"] is None
    names = [row["username"] for row in boss.ask("GET", "/admin/users?limit=1000",
                                                 expect=200).json()["users"]]
    assert "ursula" in names and names == sorted(names, key=str.lower)

    changed = boss.ask("PATCH", path, {"role": "viewer", "email": None}, expect=200).json()
    assert changed["role"] == "viewer" and changed["email"] is None
    assert boss.ask("PATCH", path, {}, expect=200).json() == changed
    boss.ask("DELETE", path, expect=204)
    boss.ask("GET", path, expect=404)
    boss.ask("PATCH", path, {"role": "admin"}, expect=404)
    boss.ask("DELETE", path, expect=404)
    actions = [row[0] for row in boss.daemon.sql(
        "SELECT action FROM audit_log WHERE subject = %s ORDER BY id", f"user:{made['id']}")]
    assert actions == ["user.create", "user.change", "user.change", "user.delete"]
    assert PASSWORD not in str(boss.daemon.sql("SELECT * FROM audit_log"))


def test_user_pages(boss):
    for i in range(5):
        people.make(boss, username=f"page-{i}")
    seen, after = [], ""
    while after is not None:
        query = f"?limit=2&after={after}" if after else "?limit=2"
        page = boss.ask("GET", "/admin/users" + query, expect=200).json()
        assert len(page["users"]) <= 2
        seen += [row["username"] for row in page["users"]]
        after = page["next"]
    assert len(seen) == len(set(seen)) == boss.daemon.sql("SELECT count(*) FROM users")[0][0]


def found(boss, q, limit=2):
    """The names of all pages that a search has."""
    names, after = [], None
    while True:
        page = boss.ask("GET", "/admin/users", expect=200,
                        params={"q": q, "limit": limit, "after": after}).json()
        assert len(page["users"]) <= limit
        names += [row["username"] for row in page["users"]]
        after = page["next"]
        if after is None:
            return names


def test_users_are_found_by_name_and_address(boss):
    for name, email in (("Quinn.one", None), ("quinn.two", "two@Quinn.example"), ("q_3", None),
                        ("q-4", "quincy@example.org"), ("q5", "x_%@quux.example")):
        people.make(boss, username=name, email=email)
    assert found(boss, "QUINN") == ["Quinn.one", "quinn.two"]
    assert found(boss, "quin") == ["q-4", "Quinn.one", "quinn.two"]
    assert found(boss, "@quinn.EX") == ["quinn.two"]
    assert found(boss, "q_") == ["q_3"] and found(boss, "_%") == ["q5"]  # no wildcards
    assert found(boss, "nobody is called that") == []
    boss.ask("GET", "/admin/users?q=", expect=400)
    boss.ask("GET", "/admin/users?q=" + "x" * 201, expect=400)


@pytest.mark.parametrize("fields, status", [
    ({"username": "ADMIN"}, 409), ({"username": "-x"}, 400), ({"username": "a b"}, 400),
    ({"username": "x" * 65}, 400), ({"username": "näh"}, 400), ({"role": "root"}, 400),
    ({"email": "no address"}, 400), ({"email": "a@b\r\nBcc: c@d"}, 400), ({"id": "7"}, 400)])
def test_users_that_will_not_do(boss, fields, status):
    body = {"username": "fresh-name", "role": "viewer", "password": PASSWORD, **fields}
    boss.ask("POST", "/admin/users", body, expect=status)
    assert boss.daemon.sql("SELECT count(*) FROM users WHERE name = 'fresh-name'") == [(0,)]


def test_an_address_is_one_users(boss):
    people.make(boss, email="only@example.org")
    other = people.make(boss)
    answer = boss.ask("PATCH", f"/admin/users/{other.id()}", {"email": "ONLY@example.org"},
                      expect=409)
    assert slug(answer) == "email-taken"


def test_disabled_users_are_out_at_once(boss):
    person = people.make(boss, "operator")
    path = f"/admin/users/{person.id()}"
    assert boss.ask("PATCH", path, {"disabled": True}, expect=200).json()["disabled"] is True
    person.me(expect=401)
    person.refresh(expect=401)
    person.sign_in(expect=401)
    boss.ask("PATCH", path, {"disabled": False}, expect=200)
    person.me(expect=401)  # the session stays ended
    person.sign_in()


def test_a_role_counts_from_the_next_request_on(boss):
    person = people.make(boss, "admin")
    person.ask("GET", "/admin/users", expect=200)
    boss.ask("PATCH", f"/admin/users/{person.id()}", {"role": "viewer"}, expect=200)
    assert slug(person.ask("GET", "/admin/users", expect=403)) == "role"
    assert person.me().json()["role"] == "viewer"


@pytest.mark.release
def test_the_last_administrator_stays(make_appliance):
    appliance = make_appliance(options=OPTIONS)
    appliance.start()
    boss = people.admin(appliance)
    path = f"/admin/users/{boss.id()}"
    for change in ({"role": "operator"}, {"disabled": True}):
        assert slug(boss.ask("PATCH", path, change, expect=409)) == "last-admin"
    assert slug(boss.ask("DELETE", path, expect=409)) == "last-admin"
    people.make(boss, "operator")
    boss.ask("DELETE", path, expect=409)
    boss.me()

    # Two who take each other's role away at the same moment: one of them stays.
    for _ in range(5):
        other = people.make(boss, "admin")
        pairs = ((boss, other.id()), (other, boss.id()))
        answers = []

        def demote(pair):
            answers.append(pair[0].ask("PATCH", f"/admin/users/{pair[1]}", {"role": "viewer"}))

        threads = [threading.Thread(target=demote, args=(pair,)) for pair in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answer.status_code for answer in answers) in ([200, 403], [200, 409])
        left = appliance.sql("SELECT name FROM users WHERE role = 'admin'")
        assert len(left) == 1
        boss = boss if left == [(boss.username,)] else other


def test_the_admin_key_helps_out(daemon, boss):
    """Whoever has lost every password still has the machine."""
    key = daemon.admin_headers()
    users = requests.get(daemon.url + "/admin/users", headers=key, timeout=60).json()["users"]
    mine = next(row for row in users if row["username"] == "admin")
    token = requests.post(f"{daemon.url}/admin/users/{mine['id']}/reset-token", headers=key,
                          timeout=60)
    assert token.status_code == 201 and token.json()["token"].startswith("mx_")
    refused = requests.get(daemon.url + "/api/auth/me", headers=key, timeout=60)
    assert refused.status_code in (401, 403)


def test_signing_others_out(boss):
    person = people.make(boss)
    boss.ask("POST", f"/admin/users/{person.id()}/end-sessions", expect=204)
    person.me(expect=401)
    person.refresh(expect=401)
    boss.me()


# -- roles --

@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_only_administrators_see_to_people(boss, role):
    person = people.make(boss, role)
    for method, path, body in (
            ("GET", "/admin/users", None), ("POST", "/admin/users", {"username": "x",
                                                                     "role": "viewer"}),
            ("GET", "/admin/users/1", None), ("PATCH", "/admin/users/1", {"role": "viewer"}),
            ("DELETE", "/admin/users/1", None), ("POST", "/admin/users/1/unlock", None),
            ("POST", "/admin/users/1/reset-token", None),
            ("POST", "/admin/users/1/end-sessions", None),
            ("POST", "/admin/security/rotate-jwt-key", None)):
        assert person.ask(method, path, body).status_code == 403, (method, path)
        answer = requests.request(method, boss.daemon.url + path, json=body, timeout=60)
        assert answer.status_code == 401, (method, path)


# -- tickets --

def test_a_ticket_for_the_websocket(boss):
    answer = boss.ask("POST", "/api/auth/ws-ticket", expect=201).json()
    assert re.fullmatch(r"mt_[0-9A-Za-z]{43}", answer["ticket"])
    assert answer["expires_in_s"] == 30
    assert boss.ask("POST", "/api/auth/ws-ticket", expect=201).json()["ticket"] != answer["ticket"]
    # It opens nothing else.
    boss.me(expect=401, token=answer["ticket"])


def test_no_secret_reaches_the_log(daemon, boss):
    person = people.make(boss)
    log = (daemon.data_dir / "output.txt").read_text(errors="replace")
    for secret in (person.access, person.refresh_token, boss.access, PASSWORD, boss.password):
        assert secret not in log
