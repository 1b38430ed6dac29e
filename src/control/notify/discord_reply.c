/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "control/notify/discord.h"

/* Seconds with decimals, rounded up; whatever is no sensible number is 0. */
static uint32_t ms_of(double seconds)
{
        if (!(seconds > 0))
                return 0;
        double ms = ceil(seconds * 1000);

        return ms < MU_DISCORD_PAUSE_MS_MAX ? (uint32_t)ms : MU_DISCORD_PAUSE_MS_MAX;
}

static void read_id(const json_t *id, char ret_id[MU_DISCORD_ID_BYTES])
{
        const char *digits = json_string_value(id);
        size_t chars = digits ? strspn(digits, "0123456789") : 0;

        /* It becomes part of a URL. */
        if (chars == 0 || digits[chars] != '\0' || chars >= MU_DISCORD_ID_BYTES)
                return;
        memcpy(ret_id, digits, chars + 1);
}

static void read_text(const json_t *message, char ret_text[MU_DISCORD_TEXT_BYTES])
{
        const char *text = json_string_value(message);
        size_t i = 0;

        for (; text && text[i] && i < MU_DISCORD_TEXT_BYTES - 1; i++)
                ret_text[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
        ret_text[i] = '\0';
}

int mu_discord_read(const char *body, size_t bytes, struct mu_discord_reply *ret_reply)
{
        struct mu_discord_reply reply = {0};
        json_t *whole = json_loadb(body, bytes, 0, NULL);

        if (!json_is_object(whole)) {
                json_decref(whole);
                return -EBADMSG;
        }
        const json_t *retry_after = json_object_get(whole, "retry_after");
        json_int_t code = json_integer_value(json_object_get(whole, "code"));

        read_id(json_object_get(whole, "id"), reply.id);
        read_text(json_object_get(whole, "message"), reply.text);
        reply.has_retry_after = json_is_number(retry_after);
        reply.retry_after_ms = ms_of(json_number_value(retry_after));
        reply.global = json_is_true(json_object_get(whole, "global"));
        reply.code = code > 0 && code < 1000000 ? (int)code : 0;
        json_decref(whole);
        *ret_reply = reply;
        return 0;
}

uint32_t mu_discord_pause_ms(const char *remaining, const char *reset_after)
{
        char *end;

        if (!remaining || !reset_after || strcmp(remaining, "0") != 0)
                return 0;
        /* strtod would take "inf" and blanks too. */
        if (!isdigit((unsigned char)*reset_after))
                return 0;
        double seconds = strtod(reset_after, &end);

        return *end == '\0' ? ms_of(seconds) : 0;
}
