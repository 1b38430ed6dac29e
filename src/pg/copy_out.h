/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy_out.h - whole tables out of and into PostgreSQL as COPY streams, and statements that take
 * minutes, awaited in pieces.
 *
 *   mu_pg_copy_out(pg, "archive_copy", "COPY … TO STDOUT (FORMAT binary)", take, context, &rows);
 *
 *   mu_pg_load_begin(pg, "COPY … FROM STDIN (FORMAT binary)");
 *   mu_pg_load(pg, data, bytes);  …  mu_pg_load_end(pg, &rows);
 *
 *   mu_pg_begin_script(pg, "CREATE INDEX …");
 *   while (!(err = mu_pg_await_script(pg, 1000, &done)) && !done)
 *           …
 *
 * Memory is flat: the server waits while the caller is busy. The statement text is the program's,
 * with names from the catalogue at most.
 *
 * Units      bytes; *_ms.
 * Threads    as the connection.
 * Ownership  data is lent for the length of the call.
 * Errors     negative errno as in pg/error.h; what take returned (the connection is then closed:
 *            there is no other way to end a stream early). After a failed load or await the
 *            connection is as after any failed statement.
 */
#ifndef MUSTER_PG_COPY_OUT_H
#define MUSTER_PG_COPY_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_pg;

/* Pieces as the server sends them: mostly a row each. ret_rows: as the server counts them. */
MU_MUST_CHECK
int mu_pg_copy_out(struct mu_pg *pg, const char *name, const char *sql,
                   int (*take)(void *context, const void *data, size_t bytes), void *context,
                   uint64_t *ret_rows);

MU_MUST_CHECK
int mu_pg_load_begin(struct mu_pg *pg, const char *sql);
MU_MUST_CHECK
int mu_pg_load(struct mu_pg *pg, const void *data, size_t bytes);
MU_MUST_CHECK
int mu_pg_load_end(struct mu_pg *pg, uint64_t *ret_rows);
/* Instead of end: nothing of it stays. */
void mu_pg_load_abandon(struct mu_pg *pg);

MU_MUST_CHECK
int mu_pg_begin_script(struct mu_pg *pg, const char *sql);
MU_MUST_CHECK
int mu_pg_await_script(struct mu_pg *pg, uint32_t wait_ms, bool *ret_done);

#endif
