/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/advisory_lock.h"

#include "base/assert.h"
#include "pg/connection.h"

enum { RETRY_MS = 100 };

/* Session locks are counted by PostgreSQL; we take each once. None is repeatable. */
static const struct mu_pg_statement LOCK_TRY = {
        .name = "advisory_lock_try",
        .sql = "SELECT pg_try_advisory_lock($1, $2)",
        .params = {MU_PG_INT4, MU_PG_INT4},
};
static const struct mu_pg_statement UNLOCK = {
        .name = "advisory_unlock",
        .sql = "SELECT pg_advisory_unlock($1, $2)",
        .params = {MU_PG_INT4, MU_PG_INT4},
};
static const struct mu_pg_statement LOCK_TRANSACTION = {
        .name = "advisory_lock_transaction",
        .sql = "SELECT pg_advisory_xact_lock($1, $2)",
        .params = {MU_PG_INT4, MU_PG_INT4},
};

#define KEY(lock) MU_PG_VALUES(mu_pg_int4(MU_LOCK_SPACE), mu_pg_int4((int32_t)(lock)))

int mu_advisory_lock_try(struct mu_pg *pg, enum mu_lock lock, bool *ret_taken)
{
        MU_ASSERT(!pg->pinned);
        struct mu_pg_result *rows;
        int err = mu_pg_query(pg, &LOCK_TRY, KEY(lock), &rows);

        if (err)
                return err;
        *ret_taken = pg->pinned = mu_pg_get_bool(rows, 0, 0);
        mu_pg_result_free(rows);
        return 0;
}

/* Asks again and again instead of waiting in the server: a daemon that stops is not held up. */
int mu_advisory_lock(struct mu_pg *pg, enum mu_lock lock)
{
        for (;;) {
                bool taken;
                int err = mu_advisory_lock_try(pg, lock, &taken);

                if (err || taken)
                        return err;
                err = mu_database_pause(pg->database, RETRY_MS);
                if (err)
                        return err;
        }
}

void mu_advisory_lock_release(struct mu_pg *pg, enum mu_lock lock)
{
        mu_pg_rollback(pg);
        if (pg->conn && mu_pg_query(pg, &UNLOCK, KEY(lock), NULL) < 0)
                mu_pg_disconnect(pg);
        pg->pinned = false;
}

int mu_advisory_lock_transaction(struct mu_pg *pg, enum mu_lock lock)
{
        MU_ASSERT(pg->in_transaction);
        return mu_pg_query(pg, &LOCK_TRANSACTION, KEY(lock), NULL);
}
