/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/device_access.h"

#include "base/assert.h"
#include "identity/device_table.h"
#include "identity/token.h"

static const struct mu_device_refusal refusals[MU_DEVICE_ACCESS_REFUSALS] = {
        [MU_DEVICE_ACCESS_TOKEN_MISSING] = {401, "token-missing",
                                            "Send the device's token as \"Authorization: Bearer "
                                            "mu_...\"."},
        [MU_DEVICE_ACCESS_TOKEN_UNKNOWN] =
                {401, "token-unknown",
                 "No device has this token; keep the queue and try again in 5 "
                 "minutes, or enrol the device again."},
        [MU_DEVICE_ACCESS_TOKEN_UNDECIDED] =
                {503, "starting",
                 "The device list has not been read from the database yet; "
                 "try again."},
        [MU_DEVICE_ACCESS_DEVICE_DELETED] =
                {410, "device-deleted",
                 "This device was deleted; stop sending. To come back it must "
                 "be enrolled again."},
        [MU_DEVICE_ACCESS_DEVICE_DELETING] = {503, "device-deleting",
                                              "This device is being deleted; try again."},
};

enum mu_device_access mu_device_identify(struct mu_device_table *table, const char *token,
                                         size_t token_chars, uint64_t now_ms,
                                         struct mu_device **ret_device)
{
        struct mu_digest digest;
        struct mu_device *device;
        bool authoritative = mu_device_table_authoritative(table);

        if (!token || token_chars == 0 || token_chars > MU_TOKEN_CHARS_MAX)
                return MU_DEVICE_ACCESS_TOKEN_MISSING;
        mu_token_digest(token, token_chars, &digest);
        device = mu_device_table_resolve(table, &digest, now_ms);
        if (!device)
                return authoritative ? MU_DEVICE_ACCESS_TOKEN_UNKNOWN
                                     : MU_DEVICE_ACCESS_TOKEN_UNDECIDED;
        switch (mu_device_state(device)) {
        case MU_DEVICE_LIVE:
        case MU_DEVICE_QUARANTINED:
                *ret_device = device;
                return MU_DEVICE_ACCESS_GRANTED;
        case MU_DEVICE_DELETING:
                return MU_DEVICE_ACCESS_DEVICE_DELETING;
        case MU_DEVICE_DELETED:
                break;
        }
        /* 410 only on PostgreSQL's word: an agent stops for good on it. */
        return authoritative ? MU_DEVICE_ACCESS_DEVICE_DELETED : MU_DEVICE_ACCESS_TOKEN_UNDECIDED;
}

const struct mu_device_refusal *mu_device_refusal(enum mu_device_access access)
{
        MU_ASSERT(access < MU_DEVICE_ACCESS_REFUSALS);
        return &refusals[access];
}
