# SPDX-License-Identifier: Apache-2.0
"""An operator's console on /api/ws, which keeps what it is told as src/control/live/README.md
says."""
import asyncio
import collections
import json
import socket
import struct
import threading
import urllib.parse

import psycopg2
import websockets

from appliance import DEADLINE_S, wait_until

SHOWN = ("received_at", "observed_at", "battery", "charging", "network", "power_ok", "flags",
         "fg_package", "agent_version", "alias", "kind", "quarantined")
FLAGS = ("clock_skewed", "quarantined", "backlog", "invalid_fields")


class _Loop:
    """One event loop, on a thread of its own, for all viewers of the process."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="viewers", daemon=True).start()

    def run(self, coroutine, deadline_s=DEADLINE_S):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(deadline_s)


_LOOP = _Loop()


def ticket_of(person):
    return person.ask("POST", "/api/auth/ws-ticket", expect=201).json()["ticket"]


class Viewer:
    def __init__(self, appliance, ticket=None, origin=None):
        self.devices = None  # id → row; None before the first snapshot
        self.stream = None
        self.seq = None
        self.ready = False
        self.closed = None
        self.counts = collections.Counter()  # messages by type
        self.commands = []
        self.alerts = []
        self.edited = set()
        self.fleet = None
        self.last = {}
        self.url = appliance.url.replace("http://", "ws://") + "/api/ws"
        self.socket = _LOOP.run(self._open(origin))
        asyncio.run_coroutine_threadsafe(self._read(), _LOOP.loop)
        if ticket:
            self.send({"type": "auth", "ticket": ticket})

    async def _open(self, origin):
        return await websockets.connect(self.url, origin=origin, max_size=None, max_queue=1024)

    async def _read(self):
        try:
            async for text in self.socket:
                self._take(json.loads(text))
        except websockets.ConnectionClosed:
            pass
        self.closed = self.socket.close_code or 1006

    def _take(self, message):
        kind = message["type"]
        self.last[kind] = message
        if kind == "snapshot":
            if message["page"] == 0:
                self.devices, self.ready = {}, False
            self.devices.update({row["id"]: row for row in message["devices"]})
        elif kind == "delta":
            self._change(message)
            self.seq = message["seq"]
        elif kind == "ready":
            self.ready = True
            self.seq = message["seq"]
        elif kind == "resync":
            self.ready = False
        elif kind == "fleet":
            self.fleet = message
        self.stream = message.get("stream", self.stream)
        self.counts[kind] += 1

    def _change(self, message):
        for row in message.get("devices", ()):
            if row.pop("edited", False):
                self.edited.add(row["id"])
            known = self.devices.setdefault(row["id"], {})
            known.update(row)
            for key in [key for key, value in known.items() if value is None]:
                del known[key]
        for device_id in message.get("removed", ()):
            self.devices.pop(device_id, None)
        self.commands.extend(message.get("commands", ()))
        self.alerts.extend(message.get("alerts", ()))

    def send(self, message):
        _LOOP.run(self.socket.send(message if isinstance(message, (str, bytes))
                                   else json.dumps(message)))

    def subscribe(self, topics=("fleet", "devices", "commands"), **members):
        self.send({"type": "subscribe", "topics": list(topics), **members})
        return self

    def resume(self, place, topics=("devices", "commands"), **members):
        """place: (stream, seq, devices) of another viewer."""
        stream, seq, self.devices = place[0], place[1], json.loads(json.dumps(place[2]))
        self.send({"type": "resume", "topics": list(topics), "stream": stream, "seq": seq,
                   **members})
        return self

    def place(self):
        return self.stream, self.seq, self.devices

    def wait_ready(self):
        wait_until(lambda: self.ready, "the snapshot to be whole")
        return self

    def wait(self, condition, what):
        return wait_until(lambda: condition(self), what)

    def wait_closed(self):
        return wait_until(lambda: self.closed, "the viewer to be closed", 75)

    def close(self):
        _LOOP.run(self.socket.close())

    def cut(self):
        """Without a word."""
        _LOOP.loop.call_soon_threadsafe(self.socket.transport.abort)
        self.wait_closed()


def watch(appliance, person, **members):
    return Viewer(appliance, ticket_of(person)).subscribe(**members).wait_ready()


def database_rows(appliance, ids=None):
    """id → what a viewer is shown, from the tables."""
    rows = appliance.sql(
        "SELECT d.id, extract(epoch FROM date_trunc('milliseconds', s.received_at))::float8,"
        " extract(epoch FROM date_trunc('milliseconds', s.observed_at))::float8, s.battery,"
        " s.charging, s.network, s.power_ok, s.flags, s.fg_package, s.agent_version, d.alias,"
        " d.kind, d.quarantined_at IS NOT NULL"
        " FROM devices d LEFT JOIN device_last_status s ON s.device_id = d.id"
        " WHERE d.deleted_at IS NULL AND (%s::bigint[] IS NULL OR d.id = ANY(%s))",
        ids and [int(i) for i in ids], ids and [int(i) for i in ids])
    found = {}
    for row in rows:
        shown = {key: value for key, value in zip(SHOWN, row[1:]) if value is not None}
        flags = shown.pop("flags", 0)
        if flags:
            shown["flags"] = [name for bit, name in enumerate(FLAGS) if flags >> bit & 1]
        found[str(row[0])] = shown
    return found


def viewer_rows(viewer):
    found = {}
    for device_id, row in list(viewer.devices.items()):  # another thread adds to it
        shown = {key: row[key] for key in SHOWN if key in row}
        if not shown.get("flags", True):
            del shown["flags"]
        found[device_id] = shown
    return found


def difference(appliance, viewer, ids=None):
    """The first difference between both, or None."""
    expected, seen = database_rows(appliance, ids), viewer_rows(viewer)
    for device_id in sorted(expected.keys() | seen.keys(), key=int):
        if expected.get(device_id) != seen.get(device_id):
            return device_id, expected.get(device_id), seen.get(device_id)
    return None


def wait_same(appliance, viewer, ids=None):
    def same():
        try:
            return difference(appliance, viewer, ids) is None
        except psycopg2.OperationalError:  # PostgreSQL is just being started anew
            return False

    try:
        wait_until(same, "the viewer to see the database")
    except AssertionError:
        raise AssertionError(f"(id, database, viewer): {difference(appliance, viewer, ids)}")


class Sleeper:
    """A viewer that subscribes and then never reads: its receive buffer is as small as can be."""

    def __init__(self, appliance, ticket, **members):
        url = urllib.parse.urlsplit(appliance.url)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect((url.hostname, url.port))
        self.socket.sendall(f"GET /api/ws HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.socket.recv(1)
        assert b" 101 " in head.split(b"\r\n")[0], head
        self._send({"type": "auth", "ticket": ticket})
        self._send({"type": "subscribe", "topics": ["devices"], **members})

    def _send(self, message):
        body = json.dumps(message).encode()
        assert len(body) < 65536
        length = (bytes([0x80 | len(body)]) if len(body) < 126
                  else b"\xfe" + struct.pack(">H", len(body)))
        self.socket.sendall(b"\x81" + length + b"\0\0\0\0" + body)  # masked with zeros

    def close(self):
        self.socket.close()
