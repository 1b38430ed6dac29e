/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - text that is built piece by piece: growing on the heap, or in a given buffer.
 *
 * Failure is sticky: after a piece that does not fit (fixed buffer, -ENOBUFS) or cannot be
 * allocated (-ENOMEM) nothing more is added, and mu_text_status says so once, at the end. A
 * piece is added whole or not at all. The text is NUL-terminated at every moment.
 *
 * Units      bytes, without the terminating NUL.
 * Threads    One thread per text.
 * Ownership  done frees what a growing text holds; take hands it over instead (free() it).
 * Errors     mu_text_status; the adders return nothing.
 */
#ifndef MUSTER_BASE_TEXT_H
#define MUSTER_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_text {
        char *data; /* read it, do not write it */
        size_t bytes;
        size_t room_bytes; /* including the NUL */
        int error;
        int fixed;
};

void mu_text_init(struct mu_text *text);
void mu_text_init_fixed(struct mu_text *text, char *buffer, size_t room_bytes); /* room >= 1 */
void mu_text_done(struct mu_text *text);
void mu_text_clear(struct mu_text *text); /* empty again, error forgotten, memory kept */

void mu_text_add(struct mu_text *text, const char *piece);
void mu_text_add_bytes(struct mu_text *text, const void *piece, size_t bytes);
void mu_text_add_format(struct mu_text *text, const char *format, ...) MU_PRINTF(2, 3);
/* A JSON string with its quotes. Any bytes: control characters are escaped, each byte that is
 * not part of well-formed UTF-8 becomes U+FFFD. */
void mu_text_add_json(struct mu_text *text, const char *string, size_t bytes);
/* Shortens back to an earlier length and forgets the error: undoes pieces that did not fit. */
void mu_text_cut(struct mu_text *text, size_t bytes);

/* Two lower-case digits a byte and a NUL, in a buffer of the caller's. */
void mu_text_hex(const void *bytes, size_t count, char *ret_digits);

/* 0, or the first error. */
MU_MUST_CHECK
int mu_text_status(const struct mu_text *text);
/* Growing texts: hands over the string and leaves the text empty; or the first error. */
MU_MUST_CHECK
int mu_text_take(struct mu_text *text, char **ret_string, size_t *ret_bytes);

#endif
