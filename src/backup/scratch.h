/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scratch.h - a small PostgreSQL of its own, for a moment: on a socket that nobody else can reach,
 * with little memory, never on the live cluster's files.
 *
 * Threads    one. Ownership: start/stop; stop removes all of it.
 * Errors     negative errno and a sentence.
 */
#ifndef MUSTER_BACKUP_SCRATCH_H
#define MUSTER_BACKUP_SCRATCH_H

#include <limits.h>
#include <sys/types.h>

#include "backup/process.h"
#include "muster/compiler.h"

struct mu_scratch {
        char directory[PATH_MAX]; /* holds the cluster, in /postgres */
        char socket_directory[32];
        uid_t uid;
        gid_t gid;
        char bin[PATH_MAX];
        pid_t pid; /* 0: not running */
        int log_fd;
};

/* An empty directory for it; what an earlier run left there is removed. */
MU_MUST_CHECK
int mu_scratch_init(struct mu_scratch *scratch, const char *directory, const char *bin, uid_t uid,
                    gid_t gid, struct mu_backup_error *ret_error);
/* With a cluster in directory/postgres: recovers, then answers. */
MU_MUST_CHECK
int mu_scratch_start(struct mu_scratch *scratch, uint32_t wait_s,
                     struct mu_backup_error *ret_error);
/* initdb, start, and an empty database muster of a role muster. */
MU_MUST_CHECK
int mu_scratch_make(struct mu_scratch *scratch, uint32_t wait_s, struct mu_backup_error *ret_error);
void mu_scratch_done(struct mu_scratch *scratch);

#endif
