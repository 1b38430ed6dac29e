# SPDX-License-Identifier: Apache-2.0
"""A real agent at a real appliance: enrolment, reports, and what a crash, an outage and a lost
answer do to them."""
import os
import pathlib
import subprocess
import time

import pytest

from agent_house import STEP_S, enqueued, wait_channel, wait_empty
from agent_process import Agent, make_enrolment_token, write_secret
from doubles.http_double import Answer

pytestmark = pytest.mark.one_thread

LONGEST_WAIT_S = 300  # between two tries; in one leap the appliance would think the clock was set
PRIVATE_BYTES_MAX = 6 << 20
RSS_BYTES_MAX = 16 << 20


# ---- enrolment ----

def token_file(agent, daemon, **options):
    return write_secret(agent.directory / "enrolment-token",
                        make_enrolment_token(daemon, **options))


def test_enrolled_by_a_token(daemon, plain):
    path = token_file(plain, daemon)
    plain.enroll(daemon.url, "--token-file", path, "Büro 4", more=["--hardware-id", "hw-4"])
    config = plain.config
    assert daemon.sql("SELECT alias, kind, hardware_id FROM devices WHERE id = %s",
                      plain.device_id) == [("Büro 4", "desktop", "hw-4")]
    assert config["server"] == daemon.url and config["token"].startswith("mu_")
    assert config["keys"]["current"]["version"] == 1
    assert plain.config_file.stat().st_mode & 0o777 == 0o600
    for secret in (*plain.secrets(), path.read_text().strip()):
        assert secret not in plain.outputs
        assert secret not in (daemon.data_dir / "output.txt").read_text()


def test_enrolled_by_the_admin_key(daemon, plain):
    key = daemon.data_dir / "secrets" / "admin-key"
    plain.enroll(daemon.url, "--admin-key-file", key, "desk")
    assert daemon.sql("SELECT alias FROM devices WHERE id = %s", plain.device_id) == [("desk",)]
    assert key.read_text().strip() not in plain.outputs + plain.config_file.read_text()


def test_a_token_that_is_used_up(daemon, plain):
    path = token_file(plain, daemon, max_uses=1)
    daemon.register(headers={"X-Enrolment-Token": path.read_text().strip()})
    refused = plain.enroll(daemon.url, "--token-file", path, expect=1)
    assert "used up" in refused.stderr or "no uses left" in refused.stderr, refused.stderr
    assert not plain.config_file.exists()


def test_a_configuration_is_not_overwritten(daemon, plain):
    plain.enrolled(daemon)
    before = plain.config_file.read_text()
    devices = daemon.sql("SELECT count(*) FROM devices")
    refused = plain.enroll(daemon.url, "--token-file", token_file(plain, daemon), expect=1)
    assert "--replace" in refused.stderr and str(plain.config_file) in refused.stderr
    assert plain.config_file.read_text() == before
    assert daemon.sql("SELECT count(*) FROM devices") == devices, "refused before it asked"
    plain.enroll(daemon.url, "--token-file", token_file(plain, daemon), more=["--replace"])
    assert plain.config_file.read_text() != before


@pytest.mark.parametrize("url, said", (
    ("http://192.0.2.1:8080", "https"), ("ftp://127.0.0.1", "http"), ("http://127.0.0.1:9", "127"),
))
def test_servers_that_are_none(daemon, plain, url, said):
    path = token_file(plain, daemon)
    refused = plain.call("enroll", *plain.places(), "--server", url, "--token-file", str(path),
                         "--alias", "a", expect=2 if url[-1] != "9" else 1)
    assert said in refused.stderr and not plain.config_file.exists()
    assert path.read_text().strip() not in refused.stderr


def test_not_enrolled(bin_dir, scratch):
    agent = Agent(bin_dir, scratch / "agent")
    refused = agent.call("run", *agent.places(), expect=1)
    assert "enroll" in refused.stderr
    assert agent.call("status", *agent.places(), expect=3).stderr


def test_others_may_not_read_the_configuration(daemon, plain):
    plain.enrolled(daemon)
    plain.config_file.chmod(0o644)
    refused = plain.call("run", *plain.places(), expect=1)
    assert str(plain.config_file) in refused.stderr
    assert not any(secret in refused.stderr for secret in plain.secrets())


# ---- reports ----

def test_reports_arrive_with_what_the_machine_says(house):
    agent = house.agent().start()
    house.wait_reported(agent, 1)  # at once after its start: no time has gone by
    house.report(agent, 2)
    house.wait_reported(agent, 3)
    wait_channel(agent)
    rows = house.appliance.sql(
        "SELECT boot_id, seq, agent_version, uptime_s, ram_free_mb, ram_total_mb, network,"
        " queue_depth, clock_offset_s, extra FROM heartbeats WHERE device_id = %s ORDER BY bucket",
        agent.device_id)
    boot_id = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    total_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    version = agent.call("version").stdout.split()[-1]
    for number, row in enumerate(rows, 1):
        boot, seq, said_version, uptime_s, free_mb, ram_mb, network, depth, offset, extra = row
        assert (boot, seq, said_version) == (boot_id, number, version)
        assert uptime_s > 0 and 0 < free_mb < ram_mb and abs(ram_mb - total_mb) <= 1
        assert network in ("wifi", "cellular", "ethernet", "offline", None)
        assert depth is not None and abs(offset) <= 2
        assert extra["disk_free_mb"] > 0
    last = house.appliance.sql("SELECT agent_version, boot_id FROM device_last_status"
                               " WHERE device_id = %s", agent.device_id)
    assert last == [(version, boot_id)]
    arguments = pathlib.Path(f"/proc/{agent.process.pid}/cmdline").read_text()
    text = agent.log() + agent.outputs + arguments
    assert not any(secret in text for secret in agent.secrets())
    assert agent.terminate() == 0


def test_the_sequence_goes_on_after_a_restart(house):
    agent = house.agent().start()
    house.report(agent, 2)
    house.wait_reported(agent, 2)
    assert agent.terminate() == 0
    house.clock.jump(STEP_S, STEP_S)
    agent.start()
    house.report(agent)
    stored = house.wait_reported(agent, len(enqueued(agent)))
    assert house.sequence(agent) == list(range(1, len(stored) + 1))


def test_a_second_one_on_the_same_files_is_refused(house):
    agent = house.agent().start()
    house.wait_reported(agent, 1)
    refused = agent.call("run", *agent.places(), expect=1)
    assert "another" in refused.stderr.lower(), refused.stderr
    assert agent.is_alive() and agent.status()["pid"] == agent.process.pid


def memory_of(agent):
    memory = {}
    rollup = pathlib.Path(f"/proc/{agent.process.pid}/smaps_rollup").read_text()
    for line in rollup.splitlines()[1:]:
        name, size, _ = line.split()
        memory[name.rstrip(":")] = int(size) * 1024
    return memory


def by_tls(daemon, agent):
    """With a whole system's roots in its --ca-file, which is what a person would give it."""
    roots = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
    if not roots.exists():
        pytest.skip("this system has no roots")
    bundle = agent.directory / "bundle.pem"
    bundle.write_text(roots.read_text() + (daemon.data_dir / "tls" / "tls.crt").read_text())
    agent.enroll(daemon.run["https_url"], "--token-file", token_file(agent, daemon),
                 more=["--ca-file", str(bundle)])


@pytest.mark.release
@pytest.mark.parametrize("how", ("http", "ca_file"))
def test_memory_at_rest(daemon, plain, how):
    if plain.has_sanitizer():
        pytest.skip("a sanitizer's memory says nothing about the program's")
    if how == "ca_file":
        by_tls(daemon, plain)
    else:
        plain.enrolled(daemon)
    plain.start()
    wait_empty(plain)
    wait_channel(plain)

    def is_small():
        memory = memory_of(plain)
        private = memory["Private_Clean"] + memory["Private_Dirty"]
        return private < PRIVATE_BYTES_MAX and memory["Rss"] < RSS_BYTES_MAX

    # What the first report was sent by is closed when nothing is due: at a ping, at the latest.
    plain.wait(is_small, f"little memory: {memory_of(plain)}")


# What the appliance has no column for: agents and the load generator say no more than this.
KEPT_ASIDE = {"disk_free_mb", "state_disk_free_mb", "user", "session", "idle_s"}


def test_the_load_generator_speaks_the_same_language(house):
    """Whatever one of them called otherwise than the appliance would stand in `extra`."""
    agent = house.agent().start()
    house.report(agent, 2)
    house.wait_reported(agent, 3)
    url = house.appliance.url
    done = subprocess.run(
        [house.bin_dir / "muster-loadgen", "flood", "--url", url, "--admin-key-file",
         house.appliance.data_dir / "secrets" / "admin-key", "--devices", "3", "--count", "9",
         "--devices-file", house.scratch / "devices", "--verify"],
        capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = house.appliance.sql(
        "SELECT device_id = %s, extra, boot_id IS NOT NULL, seq, uptime_s > 0, ram_total_mb > 0,"
        " agent_version IS NOT NULL, queue_depth IS NOT NULL FROM heartbeats", agent.device_id)
    assert len(rows) >= 12
    for ours, extra, *fields in rows:
        assert all(fields), (ours, fields)
        assert set(extra or ()) <= (KEPT_ASIDE if ours else set()), extra


# ---- crashes and outages ----

def test_kill_9_loses_nothing_that_was_queued(house, dice):
    agent = house.agent()
    house.appliance.terminate()
    queued = {}
    for _ in range(12):
        agent.start()
        agent.wait(lambda: len(enqueued(agent)) > len(queued), "its first report")
        for _ in range(dice.randrange(4)):
            house.clock.jump(STEP_S, STEP_S)
            time.sleep(dice.random() * 0.05)  # killed before, while or after it writes
        agent.kill()
        # What an event says stands on the disk.
        found = agent.queued()
        assert enqueued(agent) <= set(found), "what was said to be queued is"
        assert set(queued) <= set(found), "what was queued before is queued still"
        queued = found
        house.clock.jump(STEP_S, STEP_S)
    assert len({body["seq"] for body in queued.values()}) == len(queued) >= 12
    house.restart()
    agent.start()
    stored = house.wait_reported(agent, len(queued) + 1)
    assert len(stored) == len(set(stored)) and set(queued) <= set(stored)
    rows = dict(house.appliance.sql(
        "SELECT extract(epoch FROM bucket)::bigint, seq FROM heartbeats WHERE device_id = %s",
        agent.device_id))
    assert {bucket: body["seq"] for bucket, body in queued.items()}.items() <= rows.items()
    assert house.appliance.metric("muster_writer_duplicates_total") == 0


@pytest.mark.long
def test_an_hour_without_the_appliance(house):
    agent = house.agent().start()
    house.wait_reported(agent, 1)
    house.appliance.terminate()
    house.report(agent, 3600 // STEP_S)
    waiting = agent.status()["queue"]["heartbeats"]
    assert waiting >= 3600 // STEP_S
    assert agent.events("retry.schedule") and agent.events("deliver.fail")
    house.restart()
    house.report(agent, LONGEST_WAIT_S // STEP_S)
    stored = house.wait_reported(agent, waiting + 1)
    assert len(stored) == len(set(stored)) and set(stored) == enqueued(agent)
    assert house.sequence(agent) == list(range(1, len(stored) + 1))
    assert house.wire.matching("POST /v1/heartbeats "), "the old ones went in batches"


def test_a_lost_answer_makes_no_second_row(house):
    agent = house.agent().start()
    house.wait_reported(agent, 1)
    house.wire.lose_reply(b"POST /v1/heartbeat ", times=2)  # an old connection's is tried again
    house.report(agent)
    house.wire.wait_lost(2)
    lost = max(enqueued(agent))
    house.report(agent, 2)
    stored = house.report_until_empty(agent)
    assert len(stored) == len(set(stored)) and lost in stored
    assert set(stored) == enqueued(agent)
    assert house.sequence(agent) == list(range(1, len(stored) + 1))


@pytest.mark.long
def test_what_was_sent_once_is_not_changed(house):
    """The appliance may have it: what a restart reads in its bucket waits for the next one."""
    agent = house.agent().start()
    house.wait_reported(agent, 1)
    seconds = 20 - house.clock.now_s() % 10
    house.clock.jump(seconds, seconds)  # a bucket begins: there is time enough in it
    house.wire.lose_reply(b"POST /v1/heartbeat ", times=2)
    house.wire.wait_lost(2)
    lost = max(enqueued(agent))
    agent.kill()
    house.wire.pass_all()
    agent.start()  # reports at once
    agent.wait(lambda: len(enqueued(agent)) == 3, "its first report")
    assert [int(event["bucket"]) for event in agent.events("queue.enqueue")].count(lost) == 1
    stored = house.report_until_empty(agent)
    assert set(stored) == enqueued(agent) and len(stored) == len(set(stored))
    assert house.sequence(agent) == list(range(1, len(stored) + 1))


def test_the_lost_answer_to_a_batch(house):
    agent = house.agent()
    house.appliance.terminate()
    agent.start()
    house.report(agent, 20)
    house.wire.lose_reply(b"POST /v1/heartbeats ")
    house.restart()
    while not house.wire.lost:
        house.report(agent)
    stored = house.report_until_empty(agent)
    assert len(stored) == len(set(stored)) and set(stored) == enqueued(agent)
    assert house.sequence(agent) == list(range(1, len(stored) + 1))


# ---- refused ----

def test_a_refused_token_keeps_the_queue_and_asks_every_five_minutes(fake, make_agent, clock):
    agent = make_agent()
    fake.write_config(agent)
    fake.channel = False
    for path in ("/v1/heartbeat", "/v1/heartbeats", "/v1/device/ws", "/v1/commands"):
        fake.answer_path_always(path, Answer(401, {"detail": "This token was revoked."}))
    agent.start()
    agent.wait_event("auth.refused")
    assert agent.status()["token_refused"] is True
    asked = reports_asked(fake)
    for count in range(2, 27):  # 275 s: none of them is tried
        clock.jump(STEP_S, STEP_S)
        agent.wait(lambda: len(enqueued(agent)) >= count, "a report")
    assert agent.status()["queue"]["heartbeats"] >= 26 and reports_asked(fake) == asked
    clock.jump(30, 30)
    agent.wait(lambda: reports_asked(fake) > asked, "it to ask again")
    agent.wait_event("auth.refused", 2)
    fake.pass_all()
    waiting = agent.status()["queue"]["heartbeats"]
    clock.jump(301, 301)
    wait_empty(agent)
    assert len(fake.buckets) == len(fake.heartbeats) >= waiting
    assert agent.status()["token_refused"] is False


def reports_asked(fake):
    return fake.count("/v1/heartbeat") + fake.count("/v1/heartbeats")


def test_a_deleted_device_stops_for_good_and_keeps_its_queue(house):
    agent = house.agent().start()
    house.wait_reported(agent, 1)
    wait_channel(agent)
    house.wire.cut()
    house.report(agent, 3)
    assert house.appliance.delete_device(agent.device_id).status_code == 204
    house.wire.restore()
    agent.wait(lambda: house.clock.jump(STEP_S, STEP_S) or agent.events("device.deleted"),
               "it to be told")
    status = agent.status()
    assert status["deleted"] is True and status["queue"]["heartbeats"] >= 3
    asked = house.wire.count()
    for seconds in (STEP_S, 301, 3600, 6 * 3600):  # the wait for a heartbeat, a try, an update
        house.clock.jump(seconds, seconds)
        agent.settle()
    assert house.wire.count() == asked, "nothing is sent any more"
    assert agent.terminate() == 0
    assert len(agent.queued()) >= 3
    agent.start()  # it remembers
    agent.wait(lambda: len(agent.events("device.deleted")) >= 2, "it to say so again")
    agent.settle()
    assert house.wire.count() == asked
