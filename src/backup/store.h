/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - a directory of backups: which are there, which go.
 *
 * A backup counts when it has its right name and a manifest: off-site the manifest comes last.
 *
 * Threads    one. Ownership: list/free. Errors: negative errno.
 */
#ifndef MUSTER_BACKUP_STORE_H
#define MUSTER_BACKUP_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backup/process.h"
#include "muster/compiler.h"

enum { MU_BACKUP_NAME_BYTES = 40 };

struct mu_backup_name {
        char name[MU_BACKUP_NAME_BYTES]; /* muster-20261121T161500Z, or …Z-2 */
        int64_t at_s;
};

/* "muster-…" of this moment. */
void mu_store_name(int64_t at_s, unsigned nth, char ret_name[MU_BACKUP_NAME_BYTES]);

/* Oldest first; freed by the caller. */
MU_MUST_CHECK
int mu_store_list(const char *directory, struct mu_backup_name **ret_names, size_t *ret_count);
/* The newest one's name; -ENOENT. */
MU_MUST_CHECK
int mu_store_newest(const char *directory, struct mu_backup_name *ret_name);

/* Made 0700 if it is not there; refused where others may rename what we made. Locked: the
 * descriptor, or a negative errno with a sentence. */
MU_MUST_CHECK
int mu_store_open(const char *directory, struct mu_backup_error *ret_error);
/* What killed runs left. */
MU_MUST_CHECK
int mu_store_sweep(const char *directory);

/* All but the newest keep, and what is younger than keep_days. keep 0: nothing goes. removed (may
 * be NULL) hears of each. */
MU_MUST_CHECK
int mu_store_retain(const char *directory, uint32_t keep, uint32_t keep_days, int64_t now_s,
                    void (*removed)(void *context, const char *name), void *context,
                    uint32_t *ret_removed);

#endif
