-- SPDX-License-Identifier: Apache-2.0
-- Jobs: how they went, what they ask of each other, and security events in daily partitions.

-- Runs that changed something, failed or were asked for; bounded by the job job_runs. The id is
-- given by the scheduler (the microsecond of its asking), so that it is known before the database
-- is.
CREATE TABLE job_runs (
    id          bigint PRIMARY KEY,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    changed     bigint NOT NULL,
    job         text NOT NULL,
    outcome     text NOT NULL CHECK (outcome IN ('ok', 'failed', 'skipped')),
    asked_by    text, -- 'user:<name>', …; NULL: it was due
    error       text
);

CREATE INDEX job_runs_job ON job_runs (job, id);

-- Relations whose statistics are to be made anew after much of them changed: the job analyze.
CREATE TABLE job_analyze (
    relation text NOT NULL PRIMARY KEY,
    asked_at timestamptz NOT NULL DEFAULT now()
);

-- Where the reconciliation of device_last_status is, so that a start goes on.
CREATE TABLE job_reconcile (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    device_cursor bigint NOT NULL DEFAULT 0,
    arrivals_to   timestamptz, -- heartbeats received up to here were looked at
    pass_began_at timestamptz
);

INSERT INTO job_reconcile DEFAULT VALUES;
