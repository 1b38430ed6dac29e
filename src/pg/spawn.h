/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn.h - PostgreSQL's programs as processes: another user, nothing inherited.
 *
 * A child gets a fixed small environment (ours may hold secrets and PG* variables), no descriptor
 * but its output (a server that outlives us must not keep our listeners open), default signals.
 *
 * Units      ms. Threads: any. Ownership: the caller reaps what start gave.
 * Errors     negative errno.
 */
#ifndef MUSTER_PG_SPAWN_H
#define MUSTER_PG_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "muster/compiler.h"

struct mu_spawn {
        const char *const *argv; /* argv[0] is the program's path, or is looked for in /usr/bin */
        uid_t uid;               /* applied when we are root and it is not */
        gid_t gid;
        const char *directory;    /* to run in */
        int output_fd;            /* stdout and stderr; -1: /dev/null */
        char *const *environment; /* NULL: the fixed small one */
        bool dies_with_us;        /* killed when the thread that started it ends */
};

/* In a session of its own. A program that can't be run exits with 127 and says why. */
MU_MUST_CHECK
int mu_spawn_start(const struct mu_spawn *spawn, pid_t *ret_pid);

/* Runs to the end, ours at the latest; past wait_ms it is killed: -ETIMEDOUT. ret_status as from
 * waitpid; the last output_room - 1 bytes of what it said in ret_output. */
MU_MUST_CHECK
int mu_spawn_run(struct mu_spawn *spawn, uint32_t wait_ms, char *ret_output, size_t output_room,
                 int *ret_status);

/* May that user enter the directory, and every one on the way? Negative errno if it can't be told.
 */
MU_MUST_CHECK
int mu_spawn_can_enter(const char *directory, uid_t uid, gid_t gid, bool *ret_can);

#endif
