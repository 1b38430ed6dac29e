/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/register.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "wire/heartbeat.h"

/* How much of a stranger's key a sentence repeats. */
#define ECHO_BYTES_MAX 40

struct string_rule {
        const char *key;
        bool required;
        bool ascii;         /* printable ASCII only */
        uint32_t chars_max; /* code points */
        char *out;          /* zeroed; room for 4 bytes each, 1 when ascii, and the NUL */
};

struct integer_rule {
        const char *key;
        int64_t minimum;
        int64_t maximum;
        uint32_t *out; /* holds the default */
};

const char *mu_device_kind_name(enum mu_device_kind kind)
{
        return kind == MU_DEVICE_ANDROID ? "android" : "desktop";
}

static int MU_PRINTF(4, 5) refuse(struct mu_request_problem *problem, enum mu_wire_reason reason,
                                  const char *field, const char *format, ...)
{
        va_list args;

        problem->status = mu_reason_status(reason);
        problem->reason = reason;
        problem->type = mu_reason_type(reason);
        (void)snprintf(problem->field, sizeof(problem->field), "%s", field);
        va_start(args, format);
        (void)vsnprintf(problem->detail, sizeof(problem->detail), format, args);
        va_end(args);
        return -EBADMSG;
}

static enum mu_wire_reason reason_of(enum json_error_code code)
{
        switch (code) {
        case json_error_invalid_utf8:
                return MU_REASON_JSON_UTF8;
        case json_error_stack_overflow:
                return MU_REASON_JSON_DEPTH;
        case json_error_numeric_overflow:
                return MU_REASON_JSON_NUMBER;
        case json_error_duplicate_key:
                return MU_REASON_JSON_DUPLICATE_KEY;
        default:
                return MU_REASON_JSON_SYNTAX;
        }
}

/* The body as an object, to be freed with json_decref. */
static int load(const char *body, size_t body_bytes, json_t **ret_root,
                struct mu_request_problem *ret_problem)
{
        json_error_t error;
        json_t *root;

        if (body_bytes > MU_BODY_BYTES_MAX)
                return refuse(ret_problem, MU_REASON_BODY_SIZE, "", "%s",
                              mu_reason_sentence(MU_REASON_BODY_SIZE));
        /* jansson takes a NUL byte between tokens for the end of the text. */
        if (body_bytes > 0 && memchr(body, '\0', body_bytes))
                return refuse(ret_problem, MU_REASON_JSON_SYNTAX, "",
                              "The body is not acceptable JSON: it holds a NUL byte.");
        /* An escaped NUL is let through to the fields' own rules, whose refusal names the field. */
        root = json_loadb(body, body_bytes,
                          JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
        if (!root && json_error_code(&error) == json_error_out_of_memory)
                return -ENOMEM;
        if (!root)
                return refuse(ret_problem, reason_of(json_error_code(&error)), "",
                              "The body is not acceptable JSON: %s (line %d, column %d).",
                              error.text, error.line, error.column);
        if (!json_is_object(root)) {
                json_decref(root);
                return refuse(ret_problem, MU_REASON_BODY_TYPE, "", "%s",
                              mu_reason_sentence(MU_REASON_BODY_TYPE));
        }
        *ret_root = root;
        return 0;
}

/* known: the keys, separated by ", ", for the search and for the sentence. */
static bool is_known(const char *known, const char *key)
{
        size_t bytes = strlen(key);

        if (strchr(key, ','))
                return false;
        for (const char *at = known; at; at = strchr(at, ',')) {
                at += at == known ? 0 : 2;
                if (strncmp(at, key, bytes) == 0 && (at[bytes] == ',' || at[bytes] == '\0'))
                        return true;
        }
        return false;
}

/* The length of at most bytes_max bytes of text, cut between characters. */
static int cut(const char *text, size_t bytes_max)
{
        size_t bytes = strnlen(text, bytes_max + 1);

        if (bytes > bytes_max)
                for (bytes = bytes_max; bytes > 0 && ((uint8_t)text[bytes] & 0xc0) == 0x80;)
                        bytes--;
        return (int)bytes;
}

static int check_keys(json_t *root, const char *known, struct mu_request_problem *ret_problem)
{
        const char *key;
        json_t *value;

        json_object_foreach(root, key, value)
        {
                if (is_known(known, key))
                        continue;

                char shown[ECHO_BYTES_MAX + 1];

                (void)snprintf(shown, sizeof(shown), "%.*s", cut(key, ECHO_BYTES_MAX), key);
                return refuse(ret_problem, MU_REASON_KEY_UNKNOWN, shown,
                              "The key \"%s\" is unknown here; the known ones are: %s.", shown,
                              known);
        }
        return 0;
}

/* What is present: not NULL and not null. */
static json_t *present(json_t *root, const char *key)
{
        json_t *value = json_object_get(root, key);

        return json_is_null(value) ? NULL : value;
}

/* jansson has validated the UTF-8. Counts code points; false for a control character (C0, DEL, C1)
 * or, with ascii, anything that is not printable ASCII. */
static bool count_chars(const char *text, size_t bytes, bool ascii, size_t *ret_chars)
{
        size_t chars = 0;

        for (size_t i = 0; i < bytes; i++) {
                uint8_t byte = (uint8_t)text[i];

                if (byte < 0x20 || byte == 0x7f || (ascii && (byte > 0x7e || byte == ' ')))
                        return false;
                if (byte == 0xc2 && (uint8_t)text[i + 1] < 0xa0)
                        return false;
                chars += (byte & 0xc0) != 0x80;
        }
        *ret_chars = chars;
        return true;
}

static int take_string(json_t *root, const struct string_rule *rule,
                       struct mu_request_problem *ret_problem)
{
        json_t *value = present(root, rule->key);
        size_t chars = 0;

        if (!value && !rule->required)
                return 0;
        if (!value)
                return refuse(ret_problem, MU_REASON_FIELD_MISSING, rule->key,
                              "%s is missing: send a string of 1 to %u characters.", rule->key,
                              rule->chars_max);
        if (!json_is_string(value))
                return refuse(ret_problem, MU_REASON_FIELD_TYPE, rule->key,
                              "%s is not a string: send 1 to %u characters.", rule->key,
                              rule->chars_max);
        if (!count_chars(json_string_value(value), json_string_length(value), rule->ascii, &chars))
                return refuse(ret_problem, MU_REASON_FIELD_VALUE, rule->key,
                              rule->ascii ? "%s may hold printable ASCII only, without spaces."
                                          : "%s holds a control character: remove it.",
                              rule->key);
        if (chars < 1 || chars > rule->chars_max)
                return refuse(ret_problem, MU_REASON_FIELD_VALUE, rule->key,
                              "%s has %zu characters: it must have 1 to %u.", rule->key, chars,
                              rule->chars_max);
        memcpy(rule->out, json_string_value(value), json_string_length(value) + 1);
        return 0;
}

static int take_integer(json_t *root, const struct integer_rule *rule,
                        struct mu_request_problem *ret_problem)
{
        json_t *value = present(root, rule->key);

        if (!value)
                return 0;
        if (!json_is_integer(value))
                return refuse(ret_problem, MU_REASON_FIELD_TYPE, rule->key,
                              "%s is not a whole number: send %lld to %lld.", rule->key,
                              (long long)rule->minimum, (long long)rule->maximum);

        json_int_t integer = json_integer_value(value);

        if (integer < rule->minimum || integer > rule->maximum)
                return refuse(ret_problem, MU_REASON_FIELD_VALUE, rule->key,
                              "%s is %lld: it must be %lld to %lld.", rule->key, (long long)integer,
                              (long long)rule->minimum, (long long)rule->maximum);
        *rule->out = (uint32_t)integer;
        return 0;
}

/* The string may hold NULs. */
static bool equals(const json_t *string, const char *text)
{
        return json_string_length(string) == strlen(text) &&
               memcmp(json_string_value(string), text, strlen(text)) == 0;
}

static int take_kind(json_t *root, enum mu_device_kind *ret_kind,
                     struct mu_request_problem *ret_problem)
{
        static const char must[] = "send \"android\" or \"desktop\"";
        json_t *value = present(root, "kind");

        if (!value)
                return refuse(ret_problem, MU_REASON_FIELD_MISSING, "kind", "kind is missing: %s.",
                              must);
        if (!json_is_string(value))
                return refuse(ret_problem, MU_REASON_FIELD_TYPE, "kind",
                              "kind is not a string: %s.", must);
        for (int kind = MU_DEVICE_ANDROID; kind <= MU_DEVICE_DESKTOP; kind++) {
                *ret_kind = (enum mu_device_kind)kind;
                if (equals(value, mu_device_kind_name(*ret_kind)))
                        return 0;
        }
        return refuse(ret_problem, MU_REASON_FIELD_VALUE, "kind", "kind is unknown: %s.", must);
}

static int read_register(json_t *root, struct mu_register_request *request,
                         struct mu_request_problem *ret_problem)
{
        const struct string_rule rules[] = {
                {"alias", true, false, MU_ALIAS_CHARS_MAX, request->alias},
                {"hardware_id", false, false, MU_HARDWARE_ID_CHARS_MAX, request->hardware_id},
                {"agent_version", false, true, MU_AGENT_VERSION_BYTES_MAX, request->agent_version},
                {"fcm_token", false, true, MU_FCM_TOKEN_CHARS_MAX, request->fcm_token},
        };
        int r = check_keys(root, "alias, kind, hardware_id, agent_version, fcm_token", ret_problem);

        for (size_t i = 0; r == 0 && i < MU_COUNT_OF(rules); i++)
                r = take_string(root, &rules[i], ret_problem);
        return r < 0 ? r : take_kind(root, &request->kind, ret_problem);
}

int mu_decode_register(const char *body, size_t body_bytes, struct mu_register_request *ret_request,
                       struct mu_request_problem *ret_problem)
{
        struct mu_register_request request = {0};
        json_t *root;
        int r;

        MU_ASSERT(ret_request && ret_problem);
        r = load(body, body_bytes, &root, ret_problem);
        if (r < 0)
                return r;
        r = read_register(root, &request, ret_problem);
        json_decref(root);
        if (r == 0)
                *ret_request = request;
        return r;
}

static int read_enrolment(json_t *root, struct mu_enrolment_request *request,
                          struct mu_request_problem *ret_problem)
{
        const struct integer_rule rules[] = {
                {"max_uses", 1, MU_ENROLMENT_USES_MAX, &request->max_uses},
                {"expires_in_s", MU_ENROLMENT_EXPIRES_S_MIN, MU_ENROLMENT_EXPIRES_S_MAX,
                 &request->expires_in_s},
        };
        const struct string_rule note = {"note", false, false, MU_NOTE_CHARS_MAX, request->note};
        int r = check_keys(root, "max_uses, expires_in_s, note", ret_problem);

        for (size_t i = 0; r == 0 && i < MU_COUNT_OF(rules); i++)
                r = take_integer(root, &rules[i], ret_problem);
        return r < 0 ? r : take_string(root, &note, ret_problem);
}

int mu_decode_enrolment(const char *body, size_t body_bytes,
                        struct mu_enrolment_request *ret_request,
                        struct mu_request_problem *ret_problem)
{
        struct mu_enrolment_request request = {
                .max_uses = 1,
                .expires_in_s = MU_ENROLMENT_EXPIRES_S_DEFAULT,
        };
        json_t *root;
        int r = 0;

        MU_ASSERT(ret_request && ret_problem);
        if (body_bytes > 0) {
                r = load(body, body_bytes, &root, ret_problem);
                if (r < 0)
                        return r;
                r = read_enrolment(root, &request, ret_problem);
                json_decref(root);
        }
        if (r == 0)
                *ret_request = request;
        return r;
}
