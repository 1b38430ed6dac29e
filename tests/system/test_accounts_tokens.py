# SPDX-License-Identifier: Apache-2.0
"""Access tokens that are not ours, expired or tampered with; rotating the key; API tokens."""
import base64
import hashlib
import hmac
import json
import time

import pytest
import requests

import people
from appliance import wait_until
from people import slug

pytestmark = pytest.mark.one_thread

OPTIONS = ("--accounts-bcrypt-cost", "4", "--limits-auth-failures", "0")


@pytest.fixture
def boss(daemon):
    return people.admin(daemon)


def encode(data):
    data = data if isinstance(data, bytes) else json.dumps(data, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class Forger:
    """Signs whatever is wanted with the appliance's own key, as a thief of it could."""

    def __init__(self, boss):
        self.boss = boss
        self.header, payload, _ = boss.access.split(".")
        self.claims = decode(payload)
        lines = (boss.daemon.data_dir / "secrets" / "jwt-secret").read_text().split()
        self.key = base64.b64decode(lines[0])

    def sign(self, header, claims, key=None, digest=hashlib.sha256):
        text = f"{header}.{claims}"
        return text + "." + encode(hmac.new(key or self.key, text.encode(), digest).digest())

    def token(self, header=None, **claims):
        merged = {k: v for k, v in {**self.claims, **claims}.items() if v is not ...}
        return self.sign(header or self.header, encode(merged))

    def refused(self, token, why="token-invalid"):
        answer = self.boss.me(expect=401, token=token)
        assert slug(answer) == why, answer.text
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.fixture
def forger(boss):
    made = Forger(boss)
    boss.me(token=made.token())  # the forger's hand is steady
    return made


def test_form_of_an_access_token(boss, forger):
    assert set(decode(forger.header)) == {"alg", "typ", "kid"}
    assert decode(forger.header)["alg"] == "HS256" and decode(forger.header)["typ"] == "at+jwt"
    assert forger.claims["exp"] - forger.claims["iat"] == 900
    assert forger.claims["iss"] == "muster" and forger.claims["aud"] == "muster-operator"
    assert forger.claims["role"] == "admin" and forger.claims["name"] == "admin"


def test_expired(forger):
    now = int(time.time())
    forger.refused(forger.token(iat=now - 900, nbf=now - 900, exp=now - 1), "token-expired")
    forger.refused(forger.token(iat=now + 3600, nbf=now + 3600, exp=now + 4500))
    forger.refused(forger.token(exp=now + 10 * 86400))


def test_tampered(boss, forger):
    header, payload, signature = boss.access.split(".")
    viewer = people.make(boss)
    raised = decode(viewer.access.split(".")[1])
    raised["role"] = "admin"
    head, _, tail = viewer.access.split(".")
    forger.refused(f"{head}.{encode(raised)}.{tail}")
    forger.refused(f"{head}.{payload}.{tail}")
    forger.refused(f"{header}.{payload}.{tail}")
    forger.refused(f"{header}.{payload}.")
    forger.refused(f"{header}.{payload}")
    forger.refused(f"{header}..{signature}")
    forger.refused(f"{header}.{payload}.{signature}=")
    forger.refused(f"{header}.{payload}.{signature}A")
    forger.refused(f"{header}.{payload}.{signature}.{signature}")
    forger.refused(forger.sign(forger.header, payload, key=b"\0" * 32))
    forger.refused(forger.sign(forger.header, payload, digest=hashlib.sha512))
    forger.refused("x" * 2000)


def test_the_role_is_not_the_tokens_word(boss, forger):
    """Even a token signed with the right key gives nobody more than the database does."""
    viewer = people.make(boss)
    claims = decode(viewer.access.split(".")[1])
    token = forger.token(**{**claims, "role": "admin"})
    assert viewer.me(token=token).json()["role"] == "viewer"
    viewer.ask("GET", "/admin/users", expect=403, token=token)


def test_another_algorithm(forger):
    kid = decode(forger.header)["kid"]
    payload = encode(forger.claims)
    for algorithm in ("none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS256", "ES256"):
        header = encode({"alg": algorithm, "typ": "at+jwt", "kid": kid})
        forger.refused(f"{header}.{payload}.")
        forger.refused(forger.sign(header, payload))
    # RS256 by name, HMAC by deed, keyed with what is public: the appliance's certificate.
    certificate = (forger.boss.daemon.data_dir / "tls" / "tls.crt").read_bytes()
    header = encode({"alg": "RS256", "typ": "at+jwt", "kid": kid})
    forger.refused(forger.sign(header, payload, key=certificate))
    forger.refused(forger.sign(forger.header, payload, key=certificate))


@pytest.mark.parametrize("header", [
    {"typ": "JWT"}, {"typ": "at+jwt "}, {"kid": "0" * 16}, {"kid": "../jwt-secret"}, {"kid": ""},
    {"kid": None}, {"crit": ["exp"]}, {"jku": "https://evil.example/keys"},
    {"jwk": {"kty": "oct", "k": "AA"}}, {"x5u": "https://evil.example/"}])
def test_another_header(forger, header):
    merged = {**decode(forger.header), **header}
    forger.refused(forger.sign(encode(merged), encode(forger.claims)))


@pytest.mark.parametrize("claims", [
    {"aud": "muster-device"}, {"aud": ["muster-operator"]}, {"aud": ...}, {"iss": "other"},
    {"iss": ...}, {"exp": ...}, {"iat": ...}, {"nbf": ...}, {"sub": ...}, {"sid": ...},
    {"sub": 1}, {"sub": "0"}, {"sub": "01"}, {"sub": "1 OR 1=1"}, {"sid": "-1"},
    {"role": "root"}, {"role": ...}, {"name": ""}, {"name": ...}, {"exp": "4102444800"},
    {"exp": 1e300}])
def test_other_claims(forger, claims):
    forger.refused(forger.token(**claims))


def test_a_claim_twice(forger):
    text = json.dumps(forger.claims)[:-1] + ',"sub":"1"}'
    forger.refused(forger.sign(forger.header, encode(text.encode())))


def test_another_session(boss, forger):
    viewer = people.make(boss)
    theirs = decode(viewer.access.split(".")[1])
    forger.refused(forger.token(sid=theirs["sid"]), "credential-ended")
    forger.refused(forger.token(sid="999999999999"), "credential-ended")
    forger.refused(forger.token(sub="999999999999"), "credential-ended")


@pytest.mark.parametrize("value", ["", "Basic YWRtaW46YWRtaW4=", "Bearer", "Bearer ", "bearer x",
                                   "Bearer a.b.c", "Bearer \xff\xfe.a.b"])
def test_no_token_at_all(daemon, value):
    answer = requests.get(daemon.url + "/api/auth/me", timeout=60,
                          headers={"Authorization": value.encode("latin-1")})
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer.headers


def test_rotating_the_key(make_appliance):
    appliance = make_appliance(options=OPTIONS)
    appliance.start()
    boss = people.admin(appliance)
    file = appliance.data_dir / "secrets" / "jwt-secret"
    before = boss.access
    assert len(file.read_text().split()) == 1
    boss.ask("POST", "/admin/security/rotate-jwt-key", expect=204)
    assert len(file.read_text().split()) == 2
    assert file.stat().st_mode & 0o777 == 0o600
    boss.me(token=before)  # a session goes on
    boss.refresh()
    assert boss.access.split(".")[0] != before.split(".")[0]
    boss.me()
    assert appliance.terminate() == 0
    appliance.start()
    boss.me(token=before)
    boss.me()
    boss.ask("POST", "/admin/security/rotate-jwt-key", expect=204)
    boss.me(expect=401, token=before)
    boss.me()
    assert appliance.sql("SELECT count(*) FROM audit_log WHERE action ="
                         " 'security.rotate_jwt_key'") == [(2,)]


# -- API tokens --

def create(person, *scopes, expect=201, **fields):
    answer = person.ask("POST", "/admin/api-tokens", {"name": "ci", "scopes": list(scopes),
                                                      **fields}, expect=expect)
    return answer.json()


def test_api_tokens(boss):
    person = people.make(boss, "admin")
    made = create(person, "users:read", expires_in_s=3600)
    token = made["token"]
    assert token.startswith("mp_") and len(token) == 46
    row = made["api_token"]
    assert row["scopes"] == ["users:read"] and row["role"] == "admin"
    assert row["created_by"] == person.username and row["last_used_at"] is None
    assert token not in str(boss.daemon.sql("SELECT * FROM api_tokens"))
    assert token not in str(boss.daemon.sql("SELECT * FROM audit_log"))

    assert person.ask("GET", "/admin/users", expect=200, token=token)
    listed = person.ask("GET", "/admin/api-tokens", expect=200).json()["tokens"]
    assert [each["id"] for each in listed] == [row["id"]]
    assert listed[0]["last_used_at"] is not None and "token" not in listed[0]

    # Only what its scope says, and nothing that needs a person.
    assert slug(person.ask("DELETE", "/admin/users/1", expect=403, token=token)) == "scope"
    assert slug(person.ask("POST", "/admin/api-tokens", {"name": "x", "scopes": ["users:read"]},
                           expect=403, token=token)) == "scope"
    assert slug(person.me(expect=403, token=token)) == "scope"

    person.ask("DELETE", f"/admin/api-tokens/{row['id']}", expect=204)
    person.ask("GET", "/admin/users", expect=401, token=token)
    person.ask("DELETE", f"/admin/api-tokens/{row['id']}", expect=204)  # a lost reply, asked again


def test_the_use_of_an_api_token_is_noted_at_most_once_a_minute(boss):
    made = create(boss, "users:read")
    used = []
    for _ in range(3):
        boss.ask("GET", "/admin/users", expect=200, token=made["token"])
        used += boss.daemon.sql("SELECT last_used_at FROM api_tokens WHERE id = %s",
                                int(made["api_token"]["id"]))
    assert used[0][0] is not None and len(set(used)) == 1
    boss.daemon.sql("UPDATE api_tokens SET last_used_at = now() - interval '2 minutes'"
                    " WHERE id = %s", int(made["api_token"]["id"]))
    boss.ask("GET", "/admin/users", expect=200, token=made["token"])
    assert boss.daemon.sql("SELECT last_used_at > now() - interval '1 minute' FROM api_tokens"
                           " WHERE id = %s", int(made["api_token"]["id"])) == [(True,)]


def test_an_api_token_has_no_more_power_than_its_creator(boss):
    person = people.make(boss, "admin")
    strong = create(person, "users:*")["token"]
    weak = create(person, "users:*", role="viewer")["token"]
    person.ask("GET", "/admin/users", expect=200, token=strong)
    assert slug(person.ask("GET", "/admin/users", expect=403, token=weak)) == "role"
    path = f"/admin/users/{person.id()}"
    boss.ask("PATCH", path, {"role": "viewer"}, expect=200)
    assert slug(person.ask("GET", "/admin/users", expect=403, token=strong)) == "role"
    assert slug(person.ask("POST", "/admin/api-tokens",
                           {"name": "x", "scopes": ["users:read"], "role": "operator"},
                           expect=403)) == "role"
    boss.ask("PATCH", path, {"role": "admin"}, expect=200)
    person.ask("GET", "/admin/users", expect=200, token=strong)
    boss.ask("PATCH", path, {"disabled": True}, expect=200)
    boss.ask("GET", "/admin/users", expect=401, token=strong)
    boss.ask("DELETE", path, expect=204)
    boss.ask("GET", "/admin/users", expect=401, token=strong)


def test_api_tokens_expire(boss):
    made = create(boss, "users:read", expires_in_s=60)
    boss.ask("GET", "/admin/users", expect=200, token=made["token"])
    boss.daemon.sql("UPDATE api_tokens SET expires_at = now() - interval '1 second'"
                    " WHERE id = %s", int(made["api_token"]["id"]))
    boss.ask("GET", "/admin/users", expect=401, token=made["token"])


def test_api_tokens_belong_to_somebody(boss):
    one, other = people.make(boss), people.make(boss)
    row = create(one, "devices:read")["api_token"]
    assert other.ask("GET", "/admin/api-tokens", expect=200).json()["tokens"] == []
    other.ask("DELETE", f"/admin/api-tokens/{row['id']}", expect=404)
    seen = boss.ask("GET", "/admin/api-tokens", expect=200).json()["tokens"]
    assert row["id"] in [each["id"] for each in seen]
    boss.ask("DELETE", f"/admin/api-tokens/{row['id']}", expect=204)


def test_api_tokens_are_paged_and_found(boss):
    ada, bob = (people.make(boss, username=name) for name in ("Ada.tokens", "bob.tokens"))
    made = [create(person, "devices:read", name=name)["api_token"]["id"]
            for person, name in ((ada, "Grafana"), (bob, "Wall"), (ada, "wallboard_1"))]

    def pages(person, **query):
        ids, before = [], None
        while True:
            page = person.ask("GET", "/admin/api-tokens", expect=200,
                              params={"limit": 1, "before": before, **query}).json()
            assert len(page["tokens"]) <= 1
            ids += [row["id"] for row in page["tokens"]]
            before = page["next_before"]
            if before is None:
                return ids

    assert pages(boss)[:3] == pages(boss, q=".TOKENS") == made[::-1]
    assert pages(boss, q="WALL") == [made[2], made[1]]
    assert pages(boss, q="ada.t") == [made[2], made[0]]
    assert pages(boss, q="_1") == [made[2]] and pages(boss, q="%") == []
    assert pages(bob) == [made[1]] and pages(bob, q="ada") == []
    bob.ask("GET", "/admin/api-tokens?before=x", expect=400)


@pytest.mark.parametrize("scopes", [[], ["x:y"], ["users"], ["*"], ["users:read devices:read"],
                                    [""], ["users:*x"], [1], "users:read", ["u:*"],
                                    ["users:read"] * 33])
def test_scopes_that_nobody_knows(boss, scopes):
    answer = boss.ask("POST", "/admin/api-tokens", {"name": "ci", "scopes": scopes})
    assert answer.status_code in (400, 413), answer.text


@pytest.mark.parametrize("token", ["mp_", "mp_" + "0" * 43, "mp_" + "0" * 42, "mp_'" + "0" * 42])
def test_unknown_api_tokens(boss, token):
    boss.ask("GET", "/admin/users", expect=401, token=token)


def test_a_device_token_is_not_an_operators(daemon, boss):
    device = daemon.register()
    boss.ask("GET", "/admin/users", expect=401, token=device["token"])
    assert daemon.heartbeat(boss.access).status_code == 401
    wait_until(lambda: daemon.heartbeat(device["token"]).status_code == 202, "the device's 202")
