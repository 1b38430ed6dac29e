/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/migrate.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

#include "base/assert.h"
#include "pg/advisory_lock.h"
#include "pg/query.h"

static const char BOOKS[] = "CREATE TABLE IF NOT EXISTS schema_migrations ("
                            " version integer PRIMARY KEY,"
                            " name text NOT NULL,"
                            " sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),"
                            " applied_at timestamptz NOT NULL DEFAULT now(),"
                            " applied_by text NOT NULL)";

static const struct mu_pg_statement APPLIED = {
        .name = "migrations_applied",
        .sql = "SELECT version, name, sha256 FROM schema_migrations ORDER BY version",
        .repeatable = true,
};

static const struct mu_pg_statement RECORD = {
        .name = "migration_record",
        .sql = "INSERT INTO schema_migrations (version, name, sha256, applied_by)"
               " VALUES ($1, $2, $3, $4)",
        .params = {MU_PG_INT4, MU_PG_TEXT, MU_PG_BYTEA, MU_PG_TEXT},
};

static void digest(const struct mu_migration *migration, uint8_t ret_sha256[SHA256_DIGEST_LENGTH])
{
        SHA256((const uint8_t *)migration->sql, migration->sql_bytes, ret_sha256);
}

/* What was applied must be, version by version, what the program has. */
static int compare(const struct mu_pg_result *rows, const struct mu_migration *migrations,
                   size_t count, struct mu_pg_error *error)
{
        for (size_t i = 0; i < mu_pg_rows(rows); i++) {
                int64_t version = mu_pg_get_int(rows, i, 0);
                const char *name = mu_pg_get_text(rows, i, 1);
                struct mu_pg_bytes recorded = mu_pg_get_bytea(rows, i, 2);
                uint8_t sha256[SHA256_DIGEST_LENGTH];

                if (version > (int64_t)count) {
                        mu_pg_error_format(error, "0A000",
                                           "the database has migration %s, which this program "
                                           "does not know: start the newer version of Muster that "
                                           "applied it, or restore a backup from before",
                                           name);
                        return -EOVERFLOW;
                }
                if (version != (int64_t)i + 1) {
                        mu_pg_error_format(error, "XX000",
                                           "schema_migrations lacks version %zu, below %s: "
                                           "somebody removed its row; restore the database",
                                           i + 1, name);
                        return -ENOENT;
                }
                digest(&migrations[i], sha256);
                if (recorded.bytes != sizeof(sha256) ||
                    memcmp(recorded.data, sha256, sizeof(sha256)) != 0) {
                        mu_pg_error_format(error, "XX000",
                                           "schema/%s is not the text that was applied to this "
                                           "database (as %s): put the applied text back and make "
                                           "the change in a new file",
                                           migrations[i].name, name);
                        return -EBADMSG;
                }
        }
        return 0;
}

static int apply(struct mu_pg *pg, const struct mu_migration *migration)
{
        uint8_t sha256[SHA256_DIGEST_LENGTH];
        int err = mu_pg_begin(pg);

        if (err)
                return err;
        digest(migration, sha256);
        err = mu_pg_script(pg, "migration_apply", migration->sql);
        if (!err)
                err = mu_pg_query(pg, &RECORD,
                                  MU_PG_VALUES(mu_pg_int4((int32_t)migration->version),
                                               mu_pg_text(migration->name),
                                               mu_pg_bytea(sha256, sizeof(sha256)),
                                               mu_pg_text("musterd " MUSTER_VERSION)),
                                  NULL);
        if (err) {
                mu_pg_rollback(pg);
                return err;
        }
        return mu_pg_commit(pg);
}

static int read_applied(struct mu_pg *pg, const struct mu_migration *migrations, size_t count,
                        size_t *ret_done, struct mu_pg_error *error)
{
        struct mu_pg_result *rows;
        int err = mu_pg_script(pg, "migration_books", BOOKS);

        if (!err)
                err = mu_pg_query(pg, &APPLIED, MU_PG_VALUES(), &rows);
        if (err) {
                *error = *mu_pg_last_error(pg);
                return err;
        }
        *ret_done = mu_pg_rows(rows);
        err = compare(rows, migrations, count, error);
        mu_pg_result_free(rows);
        return err;
}

static int apply_all(struct mu_pg *pg, const struct mu_migration *migrations, size_t count,
                     mu_migrate_progress *progress, void *context, size_t *ret_applied,
                     struct mu_pg_error *error)
{
        size_t done = 0;
        int err = read_applied(pg, migrations, count, &done, error);

        for (size_t i = done; !err && i < count; i++) {
                if (progress)
                        progress(context, &migrations[i], i, count);
                err = apply(pg, &migrations[i]);
                if (!err) {
                        ++*ret_applied;
                        continue;
                }
                mu_pg_error_format(error,
                                   mu_pg_last_error(pg)->sqlstate[0]
                                           ? mu_pg_last_error(pg)->sqlstate
                                           : "XX000",
                                   "migration %s failed and was rolled back: %s",
                                   migrations[i].name, mu_pg_last_error(pg)->text);
        }
        return err;
}

int mu_migrate(struct mu_pg *pg, const struct mu_migration *migrations, size_t count,
               mu_migrate_progress *progress, void *context, size_t *ret_applied,
               struct mu_pg_error *ret_error)
{
        size_t applied = 0;

        for (size_t i = 0; i < count; i++) {
                if (migrations[i].version == i + 1)
                        continue;
                mu_pg_error_format(ret_error, "XX000",
                                   "schema/%s is out of order: version %zu is missing before it",
                                   migrations[i].name, i + 1);
                return -ENOENT;
        }
        int err = mu_advisory_lock(pg, MU_LOCK_MIGRATE);

        if (err) {
                *ret_error = *mu_pg_last_error(pg);
                return err;
        }
        /* A migration may rewrite a large table: it has no time limit. */
        err = mu_pg_set_timeout(pg, 0);
        if (err)
                *ret_error = *mu_pg_last_error(pg);
        else
                err = apply_all(pg, migrations, count, progress, context, &applied, ret_error);
        mu_advisory_lock_release(pg, MU_LOCK_MIGRATE);
        if (!err && ret_applied)
                *ret_applied = applied;
        return err;
}
