# SPDX-License-Identifier: Apache-2.0
"""Every route by everybody: who is let in stands here, written down by hand; a route that does not
stand here fails.

Let in means that the answer is neither 401 nor 403: the requests name things that do not exist and
bring no body, so most end in 400 or 404."""
import base64
import collections
import json
import os
import subprocess

import pytest
import requests

import people

pytestmark = pytest.mark.release

OPTIONS = ("--accounts-bcrypt-cost", "4", "--limits-auth-failures", "0", "--limits-reset-max", "0")

Rule = collections.namedtuple("Rule", "need key scope answers", defaults=(False, None, None))


def viewer(scope=None, key=True):
    return Rule("viewer", key, scope)


def operator(scope=None, key=True):
    return Rule("operator", key, scope)


def admin(scope=None, key=True):
    return Rule("admin", key, scope)


PUBLIC = Rule("public")
PERSON = viewer(key=False)  # about oneself: no token and no key can do it
DEVICE = Rule("device")
KEY_ALONE = Rule("admin-key", True)

RULES = {
    # devices
    "POST /v1/register": Rule("enrolment"),
    "POST /v1/heartbeat": DEVICE,
    "POST /v1/heartbeats": DEVICE,
    "GET /v1/commands": DEVICE,
    "POST /v1/commands/{id}/received": DEVICE,
    "POST /v1/action-result": DEVICE,
    "POST /v1/fcm-token": DEVICE,
    "GET /v1/device/ws": DEVICE,
    "GET /ws/{device_id}": DEVICE,
    # probes and pages
    "GET /": PUBLIC,
    "GET /*": PUBLIC,
    "GET /health": PUBLIC,
    "GET /api/health": PUBLIC,
    "GET /ready": PUBLIC,
    "GET /health/detailed": PUBLIC,
    "GET /metrics": PUBLIC,
    "GET /api/openapi.json": PUBLIC,
    "GET /api/docs": PUBLIC,
    "GET /api/docs.css": PUBLIC,
    "GET /api/ws": PUBLIC,  # the ticket is its first message
    # signing in; refresh without a token is its own 401
    "POST /api/auth/login": PUBLIC,
    "POST /api/auth/refresh": Rule("public", answers={400, 401}),
    "POST /api/auth/reset-request": PUBLIC,
    "POST /api/auth/reset": PUBLIC,
    "POST /api/auth/logout": PERSON,
    "POST /api/auth/logout-all": PERSON,
    "POST /api/auth/ws-ticket": viewer("live:read", key=False),
    "GET /api/auth/me": PERSON,
    "GET /api/auth/me/views": PERSON,
    "POST /api/auth/me/views": PERSON,
    "PATCH /api/auth/me/views/{id}": PERSON,
    "DELETE /api/auth/me/views/{id}": PERSON,
    "POST /api/auth/password": PERSON,
    "GET /api/auth/sessions": PERSON,
    "DELETE /api/auth/sessions/{id}": PERSON,
    "GET /admin/status": viewer("devices:read"),
    "GET /admin/status/summary": viewer("devices:read"),
    # maintenance
    "GET /admin/jobs": operator("jobs:read"),
    "GET /admin/jobs/{name}/runs": operator("jobs:read"),
    "POST /admin/jobs/{name}/run": admin("jobs:run"),
    "GET /admin/job-runs/{id}": operator("jobs:read"),
    "GET /admin/archives": operator("archives:read"),
    "GET /admin/archives/{parent}/{day}": operator("archives:read"),
    "POST /admin/archives/verify": admin("archives:verify"),
    "POST /admin/archives/{parent}/{day}/verify": admin("archives:verify"),
    "POST /admin/archives/{parent}/{day}/restore": admin("archives:restore"),
    "POST /admin/archives/{parent}/{day}/drop-restored": admin("archives:restore"),
    "GET /admin/archive-requests/{id}": operator("archives:read"),
    "GET /admin/partitions": operator("archives:read"),
    "GET /admin/backups": operator("backups:read"),
    "GET /admin/backups/{id}": operator("backups:read"),
    "POST /admin/backups": admin("backups:run"),
    "GET /admin/doctor": admin("doctor:read"),
    # people
    "GET /admin/users": admin("users:read"),
    "POST /admin/users": admin(),
    "GET /admin/users/{id}": admin("users:read"),
    "PATCH /admin/users/{id}": admin(),
    "DELETE /admin/users/{id}": admin(),
    "POST /admin/users/{id}/unlock": admin(),
    "POST /admin/users/{id}/end-sessions": admin(),
    "POST /admin/users/{id}/reset-token": admin(),
    "GET /admin/api-tokens": PERSON,
    "POST /admin/api-tokens": PERSON,
    "DELETE /admin/api-tokens/{id}": PERSON,
    # security
    "GET /admin/security/events": admin("security:read"),
    "GET /admin/security/offenders": admin("security:read"),
    "POST /admin/security/rotate-jwt-key": admin(),
    "GET /admin/audit": admin("audit:read"),
    "GET /admin/audit/verify": admin("audit:read"),
    # fleet
    "GET /admin/enrolment-tokens": operator("enrolment:read"),
    "POST /admin/enrolment-tokens": operator("enrolment:write"),
    "DELETE /admin/enrolment-tokens/{id}": operator("enrolment:write"),
    "GET /admin/verify": KEY_ALONE,
    "POST /admin/verify": KEY_ALONE,
    "GET /admin/devices": viewer("devices:read"),
    "GET /admin/devices.csv": viewer("devices:read"),
    "GET /admin/devices/{id}": viewer("devices:read"),
    "GET /admin/devices/{id}/history": viewer("devices:read"),
    "GET /admin/devices/{id}/events": viewer("devices:read"),
    "GET /admin/devices/{id}/heartbeats": viewer("devices:read"),
    "GET /admin/tags": viewer("devices:read"),
    "GET /admin/sites": viewer("devices:read"),
    "PATCH /admin/devices/{id}": operator("devices:write"),
    "DELETE /admin/devices/{id}": admin("devices:delete"),
    "POST /admin/devices/{id}/quarantine/resolve": operator("devices:write"),
    "POST /admin/devices/{id}/allow-takeover": operator("devices:write"),
    "POST /admin/selections": operator("devices:read"),
    "GET /admin/selections/{id}": operator("devices:read"),
    "POST /admin/bulk/tags": operator("devices:write"),
    "POST /admin/bulk/delete": admin("devices:delete"),
    "GET /admin/purges": operator("devices:read"),
    # commands
    "POST /admin/devices/{id}/commands": operator("commands:write"),
    "POST /admin/devices/{id}/rotate-key": admin("commands:write"),
    "GET /admin/commands": viewer("commands:read"),
    "GET /admin/commands/{id}": viewer("commands:read"),
    "POST /admin/commands/{id}/cancel": operator("commands:write"),
    "POST /admin/commands/{id}/confirm": admin("commands:write"),
    "POST /admin/commands": operator("commands:write"),
    "GET /admin/bulk-commands": viewer("commands:read"),
    "GET /admin/bulk-commands/{id}": viewer("commands:read"),
    "POST /admin/bulk-commands/{id}/cancel": operator("commands:write"),
    "POST /admin/bulk-commands/{id}/confirm": admin("commands:write"),
    # alerts
    "GET /admin/alerts": viewer("alerts:read"),
    "GET /admin/alerts/summary": viewer("alerts:read"),
    "GET /admin/alerts/{id}": viewer("alerts:read"),
    "GET /admin/devices/{id}/alerts": viewer("alerts:read"),
    "GET /admin/incidents": viewer("alerts:read"),
    "GET /admin/incidents/{id}": viewer("alerts:read"),
    "GET /admin/incidents/{id}/alerts": viewer("alerts:read"),
    "GET /admin/incidents/{id}/events": viewer("alerts:read"),
    "GET /admin/incidents/{id}/notifications": viewer("alerts:read"),
    "POST /admin/incidents/{id}/acknowledge": operator("alerts:write"),
    "DELETE /admin/incidents/{id}/acknowledge": operator("alerts:write"),
    "POST /admin/incidents/{id}/note": operator("alerts:write"),
    "GET /admin/alert-rules": viewer("alerts:read"),
    "GET /admin/alert-rules/{rule}": viewer("alerts:read"),
    "GET /admin/alert-rules/{rule}/overrides": viewer("alerts:read"),
    "GET /admin/devices/{id}/alert-rules": viewer("alerts:read"),
    "PATCH /admin/alert-rules/{rule}": admin("alerts:write"),
    "PUT /admin/alert-rules/{rule}/tags/{tag}": admin("alerts:write"),
    "DELETE /admin/alert-rules/{rule}/tags/{tag}": admin("alerts:write"),
    "PUT /admin/alert-rules/{rule}/devices/{id}": admin("alerts:write"),
    "DELETE /admin/alert-rules/{rule}/devices/{id}": admin("alerts:write"),
    "GET /admin/devices/{id}/monitoring": viewer("alerts:read"),
    "PATCH /admin/devices/{id}/monitoring": operator("alerts:write"),
    "GET /admin/monitoring": viewer("alerts:read"),
    "PATCH /admin/monitoring": operator("alerts:write"),
    "GET /admin/alert-channels": viewer("alerts:read"),
    "POST /admin/alert-channels": admin("alerts:write"),
    "GET /admin/alert-channels/{id}": viewer("alerts:read"),
    "PATCH /admin/alert-channels/{id}": admin("alerts:write"),
    "DELETE /admin/alert-channels/{id}": admin("alerts:write"),
    "POST /admin/alert-channels/{id}/rotate-secret": admin("alerts:write"),
    "POST /admin/alert-channels/{id}/test": admin("alerts:write"),
    "GET /admin/alert-notifications": viewer("alerts:read"),
    "GET /admin/alert-notifications/{id}": viewer("alerts:read"),
    "GET /api/auth/me/alert-subscription": PERSON,
    "PUT /api/auth/me/alert-subscription": PERSON,
    "DELETE /api/auth/me/alert-subscription": PERSON,
    "GET /admin/alert-silences": viewer("alerts:read"),
    "POST /admin/alert-silences": operator("alerts:write"),
    "DELETE /admin/alert-silences/{id}": operator("alerts:write"),
}
ROLES = ("viewer", "operator", "admin")
ACTORS = ("nobody", "stranger", "ended", *ROLES, "admin-key", "wrong-key", "scoped", "unscoped",
          "weak", "device", "deleted")


def expected(rule, actor):
    """The statuses, or None: let in."""
    if rule.answers:
        return rule.answers
    if rule.need == "public":
        return None
    if rule.need == "device":
        return {"device": None, "deleted": {410}}.get(actor, {401})
    if rule.need in ("admin-key", "enrolment"):
        return None if actor == "admin-key" else {401}
    if actor in ("nobody", "stranger", "ended", "wrong-key", "device", "deleted"):
        return {401}
    if actor == "admin-key":
        return None if rule.key else {403}
    if actor == "scoped":  # an administrator's token with just this scope
        return None if rule.scope else {403}
    if actor == "unscoped":  # an administrator's token with every scope but this one
        return {403}
    if actor == "weak":  # a viewer's token with just this scope
        return None if rule.scope and rule.need == "viewer" else {403}
    return None if ROLES.index(actor) >= ROLES.index(rule.need) else {403}


class Cast:
    """Everybody's credentials."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.boss = people.admin(daemon)
        self.scopes = sorted({rule.scope for rule in RULES.values() if rule.scope})
        self.people = {role: people.make(self.boss, role) for role in ROLES}
        ended = people.make(self.boss, "admin")
        ended.ask("POST", "/api/auth/logout", expect=204)
        self.ended = ended.access
        self.tokens = {}
        registered = daemon.register("cast")
        self.device, self.device_id = registered["token"], registered["device_id"]
        gone = daemon.register("gone")
        assert daemon.delete_device(gone["device_id"]).status_code == 204
        self.gone = gone["token"]

    def token(self, role, scopes):
        name = (role, tuple(scopes))
        if name not in self.tokens:
            body = {"name": "cast", "role": role, "scopes": list(scopes), "expires_in_s": 3600}
            self.tokens[name] = self.boss.ask("POST", "/admin/api-tokens", body,
                                              expect=201).json()["token"]
        return self.tokens[name]

    def headers(self, actor, rule):
        scope = rule.scope or self.scopes[0]
        if actor == "nobody":
            return {}
        if actor == "admin-key":
            return self.daemon.admin_headers()
        if actor == "wrong-key":
            return {"X-Admin-Key": "ma_" + "x" * 43}
        bearer = {
            "stranger": lambda: "mp_" + "x" * 43,
            "ended": lambda: self.ended,
            "scoped": lambda: self.token("admin", [scope]),
            "unscoped": lambda: self.token("admin", [s for s in self.scopes if s != scope]),
            "weak": lambda: self.token("viewer", [scope]),
            "device": lambda: self.device,
            "deleted": lambda: self.gone,
        }.get(actor, lambda: self.people[actor].access)()
        return {"Authorization": f"Bearer {bearer}"}

    def renew(self):
        """Sessions end on the way: by logging out, by new keys."""
        for person in (self.boss, *self.people.values()):
            person.sign_in()


def routes(bin_dir):
    return json.loads(subprocess.run([bin_dir / "musterd", "--routes"], check=True, timeout=60,
                                     stdout=subprocess.PIPE).stdout)


@pytest.fixture(scope="module")
def cast(daemon):
    return Cast(daemon)


def test_every_route_stands_here(bin_dir):
    served = {f"{route['method']} {route['path']}" for route in routes(bin_dir)}
    assert served - set(RULES) == set(), "say in RULES who may"
    assert set(RULES) - served == set(), "these are gone"


def ask(cast, route, headers):
    method, path = route.split()
    path = path.replace("{device_id}", cast.device_id).replace("{id}", "999999999999")
    path = path.replace("{rule}", "offline").replace("{tag}", "kiosk")
    headers = dict(headers)
    if path.endswith("/ws") or path.startswith("/ws/"):
        headers.update({"Connection": "Upgrade", "Upgrade": "websocket",
                        "Sec-WebSocket-Version": "13",
                        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode()})
    with requests.request(method, cast.daemon.url + path, headers=headers, timeout=60,
                          stream=True) as answer:
        return answer.status_code


ENDS_SESSIONS = ("POST /api/auth/logout", "POST /api/auth/logout-all",
                 "POST /admin/security/rotate-jwt-key")


@pytest.mark.parametrize("route", RULES)
def test_who_is_let_in(cast, route):
    rule = RULES[route]
    wrong = {}
    for actor in ACTORS:
        status = ask(cast, route, cast.headers(actor, rule))
        statuses = expected(rule, actor)
        fits = status not in (401, 403, 405, 410) if statuses is None else status in statuses
        if not fits or status >= 500:
            wrong[actor] = f"{status}, not {statuses or 'let in'}"
        if route in ENDS_SESSIONS:
            cast.renew()
    assert wrong == {}


def test_two_credentials_are_no_more_than_the_first(cast):
    """A wrong admin key beside a good session is refused, and a good one speaks for itself."""
    rule = RULES["GET /admin/devices"]
    both = {**cast.headers("admin", rule), **cast.headers("wrong-key", rule)}
    assert ask(cast, "GET /admin/devices", both) == 401
    both = {**cast.headers("stranger", rule), **cast.headers("admin-key", rule)}
    assert ask(cast, "GET /admin/devices", both) == 200
    assert ask(cast, "GET /api/auth/me", {**cast.headers("admin", rule),
                                          **cast.headers("admin-key", rule)}) == 403


def test_a_demotion_counts_at_once(cast):
    person = people.make(cast.boss, "admin")
    person.ask("GET", "/admin/audit", expect=200)
    cast.boss.ask("PATCH", f"/admin/users/{person.id()}", {"role": "viewer"})
    assert person.ask("GET", "/admin/audit").status_code in (401, 403)
