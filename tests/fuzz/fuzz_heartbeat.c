/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>

#include "heartbeat_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        static struct mu_decoder *decoder; /* kept: decoding must leave nothing behind */
        struct mu_wire_problem problem;
        struct mu_heartbeat heartbeat;
        int r = 0;

        if (!decoder)
                r = mu_decoder_create(&decoder);
        MU_ASSERT(r == 0);
        r = mu_decode_heartbeat(decoder, (const char *)data, bytes, &heartbeat, &problem);
        MU_ASSERT(r == 0 || r == -EBADMSG);
        if (r == 0)
                check_heartbeat(&heartbeat);
        else
                check_problem(&problem);
        return 0;
}
