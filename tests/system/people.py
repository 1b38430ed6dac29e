# SPDX-License-Identifier: Apache-2.0
"""Operators of one appliance, as their browsers and programs would ask."""
import itertools

import requests

PASSWORD = "a fine long password"
COUNTER = itertools.count(1)


class Person:
    """A session over plain HTTP; .ask answers requests' Response."""

    def __init__(self, daemon, username, password):
        self.daemon = daemon
        self.username = username
        self.password = password
        self.access = None
        self.refresh_token = None

    def ask(self, method, path, body=None, expect=None, token=None, **options):
        headers = dict(options.pop("headers", {}))
        bearer = token or self.access
        if bearer:
            headers.setdefault("Authorization", f"Bearer {bearer}")
        answer = requests.request(method, self.daemon.url + path, json=body, headers=headers,
                                  timeout=60, **options)
        if expect is not None:
            assert answer.status_code == expect, (method, path, answer.status_code, answer.text)
        return answer

    def sign_in(self, expect=200, **body):
        answer = requests.post(self.daemon.url + "/api/auth/login", timeout=60,
                               json={"username": self.username, "password": self.password, **body})
        assert answer.status_code == expect, answer.text
        if expect == 200:
            self.access = answer.json()["access_token"]
            self.refresh_token = answer.json().get("refresh_token")
        return answer

    def refresh(self, token=None, expect=200):
        """The reply of a refresh with this token (else the newest), which is kept."""
        answer = requests.post(self.daemon.url + "/api/auth/refresh", timeout=60,
                               json={"refresh_token": token or self.refresh_token})
        assert answer.status_code == expect, answer.text
        if expect == 200:
            self.access = answer.json()["access_token"]
            self.refresh_token = answer.json()["refresh_token"]
        return answer

    def me(self, expect=200, token=None):
        return self.ask("GET", "/api/auth/me", expect=expect, token=token)

    def sessions(self):
        return self.ask("GET", "/api/auth/sessions", expect=200).json()["sessions"]

    def id(self):
        return self.me().json()["id"]


def admin(daemon):
    password = (daemon.data_dir / "secrets" / "admin-password").read_text().strip()
    person = Person(daemon, "admin", password)
    person.sign_in()
    return person


def make(boss, role="viewer", **fields):
    """A new person, signed in."""
    username = fields.pop("username", f"person{next(COUNTER)}")
    boss.ask("POST", "/admin/users", {"username": username, "role": role, "password": PASSWORD,
                                      **fields}, expect=201)
    person = Person(boss.daemon, username, PASSWORD)
    person.sign_in()
    return person


def age(daemon, username, seconds):
    """Lets so much time pass for a user's tokens, sessions and failures."""
    daemon.sql("""WITH u AS (SELECT id FROM users WHERE name = %s)
                  UPDATE refresh_tokens SET used_at = used_at - make_interval(secs => %s)
                  WHERE session_id IN (SELECT id FROM sessions WHERE user_id IN (SELECT id FROM u))
               """, username, seconds)
    daemon.sql("""UPDATE sessions SET expires_at = expires_at - make_interval(secs => %s),
                  idle_expires_at = idle_expires_at - make_interval(secs => %s)
                  WHERE user_id = (SELECT id FROM users WHERE name = %s)""",
               seconds, seconds, username)


def age_failures(daemon, seconds):
    daemon.sql("""UPDATE login_failures SET locked_until = locked_until
                  - make_interval(secs => %s), last_failed_at = last_failed_at
                  - make_interval(secs => %s)""", seconds, seconds)


def slug(answer):
    return answer.json()["type"].rsplit(":", 1)[1]
