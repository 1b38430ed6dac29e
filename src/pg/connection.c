/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection's life: made through the breaker, watched with a deadline on our side too (a frozen
 * server answers nothing, not even its own statement_timeout), closed when in doubt.
 */
#include "pg/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* How much later than the server's own limit we give a statement up. */
#define GRACE_NS (5 * MU_NS_PER_S)

static uint64_t now_ns(const struct mu_pg *pg)
{
        return mu_clock_monotonic_ns(mu_database_configuration(pg->database)->clock);
}

/* What libpq has to say outside of an answer: the server's notices are not errors. */
static void ignore_notice(void *context, const char *message)
{
        (void)context;
        (void)message;
}

uint64_t mu_pg_deadline_ns(const struct mu_pg *pg)
{
        if (pg->timeout_ms == 0)
                return UINT64_MAX;
        return now_ns(pg) + pg->timeout_ms * (uint64_t)MU_NS_PER_MS + GRACE_NS;
}

/* 1 ready, 0 deadline passed or the database abandoned, negative errno. */
static int wait_for(const struct mu_pg *pg, short events, uint64_t deadline_ns)
{
        struct pollfd wake[] = {
                {.fd = PQsocket(pg->conn), .events = events},
                {.fd = mu_database_abandoned_fd(pg->database), .events = POLLIN},
        };

        for (;;) {
                uint64_t now = now_ns(pg);
                int timeout_ms = -1;

                if (deadline_ns != UINT64_MAX) {
                        uint64_t left_ms =
                                now >= deadline_ns
                                        ? 0
                                        : (deadline_ns - now) / (uint64_t)MU_NS_PER_MS + 1;

                        timeout_ms = left_ms > 60000 ? 60000 : (int)left_ms;
                }
                int ready = poll(wake, MU_COUNT_OF(wake), timeout_ms);

                if (ready > 0)
                        return wake[0].revents != 0;
                if (ready < 0 && errno != EINTR)
                        return -errno;
                if (deadline_ns != UINT64_MAX && now_ns(pg) >= deadline_ns)
                        return 0;
        }
}

void mu_pg_disconnect(struct mu_pg *pg)
{
        PQfinish(pg->conn);
        pg->conn = NULL;
        pg->prepared_count = 0;
}

void mu_pg_free(struct mu_pg *pg)
{
        if (!pg)
                return;
        PQfinish(pg->conn);
        mu_copy_in_done(&pg->scratch);
        free(pg->prepared);
        free(pg);
}

static int give_up(struct mu_pg *pg)
{
        mu_pg_disconnect(pg);
        return mu_pg_error_format(&pg->error, "08006",
                                  "PostgreSQL gave no answer within the time limit; the "
                                  "connection was closed");
}

int mu_pg_send_failed(struct mu_pg *pg)
{
        int err = mu_pg_error_set(&pg->error, pg->conn, NULL);

        if (PQstatus(pg->conn) == CONNECTION_BAD)
                mu_pg_disconnect(pg);
        return err;
}

int mu_pg_take_one(struct mu_pg *pg, uint64_t deadline_ns, PGresult **ret_result)
{
        while (PQisBusy(pg->conn)) {
                int ready = wait_for(pg, POLLIN, deadline_ns);

                if (ready == 0)
                        return give_up(pg);
                /* A failure of either is found by PQgetResult, with its text. */
                if (ready < 0 || !PQconsumeInput(pg->conn))
                        break;
        }
        *ret_result = PQgetResult(pg->conn);
        return 0;
}

static bool is_failure(const PGresult *result)
{
        ExecStatusType status = PQresultStatus(result);

        return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
}

int mu_pg_take(struct mu_pg *pg, PGresult **ret_result)
{
        uint64_t deadline_ns = mu_pg_deadline_ns(pg);
        PGresult *last = NULL;
        int failure = 0;

        for (;;) {
                PGresult *result;
                int err = mu_pg_take_one(pg, deadline_ns, &result);

                if (err) {
                        PQclear(last);
                        return err;
                }
                if (!result)
                        break;
                if (is_failure(result) && failure == 0)
                        failure = mu_pg_error_set(&pg->error, pg->conn, result);
                PQclear(last);
                last = result;
        }
        if (failure == 0 && !last)
                failure = mu_pg_error_set(&pg->error, pg->conn, NULL);
        if (PQstatus(pg->conn) == CONNECTION_BAD)
                mu_pg_disconnect(pg);
        if (failure != 0) {
                PQclear(last);
                return failure;
        }
        *ret_result = last;
        return 0;
}

/* Sends and takes without connecting anew. */
static int run(struct mu_pg *pg, const char *sql)
{
        PGresult *result;

        mu_pg_error_clear(&pg->error);
        if (!PQsendQuery(pg->conn, sql))
                return mu_pg_send_failed(pg);
        int err = mu_pg_take(pg, &result);

        if (err)
                return err;
        PQclear(result);
        return 0;
}

static int connect_failed(struct mu_pg *pg, const char *reason)
{
        mu_pg_error_format(&pg->error, "08001", "no connection to PostgreSQL (%s): %s",
                           mu_database_description(pg->database), reason);
        mu_pg_disconnect(pg);
        return -EHOSTDOWN;
}

static int connect_poll(struct mu_pg *pg)
{
        uint64_t deadline_ns =
                now_ns(pg) + mu_database_configuration(pg->database)->connect_timeout_ms *
                                     (uint64_t)MU_NS_PER_MS;
        PostgresPollingStatusType step = PGRES_POLLING_WRITING;

        while (step != PGRES_POLLING_OK) {
                if (step == PGRES_POLLING_FAILED)
                        return connect_failed(pg, PQerrorMessage(pg->conn));
                short events = step == PGRES_POLLING_READING ? POLLIN : POLLOUT;

                if (wait_for(pg, events, deadline_ns) <= 0)
                        return connect_failed(pg, "no answer within the time limit");
                step = PQconnectPoll(pg->conn);
        }
        return 0;
}

static int set_timeout(struct mu_pg *pg, uint32_t statement_timeout_ms)
{
        char sql[64];

        snprintf(sql, sizeof(sql), "SET statement_timeout = %u", statement_timeout_ms);
        int err = run(pg, sql);

        if (!err)
                pg->timeout_ms = statement_timeout_ms;
        return err;
}

static int connect_once(struct mu_pg *pg)
{
        const struct mu_database_config *config = mu_database_configuration(pg->database);

        mu_pg_disconnect(pg);
        pg->conn = PQconnectStartParams(mu_database_keywords(pg->database),
                                        mu_database_values(pg->database), 0);
        if (!pg->conn)
                return connect_failed(pg, "out of memory");
        if (PQstatus(pg->conn) == CONNECTION_BAD)
                return connect_failed(pg, PQerrorMessage(pg->conn));
        PQsetNoticeProcessor(pg->conn, ignore_notice, NULL);
        int err = connect_poll(pg);

        if (err)
                return err;
        /* An acknowledged record may be dropped from the journal once it is committed, so a commit
         * must be on disk whatever the database's own default. Ours alone: nothing else changes. */
        pg->timeout_ms = config->statement_timeout_ms;
        err = run(pg, "SELECT set_config('synchronous_commit', 'on', false)"
                      " WHERE current_setting('synchronous_commit') IN ('off', 'local')");
        if (!err && pg->wanted_timeout_ms != config->statement_timeout_ms)
                err = set_timeout(pg, pg->wanted_timeout_ms);
        if (err) {
                mu_pg_disconnect(pg);
                return mu_pg_error_is_connection_lost(&pg->error) ? -EHOSTDOWN : err;
        }
        pg->connected_at_ns = now_ns(pg);
        pg->generation++;
        return 0;
}

/* A server that went away while we were idle has sent its farewell: read it now, so that the next
 * statement goes to a living connection instead of failing. */
static bool is_alive(struct mu_pg *pg)
{
        if (!pg->conn || PQstatus(pg->conn) != CONNECTION_OK)
                return false;
        for (int reads = 0; reads < 8; reads++) {
                struct pollfd socket = {.fd = PQsocket(pg->conn), .events = POLLIN};

                if (poll(&socket, 1, 0) <= 0)
                        return true;
                if (!PQconsumeInput(pg->conn) || PQstatus(pg->conn) != CONNECTION_OK)
                        return false;
                (void)PQisBusy(pg->conn); /* parses what was read */
        }
        return true;
}

int mu_pg_connect(struct mu_pg *pg)
{
        if (is_alive(pg))
                return 0;
        mu_pg_disconnect(pg);
        int err = mu_database_connect_begins(pg->database, &pg->error);

        if (err)
                return err;
        err = connect_once(pg);
        mu_database_connect_ended(pg->database, err == 0);
        return err;
}

int mu_pg_ensure(struct mu_pg *pg)
{
        if (!pg->in_transaction && !pg->pinned)
                return mu_pg_connect(pg);
        if (pg->conn && PQstatus(pg->conn) == CONNECTION_OK)
                return 0;
        return mu_pg_error_format(&pg->error, "08003",
                                  pg->in_transaction
                                          ? "the connection was lost inside of a transaction"
                                          : "the connection was lost, and with it a lock");
}

PGconn *mu_pg_raw(struct mu_pg *pg)
{
        return mu_pg_ensure(pg) == 0 ? pg->conn : NULL;
}

uint64_t mu_pg_generation(const struct mu_pg *pg)
{
        return pg->generation;
}

const struct mu_pg_error *mu_pg_last_error(const struct mu_pg *pg)
{
        return &pg->error;
}

void mu_pg_explain(struct mu_pg *pg, const char *sentence)
{
        mu_pg_error_format(&pg->error, "XX000", "%s", sentence);
}

bool mu_pg_in_transaction(const struct mu_pg *pg)
{
        return pg->in_transaction;
}

int mu_pg_script(struct mu_pg *pg, const char *name, const char *sql)
{
        int err = mu_pg_ensure(pg);

        if (err)
                return err;
        uint64_t start_ns = now_ns(pg);

        err = run(pg, sql);
        mu_database_observe(pg->database, name, (now_ns(pg) - start_ns) / (uint64_t)MU_NS_PER_US, 0,
                            err != 0);
        return err;
}

int mu_pg_begin(struct mu_pg *pg)
{
        MU_ASSERT(!pg->in_transaction);
        int err = mu_pg_ensure(pg);

        if (err)
                return err;
        err = run(pg, "BEGIN");
        /* Lost on its way: nothing was begun, so it can go to a new connection. */
        if (err == -ENOTCONN && !pg->pinned) {
                err = mu_pg_connect(pg);
                if (!err)
                        err = run(pg, "BEGIN");
        }
        pg->in_transaction = err == 0;
        return err;
}

int mu_pg_commit(struct mu_pg *pg)
{
        MU_ASSERT(pg->in_transaction);
        int err = mu_pg_ensure(pg);

        if (!err) {
                bool failed = PQtransactionStatus(pg->conn) == PQTRANS_INERROR;
                uint64_t start_ns = now_ns(pg);

                err = run(pg, "COMMIT");
                mu_database_observe(pg->database, "commit",
                                    (now_ns(pg) - start_ns) / (uint64_t)MU_NS_PER_US, 0, err != 0);
                if (!err && failed) {
                        mu_pg_error_format(&pg->error, "25P02",
                                           "a statement of the transaction had failed: it was "
                                           "rolled back");
                        err = -ECANCELED;
                }
        }
        /* Whatever the answer, no transaction of ours is open; one that is can't be used again. */
        pg->in_transaction = false;
        if (pg->conn && PQtransactionStatus(pg->conn) != PQTRANS_IDLE)
                mu_pg_disconnect(pg);
        return err;
}

void mu_pg_rollback(struct mu_pg *pg)
{
        if (!pg->in_transaction)
                return;
        pg->in_transaction = false;
        if (!pg->conn)
                return;
        struct mu_pg_error reason = pg->error; /* the caller's, not the rollback's */

        if (run(pg, "ROLLBACK") < 0 || PQtransactionStatus(pg->conn) != PQTRANS_IDLE)
                mu_pg_disconnect(pg);
        pg->error = reason;
}

int mu_pg_set_timeout(struct mu_pg *pg, uint32_t statement_timeout_ms)
{
        int err = mu_pg_ensure(pg);

        if (!err)
                err = set_timeout(pg, statement_timeout_ms);
        if (!err)
                pg->wanted_timeout_ms = statement_timeout_ms;
        return err;
}
