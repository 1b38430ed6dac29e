/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A detached day becomes files: part by part, the rows as they lie in the table, each part from one
 * row of it to another. A part is recorded once it is durable; the directory gets its name when it
 * is whole. So a kill leaves a ".partial" directory, of which the recorded parts are kept, as long
 * as the table is still the one that they were read from.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "archive/listing.h"
#include "archive/part_writer.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "jobs/archiver_private.h"
#include "pg/copy_out.h"

enum {
        FIRST_ROWS = 65536, /* how large rows are, the first part shows */
        ROWS_MIN = 1024,
        ROWS_MAX = 4 << 20,
        PART_S = 2, /* a slice at the configured rate */
        PART_BYTES_MIN = 8 << 20,
        PART_BYTES_MAX = 256 << 20,
        ROW_TEXT_BYTES = 32,
        PURGE_DEVICES = 100, /* a transaction */
        PURGE_MS = 2000,     /* a slice */
};

static const struct mu_pg_statement RECORD = {
        .name = "archive_day_begin",
        .sql = "INSERT INTO archive_days (parent, day, created_at, state, storage)"
               " VALUES ($1, $2, $3, 'writing', archive_storage(to_regclass($4)))"
               " ON CONFLICT (parent, day) DO NOTHING",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_TEXT},
        .repeatable = true,
};

static const struct mu_pg_statement PURGED = {
        .name = "archive_remove_purged",
        .sql = "SELECT archive_remove_purged_after($1::regclass, $2, $3)",
        .params = {MU_PG_TEXT, MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};

static const struct mu_pg_statement DAY = {
        .name = "archive_day_state",
        .sql = "SELECT state, created_at,"
               " storage IS NOT DISTINCT FROM archive_storage(to_regclass($3))"
               " FROM archive_days WHERE parent = $1 AND day = $2",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TEXT},
        .repeatable = true,
};

/* Its rows were moved: what the parts say of their places is void. */
static const struct mu_pg_statement MOVED = {
        .name = "archive_day_moved",
        .sql = "WITH over AS (DELETE FROM archive_parts WHERE parent = $1 AND day = $2)"
               " UPDATE archive_days SET state = 'writing', sequence = NULL,"
               " manifest_sha256 = NULL, previous_sha256 = NULL,"
               " storage = archive_storage(to_regclass($3)) WHERE parent = $1 AND day = $2",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TEXT},
        .repeatable = true,
};

static const struct mu_pg_statement PARTS = {
        .name = "archive_parts_of",
        .sql = "SELECT row_count, plain_bytes, stored_bytes, least_us, most_us, plain_sha256,"
               " stored_sha256, last_row FROM archive_parts WHERE parent = $1 AND day = $2"
               " ORDER BY number",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

static const struct mu_pg_statement ROWS = {
        .name = "archive_rows_after",
        .sql = "SELECT last_row, row_count FROM archive_rows_after($1::regclass, $2, $3)",
        .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_INT8},
        .repeatable = true,
};

static const struct mu_pg_statement ADD_PART = {
        .name = "archive_part_add",
        .sql = "INSERT INTO archive_parts (parent, day, number, row_count, plain_bytes,"
               " stored_bytes, least_us, most_us, plain_sha256, stored_sha256, last_row)"
               " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_INT4, MU_PG_INT8, MU_PG_INT8, MU_PG_INT8,
                   MU_PG_INT8, MU_PG_INT8, MU_PG_BYTEA, MU_PG_BYTEA, MU_PG_TEXT},
};

static const struct mu_pg_statement NO_PARTS = {
        .name = "archive_parts_remove",
        .sql = "DELETE FROM archive_parts WHERE parent = $1 AND day = $2",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

static const struct mu_pg_statement HEAD = {
        .name = "archive_head",
        .sql = "SELECT sequence, day, manifest_sha256 FROM archive_days"
               " WHERE parent = $1 AND day <> $2 AND sequence IS NOT NULL"
               " ORDER BY sequence DESC LIMIT 1",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

static const struct mu_pg_statement WRITTEN = {
        .name = "archive_day_written",
        .sql = "UPDATE archive_days SET state = 'verifying', row_count = $3, plain_bytes = $4,"
               " stored_bytes = $5, file_count = $6, sequence = $7, manifest_sha256 = $8,"
               " previous_sha256 = $9 WHERE parent = $1 AND day = $2",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_INT8, MU_PG_INT8, MU_PG_INT8, MU_PG_INT4,
                   MU_PG_INT4, MU_PG_BYTEA, MU_PG_BYTEA},
        .repeatable = true,
};

/* A day under work, as the tables have it. */
struct work {
        struct mu_archiver *archiver;
        const struct mu_archive_day *day;
        struct mu_archive_manifest *manifest;
        char *final;
        char *partial;
        char last_row[ROW_TEXT_BYTES];
};

/* A purge passes over a day on its way out: it is done here. One that begins while we are past its
 * devices is like one that comes later: the restore knows. MU_JOB_AGAIN: there is more. */
static int remove_purged(struct mu_archiver *archiver, struct mu_pg *pg,
                         const struct mu_archive_day *day)
{
        uint64_t until_ns =
                mu_clock_monotonic_ns(mu_clock_system()) + PURGE_MS * (uint64_t)MU_NS_PER_MS;
        struct mu_pg_result *rows;

        if (archiver->purged_day != day->day) {
                archiver->purged_day = day->day;
                archiver->purged_device = 0;
        }
        do {
                int err = mu_pg_query(pg, &PURGED,
                                      MU_PG_VALUES(mu_pg_text(day->partition),
                                                   mu_pg_int8(archiver->purged_device),
                                                   mu_pg_int8(PURGE_DEVICES)),
                                      &rows);

                if (err)
                        return err;
                bool over = mu_pg_is_null(rows, 0, 0);

                archiver->purged_device = over ? 0 : mu_pg_get_int(rows, 0, 0);
                mu_pg_result_free(rows);
                if (over)
                        return 0;
        } while (mu_clock_monotonic_ns(mu_clock_system()) < until_ns);
        return MU_JOB_AGAIN;
}

int mu_archive_write_begin(struct mu_archiver *archiver, struct mu_pg *pg,
                           const struct mu_archive_day *day)
{
        /* The manifest has whole seconds. */
        int64_t now_us = mu_archiver_now_us(archiver) / MU_US_PER_S * MU_US_PER_S;
        int err = day->parent == MU_PARENT_HEARTBEATS ? remove_purged(archiver, pg, day) : 0;

        if (!err)
                err = mu_pg_begin(pg);
        if (err)
                return err;
        err = mu_pg_query(pg, &RECORD,
                          MU_PG_VALUES(MU_ARCHIVE_DAY_VALUES(day), mu_pg_timestamptz(now_us),
                                       mu_pg_text(day->partition)),
                          NULL);
        if (!err)
                err = mu_archive_sql_state(pg, day, "archiving");
        err = mu_archive_sql_end(pg, err);
        MU_FAILPOINT("archive.begun", err);
        return err ? err : MU_JOB_AGAIN;
}

/* What is there -------------------------------------------------------------------------------- */

static int read_parts(struct mu_pg *pg, struct work *work)
{
        struct mu_archive_manifest *manifest = work->manifest;
        struct mu_pg_result *rows;
        int err = mu_pg_query(pg, &PARTS, MU_PG_VALUES(MU_ARCHIVE_DAY_VALUES(work->day)), &rows);

        if (err)
                return err;
        size_t count = mu_pg_rows(rows);

        manifest->parts = calloc(count + 1, sizeof(*manifest->parts));
        err = !manifest->parts ? -ENOMEM : count >= MU_ARCHIVE_PARTS_MAX ? -EFBIG : 0;
        for (size_t i = 0; i < count && !err; i++) {
                struct mu_archive_part *part = &manifest->parts[i];

                part->rows = mu_pg_get_int(rows, i, 0);
                part->plain_bytes = mu_pg_get_int(rows, i, 1);
                part->stored_bytes = mu_pg_get_int(rows, i, 2);
                part->least_us = mu_pg_get_int(rows, i, 3);
                part->most_us = mu_pg_get_int(rows, i, 4);
                memcpy(part->plain_sha256, mu_pg_get_bytea(rows, i, 5).data, MU_SHA256_BYTES);
                memcpy(part->stored_sha256, mu_pg_get_bytea(rows, i, 6).data, MU_SHA256_BYTES);
                (void)snprintf(work->last_row, sizeof(work->last_row), "%s",
                               mu_pg_get_text(rows, i, 7));
                manifest->part_count++;
        }
        mu_pg_result_free(rows);
        if (!err)
                mu_archive_manifest_sum(manifest);
        return err;
}

static int read_chain(struct mu_pg *pg, struct work *work)
{
        struct mu_archive_manifest *manifest = work->manifest;
        struct mu_pg_result *rows;
        int err = mu_pg_query(pg, &HEAD, MU_PG_VALUES(MU_ARCHIVE_DAY_VALUES(work->day)), &rows);

        if (err)
                return err;
        manifest->sequence = 1;
        if (mu_pg_rows(rows) > 0) {
                manifest->sequence = (uint32_t)mu_pg_get_int(rows, 0, 0) + 1;
                manifest->previous_day =
                        mu_partition_day(mu_pg_get_timestamptz(rows, 0, 1) / MU_US_PER_S);
                memcpy(manifest->previous_sha256, mu_pg_get_bytea(rows, 0, 2).data,
                       MU_SHA256_BYTES);
        }
        mu_pg_result_free(rows);
        return 0;
}

static int read_work(struct mu_pg *pg, struct work *work)
{
        const struct mu_archive_day *day = work->day;
        struct mu_archive_manifest *manifest = calloc(1, sizeof(*manifest));

        work->manifest = manifest;
        work->final = mu_archiver_path(work->archiver, day, "");
        work->partial = mu_archiver_path(work->archiver, day, MU_ARCHIVE_PARTIAL);
        (void)snprintf(work->last_row, sizeof(work->last_row), "(0,0)");
        if (!manifest || !work->final || !work->partial)
                return -ENOMEM;
        manifest->day = day->day;
        (void)snprintf(manifest->parent, sizeof(manifest->parent), "%s", mu_archive_table(day));
        (void)snprintf(manifest->column, sizeof(manifest->column), "%s",
                       mu_parent_facts(day->parent)->column);
        (void)snprintf(manifest->written_by, sizeof(manifest->written_by), "%s",
                       work->archiver->config.written_by);
        int err = mu_archive_sql_columns(pg, day->partition, manifest);

        if (!err)
                err = read_parts(pg, work);
        return err ? err : read_chain(pg, work);
}

static void work_done(struct work *work)
{
        mu_archive_manifest_free(work->manifest);
        free(work->final);
        free(work->partial);
}

/* Are the recorded parts there? What else lies with them was never recorded: it goes. */
static int tidy(struct work *work, bool *ret_whole)
{
        struct mu_archive_listing listing;
        uint32_t found = 0;
        int err = mu_archive_list(work->partial, &listing);

        *ret_whole = false;
        if (err)
                return err == -ENOENT ? 0 : err;
        for (size_t i = 0; i < listing.count && !err; i++) {
                uint32_t number;
                struct stat status;
                char *path;

                if (asprintf(&path, "%s/%s", work->partial, listing.entries[i].name) < 0) {
                        err = -ENOMEM;
                        break;
                }
                if (mu_archive_part_parse(listing.entries[i].name, &number) == 0 &&
                    number < work->manifest->part_count && stat(path, &status) == 0 &&
                    status.st_size == work->manifest->parts[number].stored_bytes)
                        found++;
                else if (unlink(path) < 0)
                        err = -errno;
                free(path);
        }
        mu_archive_listing_done(&listing);
        *ret_whole = found == work->manifest->part_count;
        return err;
}

/* A part --------------------------------------------------------------------------------------- */

struct copying {
        struct mu_archiver *archiver;
        struct mu_archive_part_writer *writer;
};

static int take(void *context, const void *data, size_t bytes)
{
        struct copying *copying = context;
        int err = mu_archive_part_write(copying->writer, data, bytes);

        return err ? err : mu_archiver_pace(copying->archiver, bytes);
}

/* From the same rows as last time, so that a day that came back gives the same files. */
static int64_t rows_wanted(const struct work *work)
{
        const struct mu_archive_manifest *manifest = work->manifest;
        int64_t target = (int64_t)work->archiver->config.bandwidth * PART_S;

        if (manifest->part_count == 0)
                return FIRST_ROWS;
        target = target < PART_BYTES_MIN   ? PART_BYTES_MIN
                 : target > PART_BYTES_MAX ? PART_BYTES_MAX
                                           : target;
        const struct mu_archive_part *last = &manifest->parts[manifest->part_count - 1];
        int64_t rows = target / (last->plain_bytes / last->rows + 1);

        return rows < ROWS_MIN ? ROWS_MIN : rows > ROWS_MAX ? ROWS_MAX : rows;
}

static int copy_sql(const struct work *work, const char *last_row, char **ret_sql)
{
        const struct mu_archive_manifest *manifest = work->manifest;
        struct mu_text sql;
        size_t bytes;

        mu_text_init(&sql);
        mu_text_add(&sql, "COPY (SELECT ");
        for (uint32_t i = 0; i < manifest->column_count; i++)
                mu_text_add_format(&sql, "%s\"%s\"", i ? ", " : "", manifest->columns[i].name);
        mu_text_add_format(&sql,
                           " FROM ONLY %s WHERE ctid > '%s' AND ctid <= '%s') TO STDOUT (FORMAT"
                           " binary)",
                           work->day->partition, work->last_row, last_row);
        return mu_text_take(&sql, ret_sql, &bytes);
}

static int copy_part(struct mu_pg *pg, struct work *work, const char *last_row,
                     struct mu_archive_part *ret_part)
{
        const struct mu_archive_manifest *manifest = work->manifest;
        struct copying copying = {.archiver = work->archiver};
        uint64_t rows = 0;
        char *sql = NULL;
        int err = copy_sql(work, last_row, &sql);

        if (!err)
                err = mu_archive_part_create(
                        work->partial, manifest->part_count, (uint16_t)manifest->column_count,
                        (uint16_t)mu_archive_manifest_column(manifest, manifest->column),
                        &copying.writer);
        if (err) {
                free(sql);
                return err;
        }
        err = mu_pg_copy_out(pg, "archive_copy", sql, take, &copying, &rows);
        free(sql);
        if (err) {
                mu_archive_part_abandon(copying.writer);
                return err;
        }
        err = mu_archive_part_finish(copying.writer, ret_part);
        return !err && ret_part->rows != (int64_t)rows ? -EBADMSG : err;
}

/* In one transaction: nothing changes in between. No rows: *ret_part has none either. */
static int write_part(struct mu_pg *pg, struct work *work, struct mu_archive_part *ret_part)
{
        struct mu_pg_result *rows;
        char last_row[ROW_TEXT_BYTES] = "";
        int err = mu_archive_sql_begin(
                pg, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;"
                    "SET LOCAL statement_timeout = 0; SET LOCAL synchronize_seqscans = off;"
                    "SET LOCAL enable_seqscan = off;"
                    "SET LOCAL max_parallel_workers_per_gather = 0");

        if (err)
                return err;
        *ret_part = (struct mu_archive_part){0};
        err = mu_pg_query(pg, &ROWS,
                          MU_PG_VALUES(mu_pg_text(work->day->partition), mu_pg_text(work->last_row),
                                       mu_pg_int8(rows_wanted(work))),
                          &rows);
        if (err)
                return mu_archive_sql_end(pg, err);
        int64_t count = mu_pg_get_int(rows, 0, 1);

        if (count > 0)
                (void)snprintf(last_row, sizeof(last_row), "%s", mu_pg_get_text(rows, 0, 0));
        mu_pg_result_free(rows);
        if (count > 0)
                err = copy_part(pg, work, last_row, ret_part);
        if (!err && ret_part->rows != count)
                err = mu_archiver_explain(work->archiver, pg, work->day, -EBADMSG,
                                          "COPY gave another number of rows than the table has");
        err = mu_archive_sql_end(pg, err);
        (void)snprintf(work->last_row, sizeof(work->last_row), "%s", last_row);
        return err;
}

static int record_part(struct mu_pg *pg, const struct work *work,
                       const struct mu_archive_part *part)
{
        int err = mu_pg_query(pg, &ADD_PART,
                              MU_PG_VALUES(MU_ARCHIVE_DAY_VALUES(work->day),
                                           mu_pg_int4((int32_t)work->manifest->part_count),
                                           mu_pg_int8(part->rows), mu_pg_int8(part->plain_bytes),
                                           mu_pg_int8(part->stored_bytes),
                                           mu_pg_int8(part->least_us), mu_pg_int8(part->most_us),
                                           mu_pg_bytea(part->plain_sha256, MU_SHA256_BYTES),
                                           mu_pg_bytea(part->stored_sha256, MU_SHA256_BYTES),
                                           mu_pg_text(work->last_row)),
                              NULL);

        MU_FAILPOINT("archive.part_recorded", err);
        return err;
}

/* The whole ------------------------------------------------------------------------------------ */

/* Is the directory that has the day's name just what we would give it? */
static bool is_named(const struct work *work, const struct mu_text *text)
{
        char *path;
        char *there = NULL;
        size_t bytes;

        if (asprintf(&path, "%s/" MU_ARCHIVE_MANIFEST, work->final) < 0)
                return false;
        bool same = mu_fs_read_file(path, MU_ARCHIVE_MANIFEST_BYTES_MAX, &there, &bytes) == 0 &&
                    bytes == text->bytes && memcmp(there, text->data, bytes) == 0;

        free(path);
        free(there);
        return same;
}

/* Left by a database that was put back to an earlier time: kept, out of the way. */
static int set_aside(const struct work *work)
{
        char *path = NULL, *directory = NULL;
        char date[MU_ARCHIVE_DATE_BYTES];
        int err = 0;

        if (access(work->final, F_OK) != 0)
                return 0;
        mu_archive_date(work->day->day, date);
        if (asprintf(&directory, "%s/" MU_ARCHIVE_ASIDE, work->archiver->directory) < 0)
                return -ENOMEM;
        if (asprintf(&path, "%s/%s-%s-%lld", directory, mu_archive_table(work->day), date,
                     (long long)mu_archiver_now_us(work->archiver)) < 0)
                err = -ENOMEM;
        if (!err)
                err = mu_fs_make_directories(directory, 0700);
        if (!err && rename(work->final, path) < 0)
                err = -errno;
        if (!err)
                err = mu_fs_sync_directory(directory);
        if (!err)
                mu_archiver_tell(work->archiver, true, "set_aside", work->day, path);
        free(directory);
        free(path);
        return err;
}

static int name_directory(const struct work *work)
{
        int err = set_aside(work);

        if (!err)
                err = mu_fs_sync_directory(work->partial);
        MU_FAILPOINT("archive.naming", err);
        if (!err && rename(work->partial, work->final) < 0)
                err = -errno;
        MU_FAILPOINT("archive.named", err);
        return err;
}

/* Also of a directory that was named before we were cut off: its name may not be on the disk yet.
 */
static int sync_names(const struct work *work)
{
        /* The day's, the year's, the table's, the archive's: each may be new. Paths through the
         * day's, which is there by then. */
        static const char *const above[] = {"", "/..", "/../..", "/../../..", "/../../../.."};
        int err = 0;

        MU_FAILPOINT("archive.names_sync", err);
        for (size_t i = 0; i < MU_COUNT_OF(above) && !err; i++) {
                char *path = mu_archiver_path(work->archiver, work->day, above[i]);

                err = path ? mu_fs_sync_directory(path) : -ENOMEM;
                free(path);
        }
        return err;
}

static int record_whole(struct mu_pg *pg, const struct work *work, const struct mu_text *text)
{
        const struct mu_archive_manifest *manifest = work->manifest;
        uint8_t sha256[MU_SHA256_BYTES];

        SHA256((const uint8_t *)text->data, text->bytes, sha256);
        int err = mu_pg_query(
                pg, &WRITTEN,
                MU_PG_VALUES(MU_ARCHIVE_DAY_VALUES(work->day), mu_pg_int8(manifest->rows),
                             mu_pg_int8(manifest->plain_bytes), mu_pg_int8(manifest->stored_bytes),
                             mu_pg_int4((int32_t)manifest->part_count),
                             mu_pg_int4((int32_t)manifest->sequence),
                             mu_pg_bytea(sha256, MU_SHA256_BYTES),
                             mu_pg_bytea(manifest->sequence > 1 ? manifest->previous_sha256 : NULL,
                                         MU_SHA256_BYTES)),
                NULL);

        MU_FAILPOINT("archive.written", err);
        return err;
}

static int write_manifest(const struct work *work, const struct mu_text *text)
{
        char *path;

        if (asprintf(&path, "%s/" MU_ARCHIVE_MANIFEST, work->partial) < 0)
                return -ENOMEM;
        int err = mu_fs_write_file(path, text->data, text->bytes, 0600);

        free(path);
        return err;
}

static int finish(struct mu_pg *pg, struct work *work)
{
        struct mu_text text;

        mu_text_init(&text);
        mu_archive_manifest_encode(work->manifest, &text);
        int err = mu_text_status(&text);

        if (!err && !is_named(work, &text)) {
                err = write_manifest(work, &text);
                if (!err)
                        err = name_directory(work);
        } else if (!err) {
                err = mu_archive_remove_directory(work->partial); /* an empty day's, begun again */
        }
        if (!err)
                err = sync_names(work);
        if (!err)
                err = record_whole(pg, work, &text);
        mu_text_done(&text);
        return err ? err : MU_JOB_AGAIN;
}

/* Whole already, and cut off before the table said so? */
static bool is_finished(const struct work *work)
{
        struct mu_text text;

        mu_text_init(&text);
        mu_archive_manifest_encode(work->manifest, &text);
        bool same = mu_text_status(&text) == 0 && is_named(work, &text);

        mu_text_done(&text);
        return same;
}

static int begin_anew(struct mu_pg *pg, struct work *work)
{
        int err = mu_archive_remove_directory(work->partial);

        if (!err && work->manifest->part_count > 0)
                err = mu_pg_query(pg, &NO_PARTS, MU_PG_VALUES(MU_ARCHIVE_DAY_VALUES(work->day)),
                                  NULL);
        if (!err)
                err = mu_fs_make_directories(work->partial, 0700);
        work->manifest->part_count = 0;
        (void)snprintf(work->last_row, sizeof(work->last_row), "(0,0)");
        return err;
}

static int write_some(struct mu_pg *pg, struct work *work)
{
        struct mu_archive_part part;
        bool whole;
        int err = tidy(work, &whole);

        if (!err && !whole) {
                if (work->manifest->part_count > 0 && is_finished(work))
                        return finish(pg, work);
                err = begin_anew(pg, work);
        }
        if (!err)
                err = write_part(pg, work, &part);
        if (!err && part.rows == 0)
                return finish(pg, work);
        if (!err)
                err = record_part(pg, work, &part);
        return err ? err : MU_JOB_AGAIN;
}

static int begin_moved(struct mu_archiver *archiver, struct mu_pg *pg,
                       const struct mu_archive_day *day)
{
        int err = mu_pg_query(pg, &MOVED,
                              MU_PG_VALUES(MU_ARCHIVE_DAY_VALUES(day), mu_pg_text(day->partition)),
                              NULL);

        if (err)
                return err;
        mu_archiver_tell(archiver, true, "begun_anew", day,
                         "its table was written again (VACUUM FULL, or a dump that was loaded) "
                         "after its files were begun");
        return MU_JOB_AGAIN;
}

int mu_archive_write_step(struct mu_archiver *archiver, struct mu_pg *pg,
                          const struct mu_archive_day *day)
{
        struct work work = {.archiver = archiver, .day = day};
        struct mu_pg_result *rows;
        int code = mu_pg_query(pg, &DAY,
                               MU_PG_VALUES(MU_ARCHIVE_DAY_VALUES(day), mu_pg_text(day->partition)),
                               &rows);

        if (code)
                return code;
        if (mu_pg_rows(rows) == 0) {
                mu_pg_result_free(rows);
                return mu_archive_write_begin(archiver, pg, day);
        }
        bool writing = strcmp(mu_pg_get_text(rows, 0, 0), "writing") == 0;
        int64_t created_at_us = mu_pg_get_timestamptz(rows, 0, 1);
        bool moved = !mu_pg_get_bool(rows, 0, 2);

        mu_pg_result_free(rows);
        if (moved)
                return begin_moved(archiver, pg, day);
        if (!writing)
                return mu_archive_prove_step(archiver, pg, day);
        code = read_work(pg, &work);
        if (!code) {
                work.manifest->created_at_us = created_at_us;
                code = write_some(pg, &work);
        }
        work_done(&work);
        return code;
}
