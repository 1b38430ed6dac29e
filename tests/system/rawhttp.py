# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 by hand: what no client library would send, and how the connection ends."""
import json
import socket
import time
import urllib.parse

DEADLINE_S = 20


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    def problem(self):
        """The body, which has to be a problem (RFC 9457) that repeats the status."""
        assert self.headers["content-type"] == "application/problem+json", self.headers
        problem = self.json()
        assert problem["status"] == self.status and problem["title"] and problem["detail"], problem
        return problem

    def __repr__(self):
        return f"<{self.status} {self.body[:200]!r}>"


class Raw:
    """One connection. A reset counts as closed."""

    def __init__(self, url, source=None, wrap=None):
        parts = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), DEADLINE_S,
                                               source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if wrap:
            self.socket = wrap(self.socket)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False when the other side takes nothing more."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def _fill(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def answer(self):
        """The next one, interim ones too; None when the connection ends instead."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._fill():
                assert not self.buffer, f"cut short: {self.buffer[:200]!r}"
                return None
        head, _, rest = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode("ascii").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        length = int(headers.get("content-length", 0))
        self.buffer = rest
        while len(self.buffer) < length:
            assert self._fill(), "the body is cut short"
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Answer(int(lines[0].split(" ")[1]), headers, body)

    def ended(self, deadline_s=DEADLINE_S):
        """Whether the other side closes, with nothing more said."""
        self.socket.settimeout(deadline_s)
        try:
            return not self._fill()
        except socket.timeout:
            return False


def post(path, body=b"", *headers, host="localhost", length=True):
    """A request as bytes."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def bearer(token):
    return f"Authorization: Bearer {token}"


def heartbeat(token, body=None, *headers, path="/v1/heartbeat"):
    return post(path, {"ts": time.time()} if body is None else body, bearer(token), *headers)


def ask(url, data, **options):
    """The answer to one request on a connection of its own."""
    with Raw(url, **options) as raw:
        raw.send(data)
        return raw.answer()
