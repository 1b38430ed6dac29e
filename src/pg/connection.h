/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection.h - the inside of struct mu_pg, for pg/ alone.
 *
 * Threads    as in query.h: one thread at a time.
 * Ownership  The database owns the struct, the struct its PGconn.
 */
#ifndef MUSTER_PG_CONNECTION_H
#define MUSTER_PG_CONNECTION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"
#include "pg/copy_in.h"
#include "pg/database.h"
#include "pg/query.h"

struct mu_pg {
        struct mu_database *database;
        struct mu_pg *next_idle;
        PGconn *conn; /* NULL: not connected */
        uint64_t generation;
        uint64_t connected_at_ns;
        uint32_t timeout_ms;        /* statement_timeout as the server has it now */
        uint32_t wanted_timeout_ms; /* and as a new connection is to have it */
        bool in_transaction;        /* stays set when the connection is lost in one */
        bool pinned;                /* holds a session lock: never reconnects by itself */
        struct mu_pg_error error;
        const struct mu_pg_statement **prepared; /* on this connection */
        uint32_t prepared_count;
        uint32_t prepared_room;
        struct mu_copy_in scratch; /* arrays and JSON on their way out */
};

/* One attempt through the breaker, if there is no connection or it has died. */
MU_MUST_CHECK
int mu_pg_connect(struct mu_pg *pg);
/* -ENOTCONN where opening another connection would change the meaning. */
MU_MUST_CHECK
int mu_pg_ensure(struct mu_pg *pg);

/* After a PQsend*: waits within the time limit and takes all results. The first error, or the last
 * result. Past the limit the connection is closed. */
MU_MUST_CHECK
int mu_pg_take(struct mu_pg *pg, PGresult **ret_result);
/* One result of those still to come; *ret_result NULL after the last. */
MU_MUST_CHECK
int mu_pg_take_one(struct mu_pg *pg, uint64_t deadline_ns, PGresult **ret_result);
/* When the statement now sent is given up; UINT64_MAX: never. */
uint64_t mu_pg_deadline_ns(const struct mu_pg *pg);
/* Books the error of a PQsend* that failed, closing what is broken. */
int mu_pg_send_failed(struct mu_pg *pg);

void mu_pg_free(struct mu_pg *pg);

/* database.c, for connection.c. keywords and values end with NULL and live with the database. */
const char *const *mu_database_keywords(const struct mu_database *database);
const char *const *mu_database_values(const struct mu_database *database);
const struct mu_database_config *mu_database_configuration(const struct mu_database *database);
/* Readable once nobody is to wait for the server any more. */
int mu_database_abandoned_fd(const struct mu_database *database);
/* May a connection be tried now? 0, then connect_ended must follow; -EHOSTDOWN, -ECANCELED. */
MU_MUST_CHECK
int mu_database_connect_begins(struct mu_database *database, struct mu_pg_error *ret_error);
/* Waits; -ECANCELED once the database is shut. */
MU_MUST_CHECK
int mu_database_pause(struct mu_database *database, uint32_t ms);
void mu_database_connect_ended(struct mu_database *database, bool connected);

#endif
