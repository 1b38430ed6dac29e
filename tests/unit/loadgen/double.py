#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A small stand-in for musterd, so that the load generator can be tested without it.

Speaks the device contract (/v1/register, /v1/heartbeat, /v1/heartbeats) and /admin/verify, keeps
what it acknowledged in memory, and can be told to misbehave. Not for measuring speed.

    double.py [--port 0] [--port-file FILE]
              [--lose N] [--shed N] [--close N] [--extra N] [--stall N]

Every N-th heartbeat: --lose acknowledges without storing, --shed answers 503, --close closes
without an answer, --stall never answers, --extra stores a second bucket nobody sent.
"""
import argparse
import asyncio
import json
import ssl
import sys
import time

MASK = (1 << 64) - 1
LIMIT_BODY = 256 * 1024
LIMIT_HEAD = 32 * 1024


def mix64(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class Problem(Exception):
    def __init__(self, status, title, close=False):
        super().__init__(title)
        self.status, self.title, self.close = status, title, close


REASONS = {200: "OK", 201: "Created", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized",
           404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
           413: "Content Too Large", 415: "Unsupported Media Type",
           431: "Request Header Fields Too Large", 503: "Service Unavailable",
           505: "HTTP Version Not Supported"}


def no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise Problem(400, "duplicate key")
    return dict(pairs)


def refuse_constant(_):
    raise Problem(400, "not a JSON number")


def parse_json(body):
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=no_duplicates,
                          parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        raise Problem(400, "not JSON") from None


class Server:
    def __init__(self, options):
        self.options = options
        self.tokens = {}
        self.stored = {}
        self.next_id = 1
        self.heartbeats = 0
        self.started = time.process_time()

    def nth(self, every):
        return every and self.heartbeats % every == 0

    def register(self, headers, body):
        if headers.get("x-admin-key") != self.options.admin_key and \
           headers.get("x-enrolment-token") != self.options.enrolment_token:
            raise Problem(401, "no admin key or enrolment token")
        item = parse_json(body)
        if not isinstance(item.get("alias"), str):
            raise Problem(400, "alias is missing")
        device_id = self.next_id
        self.next_id += 1
        token = "mu_%043d" % device_id
        self.tokens[token] = device_id
        self.stored[device_id] = []
        return 201, {"device_id": str(device_id), "token": token,
                     "hmac": {"key": "00", "version": 1}, "heartbeat_interval_s": 300,
                     "next_heartbeat_in_s": 300}

    def device_of(self, headers):
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            raise Problem(401, "unknown token")
        return self.tokens[token]

    def bucket_of(self, item, sent_at):
        if not isinstance(item, dict):
            raise Problem(400, "a heartbeat is an object")
        ts = item.get("ts")
        if isinstance(ts, bool) or not isinstance(ts, (int, float)):
            raise Problem(400, "ts is missing or not a number")
        now = time.time()
        if not now - 7 * 86400 <= ts <= now + 300:
            raise Problem(400, "ts is outside the window")
        return int(ts) // 10 * 10

    def store(self, device_id, bucket):
        """None when shed, else whether it is new."""
        self.heartbeats += 1
        if self.nth(self.options.shed):
            return None
        buckets = self.stored[device_id]
        if bucket in buckets[-600:]:
            return False
        if not self.nth(self.options.lose):
            buckets.append(bucket)
        if self.nth(self.options.extra):
            buckets.append(bucket - 10)
        return True

    def heartbeat(self, headers, body):
        device_id = self.device_of(headers)
        item = parse_json(body)
        bucket = self.bucket_of(item, None)
        rules = {"battery": lambda value: isinstance(value, int) and 0 <= value <= 100,
                 "ssid": lambda value: isinstance(value, str) and "\0" not in value}
        invalid = [key for key, good in rules.items() if key in item and not good(item[key])]
        new = self.store(device_id, bucket)
        if new is None:
            raise Problem(503, "shed")
        reply = {"server_time": time.time(), "next_heartbeat_in_s": self.options.next_in,
                 "commands": 0, "update": False}
        if invalid:
            reply["invalid_fields"] = invalid
        if not new:
            reply["duplicate"] = True
        return (202 if new else 200), reply

    def batch(self, headers, body):
        device_id = self.device_of(headers)
        item = parse_json(body)
        items = item.get("heartbeats") if isinstance(item, dict) else None
        if not isinstance(items, list):
            raise Problem(400, "heartbeats is not an array")
        if len(items) > 500:
            raise Problem(413, "more than 500 heartbeats")
        results = []
        for one in items:
            try:
                new = self.store(device_id, self.bucket_of(one, None))
                results.append({"status": "shed" if new is None else
                                "stored" if new else "duplicate"})
            except Problem as problem:
                results.append({"status": "rejected", "error": problem.title})
        return 200, {"results": results}

    def digest(self, device_id, start, end):
        buckets = [b for b in self.stored.get(device_id, []) if start <= b < end]
        xor = 0
        for bucket in buckets:
            xor ^= mix64(bucket)
        return {"device_id": str(device_id), "count": len(buckets),
                "min": min(buckets, default=None), "max": max(buckets, default=None),
                "bucket_xor": "%016x" % xor}

    def verify_many(self, headers, body):
        self.need_admin(headers)
        asked = parse_json(body)["devices"]
        return 200, {"results": [self.digest(int(one["device_id"]), one["from"], one["to"])
                                 for one in asked]}

    def verify_one(self, headers, query):
        self.need_admin(headers)
        start, end = int(query["from"]), int(query["to"])
        after, limit = int(query.get("after", 0)), int(query.get("limit", 1000))
        device_id = int(query["device_id"])
        buckets = sorted(b for b in self.stored.get(device_id, [])
                         if start <= b < end and b > after)
        return 200, {"device_id": str(device_id), "count": len(buckets[:limit]),
                     "buckets": buckets[:limit]}

    def need_admin(self, headers):
        if headers.get("x-admin-key") != self.options.admin_key:
            raise Problem(401, "no admin key")

    def metrics(self):
        n = self.heartbeats
        lines = ["process_cpu_seconds_total %f" % time.process_time(),
                 "# TYPE muster_stage_seconds histogram"]
        for stage, scale in (("decode", 1e-6), ("ring wait", 2e-5), ("sync", 1e-4),
                             ("copy", 6e-3), ("commit", 2e-3)):
            for le, share in ((scale, 0.5), (scale * 4, 0.95), ("+Inf", 1)):
                lines.append('muster_stage_seconds_bucket{stage="%s",le="%s"} %d'
                             % (stage, le, n * share))
            lines.append('muster_stage_seconds_sum{stage="%s"} %f' % (stage, n * scale * 1.5))
            lines.append('muster_stage_seconds_count{stage="%s"} %d' % (stage, n))
        return "\n".join(lines) + "\n"

    def route(self, method, target, headers, body):
        path, _, rest = target.partition("?")
        query = dict(pair.split("=", 1) for pair in rest.split("&") if "=" in pair)
        if (method, path) == ("GET", "/admin/verify"):
            return self.verify_one(headers, query)
        posts = {"/v1/register": self.register, "/v1/heartbeat": self.heartbeat,
                 "/v1/heartbeats": self.batch, "/admin/verify": self.verify_many}
        if path not in posts:
            raise Problem(404, "no such path")
        if method != "POST":
            raise Problem(405, "POST it")
        if headers.get("content-type") != "application/json":
            raise Problem(415, "not JSON")
        return posts[path](headers, body)

    async def read_request(self, reader):
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self.options.idle)
        except asyncio.LimitOverrunError:
            raise Problem(431, "head too big", close=True) from None
        lines = head[:-4].split(b"\r\n")
        parts = lines[0].decode("latin-1").split(" ")
        if lines[0] == b"PRI * HTTP/2.0":
            raise Problem(505, "not HTTP/2", close=True)
        if b"\n" in head.replace(b"\r\n", b"") or len(parts) != 3 or parts[2] != "HTTP/1.1":
            raise Problem(400, "not HTTP/1.1", close=True)
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.decode("latin-1").partition(":")
            name = name.lower()
            if not colon or (name in headers and name in ("host", "content-length")):
                raise Problem(400, "bad header", close=True)
            headers[name] = value.strip()
        length = headers.get("content-length", "")
        if "host" not in headers or "transfer-encoding" in headers or not length.isdigit():
            if parts[0] != "GET" or "host" not in headers:
                raise Problem(400, "bad head", close=True)
            length = "0"
        if int(length) > LIMIT_BODY or len(headers) > 100:
            raise Problem(413, "too big", close=True)
        body = await asyncio.wait_for(reader.readexactly(int(length)), self.options.idle)
        return parts[0], parts[1], headers, body

    async def serve(self, reader, writer):
        try:
            while await self.serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.TimeoutError, ConnectionError, ssl.SSLError):
            pass
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()

    async def serve_one(self, reader, writer):
        keep, extra, headers = True, "", {}
        content_type = "application/json"
        try:
            method, target, headers, body = await self.read_request(reader)
            if target == "/metrics":
                status, text, content_type = 200, self.metrics().encode(), "text/plain"
            else:
                status, reply = self.route(method, target, headers, body)
                text = json.dumps(reply).encode()
            if target.startswith("/v1/heartbeat"):
                if self.nth(self.options.close):
                    return False
                if self.nth(self.options.stall):
                    await asyncio.sleep(3600)
        except Problem as problem:
            status, keep = problem.status, not problem.close
            content_type = "application/problem+json"
            text = json.dumps({"title": problem.title, "status": status}).encode()
            if status == 503:
                extra = "Retry-After: 1\r\n"
        if headers.get("connection") == "close":
            keep = False
        if self.options.chunked:
            half = len(text) // 2 or 1
            pieces = [text[:half], text[half:]]
            payload = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces if p) + b"0\r\n\r\n"
            length = "Transfer-Encoding: chunked"
        else:
            payload, length = text, "Content-Length: %d" % len(text)
        writer.write(("HTTP/1.1 %d %s\r\n%s\r\nContent-Type: %s\r\n%s%s\r\n" %
                      (status, REASONS[status], length, content_type, extra,
                       "" if keep else "Connection: close\r\n")).encode() + payload)
        await writer.drain()
        return keep


async def main(options):
    server = Server(options)
    context = None
    if options.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert, options.key)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", options.port, ssl=context,
                                          backlog=4096, limit=LIMIT_HEAD)
    port = listener.sockets[0].getsockname()[1]
    if options.port_file:
        with open(options.port_file, "w") as file:
            file.write(str(port))
    print(port, flush=True)
    async with listener:
        await listener.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file")
    parser.add_argument("--admin-key", default="key")
    parser.add_argument("--enrolment-token", default="enrol")
    parser.add_argument("--next-in", type=int, default=300)
    parser.add_argument("--idle", type=float, default=3.0)
    parser.add_argument("--chunked", action="store_true")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    for fault in ("lose", "shed", "close", "extra", "stall"):
        parser.add_argument("--" + fault, type=int, default=0)
    sys.setrecursionlimit(2000)
    try:
        asyncio.run(main(parser.parse_args()))
    except KeyboardInterrupt:
        pass
