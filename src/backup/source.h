/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source.h - the database a backup is made of, or is put back into: copied, dumped, counted.
 *
 *   private cluster    its socket's directory stands in DATA_DIR/run.json; pg_basebackup as
 *                      postgres, whom the socket lets in because only root and the server's user
 *                      reach it
 *   existing one       the URL; pg_dump of one snapshot, which is counted in the same snapshot
 *
 * Passwords travel in PGPASSWORD, never in arguments.
 *
 * Threads    one. Ownership: open/close. Errors: negative errno and a sentence.
 */
#ifndef MUSTER_BACKUP_SOURCE_H
#define MUSTER_BACKUP_SOURCE_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "backup/backup.h"
#include "muster/compiler.h"

struct mu_database;
struct mu_pg;

enum mu_backup_jobs { MU_BACKUP_DUMP_JOBS = 2 };

struct mu_backup_source {
        bool private_cluster;
        char socket_directory[PATH_MAX];
        char conninfo[2048];      /* for pg/: may hold a password */
        char tool_conninfo[2048]; /* for PostgreSQL's programs: none */
        char *password;           /* "PGPASSWORD=…"; NULL: none */
        char bin[PATH_MAX];       /* of the programs */
        struct mu_database *database;
        struct mu_pg *pg;
        int32_t server_version;
};

/* Where it is, by the configuration and DATA_DIR/run.json; not connected. */
MU_MUST_CHECK
int mu_source_find(const struct mu_backup_config *config, struct mu_backup_source *source,
                   struct mu_backup_error *ret_error);
/* A cluster on this socket directory. */
MU_MUST_CHECK
int mu_source_of_socket(const char *socket_directory, struct mu_backup_source *source,
                        struct mu_backup_error *ret_error);
MU_MUST_CHECK
int mu_source_connect(struct mu_backup_source *source, struct mu_backup_error *ret_error);
void mu_source_close(struct mu_backup_source *source);

/* "BIN/program" to be freed, or its bare name. */
char *mu_source_program(const struct mu_backup_source *source, const char *program);
/* Its password, for a program's environment: NULL-terminated. */
void mu_source_environment(const struct mu_backup_source *source, const char *ret_environment[2]);

/* What the database holds, to be compared later: see facts.c. */
MU_MUST_CHECK
int mu_facts_read(struct mu_pg *pg, int64_t hour_from_us, int64_t hour_to_us, json_t **ret_facts,
                  struct mu_backup_error *ret_error);
/* One facts object of two readings around the copying: each number must lie between. */
json_t *mu_facts_join(const json_t *before, const json_t *after);
/* Are the numbers those that the manifest's facts allow? A sentence about the first that is not. */
MU_MUST_CHECK
int mu_facts_compare(const json_t *expected, struct mu_pg *pg, uint64_t *ret_rows,
                     struct mu_backup_error *ret_error);

/* Copies into directory/postgres or directory/database.dump; facts for the manifest. */
MU_MUST_CHECK
int mu_source_copy(struct mu_backup_source *source, const struct mu_backup_config *config,
                   const char *directory, json_t **ret_facts, struct mu_backup_error *ret_error);

#endif
