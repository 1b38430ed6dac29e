# SPDX-License-Identifier: Apache-2.0
"""Whatever a client sends: a precise refusal or a clean close; and nobody else notices.

Beside every test a good heartbeat is acknowledged; at the end all of them are stored, and the
process holds no more descriptors, connections and hardly more memory than before.
"""
import pathlib
import random
import re
import socket
import struct
import time

import pytest

from appliance import wait_until
from rawhttp import Raw, ask, bearer, heartbeat, post

pytestmark = pytest.mark.release

OPTIONS = ["--http-request-timeout", "1s", "--http-write-timeout", "1s",
           "--http-handshake-timeout", "1s",
           "--http-frontends", "2"]
MIB = 1 << 20
REQUEST_TIMEOUT_S = 1


class Witness:
    """A device of which nothing may be lost while others misbehave."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.device = daemon.register("witness")
        self.base = int(time.time()) // 10 * 10 - 3600
        self.sent = 0

    def report(self):
        answer = ask(self.daemon.url,
                     heartbeat(self.device["token"], {"ts": self.base - 10 * self.sent}))
        assert answer.status == 202, answer
        self.sent += 1

    def stored(self):
        return self.daemon.sql("SELECT count(*) FROM heartbeats WHERE device_id = %s",
                               int(self.device["device_id"]))[0][0]


def descriptors(daemon):
    return len(list(pathlib.Path(f"/proc/{daemon.process.pid}/fd").iterdir()))


def open_connections(daemon):
    """Without the one that asks."""
    return daemon.metrics()["muster_http_connections"] - 1


@pytest.fixture(scope="module")
def witness(daemon):
    witness = Witness(daemon)
    witness.report()
    wait_until(lambda: open_connections(daemon) == 0, "only the scraper's connection")
    before = descriptors(daemon)
    rss = daemon.rss_bytes()
    yield witness
    wait_until(lambda: open_connections(daemon) == 0, "all connections to be closed")
    wait_until(lambda: witness.stored() == witness.sent, "every good heartbeat in the database")
    assert descriptors(daemon) <= before + 4, \
        "PostgreSQL connections may come, sockets may not stay"
    assert daemon.has_sanitizer() or daemon.rss_bytes() < rss + 96 * MIB


@pytest.fixture(autouse=True)
def nobody_else_notices(daemon, witness):
    yield
    witness.report()
    assert daemon.process.poll() is None


@pytest.fixture(scope="module")
def token(daemon):
    return daemon.register("offender")["token"]


# ---- bodies ----

NOT_JSON = [b"", b" ", b"{", b"}", b"{]", b"nul", b"tru", b"'a'", b"{'ts':1}", b'{"ts":1,}',
            b'{,"ts":1}', b'{"ts"}',
            b'{"ts":}', b'{"ts":01}', b'{"ts":+1}', b'{"ts":1.}', b'{"ts":.5}', b'{"ts":1e}',
            b'{"ts":0x10}',
            b'{"ts":NaN}', b'{"ts":Infinity}', b'{"ts":1}{"ts":1}', b'{"ts":1} x', b'{"ts":1}\0',
            b'\0{"ts":1}',
            b'{"ts":1\0}', b'{"ts":1,"a":"\n"}', b'{"ts":1,"a":"\x01"}', b'{"ts":1,"a":"\\x"}',
            b'{"ts":1,"a":"\\u12"}',
            b'{"ts":1,"a":"\\ud800"}', b'{"ts":1,"a":"\\udc00"}', b'{"ts":1,"a":"abc}',
            b'{"ts":1 "a":2}',
            b'{"ts":1;"a":2}', b'{"ts":1/**/}', b'{ts:1}', b'\xef\xbb\xbf{"ts":1}',
            b'{"ts":1,"a":[1,]}',
            b'{"ts":1,"a":[1 2]}', b'{"ts":1,"a":truee}', b'{"ts":1,1:2}']
OTHERS = [(b'{"ts":1,"a":"\xff"}', "json-utf8"), (b'{"ts":1,"a":"\xc0\xaf"}', "json-utf8"),
          (b'{"ts":1,"a":"\xed\xa0\x80"}', "json-utf8"),
          (b'{"ts":1,"a":"\xf4\x90\x80\x80"}', "json-utf8"),
          (b'{"ts":1,"\xff":1}', "json-utf8"), (b'{"ts":1,"ts":2}', "json-duplicate-key"),
          (b'{"ts":1,"a":1,"a":1}', "json-duplicate-key"),
          (b'{"ts":1,"\\u0074s":2}', "json-duplicate-key"),
          (b'{"ts":1,"a":' + b"[" * 16 + b"]" * 16 + b"}", "json-depth"),
          (b'{"ts":1,"a":' + b'{"a":' * 40000, "json-"), (b"[" * 200000, "json-"),
          (b'{"ts":1e308}', "json-number"), (b'{"ts":1,"a":1e999999999999}', "json-number"),
          (b'{"ts":1,"a":' + b"9" * 400 + b"}", "json-number"), (b"[]", "body-type"),
          (b'"x"', "body-type"),
          (b"null", "body-type"), (b'[{"ts":1}]', "body-type")]


@pytest.mark.parametrize("path", ["/v1/heartbeat", "/v1/heartbeats"])
def test_what_is_not_json(daemon, token, path):
    rejected = daemon.metric("muster_heartbeats_rejected_total")
    wrap = ((lambda body: body) if path == "/v1/heartbeat"
            else (lambda body: b'{"heartbeats":[' + body + b"]}"))
    bodies = [body for body in NOT_JSON if path == "/v1/heartbeat" or body.strip()]
    with Raw(daemon.url) as raw:
        for body in bodies:
            raw.send(heartbeat(token, wrap(body), path=path))
            answer = raw.answer()
            assert answer.status == 400, (body, answer)
            problem = answer.problem()
            assert re.search("json-(syntax|utf8)$", problem["type"]), (body, problem)
            assert problem["request_id"] == answer.headers["x-request-id"]
    assert daemon.metric("muster_heartbeats_rejected_total") == rejected + len(bodies)


@pytest.mark.parametrize("body, kind", OTHERS, ids=range(len(OTHERS)))
def test_what_is_refused_with_a_reason(daemon, token, body, kind):
    answer = ask(daemon.url, heartbeat(token, body))
    assert answer.status == 400 and kind in answer.problem()["type"], answer


def test_body_limits(daemon, token):
    most = 256 * 1024
    body = b'{"ts":%d,"x":"%s"}'
    room = most - len(body % (time.time(), b""))
    fits = ask(daemon.url, heartbeat(token, body % (time.time(), b"x" * room)))
    assert fits.status == 202 and fits.json()["invalid_fields"] == ["extra"]
    with Raw(daemon.url) as raw:
        raw.send(heartbeat(token, body % (time.time(), b"x" * (room + 1))))
        answer = raw.answer()
        assert answer.status == 413 and answer.problem()
        assert raw.ended()
    with Raw(daemon.url) as raw:  # refused on its word, without waiting for a gigabyte
        raw.send(post("/v1/heartbeat", b"", bearer(token), "Content-Length: 1000000000",
                      length=False))
        assert raw.answer().status == 413 and raw.ended()
    key = f"X-Admin-Key: {daemon.admin_headers()['X-Admin-Key']}"
    small = ask(daemon.url, post("/v1/register", b"x" * (16 * 1024 + 1), key))
    assert small.status == 413 and "16384" in small.problem()["detail"]


@pytest.mark.parametrize("content_type, status", [
    ("application/json", 202), ("application/json; charset=utf-8", 202), ("Application/JSON", 202),
    (None, 202),
    ("text/plain", 415), ("application/x-www-form-urlencoded", 415), ("application/jsonx", 415),
    ("multipart/form-data; boundary=x", 415),
])
def test_content_type(daemon, token, content_type, status):
    body = b'{"ts":%d}' % (time.time() - random.randrange(86400))
    for path in ("/v1/heartbeat", "/v1/heartbeats"):
        sent = body if path == "/v1/heartbeat" else b'{"heartbeats":[%s]}' % body
        lines = [f"POST {path} HTTP/1.1", "Host: x", bearer(token), f"Content-Length: {len(sent)}"]
        if content_type:
            lines.append(f"Content-Type: {content_type}")
        answer = ask(daemon.url, "\r\n".join(lines).encode() + b"\r\n\r\n" + sent)
        if status == 415:
            assert answer.status == 415 and answer.problem()["type"].endswith("content-type")
        else:
            assert answer.status in (200, 202), answer


# ---- requests ----

HOST = b"Host: x\r\n"
END = b"\r\n\r\n"
MALFORMED = {
    "no host": (b"GET /health HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "equal hosts": (b"GET /health HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    "two lengths": (b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nContent-Length: "
                    b"2\r\nContent-Length: 3\r\n\r\n{} ", 400),
    "equal lengths": (b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nContent-Length: "
                      b"2\r\nContent-Length: 2\r\n\r\n{}", 400),
    "length list": (b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 2\r\n\r\n{}",
                    400),
    "length and coding": (b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "coding and length": (b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                          b"chunked\r\n"
                          b"Content-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "two codings": (b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "coding list": (b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, "
                    b"chunked\r\n\r\n0\r\n\r\n", 400),
    "coding identity": (b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                        b"identity\r\n\r\n", 400),
    "coding in 1.0": (b"POST /v1/heartbeat HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: "
                      b"chunked\r\n\r\n0\r\n\r\n", 400),
    **{f"length {value!r}": (b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nContent-Length: " + value
                             + END, 400)
       for value in (b"+5", b"-1", b"5x", b"0x10", b"1e3", b"", b"18446744073709551617")},
    "bare line feeds": (b"GET /health HTTP/1.1\nHost: x\n\n", 400),
    "one bare line feed": (b"GET /health HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", 400),
    "space before the colon": (b"GET /health HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    "folded": (b"GET /health HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", 400),
    "NUL in a value": (b"GET /health HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", 400),
    "NUL in a name": (b"GET /health HTTP/1.1\r\nHost: x\r\nX\0: a\r\n\r\n", 400),
    "no colon": (b"GET /health HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", 400),
    "no version": (b"GET /health\r\n\r\n", 400),
    "odd method": (b"G\x01T /health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "target without a slash": (b"GET health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "target with a byte of UTF-8": (b"GET /h\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "HTTP/1.2": (b"GET /health HTTP/1.2\r\nHost: x\r\n\r\n", 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/2.0": (b"GET /health HTTP/2.0\r\nHost: x\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /health\n\n", 400),
    "TLS to the plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64, 400),
    "strange expectation": (b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nExpect: "
                            b"tea\r\nContent-Length: 2\r\n\r\n{}", 417),
    "long header": (b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 400000 + END, 431),
    "long target": (b"GET /" + b"x" * 400000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
    "many headers": (b"GET /health HTTP/1.1\r\nHost: x\r\n"
                     + b"".join(b"X%d: y\r\n" % i for i in range(500)) + END, 431),
    "bad chunk size": (b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                       b"chunked\r\n\r\nxyz\r\n", 400),
    "negative chunk": (b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                       b"chunked\r\n\r\n-1\r\n", 400),
    "huge chunk": (b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                   b"chunked\r\n\r\nfffffffffffffffff\r\n", 400),
    "chunk without end": (b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                          b"chunked\r\n\r\n2\r\n{}xx\r\n", 400),
    "chunk with line feed": (b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                             b"chunked\r\n\r\n2\n{}\r\n", 400),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_request(daemon, name):
    data, status = MALFORMED[name]
    errors = daemon.metrics()["muster_http_protocol_errors_total"]
    with Raw(daemon.url) as raw:
        raw.send(data)
        answer = raw.answer()
        assert answer and answer.status == status, answer
        assert answer.problem() and answer.headers["connection"] == "close"
        assert raw.ended(), "the connection ends with the refusal"
    assert daemon.metrics()["muster_http_protocol_errors_total"] == errors + 1


def test_unknown_paths_and_methods(daemon, token):
    with Raw(daemon.url) as raw:
        raw.send(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = raw.answer()
        assert answer.status == 404 and "/nowhere" in answer.problem()["detail"]
        raw.send(b"GET /v1/heartbeat HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = raw.answer()
        assert answer.status == 405 and "POST" in answer.headers["allow"] and answer.problem()
        raw.send(b"BREW /v1/heartbeat HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.answer().status == 405
        raw.send(b"OPTIONS /v1/heartbeat HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.answer().status == 204
        for path in (b"/v1/../v1/heartbeat", b"//v1/heartbeat", b"/v1/heartbeat/",
                     b"/%2e%2e/etc/passwd"):
            raw.send(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            assert raw.answer().status in (404, 405), path
        raw.send(heartbeat(token))
        assert raw.answer().status in (200, 202), "the connection is as good as before"


def test_markup_in_a_path_comes_back_as_json_only(daemon):
    answer = ask(daemon.url, b'GET /"><script>alert(1)</script> HTTP/1.1\r\nHost: x\r\n\r\n')
    assert answer.status == 404 and '"><script>' in answer.problem()["detail"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_upgrades_are_ignored(daemon, token):
    for upgrade in ("h2c", "websocket"):
        answer = ask(daemon.url, heartbeat(token, None, "Connection: Upgrade, HTTP2-Settings",
                                           f"Upgrade: {upgrade}",
                                           "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"))
        assert answer.status in (200, 202)


def test_expect_continue(daemon, token):
    body = b'{"ts":%d}' % (time.time() - 500)
    with Raw(daemon.url) as raw:
        raw.send(post("/v1/heartbeat", b"", bearer(token), "Expect: 100-continue",
                      f"Content-Length: {len(body)}",
                      length=False))
        assert raw.answer().status == 100
        raw.send(body)
        assert raw.answer().status == 202


def chunked(token, *chunks):
    head = post("/v1/heartbeat", b"", bearer(token), "Transfer-Encoding: chunked", length=False)
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


def test_chunked_bodies(daemon, token):
    body = b'{"ts":%d,"ssid":"chunks"}' % (time.time() - 700)
    with Raw(daemon.url) as raw:
        raw.send(chunked(token, *(body[i:i + 1] for i in range(len(body)))) + b"0\r\n\r\n")
        assert raw.answer().status == 202
        raw.send(chunked(token, body) + b"0;ext=1\r\nTrailer: x\r\n\r\n")
        assert raw.answer().status == 200, "the same heartbeat"
        for byte in chunked(token, body) + b"0\r\n\r\n":
            raw.send(bytes([byte]))
        assert raw.answer().status == 200
        raw.send(chunked(token, b"x" * 200000, b"x" * 200000))
        assert raw.answer().status == 413
        assert raw.ended()


def test_pipelining(daemon):
    device = daemon.register("pipeline")
    now = int(time.time()) // 10 * 10
    with Raw(daemon.url) as raw:
        raw.send(b"".join(heartbeat(device["token"], {"ts": now - 10 * i}) +
                          b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" for i in range(100)))
        for _ in range(100):
            assert raw.answer().status == 202
            assert raw.answer().status == 404
        raw.send(heartbeat(device["token"], {"ts": now - 2000}) + b"nonsense\r\n\r\n" +
                 heartbeat(device["token"], {"ts": now - 3000}))
        assert raw.answer().status == 202
        assert raw.answer().status == 400
        assert raw.ended(), "what follows nonsense is not a request"
    wait_until(lambda: daemon.sql("SELECT count(*) FROM heartbeats WHERE device_id = %s",
                                  int(device["device_id"])) == [(101,)], "101 rows")


# ---- slow, gone and deaf clients ----

@pytest.mark.parametrize("part", [b"P", b"POST /v1/heartbeat HTTP/1.1\r\n",
                                  b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\n",
                                  b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nContent-Length: "
                                  b"100\r\n\r\n{",
                                  b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                                  b"chunked\r\n\r\n5\r\n{"])
def test_a_request_that_never_ends(daemon, part):
    with Raw(daemon.url) as raw:
        raw.send(part)
        answer = raw.answer()
        assert answer.status == 408 and answer.problem()
        assert raw.ended()


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\nHost: x\r\nX: ",
                                  b"POST /v1/heartbeat HTTP/1.1\r\nHost: x\r\nContent-Length: "
                                  b"1000\r\n\r\n"])
def test_a_drip(daemon, head):
    """A byte now and then does not move the deadline."""
    with Raw(daemon.url) as raw:
        raw.socket.settimeout(0.1)
        raw.send(head)
        end = time.monotonic() + 10 * REQUEST_TIMEOUT_S
        while time.monotonic() < end and b"\r\n\r\n" not in raw.buffer:
            raw.send(b"x")
            try:
                raw._fill()
            except socket.timeout:
                continue
        raw.socket.settimeout(10)
        assert raw.answer().status == 408


def test_a_new_deadline_for_each_request(daemon, token):
    """A keep-alive connection outlives the request timeout."""
    base = int(time.time()) // 10 * 10 - 8000
    with Raw(daemon.url) as raw:
        for i in range(4):
            data = heartbeat(token, {"ts": base - 10 * i})
            raw.send(data[:50])
            with Raw(daemon.url) as other:  # what the first one may take, told by a second
                other.send(b"x")
                if i % 2 == 0:
                    raw.send(data[50:])
                    assert raw.answer().status == 202
                    assert other.answer().status == 408
                else:
                    raw.send(data[50:])
                    assert raw.answer().status == 202


def test_half_closed_clients_get_their_answer(daemon, token):
    with Raw(daemon.url) as raw:
        raw.send(heartbeat(token, {"ts": time.time() - 9000}))
        raw.socket.shutdown(socket.SHUT_WR)
        answer = raw.answer()
        assert answer and answer.status == 202
        assert raw.ended()


def test_clients_that_go_before_the_answer(daemon):
    device = daemon.register("impatient")
    base = int(time.time()) // 10 * 10 - 20000
    for i in range(300):
        raw = Raw(daemon.url)
        raw.send(heartbeat(device["token"], {"ts": base - 10 * i}))
        if i % 2:  # a reset instead of an end
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.socket.close()
    for i in range(0, 300, 50):  # all may be sent again, and are stored once
        assert ask(daemon.url,
                   heartbeat(device["token"], {"ts": base - 10 * i})).status in (200, 202)
    wait_until(lambda: open_connections(daemon) == 0, "their connections to be closed")


def test_clients_that_go_in_the_middle(daemon, token):
    whole = heartbeat(token, {"ts": time.time()})
    for i in range(0, len(whole), 3):
        raw = Raw(daemon.url)
        raw.send(whole[:i])
        raw.socket.close()
    wait_until(lambda: open_connections(daemon) == 0, "their connections to be closed")


@pytest.mark.long
def test_a_client_that_never_reads(daemon):
    """Megabytes of replies wait for nobody: cut off, and not kept in memory."""
    before = daemon.rss_bytes()
    raws = []
    for _ in range(4):
        raw = Raw(daemon.url)
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.socket.settimeout(0.1)
        try:
            raw.socket.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 60)
        except (OSError, socket.timeout):
            pass
        raws.append(raw)
    wait_until(lambda: open_connections(daemon) == 0, "the deaf to be cut off", deadline_s=240)
    assert daemon.has_sanitizer() or daemon.rss_bytes() < before + 32 * MIB
    for raw in raws:
        raw.socket.close()


def test_silence_on_the_tls_port(daemon):
    failed = daemon.metrics()['muster_tls_handshakes_failed_total{reason="timeout"}']
    with Raw(daemon.run["https_url"]) as raw:
        assert raw.ended(), "a handshake has a deadline too"
    with Raw(daemon.run["https_url"]) as raw:
        raw.send(b"\x16\x03\x01")
        assert raw.ended()
    assert daemon.metrics()['muster_tls_handshakes_failed_total{reason="timeout"}'] == failed + 2


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 100,
                                  b"\x16\x03\x01\xff\xff" + b"\0" * 100])
def test_nonsense_on_the_tls_port(daemon, data):
    failed = daemon.metric("muster_tls_handshakes_failed_total")
    with Raw(daemon.run["https_url"]) as raw:
        raw.send(data)
        wait_until(lambda: daemon.metric("muster_tls_handshakes_failed_total") == failed + 1,
                   "it to be counted")


def test_damaged_requests(daemon, token):
    """Random bytes of good requests changed, dropped, doubled: answered or closed, one way or
    another."""
    seed = random.SystemRandom().randrange(1 << 30)
    print("seed", seed)
    dice = random.Random(seed)
    good = [heartbeat(token, b'{"ts":%d,"battery":5,"ssid":"x"}' % (time.time() - 30)),
            chunked(token, b'{"ts":1}') + b"0\r\n\r\n",
            b"GET /ready HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n"]
    for _ in range(400):
        data = bytearray(dice.choice(good))
        for _ in range(dice.randrange(1, 6)):
            at = dice.randrange(len(data))
            action = dice.randrange(4)
            if action == 0:
                data[at] = dice.randrange(256)
            elif action == 1:
                del data[at:at + dice.randrange(1, 9)]
            elif action == 2:
                data[at:at] = bytes(dice.randrange(256) for _ in range(dice.randrange(1, 9)))
            else:
                data[at:at] = data[at:at + dice.randrange(1, 40)]
            if not data:
                data = bytearray(b"x")
        with Raw(daemon.url) as raw:
            raw.send(bytes(data))
            raw.socket.shutdown(socket.SHUT_WR)
            while raw.answer():
                pass
