/* SPDX-License-Identifier: Apache-2.0 */
/*
 * register.h - the rules of registration (design §4), in one database transaction.
 *
 *   who asks          hardware_id unknown or absent      hardware_id of a live device
 *   admin key         new device                         that device, fresh token
 *   enrolment token   new device, one use                not seen yet, same enrolment token:
 *                                                          that device, fresh token, no use (the
 *                                                          reply of the first try was lost)
 *                                                        with the device's own token, or while an
 *                                                          operator lets it be taken over: that
 *                                                          device, one use
 *                                                        else refused
 *
 * An enrolment token that is unknown, expired or revoked is refused whatever it asks for; one that
 * is used up still serves a lost reply. A quarantined device is not taken over with its token.
 *
 * A device's earlier tokens stay valid until the fresh one is first used. A deleted device never
 * comes back: its hardware_id gets a new device.
 *
 * Threads    any, each with its own connection.
 * Errors     of pg/error.h: nothing was changed; a refusal is an outcome, not an error.
 */
#ifndef MUSTER_CONTROL_REGISTER_H
#define MUSTER_CONTROL_REGISTER_H

#include <stdbool.h>
#include <stdint.h>

#include "identity/device_table.h"
#include "muster/compiler.h"
#include "wire/register.h"

struct mu_pg;

enum mu_register_outcome {
        MU_REGISTER_NEW,
        MU_REGISTER_AGAIN,
        MU_REGISTER_TOKEN_UNKNOWN,
        MU_REGISTER_TOKEN_EXPIRED,
        MU_REGISTER_TOKEN_REVOKED,
        MU_REGISTER_TOKEN_USED_UP,
        MU_REGISTER_HARDWARE_TAKEN,
};

struct mu_register_ask {
        const struct mu_register_request *request;
        const struct mu_digest *enrolment;     /* NULL: by admin key */
        int64_t own_device_id;                 /* the device whose token came along; 0: none */
        const struct mu_digest *digest;        /* of the fresh device token */
        const char *address;                   /* for the audit log */
        const struct mu_device_table *devices; /* knows first uses before PostgreSQL does */
};

struct mu_registered {
        int64_t device_id;
        uint32_t generation;
        uint32_t interval_s; /* 0: the fleet's */
        uint32_t hmac_key_version;
};

MU_MUST_CHECK
int mu_register(struct mu_pg *pg, const struct mu_register_ask *ask,
                enum mu_register_outcome *ret_outcome, struct mu_registered *ret_registered);

#endif
