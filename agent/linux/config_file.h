/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_file.h - the configuration on disk: secrets, so nobody else's to read.
 *
 * Threads    any, on different paths. Errors: negative errno, and a sentence that says what to do.
 */
#ifndef MUSTER_AGENT_LINUX_CONFIG_FILE_H
#define MUSTER_AGENT_LINUX_CONFIG_FILE_H

#include <stddef.h>

#include "core/config.h"
#include "muster/compiler.h"

enum { MU_CONFIG_SENTENCE_BYTES = 1536 }; /* a path has room */

/* The whole text, NUL-terminated: the caller wipes and frees it. -ENOENT: not enrolled yet;
 * -EACCES: others could read or write the file. */
MU_MUST_CHECK
int mu_config_file_read(const char *path, char **ret_text, size_t *ret_bytes,
                        char ret_sentence[MU_CONFIG_SENTENCE_BYTES]);
/* 0600, old or new whatever happens, durable. */
MU_MUST_CHECK
int mu_config_file_write(const char *path, const char *text, size_t bytes);
/* For platform.save, of an agent that runs: keys and settings become those of text, everything else
 * stays as the file has it now: the owner may have changed it and not said so yet. -EINVAL: the
 * file can't be read as it stands; -ESTALE: it is another device's by now. Then it is left alone.
 */
MU_MUST_CHECK
int mu_config_file_save(const char *path, const char *text, size_t bytes);

/* A secret in a file of one line, or on standard input ("-"): its first line, which the caller
 * wipes and frees. */
MU_MUST_CHECK
int mu_secret_file_read(const char *path, char **ret_secret,
                        char ret_sentence[MU_CONFIG_SENTENCE_BYTES]);

#endif
