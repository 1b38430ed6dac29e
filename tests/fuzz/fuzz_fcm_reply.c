/* SPDX-License-Identifier: Apache-2.0 */
/* What Google's endpoints might answer: any bytes give fields that are safe to log and to send. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "outbound/fcm_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_printable(const char *text, size_t room)
{
        MU_ASSERT(memchr(text, '\0', room));
        for (; *text; text++)
                MU_ASSERT(*text >= ' ' && *text < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        struct mu_fcm_reply reply;
        struct mu_fcm_access_token token;
        char text[80];

        mu_fcm_reply_parse((const char *)data, bytes, &reply);
        check_printable(reply.message_id, sizeof(reply.message_id));
        check_printable(reply.error_code, sizeof(reply.error_code));
        check_printable(reply.message, sizeof(reply.message));
        MU_ASSERT(!reply.from_details || *reply.error_code);
        if (mu_fcm_token_parse((const char *)data, bytes, &token) == 0) {
                check_printable(token.value, sizeof(token.value));
                MU_ASSERT(*token.value && !strchr(token.value, ' ') && token.life_s > 0);
        }
        mu_fcm_token_error((const char *)data, bytes, text, sizeof(text));
        check_printable(text, sizeof(text));
        return 0;
}
