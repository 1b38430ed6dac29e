# SPDX-License-Identifier: Apache-2.0
"""With MUSTER_DATABASE_URL: that PostgreSQL is used, and nothing else of it is touched."""
import pathlib

import pytest

from appliance import wait_until
from fleet import Fleet
from postgres_server import PASSWORD

MIB = 1 << 20


@pytest.fixture
def external(make_appliance, postgres_server):
    """An appliance on the test's own PostgreSQL, storing."""
    # Small, so that all of it is in use before memory is measured.
    memory = ["--journal-tail", "4MiB", "--ingest-ring", "64KiB", "--ingest-dedupe-entries", "4096"]
    appliance = make_appliance(environment=postgres_server.environment, options=memory)
    return appliance.start()


def facts_of(server):
    """Everything of the server that is not in our database."""
    return {
        "settings": server.sql("SELECT name, reset_val FROM pg_settings"
                               " WHERE source NOT IN ('client', 'session') ORDER BY name"),
        "files": [(server.data / name).read_text() for name in
                  ("postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf")],
        "roles": server.sql("SELECT rolname, rolsuper, rolconfig FROM pg_roles ORDER BY rolname"),
        "databases": server.sql("SELECT datname FROM pg_database ORDER BY datname"),
        "tablespaces": server.sql("SELECT spcname FROM pg_tablespace ORDER BY spcname"),
        "role_settings": server.sql("SELECT * FROM pg_db_role_setting"),
    }


@pytest.mark.release
def test_server_is_left_as_it_was(make_appliance, postgres_server):
    before = facts_of(postgres_server)
    pid = postgres_server.pid()
    appliance = make_appliance(environment=postgres_server.environment).start()
    fleet = Fleet(appliance, devices=4, connections=2).start(appliance)
    fleet.wait_acknowledged(300)
    fleet.stop()
    fleet.wait_all_stored(appliance)
    assert "socket_dir" not in appliance.run
    assert not (appliance.data_dir / "postgres").exists(), "no private cluster beside it"
    assert appliance.terminate() == 0
    assert postgres_server.pid() == pid, "musterd never stops a server that is not its own"
    after = facts_of(postgres_server)
    assert after == before
    schemas = postgres_server.sql("SELECT DISTINCT table_schema FROM information_schema.tables"
                                  " WHERE table_schema NOT IN ('pg_catalog', 'information_schema')")
    assert schemas == [("public",)]
    assert postgres_server.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = 'muster'"
                               " AND pid <> pg_backend_pid()") == [(0,)], \
        "no connection stays behind"
    appliance.start()
    appliance.kill()
    assert postgres_server.pid() == pid


def texts_of(appliance):
    """What anybody may see: log, process list, published files, probes."""
    texts = {
        "log": (appliance.data_dir / "output.txt").read_text(errors="replace"),
        "cmdline": pathlib.Path(f"/proc/{appliance.process.pid}/cmdline").read_text(),
        "run.json": (appliance.data_dir / "run.json").read_text(),
    }
    for thread in pathlib.Path(f"/proc/{appliance.process.pid}/task").glob("*/comm"):
        texts[str(thread)] = thread.read_text()
    for path in ("/", "/ready", "/health", "/health/detailed", "/metrics"):
        texts[path] = appliance.session.get(appliance.url + path, timeout=10).text
    return texts


def test_password_shows_nowhere(external, postgres_server):
    fleet = Fleet(external, devices=2, connections=1).start(external)
    fleet.wait_acknowledged(50)
    texts = texts_of(external)
    assert "127.0.0.1" in texts["run.json"], "it does say which server is used"
    postgres_server.stop()
    wait_until(lambda: "database" in (external.ready() or {}).get("degraded", []),
               "the outage to be seen")
    texts.update({f"{name} away": text for name, text in texts_of(external).items()})
    fleet.stop()
    postgres_server.start()
    for name, text in texts.items():
        assert PASSWORD not in text, name


def test_wrong_password_is_said_without_it(make_appliance, postgres_server):
    wrong = PASSWORD + "-wrong"
    appliance = make_appliance(
        environment={"MUSTER_DATABASE_URL": postgres_server.url.replace(PASSWORD, wrong)})
    appliance.spawn()
    wait_until(lambda: any("password" in entry["detail"]
                           for entry in appliance.log_events("database.away")),
               "the refusal in the log")
    assert all(wrong not in text for text in texts_of(appliance).values())
    assert appliance.terminate(deadline_s=60) == 0
    appliance.environment = postgres_server.environment
    appliance.start()


@pytest.mark.release
@pytest.mark.long
def test_stop_and_start_mid_flood(external, postgres_server):
    fleet = Fleet(external, devices=24, connections=8, per_s=40000).start(external)
    fleet.wait_acknowledged(2000)
    postgres_server.stop()
    ready = wait_until(lambda: (r := external.ready()) and "database" in r["degraded"] and r,
                       "/ready degraded")
    assert ready["ready"] is True, "heartbeats are acknowledged all the while"
    wait_until(lambda: external.metric("muster_writer_breaker_state") > 0,
               "the writers' breaker to open")
    fleet.wait_acknowledged(30000)  # past the tail in memory
    flat = external.rss_bytes()
    fleet.wait_acknowledged(60000, deadline_s=120)
    assert (external.has_sanitizer()  # whose shadow memory grows by itself
            or external.rss_bytes() < flat + 4 * MIB), "memory does not grow with the backlog"
    ready = external.ready()
    assert ready["degraded"] == ["database"] and ready["backlog"]["records"] > 60000
    assert ready["backlog"]["oldest_s"] >= 1
    postgres_server.start()
    fleet.wait_acknowledged(1000)
    external.wait_storing()
    fleet.stop()
    fleet.wait_all_stored(external, deadline_s=120)
    assert external.metric("muster_writer_breaker_state") == 0
    assert external.metric("muster_pg_breaker_state") == 0
    assert fleet.shed_count == 0
    assert (external.log_events("writer.database_away")
            and external.log_events("writer.database_back"))


@pytest.mark.long
def test_restarts_in_quick_succession(external, postgres_server):
    """Immediate stops: what a batch had not committed is rolled back by the server's recovery."""
    fleet = Fleet(external, devices=12, connections=6).start(external)
    for _ in range(5):
        fleet.wait_acknowledged(1500)
        postgres_server.stop("immediate")
        fleet.wait_acknowledged(300)
        postgres_server.start()
    fleet.stop()
    fleet.wait_all_stored(external)
