# SPDX-License-Identifier: Apache-2.0
"""Backups of a running appliance: under load, encrypted, off-site, killed, restored, tried."""
import hashlib
import json
import os
import pathlib
import signal
import stat
import subprocess
import threading
import time

import pytest

from appliance import running, wait_until
from postgres_server import PASSWORD

pytestmark = pytest.mark.one_thread

LIMIT_S = 300  # of one run; it takes seconds


def tool(appliance, *words, expect=0, data_dir=None, environment=None, bin_dir=None):
    """musterd as the program that makes and restores backups."""
    whole = {k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}
    whole.update(appliance.environment)
    whole.update(environment or {})
    done = subprocess.run(
        [(bin_dir or appliance.bin_dir) / "musterd", *map(str, words), "--data-dir",
         data_dir or appliance.data_dir, *map(str, appliance.options)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, env=whole, timeout=LIMIT_S,
        check=False)
    assert done.returncode == expect, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def take(appliance, directory, expect=0, **options):
    """The new backup's directory."""
    done = tool(appliance, "backup", directory, "--json", expect=expect, **options)
    return pathlib.Path(json.loads(done.stdout)["directory"]) if expect == 0 else done


def rows_of(appliance, what, order):
    """Every row as PostgreSQL writes it."""
    return [row[0] for row in
            appliance.sql(f"SELECT t::text FROM (SELECT {what}) AS t ORDER BY {order}")]


def backups(appliance):
    return appliance.sql("SELECT kind, outcome, error, directory, removed_at IS NOT NULL,"
                         " offsite_outcome, after_hook_outcome, check_outcome, check_detail"
                         " FROM backups ORDER BY id")


def flip(path, bit):
    """One bit of a file becomes the other."""
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def names_in(directory):
    return sorted(path.name for path in pathlib.Path(directory).iterdir())


@pytest.mark.release
def test_under_load_then_restored_on_an_empty_machine(appliance, make_appliance, scratch):
    devices = [appliance.register(f"d{i}", hardware_id=f"hw-{i}") for i in range(4)]
    base = int(time.time()) // 10 * 10 - 6 * 3600
    over = threading.Event()
    sent = []

    def load():
        step = 0
        while not over.is_set():
            for device in devices:
                items = [{"ts": base + 10 * (20 * step + i), "battery": i} for i in range(20)]
                answer = appliance.heartbeats(device["token"], items, sent_at=time.time())
                assert answer.status_code == 200, answer.text
                sent.append(20)
            step += 1
            if step == 90:  # the window's end
                break

    thread = threading.Thread(target=load)
    thread.start()
    try:
        wait_until(lambda: sum(sent) >= 400, "load")
        appliance.wait_stored(400)
        before = set(rows_of(appliance, "* FROM heartbeats", "1"))
        backup = take(appliance, scratch / "backups")
    finally:
        over.set()
        thread.join()
    appliance.wait_stored(sum(sent))
    whole = set(rows_of(appliance, "* FROM heartbeats", "1"))

    restored = make_appliance("restored")
    tool(restored, "restore", backup)
    restored.start()
    found = rows_of(restored, "* FROM heartbeats", "1")
    assert len(found) == len(set(found))
    assert before <= set(found) <= whole  # row by row, nothing lost, nothing made up
    for what, order in (("id, alias, kind, hardware_id, created_at FROM devices", "id"),
                        ("* FROM device_tokens", "1"),
                        ("id, name, role, password_hash FROM users", "id"),
                        ("* FROM schema_migrations", "1")):
        assert rows_of(restored, what, order) == rows_of(appliance, what, order), what
    # The same devices go on, with the tokens they have; so do the secrets.
    for device in devices:
        assert restored.heartbeat(device["token"]).status_code == 202
    restored.wait_stored(len(found) + len(devices))
    assert restored.admin_headers() == appliance.admin_headers()
    audit = restored.session.get(restored.url + "/admin/audit/verify", timeout=30,
                                 headers=restored.admin_headers())
    assert audit.json()["ok"] is True, audit.text
    manifest = json.loads((backup / "manifest.json").read_text())
    least, most = manifest["database"]["facts"]["devices"]
    assert least == most == len(devices)
    fresh = restored.register("later")
    assert int(fresh["device_id"]) > max(int(device["device_id"]) for device in devices)


def test_ledgers_alerts_and_the_audit_log_come_back(appliance, make_appliance, scratch):
    """Of every table: what was there when the backup was made is there when it is restored."""
    device = appliance.register("phone")

    def post(path, **body):
        answer = appliance.session.post(appliance.url + path, json=body, timeout=15,
                                        headers=appliance.admin_headers())
        assert answer.status_code in (200, 201, 202), answer.text

    post(f"/admin/devices/{device['device_id']}/commands", type="ping", ttl_s=86400)
    post("/admin/alert-silences", all=True, duration_s=3600, comment="kept")
    appliance.sql("INSERT INTO archive_purged (device_id) VALUES (4711)")

    def tables(of):
        names = of.sql("SELECT c.relname FROM pg_class c JOIN pg_namespace n"
                       " ON n.oid = c.relnamespace WHERE n.nspname = 'public'"
                       " AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1")
        return {name: set(of.sql(f"SELECT t::text FROM {name} t")) for (name,) in names}

    before = tables(appliance)
    backup = take(appliance, scratch / "backups")
    later = tables(appliance)
    restored = make_appliance("restored")
    tool(restored, "restore", backup)
    restored.start()
    found = tables(restored)
    assert set(found) == set(before)
    # Rows that stayed while the backup was made; what each start changes is left out.
    moving = {"backups", "job_runs", "job_reconcile", "ingest_checkpoint", "partition_registry"}
    for name in set(before) - moving:
        assert before[name] & later[name] <= found[name], name
    for name in ("commands", "audit_log", "alert_silences", "archive_purged", "devices",
                 "device_tokens"):
        assert before[name] & later[name], name


def test_what_a_backup_is_made_of(appliance, scratch):
    blobs = appliance.data_dir / "blobs"
    blobs.mkdir(mode=0o750)
    (blobs / "one").write_bytes(b"immutable" * 1000)
    backup = take(appliance, scratch / "backups")
    assert stat.S_IMODE((scratch / "backups").stat().st_mode) == 0o700
    for path in [backup, *backup.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), (path, oct(mode))
    manifest = json.loads((backup / "manifest.json").read_text())
    listed = {path: entry["sha256"] for path, entry in manifest["files"].items()}
    assert listed == {str(path.relative_to(backup)): hashlib.sha256(path.read_bytes()).hexdigest()
                      for path in backup.rglob("*")
                      if path.is_file() and not path.name.startswith("manifest.json")}
    assert {"data/secrets/admin-key", "data/identities", "data/tls/tls.key", "data/blobs/one",
            "postgres/backup_manifest"} <= set(listed)
    assert not any(path.startswith(("data/journal", "data/postgres", "data/run.json"))
                   for path in listed)
    assert manifest["files"]["data/secrets/admin-key"]["mode"] == 0o600
    assert manifest["directories"]["data/blobs"] == 0o750
    # Anybody can verify it without us.
    subprocess.run(["sha256sum", "--check", "--quiet", "manifest.json.sha256"], cwd=backup,
                   check=True)
    subprocess.run(["/usr/lib/postgresql/15/bin/pg_verifybackup", "--quiet", backup / "postgres"],
                   check=True)
    # What has not changed lies there once.
    second = take(appliance, scratch / "backups")
    assert (second / "data/blobs/one").stat().st_ino == (backup / "data/blobs/one").stat().st_ino
    (blobs / "one").write_bytes(b"changed!!" * 1000)
    third = take(appliance, scratch / "backups")
    assert (third / "data/blobs/one").stat().st_ino != (backup / "data/blobs/one").stat().st_ino
    assert (backup / "data/blobs/one").read_bytes() == b"immutable" * 1000


def make_identity(scratch, name):
    done = subprocess.run(["age-keygen", "-o", scratch / name], capture_output=True, text=True,
                          check=True)
    public = next(word for word in done.stderr.split() if word.startswith("age1"))
    (scratch / f"{name}.public").write_text(public + "\n")
    return scratch / name, scratch / f"{name}.public"


@pytest.mark.release
def test_encrypted_round_trip(make_appliance, scratch):
    identity, recipients = make_identity(scratch, "identity")
    other, _ = make_identity(scratch, "other")
    appliance = make_appliance(options=["--backup-recipients", str(recipients)])
    appliance.start()
    token = appliance.register()["token"]
    assert appliance.heartbeat(token).status_code == 202
    appliance.wait_stored(1)
    backup = take(appliance, scratch / "backups")
    assert names_in(backup) == ["manifest.json", "manifest.json.sha256", "sealed.tar.zst.age"]
    assert not (appliance.data_dir / "backup-staging").exists()  # it lay there in the clear
    sealed = (backup / "sealed.tar.zst.age").read_bytes()
    key = (appliance.data_dir / "secrets/admin-key").read_bytes().strip()
    assert sealed.startswith(b"age-encryption.org/v1") and key not in sealed
    checked = tool(appliance, "backup-check", scratch / "backups")
    assert "skipped" in checked.stdout and "encrypted" in checked.stdout

    restored = make_appliance("restored")
    refused = tool(restored, "restore", backup, expect=1)
    assert "--identity" in refused.stderr
    refused = tool(restored, "restore", backup, "--identity", other, expect=1)
    assert "age" in refused.stderr
    assert names_in(restored.data_dir) == ["musterd.pid"]  # nothing of it came in
    tool(restored, "restore", backup, "--identity", identity)
    assert not (restored.data_dir / "backup-staging").exists()
    restored.start()
    assert restored.stored() == 1
    assert restored.heartbeat(token, ts=time.time() - 30).status_code == 202


def test_a_flipped_bit_anywhere_is_found_and_named(appliance, make_appliance, scratch, dice):
    backup = take(appliance, scratch / "backups")
    files = [path for path in backup.rglob("*") if path.is_file() and path.stat().st_size]
    chosen = [backup / "manifest.json", backup / "manifest.json.sha256",
              backup / "data/secrets/hmac-master", backup / "postgres/backup_manifest",
              *dice.sample(files, 4)]
    restored = make_appliance("restored")
    for path in chosen:
        bit = dice.randrange(path.stat().st_size * 8)
        flip(path, bit)
        refused = tool(restored, "restore", backup, expect=1)
        name = ("manifest.json" if path.name.startswith("manifest.json")
                else str(path.relative_to(backup)))
        assert f"{name}" in refused.stderr and "damaged" in refused.stderr, (path, refused.stderr)
        assert names_in(restored.data_dir) == ["musterd.pid"]
        flip(path, bit)
    lost = backup / "data/identities"
    lost.rename(scratch / "lost")
    assert "missing" in tool(restored, "restore", backup, expect=1).stderr
    (scratch / "lost").rename(lost)
    tool(restored, "restore", backup)


def test_what_rotted_in_an_earlier_backup_is_not_linked(appliance, make_appliance, scratch):
    first = take(appliance, scratch / "backups")
    flip(first / "data/secrets/hmac-master", 11)
    second = take(appliance, scratch / "backups")
    restored = make_appliance("restored")
    assert "damaged" in tool(restored, "restore", first, expect=1).stderr
    tool(restored, "restore", second)
    secret = "secrets/hmac-master"
    assert (restored.data_dir / secret).read_bytes() == (appliance.data_dir / secret).read_bytes()


def test_the_self_test_finds_what_is_not_good(appliance, scratch):
    appliance.register()
    good = take(appliance, scratch / "backups")
    done = tool(appliance, "backup-check", scratch / "backups")
    assert done.stdout.startswith("ok: restored and counted") and "audit chain holds" in done.stdout
    assert backups(appliance)[-1][7] == "ok"
    assert not (appliance.data_dir / "backup-check").exists()
    assert appliance.metric("muster_backup_last_check_ok") == 1

    damaged = next(path for path in (good / "postgres/base").rglob("*")
                   if path.is_file() and path.stat().st_size >= 8192)
    flip(damaged, 8 * 4000)
    done = tool(appliance, "backup-check", scratch / "backups", expect=3)
    assert str(damaged.relative_to(good)) in done.stderr
    assert backups(appliance)[-1][7:] == ("failed", backups(appliance)[-1][8])
    assert str(damaged.relative_to(good)) in backups(appliance)[-1][8]
    assert appliance.metric("muster_backup_last_check_ok") == 0
    flip(damaged, 8 * 4000)

    # Files as they should be, and another database in them than there was.
    manifest = json.loads((good / "manifest.json").read_text())
    manifest["database"]["facts"]["devices"] = [7, 7]
    text = json.dumps(manifest)
    (good / "manifest.json").write_text(text)
    (good / "manifest.json.sha256").write_text(
        hashlib.sha256(text.encode()).hexdigest() + "  manifest.json\n")
    done = tool(appliance, "backup-check", scratch / "backups", expect=3)
    assert "1 for devices" in done.stderr and "7 to 7" in done.stderr
    assert not (appliance.data_dir / "backup-check").exists()
    assert appliance.heartbeat(appliance.register()["token"]).status_code == 202  # untouched


def hook(path, script):
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    return str(path)


def test_hooks(make_appliance, scratch):
    said = scratch / "said"
    before = hook(scratch / "before",
                  f'echo "$1 $2 $BACKUP_DIRECTORY" >>{said}; echo getting ready\n'
                  f'test ! -e {scratch}/no || {{ echo not now >&2; exit 7; }}\n')
    after = hook(scratch / "after",
                 f'echo "$1 $3 $BACKUP_OUTCOME ${{OURS:-clean}}" >>{said}\n'
                 f'test ! -e {scratch}/slow || {{ sleep 1000 & echo $! >{scratch}/pid; wait; }}\n')
    appliance = make_appliance(options=["--backup-before", before, "--backup-after", after,
                                        "--backup-hook-timeout", "2s"])
    appliance.start()
    done = tool(appliance, "backup", scratch / "backups", "--json", environment={"OURS": "secret"})
    backup = json.loads(done.stdout)["directory"]
    assert said.read_text() == f"before {backup} {backup}\nafter ok ok clean\n"
    assert "hook before: getting ready" in done.stderr
    (scratch / "no").touch()
    done = take(appliance, scratch / "backups", expect=1)
    assert "backup.before stopped it" in done.stderr and "not now" in done.stderr
    assert said.read_text().endswith("after failed failed clean\n")
    assert len(names_in(scratch / "backups")) == 1
    (scratch / "no").unlink()
    (scratch / "slow").touch()
    done = tool(appliance, "backup", scratch / "backups", "--json")
    assert "within 2 s" in json.loads(done.stdout)["hook_problem"]
    slept = (scratch / "pid").read_text().strip()
    wait_until(lambda: not running(slept), "what the hook had started to be ended")
    assert [(row[1], row[6]) for row in backups(appliance)] == [
        ("ok", "ok"), ("failed", "ok"), ("ok", "failed")]


def test_the_oldest_go_after_a_newer_good_one(make_appliance, scratch):
    appliance = make_appliance(options=["--backup-keep", "2"])
    appliance.start()
    made = [take(appliance, scratch / "backups") for _ in range(3)]
    assert names_in(scratch / "backups") == sorted(path.name for path in made[1:])
    assert [row[4] for row in backups(appliance)] == [True, False, False]
    # One that fails takes none along.
    appliance.options += ["--backup-before", "/bin/false"]
    take(appliance, scratch / "backups", expect=1)
    assert names_in(scratch / "backups") == sorted(path.name for path in made[1:])


def test_off_site(make_appliance, scratch):
    away = scratch / "away"
    appliance = make_appliance(options=["--backup-offsite", str(away), "--backup-keep", "2"])
    appliance.start()
    (appliance.data_dir / "blob").write_bytes(b"immutable" * 1000)
    made = [take(appliance, scratch / "backups") for _ in range(3)]
    assert names_in(away) == sorted(path.name for path in made[1:])
    copies = [away / path.name for path in made[1:]]
    assert copies[0].joinpath("data/blob").stat().st_ino == \
        copies[1].joinpath("data/blob").stat().st_ino  # once there too
    restored = make_appliance("restored")
    restored.options = []
    tool(restored, "restore", away)  # the newest there
    restored.start()
    restored.terminate()
    # It can't be reached: the backup is good all the same, and it is said.
    for path in away.rglob("*"):
        if path.is_file():
            path.unlink()
    for path in sorted(away.rglob("*"), reverse=True):
        path.rmdir()
    away.rmdir()
    away.write_text("a file")
    done = tool(appliance, "backup", scratch / "backups", "--json")
    result = json.loads(done.stdout)
    assert result["outcome"] == "ok" and str(away) in result["offsite_problem"]
    assert [row[5] for row in backups(appliance)] == ["ok", "ok", "ok", "failed"]


def test_killed_in_the_middle(failpoint_bin_dir, make_appliance, scratch):
    appliance = make_appliance(bin_dir=failpoint_bin_dir)
    appliance.start()
    directory = scratch / "backups"
    for point in ("backup.database", "backup.copy_file", "backup.before_manifest",
                  "backup.before_rename"):
        tool(appliance, "backup", directory, expect=-signal.SIGKILL,
             environment={"MUSTER_FAILPOINTS": f"{point}=crash"})
        names = names_in(directory)
        assert len(names) == 1 and names[0].startswith(".muster-"), names  # the last one's is gone
        restored = tool(appliance, "restore", directory, data_dir=scratch / "none", expect=1)
        assert "no whole backup" in restored.stderr
    assert backups(appliance)[-1][1] == "running"
    backup = take(appliance, directory)
    assert names_in(directory) == [backup.name]
    assert [row[1] for row in backups(appliance)] == ["failed"] * 4 + ["ok"]
    assert backups(appliance)[0][2] == "it was interrupted"
    # An error is cleaned up at once.
    tool(appliance, "backup", directory, expect=1,
         environment={"MUSTER_FAILPOINTS": "backup.before_rename=error:ENOSPC"})
    assert names_in(directory) == [backup.name]
    assert "No space" in backups(appliance)[-1][2]


def test_an_existing_postgresql(make_appliance, postgres_server, scratch):
    appliance = make_appliance(environment=postgres_server.environment)
    appliance.start()
    token = appliance.register("phone")["token"]
    assert appliance.heartbeats(token, [{"ts": time.time() - 10 * i} for i in range(50)],
                                sent_at=time.time()).status_code == 200
    appliance.wait_stored(50)
    backup = take(appliance, scratch / "backups")
    assert "database.dump" in names_in(backup) and "postgres" not in names_in(backup)
    assert not any(PASSWORD.encode() in path.read_bytes()
                   for path in backup.rglob("*") if path.is_file())
    assert tool(appliance, "backup-check", backup).stdout.startswith("ok: restored and counted")
    refused = tool(appliance, "restore", backup, data_dir=scratch / "other", expect=1)
    assert "not empty" in refused.stderr

    whole = rows_of(appliance, "* FROM heartbeats", "1")
    connection = postgres_server.connect()
    connection.autocommit = True
    connection.cursor().execute("CREATE DATABASE second")
    connection.close()
    url = {"MUSTER_DATABASE_URL": postgres_server.url_of("second")}
    restored = make_appliance("restored", environment=url)
    tool(restored, "restore", backup)
    restored.start()
    assert rows_of(restored, "* FROM heartbeats", "1") == whole
    assert restored.heartbeat(token, ts=time.time() - 3600).status_code == 202
    restored.wait_stored(51)
    # Or into a database of its own.
    private = make_appliance("private")
    tool(private, "restore", backup)
    private.start()
    assert rows_of(private, "* FROM heartbeats", "1") == whole
    assert private.heartbeat(token, ts=time.time() - 3600).status_code == 202


def test_the_journal_that_survives_is_replayed(appliance, scratch):
    old = appliance.register("old")["token"]
    assert appliance.heartbeat(old).status_code == 202
    appliance.wait_stored(1)
    backup = take(appliance, scratch / "backups")
    fresh = appliance.register("fresh")
    base = time.time() - 3600
    for i in range(1, 21):
        assert appliance.heartbeat(old, ts=base - 10 * i).status_code == 202
        assert appliance.heartbeat(fresh["token"], ts=base - 10 * i).status_code == 202
    appliance.wait_stored(41)
    whole = rows_of(appliance, "device_id, bucket, received_at FROM heartbeats", "1")
    assert appliance.terminate() == 0
    refused = tool(appliance, "restore", backup, expect=1)
    assert "--replace" in refused.stderr
    tool(appliance, "restore", backup, "--replace")
    appliance.start()
    wait_until(lambda: rows_of(appliance, "device_id, bucket, received_at FROM heartbeats", "1")
               == whole, "what the backup lacks")
    assert appliance.heartbeat(old).status_code == 202
    # The device that the backup knows nothing of is put back from the identities.
    assert appliance.heartbeat(fresh["token"]).status_code == 202
    assert len([name for name in names_in(appliance.data_dir) if name.startswith("replaced-")]) == 1
    # Without it the backup is all there is.
    assert appliance.terminate() == 0
    tool(appliance, "restore", backup, "--replace", "--without-journal")
    appliance.start()
    assert appliance.stored() == 1
    assert appliance.heartbeat(fresh["token"]).status_code == 401


def test_what_is_refused(appliance, make_appliance, scratch):
    backup = take(appliance, scratch / "backups")
    running = tool(appliance, "restore", backup, "--replace", expect=1)
    assert "Another musterd" in running.stderr
    stopped = make_appliance("stopped")
    stopped.data_dir.mkdir()
    assert "no appliance runs" in tool(stopped, "backup", scratch / "x", expect=1).stderr
    (scratch / "open").mkdir(mode=0o777)
    (scratch / "open").chmod(0o777)
    assert "chmod 700" in tool(appliance, "backup", scratch / "open", expect=1).stderr
    assert "name the directory" in tool(appliance, "backup", expect=2).stderr
    assert "no whole backup" in tool(stopped, "restore", scratch / "open", expect=1).stderr
    assert "--without-journal" in tool(stopped, "restore", backup, "--without-journal",
                                       expect=2).stderr


def test_scheduled_asked_for_and_tried(make_appliance, scratch):
    also = scratch / "also"
    appliance = make_appliance(options=["--backup-directory", str(scratch / "backups"),
                                        "--backup-directories", str(also)])
    appliance.start()
    # The first comes by itself, and is tried.
    wait_until(lambda: backups(appliance) and backups(appliance)[0][7] == "ok", "the self-test",
               deadline_s=180)
    assert backups(appliance)[0][:2] == ("scheduled", "ok")

    def post(**body):
        return appliance.session.post(appliance.url + "/admin/backups", json=body, timeout=15,
                                      headers=appliance.admin_headers())

    assert post(directory=str(scratch / "elsewhere")).status_code == 403
    assert post(directory=f"{also}/../elsewhere").status_code == 403
    answer = post(directory=str(also / "deep"))
    assert answer.status_code == 202, answer.text
    wait_until(lambda: len(backups(appliance)) == 2 and backups(appliance)[1][1] == "ok",
               "the one asked for", deadline_s=180)
    assert backups(appliance)[1][0] == "asked"
    assert len(names_in(also / "deep")) == 1
    listed = appliance.session.get(appliance.url + "/admin/backups", timeout=15,
                                   headers=appliance.admin_headers()).json()["backups"]
    assert [(row["kind"], row["outcome"]) for row in listed] == [("asked", "ok"),
                                                                 ("scheduled", "ok")]
    assert listed[0]["requested_by"] == "admin-key"
    one = appliance.session.get(f"{appliance.url}/admin/backups/{listed[1]['id']}", timeout=15,
                                headers=appliance.admin_headers()).json()
    assert one["check_outcome"] == "ok" and one["bytes"] > 0
    assert appliance.metric("muster_backup_last_success_timestamp_seconds") > time.time() - 3600


def test_musterctl_hands_over(appliance, make_appliance, scratch):
    def ctl(*words, expect=0):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}
        environment["MUSTER_URL"] = appliance.url  # musterd must not stumble over it
        done = subprocess.run([appliance.bin_dir / "musterctl", *map(str, words)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=LIMIT_S, env=environment, check=False)
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    if not (appliance.bin_dir / "musterctl").exists():
        pytest.skip("musterctl is not built")
    ctl("backup", scratch / "backups", "--data-dir", appliance.data_dir)
    restored = make_appliance("restored")
    ctl("restore", scratch / "backups", "--data-dir", restored.data_dir)
    restored.start()
    key = ("--admin-key-file", appliance.data_dir / "secrets" / "admin-key")
    assert "manual" in ctl("backups", "list", *key).stdout
    refused = ctl("restore", scratch / "backups", "--data-dir", restored.data_dir, expect=1)
    assert "Another musterd" in refused.stderr
