# SPDX-License-Identifier: Apache-2.0
"""Many connections, idle ones, the cap, and no descriptor left."""
import json
import pathlib
import resource
import time

import pytest

from appliance import wait_until
from rawhttp import Raw, ask, bearer, heartbeat, post

pytestmark = pytest.mark.release

FEW_DESCRIPTORS = 400
RESERVED_DESCRIPTORS = 256
GET = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module", autouse=True)
def descriptors_for_us():
    """As many as the system lets us have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def restarted(daemon):
    """restarted(*options, prefix=…): the same appliance, started anew with these."""
    def restart(*options, prefix=()):
        assert daemon.terminate() == 0
        daemon.options, daemon.prefix = list(options), list(prefix)
        return daemon.start()
    return restart


@pytest.fixture(scope="module")
def token(daemon):
    return daemon.register("connected")["token"]


def close_all(raws):
    for raw in raws:
        raw.socket.close()


def gauge(daemon, name="muster_http_connections"):
    return daemon.metrics()[name]


def test_thousands_of_idle_connections(daemon, token, descriptors_for_us):
    """They cost little, all still work, and none stays behind."""
    count = min(4000, descriptors_for_us - 500)
    daemon.metrics()
    descriptors = pathlib.Path(f"/proc/{daemon.process.pid}/fd")
    before = len(list(descriptors.iterdir()))
    rss = daemon.rss_bytes()
    raws = [Raw(daemon.url) for _ in range(count)]
    for raw in raws:
        raw.send(GET)
    assert all(raw.answer().status == 200 for raw in raws)
    assert gauge(daemon) == count + 1
    assert daemon.has_sanitizer() or (daemon.rss_bytes() - rss) / count < 16 * 1024
    base = int(time.time()) // 10 * 10 - 86400
    for i, raw in enumerate(raws[::10]):
        raw.send(heartbeat(token, {"ts": base - 10 * i}))
    assert {raw.answer().status for raw in raws[::10]} == {202}
    close_all(raws)
    wait_until(lambda: gauge(daemon) == 1, "all to be closed")
    assert len(list(descriptors.iterdir())) <= before + 2
    shed = daemon.metric("muster_http_connections_shed_total")
    assert shed == 0 and gauge(daemon, "muster_http_accept_no_descriptor_total") == 0


def test_idle_timeout(restarted):
    daemon = restarted("--http-idle-timeout", "1s")
    with Raw(daemon.url) as silent, Raw(daemon.url) as used:
        used.send(GET)
        assert used.answer().status == 200
        assert used.ended() and silent.ended(), "closed without a word"


def test_the_cap_closes_the_oldest_idle_connection(restarted, token):
    daemon = restarted("--http-connections-max", "20", "--http-frontends", "1")
    assert gauge(daemon) == 1, "our session's, the oldest"
    raws = []
    for _ in range(19):
        raws.append(Raw(daemon.url))
        raws[-1].send(GET)
        assert raws[-1].answer().status == 200
    raws[0].send(GET)  # no longer the one that has been idle longest
    assert raws[0].answer().status == 200
    late = [Raw(daemon.url) for _ in range(3)]
    for i, raw in enumerate(late):
        raw.send(heartbeat(token, {"ts": int(time.time()) - 5000 - 10 * i}))
        assert raw.answer().status == 202
    assert raws[1].ended() and raws[2].ended(), "after our session's the next oldest made room"
    for raw in (raws[0], raws[3]):
        raw.send(GET)
        assert raw.answer().status == 200
    close_all(raws + late)
    wait_until(lambda: gauge(daemon) == 1, "all to be closed")
    evicted = daemon.metrics()['muster_http_connections_shed_total{reason="idle_evicted"}']
    assert evicted in (3, 4), "ours perhaps again"


def test_the_cap_refuses_when_all_are_busy(restarted, token):
    daemon = restarted("--http-connections-max", "5", "--http-frontends", "1")
    body = b'{"ts":%d}' % (time.time() - 6000)
    head = post("/v1/heartbeat", b"", bearer(token), "Expect: 100-continue",
                f"Content-Length: {len(body)}", length=False)
    busy = [Raw(daemon.url) for _ in range(5)]  # the last one in place of our session's
    for raw in busy:
        raw.send(head)
        assert raw.answer().status == 100
    for _ in range(3):
        with Raw(daemon.url) as refused:
            assert refused.ended()
    for raw in busy:
        raw.send(body)
        assert raw.answer().status in (200, 202), "who is in is served"
    assert ask(daemon.url, GET).status == 200, "an idle one makes room again"
    close_all(busy)
    wait_until(lambda: gauge(daemon) == 1, "all to be closed")
    assert daemon.metrics()['muster_http_connections_shed_total{reason="refused"}'] == 3


def test_per_address_limit(restarted, token):
    daemon = restarted("--http-connections-per-address", "10")
    base = int(time.time()) // 10 * 10 - 2 * 86400
    raws = [Raw(daemon.url, source="127.0.0.2") for _ in range(10)]
    for raw in raws:
        raw.send(GET)
    assert all(raw.answer().status == 200 for raw in raws)
    with Raw(daemon.url, source="127.0.0.2") as one_more:
        assert one_more.ended()
    assert ask(daemon.url, heartbeat(token, {"ts": base}), source="127.0.0.3").status == 202, \
        "others go on"
    raws.pop().socket.close()
    wait_until(lambda: ask(daemon.url, heartbeat(token, {"ts": base - 10}), source="127.0.0.2"),
               "the freed place to be taken")
    close_all(raws)
    assert daemon.metrics()['muster_http_connections_shed_total{reason="refused_address"}'] >= 1


def test_no_descriptors_left(restarted, token):
    """The cap follows the limit: what musterd itself needs is never taken by clients."""
    daemon = restarted(prefix=["prlimit", f"--nofile={FEW_DESCRIPTORS}:{FEW_DESCRIPTORS}"])
    assert daemon.metrics()["process_max_fds"] == FEW_DESCRIPTORS
    base = int(time.time()) // 10 * 10 - 3 * 86400
    raws = []
    for i in range(3 * FEW_DESCRIPTORS):
        raw = Raw(daemon.url)
        raw.send(heartbeat(token, {"ts": base - 10 * i}) if i % 2 else GET)
        answer = raw.answer()
        assert answer is None or answer.status in (200, 202)
        if i % 2:
            assert answer, "a new client gets its answer: an idle one makes room"
        raws.append(raw)
    assert gauge(daemon) <= FEW_DESCRIPTORS - RESERVED_DESCRIPTORS
    assert json.loads(ask(daemon.url,
                          b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n").body)["degraded"] == []
    assert len(list(pathlib.Path(f"/proc/{daemon.process.pid}/fd").iterdir())) < FEW_DESCRIPTORS
    assert (daemon.metrics()['muster_http_connections_shed_total{reason="idle_evicted"}']
            > FEW_DESCRIPTORS)
    close_all(raws)
    daemon.wait_stored(3 * FEW_DESCRIPTORS // 2)


def test_too_few_descriptors_to_start(daemon):
    """A sentence, not a daemon that cannot accept."""
    assert daemon.terminate() == 0
    daemon.options, daemon.prefix = [], ["prlimit", "--nofile=128:128"]
    daemon.launch()
    code = daemon.process.wait(60)
    daemon.forget()
    assert code != 0 and "Too few file descriptors" in daemon.log_events("fatal")[-1]["detail"]
    daemon.prefix = []
    daemon.start()
