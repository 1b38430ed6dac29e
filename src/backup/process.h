/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.h - other programs, one or a pipeline of them, run to their end.
 *
 *   mu_process_run(tar | zstd | age)   stage n's standard output is stage n+1's input
 *
 * They get a small environment of their own, no descriptor but the three, and die with us. What
 * they say on standard error is kept, its end at least, for the sentence that says what went wrong.
 *
 * Units      *_s. Threads: for a process of one thread (it forks). Errors: negative errno and a
 * sentence.
 */
#ifndef MUSTER_BACKUP_PROCESS_H
#define MUSTER_BACKUP_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "muster/compiler.h"

enum mu_process_limits {
        MU_PROCESS_STAGES_MAX = 4,
        MU_PROCESS_WORDS_BYTES = 4096,
};

struct mu_backup_error {
        char text[1024]; /* a sentence; "" when there was no error */
};

/* Writes the sentence; returns code. */
int mu_backup_fail(struct mu_backup_error *error, int code, const char *format, ...)
        MU_PRINTF(3, 4);

struct mu_process {
        const char *const *argv;        /* argv[0]: a path, or looked for in PATH */
        const char *const *environment; /* "NAME=value" beside the usual; NULL: none */
        bool as_user;                   /* as uid and gid, when we are root */
        uid_t uid;
        gid_t gid;
};

struct mu_process_run {
        const struct mu_process *stages;
        size_t count;
        int input_fd;     /* of the first; -1: none */
        int output_fd;    /* of the last; -1: kept with what is said on standard error */
        uint32_t limit_s; /* then all are killed: -ETIMEDOUT; 0: no limit */
        char words[MU_PROCESS_WORDS_BYTES]; /* out: the end of what they said */
};

MU_MUST_CHECK
int mu_process_run(struct mu_process_run *run, struct mu_backup_error *ret_error);
/* One program, nothing in, nothing out. */
MU_MUST_CHECK
int mu_process_run_one(const char *const *argv, const char *const *environment,
                       struct mu_backup_error *ret_error);
/* Is there such a program in PATH? */
bool mu_process_exists(const char *program);

#endif
