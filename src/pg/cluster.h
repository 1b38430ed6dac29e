/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster.h - the private PostgreSQL: made at first start, kept running, adopted after a crash.
 *
 *   create: programs, place, initdb, settings (seconds at first start; nothing is running yet)
 *   start:  a thread that runs, watches and restarts the postmaster
 *
 *      STARTING ──▶ READY ──▶ (it died) RESTARTING ──▶ READY …
 *      stop: STOPPING ──▶ STOPPED
 *
 * The postmaster is our child, in a session of its own: it outlives a kill -9 of the daemon and is
 * found again through postmaster.pid, by a process that runs the PostgreSQL program on this very
 * directory. Its only door is a socket in a directory of mode 0700, which belongs to the user it
 * runs as: whoever can reach the socket can read the data files anyway, so that "trust" lets in
 * nobody new. It listens on no network address.
 *
 * Where things are
 *   DATA_DIR/postgres              the cluster, when the server's user can enter DATA_DIR; else
 *   /var/lib/muster/<hash>/postgres  and DATA_DIR/postgres.location says so
 *   …/postgres-log/                a log a weekday, each written over after a week
 *   /run/muster/<hash>/.s.PGSQL.5432, else $TMPDIR/muster-<uid>-<hash>/
 *   …/postgres/local.conf          the operator's own settings, read last; muster.conf is ours
 *
 * Units      *_ms; *_bytes.
 * Threads    create, start, stop, destroy: one thread. status, hurry: any. on_event: create's
 * thread and the cluster's own. Ownership  conninfo lives as long as the cluster. Errors negative
 * errno and a sentence in ret_error.
 */
#ifndef MUSTER_PG_CLUSTER_H
#define MUSTER_PG_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "muster/compiler.h"
#include "pg/error.h"

struct mu_cluster;

enum mu_cluster_event {
        MU_CLUSTER_INITIALISING, /* the first start: initdb runs */
        MU_CLUSTER_MOVED,        /* not in DATA_DIR, and where instead */
        MU_CLUSTER_ADOPTED,      /* a running one was found */
        MU_CLUSTER_STARTED,
        MU_CLUSTER_READY,
        MU_CLUSTER_DIED,
        MU_CLUSTER_START_FAILED, /* tried again with backoff */
        MU_CLUSTER_LEFTOVERS,    /* processes of a dead postmaster were ended */
        MU_CLUSTER_STOPPED,
};

struct mu_cluster_config {
        const char *data_directory;     /* exists */
        const char *bin_directory;      /* NULL: Debian's place, else what pg_config says */
        const char *runtime_directory;  /* NULL: /run/muster */
        const char *fallback_directory; /* NULL: /var/lib/muster */
        uint32_t connections_max; /* ours; the server gets a few more for people and backups */
        uint64_t memory_bytes;    /* to tune for; 0: the machine's */
        uint32_t stop_ms;         /* for a fast stop, then an immediate one; 0: 60000 */
        void (*on_event)(void *context, enum mu_cluster_event event, const char *sentence);
        void *on_event_context;
};

/* Without starting it: finds the programs, makes the cluster if there is none, writes settings. */
MU_MUST_CHECK
int mu_cluster_create(const struct mu_cluster_config *config, struct mu_cluster **ret_cluster,
                      struct mu_pg_error *ret_error);
/* The thread must have been stopped. NULL is a no-op. */
void mu_cluster_destroy(struct mu_cluster *cluster);

/* Returns at once; the server may still recover for a while. */
MU_MUST_CHECK
int mu_cluster_start(struct mu_cluster *cluster);
/* 0 once it is ready, -ETIMEDOUT. */
MU_MUST_CHECK
int mu_cluster_wait_ready(struct mu_cluster *cluster, uint32_t wait_ms);
/* Fast shutdown, immediate after stop_ms, killed 10 s later; then the thread ends. Not started: a
 * no-op. */
void mu_cluster_stop(struct mu_cluster *cluster);
/* A stop, under way or to come, waits no longer: immediate shutdown, killed 2 s later. Any thread.
 */
void mu_cluster_hurry(struct mu_cluster *cluster);
/* For struct mu_database_config: an ordinary role that owns database "muster". */
const char *mu_cluster_conninfo(const struct mu_cluster *cluster);

enum mu_cluster_state {
        MU_CLUSTER_STATE_STARTING,
        MU_CLUSTER_STATE_READY,
        MU_CLUSTER_STATE_RESTARTING,
        MU_CLUSTER_STATE_STOPPING,
        MU_CLUSTER_STATE_STOPPED,
};

struct mu_cluster_status {
        enum mu_cluster_state state;
        pid_t pid;         /* 0: none */
        uint32_t restarts; /* after it died */
        bool adopted;
        bool moved;
        const char *directory; /* both live as long as the cluster */
        const char *socket_directory;
        char last_error[384]; /* "" when there was none since it was last ready */
};

void mu_cluster_status(struct mu_cluster *cluster, struct mu_cluster_status *ret_status);
const char *mu_cluster_state_name(enum mu_cluster_state state);

#endif
