/* SPDX-License-Identifier: Apache-2.0 */
/* What an appliance, or something that stands between, might answer to an agent's reports: any
 * bytes give either nothing at all or values in their ranges. The first byte is how many items the
 * agent had sent. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <jansson.h>

#include "base/assert.h"
#include "core/uplink.h"
#include "muster/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void read_heartbeat(const char *json, size_t bytes)
{
        const struct mu_agent_heartbeat_reply before = {.next_heartbeat_in_s = -1};
        struct mu_agent_heartbeat_reply reply = before;

        if (mu_agent_reply_heartbeat(json, bytes, &reply) < 0) {
                MU_ASSERT(reply.next_heartbeat_in_s == -1 && reply.commands == 0);
                MU_ASSERT(!(reply.server_time_s > 0) && !reply.update);
                return;
        }
        MU_ASSERT(reply.server_time_s >= 0 && reply.server_time_s < (double)MU_TS_S_END);
        MU_ASSERT(reply.next_heartbeat_in_s >= -1 && reply.next_heartbeat_in_s <= INT32_MAX);
        MU_ASSERT(reply.commands >= 0 && reply.commands <= INT32_MAX);
}

static void read_batch(const char *json, size_t bytes, size_t items)
{
        enum mu_agent_verdict verdicts[UINT8_MAX];
        const char *whys[UINT8_MAX];
        json_t *memory = NULL;
        size_t read_bytes = 0;
        int r = mu_agent_reply_batch(json, bytes, items, verdicts, whys, &memory);

        MU_ASSERT((r == 0) == (memory != NULL));
        for (size_t i = 0; i < items; i++) {
                MU_ASSERT(verdicts[i] == MU_AGENT_KEEP || r == 0);
                MU_ASSERT((unsigned)verdicts[i] <= MU_AGENT_ASIDE);
                MU_ASSERT(r == 0 || !whys[i]);
                read_bytes += whys[i] ? strlen(whys[i]) : 0;
        }
        MU_ASSERT(read_bytes <= bytes);
        json_decref(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        char detail[16];

        if (bytes == 0)
                return 0;
        const char *json = (const char *)data + 1;

        bytes--;
        read_heartbeat(json, bytes);
        read_batch(json, bytes, data[0]);
        (void)!mu_agent_reply_result(json, bytes, data[0]);
        mu_agent_reply_problem(json, bytes, detail, sizeof(detail));
        MU_ASSERT(memchr(detail, '\0', sizeof(detail)));
        return 0;
}
