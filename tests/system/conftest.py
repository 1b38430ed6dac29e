# SPDX-License-Identifier: Apache-2.0
"""A real musterd with a private PostgreSQL in a temporary directory, driven from outside."""
import os
import pathlib
import random
import shutil
import tempfile

import pytest

from agent_house import House
from agent_process import Agent
from appliance import Appliance
from doubles.appliance_double import ApplianceDouble
from postgres_server import PostgresServer
from virtual_clock import VirtualClock


def pytest_configure(config):
    config.addinivalue_line("markers", "one_thread: about other programs, or handlers like others' "
                            "that run alone: TSan sees nothing new in them")
    config.addinivalue_line("markers", "release: about the build that is shipped: in a whole run, "
                            "which runs all others in the sanitizer builds, these alone run in it")
    config.addinivalue_line("markers", "long: takes half a minute: begins first, with those it "
                            "follows")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(PlainNames())


class PlainNames:
    """In what is reported, a test's name is without its group."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report):
        if report.nodeid.rfind("@") > report.nodeid.rfind("]"):
            report.nodeid = report.nodeid.rpartition("@")[0]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Side by side (--dist loadgroup) run all tests but those that share something, such as their
    module's daemon: they follow each other, in their order."""
    long = set()
    for item in items:
        found = item._fixtureinfo.name2fixturedefs.values()
        if any(fixture[-1].scope in ("class", "module", "package") for fixture in found):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
        if item.get_closest_marker("long"):
            long.add(group_of(item))
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: group_of(item) not in long)


def group_of(item):
    mark = item.get_closest_marker("xdist_group")
    return mark.args[0] if mark else item.nodeid


def pytest_addoption(parser):
    parser.addoption("--bin", default=None, help="folder with musterd and muster-loadgen")
    parser.addoption("--rounds", type=int, default=50, help="rounds of the kill -9 test")
    parser.addoption("--seed", type=int, default=None,
                     help="repeats the random choices of a kill -9 run")
    parser.addoption("--failpoint-bin", default=None,
                     help="folder with a musterd built with MUSTER_FAILPOINTS")
    parser.addoption("--keep", action="store_true", help="keep the data directories")


@pytest.fixture(scope="session")
def bin_dir(request):
    given = request.config.getoption("--bin") or os.environ.get("MUSTER_TEST_BIN")
    root = pathlib.Path(__file__).resolve().parents[2]
    path = pathlib.Path(given) if given else root / "build" / "release" / "bin"
    if not (path / "musterd").exists():
        pytest.fail(f"{path}/musterd is not built; run ./muster test, or give --bin")
    return path


@pytest.fixture(scope="session")
def failpoint_bin_dir(request, bin_dir):
    """A build that fails where MUSTER_FAILPOINTS says: --failpoint-bin, the debug build, or --bin
    itself."""
    given = (request.config.getoption("--failpoint-bin")
             or os.environ.get("MUSTER_TEST_FAILPOINT_BIN"))
    debug = pathlib.Path(__file__).resolve().parents[2] / "build" / "debug" / "bin"
    for path in [pathlib.Path(given)] if given else [bin_dir, debug]:
        binary = path / "musterd"
        if binary.exists() and b"store.before_commit" in binary.read_bytes():
            return path
    pytest.skip("no musterd with failpoints: build the debug preset, or give --failpoint-bin")


@pytest.fixture
def dice(request):
    """Random choices; the seed is printed when the test fails."""
    seed = request.config.getoption("--seed")
    if seed is None:
        seed = random.SystemRandom().randrange(1 << 30)
    print(f"repeat with --seed {seed}")
    return random.Random(seed)


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
        options.setdefault("bin_dir", bin_dir)
        appliance = Appliance(data_dir=scratch / name, **options)
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


@pytest.fixture(scope="module")
def daemon(request, bin_dir):
    """One appliance for all tests of a module, started with the module's OPTIONS; it has to outlive
    them."""
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="muster-test-"))
    scratch.chmod(0o755)
    started = Appliance(bin_dir, scratch / "data", options=getattr(request.module, "OPTIONS", ()))
    try:
        started.start()
        yield started
        assert started.process and started.process.poll() is None, f"it died:\n{started.log_tail()}"
    finally:
        started.destroy()
        if not request.config.getoption("--keep"):
            shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture
def postgres_server(scratch):
    """A running PostgreSQL of the test's own, for MUSTER_DATABASE_URL."""
    server = PostgresServer(scratch / "server")
    yield server
    server.destroy()


# -- agents --

@pytest.fixture
def house(make_appliance, failpoint_bin_dir, scratch):
    """An appliance, agents of it, and a clock that the test sets."""
    made = House(make_appliance, failpoint_bin_dir, scratch)
    yield made
    made.destroy()


@pytest.fixture
def clock(scratch):
    return VirtualClock(scratch / "clock")


@pytest.fixture
def make_agent(failpoint_bin_dir, scratch, clock):
    """make_agent(name): not enrolled, by the test's clock."""
    made = []

    def make(name="agent", **options):
        made.append(Agent(failpoint_bin_dir, scratch / name, clock=clock, **options))
        return made[-1]

    yield make
    for agent in made:
        agent.destroy()


@pytest.fixture
def fake(clock):
    """An appliance that can be told to lie."""
    with ApplianceDouble(now=clock.now_s) as double:
        yield double


@pytest.fixture
def plain(bin_dir, scratch):
    """An agent by the clock on the wall, not enrolled."""
    agent = Agent(bin_dir, scratch / "agent")
    yield agent
    agent.destroy()
