/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A day comes back, in one transaction that is held from slice to slice:
 *
 *   CREATE (no keys, CHECK of the day) ─▶ COPY part by part, each verified first, rows of purged
 *   devices left out ─▶ keys and indexes ─▶ ANALYZE ─▶ ATTACH ─▶ COMMIT
 *
 * The CHECK spares ATTACH a look at the rows. The lock that ATTACH needs (of the parent, every
 * reader and writer passes) is held for moments.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/copy_rows.h"
#include "archive/part_reader.h"
#include "base/failpoint.h"
#include "jobs/archiver_private.h"
#include "pg/advisory_lock.h"
#include "pg/copy_out.h"

/* A purge writes its devices down in one statement: none takes this long. */
#define MARGIN_US (MU_S_PER_DAY * MU_US_PER_S)

enum {
        ACQUIRE_MS = 5000,
        AWAIT_MS = 1000,
        SCRIPTS_MAX = 32,
        SENTENCE_BYTES = 384,
        ROOM_BYTES = 64 * 1024,
};

static const struct mu_pg_statement DAY = {
        .name = "archive_restore_day",
        .sql = "SELECT manifest_sha256 FROM archive_days"
               " WHERE parent = $1 AND day = $2 AND state = 'archived'",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

static const struct mu_pg_statement PURGED = {
        .name = "archive_restore_purged",
        .sql = "SELECT device_id FROM archive_purged ORDER BY device_id",
        .repeatable = true,
};

static const struct mu_pg_statement NOW = {
        .name = "archive_restore_now",
        .sql = "SELECT now()", /* the transaction's beginning, by the clock that purged_at has */
        .repeatable = true,
};

/* The parent's key and indexes, for a leaf that has none yet. */
static const struct mu_pg_statement KEYS = {
        .name = "archive_restore_keys",
        .sql = "SELECT CASE WHEN x.indisprimary THEN"
               "  format('ALTER TABLE %I ADD ', $2) || pg_get_constraintdef(c.oid)"
               " ELSE format('CREATE %sINDEX ON %I', CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE ''"
               "  END, $2) || substring(pg_get_indexdef(x.indexrelid) FROM ' USING .*') END"
               " FROM pg_index x LEFT JOIN pg_constraint c ON c.conindid = x.indexrelid"
               "  AND c.contype = 'p' WHERE x.indrelid = to_regclass($1)"
               " ORDER BY x.indisprimary DESC, x.indexrelid",
        .params = {MU_PG_TEXT, MU_PG_TEXT},
        .repeatable = true,
};

static const struct mu_pg_statement SINCE = {
        .name = "archive_restore_since",
        .sql = "SELECT archive_remove_purged($1::regclass, $2)",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ},
};

static const struct mu_pg_statement RESTORED = {
        .name = "archive_restored",
        .sql = "UPDATE archive_days SET restored_at = $3, restored_until = $4, restored_rows = $5"
               " WHERE parent = $1 AND day = $2",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};

struct mu_archive_restore {
        struct mu_archiver *archiver;
        int64_t request_id;
        int64_t keep_s;
        struct mu_archive_day day;
        struct mu_pg *pg; /* held; in its transaction */
        struct mu_archive_manifest *manifest;
        char *directory;
        int64_t *purged; /* sorted */
        size_t purged_count;
        int64_t began_us; /* the server's clock */
        uint32_t next_part;
        int device_column; /* -1: the table has no devices */
        int64_t rows;
        uint8_t *room; /* rows on their way, ROOM_BYTES: a row alone is too little to be sent */
        size_t room_used;
        char *scripts[SCRIPTS_MAX]; /* keys, indexes, ANALYZE */
        size_t script_count;
        size_t next_script;
        bool script_runs;
        char sentence[SENTENCE_BYTES]; /* why it can't be: the request has failed */
};

/* -ECANCELED: the request has failed, and why stands in sentence. */
static int refuse(struct mu_archive_restore *restore, const char *format, ...) MU_PRINTF(2, 3);
static int refuse(struct mu_archive_restore *restore, const char *format, ...)
{
        va_list list;

        va_start(list, format);
        (void)vsnprintf(restore->sentence, sizeof(restore->sentence), format, list);
        va_end(list);
        return -ECANCELED;
}

void mu_archive_restore_free(struct mu_archiver *archiver, struct mu_archive_restore *restore)
{
        if (!restore)
                return;
        if (restore->pg) {
                if (restore->script_runs)
                        mu_pg_disconnect(restore->pg); /* the server sees that, and rolls back */
                mu_pg_rollback(restore->pg);
                mu_database_release(archiver->config.database, restore->pg);
        }
        for (size_t i = 0; i < restore->script_count; i++)
                free(restore->scripts[i]);
        mu_archive_manifest_free(restore->manifest);
        free(restore->directory);
        free(restore->purged);
        free(restore->room);
        free(restore);
}

/* Before anything is done ------------------------------------------------------------------------
 */

static int read_manifest(struct mu_archive_restore *restore, struct mu_pg *pg)
{
        char detail[MU_ARCHIVE_DETAIL_BYTES];
        uint8_t sha256[MU_SHA256_BYTES];
        struct mu_pg_result *rows;
        int err = mu_pg_query(pg, &DAY,
                              MU_PG_VALUES(mu_pg_text(mu_archive_table(&restore->day)),
                                           mu_pg_timestamptz(mu_archive_day_us(restore->day.day))),
                              &rows);

        if (err)
                return err;
        restore->directory = mu_archiver_path(restore->archiver, &restore->day, "");
        if (mu_pg_rows(rows) == 0)
                err = refuse(restore, "The archive has no such day.");
        else if (strcmp(restore->day.state, "dropped") != 0)
                err = refuse(restore,
                             "The day is still in its table (%s): there is nothing to be "
                             "restored.",
                             restore->day.state);
        else if (!restore->directory)
                err = -ENOMEM;
        if (!err) {
                err = mu_archive_manifest_read(restore->directory, &restore->manifest, sha256,
                                               detail);
                if (err && err != -ENOMEM)
                        err = refuse(restore, "The day's " MU_ARCHIVE_MANIFEST " %s.", detail);
        }
        if (!err && memcmp(mu_pg_get_bytea(rows, 0, 0).data, sha256, sizeof(sha256)) != 0)
                err = refuse(restore, "The day's " MU_ARCHIVE_MANIFEST
                                      " is not the one that the database remembers (SHA-256).");
        mu_pg_result_free(rows);
        return err;
}

/* Each archived column must still be one of the table's, of the same type. */
static int check_columns(struct mu_archive_restore *restore, struct mu_pg *pg)
{
        struct mu_archive_manifest table = {0};
        int err = mu_archive_sql_columns(pg, mu_archive_table(&restore->day), &table);

        for (uint32_t i = 0; i < restore->manifest->column_count && !err; i++) {
                const struct mu_archive_column *column = &restore->manifest->columns[i];
                int at = mu_archive_manifest_column(&table, column->name);

                if (at < 0)
                        err = refuse(restore, "The table has no column %s any more.", column->name);
                else if (strcmp(table.columns[at].type, column->type) != 0)
                        err = refuse(restore, "The table's column %s is %s now, and was %s.",
                                     column->name, table.columns[at].type, column->type);
        }
        free(table.columns);
        restore->device_column = mu_archive_manifest_column(restore->manifest, "device_id");
        return err;
}

static int read_purged(struct mu_archive_restore *restore)
{
        struct mu_pg_result *rows;
        int err = mu_pg_query(restore->pg, &NOW, MU_PG_VALUES(), &rows);

        if (err)
                return err;
        restore->began_us = mu_pg_get_timestamptz(rows, 0, 0);
        mu_pg_result_free(rows);
        err = mu_pg_query(restore->pg, &PURGED, MU_PG_VALUES(), &rows);
        if (err)
                return err;
        restore->purged_count = mu_pg_rows(rows);
        restore->purged = calloc(restore->purged_count + 1, sizeof(*restore->purged));
        if (!restore->purged)
                err = -ENOMEM;
        for (size_t i = 0; i < restore->purged_count && !err; i++)
                restore->purged[i] = mu_pg_get_int(rows, i, 0);
        mu_pg_result_free(rows);
        return err;
}

static int read_keys(struct mu_archive_restore *restore)
{
        struct mu_pg_result *rows;
        int err = mu_pg_query(restore->pg, &KEYS,
                              MU_PG_VALUES(mu_pg_text(mu_archive_table(&restore->day)),
                                           mu_pg_text(restore->day.partition)),
                              &rows);

        if (err)
                return err;
        for (size_t i = 0; i < mu_pg_rows(rows) && !err; i++) {
                if (restore->script_count == SCRIPTS_MAX - 1)
                        err = -E2BIG;
                else if (!(restore->scripts[restore->script_count] =
                                   strdup(mu_pg_get_text(rows, i, 0))))
                        err = -ENOMEM;
                else
                        restore->script_count++;
        }
        mu_pg_result_free(rows);
        char *analyze;

        if (!err && asprintf(&analyze, "ANALYZE %s", restore->day.partition) < 0)
                err = -ENOMEM;
        if (!err)
                restore->scripts[restore->script_count++] = analyze;
        return err;
}

static int create_table(struct mu_archive_restore *restore)
{
        const struct mu_parent_facts *parent = mu_parent_facts(restore->day.parent);
        char from[MU_ARCHIVE_DATE_BYTES], to[MU_ARCHIVE_DATE_BYTES];
        char *sql;

        mu_archive_date(restore->day.day, from);
        mu_archive_date(restore->day.day + 1, to);
        if (asprintf(&sql,
                     "CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING STORAGE"
                     " INCLUDING COMPRESSION)%s;"
                     " ALTER TABLE %s ADD CONSTRAINT %s_day CHECK (%s IS NOT NULL"
                     " AND %s >= '%s 00:00:00+00' AND %s < '%s 00:00:00+00')",
                     restore->day.partition, parent->table, parent->storage, restore->day.partition,
                     restore->day.partition, parent->column, parent->column, from, parent->column,
                     to) < 0)
                return -ENOMEM;
        int err = mu_pg_script(restore->pg, "archive_restore_create", sql);

        free(sql);
        return err == -EPROTO ? refuse(restore, "%s", mu_pg_last_error(restore->pg)->text) : err;
}

static int begin(struct mu_archiver *archiver, struct mu_pg *pg,
                 const struct mu_archive_request *request)
{
        struct mu_archive_restore *restore = calloc(1, sizeof(*restore));

        if (!restore)
                return -ENOMEM;
        archiver->restore = restore;
        restore->archiver = archiver;
        restore->request_id = request->id;
        restore->keep_s = request->keep_s ? request->keep_s : archiver->config.keep_restored_s;
        restore->day = request->day;
        restore->room = malloc(ROOM_BYTES);
        int err = restore->room ? read_manifest(restore, pg) : -ENOMEM;

        if (!err)
                err = check_columns(restore, pg);
        if (!err)
                err = mu_database_acquire(archiver->config.database, ACQUIRE_MS, &restore->pg,
                                          NULL);
        if (!err)
                err = mu_archive_sql_begin(restore->pg, "SET LOCAL statement_timeout = 0;"
                                                        /* other jobs' slices in between */
                                                        "SET LOCAL"
                                                        " idle_in_transaction_session_timeout ="
                                                        " '1h';"
                                                        "SET LOCAL lock_timeout = '1500ms';"
                                                        "SET LOCAL maintenance_work_mem = '128MB'");
        if (!err)
                err = read_purged(restore);
        if (!err)
                err = read_keys(restore);
        return err ? err : create_table(restore);
}

/* Rows -------------------------------------------------------------------------------------------
 */

static int by_value(const void *a, const void *b)
{
        int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

        return left < right ? -1 : left > right;
}

static int send_room(struct mu_archive_restore *restore)
{
        size_t bytes = restore->room_used;

        restore->room_used = 0;
        return mu_pg_load(restore->pg, restore->room, bytes);
}

static int on_row(void *context, const uint8_t *row, size_t bytes)
{
        struct mu_archive_restore *restore = context;
        int64_t device_id;

        if (restore->purged_count > 0 && restore->device_column >= 0 &&
            mu_copy_rows_int8(row, (uint16_t)restore->device_column, &device_id) &&
            bsearch(&device_id, restore->purged, restore->purged_count, sizeof(device_id),
                    by_value))
                return 0;
        restore->rows++;
        if (bytes > ROOM_BYTES - restore->room_used) {
                int err = send_room(restore);

                if (err)
                        return err;
        }
        if (bytes > ROOM_BYTES)
                return mu_pg_load(restore->pg, row, bytes);
        memcpy(restore->room + restore->room_used, row, bytes);
        restore->room_used += bytes;
        return 0;
}

static int on_bytes(void *context, size_t bytes)
{
        struct mu_archive_restore *restore = context;

        return mu_archiver_pace(restore->archiver, bytes);
}

static int begin_load(struct mu_archive_restore *restore)
{
        const struct mu_archive_manifest *manifest = restore->manifest;
        struct mu_text sql;

        mu_text_init(&sql);
        mu_text_add_format(&sql, "COPY %s (", restore->day.partition);
        for (uint32_t i = 0; i < manifest->column_count; i++)
                mu_text_add_format(&sql, "%s\"%s\"", i ? ", " : "", manifest->columns[i].name);
        mu_text_add(&sql, ") FROM STDIN (FORMAT binary, FREEZE)");
        int err = mu_text_status(&sql);

        if (!err)
                err = mu_pg_load_begin(restore->pg, sql.data);
        mu_text_done(&sql);
        return err ? err : mu_pg_load(restore->pg, mu_copy_rows_header, MU_COPY_ROWS_HEADER_BYTES);
}

static int load_part(struct mu_archive_restore *restore, char detail[MU_ARCHIVE_DETAIL_BYTES])
{
        const struct mu_archive_read read = {
                .on_row = on_row, .on_bytes = on_bytes, .context = restore};
        uint64_t rows;
        int err = begin_load(restore);

        restore->room_used = 0;
        if (err)
                return err;
        err = mu_archive_part_read(restore->directory, restore->manifest, restore->next_part, &read,
                                   detail);
        if (!err)
                err = send_room(restore);
        if (!err)
                err = mu_pg_load(restore->pg, mu_copy_rows_trailer, MU_COPY_ROWS_TRAILER_BYTES);
        if (err) {
                mu_pg_load_abandon(restore->pg);
                return err;
        }
        return mu_pg_load_end(restore->pg, &rows);
}

static int restore_part(struct mu_archive_restore *restore)
{
        const struct mu_archive_read look = {.on_bytes = NULL};
        char detail[MU_ARCHIVE_DETAIL_BYTES];
        char file[MU_ARCHIVE_FILE_BYTES];
        int err = mu_archive_part_read(restore->directory, restore->manifest, restore->next_part,
                                       &look, detail);

        if (!err)
                err = load_part(restore, detail);
        mu_archive_part_name(restore->next_part, file);
        MU_FAILPOINT("archive.restored_part", err);
        if (err == -EBADMSG)
                return refuse(restore, "%s %s.", file, detail);
        if (err == -EINVAL) /* of another day, says the CHECK; or no value of its type */
                return refuse(restore, "%s can't be loaded: %s", file,
                              mu_pg_last_error(restore->pg)->text);
        if (!err)
                restore->next_part++;
        return err;
}

/* Keys, ATTACH -----------------------------------------------------------------------------------
 */

/* An index of 50 million rows takes a minute: the other jobs have their turns meanwhile. */
static int run_script(struct mu_archive_restore *restore)
{
        bool done = false;
        int err = 0;

        if (!restore->script_runs) {
                err = mu_pg_begin_script(restore->pg, restore->scripts[restore->next_script]);
                restore->script_runs = !err;
        }
        if (!err)
                err = mu_pg_await_script(restore->pg, AWAIT_MS, &done);
        if (err || done)
                restore->script_runs = false;
        if (!err && done)
                restore->next_script++;
        if (err == -EEXIST)
                return refuse(restore, "%s", mu_pg_last_error(restore->pg)->text);
        return err;
}

static int attach(struct mu_archive_restore *restore)
{
        const struct mu_archive_day *day = &restore->day;
        char from[MU_ARCHIVE_DATE_BYTES], to[MU_ARCHIVE_DATE_BYTES];
        char *sql;

        mu_archive_date(day->day, from);
        mu_archive_date(day->day + 1, to);
        if (asprintf(&sql,
                     "CREATE TRIGGER restored_refuse BEFORE INSERT ON %s FOR EACH ROW"
                     " EXECUTE FUNCTION archive_restored_refuse();"
                     " ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM ('%s 00:00:00+00')"
                     " TO ('%s 00:00:00+00'); ALTER TABLE %s DROP CONSTRAINT %s_day",
                     day->partition, mu_archive_table(day), day->partition, from, to,
                     day->partition, day->partition) < 0)
                return -ENOMEM;
        int err = mu_pg_script(restore->pg, "archive_restore_attach", sql);

        free(sql);
        return err;
}

/* A purge that began meanwhile could not see the day: what it is about is removed here, and from
 * now on it finds the day itself. */
static int enter(struct mu_archive_restore *restore, int64_t now_us)
{
        struct mu_pg *pg = restore->pg;
        const struct mu_archive_day *day = &restore->day;
        int err =
                mu_pg_script(pg, "archive_restore_lock", "LOCK TABLE archive_purged IN SHARE MODE");

        if (!err && restore->device_column >= 0)
                err = mu_pg_query(pg, &SINCE,
                                  MU_PG_VALUES(mu_pg_text(day->partition),
                                               mu_pg_timestamptz(restore->began_us - MARGIN_US)),
                                  NULL);
        if (!err)
                err = mu_advisory_lock_transaction(pg, MU_LOCK_PARTITION_MAKE);
        if (!err)
                err = attach(restore);
        if (!err)
                err = mu_archive_sql_state(pg, day, "restored");
        if (err)
                return err;
        return mu_pg_query(pg, &RESTORED,
                           MU_PG_VALUES(mu_pg_text(mu_archive_table(day)),
                                        mu_pg_timestamptz(mu_archive_day_us(day->day)),
                                        mu_pg_timestamptz(now_us),
                                        mu_pg_timestamptz(now_us + restore->keep_s * MU_US_PER_S),
                                        mu_pg_int8(restore->rows)),
                           NULL);
}

/* MU_JOB_AGAIN: somebody has the table's lock (ANALYZE has); what is loaded stays. */
static int commit(struct mu_archive_restore *restore)
{
        struct mu_pg *pg = restore->pg;
        int err = mu_pg_script(pg, "archive_restore_savepoint", "SAVEPOINT loaded");

        if (!err)
                err = enter(restore, mu_archiver_now_us(restore->archiver));
        MU_FAILPOINT("archive.restoring", err);
        if (err == -EAGAIN) {
                err = mu_pg_script(pg, "archive_restore_savepoint", "ROLLBACK TO SAVEPOINT loaded");
                return err ? err : MU_JOB_AGAIN;
        }
        if (!err)
                err = mu_pg_commit(pg);
        MU_FAILPOINT("archive.restored", err);
        return err;
}

/* Restored already: it stays for longer. */
static int prolong(struct mu_archiver *archiver, struct mu_pg *pg,
                   const struct mu_archive_request *request)
{
        static const struct mu_pg_statement until = {
                .name = "archive_restored_prolong",
                .sql = "UPDATE archive_days SET restored_until = $3 WHERE parent = $1 AND day = $2",
                .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ},
                .repeatable = true,
        };
        int64_t keep_s = request->keep_s ? request->keep_s : archiver->config.keep_restored_s;
        int err = mu_pg_query(pg, &until,
                              MU_PG_VALUES(mu_pg_text(mu_archive_table(&request->day)),
                                           mu_pg_timestamptz(mu_archive_day_us(request->day.day)),
                                           mu_pg_timestamptz(mu_archiver_now_us(archiver) +
                                                             keep_s * MU_US_PER_S)),
                              NULL);

        if (!err)
                err = mu_archive_request_finish(archiver, pg, request->id, NULL, NULL);
        return err ? err : MU_JOB_AGAIN;
}

/* The database is away, or we are to stop: the request begins anew at the next turn. */
static bool is_passing(int err)
{
        return err == -ENOTCONN || err == -EHOSTDOWN || err == -ETIMEDOUT || err == -ENOMEM;
}

/* The transaction is over, well or not. */
static int settle(struct mu_archiver *archiver, struct mu_pg *pg,
                  const struct mu_archive_request *request, int err)
{
        struct mu_archive_restore *restore = archiver->restore;
        char sentence[SENTENCE_BYTES];

        archiver->restore = NULL;
        if (err && !restore->sentence[0])
                (void)refuse(restore, "%s",
                             restore->pg && mu_pg_last_error(restore->pg)->text[0]
                                     ? mu_pg_last_error(restore->pg)->text
                                     : strerror(-err));
        (void)snprintf(sentence, sizeof(sentence), "%s", restore->sentence);
        mu_archive_restore_free(archiver, restore);
        archiver->counted = false;
        if (is_passing(err)) {
                mu_pg_explain(pg, sentence);
                return err;
        }
        mu_archiver_tell(archiver, err != 0, err ? "restore_failed" : "restored", &request->day,
                         sentence);
        err = mu_archive_request_finish(archiver, pg, request->id, err ? sentence : NULL, NULL);
        return err ? err : MU_JOB_AGAIN;
}

int mu_archive_restore_step(struct mu_archiver *archiver, struct mu_pg *pg,
                            const struct mu_archive_request *request)
{
        struct mu_archive_restore *restore = archiver->restore;
        int err = 0;

        if (strcmp(request->day.state, "restored") == 0)
                return prolong(archiver, pg, request);
        if (restore && restore->request_id != request->id) {
                mu_archive_restore_free(archiver, restore);
                archiver->restore = restore = NULL;
        }
        if (!restore) {
                err = begin(archiver, pg, request);
                restore = archiver->restore;
        } else if (restore->next_part < restore->manifest->part_count) {
                err = restore_part(restore);
        } else if (restore->next_script < restore->script_count) {
                err = run_script(restore);
        } else {
                err = commit(restore);
                return err == MU_JOB_AGAIN ? err : settle(archiver, pg, request, err);
        }
        if (err)
                return restore ? settle(archiver, pg, request, err) : err;
        err = mu_archive_request_progress(pg, request->id, restore->next_part,
                                          restore->manifest->part_count);
        return err ? err : MU_JOB_AGAIN;
}
