/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate.h - brings the database's schema up to this program's, one file of schema/ after the
 * other.
 *
 * Each migration runs in a transaction of its own, under one advisory lock for all, and is recorded
 * in schema_migrations with the SHA-256 of its text. What was applied must not have changed since;
 * a database that knows more migrations than the program is a newer program's.
 *
 * Threads    as the connection; several processes may call at once, one does the work.
 * Errors     negative errno as in pg/error.h, the sentence in ret_error. -EBADMSG: an applied
 *            migration's text has changed; -EOVERFLOW: the database is newer; -ENOENT: a gap.
 */
#ifndef MUSTER_PG_MIGRATE_H
#define MUSTER_PG_MIGRATE_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"
#include "pg/error.h"

struct mu_pg;

struct mu_migration {
        uint32_t version; /* 1, 2, … without gaps */
        const char *name; /* the file's: "0001_core.sql" */
        const char *sql;
        size_t sql_bytes;
};

/* Those of schema/, in order, as they were when the program was built. */
const struct mu_migration *mu_migrations_embedded(size_t *ret_count);

/* Called before each migration that is to be applied: done of total are. */
typedef void mu_migrate_progress(void *context, const struct mu_migration *next, size_t done,
                                 size_t total);

/* ret_applied: how many were applied now; may be NULL, as may progress. */
MU_MUST_CHECK
int mu_migrate(struct mu_pg *pg, const struct mu_migration *migrations, size_t count,
               mu_migrate_progress *progress, void *context, size_t *ret_applied,
               struct mu_pg_error *ret_error);

#endif
