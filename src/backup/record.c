/* SPDX-License-Identifier: Apache-2.0 */
#include "backup/record.h"

#include "pg/query.h"

static const struct mu_pg_statement INTERRUPTED = {
        .name = "backup_interrupted",
        .sql = "UPDATE backups SET outcome = 'failed', finished_at = now(),"
               " error = 'it was interrupted' WHERE outcome = 'running'",
        .repeatable = true,
};

static const struct mu_pg_statement BEGIN = {
        .name = "backup_begin",
        .sql = "INSERT INTO backups (kind, requested_by, directory, database, encrypted)"
               " VALUES ($1, $2, $3, $4, $5) RETURNING id",
        .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_BOOL},
};

static const struct mu_pg_statement END = {
        .name = "backup_end",
        .sql = "UPDATE backups SET finished_at = now(), error = $2,"
               " outcome = CASE WHEN $2 = '' THEN 'ok' ELSE 'failed' END,"
               " bytes = $3, files = $4, linked_files = $5 WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_TEXT, MU_PG_INT8, MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};

static const struct mu_pg_statement OFFSITE = {
        .name = "backup_offsite",
        .sql = "UPDATE backups SET offsite_outcome = $2, offsite_detail = $3 WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT},
        .repeatable = true,
};

static const struct mu_pg_statement AFTER_HOOK = {
        .name = "backup_after_hook",
        .sql = "UPDATE backups SET after_hook_outcome = $2 WHERE id = $1",
        .params = {MU_PG_INT8, MU_PG_TEXT},
        .repeatable = true,
};

static const struct mu_pg_statement REMOVED = {
        .name = "backup_removed",
        .sql = "UPDATE backups SET removed_at = now() WHERE directory = $1 AND removed_at IS NULL",
        .params = {MU_PG_TEXT},
        .repeatable = true,
};

static const struct mu_pg_statement CHECKED = {
        .name = "backup_checked",
        .sql = "UPDATE backups SET checked_at = now(), check_outcome = $2, check_detail = $3"
               " WHERE id = (SELECT max(id) FROM backups WHERE directory = $1)",
        .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT},
        .repeatable = true,
};

int mu_record_begin(struct mu_pg *pg, const char *kind, const char *requested_by,
                    const char *directory, bool dump, bool encrypted, int64_t *ret_id)
{
        struct mu_pg_result *rows;
        int err = mu_pg_query(pg, &INTERRUPTED, MU_PG_VALUES(), NULL);

        if (err == 0)
                err = mu_pg_query(pg, &BEGIN,
                                  MU_PG_VALUES(mu_pg_text(kind), mu_pg_text(requested_by),
                                               mu_pg_text(directory),
                                               mu_pg_text(dump ? "dump" : "cluster"),
                                               mu_pg_bool(encrypted)),
                                  &rows);
        if (err < 0)
                return err;
        *ret_id = mu_pg_get_int(rows, 0, 0);
        mu_pg_result_free(rows);
        return 0;
}

int mu_record_end(struct mu_pg *pg, int64_t id, const struct mu_backup_report *report,
                  const char *error)
{
        return mu_pg_query(pg, &END,
                           MU_PG_VALUES(mu_pg_int8(id), mu_pg_text(error),
                                        mu_pg_int8((int64_t)report->bytes),
                                        mu_pg_int8((int64_t)report->file_count),
                                        mu_pg_int8((int64_t)report->linked_count)),
                           NULL);
}

int mu_record_offsite(struct mu_pg *pg, int64_t id, const char *outcome, const char *detail)
{
        return mu_pg_query(pg, &OFFSITE,
                           MU_PG_VALUES(mu_pg_int8(id), mu_pg_text(outcome), mu_pg_text(detail)),
                           NULL);
}

int mu_record_after_hook(struct mu_pg *pg, int64_t id, const char *outcome)
{
        return mu_pg_query(pg, &AFTER_HOOK, MU_PG_VALUES(mu_pg_int8(id), mu_pg_text(outcome)),
                           NULL);
}

int mu_record_removed(struct mu_pg *pg, const char *directory)
{
        return mu_pg_query(pg, &REMOVED, MU_PG_VALUES(mu_pg_text(directory)), NULL);
}

const char *mu_backup_check_name(enum mu_backup_check outcome)
{
        return outcome == MU_BACKUP_CHECK_OK        ? "ok"
               : outcome == MU_BACKUP_CHECK_SKIPPED ? "skipped"
                                                    : "failed";
}

int mu_record_checked(struct mu_pg *pg, const char *directory, enum mu_backup_check outcome,
                      const char *detail)
{
        return mu_pg_query(pg, &CHECKED,
                           MU_PG_VALUES(mu_pg_text(directory),
                                        mu_pg_text(mu_backup_check_name(outcome)),
                                        mu_pg_text(detail)),
                           NULL);
}
