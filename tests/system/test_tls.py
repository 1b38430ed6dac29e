# SPDX-License-Identifier: Apache-2.0
"""TLS as a client meets it: versions, ciphers, ALPN, resumption, and a certificate replaced while
running."""
import hashlib
import signal
import socket
import ssl
import subprocess
import time
import urllib.parse

import pytest

from appliance import wait_until
from rawhttp import Raw, heartbeat

pytestmark = pytest.mark.release

GET = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def client(version=None, ciphers=None, alpn=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def connect(daemon, context, session=None):
    return Raw(daemon.run["https_url"],
               wrap=lambda plain: context.wrap_socket(plain, server_hostname="localhost",
                                                      session=session))


def get(daemon, context, session=None):
    """A request over a connection of its own; (session, whether it was resumed, SHA-256 of the
    certificate)."""
    with connect(daemon, context, session) as raw:
        raw.send(GET)
        assert raw.answer().status == 200
        digest = hashlib.sha256(raw.socket.getpeercert(binary_form=True)).hexdigest()
        return raw.socket.session, raw.socket.session_reused, digest


def handshakes(daemon, kind):
    return daemon.metrics()[f'muster_tls_handshakes_total{{kind="{kind}"}}']


def failed(daemon, reason):
    return daemon.metrics()[f'muster_tls_handshakes_failed_total{{reason="{reason}"}}']


@pytest.mark.parametrize("version, name", [(V12, "TLSv1.2"), (V13, "TLSv1.3")])
def test_versions(daemon, version, name):
    before = handshakes(daemon, "full")
    token = daemon.register(name)["token"]
    with connect(daemon, client(version)) as raw:
        assert raw.socket.version() == name
        cipher = raw.socket.cipher()[0]
        assert "GCM" in cipher or "CHACHA20" in cipher
        for i in range(3):
            raw.send(heartbeat(token, {"ts": time.time() - 100 - 10 * i}))
            assert raw.answer().status == 202
    assert handshakes(daemon, "full") == before + 1


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(daemon, version):
    before = failed(daemon, "version")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        connect(daemon, client(version, "ALL:@SECLEVEL=0"))
    wait_until(lambda: failed(daemon, "version") == before + 1, "it to be counted")


@pytest.mark.parametrize("ciphers", ["AES128-SHA", "AES256-SHA256", "AES128-GCM-SHA256",
                                     "ECDHE-ECDSA-AES128-SHA",
                                     "ECDHE-RSA-AES256-SHA384", "DHE-RSA-AES128-GCM-SHA256"])
def test_weak_ciphers_are_refused(daemon, ciphers):
    before = failed(daemon, "cipher")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        connect(daemon, client(V12, ciphers + ":@SECLEVEL=0"))
    wait_until(lambda: failed(daemon, "cipher") == before + 1, "it to be counted")


@pytest.mark.parametrize("ciphers",
                         ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                                     "ECDHE-ECDSA-CHACHA20-POLY1305"])
def test_good_ciphers_of_1_2(daemon, ciphers):
    with connect(daemon, client(V12, ciphers)) as raw:
        assert raw.socket.cipher()[0] == ciphers


def test_alpn(daemon):
    for offered, chosen in ((["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"),
                            (None, None)):
        with connect(daemon, client(alpn=offered)) as raw:
            assert raw.socket.selected_alpn_protocol() == chosen
            raw.send(GET)
            assert raw.answer().status == 200
    before = failed(daemon, "alpn")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        connect(daemon, client(alpn=["h2"]))
    wait_until(lambda: failed(daemon, "alpn") == before + 1, "it to be counted")


@pytest.mark.parametrize("version", [V12, V13])
def test_resumption(daemon, version):
    context = client(version)
    before = handshakes(daemon, "resumed")
    session, resumed, _ = get(daemon, context)
    assert not resumed
    for _ in range(8):  # whichever loop takes the connection
        _, resumed, _ = get(daemon, context, session)
        assert resumed
    assert handshakes(daemon, "resumed") == before + 8


def test_self_signed_certificate_names_this_machine(daemon):
    path = daemon.data_dir / "tls" / "tls.crt"
    text = subprocess.run(["openssl", "x509", "-in", path, "-noout", "-text"], capture_output=True,
                          text=True,
                          check=True).stdout
    for name in ("DNS:localhost", f"DNS:{socket.gethostname()}", "IP Address:127.0.0.1",
                 "prime256v1"):
        assert name in text
    assert (daemon.data_dir / "tls" / "tls.key").stat().st_mode & 0o077 == 0
    trusting = ssl.create_default_context(cafile=str(path))
    host = urllib.parse.urlsplit(daemon.run["https_url"])
    with socket.create_connection(("127.0.0.1", host.port), 10) as plain:
        with trusting.wrap_socket(plain, server_hostname="localhost") as secured:
            assert secured.version() == "TLSv1.3"


# ---- replacing it ----

def make_pair(directory, name, kind="ec"):
    key = (["-newkey", "rsa:2048"] if kind == "rsa"
           else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    subprocess.run(["openssl", "req", "-x509", "-nodes", *key, "-keyout",
                    directory / f"{name}.key", "-out",
                    directory / f"{name}.crt", "-days", "30", "-subj", f"/CN={name}"], check=True,
                   capture_output=True)
    return (directory / f"{name}.crt").read_bytes(), (directory / f"{name}.key").read_bytes()


def fingerprint(pem):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode())).hexdigest()


def test_certificate_replaced_while_running(make_appliance, scratch):
    """New connections see the new one, standing ones stay, sessions do not cross, damage changes
    nothing."""
    first, second, third = (make_pair(scratch, name, kind)
                            for name, kind in (("one", "ec"), ("two", "rsa"), ("three", "ec")))
    certificate, key = scratch / "live.crt", scratch / "live.key"

    def install(pair):
        certificate.write_bytes(pair[0])
        key.write_bytes(pair[1])

    install(first)
    daemon = make_appliance(options=["--tls-certificate", str(certificate), "--tls-key",
                                     str(key)]).start()

    def reload(event):
        count = len(daemon.log_events(event))
        daemon.process.send_signal(signal.SIGHUP)
        return wait_until(lambda: daemon.log_events(event)[count:], f"the log to say {event}")[0]

    context = client(V12)
    session, _, digest = get(daemon, context)
    assert digest == fingerprint(first[0])
    with connect(daemon, client()) as standing:
        standing.send(GET)
        assert standing.answer().status == 200
        install(second)
        reload("tls.reloaded")
        wait_until(lambda: get(daemon, client())[2] == fingerprint(second[0]),
                   "the new certificate")
        for _ in range(8):
            new_session, resumed, digest = get(daemon, context, session)
            assert not resumed and digest == fingerprint(second[0]), \
                "a session never crosses certificates"
        standing.send(GET)
        assert standing.answer().status == 200
    assert get(daemon, context, new_session)[1]

    broken = {
        "nothing": (b"", b""),
        "no PEM": (b"not a certificate\n", second[1]),
        "half a certificate": (third[0][:200], third[1]),
        "the other's key": (third[0], second[1]),
        "no key": (third[0], b"-----BEGIN PRIVATE KEY-----\nxxxx\n-----END PRIVATE KEY-----\n"),
    }
    for what, pair in broken.items():
        install(pair)
        said = reload("tls.reload_refused")
        assert said["level"] == "error" and str(scratch) in said["detail"], what
        assert "PRIVATE" not in said["detail"]
        for _ in range(4):
            assert get(daemon, client())[2] == fingerprint(second[0]), what
    certificate.unlink()
    assert "live.crt" in reload("tls.reload_refused")["detail"]
    install(third)
    reload("tls.reloaded")
    wait_until(lambda: get(daemon, client())[2] == fingerprint(third[0]), "the third certificate")
    assert daemon.terminate() == 0

    install(broken["the other's key"])
    daemon.launch()
    assert daemon.process.wait(60) != 0, "at start there is no old one to keep"
    daemon.forget()
    assert "does not belong" in daemon.log_tail()
