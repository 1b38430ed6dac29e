# SPDX-License-Identifier: Apache-2.0
"""An appliance as an agent sees it, on loopback, that can be told to lie.

    with ApplianceDouble() as fake:
        fake.write_config(agent)                      # the agent is this device
        fake.offer(command("ping"))                   # signed; fetched or pushed
        fake.offer({**signed, "payload": "{}"})       # tampered
        fake.answer_path("/v1/heartbeat", Answer(401), times=1)
        fake.wait_results(1)

Heartbeats, commands, results and the channel behave as src/wire/README.md and DELIVERY.md say.
"""
import base64
import collections
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import re
import struct
import time
import urllib.parse

from doubles.http_double import Answer, HttpDouble

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def mac(key, lines):
    return hmac.new(key, "".join(line + "\n" for line in lines).encode(),
                    hashlib.sha256).hexdigest()


class ApplianceDouble(HttpDouble):
    METHODS = ("POST", "GET")

    def __init__(self, now=time.time, channel=True, next_heartbeat_s=10):
        super().__init__()
        self.now = now
        self.channel = channel  # False: the handshake gets 503, so commands are fetched
        self.next_heartbeat_s = next_heartbeat_s
        self.device_id = "17"
        self.token = "mu_" + base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
        self.keys = {1: os.urandom(32)}
        self.by_path = collections.defaultdict(list)
        self.requests = []     # (method, path, status or fault)
        self.heartbeats = []   # as taken, repeats too
        self.batches = []      # their sizes
        self.buckets = set()
        self.offered = {}      # command id -> envelope
        self.receipts = []     # command ids, in order
        self.results = []      # bodies, repeats too
        self.channels = []     # sockets that are open
        self.ids = itertools.count(100)

    # -- the device --

    def write_config(self, agent, **more):
        """What `enroll` would have written."""
        agent.config_file.write_text(json.dumps({
            "server": self.endpoint, "device_id": self.device_id, "token": self.token,
            "keys": {"current": {"version": 1, "key": base64.b64encode(self.keys[1]).decode()}},
            "heartbeat_interval_s": self.next_heartbeat_s, **more}))
        agent.config_file.chmod(0o600)
        agent.state.mkdir(exist_ok=True, mode=0o700)

    # -- commands --

    def command(self, kind, payload=None, key_version=1, key=None, **members):
        """A signed envelope. members: instead of what it would have had, and signed like that."""
        envelope = {"device_id": self.device_id, "command_id": str(next(self.ids)), "type": kind,
                    "payload": json.dumps(payload or {}), "timestamp": str(int(self.now())),
                    "nonce": os.urandom(16).hex(), "key_version": str(key_version), **members}
        lines = ["MUSTER-COMMAND-1", envelope["device_id"], envelope["command_id"],
                 envelope["type"], sha256(envelope["payload"]), envelope["timestamp"],
                 envelope["nonce"], envelope["key_version"]]
        return {**envelope, "signature": mac(key or self.keys[key_version], lines)}

    def offer(self, envelope):
        """By the channel where one is open, and to whoever fetches until it is acknowledged."""
        with self.lock:
            self.offered[envelope["command_id"]] = envelope
            channels = list(self.channels)
        for channel in channels:
            self.push(channel, {"type": "command", "command": envelope})
        return envelope["command_id"]

    def withdraw(self, command_id):
        with self.lock:
            self.offered.pop(command_id, None)

    def check_result(self, body):
        """None, or what is wrong with it."""
        lines = ["MUSTER-RESULT-1", self.device_id, body["command_id"], body["status"],
                 sha256(body.get("result") or ""), sha256(body.get("error") or ""),
                 str(body.get("finished_at") or 0), str(body["key_version"])]
        key = self.keys.get(body["key_version"])
        if key is None or not hmac.compare_digest(mac(key, lines), body["signature"]):
            return f"the signature does not fit: {body}"
        return None

    # -- what came --

    def answer_path(self, path, answer, times=1):
        """The next requests to this path get it."""
        with self.lock:
            self.by_path[path].extend([answer] * times)

    def answer_path_always(self, path, answer):
        """None: as usual again."""
        with self.lock:
            self.by_path[path] = itertools.repeat(answer) if answer else []

    def pass_all(self):
        with self.lock:
            self.by_path.clear()

    def count(self, path, status=None):
        with self.lock:
            return sum(1 for _, where, what in self.requests
                       if where == path and status in (None, what))

    def wait_requests(self, path, count, deadline_s=60):
        with self.lock:
            if not self.lock.wait_for(lambda: self.count(path) >= count, deadline_s):
                raise AssertionError(f"{self.count(path)} requests to {path}, not {count}: "
                                     f"{self.requests}")

    def wait_heartbeats(self, count, deadline_s=60):
        return self.wait_count(self.heartbeats, count, "heartbeats", deadline_s)

    def wait_results(self, count, deadline_s=60):
        return self.wait_count(self.results, count, "results", deadline_s)

    def wait_receipts(self, count, deadline_s=60):
        return self.wait_count(self.receipts, count, "receipts", deadline_s)

    def wait_channel(self, deadline_s=60):
        with self.lock:
            assert self.lock.wait_for(lambda: self.channels, deadline_s), "no channel was opened"

    def evidence(self):
        return f": {self.requests[-30:]}"

    # -- answering --

    def handle(self, request):
        path = urllib.parse.urlsplit(request.path).path
        if path == "/v1/device/ws" and self.channel and self.knows(request):
            self.serve_channel(request)
            return
        super().handle(request)

    def knows(self, request):
        return request.headers.get("Authorization") == f"Bearer {self.token}"

    def respond(self, request, body):
        path = urllib.parse.urlsplit(request.path).path
        with self.lock:
            told = self.told()
            waiting = self.by_path[path]
            if told is None and isinstance(waiting, list):
                told = waiting.pop(0) if waiting else None
            elif told is None:
                told = next(waiting)
            if told is not None and not told.after:
                answer = told
            elif not self.knows(request):
                answer = Answer(401, {"detail": "This token is not known here."})
            else:
                done = self.carry_out(path, json.loads(body) if body else None)
                answer = told or done
            self.requests.append((request.command, path, answer.outcome))
            self.lock.notify_all()
            return answer

    def carry_out(self, path, body):
        if path == "/v1/heartbeat":
            stored = self.take_heartbeat(body)
            return Answer(202 if stored else 200, {
                "server_time": round(self.now(), 3), "next_heartbeat_in_s": self.next_heartbeat_s,
                "commands": len(self.offered), "update": False,
                **({} if stored else {"duplicate": True})})
        if path == "/v1/heartbeats":
            self.batches.append(len(body["heartbeats"]))
            return Answer(200, {"results": [
                {"status": "stored" if self.take_heartbeat(item) else "duplicate"}
                for item in body["heartbeats"]]})
        if path == "/v1/commands":
            return Answer(200, {"commands": list(self.offered.values()), "more": False})
        if match := re.fullmatch(r"/v1/commands/(\d+)/received", path):
            self.take_receipt(match.group(1))
            return Answer(200, {"state": "received", "run": True})
        if path == "/v1/action-result":
            wrong = self.take_result(body)
            return (Answer(403, {"detail": wrong}) if wrong else
                    Answer(200, {"command_id": body["command_id"], "state": body["status"],
                                 "duplicate": False, "late": False}))
        if path == "/v1/agent/update":
            return Answer(204)
        if path == "/v1/device/ws":
            return Answer(503, {"detail": "Not now."})
        return Answer(404, {"detail": f"{path} is not here."})

    def take_heartbeat(self, body):
        """False: a duplicate."""
        self.heartbeats.append(body)
        bucket = int(body["ts"]) // 10 * 10
        new = bucket not in self.buckets
        self.buckets.add(bucket)
        return new

    def take_receipt(self, command_id):
        self.receipts.append(command_id)
        self.offered.pop(command_id, None)

    def take_result(self, body):
        self.results.append(body)
        return self.check_result(body)

    # -- the channel: RFC 6455, as much as an agent needs --

    def serve_channel(self, request):
        accept = base64.b64encode(hashlib.sha1(
            (request.headers["Sec-WebSocket-Key"] + GUID).encode()).digest()).decode()
        request.close_connection = True
        request.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"),
                            ("Sec-WebSocket-Accept", accept)):
            request.send_header(name, value)
        request.end_headers()
        request.wfile.flush()
        with self.lock:
            self.requests.append((request.command, "/v1/device/ws", 101))
            self.channels.append(request.wfile)
            waiting = list(self.offered.values())
            self.lock.notify_all()
        with contextlib.suppress(OSError, struct.error):
            for envelope in waiting:
                self.push(request.wfile, {"type": "command", "command": envelope})
            while (frame := read_frame(request.rfile))[0] != CLOSE:
                self.take_frame(request.wfile, *frame)
        with self.lock:
            self.channels.remove(request.wfile)
            self.lock.notify_all()

    def push(self, channel, message):
        with self.lock, contextlib.suppress(OSError):
            write_frame(channel, TEXT, json.dumps(message).encode())

    def take_frame(self, channel, opcode, payload):
        if opcode == PING:
            with self.lock:
                write_frame(channel, PONG, payload)
        if opcode != TEXT:
            return
        message = json.loads(payload)
        with self.lock:
            command_id = message["command_id"]
            if message["type"] == "received":
                self.take_receipt(command_id)
                self.push(channel, {"type": "acknowledged", "command_id": command_id,
                                    "state": "received", "run": True})
            elif message["type"] == "result":
                wrong = self.take_result(message)
                self.push(channel, {"type": "result_refused", "command_id": command_id,
                                    "detail": wrong} if wrong else
                          {"type": "result_stored", "command_id": command_id})
            self.lock.notify_all()


def write_frame(file, opcode, payload):
    size = len(payload)
    head = bytes([0x80 | opcode, size]) if size < 126 else (
        bytes([0x80 | opcode, 126]) + struct.pack(">H", size))
    file.write(head + payload)
    file.flush()


def read_frame(file):
    """(opcode, payload) of a whole, masked frame, as clients send them."""
    first, second = struct.unpack("BB", file.read(2))
    size = second & 0x7F
    if size >= 126:
        size, = struct.unpack(">H" if size == 126 else ">Q", file.read(2 if size == 126 else 8))
    mask = file.read(4)
    payload = file.read(size)
    return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
