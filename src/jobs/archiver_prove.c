/* SPDX-License-Identifier: Apache-2.0 */
/* Before a day's table goes: every file is read back from the disk, a part a slice. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/listing.h"
#include "base/failpoint.h"
#include "jobs/archiver_private.h"

enum { ATTEMPTS_MAX = 3 };

static const struct mu_pg_statement DAY = {
        .name = "archive_prove_day",
        .sql = "SELECT d.manifest_sha256, d.row_count, d.attempts,"
               " (SELECT min(number) FROM archive_parts p WHERE p.parent = d.parent"
               "  AND p.day = d.day AND NOT p.verified),"
               " coalesce((SELECT p.last_row FROM archive_parts p WHERE p.parent = d.parent"
               "  AND p.day = d.day ORDER BY number DESC LIMIT 1), '(0,0)')"
               " FROM archive_days d WHERE parent = $1 AND day = $2",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

static const struct mu_pg_statement PART_OK = {
        .name = "archive_part_verified",
        .sql = "UPDATE archive_parts SET verified = true"
               " WHERE parent = $1 AND day = $2 AND number = $3",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_INT4},
        .repeatable = true,
};

static const struct mu_pg_statement LEFT = {
        .name = "archive_rows_left",
        .sql = "SELECT row_count FROM archive_rows_after($1::regclass, $2, 1)",
        .params = {MU_PG_TEXT, MU_PG_TEXT},
        .repeatable = true,
};

static const struct mu_pg_statement ARCHIVED = {
        .name = "archive_day_archived",
        .sql = "WITH over AS (DELETE FROM archive_parts WHERE parent = $1 AND day = $2)"
               " UPDATE archive_days SET state = 'archived', archived_at = $3, verified_at = $3,"
               " verify_ok = true, verify_detail = NULL WHERE parent = $1 AND day = $2",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

static const struct mu_pg_statement AGAIN = {
        .name = "archive_day_again",
        .sql = "WITH over AS (DELETE FROM archive_parts WHERE parent = $1 AND day = $2)"
               " UPDATE archive_days SET state = 'writing', attempts = attempts + 1,"
               " sequence = NULL, manifest_sha256 = NULL, previous_sha256 = NULL"
               " WHERE parent = $1 AND day = $2",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

struct proof {
        struct mu_archiver *archiver;
        struct mu_pg *pg;
        const struct mu_archive_day *day;
        uint8_t manifest_sha256[MU_SHA256_BYTES];
        int64_t rows;
        int64_t attempts;
        int64_t number; /* of the next part to read; -1: none is left */
        char last_row[32];
        char problem[MU_ARCHIVE_PLACE_BYTES + MU_ARCHIVE_DETAIL_BYTES + 32]; /* the first */
};

static int read_day(struct proof *proof)
{
        struct mu_pg_result *rows;
        int err = mu_pg_query(proof->pg, &DAY, MU_PG_VALUES(MU_ARCHIVE_DAY_VALUES(proof->day)),
                              &rows);

        if (err)
                return err;
        memcpy(proof->manifest_sha256, mu_pg_get_bytea(rows, 0, 0).data, MU_SHA256_BYTES);
        proof->rows = mu_pg_get_int(rows, 0, 1);
        proof->attempts = mu_pg_get_int(rows, 0, 2);
        proof->number = mu_pg_is_null(rows, 0, 3) ? -1 : mu_pg_get_int(rows, 0, 3);
        (void)snprintf(proof->last_row, sizeof(proof->last_row), "%s", mu_pg_get_text(rows, 0, 4));
        mu_pg_result_free(rows);
        return 0;
}

static void on_problem(void *context, const char *file, const char *detail)
{
        struct proof *proof = context;

        if (proof->problem[0] == '\0')
                (void)snprintf(proof->problem, sizeof(proof->problem), "%s %s", file, detail);
}

static int on_bytes(void *context, size_t bytes)
{
        struct proof *proof = context;

        return mu_archiver_pace(proof->archiver, bytes);
}

static int failed(struct proof *proof)
{
        char sentence[sizeof(proof->problem) + 64];
        char *directory;
        int err;

        mu_archiver_verified(proof->archiver, false);
        (void)snprintf(sentence, sizeof(sentence), "what was written does not read back: %s",
                       proof->problem);
        if (proof->attempts >= ATTEMPTS_MAX)
                return mu_archiver_explain(proof->archiver, proof->pg, proof->day, -EBADMSG,
                                           sentence);
        mu_archiver_tell(proof->archiver, true, "begun_anew", proof->day, sentence);
        directory = mu_archiver_path(proof->archiver, proof->day, "");
        err = directory ? mu_archive_remove_directory(directory) : -ENOMEM;
        free(directory);
        if (!err)
                err = mu_pg_query(proof->pg, &AGAIN,
                                  MU_PG_VALUES(MU_ARCHIVE_DAY_VALUES(proof->day)), NULL);
        return err ? err : MU_JOB_AGAIN;
}

/* The table has not one row that the files lack. */
static int settle(struct proof *proof)
{
        struct mu_pg *pg = proof->pg;
        int64_t now_us = mu_archiver_now_us(proof->archiver);
        struct mu_pg_result *rows;
        int err = mu_archive_sql_begin(pg, "SET LOCAL lock_timeout = '1500ms'");

        if (err)
                return err;
        err = mu_pg_query(
                pg, &LEFT,
                MU_PG_VALUES(mu_pg_text(proof->day->partition), mu_pg_text(proof->last_row)),
                &rows);
        if (!err) {
                int64_t left = mu_pg_get_int(rows, 0, 0);

                mu_pg_result_free(rows);
                if (left > 0)
                        err = mu_archiver_explain(proof->archiver, pg, proof->day, -EBADMSG,
                                                  "rows came into the table after it was detached");
        }
        if (!err)
                err = mu_pg_query(
                        pg, &ARCHIVED,
                        MU_PG_VALUES(MU_ARCHIVE_DAY_VALUES(proof->day), mu_pg_timestamptz(now_us)),
                        NULL);
        if (!err)
                err = mu_archive_sql_state(pg, proof->day, "archived");
        err = mu_archive_sql_end(pg, err);
        MU_FAILPOINT("archive.settled", err);
        if (err)
                return err;
        proof->archiver->counted = false;
        mu_archiver_verified(proof->archiver, true);
        mu_archiver_tell(proof->archiver, false, "archived", proof->day, "");
        return MU_JOB_AGAIN;
}

static int prove(struct proof *proof)
{
        const struct mu_archive_check check = {
                .on_problem = on_problem, .on_bytes = on_bytes, .context = proof};
        const char *root = proof->archiver->directory;
        struct mu_archive_manifest *manifest;
        uint8_t sha256[MU_SHA256_BYTES];
        uint32_t stray;
        int err = mu_archive_check_day(root, mu_archive_table(proof->day), proof->day->day, &check,
                                       &manifest, sha256, &stray);

        if (err)
                return err;
        if (memcmp(sha256, proof->manifest_sha256, sizeof(sha256)) != 0 ||
            manifest->rows != proof->rows) {
                on_problem(proof, MU_ARCHIVE_MANIFEST, "is not the one that was written");
                err = -EBADMSG;
        }
        if (!err && proof->number >= 0)
                err = proof->number < manifest->part_count
                              ? mu_archive_check_part(root, manifest, (uint32_t)proof->number,
                                                      &check)
                              : -EBADMSG;
        mu_archive_manifest_free(manifest);
        return err;
}

int mu_archive_prove_step(struct mu_archiver *archiver, struct mu_pg *pg,
                          const struct mu_archive_day *day)
{
        struct proof proof = {.archiver = archiver, .pg = pg, .day = day};
        int err = read_day(&proof);

        if (err)
                return err;
        err = prove(&proof);
        MU_FAILPOINT("archive.proved", err);
        if (err == -EBADMSG)
                return failed(&proof);
        if (err)
                return err;
        if (proof.number < 0)
                return settle(&proof);
        err = mu_pg_query(
                pg, &PART_OK,
                MU_PG_VALUES(MU_ARCHIVE_DAY_VALUES(day), mu_pg_int4((int32_t)proof.number)), NULL);
        return err ? err : MU_JOB_AGAIN;
}
