# SPDX-License-Identifier: Apache-2.0
"""muster-loadgen against the real appliance: small runs of each scenario, verified and judged."""
import json
import os
import re
import subprocess

import pytest

pytestmark = pytest.mark.release

OPTIONS = ["--http-request-timeout", "2s", "--http-handshake-timeout", "2s", "--http-idle-timeout",
           "5s",
           "--limits-auth-failures", "0"]
CLEAN = "lost=0,errors=0"


@pytest.fixture
def load(daemon, tmp_path):
    """load(scenario, *options) → (exit code, what --json says, all output)"""
    def run(*arguments, url=None, devices=50, devices_file=None, code=0, environment=None):
        report = tmp_path / "out.json"
        report.unlink(missing_ok=True)
        command = [daemon.bin_dir / "muster-loadgen", arguments[0], "--url", url or daemon.url,
                   "--admin-key-file",
                   daemon.data_dir / "secrets" / "admin-key", "--devices", str(devices),
                   "--devices-file", devices_file or tmp_path / "devices", "--json", report,
                   *arguments[1:]]
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith("MUSTER_")}
        done = subprocess.run(command, env={**clean, **(environment or {})}, capture_output=True,
                              text=True,
                              timeout=120, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return (json.loads(report.read_text()) if report.exists()
                else None), done.stdout + done.stderr
    return run


def stored_all(out):
    verify = out["verify"]
    assert verify["finished"], verify
    assert (verify["lost"], verify["extra"], verify["repeated"]) == (0, 0, 0), verify
    assert verify["acknowledged"] == verify["stored"] > 0, verify
    return verify["stored"]


def test_flood(load, daemon):
    before = daemon.stored()
    out, text = load("flood", "--count", "5000", "--connections", "16", "--verify", "--slo",
                     CLEAN + ",shed=0")
    assert stored_all(out) == 5000 == daemon.stored() - before
    assert out["counts"]["acknowledged"] == 5000 and out["latency"]["count"] == 5000
    assert out["cpu_s"]["server"] > 0 and {stage["name"] for stage in out["stages"]}
    assert "5000" in text.replace(",", "").replace(" ", "").replace("\u2009", "")


def test_flood_at_a_rate(load):
    out, _ = load("flood", "--rate", "500", "--count", "500", "--verify", "--slo", CLEAN)
    assert stored_all(out) == 500 and out["own_delay"]["count"] == 500


def test_flood_over_tls(load, daemon):
    out, _ = load("flood", "--count", "1000", "--connections", "8", "--verify", "--slo", CLEAN,
                  "--insecure",
                  url=daemon.run["https_url"])
    assert stored_all(out) == 1000
    assert daemon.metrics()['muster_tls_handshakes_total{kind="full"}'] >= 8
    _, text = load("flood", "--count", "10", "--fresh", url=daemon.run["https_url"], code=4)
    assert "CERTIFICATE_VERIFY_FAILED" in text, "a stranger's certificate is refused"


def test_storm(load):
    out, _ = load("storm", "--window", "300ms", "--verify", "--slo", CLEAN, devices=500)
    assert stored_all(out) == 500 and out["counts"]["connects"] == 500


def test_steady(load):
    out, _ = load("steady", "--interval", "1s", "--duration", "2s", "--verify", "--slo", CLEAN,
                  devices=20)
    assert stored_all(out) >= 20


def test_compressed(load):
    out, _ = load("compressed", "--speed", "300", "--duration", "3s", "--verify", "--slo", CLEAN)
    assert stored_all(out) >= 50


def test_backlog(load):
    out, _ = load("backlog", "--backlog-items", "700", "--verify", "--slo", CLEAN, devices=10)
    assert stored_all(out) == 7000


def test_malformed(load):
    """Every kind gets exactly the answer it must get, and nothing good is lost between."""
    out, text = load("malformed", "--duration", "4s", "--slow-deadline", "10s", "--verify",
                     "--slo", "lost=0")
    stored_all(out)
    kinds = out["malformed"]
    wrong = [kind for kind in kinds if kind["wrong"]]
    assert not wrong, text
    tried = [kind["kind"] for kind in kinds if kind["tried"]]
    assert len(tried) == len(kinds) >= 40, sorted({kind["kind"] for kind in kinds} - set(tried))


def test_devices_are_reused(load, daemon, tmp_path):
    load("register")
    count = daemon.sql("SELECT count(*) FROM devices")
    out, _ = load("flood", "--count", "200", "--verify", "--slo", CLEAN + ",duplicate=0")
    stored_all(out)
    out, _ = load("flood", "--count", "200", "--verify", "--slo", CLEAN + ",duplicate=0")
    stored_all(out)
    assert daemon.sql("SELECT count(*) FROM devices") == count
    assert (tmp_path / "devices").stat().st_mode & 0o077 == 0


def test_verify_from_postgresql_itself(load, daemon):
    url = f"host={daemon.run['socket_dir']} dbname=muster user=muster"
    out, _ = load("flood", "--count", "500", "--verify", "--database-url", url, "--slo", CLEAN)
    assert stored_all(out) == 500 and out["verify"]["source"]


def test_loss_is_found(load, daemon):
    """A row taken away behind the appliance's back."""
    daemon.sql("CREATE FUNCTION take_away() RETURNS trigger LANGUAGE plpgsql AS"
               " 'BEGIN IF new.seq IS NOT NULL AND new.seq % 50 = 0 THEN RETURN NULL; END IF; "
               "RETURN new; END'")
    daemon.sql("CREATE TRIGGER take_away BEFORE INSERT ON heartbeats FOR EACH ROW EXECUTE FUNCTION "
               "take_away()")
    try:
        out, _ = load("flood", "--count", "5000", "--verify", "--verify-deadline", "1s", code=3)
        assert out["verify"]["lost"] > 0 and out["verify"]["lost_examples"]
    finally:
        daemon.sql("DROP TRIGGER take_away ON heartbeats")


def test_exit_codes(load, tmp_path):
    out, text = load("flood", "--count", "100", "--slo", "p99<1us,errors=0", code=1)
    assert "p99<1us" in text and not all(term["holds"] for term in out["slo"])
    for wrong in (["waltz"], ["flood", "--nonsense"], ["flood", "--slo", "p99~3"],
                  ["flood", "--duration", "soon"]):
        _, text = load(*wrong, code=2)
        assert text.strip()
    _, text = load("flood", "--count", "1", url="http://127.0.0.1:9", code=4)
    assert "127.0.0.1" in text
    (tmp_path / "wrong-key").write_text("ma_wrong\n")
    _, text = load("register", "--admin-key-file", str(tmp_path / "wrong-key"), "--fresh", code=4)
    assert "401" in text or "key" in text


def test_report(load, tmp_path):
    page = tmp_path / "report.html"
    load("flood", "--count", "500", "--verify", "--report", str(page), "--title", "A title & more")
    html = page.read_text()
    assert (html.lower().startswith("<!doctype html>") and "A title &amp; more" in html
            and "<svg" in html)
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", html), "self-contained"
