/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update.h - what an update of the agent is signed over, and how versions compare: server, agent
 * and whoever publishes.
 *
 *   publisher  version, size, SHA-256 ─▶ canonical text ─▶ Ed25519 ─▶ signature
 *   agent      answer of MU_PATH_AGENT_UPDATE ─▶ signature by a pinned key? newer? ─▶ download
 *
 * The answer, the text, the versions and test vectors are described in UPDATE_SIGNATURE.md beside
 * this file. Ed25519 and SHA-256 are the caller's: nothing here depends on a crypto library.
 *
 * Units      bytes as said; sizes of texts count the NUL.
 * Threads    pure functions. Ownership: texts are borrowed; nothing is allocated.
 * Errors     -EINVAL: a field breaks the grammar.
 */
#ifndef MUSTER_UPDATE_H
#define MUSTER_UPDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

/* ?version=<the agent's own>&channel=<its channel>[&wanted=<the one an operator asked for>] */
#define MU_PATH_AGENT_UPDATE "/v1/agent/update"

enum mu_update_limits {
        MU_UPDATE_SHA256_BYTES = 32,
        MU_UPDATE_SIGNATURE_BYTES = 64,
        MU_UPDATE_VERSION_BYTES = 65,
        MU_UPDATE_VERSION_NUMBERS_MAX = 4,
        MU_UPDATE_VERSION_DIGITS_MAX = 9, /* of one number */
        MU_UPDATE_URL_BYTES = 1025,
        MU_UPDATE_BYTES_MAX = 64 * 1024 * 1024,
        MU_UPDATE_CANONICAL_BYTES = 192,
};

/* What is signed. */
struct mu_update_form {
        const char *version;
        int64_t size_bytes;
        uint8_t sha256[MU_UPDATE_SHA256_BYTES];
};

/* The text that is signed: *ret_bytes of it, NUL-terminated. 0 or -EINVAL. */
MU_MUST_CHECK
int mu_update_canonical(const struct mu_update_form *form, char ret_text[MU_UPDATE_CANONICAL_BYTES],
                        size_t *ret_bytes);

/* One to four numbers with dots between, then perhaps "-" and a suffix of [0-9A-Za-z.-]. */
bool mu_update_version_valid(const char *version);
/* Both valid. Below 0: one is older than other; 0: they stand for the same; above 0: newer. */
int mu_update_version_compare(const char *one, const char *other);

#endif
