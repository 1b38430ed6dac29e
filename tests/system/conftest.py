# SPDX-License-Identifier: Apache-2.0
"""A real musterd with a private PostgreSQL in a temporary directory, driven from outside."""
import os
import pathlib
import shutil
import tempfile

import pytest

from appliance import Appliance


def pytest_addoption(parser):
    parser.addoption("--bin", default=None, help="folder with musterd and muster-loadgen")
    parser.addoption("--rounds", type=int, default=50, help="rounds of the kill -9 test")
    parser.addoption("--keep", action="store_true", help="keep the data directories")


@pytest.fixture(scope="session")
def bin_dir(request):
    given = request.config.getoption("--bin") or os.environ.get("MUSTER_TEST_BIN")
    root = pathlib.Path(__file__).resolve().parents[2]
    path = pathlib.Path(given) if given else root / "build" / "release" / "bin"
    if not (path / "musterd").exists():
        pytest.fail(f"{path}/musterd is not built; run ./muster test, or give --bin")
    return path


@pytest.fixture
def scratch(request):
    """A short-lived directory that PostgreSQL's own user can enter."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="muster-test-"))
    path.chmod(0o755)
    yield path
    if not request.config.getoption("--keep"):
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make_appliance(bin_dir, scratch):
    """A factory: make_appliance(name="a", **options) gives a stopped appliance of its own."""
    made = []

    def make(name="data", **options):
        appliance = Appliance(bin_dir, scratch / name, **options)
        made.append(appliance)
        return appliance

    yield make
    for appliance in made:
        appliance.destroy()


@pytest.fixture
def appliance(make_appliance):
    """A running one, ready and storing."""
    started = make_appliance()
    started.start()
    return started
