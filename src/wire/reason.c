/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "wire/heartbeat.h"

static const struct {
        int status;
        const char *type;
        const char *sentence;
} reasons[MU_REASON_COUNT] = {
#define REASON(name, status, type, sentence) {status, type, sentence},
        MU_WIRE_REASONS(REASON)
#undef REASON
};

int mu_reason_status(enum mu_wire_reason reason)
{
        MU_ASSERT((unsigned)reason < MU_REASON_COUNT);
        return reasons[reason].status;
}

const char *mu_reason_type(enum mu_wire_reason reason)
{
        MU_ASSERT((unsigned)reason < MU_REASON_COUNT);
        return reasons[reason].type;
}

const char *mu_reason_sentence(enum mu_wire_reason reason)
{
        MU_ASSERT((unsigned)reason < MU_REASON_COUNT);
        return reasons[reason].sentence;
}
