/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator's WebSocket says: any bytes are a message or a refusal with a sentence. */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "control/live/live_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        struct mu_live_message message;
        char sentence[MU_LIVE_SENTENCE_BYTES] = "";

        if (mu_live_message_parse((const char *)data, bytes, &message, sentence) < 0) {
                MU_ASSERT(*sentence && strlen(sentence) < sizeof(sentence));
                return 0;
        }
        MU_ASSERT(message.id_count <= MU_LIVE_DEVICES_MAX);
        for (uint32_t i = 0; i < message.id_count; i++)
                MU_ASSERT(message.ids[i] > 0 && (i == 0 || message.ids[i] > message.ids[i - 1]));
        MU_ASSERT(strlen(message.ticket) < sizeof(message.ticket));
        mu_live_message_done(&message);
        return 0;
}
