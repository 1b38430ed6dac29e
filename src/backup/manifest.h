/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.h - what a backup consists of: every directory, every file with its size and SHA-256.
 *
 *   muster-20261121T161500Z/
 *     manifest.json           this
 *     manifest.json.sha256    of the manifest itself; sha256sum -c reads it
 *     postgres/ …             the cluster (pg_basebackup), or
 *     database.dump/ …        the database (pg_dump)
 *     data/ …                 what else lay in the data directory
 *     config/ …               configuration file, certificate and key from elsewhere
 *   encrypted: sealed.tar.zst.age instead of the last four, which lie in it, manifest included
 *
 * Units      bytes; times as text, RFC 3339. Threads: one. Ownership: init/done.
 * Errors     negative errno and a sentence; -EBADMSG: not what the manifest says.
 */
#ifndef MUSTER_BACKUP_MANIFEST_H
#define MUSTER_BACKUP_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backup/process.h"
#include "muster/compiler.h"

#define MU_MANIFEST_FORMAT "muster-backup"
#define MU_MANIFEST_FILE "manifest.json"
#define MU_MANIFEST_SUM "manifest.json.sha256"
#define MU_BACKUP_SEALED "sealed.tar.zst.age"

enum mu_manifest_limits {
        MU_MANIFEST_VERSION = 1,
        MU_MANIFEST_BYTES_MAX = 512 * 1024 * 1024,
        MU_SHA256_HEX_BYTES = 65,
};

struct mu_manifest {
        json_t *root;
        json_t *files;       /* path → {bytes, sha256, mode}; root's */
        json_t *directories; /* path → mode; root's */
        uint64_t bytes;
        uint64_t file_count;
        uint64_t linked_count; /* made by linking to an earlier backup's file */
};

MU_MUST_CHECK
int mu_manifest_init(struct mu_manifest *manifest);
void mu_manifest_done(struct mu_manifest *manifest);

MU_MUST_CHECK
int mu_manifest_add_file(struct mu_manifest *manifest, const char *path, uint64_t bytes,
                         mode_t mode, const char *sha256);
MU_MUST_CHECK
int mu_manifest_add_directory(struct mu_manifest *manifest, const char *path, mode_t mode);
/* The digest of an entry with exactly this path, size and content; false: there is none. */
bool mu_manifest_has(const struct mu_manifest *manifest, const char *path, uint64_t bytes,
                     const char *sha256);

/* Into the directory, synced, its checksum beside it. */
MU_MUST_CHECK
int mu_manifest_write(struct mu_manifest *manifest, const char *directory,
                      struct mu_backup_error *ret_error);
/* Read and believed: its checksum, format and version are right, no path leads out of it. */
MU_MUST_CHECK
int mu_manifest_read(const char *directory, struct mu_manifest *ret_manifest,
                     struct mu_backup_error *ret_error);
/* Every file there is what the manifest says, and none more. Names the first that is not. */
MU_MUST_CHECK
int mu_manifest_verify(const struct mu_manifest *manifest, const char *directory,
                       struct mu_backup_error *ret_error);

/* "" when absent. */
const char *mu_manifest_text(const struct mu_manifest *manifest, const char *member);

#endif
