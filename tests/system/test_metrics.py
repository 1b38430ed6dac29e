# SPDX-License-Identifier: Apache-2.0
"""Numbers, probes and the log: every counter moves when its cause happens, and no secret is ever
said."""
import contextlib
import json
import re
import shutil
import subprocess
import time

import pytest

from appliance import wait_until
from rawhttp import Raw, ask, heartbeat, post

pytestmark = pytest.mark.release

# One frontend with the smallest ring: a single batch can overflow it.
OPTIONS = ["--ingest-ring", "64KiB", "--http-frontends", "1", "--log-level", "debug"]


@pytest.fixture(scope="module")
def token(daemon):
    return daemon.register("measured")["token"]


@pytest.fixture(scope="module")
def fresh():
    """Timestamps of buckets never used before."""
    base = int(time.time()) // 10 * 10 - 3600
    def following():
        following.used += 1
        return base - 10 * following.used
    following.used = 0
    return following


@contextlib.contextmanager
def moves(daemon, *names):
    """Each of these series, or families, is larger afterwards."""
    before = {name: daemon.metric(name) for name in names}
    yield
    for name in names:
        wait_until(lambda name=name: daemon.metric(name) > before[name], f"{name} to move", 20)


def text_of(daemon):
    answer = daemon.session.get(daemon.url + "/metrics", timeout=10)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return answer.text


def test_promtool_finds_nothing(daemon, token, fresh):
    daemon.heartbeat(token, ts=fresh())
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (package prometheus)")
    done = subprocess.run(["promtool", "check", "metrics"], input=text_of(daemon),
                          capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0 and not done.stdout and not done.stderr, done


def test_every_family_is_described_once(daemon):
    helped, typed = [], []
    for line in text_of(daemon).splitlines():
        if line.startswith("# HELP "):
            name, sentence = line[7:].split(" ", 1)
            assert sentence.endswith(".") or sentence, line
            helped.append(name)
        elif line.startswith("# TYPE "):
            typed.append(line.split()[2])
        else:
            family = re.match(r"[a-z0-9_]+", line).group()
            assert family in typed or re.sub("_(bucket|sum|count)$", "", family) in typed, line
    assert helped == typed and len(set(typed)) == len(typed)
    for name in typed:
        assert name.startswith(("muster_", "process_")), name
        assert not re.search("_(ms|us|ns|kib|mib|percent)(_|$)", name), f"{name}: base units"


def test_stages_of_a_heartbeat(daemon, token, fresh):
    """From the request to the row, each stage has been timed."""
    histograms = ['muster_http_request_duration_seconds_count'
                  '{method="POST",route="/v1/heartbeat"}',
                  "muster_heartbeat_decode_seconds_count", "muster_journal_ring_wait_seconds_count",
                  "muster_journal_group_records_count", "muster_journal_group_bytes_count",
                  "muster_journal_write_duration_seconds_count", "muster_writer_batch_rows_count",
                  "muster_writer_copy_duration_seconds_count",
                  "muster_writer_status_duration_seconds_count",
                  "muster_writer_commit_duration_seconds_count",
                  "muster_writer_stored_lag_seconds_count"]
    counters = ["muster_heartbeats_acknowledged_total", "muster_journal_groups_total",
                "muster_journal_records_total", "muster_journal_bytes_total",
                "muster_writer_rows_total", "muster_writer_flushes_total",
                "muster_writer_checkpoints_total", "muster_pg_statement_duration_seconds_count",
                'muster_http_requests_total{method="POST",route="/v1/heartbeat",status="2xx"}']
    rows = daemon.metric("muster_writer_rows_total")
    with moves(daemon, *histograms, *counters):
        for _ in range(20):  # one in sixteen is timed
            assert daemon.heartbeat(token, ts=fresh()).status_code == 202
    assert daemon.metric("muster_writer_rows_total") == rows + 20
    wait_until(lambda: daemon.metrics()["muster_backlog_records"] == 0, "the backlog gauge to fall")
    values = daemon.metrics()
    assert values["muster_journal_durable_sequence"] >= 20
    wait_until(lambda: daemon.metrics()["muster_writer_checkpoint_sequence"]
               == values["muster_journal_durable_sequence"],
               "the checkpoint to arrive")
    assert 0 < values["muster_journal_used_bytes"] <= values["muster_journal_capacity_bytes"]
    assert values["muster_journal_left_seconds"] > 0
    assert values["muster_pg_connections_max"] >= values['muster_pg_connections{state="lent"}'] >= 1
    assert (values["muster_pg_breaker_state"] == 0
            and values['muster_writer_breaker_state{writer="0"}'] == 0)


def plain_to_tls(daemon):
    with Raw(daemon.run["https_url"]) as raw:
        raw.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while raw._fill():
            pass


def test_causes(daemon, token, fresh):
    ts = fresh()
    daemon.heartbeat(token, ts=ts)
    skewed = daemon.register("skewed")["token"]
    hour_ago = time.time() - 3600
    daemon.register("known", hardware_id="m")
    cases = {
        "muster_heartbeats_duplicate_total": lambda: daemon.heartbeat(token, ts=ts),
        "muster_heartbeats_late_total": lambda: daemon.heartbeat(token, ts=fresh()),
        "muster_heartbeats_skewed_total":
            lambda: daemon.heartbeat(skewed, ts=hour_ago, sent_at=hour_ago),
        'muster_heartbeats_rejected_total{reason="ts-null"}':
            lambda: daemon.heartbeat(token, ts=None),
        'muster_heartbeats_rejected_total{reason="ts-range"}':
            lambda: daemon.heartbeat(token, ts=-1),
        'muster_heartbeats_rejected_total{reason="ts-window"}':
            lambda: daemon.heartbeat(token, ts=0, sent_at=time.time()),
        'muster_heartbeats_rejected_total{reason="json-syntax"}':
            lambda: ask(daemon.url, heartbeat(token, b"{")),
        'muster_heartbeats_rejected_total{reason="heartbeats-size"}':
            lambda: daemon.heartbeats(token, [{}] * 501),
        'muster_heartbeat_invalid_fields_total{field="battery"}':
            lambda: daemon.heartbeat(token, ts=fresh(), battery=101),
        'muster_device_requests_refused_total{reason="token_unknown"}':
            lambda: daemon.heartbeat("mu_unknown"),
        'muster_device_requests_refused_total{reason="token_missing"}':
            lambda: ask(daemon.url, post("/v1/heartbeat", {})),
        "muster_http_protocol_errors_total": lambda: ask(daemon.url, b"nonsense\r\n\r\n"),
        'muster_http_requests_total{method="any",route="none",status="4xx"}':
            lambda: ask(daemon.url, b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"),
        "muster_http_connections_accepted_total":
            lambda: ask(daemon.url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        'muster_registrations_total{device="new"}': lambda: daemon.register("new"),
        'muster_registrations_total{device="known"}':
            lambda: daemon.register("known", hardware_id="m"),
        'muster_offload_jobs_total{pool="control",result="done"}':
            lambda: daemon.register("worked"),
        'muster_tls_handshakes_failed_total{reason="not_tls"}':
            lambda: plain_to_tls(daemon),
    }
    for name, cause in cases.items():
        with moves(daemon, name):
            cause()


def test_deletion_is_counted(daemon, fresh):
    device = daemon.register("deleted")
    with moves(daemon, "muster_devices_deleted_total"):
        assert daemon.delete_device(device["device_id"]).status_code == 204
    with moves(daemon, 'muster_device_requests_refused_total{reason="device_deleted"}'):
        assert daemon.heartbeat(device["token"]).status_code == 410


def test_shed_items_are_kept_by_the_agent(daemon, fresh):
    """A batch larger than the ring: what does not fit is shed, counted, and stored when sent
    again."""
    device = daemon.register("torrent")
    items = [{"ts": fresh(), "note": "x" * 2000} for _ in range(120)]
    before = daemon.metric("muster_heartbeats_shed_total")
    pending, shed_once = items, 0
    for _ in range(200):
        answer = daemon.heartbeats(device["token"], pending)
        assert answer.status_code == 200
        results = [item["status"] for item in answer.json()["results"]]
        assert set(results) <= {"stored", "duplicate", "shed"}
        assert ("shed" in results) == ("Retry-After" in answer.headers)
        if "shed" in results:
            assert int(answer.headers["Retry-After"]) >= 1
            shed_once += results.count("shed")
        pending = [item for item, result in zip(pending, results) if result == "shed"]
        if not pending:
            break
    assert not pending and shed_once
    assert daemon.metric("muster_heartbeats_shed_total") == before + shed_once
    wait_until(lambda: daemon.sql("SELECT count(*) FROM heartbeats WHERE device_id = %s",
                                  int(device["device_id"])) == [(len(items),)],
               "all items stored once")


def test_a_scrape_does_not_disturb(daemon, token, fresh):
    """Twenty at once, with heartbeats between them."""
    with Raw(daemon.url) as beside:
        raws = [Raw(daemon.url) for _ in range(20)]
        for raw in raws:
            raw.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            beside.send(heartbeat(token, {"ts": fresh()}))
            assert beside.answer().status == 202
        for raw in raws:
            assert raw.answer().status == 200
            raw.socket.close()


# ---- probes ----

def test_health(daemon):
    for path in ("/health", "/api/health"):
        answer = daemon.session.get(daemon.url + path, timeout=5)
        assert (answer.status_code == 200 and answer.json()["status"] == "ok"
                and answer.json()["version"])
        assert answer.headers["Cache-Control"] == "no-store"


def test_ready(daemon):
    body = daemon.ready()
    assert body["ready"] is True and body["degraded"] == []
    assert set(body["backlog"]) >= {"records", "oldest_s", "drain_per_s"}
    assert body["journal"]["state"] == "accepting" and body["journal"]["capacity_bytes"] > 0
    assert body["journal"]["hours_left"] is None or body["journal"]["hours_left"] > 0


def test_details(daemon):
    body = daemon.session.get(daemon.url + "/health/detailed", timeout=5).json()
    assert body["well"] is True
    assert body["database"]["storing"] is True and body["database"]["breaker"] == "closed"
    assert body["devices"]["known"] >= 1 and body["devices"]["list_read"] is True
    assert body["connections"] >= 1 and body["control_queue"] == 0
    assert body["memory"]["total_bytes"] > body["memory"]["free_bytes"] > 0
    assert (body["disk"]["total_bytes"] > body["disk"]["free_bytes"] > 0
            and body["cpu"]["load_1m"] >= 0)


def test_root_for_browsers_and_programs(daemon):
    browser = daemon.session.get(daemon.url + "/", timeout=5,
                                 headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert browser.status_code == 200 and browser.headers["Content-Type"].startswith("text/html")
    assert ("default-src 'none'" in browser.headers["Content-Security-Policy"]
            and "Accept" in browser.headers["Vary"])
    program = daemon.session.get(daemon.url + "/", timeout=5,
                                 headers={"Accept": "application/json"})
    assert (program.headers["Content-Type"] == "application/json"
            and program.json()["name"] == "muster")
    for path in program.json()["links"].values():
        assert daemon.session.get(daemon.url + path, timeout=5).status_code == 200, path


def test_head(daemon):
    with Raw(daemon.url) as raw:
        raw.send(b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n")
        status = raw.socket.recv(65536).split(b"\r\n")[0]
        assert status.split()[1] in (b"200", b"405")


def test_request_ids(daemon, token):
    seen = set()
    for data in (b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
                 heartbeat(token, b"{"), heartbeat("mu_wrong"), post("/v1/register", {})):
        answer = ask(daemon.url, data)
        request_id = answer.headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{16}", request_id) and request_id not in seen
        seen.add(request_id)
        if answer.status >= 400:
            assert answer.problem()["request_id"] == request_id


# ---- the log ----

def pairs_once(pairs):
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)


def test_log_is_json_and_knows_no_secret(daemon, token, fresh):
    """At debug level, after everything above and some more."""
    made = daemon.session.post(daemon.url + "/admin/enrolment-tokens", json={},
                               headers=daemon.admin_headers(),
                               timeout=10).json()["token"]
    device = daemon.register("quiet", headers={"X-Enrolment-Token": made}, fcm_token="fcm-SECRET-1")
    guess = {"X-Admin-Key": "guessed-SECRET-2", "Authorization": "Bearer mu_guessed-SECRET-3"}
    daemon.register(headers=guess, expect=401)
    daemon.heartbeat("mu_guessed-SECRET-4")
    daemon.heartbeat(device["token"], ts=fresh(), ssid="ssid-SECRET-5")
    daemon.heartbeat(device["token"], ts="broken-SECRET-6")
    secrets = [made, device["token"], device["hmac"]["key"], token, "SECRET-"]
    for path in (daemon.data_dir / "secrets").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
        secrets.append(path.read_text().strip())
    assert (daemon.data_dir / "secrets").stat().st_mode & 0o777 == 0o700
    said = (daemon.data_dir / "output.txt").read_text()
    published = [said, (daemon.data_dir / "run.json").read_text(), text_of(daemon)]
    published += [daemon.session.get(daemon.url + path, timeout=5).text
                  for path in ("/ready", "/health/detailed", "/")]
    for secret in secrets:
        assert len(secret) >= 7 and all(secret not in text for text in published)
    for line in said.splitlines():
        entry = json.loads(line, object_pairs_hook=pairs_once)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", entry["ts"]), line
        assert (entry["level"] in ("debug", "info", "warning", "error") and entry["event"]
                and entry["thread"])
