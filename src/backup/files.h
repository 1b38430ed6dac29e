/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files.h - the steps between the database and the manifest: files of the data directory, digests,
 * sealing.
 *
 * Threads    one. Errors: negative errno and a sentence.
 */
#ifndef MUSTER_BACKUP_FILES_H
#define MUSTER_BACKUP_FILES_H

#include "backup/backup.h"
#include "backup/manifest.h"
#include "muster/compiler.h"

#define MU_BACKUP_STAGING "backup-staging" /* in the data directory */
#define MU_BACKUP_SCRATCH "backup-check"   /* beside the cluster */

/* Is this entry of the data directory left out of backups? */
bool mu_files_left_out(const char *name);

/* to/data and to/config. store: where earlier backups lie, to link to; NULL: none. */
MU_MUST_CHECK
int mu_files_copy(const struct mu_backup_config *config, const char *store, const char *to,
                  struct mu_manifest *manifest, struct mu_backup_error *ret_error);
/* Digests of what was put into to/name by other programs. */
MU_MUST_CHECK
int mu_files_add(const struct mu_backup_config *config, const char *to, const char *name,
                 struct mu_manifest *manifest, struct mu_backup_error *ret_error);

/* All of from as one file to/MU_BACKUP_SEALED, readable with the recipients' private keys. */
MU_MUST_CHECK
int mu_backup_seal(const char *from, const char *to, const char *recipients,
                   struct mu_backup_error *ret_error);
/* Back into the new directory to. */
MU_MUST_CHECK
int mu_backup_unseal(const char *from, const char *to, const char *identity,
                     struct mu_backup_error *ret_error);

/* A finished backup to where else it is to lie. */
MU_MUST_CHECK
int mu_offsite_copy(const struct mu_backup_config *config, const char *directory, const char *name,
                    int64_t now_s, struct mu_backup_error *ret_error);

#endif
