/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.h - is it UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF)? */
#ifndef MUSTER_OUTBOUND_UTF8_H
#define MUSTER_OUTBOUND_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character that begins here, 0 when none does. bytes >= 1. */
size_t mu_utf8_character(const char *text, size_t bytes);
bool mu_utf8_is_valid(const char *text, size_t bytes);

#endif
