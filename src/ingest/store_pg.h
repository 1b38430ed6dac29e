/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_pg.h - a writer's PostgreSQL: one connection, one transaction a batch.
 *
 *   BEGIN; COPY heartbeats_20261121 …                    one query, the rows right behind it
 *   UPDATE device_last_status … FROM unnest(array)         what the batch makes newer
 *   [UPDATE liveness of older news; INSERT what had none]  only where it is so
 *   COMMIT
 *
 * UPDATE rather than INSERT … ON CONFLICT: that one locks each row first, which costs a second log
 * record. A status that does not exist is made only while its device row is held and not deleted,
 * so a deleted device's never comes back.
 *
 * When rows may be there already (request->staged) they go through a temporary table, and from
 * there ON CONFLICT DO NOTHING; rejects do so too. The temporary tables belong to the session, are
 * made when first needed and empty after each transaction; the database's user needs the right to
 * make them, TEMPORARY (PUBLIC has it by default).
 *
 * Units      ms; days.
 * Threads    one, but stop_fd may be made readable by any.
 * Ownership  Holds one connection of the database from connect to disconnect.
 * Errors     store.h's outcomes; negative errno from create.
 */
#ifndef MUSTER_INGEST_STORE_PG_H
#define MUSTER_INGEST_STORE_PG_H

#include <stdint.h>

#include "base/clock.h"
#include "ingest/store.h"
#include "muster/compiler.h"

struct mu_database;

struct mu_store_pg_config {
        struct mu_database *database;
        const struct mu_clock *clock;
        uint8_t journal_id[16];
        uint32_t window_days;          /* back from today, these go straight to their leaf; 7 */
        uint32_t acquire_wait_ms;      /* for a connection under the cap; 2000 */
        uint32_t statement_timeout_ms; /* the server's; ours is 5 s more for the whole batch */
        int stop_fd;                   /* readable: every call returns MU_STORE_STOPPED; -1: none */
};

MU_MUST_CHECK
int mu_store_pg_create(const struct mu_store_pg_config *config, struct mu_store **ret_store);
void mu_store_pg_destroy(struct mu_store *store); /* NULL is a no-op */

#endif
