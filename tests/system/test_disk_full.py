# SPDX-License-Identifier: Apache-2.0
"""No space: for the journal (capacity or disk), for PostgreSQL, and for both in turn."""
import os
import subprocess

import pytest

from appliance import wait_until
from fleet import Fleet

MIB = 1 << 20


class SmallDisk:
    """A file system of its own with next to no room, and a file that takes what is left of it."""

    def __init__(self, path):
        self.path = path
        self.filler = path / "filler"

    def free_bytes(self):
        facts = os.statvfs(self.path)
        return facts.f_bavail * facts.f_frsize

    def fill(self, leave_bytes=0):
        """Real blocks: a sparse file would take nothing."""
        with open(self.filler, "ab") as file:
            while (left := self.free_bytes() - leave_bytes) > 0:
                try:
                    file.write(b"\0" * min(left, MIB))
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    return

    def relieve(self):
        self.filler.unlink()


@pytest.fixture
def small_disk(scratch):
    """make(mib, kind): mounted until the test is over. Needs root and the right to mount."""
    made = []

    def make(mib, kind):
        path = scratch / f"disk-{len(made)}"
        path.mkdir()
        image = path.with_suffix(".img")
        if kind == "tmpfs":
            command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755", "tmpfs", path]
        else:
            with open(image, "wb") as file:
                file.truncate(mib * MIB)
            made_fs = subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], capture_output=True,
                                     check=False)
            if made_fs.returncode:
                pytest.skip(f"mkfs.ext4: {made_fs.stderr.decode().strip()}")
            command = ["mount", "-o", "loop", image, path]
        if os.getuid() != 0:
            pytest.skip("only root may mount a small disk")
        mounted = subprocess.run(command, capture_output=True, check=False)
        if mounted.returncode:
            pytest.skip(f"no right to mount: {mounted.stderr.decode().strip()}")
        made.append(path)
        return SmallDisk(path)

    yield make
    for path in reversed(made):
        # Lazily: an appliance that the test had made before may still be on it.
        subprocess.run(["umount", "-l", path], check=True)


def wait_journal(appliance, *states):
    """Until /ready names one of these states."""
    def reached():
        probe = appliance.probe()
        return probe and probe[1]["journal"]["state"] in states and probe
    return wait_until(reached, f"the journal to be {' or '.join(states)}")


@pytest.mark.long
def test_journal_reaches_its_capacity(make_appliance, postgres_server):
    """PostgreSQL away for longer than the journal can hold: shed, and taken up again afterwards."""
    appliance = make_appliance(environment=postgres_server.environment,
                               options=["--journal-segment", "1MiB", "--journal-capacity",
                                        "6MiB"]).start()
    fleet = Fleet(appliance, devices=16, connections=8, per_s=30000).start(appliance)
    fleet.wait_acknowledged(500)
    postgres_server.stop()
    status, body = wait_journal(appliance, "full")
    assert status == 503 and body["ready"] is False and "journal_full" in body["degraded"]
    fleet.wait_shed(50)
    assert appliance.metric("muster_journal_state") == 1
    assert appliance.metric("muster_heartbeats_shed_total") > 0
    used = body["journal"]["used_bytes"]
    assert used <= body["journal"]["capacity_bytes"] == 6 * MIB
    postgres_server.start()
    wait_journal(appliance, "accepting")
    fleet.wait_acknowledged(2000)
    fleet.stop()
    fleet.wait_all_stored(appliance)
    assert fleet.shed_without_retry_after == 0


@pytest.mark.release
@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
def test_journal_disk_is_full(small_disk, make_appliance, postgres_server, kind):
    """Somebody else fills the disk: refused, never acknowledged without being durable."""
    disk = small_disk(64, kind)
    appliance = make_appliance(
        environment=postgres_server.environment,
        options=["--journal-dir", str(disk.path / "journal"), "--journal-segment", "1MiB",
                 "--journal-capacity", "1GiB"]).start()
    fleet = Fleet(appliance, devices=16, connections=8, per_s=30000).start(appliance)
    fleet.wait_acknowledged(500)
    for _ in range(2):
        disk.fill()
        status, body = wait_journal(appliance, "refusing")
        assert status == 503 and "journal_refusing" in body["degraded"]
        fleet.wait_shed(50)
        disk.relieve()
        wait_journal(appliance, "accepting")
        fleet.wait_acknowledged(1000)
    assert appliance.metric("muster_journal_write_errors_total") > 0
    disk.fill()
    fleet.wait_shed(50)
    appliance.kill()
    appliance.spawn()  # while there is still no room
    fleet.aim(appliance)
    fleet.wait_shed(50)
    disk.relieve()
    appliance.wait_storing()
    fleet.wait_acknowledged(500)
    fleet.stop()
    fleet.wait_all_stored(appliance)
    assert fleet.shed_without_retry_after == 0


def test_database_disk_is_full(small_disk, make_appliance, scratch):
    """The private cluster's disk: acknowledged meanwhile, stored when there is space again."""
    disk = small_disk(320, "ext4")
    journal = scratch / "journal"
    appliance = make_appliance(f"{disk.path.name}/data",
                               options=["--journal-dir", str(journal)]).start()
    fleet = Fleet(appliance, devices=16, connections=8).start(appliance)
    fleet.wait_acknowledged(1000)
    disk.fill()
    wait_until(lambda: (r := appliance.ready()) and "database" in r["degraded"],
               "the full disk to be noticed")
    fleet.wait_acknowledged(5000)
    ready = appliance.ready()
    assert ready["ready"] is True and ready["backlog"]["records"] > 0
    disk.relieve()
    appliance.wait_storing()
    fleet.stop()
    fleet.wait_all_stored(appliance)
    assert fleet.shed_count == 0
