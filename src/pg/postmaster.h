/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postmaster.h - is a server running on this directory, and whose processes are left of one?
 *
 * postmaster.pid only gives a number, which may have been given to another process since. What
 * counts is the process itself: it runs a program called postgres, was started with -D (a backend
 * has another command line), and its working directory is this very directory (device and inode).
 * From then on a pidfd stands for it, so that no signal ever reaches a stranger.
 *
 * Threads    any. Ownership: done closes the pidfd.
 * Errors     negative errno.
 */
#ifndef MUSTER_PG_POSTMASTER_H
#define MUSTER_PG_POSTMASTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "muster/compiler.h"

struct mu_postmaster {
        pid_t pid;                  /* 0: none */
        int pidfd;                  /* readable once it has ended; -1: none */
        char socket_directory[108]; /* "" until the server has written it */
};

void mu_postmaster_init(struct mu_postmaster *postmaster);
void mu_postmaster_done(struct mu_postmaster *postmaster);

/* 1 and the running one, 0 when there is none, or a negative errno. */
MU_MUST_CHECK
int mu_postmaster_find(const char *directory, struct mu_postmaster *ret_postmaster);
/* The same for a child that we have just started. */
MU_MUST_CHECK
int mu_postmaster_of_child(pid_t pid, struct mu_postmaster *ret_postmaster);

/* Processes of a server on this directory; with a signal each gets it. The number, or a negative
 * errno. Call it while no postmaster is running there. */
MU_MUST_CHECK
int mu_postmaster_leftovers(const char *directory, int signal_or_0);

/* Removes the lock files of a server that is gone: their number may belong to somebody else by now,
 * or to a zombie that nobody reaps (a container's init), and the server would take either for a
 * running postmaster. Only after find and leftovers both found nothing. */
void mu_postmaster_remove_stale(const char *directory, const char *socket_directory);

#endif
