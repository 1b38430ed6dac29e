/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine_file.h - small files of /sys, /proc and /run, below a root of one's own in tests.
 *
 * Units      room: bytes with the NUL. Threads: any. Errors: negative errno.
 */
#ifndef MUSTER_AGENT_LINUX_MACHINE_FILE_H
#define MUSTER_AGENT_LINUX_MACHINE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

enum mu_machine_limits {
        MU_MACHINE_PATH_BYTES = 1024,
};

/* root and a path below it. -ENAMETOOLONG. */
MU_MUST_CHECK
int mu_machine_path(char ret_path[MU_MACHINE_PATH_BYTES], const char *root, const char *format, ...)
        MU_PRINTF(3, 4);

/* The content without white space at its end; what does not fit is cut off. */
MU_MUST_CHECK
int mu_machine_read(char *ret_text, size_t room, const char *path);
/* The same of directory/name. */
MU_MUST_CHECK
int mu_machine_read_in(char *ret_text, size_t room, const char *directory, const char *name);
/* A decimal number that stands alone. -EBADMSG: it is none. */
MU_MUST_CHECK
int mu_machine_read_int_in(int64_t *ret_value, const char *directory, const char *name);
bool mu_machine_has(const char *directory, const char *name);

/* text as it may travel: bytes that are no printable UTF-8 become '?'; cut off between characters
 * where it does not fit. */
void mu_machine_clean(char *ret_text, size_t room, const void *text, size_t bytes);

#endif
