/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_pg_io.h - libpq without ever blocking: every wait ends with the answer, a stop or a
 * deadline.
 *
 * Units      monotonic ns. Threads: one. Ownership: borrows the connection; results are the
 *            caller's.
 * Errors     -ECANCELED: stopped; -ETIMEDOUT: the deadline passed; -ENOTCONN: the connection
 * failed, PQerrorMessage says how. After any of them the connection is good for nothing more.
 */
#ifndef MUSTER_INGEST_STORE_PG_IO_H
#define MUSTER_INGEST_STORE_PG_IO_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/clock.h"
#include "muster/compiler.h"

struct mu_store_pg_io {
        PGconn *conn; /* non-blocking */
        const struct mu_clock *clock;
        int stop_fd; /* readable: stop waiting, now and ever after; -1: none */
        uint64_t deadline_ns;
};

/* The next result of what was sent; NULL after the last one. */
MU_MUST_CHECK
int mu_store_pg_result(struct mu_store_pg_io *io, PGresult **ret_result);
/* In COPY: sends the bytes as far as the socket; libpq holds no more than one piece. */
MU_MUST_CHECK
int mu_store_pg_put(struct mu_store_pg_io *io, const void *data, size_t bytes);
MU_MUST_CHECK
int mu_store_pg_put_end(struct mu_store_pg_io *io);

#endif
