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
import hashlib
import hmac
import json
import time

from doubles.http_double import Answer, HttpDouble, cut, hang  # noqa: F401: for tests

TOLERANCE_S = 300


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


class WebhookDouble(HttpDouble):
    METHODS = ("POST", "GET")
    CONTENT_TYPE = None

    def __init__(self, certificate=None, now=None):
        """certificate: (file, key file): serves TLS. now: a function, where a daemon's clock was
        set."""
        super().__init__()
        self.certificate = certificate
        self.now = now or time.time
        self.secrets = []
        self.messages = []
        self.requests = []     # statuses
        self.violations = []
        self.repeated = []

    def url(self, host="127.0.0.1", path="/hook?key=of-the-url"):
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}{path}"

    def wait_messages(self, count, deadline_s=120):
        return self.wait_count(self.messages, count, "messages came", deadline_s)

    def wait_requests(self, count, deadline_s=120):
        return self.wait_count(self.requests, count, "requests came", deadline_s)

    def evidence(self):
        return f"; {self.requests}, {self.violations}"

    def types(self):
        with self.lock:
            return [message["body"]["type"] for message in self.messages]

    def respond(self, request, body):
        with self.lock:
            answer = self.decide(request, body)
            self.requests.append(answer.outcome)
            self.lock.notify_all()
            return answer

    def decide(self, request, body):
        told = self.told()
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
