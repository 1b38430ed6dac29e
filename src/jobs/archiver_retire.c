/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A day leaves its table. DETACH … CONCURRENTLY waits for whoever may still see the day; so that
 * one long reader only delays it, each try has a second and a half for its locks. Interrupted half
 * way it is FINALIZEd. Rows of live tables are never deleted.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "jobs/archiver_private.h"

#define LOCKS "SET LOCAL lock_timeout = '1500ms'"

/* A day more than the window: what waits in the journal was inside it when it was taken. */
enum { WINDOW_MARGIN_DAYS = 2 };

static const struct mu_pg_statement PLACE = {
        .name = "archive_place",
        .sql = "SELECT to_regclass($2) IS NOT NULL,"
               " (SELECT i.inhdetachpending FROM pg_inherits i"
               "  WHERE i.inhparent = to_regclass($1) AND i.inhrelid = to_regclass($2)),"
               " (SELECT d.state FROM archive_days d WHERE d.parent = $1 AND d.day = $3),"
               " (SELECT d.restored_at IS NOT NULL FROM archive_days d"
               "  WHERE d.parent = $1 AND d.day = $3)",
        .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

static const struct mu_pg_statement EXPIRE = {
        .name = "archive_restored_expire",
        .sql = "UPDATE partition_registry r SET state = 'detaching', changed_at = now()"
               " FROM archive_days d WHERE r.state = 'restored' AND d.parent = r.parent"
               " AND d.day = r.range_from AND d.restored_until <= $1",
        .params = {MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

static const struct mu_pg_statement FORGET_RESTORED = {
        .name = "archive_restored_over",
        .sql = "UPDATE archive_days SET restored_at = NULL, restored_until = NULL,"
               " restored_rows = NULL WHERE parent = $1 AND day = $2",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

struct place {
        bool exists;
        bool attached;
        bool pending; /* a detach was interrupted */
        bool has_record;
        bool archived; /* its files are whole */
        bool restored; /* and the table was made from them */
};

static int read_place(struct mu_pg *pg, const struct mu_archive_day *day, struct place *ret_place)
{
        struct mu_pg_result *rows;
        int err = mu_pg_query(pg, &PLACE,
                              MU_PG_VALUES(mu_pg_text(mu_archive_table(day)),
                                           mu_pg_text(day->partition),
                                           mu_pg_timestamptz(mu_archive_day_us(day->day))),
                              &rows);

        if (err)
                return err;
        const char *record = mu_pg_get_text(rows, 0, 2);

        *ret_place = (struct place){
                .exists = mu_pg_get_bool(rows, 0, 0),
                .attached = !mu_pg_is_null(rows, 0, 1),
                .has_record = record != NULL,
                .archived = record && strcmp(record, "archived") == 0,
        };
        if (ret_place->attached)
                ret_place->pending = mu_pg_get_bool(rows, 0, 1);
        if (record)
                ret_place->restored = mu_pg_get_bool(rows, 0, 3);
        mu_pg_result_free(rows);
        return 0;
}

/* From here on no writer makes the day again. Under the makers' lock: none is just doing so. */
static int take_out(struct mu_archiver *archiver, struct mu_pg *pg,
                    const struct mu_archive_day *day)
{
        int err = mu_archive_sql_begin(pg, LOCKS);

        if (err)
                return err;
        err = mu_advisory_lock_transaction(pg, MU_LOCK_PARTITION_MAKE);
        if (!err)
                err = mu_archive_sql_state(pg, day, "detaching");
        err = mu_archive_sql_end(pg, err);
        MU_FAILPOINT("archive.taken_out", err);
        if (!err)
                mu_archiver_tell(archiver, false, "leaving", day, "");
        return err ? err : MU_JOB_AGAIN;
}

/* Outside of a transaction: PostgreSQL wants it so. */
static int detach(struct mu_archiver *archiver, struct mu_pg *pg, const struct mu_archive_day *day,
                  bool pending)
{
        char sql[160];
        int err = mu_pg_script(pg, "archive_lock_timeout", "SET lock_timeout = '1500ms'");

        if (err)
                return err;
        (void)snprintf(sql, sizeof(sql), "ALTER TABLE %s DETACH PARTITION %s %s",
                       mu_archive_table(day), day->partition,
                       pending ? "FINALIZE" : "CONCURRENTLY");
        err = mu_pg_script(pg, "archive_detach", sql);
        struct mu_pg_error reason = *mu_pg_last_error(pg);
        int reset = mu_pg_script(pg, "archive_lock_timeout", "RESET lock_timeout");

        /* 55P03, or the statement's limit: somebody reads, or another maintains the table. */
        if (err == -EAGAIN || err == -ETIMEDOUT) {
                mu_cell_add(&archiver->cells.waits, 1);
                mu_archiver_tell(archiver, false, "waits", day, reason.text);
                return reset;
        }
        if (!err)
                err = reset;
        MU_FAILPOINT("archive.detached", err);
        if (!err)
                mu_archiver_tell(archiver, false, "detached", day, "");
        return err ? err : MU_JOB_AGAIN;
}

/* The table goes; what is said of it in the same transaction. */
static int drop(struct mu_archiver *archiver, struct mu_pg *pg, const struct mu_archive_day *day)
{
        char sql[96];
        int err = mu_archive_sql_begin(pg, LOCKS);

        if (err)
                return err;
        (void)snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS %s", day->partition);
        err = mu_pg_script(pg, "archive_drop", sql);
        if (!err)
                err = mu_archive_sql_state(pg, day, "dropped");
        if (!err)
                err = mu_pg_query(pg, &FORGET_RESTORED,
                                  MU_PG_VALUES(mu_pg_text(mu_archive_table(day)),
                                               mu_pg_timestamptz(mu_archive_day_us(day->day))),
                                  NULL);
        MU_FAILPOINT("archive.dropping", err);
        err = mu_archive_sql_end(pg, err);
        if (err == -EAGAIN) {
                mu_cell_add(&archiver->cells.waits, 1);
                return 0;
        }
        MU_FAILPOINT("archive.dropped", err);
        archiver->counted = false;
        if (!err)
                mu_archiver_tell(archiver, false, "dropped", day, "");
        return err ? err : MU_JOB_AGAIN;
}

static int after_detach(struct mu_archiver *archiver, struct mu_pg *pg,
                        const struct mu_archive_day *day, const struct place *place)
{
        bool kept = mu_parent_facts(day->parent)->archived;

        if (kept && !place->exists && !place->archived)
                mu_archiver_tell(archiver, true, "lost", day,
                                 "its table was gone before it was archived: no archive has it");
        if (!kept || !place->exists)
                return drop(archiver, pg, day);
        if (place->archived && !place->restored)
                return mu_archiver_explain(
                        archiver, pg, day, -EEXIST,
                        "its table is there although the archive holds the day and nobody asked "
                        "for it to be restored; compare them, then drop the table by hand");
        if (place->archived) {
                int err = mu_archive_sql_state(pg, day, "archived");

                return err ? err : MU_JOB_AGAIN;
        }
        return mu_archive_write_begin(archiver, pg, day);
}

static int step_day(struct mu_archiver *archiver, struct mu_pg *pg,
                    const struct mu_archive_day *day)
{
        struct place place;
        int err;

        if (strcmp(day->state, "attached") == 0)
                return take_out(archiver, pg, day);
        if (strcmp(day->state, "archived") == 0)
                return drop(archiver, pg, day);
        err = read_place(pg, day, &place);
        if (err)
                return err;
        if (strcmp(day->state, "archiving") == 0) {
                if (!place.exists)
                        return mu_archiver_explain(archiver, pg, day, -ENOENT,
                                                   "its table is gone before it was archived");
                return mu_archive_write_step(archiver, pg, day);
        }
        return place.attached ? detach(archiver, pg, day, place.pending)
                              : after_detach(archiver, pg, day, &place);
}

/* A day ends at its last instant: only then does its age count. */
static int64_t due_us(const struct mu_archiver *archiver, enum mu_parent parent)
{
        int64_t keep_s = archiver->config.keep_s[parent];
        int64_t least_s = (archiver->config.window_days + WINDOW_MARGIN_DAYS) * MU_S_PER_DAY;

        if (keep_s == 0)
                return mu_archive_day_us(MU_PARTITION_DAY_MIN);
        if (parent == MU_PARENT_HEARTBEATS && keep_s < least_s)
                keep_s = least_s;
        if (keep_s > 100000 * MU_S_PER_DAY)
                keep_s = 100000 * MU_S_PER_DAY;
        return mu_archiver_now_us(archiver) - keep_s * MU_US_PER_S;
}

/* Not the day's own trouble: the database is away, or we are to stop. */
static bool is_passing(int err)
{
        return err == -ENOTCONN || err == -EHOSTDOWN || err == -ETIMEDOUT || err == -ECANCELED ||
               err == -ENOMEM;
}

int mu_archive_retire_step(struct mu_archiver *archiver, struct mu_pg *pg, uint64_t *ret_changed)
{
        struct mu_pg_error trouble = {.text = ""};
        uint64_t generation = mu_pg_generation(pg);
        int failed = 0;
        int code = mu_pg_query(pg, &EXPIRE,
                               MU_PG_VALUES(mu_pg_timestamptz(mu_archiver_now_us(archiver))), NULL);

        /* One that has to wait, or can't be, holds up no other table. */
        for (enum mu_parent parent = 0; parent < MU_PARENTS && code == 0; parent++) {
                struct mu_archive_day day;
                bool found;

                code = mu_archive_sql_next(pg, parent, due_us(archiver, parent), &day, &found);
                if (code < 0 || !found)
                        continue;
                code = step_day(archiver, pg, &day);
                *ret_changed += code == MU_JOB_AGAIN;
                if (code >= 0 || is_passing(code))
                        continue;
                if (!failed) {
                        trouble = *mu_pg_last_error(pg);
                        failed = code;
                }
                if (mu_pg_in_transaction(pg))
                        mu_pg_rollback(pg);
                /* With its connection the job's lock was lost: that was all for now. */
                if (!mu_pg_raw(pg) || mu_pg_generation(pg) != generation)
                        break;
                code = 0;
        }
        if (!failed || code == MU_JOB_AGAIN || is_passing(code))
                return code;
        mu_pg_explain(pg, trouble.text[0] ? trouble.text : strerror(-failed));
        return failed;
}
