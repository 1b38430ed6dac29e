/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_place.h - where the private cluster lies, whose it is, which programs run it; making it.
 *
 * Threads    one. Ownership: init/done; done lets the lock go.
 * Errors     negative errno and a sentence.
 */
#ifndef MUSTER_PG_CLUSTER_PLACE_H
#define MUSTER_PG_CLUSTER_PLACE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "muster/compiler.h"
#include "pg/cluster.h"
#include "pg/error.h"

/* sun_path is 108 bytes with its NUL; the server adds "/.s.PGSQL.5432". */
#define MU_SOCKET_DIRECTORY_BYTES (108 - 14)

struct mu_cluster_place {
        uid_t uid; /* the server's */
        gid_t gid;
        char bin[PATH_MAX];           /* /usr/lib/postgresql/15/bin */
        char home[PATH_MAX];          /* DATA_DIR, or where it moved */
        char directory[PATH_MAX];     /* home/postgres */
        char log_directory[PATH_MAX]; /* home/postgres-log */
        char socket_directory[MU_SOCKET_DIRECTORY_BYTES];
        char hash[13]; /* of DATA_DIR's real path */
        bool moved;
        int lock_fd; /* one daemon a cluster */
};

/* Finds everything, takes the lock, makes the cluster if there is none. */
MU_MUST_CHECK
int mu_cluster_place_init(struct mu_cluster_place *place, const struct mu_cluster_config *config,
                          struct mu_pg_error *ret_error);
/* Where it is or would be, whose it would be; locked, and nothing is made in it: for a restore. */
MU_MUST_CHECK
int mu_cluster_place_find(struct mu_cluster_place *place, const struct mu_cluster_config *config,
                          struct mu_pg_error *ret_error);
void mu_cluster_place_done(struct mu_cluster_place *place);

/* cluster_init.c: initdb, aside and then renamed, so that a cluster is whole or not there. */
MU_MUST_CHECK
int mu_cluster_make(const struct mu_cluster_place *place, struct mu_pg_error *ret_error);
/* Writes a file of the server's. */
MU_MUST_CHECK
int mu_cluster_write_file(const struct mu_cluster_place *place, const char *name, const char *text);
/* mkdir, owner, 0700. An existing one must be the owner's and closed to others: -EPERM. */
MU_MUST_CHECK
int mu_cluster_private_directory(const char *path, uid_t uid, gid_t gid);

/* cluster_settings.c: muster.conf for this machine. */
MU_MUST_CHECK
int mu_cluster_write_settings(const struct mu_cluster_place *place,
                              const struct mu_cluster_config *config,
                              struct mu_pg_error *ret_error);

#endif
