-- SPDX-License-Identifier: Apache-2.0
-- Days that left their table: what the archive holds, what is on its way there, what was asked.
--
--   partition_registry: attached ─▶ detaching ─▶ archiving ─▶ archived ─▶ dropped
--                                       ▲                                    │ restore
--                                       └───────────── restored ◀────────────┘
-- A day that is not archived goes from detaching to dropped. 'archived': the files are verified,
-- the table is still there. The files: src/archive/ARCHIVE_FORMAT.md.

ALTER TABLE partition_registry DROP CONSTRAINT partition_registry_state_check;
ALTER TABLE partition_registry ADD CONSTRAINT partition_registry_state_check
    CHECK (state IN ('attached', 'detaching', 'archiving', 'archived', 'dropped', 'restored'));

CREATE INDEX partition_registry_leaving ON partition_registry (parent, range_from)
    WHERE state IN ('detaching', 'archiving', 'archived', 'restored');

-- writing ─▶ verifying ─▶ archived. The newest archived row of a parent is the head of its chain:
-- it says so when the newest day's files are gone.
CREATE TABLE archive_days (
    day              timestamptz NOT NULL, -- its first instant, UTC
    created_at       timestamptz NOT NULL,
    archived_at      timestamptz, -- verified
    row_count        bigint NOT NULL DEFAULT 0,
    plain_bytes      bigint NOT NULL DEFAULT 0,
    stored_bytes     bigint NOT NULL DEFAULT 0,
    restored_at      timestamptz,
    restored_until   timestamptz, -- then it is dropped again
    restored_rows    bigint,
    verified_at      timestamptz, -- last, by whoever
    file_count       integer NOT NULL DEFAULT 0,
    sequence         integer CHECK (sequence > 0), -- place in the parent's chain, from 1
    attempts         integer NOT NULL DEFAULT 1,   -- begun anew because the files did not verify
    verify_ok        boolean,
    parent           text NOT NULL,
    state            text NOT NULL CHECK (state IN ('writing', 'verifying', 'archived')),
    verify_detail    text,  -- what was wrong
    storage          text,  -- of the table that is written: archive_storage
    manifest_sha256  bytea CHECK (octet_length(manifest_sha256) = 32),
    previous_sha256  bytea CHECK (octet_length(previous_sha256) = 32), -- NULL: the first
    PRIMARY KEY (parent, day),
    CHECK (state <> 'archived' OR (manifest_sha256 IS NOT NULL AND sequence IS NOT NULL))
);

CREATE UNIQUE INDEX archive_days_sequence ON archive_days (parent, sequence);

-- Files of days that are being written, so that an interrupted one goes on where it was.
CREATE TABLE archive_parts (
    day           timestamptz NOT NULL,
    row_count     bigint NOT NULL,
    plain_bytes   bigint NOT NULL,
    stored_bytes  bigint NOT NULL,
    least_us      bigint NOT NULL, -- of the partition's column
    most_us       bigint NOT NULL,
    number        integer NOT NULL CHECK (number >= 0),
    verified      boolean NOT NULL DEFAULT false,
    parent        text NOT NULL,
    last_row      text NOT NULL, -- ctid of the last row in it
    plain_sha256  bytea NOT NULL CHECK (octet_length(plain_sha256) = 32),
    stored_sha256 bytea NOT NULL CHECK (octet_length(stored_sha256) = 32),
    PRIMARY KEY (parent, day, number),
    FOREIGN KEY (parent, day) REFERENCES archive_days (parent, day) ON DELETE CASCADE
);

-- What operators ask of the archive; one after the other.
--   waiting ─▶ running ─▶ done | failed
CREATE TABLE archive_requests (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    day          timestamptz NOT NULL,
    created_at   timestamptz NOT NULL,
    started_at   timestamptz,
    finished_at  timestamptz,
    keep_s       bigint, -- of restore: for how long the day stays
    parts_done   integer NOT NULL DEFAULT 0,
    parts_total  integer,
    parent       text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('verify', 'restore', 'drop')),
    state        text NOT NULL DEFAULT 'waiting'
                 CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    requested_by text NOT NULL,
    detail       text, -- a sentence: why it failed
    problems     jsonb -- of verify: [{"file", "detail"}]
);

CREATE INDEX archive_requests_open ON archive_requests (id) WHERE state IN ('waiting', 'running');
CREATE INDEX archive_requests_day ON archive_requests (parent, day, id);
-- asked for twice before it began is once
CREATE UNIQUE INDEX archive_requests_once ON archive_requests (parent, day, kind)
    WHERE state = 'waiting';

-- Devices whose history was purged: what the archive still holds of them does not come back. Goes
-- with nothing: files outlive everything.
CREATE TABLE archive_purged (
    device_id bigint NOT NULL PRIMARY KEY,
    purged_at timestamptz NOT NULL DEFAULT now()
);

-- The next rows of a detached day as they lie in it, and the last of them. Never from the middle,
-- where a shared sequential scan may begin.
CREATE FUNCTION archive_rows_after(leaf regclass, after_row text, row_limit bigint,
                                   OUT last_row text, OUT row_count bigint)
LANGUAGE plpgsql SET synchronize_seqscans = off SET enable_seqscan = off
SET max_parallel_workers_per_gather = 0 AS $$
BEGIN
    EXECUTE format('SELECT max(c)::text, count(*) FROM (SELECT ctid AS c FROM ONLY %s'
                   ' WHERE ctid > $1::tid LIMIT $2) AS s', leaf)
        INTO last_row, row_count USING after_row, row_limit;
END
$$;

-- Where a table's rows lie: what changes when they are moved (VACUUM FULL, a dump loaded again), so
-- that a ctid noted before says nothing any more.
CREATE FUNCTION archive_storage(leaf regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    server text := '';
BEGIN
    BEGIN
        SELECT system_identifier INTO server FROM pg_control_system();
    EXCEPTION WHEN insufficient_privilege THEN
        NULL; -- somebody took it from PUBLIC
    END;
    RETURN server || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())
        || '/' || leaf::oid || '/' || pg_relation_filenode(leaf);
END
$$;

-- What was purged since a restore of the day began. By the key: a scan of the day takes too long.
CREATE FUNCTION archive_remove_purged(leaf regclass, since timestamptz) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    removed bigint;
BEGIN
    EXECUTE format('DELETE FROM ONLY %s AS h USING archive_purged AS p'
                   ' WHERE h.device_id = p.device_id AND p.purged_at >= $1', leaf) USING since;
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END
$$;

-- What was purged while the day was on its way out, some devices at a time; the last of them, NULL
-- when there are no more.
CREATE FUNCTION archive_remove_purged_after(leaf regclass, after_device bigint, device_limit bigint)
RETURNS bigint LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    devices bigint[] := ARRAY(SELECT device_id FROM archive_purged WHERE device_id > after_device
                              ORDER BY device_id LIMIT device_limit);
BEGIN
    EXECUTE format('DELETE FROM ONLY %s WHERE device_id = ANY ($1)', leaf) USING devices;
    RETURN devices[cardinality(devices)];
END
$$;

-- A restored day is there to be read. A record that comes for it finds no place, as before, and is
-- kept as 'expired' (23514 without a constraint's name: no partition).
CREATE FUNCTION archive_restored_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'day % was archived and is restored only to be read', TG_TABLE_NAME
        USING ERRCODE = 'check_violation';
END
$$;
