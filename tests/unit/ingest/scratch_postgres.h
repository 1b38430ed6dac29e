/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scratch_postgres.h - a PostgreSQL of the test's own: a child process on a socket in a scratch
 * directory, with fsync off, to be killed and started again at will.
 *
 * Errors: every failure fails the test.
 */
#ifndef MUSTER_TESTS_UNIT_INGEST_SCRATCH_POSTGRES_H
#define MUSTER_TESTS_UNIT_INGEST_SCRATCH_POSTGRES_H

#include <libpq-fe.h>
#include <stdint.h>
#include <sys/types.h>

struct scratch_postgres {
        char directory[64];
        char conninfo[160];
        pid_t pid; /* 0: not running */
};

/* False when this machine has no PostgreSQL to run: the test is skipped. */
int scratch_postgres_exists(void);
/* initdb, start, schema. */
void scratch_postgres_create(struct scratch_postgres *postgres);
void scratch_postgres_destroy(struct scratch_postgres *postgres);
/* Returns once it takes connections. */
void scratch_postgres_start(struct scratch_postgres *postgres);
void scratch_postgres_kill(struct scratch_postgres *postgres); /* SIGKILL, and its children's end */

/* A connection for looking. */
PGconn *scratch_postgres_connect(const struct scratch_postgres *postgres);
/* Runs statements; the first column of the last one's first row, "" when there is none. Good until
 * the next call. */
const char *sql_text(PGconn *conn, const char *sql);
int64_t sql_int(PGconn *conn, const char *sql);

#endif
