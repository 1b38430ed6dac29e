# SPDX-License-Identifier: Apache-2.0
"""A wire between a client and a server that can be cut: plain TCP on loopback.

    with TcpProxy(port) as wire:
        wire.lose_reply(b"POST /v1/heartbeat ")   # the next such request is passed on, its answer
        wire.refuse(b"GET /v1/device/ws")         # such connections end at once
        wire.cut()                                # all of them; new ones too until restore()
"""
import contextlib
import socket
import threading

CHUNK = 65536


class TcpProxy:
    def __init__(self, port):
        self.port_behind = port
        self.lock = threading.Condition()
        self.losing = []    # request lines whose next answer is lost
        self.lost = []      # the requests that lost it
        self.refused = []   # request lines that are refused
        self.requests = []  # request lines that were passed on
        self.is_cut = False
        self.pairs = set()

    def start(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.close_all()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    # -- what it does to them --

    def lose_reply(self, start, times=1):
        with self.lock:
            self.losing.extend([start] * times)

    def wait_lost(self, count, deadline_s=60):
        with self.lock:
            if not self.lock.wait_for(lambda: len(self.lost) >= count, deadline_s):
                raise AssertionError(f"{len(self.lost)} replies were lost, not {count}: "
                                     f"{self.requests}")

    def count(self):
        with self.lock:
            return len(self.requests)

    def matching(self, start):
        with self.lock:
            return [line for line in self.requests if line.startswith(start)]

    def refuse(self, start):
        with self.lock:
            self.refused.append(start)

    def pass_all(self):
        with self.lock:
            self.refused.clear()
            self.losing.clear()

    def cut(self):
        with self.lock:
            self.is_cut = True
        self.close_all()

    def restore(self):
        with self.lock:
            self.is_cut = False

    def close_all(self):
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            self.end(pair)

    # -- the wire --

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                if self.is_cut:
                    raise OSError("cut")
                far = socket.create_connection(("127.0.0.1", self.port_behind))
            except OSError:
                near.close()
                continue
            pair = Pair(near, far)
            with self.lock:
                self.pairs.add(pair)
            for work in (self.forward, self.backward):
                threading.Thread(target=work, args=(pair,), daemon=True).start()

    def end(self, pair):
        with self.lock:
            self.pairs.discard(pair)
        for side in (pair.near, pair.far):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()

    def forward(self, pair):
        with contextlib.suppress(OSError):
            while data := pair.near.recv(CHUNK):
                if not self.judge(pair, data):
                    break
                pair.far.sendall(data)
        self.end(pair)

    def judge(self, pair, data):
        """False: refused. A request's first bytes come in one piece: its sender writes it whole."""
        with self.lock:
            if any(data.startswith(start) for start in self.refused):
                return False
            line = data.split(b"\r\n", 1)[0]
            if line.endswith(b"HTTP/1.1"):
                self.requests.append(line.decode())
            for start in self.losing:
                if data.startswith(start):
                    self.losing.remove(start)
                    pair.loses = line
                    break
        return True

    def backward(self, pair):
        with contextlib.suppress(OSError):
            while data := pair.far.recv(CHUNK):
                if pair.loses:
                    with self.lock:
                        self.lost.append(pair.loses.decode())
                        self.lock.notify_all()
                    break
                pair.near.sendall(data)
        self.end(pair)


class Pair:
    def __init__(self, near, far):
        self.near = near
        self.far = far
        self.loses = None
