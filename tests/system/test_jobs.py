# SPDX-License-Identifier: Apache-2.0
"""Jobs from outside: listed, run on demand, their history, and what keeps them from running."""
import json
import os
import subprocess

import pytest

from appliance import wait_until
from test_devices import ask, get


def ctl(appliance, *words, expect=0):
    done = subprocess.run([appliance.bin_dir / "musterctl", "--url", appliance.url,
                           "--admin-key-file", appliance.data_dir / "secrets" / "admin-key",
                           *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=180, env={**os.environ, "HOME": str(appliance.data_dir)})
    assert done.returncode == expect, done
    return done.stdout


def test_listed_with_what_they_do(daemon):
    jobs = {job["name"]: job for job in get(daemon, "/admin/jobs")["jobs"]}
    assert {"partitions", "purge", "reconcile", "analyze", "job_runs"} <= set(jobs)
    assert all(job["doc"].endswith(".") and job["interval_s"] > 0 for job in jobs.values())
    run = daemon.run_job("partitions")
    jobs = {job["name"]: job for job in get(daemon, "/admin/jobs")["jobs"]}
    assert jobs["partitions"]["last"]["id"] == run["id"]
    assert jobs["partitions"]["due_at"] and jobs["partitions"]["failures_in_a_row"] == 0
    assert daemon.metric('muster_job_runs_total{job="partitions",outcome="ok"}') >= 2
    assert daemon.metric('muster_job_running{job="partitions"}') == 0


@pytest.mark.release
def test_a_run_is_asked_for_and_told_of(daemon):
    def run_with_an_old_token():
        daemon.sql("INSERT INTO enrolment_tokens (expires_at, max_uses, token_sha256)"
                   " VALUES (now() - interval '40 days', 1, sha256('old'))")
        return daemon.run_job("enrolment_tokens")

    # Its first run of itself, a while after the start, may have taken this one.
    run = run_with_an_old_token()
    if run["changed"] == 0:
        run = run_with_an_old_token()
    assert run["changed"] == 1 and run["asked_by"] == "admin-key" and run["error"] is None
    assert run["started_at"] <= run["finished_at"] and run["duration_s"] >= 0
    history = get(daemon, "/admin/jobs/enrolment_tokens/runs")["runs"]
    assert history[0] == run
    assert daemon.sql("SELECT actor, after->>'job' FROM audit_log WHERE action = 'job.run'"
                      " AND subject = %s", f"job-run:{run['id']}") == [
        ("admin-key", "enrolment_tokens")]
    # Asked for, so it stands there though there was nothing to do.
    again = daemon.run_job("enrolment_tokens")
    assert again["changed"] == 0
    page = get(daemon, "/admin/jobs/enrolment_tokens/runs", limit=1)
    assert page["runs"] == [again]
    page = get(daemon, "/admin/jobs/enrolment_tokens/runs",
               before=page["next_before"])
    assert page["runs"][0] == run
    ask(daemon, "POST", "/admin/jobs/nonesuch/run", 404)
    ask(daemon, "POST", "/admin/jobs/" + "x" * 200 + "/run", 404)
    ask(daemon, "GET", "/admin/jobs/nonesuch/runs", 404)
    ask(daemon, "GET", "/admin/job-runs/1", 404)


def test_history_stays_short(daemon):
    # Its run at the start is over: else that one may take what is counted below.
    wait_until(lambda: daemon.metric('muster_job_last_run_timestamp_seconds{job="job_runs"}') > 0,
               "the job's first run", 180)
    daemon.sql("INSERT INTO job_runs (id, started_at, finished_at, changed, job, outcome)"
               " SELECT i, now(), now(), 1, 'many', 'ok' FROM generate_series(1, 5500) AS i")
    daemon.sql("INSERT INTO job_runs (id, started_at, finished_at, changed, job, outcome)"
               " SELECT i, now() - interval '31 days', now() - interval '31 days', 1, 'old', 'ok'"
               " FROM generate_series(10001, 10010) AS i")
    # More than one slice takes.
    assert daemon.run_job("job_runs")["changed"] >= 4510
    assert daemon.sql("SELECT count(*), min(id) FROM job_runs WHERE job = 'many'") == [(1000, 4501)]
    assert daemon.sql("SELECT count(*) FROM job_runs WHERE job = 'old'") == [(0,)]


def test_musterctl(daemon):
    assert "selections" in ctl(daemon, "jobs", "list")
    assert ctl(daemon, "jobs", "run", "selections").startswith("selections ok, changed 0, ")
    run = json.loads(ctl(daemon, "jobs", "run", "selections", "--json"))
    assert run["state"] == "ok" and run["job"] == "selections"
    assert run["id"] in ctl(daemon, "jobs", "history", "selections")
    assert ctl(daemon, "jobs", "run", "selections", "--no-wait").startswith("run ")
    ctl(daemon, "jobs", "run", "nonesuch", expect=1)


def test_another_process_at_it_and_failures(daemon):
    """The locks are (0x6d757374, id): schema and code agree on them for ever."""
    holder = daemon.connect()
    try:
        with holder.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, 19)", [0x6d757374])
        run = daemon.run_job("selections", expect="skipped")
        assert "Another process" in run["error"]
    finally:
        holder.close()
    wait_until(lambda: daemon.job_run(daemon.ask_job("selections")), "a run to be taken")
    daemon.sql("ALTER TABLE selections RENAME TO selections_away")
    try:
        run = daemon.run_job("selections", expect="failed")
        assert "selections" in run["error"]
        assert daemon.metric('muster_job_failures_in_a_row{job="selections"}') >= 1
        assert "selections failed" in ctl(daemon, "jobs", "run", "selections", expect=5)
    finally:
        daemon.sql("ALTER TABLE selections_away RENAME TO selections")
    daemon.run_job("selections")
    assert daemon.metric('muster_job_failures_in_a_row{job="selections"}') == 0


def test_the_database_away_is_no_failure(make_appliance, postgres_server):
    appliance = make_appliance(environment={"MUSTER_DATABASE_URL": postgres_server.url})
    appliance.start()
    appliance.run_job("selections")
    postgres_server.stop()
    wait_until(lambda: appliance.metric('muster_job_runs_total{job="audit_chain",'
                                        'outcome="database_away"}') > 0,
               "a job to find the database away")
    postgres_server.start()
    # Until the breaker lets somebody try, requests are answered 503.
    wait_until(lambda: appliance.session.get(f"{appliance.url}/admin/jobs", timeout=15,
                                             headers=appliance.admin_headers()).ok,
               "the database to be found again")
    appliance.run_job("selections")
    assert appliance.metric("muster_job_failures_in_a_row") == 0
    assert appliance.sql("SELECT count(*) FROM job_runs WHERE outcome = 'failed'") == [(0,)]
