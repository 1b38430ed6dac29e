# SPDX-License-Identifier: Apache-2.0
"""What happens to a journal's files between two runs, while it holds what PostgreSQL lacks.

Whatever was not destroyed is stored; whatever was, is counted and reported, and never made up.
"""
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import journal_file
from appliance import Appliance, wait_until
from fleet import Fleet
from postgres_server import PostgresServer


class Holding:
    """An appliance that was killed while its journal held unstored records, PostgreSQL stopped."""

    def __init__(self, appliance, server, fleet, checkpoint):
        self.appliance = appliance
        self.server = server
        self.fleet = fleet
        self.checkpoint = checkpoint
        self.journal = appliance.data_dir / "journal"

    def used(self):
        return journal_file.used_segments(self.journal)

    def unstored(self, path):
        """The segment's records above the checkpoint."""
        return [frame for frame in journal_file.records(path) if frame.seq > self.checkpoint]

    def last_frames(self):
        """Of the newest segment that holds any."""
        for path in reversed(self.used()):
            found = list(journal_file.frames(path))
            if found:
                return path, found
        raise AssertionError("no frame in the journal")

    def restart(self):
        """Starts PostgreSQL and musterd, sends some more, and waits until all is stored."""
        self.server.start()
        self.appliance.start()
        self.fleet.start(self.appliance)
        self.fleet.wait_acknowledged(200)
        self.fleet.stop()

        def empty():
            ready = self.appliance.ready()
            return ready and ready["degraded"] == [] and ready["backlog"]["records"] == 0

        wait_until(empty, "an empty backlog")

    def lost(self):
        """{(device id, k)} acknowledged and not stored; the fields of what is stored are
        checked."""
        connection = self.appliance.connect()
        try:
            lost = self.fleet.compare(connection)
        finally:
            connection.close()
        return {(device, k) for device, ks in lost.items() for k in ks}

    def names(self, frames):
        return {(frame.device_id, (frame.bucket_s - self.fleet.base_s) // 10) for frame in frames}

    def opened(self):
        return self.appliance.log_events("journal.opened")[-1]


def groups_of_newest(journal):
    """Groups in the newest segment that holds any."""
    for path in reversed(journal_file.used_segments(journal)):
        blocks = {frame.group_block for frame in journal_file.frames(path)}
        if blocks:
            return len(blocks)
    return 0


def make_holding(bin_dir, scratch):
    server = PostgresServer(scratch / "server")
    appliance = Appliance(bin_dir, scratch / "data", options=["--journal-segment", "1MiB"],
                          environment=server.environment).start()
    fleet = Fleet(appliance, devices=8, connections=4, per_s=30000).start(appliance)
    fleet.wait_acknowledged(1000)
    fleet.stop()
    fleet.wait_all_stored(appliance)
    wait_until(lambda: appliance.metric("muster_writer_checkpoint_sequence")
               == appliance.metric("muster_journal_durable_sequence"), "the checkpoint to follow")
    server.stop()
    fleet.start(appliance)
    fleet.wait_acknowledged(30000)  # several segments
    fleet.stop()
    while groups_of_newest(appliance.data_dir / "journal") < 4:  # it has only just begun
        fleet.start(appliance)
        fleet.wait_acknowledged(200)
        fleet.stop()
    appliance.kill()
    server.start()
    checkpoint = server.sql("SELECT max(seq) FROM ingest_checkpoint")[0][0]
    server.stop()
    return Holding(appliance, server, fleet, checkpoint)


@pytest.fixture(scope="module")
def original(bin_dir):
    """Made once; each test damages a copy of its own."""
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="muster-test-"))
    scratch.chmod(0o755)
    held = make_holding(bin_dir, scratch)
    held.state = held.fleet.state()
    for path in (held.appliance.data_dir, held.server.data):
        subprocess.run(["cp", "-a", path, f"{path}.original"], check=True)
    yield held
    shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture
def holding(original):
    for path in (original.appliance.data_dir, original.server.data):
        shutil.rmtree(path)
        subprocess.run(["cp", "-a", f"{path}.original", path], check=True)
    original.fleet.go_back(original.state)
    assert len(original.used()) >= 4
    yield original
    original.appliance.destroy()
    original.server.destroy()


@pytest.mark.release
@pytest.mark.parametrize("tail", ["garbage", "half a frame", "cut", "repeated frames"])
def test_unacknowledged_bytes_at_the_end(holding, tail):
    """What a crash may leave behind the last finished group costs nothing."""
    path, frames = holding.last_frames()
    end = (frames[-1].offset + frames[-1].bytes + 4095) // 4096 * 4096
    if tail == "garbage":
        journal_file.overwrite(path, end, os.urandom(3 * 4096))
    elif tail == "half a frame":
        header = journal_file.FRAME.pack(200, journal_file.RECORD, journal_file.MAGIC,
                                         frames[-1].seq + 1,
                                         end // 4096, 0x12345678)
        journal_file.overwrite(path, end, header + b"x" * 40)
    elif tail == "cut":
        os.truncate(path, end + 100)
    else:
        # Valid where they stood, not here: a frame's checksum covers its place.
        journal_file.overwrite(path, end, path.read_bytes()[4096:12288])
    holding.restart()
    assert holding.lost() == set()
    assert holding.opened()["damaged_bytes"] == 0 and holding.opened()["damaged_segments"] == 0
    if tail == "half a frame":
        assert holding.opened()["torn_bytes"] > 0
    assert holding.appliance.metric("muster_journal_missing_records") == 0
    assert list(holding.journal.glob("damaged/*")) == []


def test_acknowledged_end_that_is_torn_is_reported(holding):
    """The last group's end destroyed after it was acknowledged: only that is gone, and it is
    said."""
    path, frames = holding.last_frames()
    last = [frame for frame in frames if frame.group_block == frames[-1].group_block]
    last = [frame for frame in last if frame.type == journal_file.RECORD]
    victim = last[len(last) // 2]
    journal_file.flip(path, victim.offset + 60)
    holding.restart()
    gone = holding.names(frame for frame in last if frame.seq >= victim.seq)
    assert holding.lost() <= gone and holding.names([victim]) <= holding.lost()
    assert holding.opened()["torn_bytes"] > 0
    assert holding.appliance.metric("muster_journal_torn_bytes") > 0
    # Their sequences are not given to other records.
    durable = holding.opened()["durable_seq"]
    assert durable < victim.seq < holding.appliance.metric("muster_journal_durable_sequence")


def test_middle_of_the_last_segment(holding):
    path, frames = holding.last_frames()
    groups = sorted({frame.group_block for frame in frames})
    assert len(groups) >= 3
    inside = [frame for frame in frames if frame.group_block == groups[len(groups) // 2]
              and frame.type == journal_file.RECORD]
    victim = inside[len(inside) // 2]
    journal_file.flip(path, victim.offset + 30)
    holding.restart()
    assert holding.lost() == holding.names([victim]), "that one record, and no other"
    assert holding.opened()["damaged_segments"] == 1
    assert victim.bytes <= holding.opened()["damaged_bytes"] < 2 * victim.bytes
    assert holding.opened()["level"] == "error"
    copies = list((holding.journal / "damaged").iterdir())
    assert len(copies) == 1 and copies[0].name.startswith(path.stem)


def record_before_record(path, least):
    """The first record from that index on with another right behind it: padding behind a damaged
    frame would count as damaged with it."""
    index = 0
    frames = list(journal_file.frames(path))
    for frame, after in zip(frames, frames[1:]):
        if frame.type == after.type == journal_file.RECORD and index >= least:
            return frame
        index += frame.type == journal_file.RECORD
    raise AssertionError(f"no such record in {path}")


def test_middle_segments_are_damaged(holding):
    """Read by the writers later than at start: counted, kept aside and logged then."""
    paths = [path for path in holding.used() if holding.unstored(path)]
    victims = []
    for path in paths[1:-1]:
        count = len(journal_file.records(path))
        for victim in (record_before_record(path, count // 3),
                       record_before_record(path, count // 2)):
            journal_file.flip(path, victim.offset + journal_file.FRAME.size + 5)
            victims.append(victim)
    # A frame's own length: the next frame is found again nevertheless.
    victims.append(record_before_record(paths[1], 7))
    journal_file.flip(paths[1], victims[-1].offset + 1)
    holding.restart()
    assert holding.lost() == holding.names(victims)
    appliance = holding.appliance
    assert appliance.metric("muster_journal_damaged_bytes") == sum(victim.bytes
                                                                   for victim in victims)
    assert len(list((holding.journal / "damaged").iterdir())) == len(victims)
    entry = wait_until(lambda: appliance.log_events("journal.damage_met"),
                       "the damage in the log")[-1]
    assert entry["level"] == "error"


def test_header_of_a_middle_segment_is_lost(holding):
    """Its frames say themselves where they belong: nothing is lost."""
    paths = holding.used()
    journal_file.overwrite(paths[len(paths) // 2], 0, b"\0" * 4096)
    journal_file.overwrite(paths[1], 20, os.urandom(40))
    holding.restart()
    assert holding.lost() == set()
    assert holding.opened()["damaged_segments"] == 2


def test_middle_segment_is_deleted(holding):
    paths = [path for path in holding.used() if holding.unstored(path)]
    victim = paths[len(paths) // 2]
    gone = journal_file.records(victim)
    victim.unlink()
    holding.restart()
    assert holding.lost() == holding.names(gone)
    appliance = holding.appliance
    assert appliance.metric("muster_journal_missing_records") >= len(gone)
    entry = wait_until(lambda: appliance.log_events("journal.damage_met"),
                       "the loss in the log")[-1]
    assert entry["missing_records"] >= len(gone)


def test_identity_is_found_in_a_segment(holding):
    before = (holding.journal / "journal.id").read_text()
    (holding.journal / "journal.id").unlink()
    (holding.journal / "prepared.tmp").write_bytes(b"left by a crash")
    holding.restart()
    assert holding.lost() == set()
    assert (holding.journal / "journal.id").read_text() == before


def test_all_of_the_journal_is_lost(holding):
    """A new disk: what was not stored is gone, the rest stands, and no sequence is used twice."""
    gone = [frame for path in holding.used() for frame in holding.unstored(path)]
    for path in holding.journal.glob("*.mjs"):
        path.unlink()
    holding.restart()
    assert holding.lost() == holding.names(gone)
    assert holding.appliance.metric("muster_journal_durable_sequence") > holding.checkpoint


def test_start_without_postgres_knows_its_fleet(make_appliance, postgres_server):
    appliance = make_appliance(environment=postgres_server.environment).start()
    snapshot = appliance.data_dir / "identities"

    def followed_by_snapshot(change):
        before = snapshot.stat()
        answer = change()
        wait_until(lambda: (now := snapshot.stat()).st_mtime_ns != before.st_mtime_ns
                   or now.st_size != before.st_size, "the snapshot to follow")
        return answer

    known = followed_by_snapshot(lambda: appliance.register("known"))
    deleted = followed_by_snapshot(lambda: appliance.register("deleted"))
    answer = followed_by_snapshot(lambda: appliance.delete_device(deleted["device_id"]))
    assert answer.status_code in (200, 204), answer.text
    assert appliance.heartbeat(deleted["token"]).status_code == 410
    appliance.kill()
    postgres_server.stop()
    appliance.spawn()

    unknown = known["token"][:-4] + "AAAA"
    assert appliance.heartbeat(known["token"]).status_code == 202
    for token in (unknown, deleted["token"]):
        answer = appliance.heartbeat(token)
        assert answer.status_code == 503 and int(answer.headers["Retry-After"]) >= 1, answer.text
    assert set(appliance.ready()["degraded"]) == {"database", "device_list"}
    postgres_server.start()
    appliance.wait_storing()
    assert appliance.heartbeat(unknown).status_code == 401
    assert appliance.heartbeat(deleted["token"]).status_code == 410
    appliance.wait_stored(1)
