/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs.h - small things done to files, done right.
 *
 * Units      bytes. Threads: any, on different paths. Blocking: never on an event loop.
 * Errors     negative errno of the first step that failed.
 */
#ifndef MUSTER_BASE_FS_H
#define MUSTER_BASE_FS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "muster/compiler.h"

/* Old content or new content, whatever happens: temporary file beside it, fsync, rename, fsync of
 * the directory. On failure the old file stands and the temporary one is gone. */
MU_MUST_CHECK
int mu_fs_write_file(const char *path, const void *data, size_t bytes, mode_t mode);

/* The whole file, NUL-terminated, to be freed; -EFBIG above bytes_max. ret_bytes may be NULL. */
MU_MUST_CHECK
int mu_fs_read_file(const char *path, size_t bytes_max, char **ret_data, size_t *ret_bytes);

/* mkdir -p. mode is for the directories made, umask or not; -ENOTDIR when a file is in the way. */
MU_MUST_CHECK
int mu_fs_make_directories(const char *path, mode_t mode);

/* fsync of a directory: makes names created or renamed in it durable. */
MU_MUST_CHECK
int mu_fs_sync_directory(const char *path);

/* All of it, through short writes and EINTR. */
MU_MUST_CHECK
int mu_fs_write_all(int fd, const void *data, size_t bytes);

/* What an ordinary user may still fill, and the file system's size. Either may be NULL. */
MU_MUST_CHECK
int mu_fs_space(const char *path, uint64_t *ret_free_bytes, uint64_t *ret_total_bytes);

#endif
