/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/fcm_reply.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LIFE_S_MAX = 86400 };

static const char *text_of(const json_t *object, const char *name)
{
        const char *text = json_string_value(json_object_get(object, name));

        return text ? text : "";
}

/* Cut to the room; what is not printable ASCII becomes a question mark. */
static void copy_printable(char *to, size_t room, const char *from)
{
        size_t i = 0;

        for (; from[i] && i + 1 < room; i++)
                to[i] = from[i] >= ' ' && from[i] < 0x7f ? from[i] : '?';
        to[i] = '\0';
}

static void copy_code(struct mu_fcm_reply *reply, const char *code)
{
        if (strlen(code) < sizeof(reply->error_code) &&
            code[strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] == '\0')
                (void)snprintf(reply->error_code, sizeof(reply->error_code), "%s", code);
}

/* google.rpc.QuotaFailure says in words whose quota it was. */
static bool is_device_quota(const json_t *detail)
{
        const json_t *violations = json_object_get(detail, "violations");
        const json_t *violation;
        size_t i;

        json_array_foreach(violations, i, violation)
        {
                if (strcasestr(text_of(violation, "subject"), "device") ||
                    strcasestr(text_of(violation, "description"), "device"))
                        return true;
        }
        return false;
}

static void parse_error(const json_t *error, struct mu_fcm_reply *reply)
{
        const json_t *details = json_object_get(error, "details");
        const json_t *detail;
        size_t i;

        copy_printable(reply->message, sizeof(reply->message), text_of(error, "message"));
        json_array_foreach(details, i, detail)
        {
                const char *code = text_of(detail, "errorCode");

                if (*code && !reply->from_details) {
                        copy_code(reply, code);
                        reply->from_details = *reply->error_code != '\0';
                }
                if (strstr(text_of(detail, "@type"), "QuotaFailure"))
                        reply->device_quota = reply->device_quota || is_device_quota(detail);
        }
        if (!reply->from_details)
                copy_code(reply, text_of(error, "status"));
}

void mu_fcm_reply_parse(const char *json, size_t bytes, struct mu_fcm_reply *ret_reply)
{
        json_t *object = json_loadb(json, bytes, 0, NULL);

        *ret_reply = (struct mu_fcm_reply){.message_id = ""};
        copy_printable(ret_reply->message_id, sizeof(ret_reply->message_id),
                       text_of(object, "name"));
        parse_error(json_object_get(object, "error"), ret_reply);
        json_decref(object);
}

/* RFC 6750 2.1; anything else could end the header line. */
static bool is_bearer(const char *token)
{
        size_t bytes = strlen(token);

        if (bytes == 0 || bytes > MU_FCM_ACCESS_TOKEN_BYTES_MAX)
                return false;
        for (; *token; token++)
                if (*token <= ' ' || *token >= 0x7f)
                        return false;
        return true;
}

int mu_fcm_token_parse(const char *json, size_t bytes, struct mu_fcm_access_token *ret_token)
{
        json_t *object = json_loadb(json, bytes, 0, NULL);
        const char *token = text_of(object, "access_token");
        const char *type = text_of(object, "token_type");
        json_int_t life_s = json_integer_value(json_object_get(object, "expires_in"));
        int code = -EBADMSG;

        if (is_bearer(token) && life_s > 0 && (!*type || strcasecmp(type, "Bearer") == 0)) {
                (void)snprintf(ret_token->value, sizeof(ret_token->value), "%s", token);
                ret_token->life_s = (uint32_t)(life_s < LIFE_S_MAX ? life_s : LIFE_S_MAX);
                code = 0;
        }
        json_decref(object);
        return code;
}

void mu_fcm_token_error(const char *json, size_t bytes, char *ret_text, size_t room)
{
        json_t *object = json_loadb(json, bytes, 0, NULL);
        char what[64];
        char description[192];

        copy_printable(what, sizeof(what), text_of(object, "error"));
        copy_printable(description, sizeof(description), text_of(object, "error_description"));
        (void)snprintf(ret_text, room, "%s%s%s", what, *description ? ": " : "", description);
        size_t chars = strlen(ret_text);

        if (chars > 0 && ret_text[chars - 1] == '.') /* the sentence it goes into has one */
                ret_text[chars - 1] = '\0';
        json_decref(object);
}
