/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64.h - keys as text (RFC 4648 §4): padded, one text for each value, nothing around it.
 *
 * Units      bytes. Threads: any. Errors: -EBADMSG: not the base64 of so many bytes.
 */
#ifndef MUSTER_AGENT_CORE_BASE64_H
#define MUSTER_AGENT_CORE_BASE64_H

#include <stddef.h>

#include "muster/compiler.h"

/* Characters for so many bytes, without a NUL. */
#define MU_AGENT_BASE64_CHARS(bytes) (((bytes) + 2) / 3 * 4)

/* Writes MU_AGENT_BASE64_CHARS(bytes) and a NUL. */
void mu_agent_base64_encode(const void *data, size_t bytes, char *ret_text);
/* text, with a NUL, must be that of exactly so many bytes. */
MU_MUST_CHECK
int mu_agent_base64_decode(const char *text, void *ret_data, size_t bytes);

#endif
