/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64url.h - base64url as JWTs have it (RFC 7515 §2): no padding, one text for each value.
 *
 * Units      bytes. Threads: any.
 * Errors     -EBADMSG: a character outside the alphabet, a length that can't be, or bits set that
 *            stand for nothing; -ENOBUFS: no room.
 */
#ifndef MUSTER_IDENTITY_BASE64URL_H
#define MUSTER_IDENTITY_BASE64URL_H

#include <stddef.h>

#include "muster/compiler.h"

/* Characters for so many bytes, without a NUL. */
#define MU_BASE64URL_CHARS(bytes) (((bytes)*4 + 2) / 3)

/* Writes MU_BASE64URL_CHARS(bytes) and a NUL; the number of characters. */
size_t mu_base64url_encode(const void *data, size_t bytes, char *ret_text);
MU_MUST_CHECK
int mu_base64url_decode(const char *text, size_t chars, void *ret_data, size_t room,
                        size_t *ret_bytes);

#endif
