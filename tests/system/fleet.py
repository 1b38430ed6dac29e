# SPDX-License-Identifier: Apache-2.0
"""A fleet that remembers exactly what was acknowledged to it, and compares that with PostgreSQL.

The k-th heartbeat of a device carries a bucket of its own (base + 10 k seconds) and fields computed
from (device, k), so that a stored row proves that it was sent, and sent by this device. The server
may die at any moment: what got no answer is sent again, or (now and then) never again.
"""
import collections
import json
import random
import select
import socket
import threading
import time
import urllib.parse

from appliance import DEADLINE_S, wait_until

DAY_S = 86400
RETRY_PAUSE_S = 0.05  # after a refused connection or a 503


def uptime_of(device_id, k):
    """Below 2^53; another device or another k gives another value."""
    x = (device_id << 32 | k) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    return (x ^ x >> 29) & 0xFFFFFFFFFFFFF


def battery_of(k):
    return k % 101


class Device:
    def __init__(self, device_id, token):
        self.id = int(device_id)
        self.token = token
        self.next_k = 0
        self.acknowledged = set()
        self.answers = collections.Counter()  # status of every answer
        self.active = True


class Connection:
    """One request at a time over one TCP connection."""

    def __init__(self, fleet, devices, seed):
        self.fleet = fleet
        self.devices = devices
        self.random = random.Random(seed)
        self.turn = 0
        self.again = collections.deque()  # (device, ks) to be sent once more
        self.not_before = 0.0
        self.socket = None
        self.received = b""
        self.pending = None

    def close(self):
        """What was under way is sent again, or, one time in eight, forgotten."""
        if self.socket:
            self.socket.close()
            self.socket = None
        if self.pending:
            if self.random.randrange(8):
                self.again.append(self.pending)
            self.pending = None
        self.received = b""
        self.not_before = time.monotonic() + RETRY_PAUSE_S

    def _next(self):
        while self.again:
            device, ks = self.again.popleft()
            if device.active:
                return device, ks
        for _ in self.devices:
            device = self.devices[self.turn % len(self.devices)]
            self.turn += 1
            if device.active:
                count = (self.random.randint(2, self.fleet.batch_max) if self.random.randrange(3)
                         else 1)
                ks = range(device.next_k, device.next_k + count)
                device.next_k += count
                return device, list(ks)
        return None

    def send(self, endpoint):
        """True when a request is under way."""
        work = self._next()
        if not work:
            return False
        self.pending = work
        try:
            if not self.socket:
                self.socket = socket.create_connection(endpoint, timeout=10)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.sendall(self.fleet.request(*work))
        except OSError:
            self.close()
            return False
        return True

    def receive(self):
        """Takes what has come; True when the answer is complete."""
        try:
            data = self.socket.recv(262144)
        except OSError:
            data = b""
        if not data:
            self.close()
            return False
        self.received += data
        head_end = self.received.find(b"\r\n\r\n")
        if head_end < 0:
            return False
        head = self.received[:head_end].decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:])
        length = int(headers["content-length"])
        body = self.received[head_end + 4:]
        if len(body) < length:
            return False
        assert len(body) == length, "an answer nobody asked for"
        self.received = b""
        device, ks = self.pending
        self.pending = None
        self.fleet.answered(self, device, ks, int(head[0].split()[1]), headers, body)
        if headers.get("connection") == "close":
            self.socket.close()
            self.socket = None
        return True


class Fleet:
    def __init__(self, appliance, devices=24, connections=8, batch_max=40, seed=1, days_back=6,
                 per_s=10000):
        self.batch_max = batch_max
        self.per_s = per_s  # most heartbeats a second, so that the buckets last
        self.credit = 0.0
        self.base_s = int(time.time()) // 10 * 10 - days_back * DAY_S
        self.devices = []
        for i in range(devices):
            made = appliance.register(f"fleet-{i}")
            self.devices.append(Device(made["device_id"], made["token"]))
        self.connections = [
            Connection(self, self.devices[i::connections], seed * 1000 + i)
            for i in range(connections)]
        self.by_id = {device.id: device for device in self.devices}
        self.acknowledged_count = 0
        self.duplicate_count = 0
        self.shed_count = 0
        self.shed_without_retry_after = 0
        self.unexpected = []
        self.endpoint = None
        self._thread = None
        self._stopping = False
        self._failure = None

    # -- life --

    def aim(self, appliance):
        """Where to send from now on; None: nowhere."""
        url = urllib.parse.urlsplit(appliance.url) if appliance else None
        self.endpoint = (url.hostname, url.port) if url else None

    def start(self, appliance):
        self.aim(appliance)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)
        self._thread.start()
        return self

    def stop(self):
        """Ends after the answers under way; raises what went wrong in the thread."""
        self._stopping = True
        if self._thread:
            self._thread.join(DEADLINE_S)
            assert not self._thread.is_alive(), "the fleet's thread does not end"
            self._thread = None
        self.check()
        return self

    def check(self):
        if self._failure:
            raise self._failure
        assert not self.unexpected, self.unexpected[:5]

    def _run(self):
        try:
            self._serve()
        except BaseException as failure:  # pylint: disable=broad-except
            self._failure = failure
        finally:
            for connection in self.connections:
                connection.close()

    def _serve(self):
        now = time.monotonic()
        while True:
            before, now = now, time.monotonic()
            self.credit = min(self.credit + (now - before) * self.per_s, self.per_s / 10)
            endpoint = self.endpoint  # once: aim(None) may come at any moment
            if not self._stopping and endpoint:
                for connection in self.connections:
                    if self.credit > 0 and not connection.pending and now >= connection.not_before:
                        connection.send(endpoint)
                        self.credit -= len(connection.pending[1]) if connection.pending else 0
            waiting = {c.socket: c for c in self.connections if c.pending}
            if self._stopping and not waiting:
                return
            if self._stopping and not self.endpoint:
                return
            for ready in select.select(list(waiting), [], [], 0.02)[0]:
                waiting[ready].receive()

    def state(self):
        """What was sent and acknowledged so far, for go_back."""
        return {device.id: (device.next_k, set(device.acknowledged)) for device in self.devices}

    def go_back(self, state):
        for device in self.devices:
            device.next_k, acknowledged = state[device.id]
            device.acknowledged = set(acknowledged)
        for connection in self.connections:
            connection.again.clear()

    # -- the wire --

    def request(self, device, ks):
        items = [{"ts": self.base_s + 10 * k, "uptime_s": uptime_of(device.id, k),
                  "battery": battery_of(k)}
                 for k in ks]
        path, value = (("/v1/heartbeat", items[0]) if len(ks) == 1
                       else ("/v1/heartbeats", {"heartbeats": items}))
        body = json.dumps(value, separators=(",", ":")).encode()
        head = (f"POST {path} HTTP/1.1\r\nHost: muster\r\nAuthorization: Bearer {device.token}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n")
        return head.encode() + body

    def answered(self, connection, device, ks, status, headers, body):
        device.answers[status] += 1
        if status == 202:
            self._acknowledge(device, ks)
        elif status == 200 and len(ks) == 1:
            assert json.loads(body)["duplicate"] is True
            self.duplicate_count += 1
            self._acknowledge(device, ks)
        elif status == 200:
            self._batch_answered(connection, device, ks, headers, json.loads(body)["results"])
        elif status == 503:
            self._shed(connection, device, ks, headers)
        elif status == 410:
            device.active = False
        else:
            self.unexpected.append((status, body))
            device.active = False

    def _batch_answered(self, connection, device, ks, headers, results):
        assert len(results) == len(ks)
        shed = []
        for k, result in zip(ks, results):
            if result["status"] in ("stored", "duplicate"):
                self.duplicate_count += result["status"] == "duplicate"
                self._acknowledge(device, [k])
            elif result["status"] == "shed":
                shed.append(k)
            else:
                self.unexpected.append((k, result))
        if shed:
            self._shed(connection, device, shed, headers)

    def _acknowledge(self, device, ks):
        device.acknowledged.update(ks)
        self.acknowledged_count += len(ks)

    def _shed(self, connection, device, ks, headers):
        self.shed_count += len(ks)
        if int(headers.get("retry-after", 0)) < 1:
            self.shed_without_retry_after += 1
        connection.again.append((device, ks))
        connection.not_before = time.monotonic() + RETRY_PAUSE_S

    # -- conditions --

    def wait_acknowledged(self, more, deadline_s=DEADLINE_S):
        """Until that many more heartbeats were acknowledged."""
        target = self.acknowledged_count + more

        def enough():
            self.check()
            return self.acknowledged_count >= target

        wait_until(enough, f"{more} more acknowledged heartbeats (got to "
                           f"{self.acknowledged_count})", deadline_s)

    def wait_shed(self, more, deadline_s=DEADLINE_S):
        target = self.shed_count + more
        wait_until(lambda: self.shed_count >= target, f"{more} more shed heartbeats", deadline_s)

    # -- the proof --

    def stored_rows(self, connection):
        with connection.cursor() as cursor:
            cursor.execute("SELECT device_id, extract(epoch FROM bucket)::bigint, uptime_s, "
                           "battery,"
                           " extract(epoch FROM observed_at)::bigint FROM heartbeats")
            return cursor.fetchall()

    def compare(self, connection, ignore=()):
        """acknowledged ⊆ stored ⊆ sent, each once, each with its own fields; returns the lost ones
        as {device id: [k]}. Devices in ignore are checked for what is stored only."""
        stored = collections.defaultdict(set)
        for device_id, bucket, uptime, battery, observed in self.stored_rows(connection):
            device = self.by_id.get(device_id)
            assert device, f"device {device_id} never sent anything"
            k, rest = divmod(bucket - self.base_s, 10)
            assert rest == 0 and 0 <= k < device.next_k, \
                f"never sent: device {device_id}, bucket {bucket}"
            assert k not in stored[device_id], f"twice: device {device_id}, k {k}"
            assert (uptime, battery, observed) == (uptime_of(device_id, k), battery_of(k),
                                                   bucket), \
                f"another record's fields: device {device_id}, k {k}"
            stored[device_id].add(k)
        self._compare_status(connection, stored, ignore)
        lost = {device.id: sorted(device.acknowledged - stored[device.id])
                for device in self.devices if device.id not in ignore}
        return {device_id: ks for device_id, ks in lost.items() if ks}

    def _compare_status(self, connection, stored, ignore):
        """The last status is the newest stored heartbeat's."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT device_id, extract(epoch FROM observed_at)::bigint, uptime_s, "
                           "battery"
                           " FROM device_last_status")
            status = {row[0]: row[1:] for row in cursor.fetchall()}
        for device_id, ks in stored.items():
            if device_id in ignore:
                continue
            k = max(ks)
            expected = (self.base_s + 10 * k, uptime_of(device_id, k), battery_of(k))
            assert status.get(device_id) == expected, \
                f"device {device_id}: last status is not that of k {k}"

    def wait_all_stored(self, appliance, ignore=(), deadline_s=DEADLINE_S):
        """Until the backlog is empty; then everything acknowledged must be there."""
        def empty():
            ready = appliance.ready()
            return ready and ready["degraded"] == [] and ready["backlog"]["records"] == 0
        wait_until(empty, "an empty backlog", deadline_s)
        connection = appliance.connect()
        try:
            with connection:
                lost = self.compare(connection, ignore)
        finally:
            connection.close()
        assert lost == {}, {device: ks[:10] for device, ks in lost.items()}
