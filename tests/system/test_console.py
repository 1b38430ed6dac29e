# SPDX-License-Identifier: Apache-2.0
"""The console as browsers get it: its files byte for byte, its headers, and nothing beside them."""
import difflib
import gzip
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from appliance import wait_until
from rawhttp import Raw, ask

pytestmark = pytest.mark.release

ROOT = pathlib.Path(__file__).resolve().parents[2]
HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
          "font-src 'self'; connect-src 'self'; manifest-src 'self'; frame-ancestors 'none'; "
          "base-uri 'none'; form-action 'self'")
FILES = {
    "/index.html": ("text/html; charset=utf-8", b"<!doctype html><title>Muster</title>" * 20),
    "/favicon.svg": ("image/svg+xml", b"<svg/>"),
    "/assets/app-1a2b.js": ("text/javascript; charset=utf-8", b"console.log('muster');\n" * 9000),
    "/assets/font-3c.woff2": ("font/woff2", bytes(range(256)) * 100),
}


def described(data):
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def put_console(folder, files):
    """As ui/scripts/pack.mjs does it, with gzip alone."""
    entries = []
    for path, (kind, data) in files.items():
        file = folder / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        entry = {"path": path, "type": kind, "immutable": path.startswith("/assets/"),
                 **described(data)}
        if not kind.startswith("font/"):
            packed = gzip.compress(data, mtime=0)
            file.with_name(file.name + ".gz").write_bytes(packed)
            entry["gzip"] = described(packed)
        entries.append(entry)
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "files": entries}))
    return folder


@pytest.fixture
def folder(scratch):
    return put_console(scratch / "ui", FILES)


@pytest.fixture
def served(make_appliance, folder):
    return make_appliance(options=["--console-dir", str(folder)]).spawn()


def get(appliance, path, *headers, method="GET"):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    return ask(appliance.url, "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")


def test_files_come_byte_for_byte(served):
    for path, (kind, data) in FILES.items():
        plain = get(served, path)
        assert (plain.status, plain.body) == (200, data), path
        assert plain.headers["content-type"] == kind and "content-encoding" not in plain.headers
        assert plain.headers["x-content-type-options"] == "nosniff"
        assert plain.headers["vary"] == "Accept-Encoding"
        wanted = ("public, max-age=31536000, immutable" if path.startswith("/assets/")
                  else "no-cache")
        assert plain.headers["cache-control"] == wanted
        packed = get(served, path, "Accept-Encoding: gzip, deflate, br, zstd")
        if kind.startswith("font/"):
            assert packed.body == data and "content-encoding" not in packed.headers
        else:
            assert gzip.decompress(packed.body) == data
            assert packed.headers["content-encoding"] == "gzip"
            assert packed.headers["etag"] != plain.headers["etag"]
        same = get(served, path, f"If-None-Match: {plain.headers['etag']}")
        assert (same.status, same.body) == (304, b"")
        assert same.headers["etag"] == plain.headers["etag"]
        assert get(served, path, 'If-None-Match: "other"').status == 200


def test_head_says_what_get_would(served):
    for path in FILES:
        whole = get(served, path)
        with Raw(served.url) as raw:
            raw.send(f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            head = b""
            while piece := raw.socket.recv(65536):
                head += piece
        lines = head.decode().lower()
        assert lines.startswith("http/1.1 200") and lines.endswith("\r\n\r\n")
        assert f"content-length: {len(whole.body)}\r\n" in lines
        assert f"etag: {whole.headers['etag']}\r\n" in lines


def test_every_page_is_the_index(served):
    for path in ("/", "/devices", "/devices/17/history?range=7d", "/settings/", "/index.html"):
        page = get(served, path, f"Accept: {HTML}")
        assert (page.status, page.body) == (200, FILES["/index.html"][1]), path
        assert page.headers["content-security-policy"] == POLICY
        assert page.headers["cache-control"] == "no-cache"
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert get(served, path, f"Accept: {HTML}",
                   f"If-None-Match: {page.headers['etag']}").status == 304
    facts = get(served, "/", "Accept: application/json")
    assert facts.headers["content-type"] == "application/json"
    assert facts.json()["name"] == "muster" and facts.json()["links"]["openapi"]
    assert "Accept" in facts.headers["vary"] and "Accept" in get(served, "/").headers["vary"]


def test_wrong_paths_stay_wrong(served):
    """For the API's callers, and where a browser asks for a file: an old script must fail."""
    for path in ("/api/nothing", "/admin/nothing", "/v1/nothing", "/ws", "/assets/app-old.js",
                 "/health/x", "/metrics/x", "/ready/x"):
        assert get(served, path, f"Accept: {HTML}").problem()["status"] == 404, path
    assert get(served, "/devices", "Accept: application/json").status == 404
    assert get(served, "/devices").status == 404
    assert get(served, "/devices", f"Accept: {HTML}", method="POST").status == 404
    assert get(served, "/", method="DELETE").status == 405


def test_nothing_beside_the_files(served, folder):
    """Neither what lies in the folder unnamed, nor anything outside of it."""
    (folder / "unnamed.txt").write_text("secret")
    (folder.parent / "outside.txt").write_text("secret")
    served.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(served.log_events("console.read")) == 2, "the files to be read again")
    for path in ("/unnamed.txt", "/manifest.json", "/index.html.gz", "/assets/../unnamed.txt",
                 "/../outside.txt", "/assets/../../outside.txt", "/..%2foutside.txt",
                 "/%2e%2e/outside.txt", "/%2e%2e%2foutside.txt", "/assets/..%5c..%5coutside.txt",
                 "/....//outside.txt", "//outside.txt", "/./unnamed.txt", "/.stamp",
                 "/assets/%00", "/assets/app-1a2b.js%00.html", "/assets/app-1a2b.js;x",
                 f"/{folder.parent}/outside.txt", "/etc/passwd", "/../../../../etc/passwd",
                 "/\xff\xfe", "/" + "a/" * 2000):
        answer = get(served, path)
        assert answer.status in (400, 404, 414), path
        assert b"secret" not in answer.body and b"root:" not in answer.body, path
    for target in ("http://localhost/../outside.txt", "outside.txt", "*"):
        answer = get(served, target)
        assert answer is None or (answer.status >= 400 and b"secret" not in answer.body), target


def test_sighup_reads_them_anew(served, folder):
    changed = dict(FILES, **{"/index.html": ("text/html; charset=utf-8", b"<p>new")})
    put_console(folder, changed)
    served.process.send_signal(signal.SIGHUP)
    wait_until(lambda: get(served, "/").body == b"<p>new", "the new page")
    (folder / "index.html").write_bytes(b"<p>half")
    served.process.send_signal(signal.SIGHUP)
    said = wait_until(lambda: served.log_events("console.unusable"), "the refusal in the log")
    assert "index.html is not the file" in said[0]["detail"]
    assert get(served, "/").body == b"<p>new"


RENEW = """root=$1 launcher=$1/deploy/launcher
source "$launcher/ui.sh"; source "$launcher/console.sh"; source "$launcher/daemon.sh"
console_dir=$2; renew_console "$3"
"""


def renew(served, folder):
    """As `./muster up` does it beside a running appliance, once it has built the console."""
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", RENEW, "renew", ROOT, folder,
                           str(served.process.pid)], capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"], "MUSTER_DATA_DIR": served.data_dir},
                          check=True)
    return done.stdout + done.stderr


def test_a_rebuilt_console_is_served_after_up(served, folder):
    assert renew(served, folder) == ""
    put_console(folder, dict(FILES, **{"/index.html": ("text/html; charset=utf-8", b"<p>new")}))
    assert "served now" in renew(served, folder)
    assert get(served, "/").body == b"<p>new"
    assert renew(served, folder) == ""
    assert len(served.log_events("console.read")) == 2, "told once, when there was something new"


def test_without_files_the_appliance_says_so(make_appliance, scratch):
    daemon = make_appliance(options=["--console-dir", str(scratch / "nowhere")]).spawn()
    assert "nowhere" in daemon.log_events("console.unusable")[0]["detail"]
    page = get(daemon, "/", f"Accept: {HTML}")
    assert page.status == 200 and b"console.dir" in page.body
    assert "script-src" not in page.headers["content-security-policy"]
    assert get(daemon, "/devices", f"Accept: {HTML}").status == 404
    assert get(daemon, "/", "Accept: application/json").json()["name"] == "muster"
    assert get(daemon, "/health").status == 200


def test_none_means_none(make_appliance):
    daemon = make_appliance(options=["--console-dir", "none"]).spawn()
    assert daemon.log_events("console.unusable") == [] == daemon.log_events("console.read")
    assert b"console.dir" in get(daemon, "/").body


def test_what_is_packed_is_served(make_appliance, scratch):
    """ui/scripts/pack.mjs and musterd mean the same by a manifest."""
    if not shutil.which("node"):
        pytest.skip("no node here: ./muster test installs it")
    folder = scratch / "packed"
    for path, (_, data) in FILES.items():
        (folder / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (folder / path[1:]).write_bytes(data)
    for _ in range(2):  # again over its own work
        subprocess.run(["node", ROOT / "ui/scripts/pack.mjs", folder], check=True, timeout=60,
                       stdout=subprocess.DEVNULL)
    daemon = make_appliance(options=["--console-dir", str(folder)]).spawn()
    assert daemon.log_events("console.read")[0]["files"] == len(FILES)
    for path, (kind, data) in FILES.items():
        answer = get(daemon, path)
        assert answer.body == data and answer.headers["content-type"] == kind
    path = "/assets/app-1a2b.js"
    answer = get(daemon, path, "Accept-Encoding: br")
    assert answer.headers["content-encoding"] == "br"
    assert answer.body == (folder / (path[1:] + ".br")).read_bytes()
    assert len(answer.body) < len(FILES[path][1]) / 10


@pytest.mark.one_thread
def test_types_are_those_of_the_api(daemon, scratch):
    """ui/src/api/schema.d.ts is made from the description; ./muster types makes it anew."""
    generator = ROOT / "ui/node_modules/.bin/openapi-typescript"
    if not generator.exists():  # as the launcher does it, which another test may do at this moment
        script = 'cd "$launcher"; . ./ui.sh; . ./console.sh; log=$1; install_console_tools'
        subprocess.run(["bash", "-c", script, "bash", scratch / "npm"], check=True, timeout=600,
                       env={**os.environ, "root": str(ROOT),
                            "launcher": str(ROOT / "deploy/launcher")})
    source, fresh = scratch / "openapi.json", scratch / "schema.d.ts"
    source.write_text(daemon.session.get(daemon.url + "/api/openapi.json", timeout=30).text)
    subprocess.run([generator, source, "-o", fresh], check=True, timeout=120,
                   stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    kept = (ROOT / "ui/src/api/schema.d.ts").read_text().splitlines()
    differ = [line for line in difflib.unified_diff(kept, fresh.read_text().splitlines(),
                                                    "kept", "fresh", lineterm="", n=0)]
    if differ:
        pytest.fail("the API has changed: ./muster types (a running appliance of this tree) writes "
                    "ui/src/api/schema.d.ts anew\n" + "\n".join(differ[:40]))
