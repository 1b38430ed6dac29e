# SPDX-License-Identifier: Apache-2.0
"""Requests as such: TLS, limits, breaker, what is refused."""
import contextlib
import email.utils
import http.server
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

from driver import Driver, make_certificate

EINVAL, EAGAIN, E2BIG, ESHUTDOWN = 22, 11, 7, 108


class Server:
    """Answers by path: /status/503, /long/100000, /hang, /cut, /echo, /later/SECONDS|DATE."""

    def __init__(self, tls=None):
        server = self
        self.requests = []
        self.lock = threading.Condition()
        self.ending = threading.Event()
        self.busy = 0
        self.busiest = 0
        self.status = None

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with server.lock:
                    server.requests.append((self.command, self.path, dict(self.headers), body,
                                            self.client_address))
                    server.busy += 1
                    server.busiest = max(server.busy, server.busiest)
                    server.lock.notify_all()
                try:
                    server.reply(self, body)
                finally:
                    with server.lock:
                        server.busy -= 1

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        class Threads(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, request, client_address):
                pass

        self.http = Threads(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
            self.scheme = "https"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def reply(self, request, body):
        kind, _, value = request.path.strip("/").partition("/")
        headers, status = {}, 200
        if kind == "hang":
            self.ending.wait()
            request.close_connection = True
            return
        if kind == "cut":
            request.connection.close()
            request.close_connection = True
            return
        if kind == "status":
            status, body = int(value), b"said"
        elif kind == "later":
            status = 503
            headers["Retry-After"] = (value if value != "date" else
                                      email.utils.formatdate(time.time() + 100, usegmt=True))
        elif kind == "long":
            body = b"x" * int(value)
        elif kind == "redirect":
            status, headers["Location"] = 302, f"{self.url}/echo"
        elif kind == "switched":
            status = self.status
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        for name, content in headers.items():
            request.send_header(name, content)
        request.end_headers()
        with contextlib.suppress(OSError):
            request.wfile.write(body)

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.http.server_port}"

    def wait_requests(self, count):
        with self.lock:
            assert self.lock.wait_for(lambda: len(self.requests) >= count, 60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.http.shutdown()
        self.http.server_close()


def drive(concurrency=4, breaker=None, **config):
    service = {"name": "web", "concurrency": concurrency}
    if breaker:
        service["breaker"] = breaker
    return Driver(services=[service], **config)


def ask(driver, url, number=1, method="GET", **more):
    driver.tell(do="http", id=number, service="web", method=method, url=url, **more)
    return driver


def answer(driver, number=1):
    return driver.wait("http", id=number)


@pytest.fixture
def server():
    with Server() as running:
        yield running


def test_a_request_arrives_whole(server):
    with drive() as driver:
        ask(driver, server.url + "/echo?a=b", method="POST", body="söme",
            headers={"X-One": "1", "Content-Type": "text/plain"})
        result = answer(driver)
        assert (result["outcome"], result["status"], result["body"]) == ("answered", 200, "söme")
        assert result["error"] == "" and result["retry_after_s"] == -1
        method, path, headers, body, _ = server.requests[0]
        assert (method, path, body) == ("POST", "/echo?a=b", "söme".encode())
        assert headers["X-One"] == "1" and headers["Content-Type"] == "text/plain"
        assert headers["User-Agent"].startswith("muster/") and "Expect" not in headers


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods(server, method):
    with drive() as driver:
        assert answer(ask(driver, server.url + "/echo", method=method))["status"] == 200
        assert server.requests[0][0] == method


def test_a_kept_connection_is_used_again(server):
    with drive() as driver:
        for number in range(5):
            assert answer(ask(driver, server.url + "/echo", number), number)["status"] == 200
    assert len({request[4] for request in server.requests}) == 1


def test_no_redirect_is_followed(server):
    with drive() as driver:
        assert answer(ask(driver, server.url + "/redirect"))["status"] == 302
    assert len(server.requests) == 1


def test_retry_after(server):
    with drive() as driver:
        assert answer(ask(driver, server.url + "/later/17"))["retry_after_s"] == 17
        assert 60 < answer(ask(driver, server.url + "/later/date"))["retry_after_s"] <= 100
        assert answer(ask(driver, server.url + "/later/soon"))["retry_after_s"] == -1


def test_a_reply_has_a_limit(server):
    with drive() as driver:
        result = answer(ask(driver, server.url + "/long/1000", reply_max=1000))
        assert (result["outcome"], len(result["body"])) == ("answered", 1000)
        result = answer(ask(driver, server.url + "/long/1001", reply_max=1000))
        assert result["outcome"] == "failed"
        assert result["error"] == f"{server.url} answered with more than 1000 bytes."


def test_a_hanging_server_is_left(server):
    with drive() as driver:
        result = answer(ask(driver, server.url + "/hang", timeout_ms=300))
        assert result["outcome"] == "failed" and result["error"].startswith(server.url + ": ")


def test_no_more_at_once_than_allowed(server):
    with drive(concurrency=2) as driver:
        for number in range(12):
            ask(driver, server.url + "/echo", number)
        for number in range(12):
            assert answer(driver, number)["status"] == 200
        assert server.busiest <= 2


def test_patience_in_the_queue(server):
    with drive(concurrency=1) as driver:
        ask(driver, server.url + "/hang", 1, timeout_ms=60000)
        server.wait_requests(1)
        ask(driver, server.url + "/echo", 2, wait_ms=50)
        result = answer(driver, 2)
        assert result["outcome"] == "not_sent" and server.url in result["error"]
        driver.tell(do="stop", deadline_ms=0)
        assert answer(driver, 1)["outcome"] == "cancelled"
    assert len(server.requests) == 1


def test_the_queue_is_bounded(server):
    with drive(concurrency=1, queue_max=3) as driver:
        for number in range(3):
            ask(driver, server.url + "/hang", number)
        ask(driver, server.url + "/echo", 3)
        assert driver.wait("refused", id=3)["code"] == EAGAIN
        assert driver.metrics()[
            'muster_outbound_requests_total{service="web",result="queue_full"}'] == 1
        driver.tell(do="stop", deadline_ms=0)
        for number in range(3):
            assert answer(driver, number)["outcome"] == "cancelled"
        ask(driver, server.url + "/echo", 4)
        assert driver.wait("refused", id=4)["code"] == ESHUTDOWN


def test_the_breaker(server):
    with drive(concurrency=1, breaker={"failures": 2, "open_ms": 1000}) as driver:
        server.status = 500
        for number in range(2):
            assert answer(ask(driver, server.url + "/switched", number), number)["status"] == 500
        assert driver.metrics()['muster_outbound_breaker_state{service="web"}'] == 1
        server.status = 200
        began = time.monotonic()
        assert answer(ask(driver, server.url + "/switched", 2), 2)["status"] == 200
        assert time.monotonic() - began >= 0.5
        assert driver.metrics()['muster_outbound_breaker_state{service="web"}'] == 0
        assert driver.wait("trouble")["service"] == "web"
        server.status = 404
        for number in range(3, 9):
            assert answer(ask(driver, server.url + "/switched", number), number)["status"] == 404
        assert driver.metrics()['muster_outbound_breaker_opened_total{service="web"}'] == 1


@pytest.mark.parametrize("request_, code", [
    ({"url": "http://example.org/"}, EINVAL),
    ({"url": "https://user:s3cret@example.org/"}, EINVAL),
    ({"headers": {"X": "a\r\nY: b"}}, EINVAL),
    ({"headers": {"X\r\nY": "a"}}, EINVAL),
    ({"headers": {"X Y": "a"}}, EINVAL),
    ({"headers": {"": "a"}}, EINVAL),
    ({"method": "POST", "body": "x" * (1024 * 1024 + 1)}, E2BIG),
])
def test_what_is_refused(server, request_, code):
    with drive() as driver:
        ask(driver, **{"url": server.url + "/echo", **request_})
        assert driver.wait("refused", id=1)["code"] == code
    assert server.requests == []


def test_no_secret_of_a_url_is_told():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    driver = drive()
    with driver:
        result = answer(ask(driver, url + "/hook/s3cret?token=s3cret",
                            headers={"Authorization": "Bearer s3cret"}))
        assert result["outcome"] == "failed" and result["error"].startswith(url + ": ")
    assert "s3cret" not in str(result) + str(driver.kept) + driver.errors


# ---- TLS ----

def test_a_certificate_must_be_trusted(tmp_path):
    authority_file, _, authority = make_certificate(tmp_path, "authority", None)
    certificate, key, _ = make_certificate(tmp_path, "server", "127.0.0.1", authority)
    with Server((certificate, key)) as server:
        with drive() as driver:
            result = answer(ask(driver, server.url + "/echo"))
            assert result["outcome"] == "failed" and "certificate" in result["error"]
        with drive(ca_file=str(authority_file)) as driver:
            assert answer(ask(driver, server.url + "/echo"))["status"] == 200


def test_a_certificate_must_be_the_host_s(tmp_path):
    authority_file, _, authority = make_certificate(tmp_path, "authority", None)
    certificate, key, _ = make_certificate(tmp_path, "server", "example.org", authority)
    with Server((certificate, key)) as server, drive(ca_file=str(authority_file)) as driver:
        assert answer(ask(driver, server.url + "/echo"))["outcome"] == "failed"
        assert server.requests == []


def start_nghttpd(path, port, key, certificate, log):
    (path / "index.html").write_text("hello")
    program = shutil.which("nghttpd", path=os.environ["PATH"] + ":/usr/sbin")
    assert program, "nghttpd is missing: apt-get install nghttp2-server"
    return subprocess.Popen([program, "-v", "-a", "127.0.0.1", "-d", str(path), str(port),
                             str(key), str(certificate)], stdin=subprocess.DEVNULL, stdout=log,
                            stderr=log)


def test_http2_takes_one_connection_for_all(tmp_path):
    authority_file, _, authority = make_certificate(tmp_path, "authority", None)
    certificate, key, _ = make_certificate(tmp_path, "server", "127.0.0.1", authority)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with open(tmp_path / "log", "wb") as log:
        process = start_nghttpd(tmp_path, port, key, certificate, log)
    service = {"name": "web", "concurrency": 64, "http2": True,
               "breaker": {"failures": 1000, "open_ms": 1}}
    url = f"https://127.0.0.1:{port}/index.html"
    try:
        with Driver(services=[service], ca_file=str(authority_file)) as driver:
            end = time.monotonic() + 60
            while answer(ask(driver, url))["outcome"] != "answered":
                assert time.monotonic() < end and process.poll() is None
            for number in range(200):
                ask(driver, url, number, **({"method": "POST", "body": "x"} if number % 2 else {}))
            for number in range(200):
                assert answer(driver, number)["status"] == 200
    finally:
        process.terminate()
        process.wait()
    told = (tmp_path / "log").read_text()
    assert len(re.findall(r"recv \(stream_id=\d+\) :method: ", told)) == 201
    assert len(set(re.findall(r"\[id=(\d+)\]", told))) == 1


def test_a_file_without_authorities_is_a_sentence(tmp_path):
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    for path in (str(empty), "/nowhere/ca.pem"):
        driver = drive(ca_file=path)
        assert driver.created["code"] != 0 and path in driver.created["error"]
        driver.close()
