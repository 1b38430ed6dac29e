/* SPDX-License-Identifier: Apache-2.0 */
/* What Discord might answer: any bytes give fields that are safe to log, to wait for and to put
 * into a URL. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "control/notify/discord.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        struct mu_discord_reply reply;
        char header[64];
        size_t chars = bytes < sizeof(header) - 1 ? bytes : sizeof(header) - 1;

        if (chars > 0)
                memcpy(header, data, chars);
        header[chars] = '\0';
        MU_ASSERT(mu_discord_pause_ms("0", header) <= MU_DISCORD_PAUSE_MS_MAX);
        MU_ASSERT(mu_discord_pause_ms(header, "1") <= 1000);
        if (mu_discord_read((const char *)data, bytes, &reply) < 0)
                return 0;
        MU_ASSERT(memchr(reply.id, '\0', sizeof(reply.id)));
        MU_ASSERT(strspn(reply.id, "0123456789") == strlen(reply.id));
        MU_ASSERT(memchr(reply.text, '\0', sizeof(reply.text)));
        for (const char *at = reply.text; *at; at++)
                MU_ASSERT(*at >= ' ' && *at < 0x7f);
        MU_ASSERT(reply.retry_after_ms <= MU_DISCORD_PAUSE_MS_MAX && reply.code >= 0);
        MU_ASSERT(reply.has_retry_after || reply.retry_after_ms == 0);
        return 0;
}
