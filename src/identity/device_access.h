/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_access.h - may the one who sends this token speak as a device? One answer for every door.
 *
 * Threads    identify: a registered QSBR reader, as mu_device_table_resolve, which it calls: the
 *            device is stamped. The rest: any.
 * Errors     none: a refusal is an answer.
 */
#ifndef MUSTER_IDENTITY_DEVICE_ACCESS_H
#define MUSTER_IDENTITY_DEVICE_ACCESS_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_device;
struct mu_device_table;

enum mu_device_access {
        MU_DEVICE_ACCESS_TOKEN_MISSING,
        MU_DEVICE_ACCESS_TOKEN_UNKNOWN,
        MU_DEVICE_ACCESS_TOKEN_UNDECIDED, /* unknown, but PostgreSQL's list was not read yet */
        MU_DEVICE_ACCESS_DEVICE_DELETED,
        MU_DEVICE_ACCESS_DEVICE_DELETING,
        MU_DEVICE_ACCESS_REFUSALS,
        MU_DEVICE_ACCESS_GRANTED = MU_DEVICE_ACCESS_REFUSALS,
};

struct mu_device_refusal {
        int status; /* 401, 410; 503: with Retry-After */
        const char *slug;
        const char *sentence;
};

/* token NULL: none was sent. *ret_device only when granted: a live device or one in quarantine. */
MU_MUST_CHECK
enum mu_device_access mu_device_identify(struct mu_device_table *table, const char *token,
                                         size_t token_chars, uint64_t now_ms,
                                         struct mu_device **ret_device);

/* How a refusal is answered. */
const struct mu_device_refusal *mu_device_refusal(enum mu_device_access access);

#endif
