/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archiver_private.h - what the archiver's files share; nobody else includes it.
 *
 * A step returns 0 (nothing to do, or it has to wait), MU_JOB_AGAIN (something was done) or a
 * negative errno.
 */
#ifndef MUSTER_JOBS_ARCHIVER_PRIVATE_H
#define MUSTER_JOBS_ARCHIVER_PRIVATE_H

#include "archive/manifest.h"
#include "archive/verify.h"
#include "jobs/archiver.h"
#include "jobs/scheduler.h"
#include "pg/query.h"

struct mu_archive_verify;
struct mu_archive_restore;

struct mu_archive_cells {
        struct mu_cell days[MU_PARENTS];
        struct mu_cell rows[MU_PARENTS];
        struct mu_cell plain_bytes[MU_PARENTS];
        struct mu_cell stored_bytes[MU_PARENTS];
        struct mu_cell restored[MU_PARENTS];
        struct mu_cell waits; /* of a detach for somebody's snapshot */
        struct mu_cell verify_ok;
        struct mu_cell verified_at_s;
        struct mu_cell failures; /* files that did not verify */
};

struct mu_archiver {
        struct mu_archiver_config config;
        char *directory;
        struct mu_archive_cells cells;
        bool counted;                       /* the cells say what the tables do */
        struct mu_archive_verify *verify;   /* the request under way; NULL: none */
        struct mu_archive_restore *restore; /* the same */
        int64_t purged_day;    /* from which heartbeats of purged devices are removed */
        int64_t purged_device; /* up to this one that is done */
        uint64_t pace_from_ns; /* of the slice */
        uint64_t pace_bytes;
};

/* A day of a parent on its way. */
struct mu_archive_day {
        enum mu_parent parent;
        int64_t day;
        char partition[MU_PARTITION_NAME_BYTES];
        char state[16];
};

struct mu_archive_request {
        int64_t id;
        int64_t keep_s; /* 0: the default */
        struct mu_archive_day day;
        char kind[16];
        bool began; /* before this slice */
};

static inline int64_t mu_archive_day_us(int64_t day)
{
        return day * MU_S_PER_DAY * MU_US_PER_S;
}

static inline const char *mu_archive_table(const struct mu_archive_day *day)
{
        return mu_parent_facts(day->parent)->table;
}

/* The two values that a day is found by. */
#define MU_ARCHIVE_DAY_VALUES(of)                                                                  \
        mu_pg_text(mu_archive_table(of)), mu_pg_timestamptz(mu_archive_day_us((of)->day))

/* archiver.c */
int64_t mu_archiver_now_us(const struct mu_archiver *archiver);
void mu_archiver_tell(struct mu_archiver *archiver, bool trouble, const char *event,
                      const struct mu_archive_day *day, const char *detail);
/* Sleeps as long as these bytes are ahead of the configured rate; a mu_archive_read.on_bytes. */
int mu_archiver_pace(void *archiver, size_t plain_bytes);
/* ROOT/heartbeats/2026/20261121, and suffix behind it; to be freed, NULL without memory. */
char *mu_archiver_path(const struct mu_archiver *archiver, const struct mu_archive_day *day,
                       const char *suffix);
void mu_archiver_verified(struct mu_archiver *archiver, bool ok);
/* The job's error is this sentence. Returns error. */
int mu_archiver_explain(struct mu_archiver *archiver, struct mu_pg *pg,
                        const struct mu_archive_day *day, int error, const char *sentence);

/* archiver_sql.c */
MU_MUST_CHECK
int mu_archive_sql_state(struct mu_pg *pg, const struct mu_archive_day *day, const char *state);
/* The oldest day of a parent that is on its way or due; false in *ret_found: none. */
MU_MUST_CHECK
int mu_archive_sql_next(struct mu_pg *pg, enum mu_parent parent, int64_t due_us,
                        struct mu_archive_day *ret_day, bool *ret_found);
/* The columns of a table, in order, into an empty manifest. */
MU_MUST_CHECK
int mu_archive_sql_columns(struct mu_pg *pg, const char *table,
                           struct mu_archive_manifest *manifest);
MU_MUST_CHECK
int mu_archive_sql_count(struct mu_archiver *archiver, struct mu_pg *pg);
/* Begins a transaction whose statements have so long to get their locks; 0: no end to a statement.
 */
MU_MUST_CHECK
int mu_archive_sql_begin(struct mu_pg *pg, const char *settings);
/* Commits after 0, else rolls back and returns error. */
MU_MUST_CHECK
int mu_archive_sql_end(struct mu_pg *pg, int error);

/* archiver_retire.c */
MU_MUST_CHECK
int mu_archive_retire_step(struct mu_archiver *archiver, struct mu_pg *pg, uint64_t *ret_changed);

/* archiver_write.c: a day in state 'archiving', to 'archived'. */
MU_MUST_CHECK
int mu_archive_write_begin(struct mu_archiver *archiver, struct mu_pg *pg,
                           const struct mu_archive_day *day);
MU_MUST_CHECK
int mu_archive_write_step(struct mu_archiver *archiver, struct mu_pg *pg,
                          const struct mu_archive_day *day);

/* archiver_prove.c: what was written is read back; then the day is 'archived'. */
MU_MUST_CHECK
int mu_archive_prove_step(struct mu_archiver *archiver, struct mu_pg *pg,
                          const struct mu_archive_day *day);

/* archiver_request.c */
MU_MUST_CHECK
int mu_archive_request_step(struct mu_archiver *archiver, struct mu_pg *pg, uint64_t *ret_changed);
MU_MUST_CHECK
int mu_archive_request_progress(struct mu_pg *pg, int64_t id, uint32_t done, uint32_t total);
/* problems: JSON or NULL; detail NULL: done, else failed. */
MU_MUST_CHECK
int mu_archive_request_finish(struct mu_archiver *archiver, struct mu_pg *pg, int64_t id,
                              const char *detail, const char *problems);

/* archiver_verify.c */
MU_MUST_CHECK
int mu_archive_verify_step(struct mu_archiver *archiver, struct mu_pg *pg,
                           const struct mu_archive_request *request);
void mu_archive_verify_free(struct mu_archive_verify *verify); /* NULL is a no-op */

/* archiver_restore.c */
MU_MUST_CHECK
int mu_archive_restore_step(struct mu_archiver *archiver, struct mu_pg *pg,
                            const struct mu_archive_request *request);
/* Rolls back, gives the connection back. NULL is a no-op. */
void mu_archive_restore_free(struct mu_archiver *archiver, struct mu_archive_restore *restore);

#endif
