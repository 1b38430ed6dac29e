/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_file.h - the log's file: rotated by size and by UTC day, old ones removed.
 *
 * For log.c alone; its lock is held around every call.
 */
#ifndef MUSTER_BASE_LOG_FILE_H
#define MUSTER_BASE_LOG_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/log.h"
#include "muster/compiler.h"

struct mu_log_file {
        char *path; /* owned */
        int fd;
        uint64_t bytes;
        uint64_t rotate_bytes;
        uint32_t keep_days;
        int64_t day; /* since the epoch, of its last line */
};

/* Appends to the file at options->path. 0 or a negative errno. */
MU_MUST_CHECK
int mu_log_file_open(struct mu_log_file *file, const struct mu_log_options *options,
                     const struct mu_clock *clock);
void mu_log_file_close(struct mu_log_file *file);
/* The descriptor for a line of so many bytes, after rotating if it is time. A rotation that fails
 * leaves the old file in use. */
int mu_log_file_fd(struct mu_log_file *file, size_t line_bytes, const struct mu_clock *clock);

#endif
