/* SPDX-License-Identifier: Apache-2.0 */
/*
 * background.h - long work that runs only when nobody else wants the processor or the disk: the
 * calling thread and the database's process that serves its connection.
 *
 *   mu_background_begin(pg, &background); ... mu_background_end(&background);
 *
 * SCHED_IDLE (sched(7)) and the last best-effort class of the disk's queue (ioprio_set(2)). A
 * process may always step back, but come forward again only as root or where RLIMIT_NICE is 20
 * (LimitNICE=0 in a unit): where it could not, the scheduling class stays as it is. The database's
 * process is found by the socket: a server that is not on this machine, or in a process namespace
 * of its own, is left alone.
 *
 * Threads    begin and end by the same thread. Errors: none; what the system refuses stays.
 */
#ifndef MUSTER_PG_BACKGROUND_H
#define MUSTER_PG_BACKGROUND_H

#include <stdbool.h>
#include <sys/types.h>

struct mu_pg;

struct mu_background {
        pid_t backend;     /* 0: not ours to touch */
        bool idle;         /* this thread is SCHED_IDLE */
        bool backend_idle; /* and the backend */
        int disk_class;    /* this thread's before; -1: not changed */
        int backend_disk_class;
};

/* pg: connected, or NULL for the thread alone. */
void mu_background_begin(struct mu_pg *pg, struct mu_background *ret_background);
void mu_background_end(const struct mu_background *background);

#endif
