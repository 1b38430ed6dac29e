/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/store_pg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/failpoint.h"
#include "base/text.h"
#include "ingest/copy_row.h"
#include "ingest/partition_route.h"
#include "ingest/status_array.h"
#include "ingest/store_pg_io.h"
#include "ingest/store_pg_sql.h"
#include "pg/copy_in.h"
#include "pg/database.h"
#include "pg/partition.h"
#include "pg/query.h"

enum {
        SEND_BYTES = 64 * 1024, /* rows are encoded into this much, then handed to libpq */
        SQL_BYTES = 16 * 1024,
        GRACE_MS = 5000,
        STEPS_MAX = MU_ROUTE_LEAVES_MAX + 8,
};

enum step_kind {
        STEP_PLAIN,        /* answers with a command tag that nobody needs */
        STEP_COPY_LEAF,    /* rows of one day */
        STEP_COPY_PARENT,  /* rows of all days that have no leaf in the route */
        STEP_COPY_STAGE,   /* all rows */
        STEP_INSERT_ROWS,  /* from the stage */
        STEP_STATUS_NEWER, /* how many statuses the batch made newer */
        STEP_COPY_REJECTS, /* to their stage */
        STEP_INSERT_REJECTS,
};

struct step {
        enum step_kind kind;
        int64_t day;
};

static const char *const session[] = {
        MU_SQL_PLANNING,
        MU_SQL_STATUS_TYPE,
        MU_SQL_PREPARE("muster_status_newer", MU_SQL_STATUS_NEWER),
        MU_SQL_PREPARE("muster_status_older", MU_SQL_STATUS_OLDER),
        MU_SQL_PREPARE("muster_status_missing", MU_SQL_STATUS_MISSING),
        MU_SQL_STATUS_TYPE_OID,
        NULL,
};

/* What one call runs: statements of one query, their answers in the same order. */
struct script {
        struct mu_text sql;
        struct step steps[STEPS_MAX];
        uint32_t step_count;
        char sql_bytes[SQL_BYTES];
};

struct store_pg {
        struct mu_store store;
        struct mu_store_pg_config config;
        struct mu_store_pg_io io;
        struct mu_store_error last_error;
        struct mu_pg *pg;
        uint64_t generation; /* of the connection that has our session state */
        uint64_t value;      /* what the last SELECT gave */
        char journal_hex[33];
        struct mu_status_array statuses;
        uint32_t status_type_oid;
        bool has_row_stage; /* temporary tables of the connection: made when first needed */
        bool has_reject_stage;
        struct script script;
        uint8_t send[SEND_BYTES + MU_COPY_ROW_BYTES_MAX];
};

/* One transaction on its way. */
struct work {
        const struct mu_store_request *request;
        struct mu_route route;
        struct mu_store_result result;
        uint64_t newer; /* statuses that the batch made newer */
        uint64_t start_ns;
        uint64_t copied_ns; /* the rows were in */
};

static struct store_pg *of(struct mu_store *store)
{
        return (struct store_pg *)store;
}

static uint64_t now_ns(const struct store_pg *pg)
{
        return mu_clock_monotonic_ns(pg->config.clock);
}

/* Outcomes ------------------------------------------------------------------------------------- */

static void set_error(struct store_pg *pg, const struct mu_pg_error *error)
{
        memcpy(pg->last_error.sqlstate, error->sqlstate, sizeof(pg->last_error.sqlstate));
        snprintf(pg->last_error.text, sizeof(pg->last_error.text), "%s", error->text);
}

static enum mu_store_outcome classify(struct store_pg *pg, const struct mu_pg_error *error)
{
        set_error(pg, error);
        if (mu_pg_error_is_unique_violation(error))
                return MU_STORE_CONFLICT;
        if (mu_pg_error_is_missing_partition(error))
                return MU_STORE_PARTITION;
        if (mu_pg_error_is_data(error))
                return MU_STORE_DATA;
        return MU_STORE_AWAY;
}

/* Nothing in hand that could be at fault: the schema is not what we expect, or the server ill. */
static enum mu_store_outcome never_data(enum mu_store_outcome outcome)
{
        return outcome == MU_STORE_OK || outcome == MU_STORE_STOPPED ? outcome : MU_STORE_AWAY;
}

/* The way to the server failed, not a statement. */
static enum mu_store_outcome io_failed(struct store_pg *pg, int err)
{
        struct mu_pg_error error;

        if (err == -ECANCELED) {
                mu_pg_error_format(&error, "57014", "the writer was stopped");
                set_error(pg, &error);
                return MU_STORE_STOPPED;
        }
        if (err == -ETIMEDOUT)
                mu_pg_error_format(&error, "08006",
                                   "PostgreSQL gave no answer within the time limit");
        else
                mu_pg_error_set(&error, pg->io.conn, NULL);
        set_error(pg, &error);
        return MU_STORE_AWAY;
}

/* Sending -------------------------------------------------------------------------------------- */

static int put_if_full(struct store_pg *pg, uint8_t **at)
{
        if (*at - pg->send < SEND_BYTES)
                return 0;
        int err = mu_store_pg_put(&pg->io, pg->send, (size_t)(*at - pg->send));

        *at = pg->send;
        return err;
}

static bool row_belongs(const struct work *work, const struct step *step,
                        const struct mu_batch_entry *entry)
{
        if (entry->verdict != MU_VERDICT_STORE)
                return false;
        if (step->kind == STEP_COPY_LEAF)
                return mu_batch_day(entry) == step->day;
        if (step->kind == STEP_COPY_PARENT)
                return !mu_route_is_leaf(&work->route, mu_batch_day(entry));
        return true;
}

static int send_rows(struct store_pg *pg, const struct work *work, const struct step *step,
                     uint8_t **at)
{
        const struct mu_store_request *request = work->request;
        int err = 0;

        for (uint32_t i = 0; !err && i < request->count; i++) {
                const struct mu_batch_entry *entry = &request->batch->entries[request->first + i];

                if (!row_belongs(work, step, entry))
                        continue;
                *at = mu_copy_heartbeat(*at, entry->payload);
                err = put_if_full(pg, at);
        }
        return err;
}

/* A payload that is no record may be longer than any: it goes past the buffer. */
static int send_rejects(struct store_pg *pg, const struct work *work, uint8_t **at)
{
        const struct mu_store_request *request = work->request;
        int err = 0;

        for (uint32_t i = 0; !err && i < request->count; i++) {
                const struct mu_batch_entry *entry = &request->batch->entries[request->first + i];

                if (entry->verdict == MU_VERDICT_STORE)
                        continue;
                *at = mu_copy_reject_head(*at, entry, pg->config.journal_id);
                err = mu_store_pg_put(&pg->io, pg->send, (size_t)(*at - pg->send));
                *at = pg->send;
                if (!err)
                        err = mu_store_pg_put(&pg->io, entry->payload, entry->payload_bytes);
        }
        return err;
}

static int send_copy(struct store_pg *pg, const struct work *work, const struct step *step)
{
        uint8_t *at = mu_copy_header(pg->send);
        int err;

        if (step->kind == STEP_COPY_REJECTS)
                err = send_rejects(pg, work, &at);
        else
                err = send_rows(pg, work, step, &at);
        if (err)
                return err;
        at = mu_copy_trailer(at);
        err = mu_store_pg_put(&pg->io, pg->send, (size_t)(at - pg->send));
        return err ? err : mu_store_pg_put_end(&pg->io);
}

/* Running -------------------------------------------------------------------------------------- */

static void script_begin(struct script *script)
{
        mu_text_init_fixed(&script->sql, script->sql_bytes, sizeof(script->sql_bytes));
        script->step_count = 0;
}

static void script_add(struct script *script, enum step_kind kind, int64_t day, const char *sql)
{
        MU_ASSERT(script->step_count < STEPS_MAX);
        if (script->step_count > 0)
                mu_text_add(&script->sql, ";");
        mu_text_add(&script->sql, sql);
        script->steps[script->step_count++] = (struct step){.kind = kind, .day = day};
}

static void book(struct work *work, const struct step *step, const PGresult *result)
{
        uint64_t rows = strtoull(PQcmdTuples((PGresult *)result), NULL, 10);

        switch (step->kind) {
        case STEP_COPY_LEAF:
        case STEP_COPY_PARENT:
        case STEP_INSERT_ROWS:
                work->result.rows += (uint32_t)rows;
                break;
        case STEP_INSERT_REJECTS:
                work->result.rejects += (uint32_t)rows;
                break;
        case STEP_STATUS_NEWER:
                work->newer = rows;
                break;
        case STEP_PLAIN:
        case STEP_COPY_STAGE:
        case STEP_COPY_REJECTS:
                break;
        }
}

static uint64_t deadline_ns(const struct store_pg *pg)
{
        if (pg->config.statement_timeout_ms == 0)
                return UINT64_MAX;
        return now_ns(pg) +
               ((uint64_t)pg->config.statement_timeout_ms + GRACE_MS) * (uint64_t)MU_NS_PER_MS;
}

/* One answer. 0, or how the way to the server failed. */
static int take_answer(struct store_pg *pg, struct work *work, const PGresult *result, uint32_t *at,
                       enum mu_store_outcome *outcome)
{
        struct script *script = &pg->script;
        ExecStatusType status = PQresultStatus(result);
        struct mu_pg_error error;

        if (status == PGRES_COPY_IN) {
                MU_ASSERT(work && *at < script->step_count);
                return send_copy(pg, work, &script->steps[*at]);
        }
        if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
                MU_ASSERT(*at < script->step_count);
                if (work)
                        book(work, &script->steps[*at], result);
                if (PQntuples(result) > 0)
                        pg->value = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
                ++*at;
                return 0;
        }
        if (*outcome == MU_STORE_OK) {
                mu_pg_error_set(&error, pg->io.conn, result);
                *outcome = classify(pg, &error);
        }
        return 0;
}

/* To what was just sent, for each of the script's steps. The first error decides; what follows it
 * the server has not run. */
static enum mu_store_outcome take_answers(struct store_pg *pg, struct work *work)
{
        enum mu_store_outcome outcome = MU_STORE_OK;
        uint32_t at = 0;

        pg->io.deadline_ns = deadline_ns(pg);
        for (;;) {
                PGresult *result;
                int err = mu_store_pg_result(&pg->io, &result);

                if (err)
                        return io_failed(pg, err);
                if (!result)
                        break;
                err = take_answer(pg, work, result, &at, &outcome);
                PQclear(result);
                if (err)
                        return io_failed(pg, err);
        }
        if (outcome == MU_STORE_OK && at != pg->script.step_count)
                return io_failed(pg, -ENOTCONN);
        return outcome;
}

/* The script's statements, as one query. */
static enum mu_store_outcome run(struct store_pg *pg, struct work *work)
{
        MU_ASSERT(mu_text_status(&pg->script.sql) == 0);
        if (!PQsendQuery(pg->io.conn, pg->script.sql.data))
                return io_failed(pg, -ENOTCONN);
        return take_answers(pg, work);
}

/* A prepared statement over the batch's statuses. */
static enum mu_store_outcome run_status(struct store_pg *pg, struct work *work, enum step_kind kind,
                                        const char *name)
{
        const char *const values[] = {(const char *)pg->statuses.bytes.data};
        const int lengths[] = {(int)pg->statuses.bytes.used_bytes};
        const int formats[] = {1};

        script_begin(&pg->script);
        script_add(&pg->script, kind, 0, name);
        if (!PQsendQueryPrepared(pg->io.conn, name, 1, values, lengths, formats, 0))
                return io_failed(pg, -ENOTCONN);
        return take_answers(pg, work);
}

/* Statements without data. ret_value may be NULL: the first column of the last one's first row, 0
 * when there is none. */
static enum mu_store_outcome run_plain(struct store_pg *pg, const char *const *statements,
                                       uint64_t *ret_value)
{
        script_begin(&pg->script);
        for (; *statements; statements++)
                script_add(&pg->script, STEP_PLAIN, 0, *statements);
        pg->value = 0;
        enum mu_store_outcome outcome = run(pg, NULL);

        if (outcome == MU_STORE_OK && ret_value)
                *ret_value = pg->value;
        return outcome;
}

/* After a statement failed inside of the transaction. The outcome stays the statement's, unless not
 * even this works. */
static enum mu_store_outcome roll_back(struct store_pg *pg, enum mu_store_outcome outcome)
{
        struct mu_store_error reason = pg->last_error;

        if (outcome == MU_STORE_AWAY || outcome == MU_STORE_STOPPED)
                return outcome; /* the connection will be closed, which does the same */
        enum mu_store_outcome rolled = run_plain(pg, (const char *const[]){"ROLLBACK", NULL}, NULL);

        if (rolled != MU_STORE_OK)
                return rolled == MU_STORE_STOPPED ? rolled : MU_STORE_AWAY;
        pg->last_error = reason;
        return outcome;
}

/* The batch ------------------------------------------------------------------------------------ */

static void script_rows(struct store_pg *pg, const struct work *work)
{
        struct script *script = &pg->script;
        char sql[sizeof(MU_SQL_COPY_ROWS) + MU_PARTITION_NAME_BYTES + 16];

        if (work->request->staged) {
                snprintf(sql, sizeof(sql), MU_SQL_COPY_ROWS, "pg_temp.muster_stage_rows");
                script_add(script, STEP_COPY_STAGE, 0, sql);
                script_add(script, STEP_INSERT_ROWS, 0, MU_SQL_INSERT_ROWS);
                return;
        }
        for (uint32_t i = 0; i < work->route.leaf_count; i++) {
                char leaf[MU_PARTITION_NAME_BYTES];

                mu_partition_name(MU_PARENT_HEARTBEATS, work->route.leaves[i].day, leaf);
                snprintf(sql, sizeof(sql), MU_SQL_COPY_ROWS, leaf);
                script_add(script, STEP_COPY_LEAF, work->route.leaves[i].day, sql);
        }
        if (work->route.parent_rows > 0) {
                snprintf(sql, sizeof(sql), MU_SQL_COPY_ROWS, MU_PARTITION_HEARTBEATS);
                script_add(script, STEP_COPY_PARENT, 0, sql);
        }
}

static void script_batch(struct store_pg *pg, const struct work *work)
{
        struct script *script = &pg->script;

        script_begin(script);
        script_add(script, STEP_PLAIN, 0, "BEGIN");
        if (work->route.rejects > 0) {
                script_add(script, STEP_COPY_REJECTS, 0, MU_SQL_COPY_REJECTS);
                script_add(script, STEP_INSERT_REJECTS, 0, MU_SQL_INSERT_REJECTS);
        }
        if (work->route.rejects == work->request->count)
                return;
        script_rows(pg, work);
}

static enum mu_store_outcome commit(struct store_pg *pg)
{
        int err = 0;

        MU_FAILPOINT("store.before_commit", err);
        if (err)
                return io_failed(pg, -ENOTCONN);
        enum mu_store_outcome outcome = run_plain(pg, (const char *const[]){"COMMIT", NULL}, NULL);

        MU_FAILPOINT("store.after_commit", err);
        if (err)
                return io_failed(pg, -ENOTCONN);
        return outcome;
}

static void observe(struct store_pg *pg, struct work *work, uint64_t status_end_ns)
{
        uint64_t end_ns = now_ns(pg);
        uint64_t ns_per_us = (uint64_t)MU_NS_PER_US;
        struct mu_store_result *result = &work->result;

        result->copy_ns = work->copied_ns - work->start_ns;
        result->status_ns = status_end_ns - work->copied_ns;
        result->commit_ns = end_ns - status_end_ns;
        mu_database_observe(pg->config.database, "ingest_copy", result->copy_ns / ns_per_us,
                            result->rows, false);
        mu_database_observe(pg->config.database, "ingest_status", result->status_ns / ns_per_us,
                            result->statuses, false);
        mu_database_observe(pg->config.database, "ingest_commit", result->commit_ns / ns_per_us, 0,
                            false);
}

static bool is_usable(const struct store_pg *pg)
{
        return pg->io.conn && PQstatus(pg->io.conn) == CONNECTION_OK;
}

static enum mu_store_outcome lost(struct store_pg *pg)
{
        struct mu_pg_error error;

        mu_pg_error_format(&error, "08003", "the connection to PostgreSQL was lost");
        set_error(pg, &error);
        return MU_STORE_AWAY;
}

/* Outside of the transaction, so that a rollback leaves them. */
static enum mu_store_outcome make_stages(struct store_pg *pg, const struct work *work)
{
        enum mu_store_outcome outcome = MU_STORE_OK;

        if (work->request->staged && !pg->has_row_stage) {
                outcome = run_plain(pg, (const char *const[]){MU_SQL_STAGE_ROWS, NULL}, NULL);
                pg->has_row_stage = outcome == MU_STORE_OK;
        }
        if (outcome == MU_STORE_OK && work->route.rejects > 0 && !pg->has_reject_stage) {
                outcome = run_plain(pg, (const char *const[]){MU_SQL_STAGE_REJECTS, NULL}, NULL);
                pg->has_reject_stage = outcome == MU_STORE_OK;
        }
        return never_data(outcome);
}

static enum mu_store_outcome write_statuses(struct store_pg *pg, struct work *work)
{
        if (work->route.rejects == work->request->count)
                return MU_STORE_OK;
        if (mu_status_array_encode(&pg->statuses, work->request, pg->status_type_oid) < 0) {
                struct mu_pg_error error;

                mu_pg_error_format(&error, "53200", "out of memory for a batch's last statuses");
                set_error(pg, &error);
                return MU_STORE_AWAY;
        }
        work->result.statuses = pg->statuses.count;
        enum mu_store_outcome outcome =
                run_status(pg, work, STEP_STATUS_NEWER, "muster_status_newer");

        if (outcome != MU_STORE_OK || work->newer == work->result.statuses)
                return outcome;
        outcome = run_status(pg, work, STEP_PLAIN, "muster_status_older");
        if (outcome == MU_STORE_OK)
                outcome = run_status(pg, work, STEP_PLAIN, "muster_status_missing");
        return outcome;
}

static enum mu_store_outcome store_batch(struct mu_store *store,
                                         const struct mu_store_request *request,
                                         struct mu_store_result *ret_result)
{
        struct store_pg *pg = of(store);
        struct work work = {.request = request, .start_ns = now_ns(pg)};
        int64_t today = mu_partition_day(mu_clock_realtime_us(pg->config.clock) / MU_US_PER_S);

        MU_ASSERT(request->batch->sealed && request->count > 0);
        if (!is_usable(pg))
                return lost(pg);
        mu_route_plan(request, today - pg->config.window_days, today + 1, &work.route);
        enum mu_store_outcome outcome = make_stages(pg, &work);

        if (outcome != MU_STORE_OK)
                return outcome;
        script_batch(pg, &work);
        outcome = run(pg, &work);
        work.copied_ns = now_ns(pg);
        if (outcome == MU_STORE_OK)
                outcome = write_statuses(pg, &work);
        if (outcome != MU_STORE_OK) {
                mu_database_observe(pg->config.database, "ingest_batch",
                                    (now_ns(pg) - work.start_ns) / (uint64_t)MU_NS_PER_US, 0, true);
                return roll_back(pg, outcome);
        }
        uint64_t status_end_ns = now_ns(pg);

        outcome = commit(pg);
        if (outcome != MU_STORE_OK)
                return outcome;
        if (request->staged)
                work.result.duplicates = request->count - work.route.rejects - work.result.rows;
        observe(pg, &work, status_end_ns);
        *ret_result = work.result;
        return MU_STORE_OK;
}

/* The connection ------------------------------------------------------------------------------- */

static void disconnect(struct mu_store *store)
{
        struct store_pg *pg = of(store);

        pg->io.conn = NULL;
        if (!pg->pg)
                return;
        /* Closed, not lent on: our session's settings are not for others. */
        mu_pg_disconnect(pg->pg);
        mu_database_release(pg->config.database, pg->pg);
        pg->pg = NULL;
}

static enum mu_store_outcome connect(struct mu_store *store)
{
        struct store_pg *pg = of(store);
        struct mu_pg_error error;

        disconnect(store);
        int err = mu_database_acquire(pg->config.database, pg->config.acquire_wait_ms, &pg->pg,
                                      &error);

        if (err) {
                set_error(pg, &error);
                return err == -ECANCELED ? MU_STORE_STOPPED : MU_STORE_AWAY;
        }
        pg->io.conn = mu_pg_raw(pg->pg);
        if (!pg->io.conn) {
                set_error(pg, mu_pg_last_error(pg->pg));
                return MU_STORE_AWAY;
        }
        pg->generation = mu_pg_generation(pg->pg);
        pg->has_row_stage = false;
        pg->has_reject_stage = false;
        if (PQsetnonblocking(pg->io.conn, 1) != 0)
                return io_failed(pg, -ENOTCONN);
        uint64_t type_oid = 0;
        enum mu_store_outcome outcome = run_plain(pg, session, &type_oid);

        pg->status_type_oid = (uint32_t)type_oid;
        return never_data(outcome);
}

static enum mu_store_outcome load_checkpoint(struct mu_store *store, uint64_t *ret_seq)
{
        struct store_pg *pg = of(store);
        char sql[sizeof(MU_SQL_CHECKPOINT_LOAD) + sizeof(pg->journal_hex)];

        if (!is_usable(pg))
                return lost(pg);
        snprintf(sql, sizeof(sql), MU_SQL_CHECKPOINT_LOAD, pg->journal_hex);
        return never_data(run_plain(pg, (const char *const[]){sql, NULL}, ret_seq));
}

static enum mu_store_outcome save_checkpoint(struct mu_store *store, uint64_t seq)
{
        struct store_pg *pg = of(store);
        char sql[sizeof(MU_SQL_CHECKPOINT_SAVE) + sizeof(pg->journal_hex) + 20];

        if (!is_usable(pg))
                return lost(pg);
        snprintf(sql, sizeof(sql), MU_SQL_CHECKPOINT_SAVE, pg->journal_hex, seq);
        return never_data(run_plain(pg, (const char *const[]){sql, NULL}, NULL));
}

/* One day at a time, so that a day that is gone for good is known by name. */
static enum mu_store_outcome
ensure_days(struct store_pg *pg, const struct mu_store_request *request, int64_t *ret_gone_day)
{
        int64_t last_day = -1;

        for (uint32_t i = 0; i < request->count; i++) {
                const struct mu_batch_entry *entry = &request->batch->entries[request->first + i];
                int64_t day = mu_batch_day(entry);

                /* Neighbours mostly share their day; asking again for one that is there is cheap.
                 */
                if (entry->verdict != MU_VERDICT_STORE || day == last_day)
                        continue;
                last_day = day;
                int err = mu_partitions_ensure(pg->pg, MU_PARENT_HEARTBEATS, day, day, NULL);

                if (err == -ESTALE) {
                        *ret_gone_day = day;
                        return MU_STORE_DATA;
                }
                if (err) {
                        set_error(pg, mu_pg_last_error(pg->pg));
                        return MU_STORE_AWAY;
                }
        }
        return MU_STORE_OK;
}

static enum mu_store_outcome ensure_partitions(struct mu_store *store,
                                               const struct mu_store_request *request,
                                               int64_t *ret_gone_day)
{
        struct store_pg *pg = of(store);

        if (!is_usable(pg))
                return lost(pg);
        PQsetnonblocking(pg->io.conn, 0); /* pg/ waits in its own way */
        enum mu_store_outcome outcome = ensure_days(pg, request, ret_gone_day);

        /* It may have connected anew on the way: then our temporary tables are gone. */
        if (mu_pg_generation(pg->pg) != pg->generation)
                return lost(pg);
        if (PQsetnonblocking(pg->io.conn, 1) != 0)
                return lost(pg);
        return outcome;
}

static const struct mu_store_error *last_error(struct mu_store *store)
{
        return &of(store)->last_error;
}

static const struct mu_store_ops ops = {
        .connect = connect,
        .load_checkpoint = load_checkpoint,
        .save_checkpoint = save_checkpoint,
        .store_batch = store_batch,
        .ensure_partitions = ensure_partitions,
        .disconnect = disconnect,
        .last_error = last_error,
};

int mu_store_pg_create(const struct mu_store_pg_config *config, struct mu_store **ret_store)
{
        MU_ASSERT(config->database && config->clock);
        struct store_pg *pg = calloc(1, sizeof(*pg));

        if (!pg)
                return -ENOMEM;
        pg->store.ops = &ops;
        pg->config = *config;
        pg->io.clock = config->clock;
        pg->io.stop_fd = config->stop_fd;
        mu_status_array_init(&pg->statuses);
        mu_text_hex(config->journal_id, sizeof(config->journal_id), pg->journal_hex);
        *ret_store = &pg->store;
        return 0;
}

void mu_store_pg_destroy(struct mu_store *store)
{
        if (!store)
                return;
        disconnect(store);
        mu_status_array_done(&of(store)->statuses);
        free(of(store));
}
