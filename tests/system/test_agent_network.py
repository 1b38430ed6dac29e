# SPDX-License-Identifier: Apache-2.0
"""An agent whose network goes away and comes back: real links, TLS, the certificate pinned."""
import base64
import datetime
import hashlib
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from agent_house import INTERVAL, STEP_S, enqueued, wait_channel, wait_empty
from agent_process import Agent, make_enrolment_token, stored_buckets, write_secret
from namespace import Namespace
from virtual_clock import VirtualClock

pytestmark = pytest.mark.one_thread

# Reports that wait: the kernel delivers afterwards what was written to an old connection, and from
# 300 s on the appliance would think that the device's clock was set.
OUTAGE = 240 // STEP_S
CLEAR_S = 40  # before a retry's time: what comes so early is no retry


def seconds_of(event):
    return datetime.datetime.fromisoformat(event["ts"].replace("Z", "+00:00")).timestamp()


def pin_of(address, port):
    """As curl's --pinnedpubkey wants it."""
    pem = ssl.get_server_certificate((address, port))
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    der = key.public_bytes(serialization.Encoding.DER,
                           serialization.PublicFormat.SubjectPublicKeyInfo)
    return "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()


class Site:
    """An appliance that listens on a cable, and an agent at its other end."""

    def __init__(self, make_appliance, bin_dir, scratch, namespace):
        self.namespace = namespace
        self.clock = VirtualClock(scratch / "clock")
        self.appliance = make_appliance(
            bin_dir=bin_dir, environment=self.clock.environment(),
            options=[*INTERVAL, "--tls-address", namespace.ours]).start()
        self.port = int(self.appliance.run["https_url"].rsplit(":", 1)[1])
        self.agent = Agent(bin_dir, scratch / "agent", clock=self.clock, prefix=namespace.prefix)

    @property
    def url(self):
        return f"https://{self.namespace.ours}:{self.port}"

    def enroll(self, expect=0, more=()):
        token = write_secret(self.agent.directory / "enrolment-token",
                             make_enrolment_token(self.appliance))
        return self.agent.enroll(self.url, "--token-file", token, expect=expect, more=more)

    def wait_all_stored(self):
        """Each bucket that was queued stands in the table, once, and nothing else."""
        def differences():
            return set(stored_buckets(self.appliance, self.agent)) ^ enqueued(self.agent)

        try:
            self.agent.wait(lambda: not differences(), "all of them in the table")
        except AssertionError as error:
            raise AssertionError(f"differ: {sorted(differences())}, offsets: " + str(
                self.appliance.sql("SELECT extract(epoch FROM bucket)::bigint, clock_offset_s, seq"
                                   " FROM heartbeats WHERE clock_offset_s <> 0"))
                + str(error)) from None
        stored = stored_buckets(self.appliance, self.agent)
        assert len(stored) == len(set(stored))

    def report(self, count=1):
        for _ in range(count):
            before = len(enqueued(self.agent))
            self.clock.jump(STEP_S, STEP_S)
            self.agent.wait(lambda: len(enqueued(self.agent)) > before, "a report")


@pytest.fixture
def namespace():
    made = Namespace()
    try:
        yield made.make()
    finally:
        made.destroy()


@pytest.fixture
def site(make_appliance, failpoint_bin_dir, scratch, namespace):
    made = Site(make_appliance, failpoint_bin_dir, scratch, namespace)
    yield made
    made.agent.destroy()


def test_a_certificate_is_not_believed_without_a_reason(site):
    refused = site.enroll(expect=1)
    assert "certificate" in refused.stderr.lower() and not site.agent.config_file.exists()
    other = "sha256//" + base64.b64encode(bytes(32)).decode()
    refused = site.enroll(expect=1, more=["--pin", other])
    assert not site.agent.config_file.exists()
    assert "pin" in refused.stderr.lower() or "public key" in refused.stderr.lower(), refused.stderr
    site.enroll(more=["--pin", pin_of(site.namespace.ours, site.port)])
    site.agent.start()
    wait_channel(site.agent)
    site.agent.wait(lambda: stored_buckets(site.appliance, site.agent), "its first report")
    # Pinned for good: to another key it says nothing.
    site.agent.terminate()
    site.agent.configure(tls={"pin": other})
    before = len(stored_buckets(site.appliance, site.agent))
    site.clock.jump(STEP_S, STEP_S)
    site.agent.start()
    site.agent.wait_event("deliver.fail")
    assert site.agent.status()["queue"]["heartbeats"] >= 1
    assert len(stored_buckets(site.appliance, site.agent)) == before


def test_a_network_that_is_cut_and_comes_back(site):
    agent = site.agent
    site.enroll(more=["--pin", pin_of(site.namespace.ours, site.port)])
    agent.start()
    wait_empty(agent)
    wait_channel(agent)
    for turn in (1, 2):
        changes = len(agent.events("net.change"))
        site.namespace.cut()
        agent.wait(lambda: len(agent.events("net.change")) > changes, "it to notice")
        agent.wait(lambda: not agent.status()["online"], "it to be offline")
        site.report()
        site.namespace.end_connections()
        site.report(OUTAGE)
        status = agent.status()
        assert status["queue"]["heartbeats"] >= OUTAGE
        retry_at = site.clock.now_s() + (status["retry_in_s"] or 0)
        site.namespace.restore()
        regain = agent.wait_event("net.regain", turn)[-1]
        # Nobody moves the clock: whatever a retry would wait for, it goes at once.
        wait_empty(agent)
        wait_channel(agent)
        if retry_at > seconds_of(regain) + CLEAR_S:
            drained = [seconds_of(event) for event in agent.events("queue.drain")]
            assert any(seconds_of(regain) <= at < retry_at for at in drained), (retry_at, drained)
        assert agent.status()["online"] is True
        site.wait_all_stored()
    site.report()  # of now, whatever was said while the network came back
    wait_empty(agent)
    site.wait_all_stored()
    said = [row[0] for row in site.appliance.sql(
        "SELECT network FROM heartbeats WHERE device_id = %s ORDER BY bucket", agent.device_id)]
    assert said[0] == said[-1] == "ethernet" and "offline" in said


def test_a_cable_that_leads_nowhere(site):
    """The link is up and nothing comes back: found by what is not answered."""
    agent = site.agent
    site.enroll(more=["--pin", pin_of(site.namespace.ours, site.port)])
    agent.start()
    wait_empty(agent)
    wait_channel(agent)
    site.namespace.swallow()
    site.report(7)  # the channel was silent for more than a minute
    agent.wait(lambda: agent.status()["push_channel"] != "open", "the channel to be given up")
    assert agent.status()["queue"]["heartbeats"] >= 6 and agent.status()["online"] is True
    site.namespace.swallow(False)
    agent.wait(lambda: site.report() or agent.status()["queue"]["heartbeats"] == 0,
               "an empty queue", 180)
    wait_channel(agent)
    site.wait_all_stored()
