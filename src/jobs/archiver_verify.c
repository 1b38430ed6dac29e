/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verification that was asked for: the day's files, its place in the chain as the database knows
 * it, and with the newest day of a table also that nothing strange lies among the days.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/listing.h"
#include "jobs/archiver_private.h"

enum { PROBLEMS_MAX = 100 };

static const struct mu_pg_statement DAY = {
        .name = "archive_verify_day",
        .sql = "SELECT d.manifest_sha256, d.previous_sha256, d.sequence, b.manifest_sha256,"
               " b.day, n.previous_sha256, n.day, d.row_count"
               " FROM archive_days d"
               " LEFT JOIN archive_days b ON b.parent = d.parent AND b.sequence = d.sequence - 1"
               " LEFT JOIN archive_days n ON n.parent = d.parent AND n.sequence = d.sequence + 1"
               " WHERE d.parent = $1 AND d.day = $2 AND d.state = 'archived'",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

static const struct mu_pg_statement KNOWN = {
        .name = "archive_verify_known",
        .sql = "SELECT day FROM archive_days WHERE parent = $1",
        .params = {MU_PG_TEXT},
        .repeatable = true,
};

static const struct mu_pg_statement VERIFIED = {
        .name = "archive_verified",
        .sql = "UPDATE archive_days SET verified_at = $3, verify_ok = $4::text IS NULL,"
               " verify_detail = $4 WHERE parent = $1 AND day = $2",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_TEXT},
        .repeatable = true,
};

struct mu_archive_verify {
        struct mu_archiver *archiver;
        int64_t request_id;
        struct mu_archive_manifest *manifest; /* NULL: not to be read */
        uint32_t next_part;
        bool is_head;
        json_t *problems;
        char first[MU_ARCHIVE_PLACE_BYTES + MU_ARCHIVE_DETAIL_BYTES + 32];
};

void mu_archive_verify_free(struct mu_archive_verify *verify)
{
        if (!verify)
                return;
        mu_archive_manifest_free(verify->manifest);
        json_decref(verify->problems);
        free(verify);
}

static void on_problem(void *context, const char *file, const char *detail)
{
        struct mu_archive_verify *verify = context;

        if (verify->first[0] == '\0')
                (void)snprintf(verify->first, sizeof(verify->first), "%s %s", file, detail);
        if (json_array_size(verify->problems) < PROBLEMS_MAX)
                (void)json_array_append_new(
                        verify->problems, json_pack("{s:s, s:s}", "file", file, "detail", detail));
}

static int on_bytes(void *context, size_t bytes)
{
        struct mu_archive_verify *verify = context;

        return mu_archiver_pace(verify->archiver, bytes);
}

static bool same(struct mu_pg_bytes bytes, const uint8_t sha256[MU_SHA256_BYTES])
{
        return bytes.data && bytes.bytes == MU_SHA256_BYTES &&
               memcmp(bytes.data, sha256, MU_SHA256_BYTES) == 0;
}

/* What the files can't say of themselves: whether they are still the ones that were written. */
static void check_record(struct mu_archive_verify *verify, const struct mu_pg_result *rows,
                         const uint8_t sha256[MU_SHA256_BYTES])
{
        const struct mu_archive_manifest *manifest = verify->manifest;
        char place[MU_ARCHIVE_PLACE_BYTES];
        char file[sizeof(place) + sizeof(MU_ARCHIVE_MANIFEST) + 1];
        struct mu_pg_bytes next_of = mu_pg_get_bytea(rows, 0, 5);

        mu_archive_place(manifest->parent, manifest->day, place);
        (void)snprintf(file, sizeof(file), "%s/" MU_ARCHIVE_MANIFEST, place);
        if (!same(mu_pg_get_bytea(rows, 0, 0), sha256))
                on_problem(verify, file, "is not the one that the database remembers (SHA-256)");
        if (manifest->sequence != (uint32_t)mu_pg_get_int(rows, 0, 2))
                on_problem(verify, file, "has another place in the chain than the database says");
        if (manifest->sequence > 1 &&
            (!same(mu_pg_get_bytea(rows, 0, 1), manifest->previous_sha256) ||
             !same(mu_pg_get_bytea(rows, 0, 3), manifest->previous_sha256)))
                on_problem(verify, file, "breaks the chain: it does not follow the day before it");
        if (next_of.data && !same(next_of, sha256))
                on_problem(verify, file, "breaks the chain: the day after it follows another one");
        verify->is_head = !next_of.data;
}

static bool knows(const struct mu_pg_result *days, int64_t day)
{
        for (size_t i = 0; i < mu_pg_rows(days); i++)
                if (mu_pg_get_timestamptz(days, i, 0) == mu_archive_day_us(day))
                        return true;
        return false;
}

static int check_year(struct mu_archive_verify *verify, const struct mu_pg_result *days,
                      const char *table, const char *year)
{
        struct mu_archive_listing listing;
        char *path;

        if (asprintf(&path, "%s/%s/%s", verify->archiver->directory, table, year) < 0)
                return -ENOMEM;
        int err = mu_archive_list(path, &listing);

        free(path);
        if (err == -ENOTDIR) {
                if (asprintf(&path, "%s/%s", table, year) < 0)
                        return -ENOMEM;
                on_problem(verify, path, "does not belong here");
                free(path);
                return 0;
        }
        for (size_t i = 0; !err && i < listing.count; i++) {
                const char *name = listing.entries[i].name;
                char base[16];
                int64_t day;

                (void)snprintf(base, sizeof(base), "%.8s", name);
                /* A day on its way has its row, and .partial behind its name. */
                if (mu_archive_place_parse(base, &day) == 0 && knows(days, day) &&
                    (name[8] == '\0' || strcmp(name + 8, MU_ARCHIVE_PARTIAL) == 0))
                        continue;
                if (asprintf(&path, "%s/%s/%s", table, year, name) < 0) {
                        err = -ENOMEM;
                        break;
                }
                on_problem(verify, path, "does not belong here: the database does not know it");
                free(path);
        }
        mu_archive_listing_done(&listing);
        return err;
}

static int check_strangers(struct mu_archive_verify *verify, struct mu_pg *pg, const char *table)
{
        struct mu_archive_listing years;
        struct mu_pg_result *days;
        char *path;

        if (asprintf(&path, "%s/%s", verify->archiver->directory, table) < 0)
                return -ENOMEM;
        int err = mu_archive_list(path, &years);

        free(path);
        if (err)
                return err == -ENOENT ? 0 : err; /* what is missing was told */
        err = mu_pg_query(pg, &KNOWN, MU_PG_VALUES(mu_pg_text(table)), &days);
        if (!err) {
                for (size_t i = 0; !err && i < years.count; i++)
                        err = check_year(verify, days, table, years.entries[i].name);
                mu_pg_result_free(days);
        }
        mu_archive_listing_done(&years);
        return err;
}

/* The manifest, and what the database knows. */
static int begin(struct mu_archiver *archiver, struct mu_pg *pg,
                 const struct mu_archive_request *request)
{
        struct mu_archive_verify *verify = calloc(1, sizeof(*verify));
        const struct mu_archive_check check = {.on_problem = on_problem, .context = verify};
        const char *table = mu_archive_table(&request->day);
        uint8_t sha256[MU_SHA256_BYTES];
        struct mu_pg_result *rows;
        uint32_t stray;

        if (!verify)
                return -ENOMEM;
        archiver->verify = verify;
        verify->archiver = archiver;
        verify->request_id = request->id;
        verify->problems = json_array();
        int err = mu_pg_query(pg, &DAY,
                              MU_PG_VALUES(mu_pg_text(table),
                                           mu_pg_timestamptz(mu_archive_day_us(request->day.day))),
                              &rows);

        if (err)
                return err;
        if (mu_pg_rows(rows) == 0) {
                on_problem(verify, table, "has no such day in the archive");
        } else {
                err = mu_archive_check_day(archiver->directory, table, request->day.day, &check,
                                           &verify->manifest, sha256, &stray);
                if (!err)
                        check_record(verify, rows, sha256);
                verify->is_head = mu_pg_is_null(rows, 0, 6);
        }
        mu_pg_result_free(rows);
        if ((!err || err == -EBADMSG) && verify->is_head)
                err = check_strangers(verify, pg, table);
        return err == -EBADMSG ? 0 : err;
}

static int finish(struct mu_archiver *archiver, struct mu_pg *pg,
                  const struct mu_archive_request *request)
{
        struct mu_archive_verify *verify = archiver->verify;
        bool ok = verify->first[0] == '\0';
        char *problems = json_dumps(verify->problems, JSON_COMPACT);
        int err = problems ? 0 : -ENOMEM;

        if (!err)
                err = mu_pg_query(
                        pg, &VERIFIED,
                        MU_PG_VALUES(mu_pg_text(mu_archive_table(&request->day)),
                                     mu_pg_timestamptz(mu_archive_day_us(request->day.day)),
                                     mu_pg_timestamptz(mu_archiver_now_us(archiver)),
                                     mu_pg_text(ok ? NULL : verify->first)),
                        NULL);
        if (!err)
                err = mu_archive_request_finish(archiver, pg, request->id, NULL, problems);
        free(problems);
        if (err)
                return err;
        mu_archiver_verified(archiver, ok);
        mu_archiver_tell(archiver, !ok, ok ? "verified" : "damaged", &request->day, verify->first);
        mu_archive_verify_free(verify);
        archiver->verify = NULL;
        return MU_JOB_AGAIN;
}

int mu_archive_verify_step(struct mu_archiver *archiver, struct mu_pg *pg,
                           const struct mu_archive_request *request)
{
        int err = 0;

        if (archiver->verify && archiver->verify->request_id != request->id) {
                mu_archive_verify_free(archiver->verify);
                archiver->verify = NULL;
        }
        if (!archiver->verify) {
                err = begin(archiver, pg, request);
                if (err) {
                        mu_archive_verify_free(archiver->verify);
                        archiver->verify = NULL;
                        return err;
                }
        }
        struct mu_archive_verify *verify = archiver->verify;
        const struct mu_archive_check check = {
                .on_problem = on_problem, .on_bytes = on_bytes, .context = verify};

        if (!verify->manifest || verify->next_part == verify->manifest->part_count)
                return finish(archiver, pg, request);
        err = mu_archive_check_part(archiver->directory, verify->manifest, verify->next_part,
                                    &check);
        if (err && err != -EBADMSG)
                return err;
        verify->next_part++;
        err = mu_archive_request_progress(pg, request->id, verify->next_part,
                                          verify->manifest->part_count);
        return err ? err : MU_JOB_AGAIN;
}
