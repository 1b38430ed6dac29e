# SPDX-License-Identifier: Apache-2.0
"""A device on its WebSocket: what it is sent, checked as an agent does, and what it answers."""
import asyncio
import base64
import collections
import hashlib
import hmac
import json
import threading
import time

import websockets

from appliance import DEADLINE_S, wait_until

MEMBERS = {"device_id", "command_id", "type", "payload", "timestamp", "nonce", "key_version",
           "signature"}


class _Loop:
    """One event loop, on a thread of its own, for all channels of the process."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="channels", daemon=True).start()

    def run(self, coroutine, deadline_s=DEADLINE_S):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(deadline_s)


_LOOP = _Loop()


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def sign(device, lines):
    key = base64.b64decode(device["hmac"]["key"])
    text = "".join(line + "\n" for line in lines)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def check_command(device, envelope):
    """The envelope, if it is what include/muster/COMMAND_SIGNATURE.md says."""
    assert set(envelope) == MEMBERS, envelope
    assert all(isinstance(value, str) for value in envelope.values())
    assert envelope["device_id"] == device["device_id"]
    assert envelope["key_version"] == str(device["hmac"]["version"])
    assert abs(int(envelope["timestamp"]) - time.time()) < 300
    lines = ["MUSTER-COMMAND-1", envelope["device_id"], envelope["command_id"], envelope["type"],
             sha256(envelope["payload"]), envelope["timestamp"], envelope["nonce"],
             envelope["key_version"]]
    assert hmac.compare_digest(sign(device, lines), envelope["signature"])
    json.loads(envelope["payload"])
    return envelope


def result_of(device, command_id, status="done", result=None, error=None):
    """A signed body for /v1/action-result."""
    body = {"command_id": command_id, "status": status, "finished_at": int(time.time()),
            "key_version": device["hmac"]["version"]}
    if result is not None:
        body["result"] = result
    if error is not None:
        body["error"] = error
    body["signature"] = sign(device, ["MUSTER-RESULT-1", device["device_id"], command_id, status,
                                      sha256(result or ""), sha256(error or ""),
                                      str(body["finished_at"]), str(body["key_version"])])
    return body


class Channel:
    """Open until closed by either side; messages wait in order until they are taken."""

    def __init__(self, appliance, device, path="/v1/device/ws", token=None):
        self.device = device
        self.seen = collections.Counter()  # command ids, repeated sends too
        self.messages = collections.deque()
        self.closed = None  # the code
        self.url = appliance.url.replace("http://", "ws://") + path
        headers = {"Authorization": f"Bearer {token or device['token']}"}
        self.socket = _LOOP.run(self._open(headers))
        asyncio.run_coroutine_threadsafe(self._read(), _LOOP.loop)

    async def _open(self, headers):
        return await websockets.connect(self.url, extra_headers=headers)

    async def _read(self):
        try:
            async for text in self.socket:
                message = json.loads(text)
                if message["type"] == "command":
                    self.seen[message["command"]["command_id"]] += 1
                self.messages.append(message)
        except websockets.ConnectionClosed:
            pass
        self.closed = self.socket.close_code or 1006

    def send(self, message):
        _LOOP.run(self.socket.send(message if isinstance(message, (str, bytes))
                                   else json.dumps(message)))

    def close(self):
        _LOOP.run(self.socket.close())

    def cut(self):
        """Without a word."""
        _LOOP.loop.call_soon_threadsafe(self.socket.transport.abort)

    def wait_closed(self):
        return wait_until(lambda: self.closed, "the channel to be closed")

    def take(self, kind, matches=lambda message: True):
        """The next message of this kind; what else came before it is put aside."""
        def found():
            for _ in range(len(self.messages)):
                message = self.messages.popleft()
                if message["type"] == kind and matches(message):
                    return message
            return None

        return wait_until(found, f"a message of type {kind}")

    def command(self, command_id=None):
        """The next command, or this one, with its signature checked."""
        return check_command(self.device, self.take(
            "command", lambda m: command_id in (None, m["command"]["command_id"]))["command"])

    def acknowledge(self, command_id):
        self.send({"type": "received", "command_id": command_id})
        return self.take("acknowledged", lambda m: m["command_id"] == command_id)

    def finish(self, command_id, **result):
        self.send({"type": "result", **result_of(self.device, command_id, **result)})
        return self.take("result_stored", lambda m: m["command_id"] == command_id)
