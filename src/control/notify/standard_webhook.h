/* SPDX-License-Identifier: Apache-2.0 */
/*
 * standard_webhook.h - signatures as Standard Webhooks has them (https://www.standardwebhooks.com,
 * specification 1.0.0): what WEBHOOKS.md tells receivers.
 *
 *   webhook-signature: v1,BASE64(HMAC-SHA256(secret, "ID.TIMESTAMP.BODY")), a blank between several
 *
 * A secret is "whsec_" and base64 of 24 to 64 bytes.
 *
 * Units      timestamps: seconds since the Unix epoch.
 * Threads    any.
 * Errors     -EINVAL: no such secret; -ENOBUFS.
 */
#ifndef MUSTER_CONTROL_NOTIFY_STANDARD_WEBHOOK_H
#define MUSTER_CONTROL_NOTIFY_STANDARD_WEBHOOK_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

enum mu_standard_webhook_limits {
        MU_WEBHOOK_KEY_BYTES_MIN = 24,
        MU_WEBHOOK_KEY_BYTES_MAX = 64,
        MU_WEBHOOK_KEY_BYTES = 32,       /* ours */
        MU_WEBHOOK_SECRET_BYTES = 51,    /* ours as text, with NUL */
        MU_WEBHOOK_SIGNATURE_BYTES = 96, /* two of them, a blank, NUL */
};

MU_MUST_CHECK
int mu_webhook_make_secret(char ret_secret[MU_WEBHOOK_SECRET_BYTES]);
/* ret_key: MU_WEBHOOK_KEY_BYTES_MAX. */
MU_MUST_CHECK
int mu_webhook_read_secret(const char *secret, uint8_t *ret_key, size_t *ret_bytes);
/* second: NULL for none. */
MU_MUST_CHECK
int mu_webhook_sign(const char *secret, const char *second, const char *id, int64_t timestamp_s,
                    const char *body, size_t body_bytes,
                    char ret_signature[MU_WEBHOOK_SIGNATURE_BYTES]);

#endif
