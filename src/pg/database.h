/* SPDX-License-Identifier: Apache-2.0 */
/*
 * database.h - where the database is, and the one cap on connections to it.
 *
 *   acquire ──▶ a slot under the cap ──▶ an idle connection, else a new one (through the breaker)
 *   release ──▶ kept idle, or closed when old or broken; the slot goes to the longest waiter
 *
 * All connections of the process go through one mu_database, so one breaker says whether
 * PostgreSQL is there: after a few failed attempts nobody tries but one probe at a time.
 *
 * Units      *_s, *_ms, *_us as named; monotonic deadlines in ns of the given clock.
 * Threads    create, destroy: one thread, nothing lent. Everything else: any thread.
 * Ownership  A connection is lent from acquire to release. The database must outlive it.
 * Errors     negative errno as in pg/error.h; -ETIMEDOUT from acquire: the cap was reached for
 *            wait_ms; -ECANCELED: mu_database_shut was called. No error text carries a secret.
 */
#ifndef MUSTER_PG_DATABASE_H
#define MUSTER_PG_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/breaker.h"
#include "base/clock.h"
#include "metrics/metrics.h"
#include "muster/compiler.h"
#include "pg/error.h"

struct mu_pg;
struct mu_database;

struct mu_database_config {
        const char *conninfo;          /* URL or key=value; may hold a password */
        uint32_t connections_max;      /* the cap; 32 */
        uint32_t connect_timeout_ms;   /* 5000 */
        uint32_t statement_timeout_ms; /* server's, and 5 s later ours; 30000; 0: none */
        uint32_t connection_age_max_s; /* idle ones older than this are closed; 1800; 0: never */
        uint64_t slow_statement_us;    /* on_slow from here on; 0: never */
        /* Called by the thread that ran the statement. context: on_slow_context. */
        void (*on_slow)(void *context, const char *statement, uint64_t duration_us, uint64_t rows);
        void *on_slow_context;
        const struct mu_clock *clock;
        struct mu_metrics *metrics; /* NULL: none */
};

/* Everything at its default except conninfo. */
void mu_database_config_init(struct mu_database_config *config, const char *conninfo);

/* Does not connect. -EINVAL with a sentence in ret_error when the conninfo can't be read. */
MU_MUST_CHECK
int mu_database_create(const struct mu_database_config *config, struct mu_database **ret_database,
                       struct mu_pg_error *ret_error);
void mu_database_destroy(struct mu_database *database); /* NULL is a no-op */

/* Lends a connected connection. ret_error may be NULL. */
MU_MUST_CHECK
int mu_database_acquire(struct mu_database *database, uint32_t wait_ms, struct mu_pg **ret_pg,
                        struct mu_pg_error *ret_error);
/* As acquire, but tries again with backoff until there is a connection or mu_database_shut. */
MU_MUST_CHECK
int mu_database_acquire_patiently(struct mu_database *database, struct mu_pg **ret_pg);
/* An open transaction is rolled back. NULL is a no-op. */
void mu_database_release(struct mu_database *database, struct mu_pg *pg);

/* Waiting and later acquires and connects return -ECANCELED. Statements under way go on. */
void mu_database_shut(struct mu_database *database);
/* Shut, and statements under way are not waited for: their connections are closed. Any thread. */
void mu_database_abandon(struct mu_database *database);

enum mu_breaker_state mu_database_breaker_state(const struct mu_database *database);

/* "host=db.example port=5432 dbname=muster user=muster": for people, never a password. */
const char *mu_database_description(const struct mu_database *database);

/* What the server is set to, where it matters to us. */
struct mu_database_facts {
        int32_t server_version;        /* 150018 */
        int32_t connections_available; /* max_connections less the reserved */
        bool fsync;
        bool full_page_writes;
        bool synchronous_commit; /* our sessions turn it on; false: the server refused */
};

/* Reads the facts. -EINVAL and a sentence when the server is older than 15, in recovery, or has
 * fewer connections than the cap; fsync and full_page_writes off are the caller's to report. */
MU_MUST_CHECK
int mu_database_check(struct mu_database *database, struct mu_database_facts *ret_facts,
                      struct mu_pg_error *ret_error);

/* For those who speak to libpq themselves (the writers): books a statement's time and rows under
 * its name. statement must live as long as the database. */
void mu_database_observe(struct mu_database *database, const char *statement, uint64_t duration_us,
                         uint64_t rows, bool failed);

#endif
