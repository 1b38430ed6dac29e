# SPDX-License-Identifier: Apache-2.0
"""A receiver of webhooks, on loopback: verifies them as Standard Webhooks' libraries do.

    with WebhookDouble() as receiver:
        receiver.secrets = ["whsec_..."]          # one of the signatures must be by one of these
        receiver.answer_next(Answer(503, headers={"Retry-After": "1"}))
        receiver.wait_messages(2)                 # {"id", "timestamp", "body", "signatures", ...}

What does not verify is answered 401 and stands in receiver.violations. Repeated ids are taken and
answered 200, as the specification's idempotency wants, and stand in receiver.repeated.
"""
import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import socket
import ssl
import threading
import time

POLL_S = 0.02
TOLERANCE_S = 300


class Answer:
    """A reply, or a fault ("hang", "cut"). after: the message is taken all the same."""

    def __init__(self, status=200, body=b"", headers=None, fault=None, after=False):
        self.status = status
        self.body = body
        self.headers = dict(headers or {})
        self.fault = fault
        self.after = after


def hang():
    """No answer until the double stops."""
    return Answer(fault="hang")


def cut():
    """The connection is reset instead of an answer."""
    return Answer(fault="cut")


def sign(secret, identity, timestamp, body):
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    content = f"{identity}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


class VerificationError(Exception):
    pass


def verify(secrets, headers, body, now=None):
    """As the reference does: times within five minutes, one of the signatures by one of ours."""
    identity = headers.get("webhook-id")
    timestamp = headers.get("webhook-timestamp")
    signatures = headers.get("webhook-signature")
    if not identity or not timestamp or not signatures:
        raise VerificationError("missing required headers")
    if not timestamp.isdigit():
        raise VerificationError("invalid webhook-timestamp")
    if abs((now or time.time()) - int(timestamp)) > TOLERANCE_S:
        raise VerificationError("webhook-timestamp too far from now")
    given = [one for one in signatures.split(" ") if one.startswith("v1,")]
    for secret in secrets:
        expected = sign(secret, identity, timestamp, body)
        if any(hmac.compare_digest(expected, one) for one in given):
            return json.loads(body)
    raise VerificationError("no matching signature found")


class WebhookDouble:
    def __init__(self, certificate=None, now=None):
        """certificate: (file, key file): serves TLS. now: a function, where a daemon's clock was
        set."""
        self.certificate = certificate
        self.now = now or time.time
        self.secrets = []
        self.lock = threading.Condition()
        self.stopping = threading.Event()
        self.messages = []
        self.requests = []     # statuses
        self.violations = []
        self.repeated = []
        self.next_answers = []
        self.always = None
        self.server = None

    def start(self):
        double = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                double.handle(self)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, request, client_address):
                pass  # a client that went away

        self.server = Server(("127.0.0.1", 0), Handler)
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(POLL_S,),
                                       daemon=True)
        self.thread.start()
        return self

    def stop(self):
        self.stopping.set()
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()
            self.server = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def port(self):
        return self.server.server_port

    def url(self, host="127.0.0.1", path="/hook?key=of-the-url"):
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}{path}"

    def answer_next(self, answer, times=1):
        with self.lock:
            self.next_answers.extend([answer] * times)

    def answer_always(self, answer):
        """None: as usual again."""
        with self.lock:
            self.always = answer

    def wait_messages(self, count, deadline_s=120):
        with self.lock:
            if not self.lock.wait_for(lambda: len(self.messages) >= count, deadline_s):
                raise AssertionError(f"{len(self.messages)} messages came, not {count}; "
                                     f"{self.requests}, {self.violations}")
            return list(self.messages)

    def wait_requests(self, count, deadline_s=120):
        with self.lock:
            if not self.lock.wait_for(lambda: len(self.requests) >= count, deadline_s):
                raise AssertionError(f"{len(self.requests)} requests came, not {count}")
            return list(self.requests)

    def types(self):
        with self.lock:
            return [message["body"]["type"] for message in self.messages]

    def handle(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        with self.lock:
            answer = self.decide(request, body)
            self.requests.append(answer.fault or answer.status)
            self.lock.notify_all()
        if answer.fault == "hang":
            self.stopping.wait()
        if answer.fault:
            request.close_connection = True
            with contextlib.suppress(OSError):
                request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                              b"\1\0\0\0\0\0\0\0")
                request.connection.close()
            return
        with contextlib.suppress(OSError):
            request.send_response(answer.status)
            request.send_header("Content-Length", str(len(answer.body)))
            for name, value in answer.headers.items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(answer.body)

    def decide(self, request, body):
        told = self.always
        if told is None and self.next_answers:
            told = self.next_answers.pop(0)
        if told is not None and not told.after:
            return told
        if request.command != "POST":
            self.violations.append(f"{request.command} {request.path}")
            return Answer(405)
        try:
            message = verify(self.secrets, request.headers, body, self.now())
        except (VerificationError, ValueError) as error:
            self.violations.append(str(error))
            return told or Answer(401)
        identity = request.headers["webhook-id"]
        if any(known["id"] == identity for known in self.messages):
            self.repeated.append(identity)
        else:
            self.messages.append({"id": identity, "body": message, "path": request.path,
                                  "timestamp": int(request.headers["webhook-timestamp"]),
                                  "signatures": request.headers["webhook-signature"].split(" "),
                                  "content_type": request.headers.get("Content-Type")})
        return told or Answer(200)
