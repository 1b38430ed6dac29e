# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Discord's webhooks, on loopback.

    with DiscordDouble() as discord:
        url = discord.webhook()                  # for a channel of kind discord
        discord.answer_next(throttled(1.5))      # the next request gets this instead
        discord.wait_events(3)                   # ("POST" | "PATCH", message), in order
        discord.messages                         # by id, as they stand now

What Discord documents is enforced: embeds' limits (characters are code points), unknown webhooks
and messages, rate limits per webhook and route with their headers. What a request breaks is
answered as Discord would, and stands in discord.violations, which a test should find empty.
Requests that come while a 429 or an exhausted bucket forbids them stand in discord.early.
"""
import copy
import json
import re
import time
import urllib.parse
import uuid

from doubles.http_double import Answer, HttpDouble, cut, cut_after, hang  # noqa: F401: for tests

CONTENT_MAX = 2000
EMBEDS_MAX = 10
TITLE_MAX = 256
DESCRIPTION_MAX = 4096
FIELDS_MAX = 25
FIELD_NAME_MAX = 256
FIELD_VALUE_MAX = 1024
FOOTER_MAX = 2048
AUTHOR_MAX = 256
ALL_MAX = 6000
MESSAGE_KEYS = {"content", "username", "avatar_url", "tts", "embeds", "allowed_mentions",
                "components", "attachments", "flags", "thread_name", "applied_tags", "poll"}
EMBED_KEYS = {"title", "type", "description", "url", "timestamp", "color", "footer", "image",
              "thumbnail", "author", "fields"}
UNKNOWN_WEBHOOK = 10015
UNKNOWN_MESSAGE = 10008
INVALID_FORM = 50035


def throttled(retry_after, whole=False, with_header=True):
    """429: of the webhook, or of the whole address."""
    headers = {"X-RateLimit-Scope": "global" if whole else "user"}
    if with_header:
        headers["Retry-After"] = str(int(retry_after) + 1)
    if whole:
        headers["X-RateLimit-Global"] = "true"
    return Answer(429, {"message": "You are being rate limited.", "retry_after": retry_after,
                        "global": whole}, headers)


def unavailable(status=503):
    return Answer(status, b"<html>upstream connect error</html>")


def failure(status, code, message, errors=None):
    body = {"message": message, "code": code}
    if errors:
        body["errors"] = errors
    return Answer(status, body)


def too_long(limit):
    return {"_errors": [{"code": "BASE_TYPE_MAX_LENGTH",
                         "message": f"Must be {limit} or fewer in length."}]}


def required():
    return {"_errors": [{"code": "BASE_TYPE_REQUIRED", "message": "This field is required"}]}


class DiscordDouble(HttpDouble):
    METHODS = ("POST", "PATCH", "GET")

    def __init__(self, bucket_max=5, bucket_s=2.0):
        super().__init__()
        self.bucket_max = bucket_max
        self.bucket_s = bucket_s
        self.webhooks = {}     # id -> token
        self.messages = {}     # id -> message as it stands
        self.events = []       # (method, message as it was then)
        self.requests = []     # {"method", "path", "status", "at"}, all of them
        self.violations = []
        self.early = []        # requests that came before they were allowed to
        self.buckets = {}      # (webhook, method) -> [resets at, left]
        self.forbidden_until = {}  # webhook or "global" -> monotonic time
        self.next_id = 1_100_000_000_000_000_000

    @property
    def host(self):
        """For alerts.discord_hosts."""
        return f"127.0.0.1:{self.port}"

    def webhook(self):
        """A new one's URL."""
        with self.lock:
            identity = str(self.fresh_id())
            self.webhooks[identity] = uuid.uuid4().hex + "-_" + uuid.uuid4().hex
            return f"http://{self.host}/api/webhooks/{identity}/{self.webhooks[identity]}"

    def delete_webhook(self, url):
        with self.lock:
            del self.webhooks[url.split("/")[-2]]

    def delete_message(self, identity):
        with self.lock:
            del self.messages[identity]

    def fresh_id(self):
        self.next_id += 1
        return self.next_id

    # -- what came --

    def wait_events(self, count, deadline_s=120):
        return self.wait_count(self.events, count, "events came", deadline_s)

    def wait_requests(self, count, deadline_s=120):
        return self.wait_count(self.requests, count, "requests came", deadline_s)

    def evidence(self):
        return f": {self.requests}"

    def count(self, status):
        with self.lock:
            return sum(1 for request in self.requests if request["status"] == status)

    # -- answering --

    def respond(self, request, body):
        with self.lock:
            answer = self.decide(request, body)
            self.requests.append({"method": request.command, "path": request.path,
                                  "status": answer.outcome, "at": time.monotonic()})
            self.lock.notify_all()
            return answer

    def decide(self, request, body):
        parts = urllib.parse.urlsplit(request.path)
        match = re.fullmatch(r"/api(?:/v\d+)?/webhooks/(\d+)/([\w.-]+)(?:/messages/(\d+))?",
                             parts.path)
        if not match:
            self.violations.append(f"{request.command} to {parts.path}")
            return failure(404, 0, "404: Not Found")
        webhook, token, message = match.groups()
        now = time.monotonic()
        for whose in (webhook, "global"):
            if now < self.forbidden_until.get(whose, 0):
                self.early.append(f"{request.command} {whose}")
        told = self.told()
        if told is not None and not told.after:
            self.note_limit(told, webhook, now)
            return told
        answer = self.carry_out(request, body, parts, webhook, token, message)
        return told if told is not None else answer

    def note_limit(self, answer, webhook, now):
        if answer.status == 429:
            whose = "global" if answer.body.get("global") else webhook
            # A little less, for the time that the answer takes to be read.
            self.forbidden_until[whose] = now + answer.body["retry_after"] * 0.9

    def carry_out(self, request, body, parts, webhook, token, message):
        if self.webhooks.get(webhook) != token:
            if webhook in self.webhooks:
                return failure(401, 50027, "Invalid Webhook Token")
            return failure(404, UNKNOWN_WEBHOOK, "Unknown Webhook")
        limited, headers = self.take_place(webhook, request.command)
        if limited:
            return limited
        answer = self.check(request, body)
        if answer is None and message is None:
            answer = self.post(json.loads(body), urllib.parse.parse_qs(parts.query), webhook)
        elif answer is None:
            answer = self.patch(json.loads(body), message)
        answer.headers.update(headers)
        return answer

    def take_place(self, webhook, method):
        """(a 429 or None, the headers that every answer has)"""
        now = time.monotonic()
        bucket = self.buckets.setdefault((webhook, method), [now + self.bucket_s, self.bucket_max])
        if now >= bucket[0]:
            bucket[:] = [now + self.bucket_s, self.bucket_max]
        wait = bucket[0] - now
        headers = {"X-RateLimit-Limit": str(self.bucket_max),
                   "X-RateLimit-Reset": f"{time.time() + wait:.3f}",
                   "X-RateLimit-Reset-After": f"{wait:.3f}",
                   "X-RateLimit-Bucket": f"double{method.lower()}"}
        if bucket[1] == 0:
            self.early.append(f"{method}: the bucket was empty")
            answer = throttled(round(wait, 3))
            answer.headers.update(headers, **{"X-RateLimit-Remaining": "0"})
            return answer, headers
        bucket[1] -= 1
        headers["X-RateLimit-Remaining"] = str(bucket[1])
        return None, headers

    def post(self, message, query, webhook):
        identity = str(self.fresh_id())
        kept = dict(message, id=identity, webhook_id=webhook)
        self.messages[identity] = kept
        self.events.append(("POST", copy.deepcopy(kept)))
        return Answer(200, kept) if query.get("wait") == ["true"] else Answer(204)

    def patch(self, message, identity):
        if identity not in self.messages:
            return failure(404, UNKNOWN_MESSAGE, "Unknown Message")
        self.messages[identity].update(message)
        self.events.append(("PATCH", copy.deepcopy(self.messages[identity])))
        return Answer(200, self.messages[identity])

    # -- Discord's rules for a message --

    def check(self, request, body):
        if not request.headers.get("Content-Type", "").startswith("application/json"):
            return self.refuse("Content-Type is no JSON", {})
        try:
            message = json.loads(body)
        except ValueError:
            self.violations.append("the body is no JSON")
            return failure(400, 50109, "The request body contains invalid JSON.")
        if not isinstance(message, dict) or set(message) - MESSAGE_KEYS:
            return self.refuse(f"unknown names: {message}", {})
        if not message.get("content") and not message.get("embeds"):
            self.violations.append("an empty message")
            return failure(400, 50006, "Cannot send an empty message")
        if message.get("allowed_mentions") != {"parse": []}:
            self.violations.append("somebody could be pinged")
        if len(message.get("content") or "") > CONTENT_MAX:
            return self.refuse("content", {"content": too_long(CONTENT_MAX)})
        return self.check_embeds(message.get("embeds") or [])

    def refuse(self, what, errors):
        self.violations.append(what)
        return failure(400, INVALID_FORM, "Invalid Form Body", errors)

    def check_embeds(self, embeds):
        if len(embeds) > EMBEDS_MAX:
            return self.refuse("embeds", {"embeds": too_long(EMBEDS_MAX)})
        total = 0
        for number, embed in enumerate(embeds):
            errors, length = self.embed_errors(embed)
            total += length
            if errors:
                return self.refuse(f"embed: {errors}", {"embeds": {str(number): errors}})
        if total > ALL_MAX:
            return self.refuse(f"{total} characters in all", {"embeds": {"_errors": [
                {"code": "MAX_EMBED_SIZE_EXCEEDED",
                 "message": f"Embed size exceeds maximum size of {ALL_MAX}"}]}})
        return None

    @staticmethod
    def embed_errors(embed):
        errors = {}
        if set(embed) - EMBED_KEYS:
            errors["_errors"] = [{"code": "UNKNOWN", "message": str(set(embed) - EMBED_KEYS)}]
        if not any(embed.get(name) for name in ("title", "description", "fields", "image")):
            errors["description"] = required()
        texts = [("title", embed.get("title", ""), TITLE_MAX),
                 ("description", embed.get("description", ""), DESCRIPTION_MAX),
                 ("footer", embed.get("footer", {}).get("text", ""), FOOTER_MAX),
                 ("author", embed.get("author", {}).get("name", ""), AUTHOR_MAX)]
        if len(embed.get("fields", [])) > FIELDS_MAX:
            errors["fields"] = too_long(FIELDS_MAX)
        for field in embed.get("fields", []):
            if not field.get("name", "").strip() or not field.get("value", "").strip():
                errors["fields"] = required()
            texts += [("fields", field["name"], FIELD_NAME_MAX),
                      ("fields", field["value"], FIELD_VALUE_MAX)]
        for name, text, limit in texts:
            if len(text) > limit:
                errors[name] = too_long(limit)
        if not 0 <= embed.get("color", 0) <= 0xFFFFFF:
            errors["color"] = too_long(0xFFFFFF)
        stamp = embed.get("timestamp")
        if stamp and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
                                      stamp):
            errors["timestamp"] = required()
        return errors, sum(len(text) for _, text, _ in texts)
