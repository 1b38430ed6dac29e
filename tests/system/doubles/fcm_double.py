# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Google: the OAuth token endpoint and FCM HTTP v1, on loopback.

    with FcmDouble() as fcm:
        account = fcm.write_service_account(directory)     # for fcm.service_account
        ... fcm.endpoint, fcm.token_uri ...
        fcm.answer("device token", unregistered())          # that token's next messages
        fcm.answer_next(throttled(2), times=3)              # whoever comes next
        fcm.wait_messages(5)

What Google's documents demand is checked on every request; what does not hold is answered as Google
would, and stands in fcm.violations, which a test should find empty.
"""
import base64
import functools
import json
import re
import time
import urllib.parse
import uuid

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from doubles.http_double import Answer, HttpDouble, cut, hang  # noqa: F401: for tests

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ANDROID_KEYS = {"collapse_key", "priority", "ttl", "restricted_package_name", "data",
                "notification", "fcm_options", "direct_boot_ok"}
MESSAGE_KEYS = {"name", "data", "notification", "android", "webpush", "apns", "fcm_options",
                "token", "topic", "condition"}
DATA_BYTES_MAX = 4096
CLOCK_SKEW_S = 300


@functools.cache
def make_key():
    """One for all doubles of a process: making it takes longer than most tests."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def failure(http_status, status, error_code=None, message="", headers=None, details=()):
    details = list(details)
    if error_code:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
                        "errorCode": error_code})
    error = {"code": http_status, "message": message or status, "status": status}
    if details:
        error["details"] = details
    return Answer(http_status, {"error": error}, headers)


def sent():
    return Answer()


def unregistered():
    return failure(404, "NOT_FOUND", "UNREGISTERED", "Requested entity was not found.")


def invalid():
    return failure(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT",
                   "The registration token is not a valid FCM registration token")


def mismatch():
    return failure(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "SenderId mismatch")


def third_party():
    return failure(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", "APNs certificate is bad")


def unauthenticated():
    return failure(401, "UNAUTHENTICATED",
                   message="Request had invalid authentication credentials.")


def throttled(retry_after=None, whose="Project"):
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return failure(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "Quota exceeded.", headers,
                   [{"@type": "type.googleapis.com/google.rpc.QuotaFailure",
                     "violations": [{"subject": "quota",
                                     "description": f"{whose} message rate exceeded."}]}])


def unavailable(retry_after=None):
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return failure(503, "UNAVAILABLE", "UNAVAILABLE", "The service is overloaded.", headers)


def internal():
    return failure(500, "INTERNAL", "INTERNAL", "Internal error encountered.")


def decode_part(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


class FcmDouble(HttpDouble):
    CONTENT_TYPE = "application/json; charset=UTF-8"
    NO_BODY = b"{}"

    def __init__(self, project_id="muster-test", token_life_s=3600):
        super().__init__()
        self.project_id = project_id
        self.client_email = f"fleet@{project_id}.iam.gserviceaccount.com"
        self.key_id = uuid.uuid4().hex
        self.key = make_key()
        self.token_life_s = token_life_s
        self.messages = []      # {"message", "answer", "headers", "at"} in order, answered or not
        self.assertions = []    # the claims of each accepted one
        self.token_requests = 0
        self.violations = []    # sentences: what broke Google's rules
        self.live_tokens = set()
        self.by_device = {}     # registration token → answers
        self.token_answers = []  # Answer: instead of a token

    @property
    def token_uri(self):
        return self.endpoint + "/token"

    def options(self, directory):
        """musterd's flags."""
        return ["--fcm-service-account", str(self.write_service_account(directory)),
                "--fcm-endpoint", self.endpoint]

    def service_account(self):
        pem = self.key.private_bytes(serialization.Encoding.PEM,
                                     serialization.PrivateFormat.PKCS8,
                                     serialization.NoEncryption()).decode()
        return {"type": "service_account", "project_id": self.project_id,
                "private_key_id": self.key_id, "private_key": pem,
                "client_email": self.client_email, "client_id": "1",
                "auth_uri": "https://accounts.google.com/o/oauth2/auth",
                "token_uri": self.token_uri}

    def write_service_account(self, directory, name="service-account.json"):
        path = directory / name
        path.write_text(json.dumps(self.service_account()))
        path.chmod(0o600)
        return path

    # -- being told what to answer --

    def answer(self, device_token, *answers):
        """The token's next messages get these, then the default."""
        with self.lock:
            self.by_device.setdefault(device_token, []).extend(answers)

    def answer_token(self, answer, times=1):
        """The next requests for an access token get this."""
        with self.lock:
            self.token_answers.extend([answer] * times)

    def revoke_access(self):
        """Every access token given out is dead."""
        with self.lock:
            self.live_tokens.clear()

    # -- what came --

    def wait_messages(self, count, deadline_s=60):
        return self.wait_count(self.messages, count, "messages came", deadline_s)

    def wait_token_requests(self, count, deadline_s=60):
        with self.lock:
            if not self.lock.wait_for(lambda: self.token_requests >= count, deadline_s):
                raise AssertionError(f"{self.token_requests} asked for a token, not {count}")

    def to(self, device_token):
        with self.lock:
            return [m for m in self.messages if m["message"].get("token") == device_token]

    # -- answering --

    def violate(self, sentence):
        with self.lock:
            self.violations.append(sentence)

    def respond(self, request, body):
        path = urllib.parse.urlsplit(request.path).path
        if path == "/token":
            return self.give_token(request, body)
        if path == f"/v1/projects/{self.project_id}/messages:send":
            return self.take_message(request, body)
        self.violate(f"POST to {path}")
        return failure(404, "NOT_FOUND")

    # -- OAuth 2.0 --

    def give_token(self, request, body):
        with self.lock:
            self.token_requests += 1
            self.lock.notify_all()
            told = self.token_answers.pop(0) if self.token_answers else None
        if told:
            return told
        try:
            claims = self.check_assertion(request, body)
        except (ValueError, KeyError, InvalidSignature) as error:
            self.violate(f"assertion: {error!r}")
            return Answer(400, {"error": "invalid_grant", "error_description": "Invalid JWT."})
        token = "ya29." + uuid.uuid4().hex * 4
        with self.lock:
            self.assertions.append(claims)
            self.live_tokens.add(token)
        return Answer(200, {"access_token": token, "expires_in": self.token_life_s,
                            "token_type": "Bearer"})

    def check_assertion(self, request, body):
        if request.headers.get("Content-Type") != "application/x-www-form-urlencoded":
            raise ValueError("the form's Content-Type")
        form = urllib.parse.parse_qs(body.decode(), strict_parsing=True)
        if form["grant_type"] != [GRANT]:
            raise ValueError("grant_type")
        signed, _, signature = form["assertion"][0].rpartition(".")
        header, claims = (json.loads(decode_part(part)) for part in signed.split("."))
        if "=" in form["assertion"][0]:
            raise ValueError("base64url has no padding in a JWT")
        if header != {"alg": "RS256", "typ": "JWT", "kid": self.key_id}:
            raise ValueError(f"header {header}")
        self.key.public_key().verify(decode_part(signature), signed.encode(), padding.PKCS1v15(),
                                     hashes.SHA256())
        now = time.time()
        if claims["iss"] != self.client_email or claims["scope"] != SCOPE:
            raise ValueError(f"claims {claims}")
        if claims["aud"] != self.token_uri:
            raise ValueError(f"aud {claims['aud']}")
        if not isinstance(claims["iat"], int) or not isinstance(claims["exp"], int):
            raise ValueError("iat and exp are integers")
        if not claims["iat"] < claims["exp"] <= claims["iat"] + 3600:
            raise ValueError("exp is at most an hour after iat")
        if abs(now - claims["iat"]) > CLOCK_SKEW_S or claims["exp"] < now:
            raise ValueError("iat or exp is not about now")
        return claims

    # -- FCM --

    def take_message(self, request, body):
        bearer = request.headers.get("Authorization", "")
        problem, message = self.check_message(request, body)
        device = message.get("token")
        with self.lock:
            known = bearer.startswith("Bearer ") and bearer[7:] in self.live_tokens
            if not known:
                answer = unauthenticated()
            elif problem:
                self.violations.append(problem)
                answer = failure(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", problem)
            elif self.by_device.get(device):
                answer = self.by_device[device].pop(0)
            else:
                answer = self.told() or sent()
            if answer.status == 200 and answer.body is None and not answer.fault:
                name = f"projects/{self.project_id}/messages/{uuid.uuid4().hex}"
                answer = Answer(200, {"name": name}, answer.headers)
            self.messages.append({"message": message, "answer": answer, "at": time.monotonic(),
                                  "headers": dict(request.headers)})
            self.lock.notify_all()
        return answer

    def check_message(self, request, body):
        """(what is wrong or None, the message)"""
        if not request.headers.get("Content-Type", "").startswith("application/json"):
            return "Content-Type is not JSON", {}
        try:
            whole = json.loads(body)
            message = whole["message"]
        except (ValueError, KeyError, TypeError):
            return "the body is no JSON with a message", {}
        if not isinstance(message, dict) or set(whole) - {"message", "validate_only"}:
            return f"unknown names beside message: {sorted(whole)}", {}
        return self.check_fields(message), message

    @staticmethod
    def check_fields(message):
        if set(message) - MESSAGE_KEYS:
            return f"unknown names in message: {sorted(set(message) - MESSAGE_KEYS)}"
        if not isinstance(message.get("token"), str) or not message["token"]:
            return "message.token is no string"
        data = message.get("data", {})
        if not all(isinstance(value, str) for value in data.values()):
            return "a value in message.data is no string"
        if any(key in ("from", "message_type") or key.startswith(("google", "gcm"))
               for key in data):
            return "a reserved key in message.data"
        size = sum(len(key.encode()) + len(value.encode()) for key, value in data.items())
        if size > DATA_BYTES_MAX:
            return f"message.data has {size} bytes, {DATA_BYTES_MAX} at most"
        android = message.get("android", {})
        if set(android) - ANDROID_KEYS:
            return f"unknown names in message.android: {sorted(set(android) - ANDROID_KEYS)}"
        if android.get("priority", "NORMAL") not in ("NORMAL", "HIGH"):
            return "message.android.priority"
        match = re.fullmatch(r"(\d+)(\.\d{1,9})?s", android.get("ttl", "0s"))
        if not match or int(match.group(1)) > 28 * 86400:
            return "message.android.ttl"
        return None
