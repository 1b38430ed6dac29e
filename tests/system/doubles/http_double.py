# SPDX-License-Identifier: Apache-2.0
"""What the doubles that speak HTTP share: a server on loopback that can be told what to answer.

    class Mine(HttpDouble):
        METHODS = ("POST", "GET")
        def respond(self, request, body):      # on a thread of the connection's own
            with self.lock:
                return self.told() or Answer(200, {"ok": True})

    with Mine() as mine:
        mine.answer_next(Answer(503, headers={"Retry-After": "1"}), times=2)
        mine.answer_always(hang())             # None: as usual again
"""
import contextlib
import http.server
import json
import socket
import ssl
import threading

POLL_S = 0.02


class Answer:
    """A reply, or a fault ("hang", "cut"). after: the request is carried out all the same."""

    def __init__(self, status=200, body=None, headers=None, fault=None, after=False):
        self.status = status
        self.body = body  # bytes as they are, else sent as JSON; None: nothing
        self.headers = dict(headers or {})
        self.fault = fault
        self.after = after

    @property
    def outcome(self):
        return self.fault or self.status


def hang():
    """No answer until the double stops."""
    return Answer(fault="hang")


def cut():
    """The connection is reset instead of an answer."""
    return Answer(fault="cut")


def cut_after():
    """What was asked is done, and the connection reset instead of an answer."""
    return Answer(fault="cut", after=True)


class HttpDouble:
    METHODS = ("POST",)
    CONTENT_TYPE = "application/json"  # None: none is said
    NO_BODY = b""
    certificate = None                 # (file, key file): serves TLS

    def __init__(self):
        self.lock = threading.Condition()
        self.stopping = threading.Event()
        self.next_answers = []
        self.always = None
        self.server = None

    # -- life --

    def start(self):
        self.server = Server(("127.0.0.1", 0), handler_of(self))
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

    @property
    def endpoint(self):
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    # -- being told what to answer --

    def answer_next(self, answer, times=1):
        with self.lock:
            self.next_answers.extend([answer] * times)

    def answer_always(self, answer):
        """None: as usual again."""
        with self.lock:
            self.always = answer

    def told(self):
        """What the next request shall get, or None; the caller holds the lock."""
        if self.always is None and self.next_answers:
            return self.next_answers.pop(0)
        return self.always

    # -- what came --

    def wait_count(self, items, count, what, deadline_s=120):
        """A copy of the list, once it has so many: who adds to it notifies the lock."""
        with self.lock:
            if not self.lock.wait_for(lambda: len(items) >= count, deadline_s):
                raise AssertionError(f"{len(items)} {what}, not {count}{self.evidence()}")
            return list(items)

    def evidence(self):
        """What helps to see why something did not come."""
        return ""

    # -- answering --

    def respond(self, request, body):
        """The Answer to a request."""
        raise NotImplementedError

    def handle(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        answer = self.respond(request, body)
        if answer.fault == "hang":
            self.stopping.wait()
        if answer.fault:
            self.reset(request)
            return
        payload = self.NO_BODY if answer.body is None else answer.body
        if not isinstance(payload, bytes):
            payload = json.dumps(payload).encode()
        with contextlib.suppress(OSError):
            request.send_response(answer.status)
            if self.CONTENT_TYPE:
                request.send_header("Content-Type", self.CONTENT_TYPE)
            request.send_header("Content-Length", str(len(payload)))
            for name, value in answer.headers.items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(payload)

    @staticmethod
    def reset(request):
        request.close_connection = True
        with contextlib.suppress(OSError):
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                          b"\1\0\0\0\0\0\0\0")
            request.connection.close()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass  # a client that went away


def handler_of(double):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

    for method in double.METHODS:
        setattr(Handler, f"do_{method}", lambda handler: double.handle(handler))
    return Handler
