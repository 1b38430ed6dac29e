# SPDX-License-Identifier: Apache-2.0
"""What stands before the handlers: limits, Idempotency-Key, the log of security events."""
import concurrent.futures
import itertools
import pathlib
import re
import shutil
import tempfile
import time

import pytest
import requests
from requests.adapters import HTTPAdapter

import people
from appliance import Appliance, wait_until

# Windows of an hour: whatever the machine does meanwhile, hardly anything fades.
MAX = 12
OPTIONS = ("--limits-general-max", str(MAX), "--limits-general-window", "1h",
           "--limits-general-burst", "0", "--limits-bulk-max", "3", "--limits-bulk-window", "1h",
           "--limits-bulk-burst", "0", "--accounts-bcrypt-cost", "4")
FREE = ("--limits-general-max", "0", "--limits-bulk-max", "0", "--accounts-bcrypt-cost", "4")
ADDRESSES = itertools.count(2)


class Source(HTTPAdapter):
    """Asks from another address of this machine."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *arguments, **options):
        super().init_poolmanager(*arguments, source_address=(self.address, 0), **options)


def fresh_address():
    number = next(ADDRESSES)
    return f"127.0.{number // 200 + 1}.{number % 200 + 1}"


def from_address(address):
    session = requests.Session()
    session.mount("http://", Source(address))
    return session


@pytest.fixture
def here():
    """A session from an address that nobody has asked from."""
    session = from_address(fresh_address())
    yield session
    session.close()


def get(session, daemon, path, **options):
    return session.get(daemon.url + path, timeout=60, **options)


def statuses(session, daemon, path, count, **options):
    return [get(session, daemon, path, **options).status_code for _ in range(count)]


def slug(answer):
    return answer.json()["type"].rsplit(":", 1)[1]


def admin(daemon, method, path, expect=200, **options):
    headers = {**daemon.admin_headers(), **options.pop("headers", {})}
    answer = requests.request(method, daemon.url + path, headers=headers, timeout=60, **options)
    assert answer.status_code == expect, answer.text
    return answer


# -- limits --

def test_an_address_has_its_limit(daemon, here):
    assert statuses(here, daemon, "/api/openapi.json", MAX) == [200] * MAX
    answer = get(here, daemon, "/api/openapi.json")
    assert answer.status_code == 429 and slug(answer) == "rate-limit"
    assert 1 <= int(answer.headers["Retry-After"]) <= 3600 + 3600 / MAX + 1
    # The limit is the group's, whatever the path; another address has its own.
    assert get(here, daemon, "/api/docs").status_code == 429
    other = from_address(fresh_address())
    assert get(other, daemon, "/api/openapi.json").status_code == 200


def test_the_fields_tell(daemon, here):
    """draft-ietf-httpapi-ratelimit-headers-10."""
    first = get(here, daemon, "/api/openapi.json")
    assert first.headers["RateLimit-Policy"] == f'"general";q={MAX};w=3600'
    state = re.fullmatch(r'"general";r=(\d+);t=(\d+)', first.headers["RateLimit"])
    assert int(state[1]) == MAX - 1 and 1 <= int(state[2]) <= 3600
    left = [get(here, daemon, "/api/openapi.json").headers["RateLimit"] for _ in range(MAX)]
    assert [int(re.search(r"r=(\d+)", text)[1]) for text in left] == [
        *range(MAX - 2, -1, -1), 0]
    assert "RateLimit" not in get(here, daemon, "/health").headers


def test_an_account_has_its_limit_from_wherever_it_asks(daemon):
    password = (daemon.data_dir / "secrets" / "admin-password").read_text().strip()
    # The login counts for its address alone.
    answer = from_address(fresh_address()).post(
        daemon.url + "/api/auth/login", timeout=60,
        json={"username": "admin", "password": password})
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": "Bearer " + answer.json()["access_token"]}
    seen = []
    for _ in range(MAX + 3):
        answer = get(from_address(fresh_address()), daemon, "/api/auth/me", headers=headers)
        seen.append(answer.status_code)
    assert seen == [200] * MAX + [429] * 3
    assert "account" in answer.json()["detail"]
    offenders = admin(daemon, "GET", "/admin/security/offenders").json()["offenders"]
    mine = [o for o in offenders if o["name"] == "user:admin"]
    assert mine and mine[0]["kind"] == "account" and mine[0]["refused"] == 3
    assert mine[0]["limit"] == "general"


def test_the_admin_key_devices_and_probes_are_not_limited(daemon, here):
    token = daemon.register("free")["token"]
    assert statuses(here, daemon, "/admin/security/offenders", MAX + 5,
                    headers=daemon.admin_headers()) == [200] * (MAX + 5)
    device = {"Authorization": f"Bearer {token}"}
    assert statuses(here, daemon, "/v1/commands", MAX + 5, headers=device) == [200] * (MAX + 5)
    assert statuses(here, daemon, "/health", MAX + 5) == [200] * (MAX + 5)
    assert get(here, daemon, "/api/openapi.json").headers["RateLimit"].startswith(
        f'"general";r={MAX - 1};')


def test_a_wrong_admin_key_is_no_way_around(daemon, here):
    """It has a limit of its own, of failures."""
    seen = statuses(here, daemon, "/admin/security/offenders", 70,
                    headers={"X-Admin-Key": "wrong"})
    assert seen[:60] == [401] * 60 and set(seen[60:]) <= {401, 429} and seen[-1] == 429
    assert get(here, daemon, "/admin/security/offenders",
               headers=daemon.admin_headers()).status_code == 200


def test_groups_have_limits_of_their_own(daemon, here):
    """Bulk operations: refused for want of a session, but counted."""
    path = daemon.url + "/admin/bulk/tags"
    seen = [here.post(path, json={}, timeout=60).status_code for _ in range(5)]
    assert seen == [401, 401, 401, 429, 429]
    assert get(here, daemon, "/api/openapi.json").status_code == 200


def test_a_spray_of_addresses_resets_no_offender(daemon, here):
    assert statuses(here, daemon, "/api/docs.css", MAX + 1) == [200] * MAX + [429]
    for number in range(300):
        address = f"127.{number % 100 + 100}.{number // 100 + 1}.7"
        with from_address(address) as session:
            assert get(session, daemon, "/api/docs.css").status_code == 200
    assert get(here, daemon, "/api/docs.css").status_code == 429


def test_a_burst_has_a_limit_beside_the_long_one(make_appliance, here):
    appliance = make_appliance(options=(
        "--limits-general-max", "100", "--limits-general-window", "1h",
        "--limits-general-burst", "5", "--limits-burst-window", "1h"))
    appliance.start()
    assert statuses(here, appliance, "/api/docs.css", 7) == [200] * 5 + [429] * 2
    answer = get(here, appliance, "/api/docs.css")
    assert answer.headers["RateLimit-Policy"] == '"general";q=100;w=3600, "burst";q=5;w=3600'
    assert re.fullmatch(r'"general";r=95;t=\d+, "burst";r=0;t=\d+', answer.headers["RateLimit"])
    assert "burst" in answer.json()["detail"]


def test_a_limit_passes_after_its_retry_after(make_appliance, here):
    appliance = make_appliance(options=("--limits-general-max", "2", "--limits-general-window",
                                        "1s", "--limits-general-burst", "0"))
    appliance.start()

    def refused():
        answer = get(here, appliance, "/api/docs.css")
        return answer.headers if answer.status_code == 429 else None

    assert 1 <= int(wait_until(refused, "a 429")["Retry-After"]) <= 3
    wait_until(lambda: get(here, appliance, "/api/docs.css").status_code == 200, "a 200")


# -- Idempotency-Key --

@pytest.fixture(scope="module")
def free(bin_dir):
    """One without limits."""
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="muster-test-"))
    scratch.chmod(0o755)
    started = Appliance(bin_dir, scratch / "data", options=FREE)
    try:
        started.start()
        yield started
    finally:
        started.destroy()
        shutil.rmtree(scratch, ignore_errors=True)


KEYS = itertools.count(1)


@pytest.fixture
def key():
    return f"key-{next(KEYS)}-{time.monotonic_ns()}"


def make_token(daemon, key, body=None, expect=201, headers=None):
    return admin(daemon, "POST", "/admin/enrolment-tokens", expect,
                 json=body or {"note": "once"}, headers={"Idempotency-Key": key, **(headers or {})})


def tokens(daemon, note):
    return daemon.sql("SELECT count(*) FROM enrolment_tokens WHERE note = %s", note)[0][0]


def test_the_same_request_is_carried_out_once(free, key):
    body = {"note": key}
    first = make_token(free, key, body)
    assert "Idempotency-Replayed" not in first.headers
    again = make_token(free, key, body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.content == first.content
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert tokens(free, key) == 1
    assert free.sql("SELECT count(*) FROM audit_log WHERE action = 'enrolment_token.create'"
                    " AND after->>'note' = %s", key) == [(1,)]


def test_another_body_is_refused(free, key):
    make_token(free, key, {"note": key})
    answer = make_token(free, key, {"note": key, "max_uses": 2}, expect=422)
    assert slug(answer) == "idempotency-key-reused"
    assert tokens(free, key) == 1


def test_a_key_belongs_to_who_sent_it_and_where(free, key):
    boss = people.admin(free)
    mine = make_token(free, key, {"note": key}).json()
    theirs = boss.ask("POST", "/admin/enrolment-tokens", {"note": key}, expect=201,
                      headers={"Idempotency-Key": key}).json()
    assert mine["id"] != theirs["id"] and tokens(free, key) == 2
    boss.ask("POST", "/admin/users", {"username": "idem", "role": "viewer",
                                      "password": people.PASSWORD}, expect=201,
             headers={"Idempotency-Key": key})


def test_what_is_shown_once_is_kept_sealed(free, key):
    token = make_token(free, key, {"note": key}).json()["token"]
    kept = free.sql("SELECT reply FROM idempotency_keys")
    assert kept and all(token.encode() not in bytes(reply[0]) for reply in kept if reply[0])
    assert all(b"token" not in bytes(reply[0]) for reply in kept if reply[0])
    # A reply that was meddled with is not given out.
    free.sql("UPDATE idempotency_keys SET reply = set_byte(reply, 20, get_byte(reply, 20) # 1)")
    assert slug(make_token(free, key, {"note": key}, expect=409)) == "idempotency-reply-lost"
    free.sql("DELETE FROM idempotency_keys")


def test_a_failure_leaves_the_key_free(free, key):
    make_token(free, key, {"max_uses": 0}, expect=400)
    assert make_token(free, key, {"note": key}).json()["max_uses"] == 1
    assert tokens(free, key) == 1


@pytest.mark.parametrize("bad", ["", "a b", "x" * 129, "ä".encode()])
def test_a_malformed_key_is_refused(free, bad):
    answer = make_token(free, bad, expect=400)
    assert slug(answer) == "idempotency-key"


def test_the_longest_key(free):
    name = "~" * 100 + str(time.monotonic_ns()).zfill(28)
    assert make_token(free, name).content == make_token(free, name).content


def test_under_way_is_409(free, key):
    """The first one waits for a lock that the test holds."""
    holder = free.connect()
    holder.cursor().execute("LOCK TABLE enrolment_tokens IN ACCESS EXCLUSIVE MODE")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(make_token, free, key, {"note": key})
        # Single-bigint advisory locks are Idempotency-Key's own.
        wait_until(lambda: free.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                                    " AND objsubid = 1 AND granted")[0][0] > 0,
                   "the first to be under way")
        answer = make_token(free, key, {"note": key}, expect=409)
        assert slug(answer) == "idempotency-under-way" and "Retry-After" in answer.headers
        holder.rollback()
        holder.close()
        reply = first.result(60)
    assert make_token(free, key, {"note": key}).content == reply.content
    assert tokens(free, key) == 1


def test_many_at_once_make_one(free, key):
    def attempt(_):
        return requests.post(free.url + "/admin/enrolment-tokens", timeout=60, json={"note": key},
                             headers={**free.admin_headers(), "Idempotency-Key": key})

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(attempt, range(24)))
    assert {answer.status_code for answer in answers} <= {201, 409, 503}
    made = {answer.content for answer in answers if answer.status_code == 201}
    assert len(made) == 1 and tokens(free, key) == 1


@pytest.mark.release
def test_it_outlives_a_crash_and_ends_after_a_day(make_appliance, key):
    appliance = make_appliance(options=FREE)
    appliance.start()
    first = make_token(appliance, key, {"note": key})
    appliance.kill()
    appliance.start()
    assert make_token(appliance, key, {"note": key}).content == first.content
    appliance.sql("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
    assert appliance.terminate() == 0
    appliance.start()  # the job is due at every start
    wait_until(lambda: appliance.sql("SELECT count(*) FROM idempotency_keys") == [(0,)],
               "the key to go", 120)
    assert make_token(appliance, key, {"note": key}).content != first.content


# -- security events --

def events(daemon, query=""):
    return admin(daemon, "GET", f"/admin/security/events?limit=500{query}").json()["events"]


def wait_event(daemon, kind, address, count):
    def found():
        rows = events(daemon, f"&kind={kind}&address={address}")
        return rows if sum(row["count"] for row in rows) >= count else None

    return wait_until(found, f"{count} {kind} from {address}")


def test_repeats_are_one_row_a_minute(free):
    address = fresh_address()
    session = from_address(address)
    before = free.metric('muster_security_events_total{kind="unauthenticated"}')
    assert statuses(session, free, "/api/auth/me", 30) == [401] * 30
    rows = wait_event(free, "unauthenticated", address, 30)
    assert sum(row["count"] for row in rows) == 30
    assert len(rows) <= 3  # thirty requests take no three minutes
    assert rows[0]["detail"] == "GET /api/auth/me" and rows[0]["principal"] is None
    assert free.metric('muster_security_events_total{kind="unauthenticated"}') == before + 30
    logged = [entry for entry in free.log_events("security.event")
              if entry["address"] == address]
    assert len(logged) == len(rows) and logged[0]["kind"] == "unauthenticated"


def test_who_was_forbidden_is_named(free):
    viewer = people.make(people.admin(free))
    address = fresh_address()
    answer = get(from_address(address), free, "/admin/audit",
                 headers={"Authorization": f"Bearer {viewer.access}"})
    assert answer.status_code == 403 and slug(answer) == "role"
    row = wait_event(free, "forbidden", address, 1)[0]
    assert row["principal"] == f"user:{viewer.username}" and row["detail"] == "GET /admin/audit"


def test_limits_are_events(daemon, here):
    statuses(here, daemon, "/api/docs.css", MAX + 2)
    address = here.get_adapter("http://").address
    rows = wait_event(daemon, "limited", address, 2)
    assert rows[0]["detail"] == "GET /api/docs.css"
    offenders = admin(daemon, "GET", "/admin/security/offenders").json()["offenders"]
    assert any(o["name"] == address and o["kind"] == "address" and o["refused"] == 2
               for o in offenders)


def test_pages_of_events(free):
    for _ in range(4):
        assert get(from_address(fresh_address()), free, "/api/auth/me").status_code == 401
    wait_until(lambda: len(events(free, "&kind=unauthenticated")) >= 4, "four rows")
    everything = [row["id"] for row in events(free, "&kind=unauthenticated")]
    page = admin(free, "GET", "/admin/security/events?limit=3&kind=unauthenticated").json()
    rest = admin(free, "GET", "/admin/security/events?limit=500&kind=unauthenticated"
                              f"&before={page['next_before']}").json()
    paged = [row["id"] for row in page["events"] + rest["events"]]
    assert paged[-len(everything):] == everything[-len(paged):]
    assert rest["next_before"] is None
    assert admin(free, "GET", "/admin/security/events?kind=odd", 400).json()["field"] == "kind"


def test_events_wait_for_the_database(make_appliance):
    """Noted while PostgreSQL is away, written down when it is back."""
    appliance = make_appliance(options=FREE)
    appliance.start()
    session = from_address(address := fresh_address())
    blocker = appliance.connect()
    blocker.cursor().execute("LOCK TABLE security_events IN ACCESS EXCLUSIVE MODE")
    assert statuses(session, appliance, "/api/auth/me", 5) == [401] * 5
    blocker.rollback()
    blocker.close()
    assert sum(row["count"] for row in wait_event(appliance, "unauthenticated", address, 5)) == 5


def test_refused_devices_are_events_too(free):
    address = fresh_address()
    session = from_address(address)
    for _ in range(3):
        answer = session.post(free.url + "/v1/heartbeat", json={"ts": time.time()}, timeout=60,
                              headers={"Authorization": "Bearer mu_unknown"})
        assert answer.status_code == 401
    rows = wait_event(free, "unauthenticated", address, 3)
    assert sum(row["count"] for row in rows) == 3 and rows[0]["detail"] == "a device's token"
