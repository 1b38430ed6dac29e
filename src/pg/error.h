/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error.h - what PostgreSQL or the way to it answered, as data and as one sentence.
 *
 * Every fallible function of pg/ returns a negative errno, the coarse answer:
 *
 *   -ENOTCONN   the connection was lost; whether a COMMIT under way took place is unknown
 *   -EHOSTDOWN  there is none: refused, unreachable, still starting, or the breaker is open
 *   -EEXIST     unique_violation (23505)
 *   -EINVAL     any other data error (classes 22 and 23)
 *   -EAGAIN     serialization failure or deadlock (class 40), lock not available: begin again
 *   -ETIMEDOUT  statement or lock timeout
 *   -EPROTO     the statement itself is wrong (class 42, 0A, 26): a mistake of ours or a foreign
 * schema -ENOSPC     the server's disk is full, or it is out of memory or connections (class 53)
 *   -ECANCELED  COMMIT of a failed transaction rolled back; or the daemon is stopping
 *   -EIO        anything else
 *
 * struct mu_pg_error has the rest.
 *
 * Threads    plain data.
 */
#ifndef MUSTER_PG_ERROR_H
#define MUSTER_PG_ERROR_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "muster/compiler.h"

struct mu_pg_error {
        char sqlstate[6];    /* "" when there was no error; "08006" when libpq gave none */
        char constraint[64]; /* "" when none was named */
        char text[384];      /* one sentence, no line break, no secret */
};

void mu_pg_error_clear(struct mu_pg_error *error);
/* result may be NULL (the connection itself failed). Returns the negative errno for it. */
int mu_pg_error_set(struct mu_pg_error *error, const PGconn *conn, const PGresult *result);
/* An error that arose on our side; sqlstate five characters. Returns the negative errno for it. */
int mu_pg_error_format(struct mu_pg_error *error, const char *sqlstate, const char *format, ...)
        MU_PRINTF(3, 4);

/* The negative errno for a SQLSTATE, as in the table above; 0 for "". */
int mu_pg_error_errno(const char *sqlstate);

/* The connection is gone or was never there: nothing about the data. */
bool mu_pg_error_is_connection_lost(const struct mu_pg_error *error);
/* Classes 22 and 23, unless it is a missing partition: the row is at fault, not the server. */
bool mu_pg_error_is_data(const struct mu_pg_error *error);
/* 42P01, or 23514 from tuple routing or a leaf's bounds (which names no constraint). */
bool mu_pg_error_is_missing_partition(const struct mu_pg_error *error);
bool mu_pg_error_is_unique_violation(const struct mu_pg_error *error);

#endif
