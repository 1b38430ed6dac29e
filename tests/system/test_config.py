# SPDX-License-Identifier: Apache-2.0
"""Settings as an operator meets them: flags, environment, file, suggestions, signals."""
import base64
import hashlib
import json
import os
import re
import signal
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from appliance import wait_until

pytestmark = pytest.mark.one_thread


@pytest.fixture(scope="module")
def musterd(bin_dir):
    """musterd(*arguments, **environment) → (exit code, output, errors), of what ends by itself."""
    def run(*arguments, **environment):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}
        done = subprocess.run([bin_dir / "musterd", *arguments], env={**clean, **environment},
                              capture_output=True, text=True, timeout=30, check=False, cwd="/")
        return done.returncode, done.stdout, done.stderr
    return run


def settings(text):
    return dict(re.findall(r"(?m)^([a-z_.]+) = (.*)$", text))


def test_check_config_prints_what_would_hold(musterd):
    code, out, err = musterd("--check-config")
    assert code == 0 and err == ""
    found = settings(out)
    assert found["tls.port"] == "8443" and found["http.port"] == "8080"
    assert found["data.dir"] == "./var"
    assert found["ingest.window_back"] == "7d" and found["journal.segment"] == "64MiB"


def test_file_environment_flag_in_that_order(musterd, tmp_path):
    file = tmp_path / "muster.conf"
    file.write_text("# a comment\n[writer]\ncount = 3\nbatch_age = 1s\n"
                    "[journal]\n  tail=8MiB\n[http]\nport = 81\n")
    found = settings(musterd("--config", str(file), "--check-config", "--writer-count", "5",
                             MUSTER_WRITER_COUNT="4", MUSTER_HTTP_PORT="82")[1])
    assert found["writer.count"] == "5" and found["http.port"] == "82"
    assert found["writer.batch_age"] == "1s" and found["journal.tail"] == "8MiB"
    assert settings(musterd("--check-config", MUSTER_CONFIG=str(file))[1])["writer.count"] == "3"
    assert settings(musterd("--check-config", "--writer-count=7")[1])["writer.count"] == "7"
    assert settings(musterd("--check-config", MUSTER_PORT="9")[1])["tls.port"] == "9"


@pytest.mark.parametrize("arguments, environment, file, said", [
    (["--prot", "1"], {}, None, "did you mean --port?"),
    (["--writer-cuont", "1"], {}, None, "did you mean --writer-count?"),
    (["--writer-count"], {}, None, "--writer-count"),
    (["extra"], {}, None, "extra"),
    (["--writer-count", "99"], {}, None, "--writer-count"),
    (["--journal-tail", "8 parsecs"], {}, None, "--journal-tail"),
    (["--ingest-window-back", "7"], {}, None, "--ingest-window-back"),
    ([], {"MUSTER_WRITER_COUTN": "1"}, None, "did you mean MUSTER_WRITER_COUNT?"),
    ([], {"MUSTER_WRITER_COUNT": "many"}, None, "MUSTER_WRITER_COUNT"),
    ([], {}, "[writer]\ncuont = 3\n", "did you mean writer.count?"),
    ([], {}, "[writre]\ncount = 3\n", "did you mean writer.count?"),
    ([], {}, "[writer]\n\nnonsense\n", "line 3"),
    ([], {}, "[writer]\ncount = 3x\n", "line 2"),
])
def test_mistakes_are_told_where_and_how(musterd, tmp_path, arguments, environment, file, said):
    if file is not None:
        (tmp_path / "muster.conf").write_text(file)
        arguments = ["--config", str(tmp_path / "muster.conf"), *arguments]
    for extra in (["--check-config"], []):
        code, out, err = musterd(*arguments, *extra, **environment)
        assert code == 2 and out == "", (out, err)
        assert said in err and err.count("\n") == 1 and err.startswith("musterd: "), err


def test_settings_that_contradict_each_other(musterd):
    for arguments, said in ((["--retention-heartbeats", "8d"], "retention"),
                            (["--tls-certificate", "/x.crt"], "tls"),
                            (["--ingest-ring", "65537"], "ring"),
                            (["--http-trusted-proxies", "10.0.0.0/33"], "10.0.0.0/33"),
                            (["--http-cors-origins", "https://a/b"], "https://host:port"),
                            (["--journal-segment", "1500KiB"], "segment")):
        code, _, err = musterd("--check-config", *arguments)
        assert code == 2 and said in err, (arguments, code, err)


def test_help_lists_everything(musterd):
    code, out, err = musterd("--help")
    assert code == 0 and err == ""
    names = settings(musterd("--check-config")[1])
    section = None
    listed = set()
    for line in out.splitlines():
        if re.fullmatch(r"\[[a-z]+\]", line):
            section = line[1:-1]
        elif (found := re.match(r"#?([a-z_]+) =", line)) and section:
            listed.add(f"{section}.{found.group(1)}")
    assert listed == set(names)
    assert "--check-config" in out and "MUSTER_" in out


def test_help_is_a_configuration_file(musterd, tmp_path):
    """What --help prints can be saved and used."""
    file = tmp_path / "muster.conf"
    file.write_text(musterd("--help")[1][musterd("--help")[1].index("[data]"):])
    code, out, err = musterd("--config", str(file), "--check-config")
    assert code == 0, err
    assert settings(out) == settings(musterd("--check-config")[1])


def test_version(musterd):
    code, out, _ = musterd("--version")
    assert code == 0 and re.search(r"\d+\.\d+\.\d+", out)


def test_no_secret_of_the_url_is_shown(musterd):
    for argument in (["--check-config"], ["--check-config", "--database-connections", "1"]):
        code, out, err = musterd(*argument, MUSTER_DATABASE_URL="postgresql://u:hunter-SECRET@h/d")
        assert "SECRET" not in out + err, (code, out, err)


def test_signals_change_the_log_level(daemon):
    """SIGUSR1 says more, SIGUSR2 less; the change itself is always said."""
    more, less = signal.SIGUSR1, signal.SIGUSR2
    for number, level in ((more, "debug"), (less, "info"), (less, "warning"), (less, "error"),
                          (more, "warning")):
        count = len(daemon.log_events("log.level"))
        daemon.process.send_signal(number)
        said = wait_until(lambda count=count: daemon.log_events("log.level")[count:],
                          "the change in the log")
        assert said[0]["now"] == level
    assert daemon.ready()["ready"] is True


def test_sighup_reads_the_file_again(make_appliance, scratch):
    """What is marked reloadable changes, of the rest it is said; a mistake changes nothing."""
    file = scratch / "muster.conf"
    file.write_text("[log]\nlevel = info\n")
    daemon = make_appliance(options=["--config", str(file)]).start()

    def hup(event):
        count = len(daemon.log_events(event))
        daemon.process.send_signal(signal.SIGHUP)
        return wait_until(lambda: daemon.log_events(event)[count:], f"{event} in the log", 10)[0]

    file.write_text("[log]\nlevel = warning\n[writer]\ncount = 3\n")
    assert hup("config.needs_restart")["setting"] == "writer.count"
    assert [entry["now"] for entry in daemon.log_events("log.level")] == ["warning"]
    file.write_text("[log]\nlevle = info\n")
    assert "did you mean log.level?" in hup("config.refused")["detail"]

    own = daemon.log_events("tls.certificate")[0]["sha256"]
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-newkey", "ec",
                    "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", scratch / "k.pem",
                    "-out", scratch / "c.pem", "-days", "9", "-subj", "/CN=x"],
                   check=True, capture_output=True)
    file.write_text(f"[tls]\ncertificate = {scratch}/c.pem\nkey = {scratch}/k.pem\n")
    assert hup("tls.certificate")["self_signed"] is False
    key = x509.load_pem_x509_certificate((scratch / "c.pem").read_bytes()).public_key()
    pin = "sha256//" + base64.b64encode(hashlib.sha256(key.public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()).decode()
    assert daemon.log_events("tls.certificate")[-1]["pin"] == pin
    wait_until(lambda: json.loads((daemon.data_dir / "run.json").read_text())["tls_pin"] == pin,
               "the new certificate's pin in run.json")
    file.write_text(f"[tls]\ncertificate = {scratch}/none.pem\nkey = {scratch}/k.pem\n")
    assert "none.pem" in hup("tls.reload_refused")["detail"]
    file.write_text("")
    back = hup("tls.certificate")
    assert back["self_signed"] is True and back["sha256"] == own
    assert daemon.ready()["ready"] is True


def test_second_daemon_on_one_directory_is_refused(daemon, musterd):
    code, _, err = musterd("--data-dir", str(daemon.data_dir), "--port", "0", "--http-port", "0")
    assert code != 0 and str(daemon.process.pid) in err and str(daemon.data_dir) in err


def test_port_that_is_taken(daemon, musterd, scratch):
    port = daemon.url.rsplit(":", 1)[1]
    code, _, err = musterd("--data-dir", str(scratch / "other"), "--port", "0", "--http-port", port)
    assert code != 0 and port in err
