# SPDX-License-Identifier: Apache-2.0
"""An appliance that offers updates of the agent, good ones and bad ones; and their publisher.

    with UpdateDouble(now=clock.now_s) as fake:
        fake.write_config(agent, update=fake.pinned())
        fake.publish("0.1.1", program_of(binary, "0.1.1"))
        fake.publish("0.1.1", CRASHING)                 # a program that ends at once
        fake.publish("0.1.1", program, damage="hash")   # see DAMAGES
        fake.refuse_reports("0.1.1")                    # that version's reports get a 503
        fake.wait_questions(2); fake.wait_downloads(1)

As include/muster/UPDATE_SIGNATURE.md has it. Whoever asks is offered what was published last, be it
newer or older, unless it is what runs there.
"""
import base64
import hashlib
import json
import os
import re
import urllib.parse

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from doubles.appliance_double import ApplianceDouble
from doubles.http_double import Answer

QUESTION = "/v1/agent/update"
FILES = "/v1/agent/apk/"
ELSEWHERE = FILES + "elsewhere"  # where a redirect leads
CRASHING = b"#!/bin/sh\nexit 7\n"
SILENT = b"#!/bin/sh\necho silent\nexec tail -f /dev/null\n"  # into the agent's log

# signature: by a key that is not pinned. hash: another file of the same size. truncated, longer: of
# another size. cut: the connection is reset. redirect: the file lies elsewhere. missing: 404.
DAMAGES = (None, "signature", "hash", "truncated", "longer", "cut", "redirect", "missing")


def canonical(version, content):
    return (f"MUSTER-UPDATE-1\n{version}\n{len(content)}\n"
            f"{hashlib.sha256(content).hexdigest()}\n").encode()


def sign(key, version, content):
    return base64.b64encode(key.sign(canonical(version, content))).decode()


def program_of(binary, version):
    """The agent's program, saying that it is another version; as many characters as its own."""
    content = binary.read_bytes()
    own = re.search(rb"muster-agent/(\d+(?:\.\d+)+)\0", content).group(1)
    assert len(own) == len(version), (own, version)
    return content.replace(own + b"\0", version.encode() + b"\0")


class UpdateDouble(ApplianceDouble):
    def __init__(self, **options):
        super().__init__(**options)
        self.key = Ed25519PrivateKey.generate()
        self.other_key = Ed25519PrivateKey.generate()
        self.offered_release = None
        self.files = {}       # path -> (content, damage)
        self.deaf_to = set()  # versions whose reports are refused
        self.questions = []   # queries, as dictionaries
        self.downloads = []   # (path, was the token sent)
        self.nudging = False  # "update": true in replies to heartbeats

    # -- the publisher --

    def pinned(self, **more):
        """The configuration's `update`."""
        public = self.key.public_key().public_bytes(serialization.Encoding.Raw,
                                                    serialization.PublicFormat.Raw)
        return {"keys": [base64.b64encode(public).decode()], **more}

    def publish(self, version, content, damage=None, whole_url=False, constraints=None):
        assert damage in DAMAGES, damage
        path = f"{FILES}{len(self.files) + 1}"
        key = self.other_key if damage == "signature" else self.key
        with self.lock:
            self.files[path] = (content, damage)
            self.offered_release = {
                "version": version, "url": (self.endpoint if whole_url else "") + path,
                "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(),
                "signature": sign(key, version, content),
                **({"constraints": constraints} if constraints else {})}

    def unpublish(self):
        with self.lock:
            self.offered_release = None

    def refuse_reports(self, version):
        with self.lock:
            self.deaf_to.add(version)

    def accept_reports(self):
        with self.lock:
            self.deaf_to.clear()

    # -- what came --

    def wait_questions(self, count, deadline_s=60):
        return self.wait_count(self.questions, count, "questions for updates", deadline_s)

    def wait_downloads(self, count, deadline_s=60):
        return self.wait_count(self.downloads, count, "downloads", deadline_s)

    def versions(self):
        """Those that reported, each once, in order."""
        with self.lock:
            return list(dict.fromkeys(body.get("agent_version") for body in self.heartbeats))

    # -- answering --

    def respond(self, request, body):
        parts = urllib.parse.urlsplit(request.path)
        if parts.path == QUESTION:
            with self.lock:
                self.questions.append(dict(urllib.parse.parse_qsl(parts.query)))
                self.lock.notify_all()
        if parts.path in self.files:
            with self.lock:
                self.downloads.append((parts.path, self.knows(request)))
                self.lock.notify_all()
            return self.file(*self.files[parts.path])
        if self.deaf_to and body and self.is_of_refused(json.loads(body)):
            return Answer(503)
        return super().respond(request, body)

    def is_of_refused(self, body):
        items = body.get("heartbeats", [body])
        return any(item.get("agent_version") in self.deaf_to for item in items)

    def carry_out(self, path, body):
        if path == QUESTION:
            release = self.offered_release
            if release is None or self.questions[-1].get("version") == release["version"]:
                return Answer(204)
            return Answer(200, release)
        answer = super().carry_out(path, body)
        if path == "/v1/heartbeat" and self.nudging:
            answer.body["update"] = True
        return answer

    @staticmethod
    def file(content, damage):
        if damage == "hash":
            content = content[:-1] + bytes([content[-1] ^ 1])
        elif damage == "truncated":
            content = content[:len(content) // 2]
        elif damage == "longer":
            content = content + os.urandom(1)
        elif damage == "cut":
            return Answer(fault="cut")
        elif damage == "redirect":
            return Answer(302, b"", {"Location": ELSEWHERE})
        elif damage == "missing":
            return Answer(404, {"detail": "There is no such file."})
        return Answer(200, content)
