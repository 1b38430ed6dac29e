/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner.h - the daemon's side of backups: starts `musterd backup` as a process, looks after it.
 *
 *   ask ─▶ [step: start] ─▶ again ─▶ again ─▶ … ─▶ it has ended: 0, or its last sentence
 *
 * What is due stands in two files: DATA_DIR/backup.last was written when the last one into
 * backup.directory was made, backup.checked when one was last tried. So a restart forgets nothing,
 * and a directory that hangs (a network's) holds up the process alone, never the jobs.
 *
 * Units      *_s, *_us since the epoch. Threads: step: the jobs' alone; the process dies with it.
 * ask, due, last: any. Ownership: configuration strings are borrowed. Errors: negative errno and a
 * sentence.
 */
#ifndef MUSTER_BACKUP_RUNNER_H
#define MUSTER_BACKUP_RUNNER_H

#include <stdbool.h>
#include <stdint.h>

#include "backup/process.h"
#include "metrics/metrics.h"
#include "muster/compiler.h"

struct mu_backup_runner;

#define MU_BACKUP_LAST_FILE "backup.last"
#define MU_BACKUP_CHECKED_FILE "backup.checked"

enum { MU_BACKUP_NOT_GOOD = 3 }; /* exit code of a check that found it so */

enum mu_backup_work {
        MU_BACKUP_WORK_BACKUP,
        MU_BACKUP_WORK_CHECK,
        MU_BACKUP_WORKS,
};

struct mu_backup_runner_config {
        char *const *arguments;   /* the daemon's, from argv[1] on; ended by NULL */
        char *const *environment; /* the daemon's */
        const char *data_directory;
        const char *directory;   /* backup.directory; "": none is scheduled */
        const char *directories; /* others that may be asked for, with commas between */
        const char *at;          /* "03:30", or "" for interval_s */
        uint64_t interval_s;
        uint64_t check_interval_s;
        struct mu_metrics *metrics; /* NULL: none */
        /* A line that the process said. From step. */
        void (*on_line)(void *context, const char *work, const char *line, bool failed);
        void *on_line_context;
};

/* -EINVAL: at is no time of day. */
MU_MUST_CHECK
int mu_backup_runner_create(const struct mu_backup_runner_config *config,
                            struct mu_backup_runner **ret_runner);
void mu_backup_runner_destroy(struct mu_backup_runner *runner); /* NULL is a no-op; ends it */

/* The next backup goes there ("": backup.directory) in this name. -EPERM: not an allowed one;
 * -EBUSY: another one waits already; -EINVAL: none is configured. */
MU_MUST_CHECK
int mu_backup_runner_ask(struct mu_backup_runner *runner, const char *directory,
                         const char *asked_by, struct mu_backup_error *ret_error);

/* Starts it, or sees how far it is. 1: it goes on; 0: done; negative errno: failed;
 * -EINVAL: no directory is configured. */
MU_MUST_CHECK
int mu_backup_runner_step(struct mu_backup_runner *runner, enum mu_backup_work work,
                          struct mu_backup_error *ret_error);

/* The next time, us; INT64_MAX: none is scheduled. */
int64_t mu_backup_runner_due_us(struct mu_backup_runner *runner, enum mu_backup_work work,
                                int64_t now_us);
/* When one was last made into backup.directory, or tried; 0: never. */
int64_t mu_backup_runner_last_s(struct mu_backup_runner *runner, enum mu_backup_work work);

#endif
