# SPDX-License-Identifier: Apache-2.0
"""The audit log: read, linked into its chain, and found out whatever is done to it."""
import hashlib
import json

import psycopg2
import pytest

from appliance import wait_until

pytestmark = pytest.mark.one_thread

LINES = "id, at, actor, action, subject, address, before::text, after::text"


def ask(appliance, path, expect=200):
    answer = appliance.session.get(appliance.url + path, headers=appliance.admin_headers(),
                                   timeout=60)
    assert answer.status_code == expect, answer.text
    return answer.json()


def verify(appliance):
    return ask(appliance, "/admin/audit/verify")


def kinds(report):
    return sorted({(problem["kind"], problem["entry_id"]) for problem in report["problems"]},
                  key=str)


def wait_linked(appliance):
    return wait_until(lambda: (lambda report: report if report["unlinked"] == 0 else None)(
        verify(appliance)), "all entries to be linked", 120)


def meddle(appliance, *statements):
    """As someone who has the database and knows of the trigger."""
    connection = appliance.connect()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SET LOCAL muster.audit_maintenance = 'on'")
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()


def ten_entries(appliance):
    """In the chain."""
    for i in range(10):
        appliance.register(f"device {i}")
    report = wait_linked(appliance)
    assert report["ok"] and report["problems"] == []
    assert report["linked"] >= 10 and report["first_link"] == 1
    assert report["last_link"] == report["linked"]
    return appliance


@pytest.fixture
def logged(appliance):
    return ten_entries(appliance)


@pytest.fixture(scope="module")
def kept(daemon):
    """For those who leave it as it was."""
    return ten_entries(daemon)


def ids(appliance):
    return [row[0] for row in appliance.sql(
        "SELECT id FROM audit_log WHERE action = 'device.register' ORDER BY id")]


# -- reading --

def test_pages_and_filters(kept):
    everything = ask(kept, "/admin/audit?limit=500")["entries"]
    assert [int(entry["id"]) for entry in everything] == sorted(
        (int(entry["id"]) for entry in everything), reverse=True)
    paged, before = [], ""
    while before is not None:
        page = ask(kept, f"/admin/audit?limit=3&action=device.register{before}")
        paged += page["entries"]
        assert len(page["entries"]) <= 3
        before = f"&before={page['next_before']}" if page["next_before"] else None
    assert [int(entry["id"]) for entry in paged] == list(reversed(ids(kept)))
    entry = paged[-1]
    assert entry["actor"] == "admin-key" and entry["address"] == "127.0.0.1"
    assert entry["after"]["alias"] == "device 0" and entry["before"] is None
    subject = entry["subject"]
    assert [e["id"] for e in ask(kept, f"/admin/audit?subject={subject}")["entries"]] == [
        entry["id"]]
    assert len(ask(kept, "/admin/audit?action=device.*&actor=admin-*")["entries"]) == 10
    assert ask(kept, "/admin/audit?action=device.regist")["entries"] == []
    assert ask(kept, "/admin/audit?actor=nobody")["entries"] == []
    assert ask(kept, f"/admin/audit?to={entry['at']}&action=device.*")["entries"] == []
    assert len(ask(kept, f"/admin/audit?from={entry['at']}&action=device.*")["entries"]) == 10
    assert ask(kept, "/admin/audit?limit=0", 400)["field"] == "limit"
    assert ask(kept, "/admin/audit?whose=me", 400)["field"] == "whose"


# -- the chain, by the book --

def field(value):
    if value is None:
        return b"-,"
    text = str(value).encode()
    return b"%d:%s," % (len(text), text)


def digest(prev, seq, line):
    at_us = round(line[1].timestamp() * 1e6)
    return hashlib.sha256(prev + field(seq) + field(line[0]) + field(at_us)
                          + b"".join(field(value) for value in line[2:])).digest()


@pytest.mark.release
def test_the_chain_is_what_its_description_says(kept):
    chain = kept.sql("SELECT seq, audit_id, prev_sha256, sha256 FROM audit_chain ORDER BY seq")
    prev = bytes(32)
    for seq, audit_id, prev_sha256, sha256 in chain:
        line = kept.sql(f"SELECT {LINES} FROM audit_log WHERE id = %s", audit_id)[0]
        assert bytes(prev_sha256) == prev
        prev = digest(prev, seq, line)
        assert bytes(sha256) == prev
    assert [link[0] for link in chain] == list(range(1, len(chain) + 1))
    assert verify(kept)["last_sha256"] == prev.hex()


def test_nobody_changes_a_line_by_mistake(kept):
    for statement in ("UPDATE audit_log SET actor = 'me'", "DELETE FROM audit_log",
                      "DELETE FROM audit_log WHERE false"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            kept.sql(statement)
    assert verify(kept)["ok"]


# -- what is found --

@pytest.mark.parametrize("column, value", [
    ("actor", "'somebody'"), ("action", "'x'"), ("subject", "'device:99'"), ("address", "NULL"),
    ("address", "''"), ("at", "at + interval '1 microsecond'"), ("before", "'null'"),
    ("after", "after || '{\"alias\": \"other\"}'"), ("after", "NULL")])
def test_a_changed_line_is_named(kept, column, value):
    third = ids(kept)[3]
    meddle(kept, "CREATE TABLE aside AS SELECT * FROM audit_log",
           f"UPDATE audit_log SET {column} = {value} WHERE id = {third}")
    report = verify(kept)
    meddle(kept, f"UPDATE audit_log a SET {column} = aside.{column} FROM aside"
                 f" WHERE a.id = aside.id AND a.id = {third}", "DROP TABLE aside")
    assert not report["ok"] and report["problem_count"] == 1
    assert kinds(report) == [("changed", str(third))]
    assert verify(kept)["ok"]  # put back as it was, it is believed again


def test_a_deleted_line_is_named(logged):
    third = ids(logged)[3]
    meddle(logged, f"DELETE FROM audit_log WHERE id = {third}")
    assert kinds(verify(logged)) == [("deleted", str(third))]


def test_a_line_deleted_with_its_link_is_missed(logged):
    third = ids(logged)[3]
    seq = logged.sql("SELECT seq FROM audit_chain WHERE audit_id = %s", third)[0][0]
    meddle(logged, f"DELETE FROM audit_log WHERE id = {third}",
           f"DELETE FROM audit_chain WHERE audit_id = {third}")
    report = verify(logged)
    assert [(p["kind"], p["link"]) for p in report["problems"]] == [("missing", seq)]


def test_an_inserted_line_is_named(logged):
    """Below what has settled; what comes on top is simply new."""
    logged.sql("UPDATE audit_chain SET linked_at = linked_at - interval '1 hour'")
    meddle(logged, "INSERT INTO audit_log (id, actor, action, subject) OVERRIDING SYSTEM VALUE"
                   " VALUES (-1, 'user:alice', 'device.delete', 'device:1')")
    report = wait_until(lambda: (lambda r: r if not r["ok"] else None)(verify(logged)),
                        "the line to be found")
    assert kinds(report) == [("inserted", "-1")]
    logged.register("on top")
    report = wait_linked(logged)
    assert kinds(report) == [("inserted", "-1")]


def test_swapped_lines_are_named(logged):
    one, two = ids(logged)[3:5]
    meddle(logged, "UPDATE audit_log a SET actor = b.actor, action = b.action,"
                   " subject = b.subject, at = b.at, before = b.before, after = b.after"
                   " FROM audit_log b"
                   f" WHERE (a.id, b.id) IN (({one}, {two}), ({two}, {one}))")
    assert kinds(verify(logged)) == [("changed", str(one)), ("changed", str(two))]


def test_swapped_links_are_named(logged):
    one, two = (logged.sql("SELECT seq FROM audit_chain WHERE audit_id = %s", i)[0][0]
                for i in ids(logged)[3:5])
    meddle(logged, "ALTER TABLE audit_chain DROP CONSTRAINT audit_chain_seq_check",
           f"UPDATE audit_chain SET seq = 0 WHERE seq = {one}",
           f"UPDATE audit_chain SET seq = {one} WHERE seq = {two}",
           f"UPDATE audit_chain SET seq = {two} WHERE seq = 0")
    report = verify(logged)
    assert not report["ok"]
    assert {p["kind"] for p in report["problems"]} == {"broken", "changed"}
    assert {one, two} <= {p["link"] for p in report["problems"]}


def make_anew(logged, line_id):
    """Who has the database but not the secrets changes a line and all hashes after it."""
    meddle(logged, f"UPDATE audit_log SET actor = 'user:mallory' WHERE id = {line_id}")
    connection = logged.connect()
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT c.seq, {LINES.replace('id,', 'a.id,', 1)} FROM audit_chain c"
                       " JOIN audit_log a ON a.id = c.audit_id ORDER BY c.seq")
        prev = bytes(32)
        for seq, *line in cursor.fetchall():
            sha = digest(prev, seq, line)
            cursor.execute("UPDATE audit_chain SET prev_sha256 = %s, sha256 = %s WHERE seq = %s",
                           (prev, sha, seq))
            prev = sha
    connection.close()


def test_the_next_entry_heals_no_chain_made_anew(logged):
    make_anew(logged, ids(logged)[3])
    last = verify(logged)["last_link"]
    logged.register("later")
    report = wait_linked(logged)
    assert not report["ok"]
    assert [(p["kind"], p["link"]) for p in report["problems"]] == [("broken", last + 1)]


def test_a_chain_that_was_taken_away_does_not_begin_again(logged):
    meddle(logged, f"UPDATE audit_log SET actor = 'user:mallory' WHERE id = {ids(logged)[3]}",
           "DELETE FROM audit_chain", "DELETE FROM audit_anchors")
    report = wait_linked(logged)
    assert report["linked"] >= 10
    assert [p["kind"] for p in report["problems"]] == ["unsigned"]
    logged.register("later")
    assert [p["kind"] for p in wait_linked(logged)["problems"]] == ["unsigned"]


def test_a_chain_made_anew_has_no_signature(logged):
    make_anew(logged, ids(logged)[3])
    report = verify(logged)
    assert not report["ok"]
    assert [p["kind"] for p in report["problems"]] == ["broken"]
    # With the end's hash adapted too, its signature is wrong; nor does the next entry heal it.
    meddle(logged, "UPDATE audit_anchors SET sha256 = (SELECT sha256 FROM audit_chain"
                   " ORDER BY seq DESC LIMIT 1) WHERE name = 'end'")
    assert {p["kind"] for p in verify(logged)["problems"]} == {"unsigned"}
    logged.register("later")
    assert {p["kind"] for p in wait_linked(logged)["problems"]} == {"unsigned"}
    meddle(logged, "DELETE FROM audit_anchors")
    assert {p["kind"] for p in verify(logged)["problems"]} == {"unsigned"}


def test_a_cut_off_end_is_missed_for_ever(logged):
    last = ids(logged)[-1]
    seq = logged.sql("SELECT max(seq) FROM audit_chain")[0][0]
    meddle(logged, f"DELETE FROM audit_log WHERE id >= {last}",
           f"DELETE FROM audit_chain WHERE audit_id >= {last}")
    report = verify(logged)
    assert [(p["kind"], p["link"]) for p in report["problems"]] == [("truncated", seq)]
    logged.register("later")
    report = wait_linked(logged)
    assert [p["kind"] for p in report["problems"]] == ["missing"]


# -- in order, whatever the order of commits --

@pytest.mark.long
def test_who_commits_late_is_linked_too(logged):
    late = logged.connect()
    cursor = late.cursor()
    cursor.execute("INSERT INTO audit_log (actor, action, subject) VALUES"
                   " ('user:late', 'test', 'test:1') RETURNING id")
    late_id = cursor.fetchone()[0]
    logged.register("meanwhile")
    wait_linked(logged)
    assert logged.sql("SELECT count(*) FROM audit_chain WHERE audit_id > %s", late_id)[0][0] >= 1
    late.commit()
    late.close()
    report = wait_linked(logged)
    assert report["ok"], report
    assert logged.sql("SELECT count(*) FROM audit_chain WHERE audit_id = %s", late_id) == [(1,)]


@pytest.mark.release
def test_retention_leaves_what_verifies(make_appliance):
    appliance = make_appliance()
    appliance.start()
    appliance.sql("INSERT INTO audit_log (at, actor, action, subject) SELECT now()"
                  " - interval '500 days', 'user:old', 'test', 'test:' || i"
                  " FROM generate_series(1, 5000) AS i")
    appliance.register("young")
    before = wait_linked(appliance)
    # The first start's own run of the job may have taken some of them already.
    assert before["ok"] and before["last_link"] >= 5001
    assert appliance.terminate() == 0
    appliance.start()  # the job is due at every start
    wait_until(lambda: appliance.sql("SELECT count(*) FROM audit_log WHERE actor = 'user:old'")
               == [(0,)], "old entries to go", 120)
    appliance.register("younger")
    report = wait_linked(appliance)
    assert report["ok"], report
    assert report["first_link"] > 5000 and report["last_link"] > before["last_link"]
    assert report["linked"] == report["last_link"] - report["first_link"] + 1
    meddle(appliance, "UPDATE audit_anchors SET seq = seq - 1 WHERE name = 'begin'")
    assert {p["kind"] for p in verify(appliance)["problems"]} == {"unsigned", "missing"}


def test_retention_takes_no_evidence(make_appliance):
    """Nobody has it remove a line early by making it look old; nor one whose link is alone left."""
    appliance = make_appliance()
    appliance.start()
    for i in range(4):
        appliance.register(f"device {i}")
    before = wait_linked(appliance)
    first, second = [row[0] for row in appliance.sql("SELECT audit_id FROM audit_chain"
                                                     " ORDER BY seq LIMIT 2")]
    meddle(appliance, f"UPDATE audit_log SET at = '2001-01-01Z' WHERE id = {first}",
           f"DELETE FROM audit_log WHERE id = {second}",
           "UPDATE audit_chain SET linked_at = '2001-01-01Z'")
    runs = 'muster_job_runs_total{job="audit_retention",outcome="ok"}'
    assert appliance.terminate() == 0
    appliance.start()  # the job is due at every start
    wait_until(lambda: appliance.metrics().get(runs, 0) >= 1, "the job to have run", 120)
    report = verify(appliance)
    assert report["first_link"] == before["first_link"]
    assert kinds(report) == [("changed", str(first)), ("deleted", str(second))]


def test_json_of_any_kind_comes_back(logged):
    odd = {"text": "ä\u2028\"\\", "deep": [{"a": [None, 1.5, True]}], "big": 12345678901234}
    logged.sql("INSERT INTO audit_log (actor, action, subject, before, after) VALUES"
               " ('user:odd', 'test', 'test:1', %s, '\"text\"')", json.dumps(odd))
    entry = ask(logged, "/admin/audit?actor=user:odd")["entries"][0]
    assert entry["before"] == odd and entry["after"] == "text"
    assert wait_linked(logged)["ok"]
