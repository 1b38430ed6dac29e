/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/copy_out.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/assert.h"
#include "pg/connection.h"

/* libpq holds this much of a load at the most before it is waited for. */
#define PIECE_BYTES ((size_t)64 * 1024)

static uint64_t now_ns(const struct mu_pg *pg)
{
        return mu_clock_monotonic_ns(mu_database_configuration(pg->database)->clock);
}

/* 1: ready; 0: not within the time, or nobody is to wait any more; negative errno. */
static int await(const struct mu_pg *pg, short events, uint64_t deadline_ns)
{
        struct pollfd wake[] = {
                {.fd = PQsocket(pg->conn), .events = events},
                {.fd = mu_database_abandoned_fd(pg->database), .events = POLLIN},
        };

        for (;;) {
                uint64_t now = now_ns(pg);
                uint64_t left_ms =
                        now >= deadline_ns ? 0 : (deadline_ns - now) / (uint64_t)MU_NS_PER_MS + 1;
                int ready = poll(wake, MU_COUNT_OF(wake), left_ms > 60000 ? 60000 : (int)left_ms);

                if (ready > 0)
                        return wake[0].revents != 0;
                if (ready < 0 && errno != EINTR)
                        return -errno;
                if (now_ns(pg) >= deadline_ns)
                        return 0;
        }
}

static int give_up(struct mu_pg *pg)
{
        mu_pg_disconnect(pg);
        return mu_pg_error_format(&pg->error, "08006",
                                  "PostgreSQL did not go on with a COPY within the time limit; the "
                                  "connection was closed");
}

/* The first result, which says that a COPY has begun, or the error instead. */
static int begin_copy(struct mu_pg *pg, const char *sql, ExecStatusType wanted)
{
        PGresult *result;
        int err = mu_pg_ensure(pg);

        if (err)
                return err;
        mu_pg_error_clear(&pg->error);
        if (!PQsendQuery(pg->conn, sql))
                return mu_pg_send_failed(pg);
        err = mu_pg_take_one(pg, mu_pg_deadline_ns(pg), &result);
        if (err)
                return err;
        if (PQresultStatus(result) == wanted) {
                PQclear(result);
                return 0;
        }
        err = mu_pg_error_set(&pg->error, pg->conn, result);
        PQclear(result);
        if (PQstatus(pg->conn) == CONNECTION_BAD)
                mu_pg_disconnect(pg);
        while (pg->conn && (result = PQgetResult(pg->conn)))
                PQclear(result);
        return err ? err : -EPROTO;
}

static int end_copy(struct mu_pg *pg, uint64_t *ret_rows)
{
        PGresult *result;
        int err = mu_pg_take(pg, &result);

        if (err)
                return err;
        *ret_rows = strtoull(PQcmdTuples(result), NULL, 10);
        PQclear(result);
        return 0;
}

/* Out -------------------------------------------------------------------------------------------
 */

static int take_pieces(struct mu_pg *pg, int (*take)(void *context, const void *data, size_t bytes),
                       void *context)
{
        for (;;) {
                char *piece = NULL;
                int bytes = PQgetCopyData(pg->conn, &piece, 1);

                if (bytes == -1)
                        return 0; /* the result says how it went */
                if (bytes == -2)
                        return mu_pg_send_failed(pg);
                if (bytes > 0) {
                        int err = take(context, piece, (size_t)bytes);

                        PQfreemem(piece);
                        if (err) {
                                mu_pg_disconnect(pg);
                                return err;
                        }
                        continue;
                }
                if (await(pg, POLLIN, mu_pg_deadline_ns(pg)) == 0)
                        return give_up(pg);
                if (!PQconsumeInput(pg->conn))
                        return mu_pg_send_failed(pg);
        }
}

int mu_pg_copy_out(struct mu_pg *pg, const char *name, const char *sql,
                   int (*take)(void *context, const void *data, size_t bytes), void *context,
                   uint64_t *ret_rows)
{
        uint64_t start_ns = now_ns(pg);
        uint64_t rows = 0;
        int err = begin_copy(pg, sql, PGRES_COPY_OUT);

        if (!err)
                err = take_pieces(pg, take, context);
        if (!err)
                err = end_copy(pg, &rows);
        mu_database_observe(pg->database, name, (now_ns(pg) - start_ns) / (uint64_t)MU_NS_PER_US,
                            rows, err != 0);
        if (!err)
                *ret_rows = rows;
        return err;
}

/* In --------------------------------------------------------------------------------------------
 */

/* All that libpq holds, to the server. What it says meanwhile (an error, most likely) is read. */
static int flush(struct mu_pg *pg)
{
        int left;

        while ((left = PQflush(pg->conn)) > 0) {
                if (await(pg, POLLIN | POLLOUT, mu_pg_deadline_ns(pg)) == 0)
                        return give_up(pg);
                if (!PQconsumeInput(pg->conn))
                        return mu_pg_send_failed(pg);
        }
        return left < 0 ? mu_pg_send_failed(pg) : 0;
}

int mu_pg_load_begin(struct mu_pg *pg, const char *sql)
{
        int err = begin_copy(pg, sql, PGRES_COPY_IN);

        if (!err && PQsetnonblocking(pg->conn, 1) != 0) {
                mu_pg_disconnect(pg);
                err = mu_pg_error_format(&pg->error, "XX000", "a COPY can't be sent in pieces");
        }
        return err;
}

int mu_pg_load(struct mu_pg *pg, const void *data, size_t bytes)
{
        const char *at = data;

        while (bytes > 0) {
                size_t piece = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
                int put = pg->conn ? PQputCopyData(pg->conn, at, (int)piece) : -1;

                if (put < 0)
                        return pg->conn ? mu_pg_send_failed(pg) : -ENOTCONN;
                int err = flush(pg);

                if (err)
                        return err;
                if (put == 0)
                        continue;
                at += piece;
                bytes -= piece;
        }
        return 0;
}

static int end_load(struct mu_pg *pg, const char *reason, uint64_t *ret_rows)
{
        int put;

        if (!pg->conn)
                return -ENOTCONN;
        while ((put = PQputCopyEnd(pg->conn, reason)) == 0) {
                int err = flush(pg);

                if (err)
                        return err;
        }
        if (put < 0)
                return mu_pg_send_failed(pg);
        int err = flush(pg);

        if (err)
                return err;
        (void)PQsetnonblocking(pg->conn, 0); /* nothing is left to be sent: it can't fail */
        return end_copy(pg, ret_rows);
}

int mu_pg_load_end(struct mu_pg *pg, uint64_t *ret_rows)
{
        return end_load(pg, NULL, ret_rows);
}

void mu_pg_load_abandon(struct mu_pg *pg)
{
        uint64_t rows;

        if (end_load(pg, "given up", &rows) == 0)
                mu_pg_disconnect(pg); /* can't be: it was told to fail */
}

/* In pieces of time -----------------------------------------------------------------------------
 */

int mu_pg_begin_script(struct mu_pg *pg, const char *sql)
{
        int err = mu_pg_ensure(pg);

        if (err)
                return err;
        mu_pg_error_clear(&pg->error);
        return PQsendQuery(pg->conn, sql) ? 0 : mu_pg_send_failed(pg);
}

int mu_pg_await_script(struct mu_pg *pg, uint32_t wait_ms, bool *ret_done)
{
        uint64_t deadline_ns = now_ns(pg) + wait_ms * (uint64_t)MU_NS_PER_MS;
        PGresult *result;

        *ret_done = false;
        while (PQisBusy(pg->conn)) {
                if (await(pg, POLLIN, deadline_ns) == 0)
                        return 0;
                if (!PQconsumeInput(pg->conn))
                        break; /* PQgetResult has the text */
        }
        int err = mu_pg_take(pg, &result);

        if (err)
                return err;
        PQclear(result);
        *ret_done = true;
        return 0;
}
