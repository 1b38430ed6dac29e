# SPDX-License-Identifier: Apache-2.0
"""The API's description: whole, true, readable, and to the taste of a linter that is not ours."""
import hashlib
import json
import pathlib
import re
import shutil
import subprocess

import jsonschema
import pytest

import people

pytestmark = pytest.mark.one_thread

ROOT = pathlib.Path(__file__).resolve().parents[2]
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def document(daemon):
    answer = daemon.session.get(daemon.url + "/api/openapi.json", timeout=30)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/json"
    return answer.json()


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert method in METHODS
            yield method, path, operation


def references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for child in value.values():
            yield from references(child)
    elif isinstance(value, list):
        for child in value:
            yield from references(child)


def test_every_route_is_described_and_no_other(document, bin_dir):
    routes = json.loads(subprocess.run([bin_dir / "musterd", "--routes"], check=True, timeout=60,
                                       stdout=subprocess.PIPE).stdout)
    served = {(route["method"].lower(), route["path"]) for route in routes
              if route["path"] != "/*"}  # the console's files and pages
    described = {(method, path) for method, path, _ in operations(document)}
    assert described == served


def test_references_resolve_and_names_are_unique(document):
    assert document["openapi"].startswith("3.1")
    for reference in references(document):
        value = document
        for part in reference.removeprefix("#/").split("/"):
            value = value[part]
        assert value, f"{reference} is empty"
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    for method, path, operation in operations(document):
        assert operation["summary"] and operation["tags"] and operation["responses"], path
        in_path = set(re.findall(r"{(\w+)}", path))
        told = {p["name"] for p in operation.get("parameters", []) if p.get("in") == "path"}
        assert told == in_path, path


@pytest.mark.long
def test_a_linter_passes_it(document, scratch):
    """Installed once, into the build folder."""
    assert shutil.which("npm"), "npm is missing: ./muster test installs it"
    source = ROOT / "tests" / "openapi"
    lock = (source / "package-lock.json").read_bytes()
    home = ROOT / "build" / "openapi-lint" / hashlib.sha256(lock).hexdigest()[:16]
    linter = home / "node_modules" / ".bin" / "redocly"
    if not linter.exists():
        home.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, home / name)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=home,
                       check=True, timeout=600)
    file = scratch / "openapi.json"
    file.write_text(json.dumps(document))
    result = subprocess.run([linter, "lint", "--config", source / "redocly.yaml", file],
                            cwd=home, timeout=300, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True,
                            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(scratch),
                                 "REDOCLY_TELEMETRY": "off",
                                 "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"})
    assert result.returncode == 0, result.stdout[-4000:]
    assert "warning" not in result.stdout.lower(), result.stdout[-4000:]


def test_the_page_needs_nothing_from_elsewhere(daemon, document):
    answer = daemon.session.get(daemon.url + "/api/docs", timeout=30)
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html")
    page = answer.text
    assert "<script" not in page and "http://" not in page and "https://" not in page
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    for _, path, operation in operations(document):
        assert f'<section id="{operation["operationId"]}">' in page, path
    for link in re.findall(r'(?:href|src)="(/[^"]*)"', page):
        assert daemon.session.get(daemon.url + link, timeout=30).status_code == 200, link


def test_replies_are_what_is_described(daemon, document):
    """Every list and state that can be read without naming a thing, as an admin reads it."""
    device = daemon.register("described")
    daemon.heartbeat(device["token"], battery=50)
    boss = people.admin(daemon)
    resolver = jsonschema.RefResolver.from_schema(document)
    checked = 0
    for method, path, operation in operations(document):
        if method != "get" or path.endswith("/ws"):
            continue
        path = path.replace("/admin/devices/{id}", f"/admin/devices/{device['device_id']}")
        ways = operation["security"]
        if "{" in path or (ways and {"session": []} not in ways):
            continue
        answer = boss.ask("GET", path)
        required = [p for p in operation.get("parameters", [])
                    if p.get("in") == "query" and p["required"]]
        if required:
            assert answer.status_code == 400, path
            continue
        assert str(answer.status_code) in operation["responses"], (path, answer.text)
        if answer.status_code != 200 or "Content-Type" not in answer.headers:
            continue
        content = {kind.split(";")[0]: media
                   for kind, media in operation["responses"]["200"]["content"].items()}
        kind = answer.headers["Content-Type"].split(";")[0]
        assert kind in content, path
        if kind == "application/json":
            jsonschema.validate(answer.json(), content[kind]["schema"], resolver=resolver,
                                cls=jsonschema.Draft202012Validator)
            checked += 1
    assert checked >= 5
