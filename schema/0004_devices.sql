-- SPDX-License-Identifier: Apache-2.0
-- What operators add to a device, and how they find it.
--
-- No index of device_last_status: each of its columns changes with every heartbeat (HOT). Lists
-- ordered by it read all of it once; src/control/device/README.md has the numbers.

ALTER TABLE devices
    ADD COLUMN updated_at     timestamptz NOT NULL DEFAULT now(), -- by people, not by heartbeats
    -- until then a register with the hardware_id takes the device over
    ADD COLUMN takeover_until timestamptz,
    ADD COLUMN tags           text[] NOT NULL DEFAULT '{}' CHECK (cardinality(tags) <= 32),
    ADD COLUMN site           text CHECK (length(site) BETWEEN 1 AND 100),
    ADD COLUMN notes          text CHECK (length(notes) <= 4000);

-- What a search looks through, one text in lower case, so that one comparison a row does. Newlines
-- part the pieces: no search text has one.
ALTER TABLE devices ADD COLUMN search text NOT NULL GENERATED ALWAYS AS (
    lower(alias || E'\n' || coalesce(hardware_id, '') || E'\n' || coalesce(site, '') || E'\n'
          || coalesce(notes, ''))) STORED;

-- The orders a list pages through; tombstones are not part of them.
CREATE INDEX devices_live_id ON devices (id) WHERE deleted_at IS NULL;
CREATE INDEX devices_live_alias ON devices (lower(alias), id) WHERE deleted_at IS NULL;
CREATE INDEX devices_live_created_at ON devices (created_at, id) WHERE deleted_at IS NULL;

CREATE INDEX devices_live_site ON devices (site, id) WHERE deleted_at IS NULL AND site IS NOT NULL;
CREATE INDEX devices_live_tags ON devices USING gin (tags)
    WHERE deleted_at IS NULL AND tags <> '{}';
CREATE INDEX devices_quarantined ON devices (id) WHERE quarantined_at IS NOT NULL;

-- Search by any part of a text. pg_trgm comes with PostgreSQL's contrib package and may be created
-- by whoever owns the database; without it the same statements read all rows, some 40 ms for
-- 100,000 devices.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
        CREATE INDEX devices_live_search ON devices USING gin (search gin_trgm_ops)
            WHERE deleted_at IS NULL;
    END IF;
EXCEPTION
    WHEN insufficient_privilege OR undefined_object OR undefined_file THEN
        RAISE NOTICE 'no index for searching devices: %', SQLERRM;
END
$$;

-- A device's first report changes its row and its token's: with room on the page neither touches an
-- index (HOT), the trigram one least of all.
ALTER TABLE devices SET (fillfactor = 70);
ALTER TABLE device_tokens SET (fillfactor = 70);
