/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/reply.h"

#include <string.h>

#include "base/assert.h"
#include "wire/heartbeat.h"

#define ADD(text, literal) mu_text_add_bytes(text, literal, sizeof(literal) - 1)

static const char *const status_names[MU_ITEM_STATUS_COUNT] = MU_ITEM_STATUS_NAMES;

void mu_reply_add_integer(struct mu_text *text, int64_t value)
{
        char digits[20]; /* a sign and 19 digits */
        char *at = digits + sizeof(digits);
        uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

        do {
                *--at = (char)('0' + rest % 10);
                rest /= 10;
        } while (rest > 0);
        if (value < 0)
                *--at = '-';
        mu_text_add_bytes(text, at, (size_t)(digits + sizeof(digits) - at));
}

/* Seconds with three decimals. */
static void add_time(struct mu_text *text, int64_t us)
{
        uint32_t ms = (uint32_t)(us / 1000 % 1000);
        char fraction[4] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
                            (char)('0' + ms % 10)};

        MU_ASSERT(us >= 0);
        mu_reply_add_integer(text, us / 1000000);
        mu_text_add_bytes(text, fraction, sizeof(fraction));
}

static void add_boolean(struct mu_text *text, bool value)
{
        if (value)
                ADD(text, "true");
        else
                ADD(text, "false");
}

static void add_invalid_fields(struct mu_text *text, uint32_t invalid)
{
        const char *open = ",\"invalid_fields\":[\"";

        MU_ASSERT(invalid >> MU_FIELD_COUNT == 0);
        for (uint32_t rest = invalid; rest != 0; rest &= rest - 1) {
                mu_text_add(text, open);
                mu_text_add(text, mu_field_name((enum mu_record_field)(rest & (0 - rest))));
                open = "\",\"";
        }
        ADD(text, "\"]");
}

void mu_reply_heartbeat(struct mu_text *text, const struct mu_heartbeat_reply *reply)
{
        ADD(text, "{\"server_time\":");
        add_time(text, reply->server_time_us);
        ADD(text, ",\"next_heartbeat_in_s\":");
        mu_reply_add_integer(text, reply->next_heartbeat_in_s);
        ADD(text, ",\"commands\":");
        mu_reply_add_integer(text, reply->commands);
        ADD(text, ",\"update\":");
        add_boolean(text, reply->update);
        if (reply->invalid)
                add_invalid_fields(text, reply->invalid);
        if (reply->duplicate)
                ADD(text, ",\"duplicate\":true");
        ADD(text, "}");
}

void mu_reply_batch_open(struct mu_text *text)
{
        ADD(text, "{\"results\":[");
}

void mu_reply_batch_item(struct mu_text *text, uint32_t index, enum mu_item_status status,
                         enum mu_wire_reason reason)
{
        MU_ASSERT((unsigned)status < MU_ITEM_STATUS_COUNT);
        if (index > 0)
                ADD(text, ",");
        ADD(text, "{\"status\":\"");
        mu_text_add(text, status_names[status]);
        if (status == MU_ITEM_REJECTED) {
                /* The sentences hold nothing that would have to be escaped: a test sees to it. */
                ADD(text, "\",\"error\":\"");
                mu_text_add(text, mu_reason_sentence(reason));
        }
        ADD(text, "\"}");
}

void mu_reply_batch_close(struct mu_text *text)
{
        ADD(text, "]}");
}

static void add_string(struct mu_text *text, const char *string)
{
        mu_text_add_json(text, string, strlen(string));
}

void mu_reply_register(struct mu_text *text, const struct mu_register_reply *reply)
{
        ADD(text, "{\"device_id\":\"");
        mu_reply_add_integer(text, reply->device_id);
        ADD(text, "\",\"token\":");
        add_string(text, reply->token);
        ADD(text, ",\"hmac\":{\"key\":");
        add_string(text, reply->hmac_key);
        ADD(text, ",\"version\":");
        mu_reply_add_integer(text, reply->hmac_version);
        ADD(text, "},\"heartbeat_interval_s\":");
        mu_reply_add_integer(text, reply->heartbeat_interval_s);
        ADD(text, ",\"next_heartbeat_in_s\":");
        mu_reply_add_integer(text, reply->next_heartbeat_in_s);
        ADD(text, "}");
}
