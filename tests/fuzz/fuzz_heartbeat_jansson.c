/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our decoder against jansson: what one accepts the other accepts, and every field agrees. Where we
 * mean to differ, it is written here:
 *
 * 1. Depth: ours is limited to 16, jansson's to 2048.
 * 2. Numbers: we refuse from 10^308, jansson what is infinite as a double (1.797...e308).
 * 3. Numbers are exact here and doubles there: a value with many digits or an exponent may be
 *    integral or in range for jansson and not for us.
 * 4. Doubled keys: we refuse them in the heartbeat itself only, jansson everywhere.
 * 5. NUL in a key: jansson cannot hold it; to us it is a wrong unknown key.
 * 6. At most 256 unknown keys.
 * 7. jansson takes a NUL byte between tokens for the end; we refuse one anywhere.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "heartbeat_check.h"
#include "wire/field.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define FLAGS (JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL)

struct both {
        const struct mu_heartbeat *ours;
        json_t *theirs;
        bool loose; /* difference 3 is possible */
};

static bool is_digit(uint8_t byte)
{
        return byte >= '0' && byte <= '9';
}

/* Is there a number of more than 15 digits, or with an exponent? */
static bool has_loose_numbers(const uint8_t *data, size_t bytes)
{
        size_t run = 0;

        for (size_t i = 0; i < bytes; i++) {
                if (run > 0 && (data[i] == 'e' || data[i] == 'E'))
                        return true;
                if (is_digit(data[i]) || (run > 0 && data[i] == '.'))
                        run++;
                else
                        run = 0;
                if (run > 15)
                        return true;
        }
        return false;
}

static bool same_bytes(json_t *value, const char *bytes, size_t count)
{
        return json_is_string(value) && json_string_length(value) == count &&
               memcmp(json_string_value(value), bytes, count) == 0;
}

static int64_t our_integer(const struct mu_record *record, const struct mu_wire_field *field)
{
        int64_t value = 0;

        memcpy(&value, (const char *)record + field->offset, field->width_bytes);
        return value;
}

/* Would the field be good if it were judged from jansson's value? */
static bool good_by_theirs(const struct mu_wire_field *field, json_t *value)
{
        static const char *const networks[] = {"wifi", "cellular", "ethernet", "offline"};
        double real = json_real_value(value);

        switch (field->kind) {
        case MU_KIND_INTEGER:
                return json_is_real(value) && real == floor(real) &&
                       real >= (double)field->minimum && real <= (double)field->maximum;
        case MU_KIND_TIME:
                return json_is_real(value) && real >= 0 && real < (double)MU_TS_S_END;
        case MU_KIND_BOOLEAN:
                return json_is_boolean(value);
        case MU_KIND_STRING:
                return json_is_string(value) &&
                       json_string_length(value) >= (size_t)field->minimum &&
                       json_string_length(value) <= (size_t)field->maximum &&
                       !memchr(json_string_value(value), 0, json_string_length(value));
        case MU_KIND_NETWORK:
                for (size_t i = 0; i < MU_COUNT_OF(networks); i++)
                        if (same_bytes(value, networks[i], strlen(networks[i])))
                                return true;
                return false;
        default:
                return false;
        }
}

static bool same_time(int64_t us, double seconds)
{
        return fabs((double)us - seconds * 1e6) <= 1.0;
}

static bool same_value(const struct mu_heartbeat *ours, const struct mu_wire_field *field,
                       json_t *value)
{
        static const char *const networks[] = {"wifi", "cellular", "ethernet", "offline"};
        const struct mu_record *record = ours->record;
        const char *name;
        struct mu_record_strings s;

        mu_record_strings(record, &s);
        switch (field->kind) {
        case MU_KIND_INTEGER:
                return (double)our_integer(record, field) == json_real_value(value);
        case MU_KIND_TIME:
                return same_time(ours->sent_at_us, json_real_value(value));
        case MU_KIND_BOOLEAN:
                return !(record->booleans & field->slot) == json_is_false(value);
        case MU_KIND_STRING:
                switch (field->slot) {
                case MU_STRING_SSID:
                        return same_bytes(value, s.ssid, record->ssid_bytes);
                case MU_STRING_FG_PACKAGE:
                        return same_bytes(value, s.fg_package, record->fg_package_bytes);
                case MU_STRING_AGENT_VERSION:
                        return same_bytes(value, s.agent_version, record->agent_version_bytes);
                default:
                        return same_bytes(value, s.boot_id, record->boot_id_bytes);
                }
        default:
                name = networks[record->network];
                return same_bytes(value, name, strlen(name));
        }
}

static void compare_field(const struct both *both, uint32_t index)
{
        const struct mu_wire_field *field = &mu_wire_fields[index];
        json_t *value = json_object_get(both->theirs, field->name);
        bool present = both->ours->record->present >> index & 1;
        bool invalid = both->ours->invalid >> index & 1;
        bool number = field->kind == MU_KIND_INTEGER || field->kind == MU_KIND_TIME;

        if (!value || json_is_null(value)) {
                MU_ASSERT(!present && !invalid);
                return;
        }
        MU_ASSERT(present != invalid);
        if (number && both->loose && json_is_real(value))
                return;
        MU_ASSERT(present == good_by_theirs(field, value));
        MU_ASSERT(!present || same_value(both->ours, field, value));
}

/* extra holds exactly their keys that are not ours and not null, with equal values. */
static void compare_extra(const struct both *both)
{
        const struct mu_record *record = both->ours->record;
        struct mu_record_strings strings;
        json_error_t error;
        json_t *extra = NULL;
        size_t matched = 0;
        const char *key;
        json_t *value;

        mu_record_strings(record, &strings);
        if (both->ours->invalid & MU_FIELD_EXTRA)
                return;
        if (record->extra_bytes > 0) {
                extra = json_loadb(strings.extra, record->extra_bytes, FLAGS, &error);
                MU_ASSERT(extra);
        }
        json_object_foreach(both->theirs, key, value)
        {
                if (mu_field_find(key, (uint32_t)strlen(key)) != MU_FIELD_INDEX_UNKNOWN ||
                    json_is_null(value))
                        continue;
                MU_ASSERT(json_equal(json_object_get(extra, key), value));
                matched++;
        }
        MU_ASSERT(matched == json_object_size(extra));
        json_decref(extra);
}

static void compare(const struct both *both)
{
        json_t *ts = json_object_get(both->theirs, "ts");

        MU_ASSERT(json_is_real(ts));
        MU_ASSERT(both->loose || same_time(both->ours->ts_us, json_real_value(ts)));
        for (uint32_t i = 0; i < MU_FIELD_COUNT; i++)
                if (mu_wire_fields[i].kind != MU_KIND_NONE)
                        compare_field(both, i);
        compare_extra(both);
}

/* We refused what jansson could read: is it for the reason that we gave? */
static void compare_refusal(const struct mu_wire_problem *problem, json_t *theirs, bool doubled,
                            bool loose)
{
        json_t *ts = json_object_get(theirs, "ts");

        switch (problem->reason) {
        case MU_REASON_JSON_DEPTH: /* difference 1 */
        case MU_REASON_JSON_KEYS:  /* difference 6 */
                return;
        case MU_REASON_JSON_NUMBER: /* difference 2 */
                MU_ASSERT(loose);
                return;
        case MU_REASON_JSON_DUPLICATE_KEY:
                MU_ASSERT(doubled);
                return;
        case MU_REASON_BODY_TYPE:
                MU_ASSERT(!json_is_object(theirs));
                return;
        case MU_REASON_TS_MISSING:
                MU_ASSERT(json_is_object(theirs) && !ts);
                return;
        case MU_REASON_TS_NULL:
                MU_ASSERT(json_is_null(ts) || doubled);
                return;
        case MU_REASON_TS_TYPE:
                MU_ASSERT((ts && !json_is_null(ts) && !json_is_real(ts)) || doubled);
                return;
        case MU_REASON_TS_RANGE:
                MU_ASSERT(
                        !(json_real_value(ts) >= 0 && json_real_value(ts) < (double)MU_TS_S_END) ||
                        loose || doubled);
                return;
        default:
                MU_ASSERT(problem->reason == MU_REASON_COUNT); /* no other is a reason */
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        static struct mu_decoder *decoder;
        struct mu_wire_problem problem;
        struct mu_heartbeat heartbeat;
        json_error_t error;
        struct both both = {.ours = &heartbeat, .loose = has_loose_numbers(data, bytes)};
        bool doubled;
        int r = 0;

        if (bytes == 0 || bytes > MU_BODY_BYTES_MAX)
                return 0;
        if (!decoder)
                r = mu_decoder_create(&decoder);
        MU_ASSERT(r == 0);
        r = mu_decode_heartbeat(decoder, (const char *)data, bytes, &heartbeat, &problem);
        if (memchr(data, '\0', bytes)) { /* difference 7 */
                MU_ASSERT(r < 0);
                return 0;
        }
        both.theirs = json_loadb((const char *)data, bytes, FLAGS | JSON_REJECT_DUPLICATES, &error);
        doubled = !both.theirs && json_error_code(&error) == json_error_duplicate_key;
        if (doubled) /* difference 4 */
                both.theirs = json_loadb((const char *)data, bytes, FLAGS, &error);
        if (!both.theirs) {
                MU_ASSERT(r < 0 || json_error_code(&error) == json_error_null_byte_in_key);
                return 0;
        }
        if (r == 0)
                compare(&both);
        else
                compare_refusal(&problem, both.theirs, doubled, both.loose);
        json_decref(both.theirs);
        return 0;
}
