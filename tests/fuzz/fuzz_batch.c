/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>

#include "heartbeat_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        static struct mu_decoder *decoder;
        struct mu_wire_problem problem;
        struct mu_heartbeat heartbeat;
        uint32_t item_count = 0;
        uint32_t seen = 0;
        int64_t sent_at_us;
        int r = 0;

        if (!decoder)
                r = mu_decoder_create(&decoder);
        MU_ASSERT(r == 0);
        r = mu_decode_batch(decoder, (const char *)data, bytes, &item_count, &sent_at_us, &problem);
        MU_ASSERT(r == 0 || r == -EBADMSG);
        if (r < 0)
                check_problem(&problem);
        MU_ASSERT(item_count <= MU_BATCH_ITEMS_MAX);
        while ((r = mu_decode_batch_next(decoder, &heartbeat, &problem)) != 0) {
                seen++;
                if (r == 1) {
                        check_heartbeat(&heartbeat);
                        continue;
                }
                MU_ASSERT(r == -EBADMSG);
                check_problem(&problem);
                MU_ASSERT(problem.field && strncmp(problem.field, "heartbeats[", 11) == 0);
                MU_ASSERT(problem.detail == mu_reason_sentence(problem.reason));
        }
        MU_ASSERT(seen == item_count);
        return 0;
}
