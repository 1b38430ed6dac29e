-- SPDX-License-Identifier: Apache-2.0
--
-- Backups taken, where they lie and what became of them. A row is written when one begins; the
-- directory itself is what counts: its manifest says all of this again, for when this database is
-- what was lost.

CREATE TABLE backups (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('scheduled', 'asked', 'manual')),
        requested_by text NOT NULL DEFAULT '',
        started_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz,
        outcome text NOT NULL DEFAULT 'running' CHECK (outcome IN ('running', 'ok', 'failed')),
        directory text NOT NULL,            -- its own: …/muster-20261121T161500Z
        database text NOT NULL CHECK (database IN ('cluster', 'dump')),
        bytes bigint,
        files bigint,
        linked_files bigint,                -- shared with an earlier backup
        encrypted boolean NOT NULL DEFAULT false,
        error text NOT NULL DEFAULT '',
        -- Beside the backup itself: it is good even if one of these failed.
        after_hook_outcome text CHECK (after_hook_outcome IN ('ok', 'failed')),
        offsite_outcome text CHECK (offsite_outcome IN ('ok', 'failed')),
        offsite_detail text NOT NULL DEFAULT '',
        -- The self-test: restored into a scratch cluster and counted.
        checked_at timestamptz,
        check_outcome text CHECK (check_outcome IN ('ok', 'failed', 'skipped')),
        check_detail text NOT NULL DEFAULT '',
        removed_at timestamptz,             -- by backup.keep and backup.keep_days
        CHECK ((outcome = 'running') = (finished_at IS NULL))
);

CREATE INDEX backups_started_at ON backups (started_at DESC);
