# SPDX-License-Identifier: Apache-2.0
"""The doctor: each check's answers provoked, over HTTP, by musterctl, and without a daemon."""
import datetime
import json
import os
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance import wait_until

pytestmark = pytest.mark.one_thread


def environment(**more):
    return {**{k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}, **more}


def by_name(report):
    checks = {check["name"]: check for check in report["checks"]}
    assert len(checks) == len(report["checks"])  # each once
    for check in checks.values():
        assert check["found"], check
        assert bool(check["advice"]) or check["status"] in ("ok", "skip"), check
    counts = {"ok": 0, "warn": 0, "fail": 0, "skip": 0}
    for check in checks.values():
        counts[check["status"]] += 1
    assert report["counts"] == counts
    worst = "fail" if counts["fail"] else "warn" if counts["warn"] else "ok"
    assert report["status"] == worst
    return checks


def ask(appliance):
    answer = appliance.session.get(appliance.url + "/admin/doctor", timeout=60,
                                   headers=appliance.admin_headers())
    assert answer.status_code == 200, answer.text
    return by_name(answer.json())


# -- without a daemon ------------------------------------------------------------------------------

class Place:
    """A data directory as the first start leaves it, and the doctor who looks at it."""

    def __init__(self, bin_dir, path):
        self.bin_dir = bin_dir
        self.path = path
        for name in ("secrets", "tls"):
            (path / name).mkdir(parents=True)
        (path / "secrets").chmod(0o700)
        for name in ("admin-key", "jwt-secret", "hmac-master"):
            self.put_secret(name, "q7Jx0LwRtZ5vKc8sBn2MfYh4Gd6PaE1u")

    def put_secret(self, name, text, mode=0o600):
        (self.path / "secrets" / name).write_text(text + "\n")
        (self.path / "secrets" / name).chmod(mode)

    def __call__(self, *options):
        done = subprocess.run(
            [self.bin_dir / "musterd", "doctor", "--data-dir", self.path, *map(str, options)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
            env=environment(), check=False)
        report = json.loads(done.stdout)
        assert done.returncode == {"ok": 0, "warn": 1, "fail": 2}[report["status"]]
        return by_name(report)

    def put_certificate(self, days, issuer="somebody", name="tls.crt"):
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.timezone.utc)

        def named(text):
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        certificate = (x509.CertificateBuilder().subject_name(named("appliance"))
                       .issuer_name(named(issuer)).public_key(key.public_key())
                       .serial_number(1).not_valid_before(now - datetime.timedelta(days=400))
                       .not_valid_after(now + datetime.timedelta(days=days, hours=1))
                       .sign(key, hashes.SHA256()))
        path = self.path / "tls" / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path


@pytest.fixture
def place(bin_dir, scratch):
    return Place(bin_dir, scratch / "data")


def test_secrets(place):
    assert place()["secrets"]["status"] == "ok"
    place.put_secret("admin-key", "q7Jx0LwRtZ5vKc8sBn2MfYh4Gd6PaE1u", mode=0o640)
    assert place()["secrets"]["status"] == "fail"
    assert "open to others" in place()["secrets"]["found"]
    for weak in ("short", "a" * 43, "admin" * 9):
        place.put_secret("admin-key", weak)
        found = place()["secrets"]
        assert found["status"] == "fail" and "weak" in found["found"]
        assert weak not in found["found"]
    (place.path / "secrets" / "admin-key").unlink()
    assert "missing" in place()["secrets"]["found"]
    (place.path / "secrets").chmod(0o755)
    assert "open to others" in place()["secrets"]["found"]


def test_the_first_password(place):
    assert place()["first-password"]["status"] == "ok"
    place.put_secret("admin-password", "a fine long password")
    assert place()["first-password"]["status"] == "ok"
    old = time.time() - 2 * 86400
    os.utime(place.path / "secrets" / "admin-password", (old, old))
    assert place()["first-password"]["status"] == "warn"


def test_the_certificate(place):
    assert place()["certificate"]["status"] == "skip"  # none yet
    place.put_certificate(days=300)
    assert place()["certificate"]["status"] == "ok"
    place.put_certificate(days=300, issuer="appliance")
    assert "self-signed" in place()["certificate"]["found"]
    assert place()["certificate"]["status"] == "warn"
    place.put_certificate(days=10)
    assert place()["certificate"]["status"] == "warn"
    assert "10 days" in place()["certificate"]["found"]
    place.put_certificate(days=-2)
    assert place()["certificate"]["status"] == "fail"
    other = place.put_certificate(days=300, name="other.pem")
    assert place("--tls-certificate", other, "--tls-key", other)["certificate"]["status"] == "ok"
    (place.path / "tls" / "tls.crt").write_text("no certificate")
    assert place()["certificate"]["status"] == "fail"


@pytest.mark.parametrize("name, status, options", [
    ("plain-http", "ok", []),
    ("plain-http", "ok", ["--http-address", "::1"]),
    ("plain-http", "warn", ["--http-address", "0.0.0.0"]),
    ("cors", "ok", ["--http-cors-origins", "https://console.example"]),
    ("cors", "warn", ["--http-cors-origins", "http://console.example"]),
    ("cors", "fail", ["--http-cors-origins", "*"]),
    ("trusted-proxies", "ok", ["--http-trusted-proxies", "10.0.0.0/8"]),
    ("trusted-proxies", "fail", ["--http-trusted-proxies", "0.0.0.0/0"]),
    ("limits", "ok", []),
    ("limits", "warn", ["--limits-general-max", "0"]),
    ("limits", "warn", ["--limits-auth-failures", "0"]),
    ("password-hash", "ok", []),
    ("password-hash", "fail", ["--accounts-bcrypt-cost", "4"]),
    ("log", "ok", []),
    ("log", "warn", ["--log-level", "debug"]),
    ("mail", "warn", []),
    ("mail", "ok", ["--smtp-url", "smtp://mail.example:587", "--smtp-from", "a@example.org"]),
    ("fcm", "skip", []),
    ("fcm", "ok", ["--fcm-service-account", "/etc/key.json"]),
    ("backup-schedule", "warn", []),
    ("backup-schedule", "warn", ["--backup-directory", "/nonexistent/backups"]),
    ("backup-schedule", "warn", ["--backup-directory", "DATA"]),  # the data's own disk
    ("backup-schedule", "ok", ["--backup-directory", "DATA", "--backup-offsite", "/mnt"]),
    ("backup-programs", "ok", []),
    ("descriptors", "warn", ["--http-connections-max", "9000000"]),
])
def test_settings(place, name, status, options):
    found = place(*[place.path if word == "DATA" else word for word in options])[name]
    assert found["status"] == status, found


def test_the_machine_is_looked_at(place):
    checks = place()
    for name in ("disk", "memory", "clock", "descriptors", "kernel"):
        assert name in checks
    assert checks["running"]["status"] == "warn"
    assert "journal-disk" in place("--journal-dir", "/tmp/elsewhere") or \
        not os.path.isdir("/tmp/elsewhere")


# -- with one --------------------------------------------------------------------------------------

def test_a_new_appliance(appliance):
    checks = ask(appliance)
    for name in ("ready", "journal-room", "journal-damage", "storing", "postgres-restarts", "jobs",
                 "postgres-durability", "postgres-connections", "partitions", "migrations",
                 "archive", "administrators", "quarantine", "rejected-records", "agent-versions",
                 "audit-chain", "secrets", "first-password", "plain-http"):
        assert checks[name]["status"] == "ok", checks[name]
    assert checks["backup"]["status"] == "fail"        # none was made
    assert checks["backup-check"]["status"] == "skip"  # so there is none to try
    assert checks["passwords"]["status"] == "warn"     # the first one's
    assert checks["alert-channels"]["status"] == "warn"
    assert checks["certificate"]["status"] == "warn"   # self-signed
    token = appliance.register()["token"]
    answer = appliance.session.get(appliance.url + "/admin/doctor", timeout=60,
                                   headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code in (401, 403)


BACKUP = ("INSERT INTO backups (kind, directory, database, started_at, finished_at, outcome, error,"
          " offsite_outcome, offsite_detail, checked_at, check_outcome, check_detail)"
          " VALUES ('manual', '/b/' || %s, 'cluster', now() - make_interval(hours => %s) - "
          "interval '1 hour', now() - make_interval(hours => %s), %s, %s, %s, %s, "
          "now() - make_interval(hours => %s), %s, %s)")


def test_backups(appliance):
    def put(hours, outcome="ok", error="", offsite=None, detail="", checked=None, check=None,
            check_detail=""):
        appliance.sql("DELETE FROM backups")
        appliance.sql(BACKUP, str(hours), hours, hours, outcome, error, offsite, detail, checked,
                      check, check_detail)
        return ask(appliance)

    assert put(2)["backup"]["status"] == "ok"
    assert put(2)["backup-check"]["status"] == "warn"  # never tried
    assert put(24 * 8)["backup"]["status"] == "fail"
    assert put(2, checked=1, check="ok", check_detail="fine")["backup-check"]["status"] == "ok"
    assert put(2, checked=24 * 31, check="ok")["backup-check"]["status"] == "warn"
    assert put(2, checked=1, check="skipped", check_detail="no room")["backup-check"]["status"] \
        == "skip"
    bad = put(2, checked=1, check="failed", check_detail="data/identities is damaged")
    assert bad["backup-check"]["status"] == "fail"
    assert "data/identities" in bad["backup-check"]["found"]
    away = put(2, offsite="failed", detail="the disk is gone")
    assert away["backup-offsite"]["status"] == "fail"
    assert "the disk is gone" in away["backup-offsite"]["found"]
    failed = put(2, outcome="failed", error="no room")
    assert failed["backup-outcome"]["status"] == "fail"
    assert "no room" in failed["backup-outcome"]["found"] and failed["backup"]["status"] == "fail"


def test_what_stands_in_the_database(appliance):
    device = appliance.register("clone")
    appliance.sql("UPDATE devices SET quarantined_at = now() WHERE id = %s",
                  int(device["device_id"]))
    assert ask(appliance)["quarantine"]["status"] == "warn"
    appliance.sql("INSERT INTO ingest_rejects (journal_id, seq, device_id, reason, record)"
                  " VALUES (decode(repeat('00', 16), 'hex'), 1, 1, 'data', '')")
    assert ask(appliance)["rejected-records"]["status"] == "warn"
    appliance.sql("INSERT INTO alert_channels (kind, name, broken, error, updated_by)"
                  " VALUES ('email', 'people', false, NULL, 'test')")
    assert ask(appliance)["alert-channels"]["status"] == "warn"  # nothing was ever sent
    appliance.sql("INSERT INTO alert_notifications (channel_id, created_at, due_at, finished_at,"
                  " kind, state) SELECT id, now(), now(), now(), 'test', 'sent'"
                  " FROM alert_channels")
    assert ask(appliance)["alert-channels"]["status"] == "ok"
    appliance.sql("UPDATE alert_channels SET broken = true, error = 'the server refuses'")
    assert "the server refuses" in ask(appliance)["alert-channels"]["found"]
    assert ask(appliance)["alert-channels"]["status"] == "fail"
    appliance.sql("INSERT INTO archive_days (parent, day, created_at, archived_at, state,"
                  " manifest_sha256, sequence, verified_at) VALUES ('heartbeats', '2026-01-01',"
                  " now(), now(), 'archived', decode(repeat('00', 32), 'hex'), 1,"
                  " now() - interval '50 days')")
    assert ask(appliance)["archive"]["status"] == "warn"
    appliance.sql("UPDATE archive_days SET verify_ok = false, verify_detail = 'part 3'")
    assert ask(appliance)["archive"]["status"] == "fail"
    assert "part 3" in ask(appliance)["archive"]["found"]
    appliance.sql("UPDATE users SET password_change_advised = false")
    assert ask(appliance)["passwords"]["status"] == "ok"
    appliance.sql("UPDATE users SET disabled_at = now()")
    assert ask(appliance)["administrators"]["status"] == "warn"
    appliance.sql("DELETE FROM partition_registry WHERE range_from > now()")
    assert ask(appliance)["partitions"]["status"] == "warn"
    # The log is linked before it is changed, else it is only a line like others.
    wait_until(lambda: appliance.sql("SELECT count(*) FROM audit_log") ==
               appliance.sql("SELECT count(*) FROM audit_chain"), "the audit chain")
    appliance.sql("ALTER TABLE audit_log DISABLE TRIGGER ALL;"
                  " UPDATE audit_log SET actor = 'somebody else' WHERE id ="
                  " (SELECT min(id) FROM audit_log)")
    assert ask(appliance)["audit-chain"]["status"] == "fail"


def test_jobs_that_fail(appliance):
    # What is not configured is asked for in vain: no job fails.
    for name in ("backup", "backup_check"):
        assert "backup.directory" in appliance.run_job(name, expect="skipped")["error"]
        assert appliance.metric(f'muster_job_failures_in_a_row{{job="{name}"}}') == 0
    appliance.run_job("selections")
    assert ask(appliance)["jobs"]["status"] == "ok", ask(appliance)["jobs"]
    appliance.sql("ALTER TABLE selections RENAME TO selections_away")
    try:
        appliance.run_job("selections", expect="failed")
        found = ask(appliance)["jobs"]
        assert found["status"] != "ok" and "selections" in found["found"]
    finally:
        appliance.sql("ALTER TABLE selections_away RENAME TO selections")


@pytest.mark.release
def test_while_postgresql_is_away(appliance, make_appliance, postgres_server):
    away = make_appliance("away", environment=postgres_server.environment)
    away.start()
    assert ask(away)["storing"]["status"] == "ok"
    postgres_server.stop("immediate")
    token_free = wait_until(lambda: ask(away)["storing"]["status"] == "fail" and ask(away),
                            "the outage to be seen")
    assert token_free["postgres"]["status"] == "fail"
    assert token_free["ready"]["status"] == "ok"  # heartbeats are acknowledged all the same
    # The private one comes back by itself, and that it ended is told.
    os.kill(appliance.postgres_pid(), 9)
    wait_until(lambda: ask(appliance)["postgres-restarts"]["status"] == "warn", "the restart")


def test_musterctl(appliance, scratch):
    if not (appliance.bin_dir / "musterctl").exists():
        pytest.skip("musterctl is not built")

    def ctl(*words):
        return subprocess.run(
            [appliance.bin_dir / "musterctl", "doctor", "--admin-key-file",
             appliance.data_dir / "secrets" / "admin-key", *map(str, words)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
            env=environment(MUSTER_URL=appliance.url, XDG_CONFIG_HOME=str(scratch)), check=False)

    done = ctl()
    assert done.returncode == 2, done.stdout + done.stderr  # there is no backup
    lines = done.stdout.splitlines()
    assert any(line.startswith("✓ ready ") for line in lines)
    assert any(line.startswith("✗ backup ") for line in lines)
    assert any(line.startswith("! passwords ") for line in lines)
    assert any("→ musterctl backup DIR" in line for line in lines)
    assert lines[-1].endswith("wrong.")
    assert json.loads(ctl("--json").stdout)["status"] == "fail"
    # Nobody answers: what can be seen from here.
    data = appliance.data_dir
    assert appliance.terminate() == 0
    report = json.loads(ctl("--json", "--data-dir", data).stdout)
    assert by_name(report)["secrets"]["status"] == "ok"
    assert by_name(report)["running"]["status"] == "warn"
