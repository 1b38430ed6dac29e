/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply_file.h - a download on its way to disk: a new file, 0600, no longer than allowed, gone
 * again unless it is finished (private to agent/net).
 *
 *   init ─▶ add … ─▶ finish: it stands, durable
 *               └──▶ abort: it is removed
 *
 * The file is made with the first byte: a request that fails leaves nothing behind.
 *
 * Threads    one. Ownership: the path is copied. Errors: -EEXIST: there is such a file already;
 *            -EMSGSIZE: longer than allowed; -ENOSPC, -EIO …
 */
#ifndef MUSTER_AGENT_NET_REPLY_FILE_H
#define MUSTER_AGENT_NET_REPLY_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "muster/compiler.h"

struct mu_reply_file {
        char *path; /* NULL: there is none */
        FILE *stream;
        int64_t bytes;
        int64_t bytes_max;
};

MU_MUST_CHECK
int mu_reply_file_init(struct mu_reply_file *file, const char *path, int64_t bytes_max);
MU_MUST_CHECK
int mu_reply_file_add(struct mu_reply_file *file, const void *data, size_t bytes);
MU_MUST_CHECK
int mu_reply_file_finish(struct mu_reply_file *file);
void mu_reply_file_abort(struct mu_reply_file *file); /* after finish, or all zero: a no-op */

#endif
