/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_file.h - the configuration on disk: encrypted by Windows (DPAPI, with the machine's key,
 * for whoever enrolls is seldom who runs), in a directory that is the system's and the
 * administrators' alone. A copy of the file is worth nothing on another machine.
 *
 * Threads    any, on different paths. Errors: negative errno; -EBADMSG: not ours, or of another
 *            machine.
 */
#ifndef MUSTER_AGENT_WINDOWS_SECRET_FILE_H
#define MUSTER_AGENT_WINDOWS_SECRET_FILE_H

#include <stddef.h>

#include "muster/compiler.h"

enum { MU_SECRET_FILE_BYTES_MAX = 256 * 1024 };

/* The directory with its list of rights; one that is there is left as it is. */
MU_MUST_CHECK
int mu_secret_directory(const char *path);

/* The caller wipes and frees it; NUL-terminated. */
MU_MUST_CHECK
int mu_secret_file_read(const char *path, char **ret_text, size_t *ret_bytes);
/* Old or new whatever happens, durable. */
MU_MUST_CHECK
int mu_secret_file_write(const char *path, const char *text, size_t bytes);

/* A plain file, whole, for tokens: the caller wipes and frees it; NUL-terminated. */
MU_MUST_CHECK
int mu_plain_file_read(const char *path, size_t bytes_max, char **ret_text, size_t *ret_bytes);
/* Old or new whatever happens, durable. */
MU_MUST_CHECK
int mu_plain_file_write(const char *path, const void *data, size_t bytes);

#endif
