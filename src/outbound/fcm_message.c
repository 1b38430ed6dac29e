/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "outbound/fcm_private.h"
#include "outbound/utf8.h"

static bool is_printable(const char *text)
{
        for (; *text; text++)
                if (*text <= ' ' || *text >= 0x7f)
                        return false;
        return true;
}

/* Google's list of words that are no data keys. */
static bool is_reserved(const char *key)
{
        return strcmp(key, "from") == 0 || strcmp(key, "message_type") == 0 ||
               strncasecmp(key, "google", 6) == 0 || strncasecmp(key, "gcm", 3) == 0;
}

static int check_data(const struct mu_fcm_message *message)
{
        size_t bytes = 0;

        if (message->data_count > MU_FCM_DATA_PAIRS_MAX)
                return -EMSGSIZE;
        for (size_t i = 0; i < message->data_count; i++) {
                const struct mu_fcm_pair *pair = &message->data[i];

                if (!pair->key || !*pair->key || !pair->value || is_reserved(pair->key) ||
                    !mu_utf8_is_valid(pair->key, strlen(pair->key)) ||
                    !mu_utf8_is_valid(pair->value, strlen(pair->value)))
                        return -EINVAL;
                for (size_t k = 0; k < i; k++)
                        if (strcmp(pair->key, message->data[k].key) == 0)
                                return -EINVAL;
                bytes += strlen(pair->key) + strlen(pair->value);
        }
        return bytes <= MU_FCM_DATA_BYTES_MAX ? 0 : -EMSGSIZE;
}

static int check(const struct mu_fcm_message *message)
{
        const char *token = message->token;

        if (!token || !*token || strlen(token) > MU_FCM_TOKEN_BYTES_MAX || !is_printable(token))
                return -EINVAL;
        if (message->ttl_s < 1 || message->ttl_s > MU_FCM_TTL_S_MAX)
                return -EINVAL;
        if (message->collapse_key && (strlen(message->collapse_key) > MU_FCM_COLLAPSE_BYTES_MAX ||
                                      !is_printable(message->collapse_key)))
                return -EINVAL;
        return check_data(message);
}

static void add_string(struct mu_text *to, const char *string)
{
        mu_text_add_json(to, string, strlen(string));
}

int mu_fcm_message_write(const struct mu_fcm_message *message, struct mu_text *to)
{
        int code = check(message);

        if (code < 0)
                return code;
        mu_text_add(to, "{\"message\":{\"token\":");
        add_string(to, message->token);
        mu_text_add(to, ",\"data\":{");
        for (size_t i = 0; i < message->data_count; i++) {
                mu_text_add(to, i > 0 ? "," : "");
                add_string(to, message->data[i].key);
                mu_text_add(to, ":");
                add_string(to, message->data[i].value);
        }
        mu_text_add(to, "},\"android\":{\"priority\":\"HIGH\",");
        if (message->collapse_key && *message->collapse_key) {
                mu_text_add(to, "\"collapse_key\":");
                add_string(to, message->collapse_key);
                mu_text_add(to, ",");
        }
        mu_text_add(to, "\"ttl\":\"");
        return mu_text_status(to);
}

int mu_fcm_message_end(const struct mu_text *written, uint32_t ttl_s, struct mu_text *to)
{
        mu_text_add_bytes(to, written->data, written->bytes);
        mu_text_add_format(to, "%us\"}}}", ttl_s);
        return mu_text_status(to);
}
