/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.h - folders of files: walked, hashed, copied, removed.
 *
 * Nothing here follows a symbolic link below the root it is given.
 *
 * Units      bytes. Threads: one a call. Ownership: what join returns is freed by the caller.
 * Errors     negative errno.
 */
#ifndef MUSTER_BACKUP_TREE_H
#define MUSTER_BACKUP_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "muster/compiler.h"

struct mu_tree_entry {
        const char *path;  /* below the root */
        const char *whole; /* with it */
        bool is_directory;
        bool is_regular;
        const struct stat *status;
};

/* "directory/name"; NULL without memory. */
char *mu_tree_join(const char *directory, const char *name);

/* Everything below root in the order of names, a directory before what it holds. skip (may be
 * NULL) true: neither it nor what it holds. Stops at the first negative answer of each and returns
 * it. What vanishes meanwhile is passed over. */
MU_MUST_CHECK
int mu_tree_walk(const char *root, bool (*skip)(void *context, const struct mu_tree_entry *entry),
                 int (*each)(void *context, const struct mu_tree_entry *entry), void *context);

/* So many bytes a second on average since the first; 0: as fast as can be. */
struct mu_tree_pace {
        uint64_t bytes_per_s;
        uint64_t begun_ns;
        uint64_t bytes;
};

/* SHA-256 in hexadecimal, 65 bytes. pace may be NULL. */
MU_MUST_CHECK
int mu_tree_hash_file(const char *path, struct mu_tree_pace *pace, uint64_t *ret_bytes,
                      char *ret_hex);

/* A new file, synced; the digest is of what was read. ret_hex may be NULL. */
MU_MUST_CHECK
int mu_tree_copy_file(const char *from, const char *to, mode_t mode, struct mu_tree_pace *pace,
                      uint64_t *ret_bytes, char *ret_hex);

/* A whole folder into a new one, modes and all, not synced (for what is thrown away again);
 * as root everything becomes uid's. */
MU_MUST_CHECK
int mu_tree_copy(const char *from, const char *to, uid_t uid, gid_t gid);

/* Removes it and what it holds; absent: 0. */
MU_MUST_CHECK
int mu_tree_remove(const char *path);

/* fsync of every file (if asked for) and every directory below, and of the root. */
MU_MUST_CHECK
int mu_tree_sync(const char *root, bool files_too);

/* Bytes of the regular files below. */
MU_MUST_CHECK
int mu_tree_bytes(const char *root, uint64_t *ret_bytes);

/* Is there something of this name (a dangling link too)? */
bool mu_tree_exists(const char *path);

#endif
