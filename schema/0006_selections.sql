-- SPDX-License-Identifier: Apache-2.0
-- Selections: what an operator was shown, so that just that is changed. Bulk deletions, and the
-- purge of what the deleted had sent.

CREATE TABLE selections (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    device_count integer NOT NULL CHECK (device_count >= 0),
    created_by   text NOT NULL, -- as in audit_log.actor: nobody else may use it
    filter       jsonb          -- NULL: given device by device
);

CREATE INDEX selections_expires_at ON selections (expires_at);

CREATE TABLE selection_devices (
    selection_id bigint NOT NULL REFERENCES selections (id) ON DELETE CASCADE,
    device_id    bigint NOT NULL,
    PRIMARY KEY (selection_id, device_id)
);

-- deleting ─▶ (purging ─▶) done. Each chunk of devices, and of rows, moves a cursor in the same
-- transaction, so that whoever finds an unfinished one goes on from there.
CREATE TABLE bulk_deletions (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- not removed before the deletion is done
    selection_id  bigint REFERENCES selections (id) ON DELETE SET NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    deleted_at    timestamptz, -- all devices are
    purge_from_at timestamptz, -- the purge began
    finished_at   timestamptz,
    -- no record of these devices lies above: the purge waits until the checkpoint has passed it
    journal_seq   bigint NOT NULL,
    device_cursor bigint NOT NULL DEFAULT 0, -- of the phase under way: done up to this device
    purge_day     timestamptz,               -- the partition under way begins here
    rows_purged   bigint NOT NULL DEFAULT 0,
    device_count  integer NOT NULL,
    days_total    integer,
    days_done     integer NOT NULL DEFAULT 0,
    state         text NOT NULL DEFAULT 'deleting' CHECK (state IN ('deleting', 'purging', 'done')),
    purge_history boolean NOT NULL,
    actor         text NOT NULL,
    address       text,
    journal_id    bytea NOT NULL CHECK (octet_length(journal_id) = 16),
    CHECK (selection_id IS NOT NULL OR state = 'done')
);

CREATE INDEX bulk_deletions_unfinished ON bulk_deletions (id) WHERE state <> 'done';
CREATE INDEX bulk_deletions_selection ON bulk_deletions (selection_id);
