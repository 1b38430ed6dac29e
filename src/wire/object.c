/* SPDX-License-Identifier: Apache-2.0 */
/* One heartbeat object: from the cursor into a record. */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "wire/decoder.h"

static const char *const network_names[] = {
        [MU_NETWORK_WIFI] = "wifi",
        [MU_NETWORK_CELLULAR] = "cellular",
        [MU_NETWORK_ETHERNET] = "ethernet",
        [MU_NETWORK_OFFLINE] = "offline",
};

/* The first problem is the one that is told. */
static void object_problem(struct mu_object *object, enum mu_wire_reason reason, uint32_t field)
{
        if (object->item->reason != MU_REASON_NONE)
                return;
        object->item->reason = reason;
        object->item->field = field;
}

int mu_decoder_string(struct mu_decoder *decoder, struct mu_json_slice *ret_slice, bool *ret_nul)
{
        struct mu_json_cursor *cursor = &decoder->cursor;
        char *out = decoder->scratch + decoder->scratch_bytes;
        int r = mu_json_pass_string(cursor, ret_slice);

        *ret_nul = false;
        if (r < 0 || !ret_slice->escaped)
                return r;
        MU_ASSERT(decoder->scratch_bytes + ret_slice->count <= MU_BODY_BYTES_MAX);
        r = mu_json_unescape(cursor, ret_slice, out, &ret_slice->count, ret_nul);
        if (r < 0)
                return r;
        decoder->scratch_bytes += ret_slice->count;
        ret_slice->bytes = out;
        ret_slice->escaped = false;
        return 0;
}

static bool number_ahead(const struct mu_json_cursor *cursor)
{
        char first = mu_json_peek(cursor);

        return first == '-' || (first >= '0' && first <= '9');
}

/* Passes a value of the wrong type. */
static int pass_wrong(struct mu_json_cursor *cursor, uint32_t depth_max)
{
        bool null = mu_json_peek(cursor) == 'n';
        int r = mu_json_pass_value(cursor, depth_max, NULL);

        return r < 0 ? r : null ? MU_VALUE_NULL : MU_VALUE_TYPE;
}

int mu_decoder_time(struct mu_decoder *decoder, uint32_t depth_max, int64_t *ret_us)
{
        struct mu_json_number number;
        int64_t us;
        bool exact;

        if (!number_ahead(&decoder->cursor))
                return pass_wrong(&decoder->cursor, depth_max);

        int r = mu_json_pass_number(&decoder->cursor, &number);

        if (r < 0)
                return r;
        /* What is not a whole microsecond is rounded: clocks give no more. */
        if (mu_json_scale(&number, 6, &us, &exact) < 0 || us >= MU_TS_S_END * 1000000 ||
            (number.negative && number.digits != 0))
                return MU_VALUE_RANGE;
        *ret_us = us;
        return MU_VALUE_GOOD;
}

static int decode_integer(struct mu_decoder *decoder, const struct mu_wire_field *field)
{
        unsigned char *place = (unsigned char *)decoder->object.record + field->offset;
        struct mu_json_number number;
        int64_t value;
        bool exact;

        if (!number_ahead(&decoder->cursor))
                return pass_wrong(&decoder->cursor, MU_JSON_DEPTH_MAX - 1);

        int r = mu_json_pass_number(&decoder->cursor, &number);

        if (r < 0)
                return r;
        if (mu_json_scale(&number, 0, &value, &exact) < 0 || !exact || value < field->minimum ||
            value > field->maximum)
                return MU_VALUE_RANGE;
        memcpy(place, &value, field->width_bytes); /* little endian, as the record is */
        return MU_VALUE_GOOD;
}

static int decode_boolean(struct mu_decoder *decoder, const struct mu_wire_field *field)
{
        char first = mu_json_peek(&decoder->cursor);
        int literal;

        if (first != 't' && first != 'f')
                return pass_wrong(&decoder->cursor, MU_JSON_DEPTH_MAX - 1);

        int r = mu_json_pass_literal(&decoder->cursor, &literal);

        if (r == 0 && literal == 1)
                decoder->object.record->booleans |= field->slot;
        return r;
}

static int decode_string(struct mu_decoder *decoder, const struct mu_wire_field *field)
{
        struct mu_object *object = &decoder->object;
        struct mu_json_slice slice;
        bool nul;

        if (mu_json_peek(&decoder->cursor) != '"')
                return pass_wrong(&decoder->cursor, MU_JSON_DEPTH_MAX - 1);

        int r = mu_decoder_string(decoder, &slice, &nul);

        if (r < 0)
                return r;
        if (field->kind == MU_KIND_NETWORK) {
                for (uint8_t i = 0; i < MU_COUNT_OF(network_names); i++) {
                        if (strlen(network_names[i]) == slice.count &&
                            memcmp(network_names[i], slice.bytes, slice.count) == 0) {
                                object->record->network = i;
                                return MU_VALUE_GOOD;
                        }
                }
                return MU_VALUE_RANGE;
        }
        if (nul || slice.count < field->minimum || slice.count > field->maximum)
                return MU_VALUE_RANGE;
        object->strings[field->slot] = slice;
        return MU_VALUE_GOOD;
}

static int decode_ts(struct mu_decoder *decoder)
{
        static const enum mu_wire_reason reasons[] = {
                [MU_VALUE_NULL] = MU_REASON_TS_NULL,
                [MU_VALUE_TYPE] = MU_REASON_TS_TYPE,
                [MU_VALUE_RANGE] = MU_REASON_TS_RANGE,
        };
        struct mu_object *object = &decoder->object;
        int r = mu_decoder_time(decoder, MU_JSON_DEPTH_MAX - 1, &object->item->ts_us);

        if (r > 0)
                object_problem(object, reasons[r], MU_FIELD_INDEX_TS);
        return r < 0 ? r : 0;
}

static int decode_field(struct mu_decoder *decoder, uint32_t index)
{
        const struct mu_wire_field *field = &mu_wire_fields[index];
        struct mu_object *object = &decoder->object;
        int r;

        if (object->seen & 1u << index)
                object_problem(object, MU_REASON_JSON_DUPLICATE_KEY, index);
        object->seen |= 1u << index;
        if (index == MU_FIELD_INDEX_TS)
                return decode_ts(decoder);

        switch (field->kind) {
        case MU_KIND_INTEGER:
                r = decode_integer(decoder, field);
                break;
        case MU_KIND_BOOLEAN:
                r = decode_boolean(decoder, field);
                break;
        case MU_KIND_TIME:
                r = mu_decoder_time(decoder, MU_JSON_DEPTH_MAX - 1, &object->item->sent_at_us);
                break;
        default:
                r = decode_string(decoder, field);
                break;
        }
        if (r == MU_VALUE_GOOD)
                object->record->present |= 1u << index;
        else if (r > MU_VALUE_NULL)
                object->item->invalid |= 1u << index;
        return r < 0 ? r : 0;
}

/* Not for a table: only to pass over most keys that differ. */
static uint32_t key_hash(const struct mu_json_slice *key)
{
        uint64_t hash = key->count;
        uint32_t at = 0;

        for (; at + 8 <= key->count; at += 8) {
                uint64_t word;

                memcpy(&word, key->bytes + at, 8);
                hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
                hash ^= hash >> 32;
        }
        for (; at < key->count; at++)
                hash = (hash ^ (uint8_t)key->bytes[at]) * UINT64_C(0x9e3779b97f4a7c15);
        return (uint32_t)(hash >> 32);
}

/* Remembers an unknown key; a second one of the same name is a problem. */
static void note_unknown(struct mu_decoder *decoder, const struct mu_json_slice *key)
{
        struct mu_object *object = &decoder->object;
        uint32_t hash = key_hash(key);

        for (uint32_t i = 0; i < object->unknown_count; i++) {
                const struct mu_json_slice *other = &object->unknown_keys[i];

                if (object->unknown_hashes[i] != hash || other->count != key->count ||
                    memcmp(other->bytes, key->bytes, key->count) != 0)
                        continue;
                if (object->item->reason == MU_REASON_NONE)
                        object->doubled = i;
                object_problem(object, MU_REASON_JSON_DUPLICATE_KEY, MU_FIELD_INDEX_UNKNOWN);
                return;
        }
        if (object->unknown_count == MU_JSON_KEYS_MAX) {
                object_problem(object, MU_REASON_JSON_KEYS, MU_FIELD_INDEX_UNKNOWN);
                return;
        }
        object->unknown_hashes[object->unknown_count] = hash;
        object->unknown_keys[object->unknown_count++] = *key;
}

/* raw: the key as written, which extra keeps; the value comes next. */
static int decode_unknown(struct mu_decoder *decoder, const struct mu_json_slice *raw, bool nul)
{
        struct mu_json_sink *extra = &decoder->object.extra;
        int literal;

        if (mu_json_peek(&decoder->cursor) == 'n')
                return mu_json_pass_literal(&decoder->cursor, &literal); /* absent */
        mu_json_sink_add(extra, extra->bytes == 0 ? "{\"" : ",\"", 2);
        mu_json_sink_add(extra, raw->bytes, raw->count);
        mu_json_sink_add(extra, "\":", 2);
        extra->unfit |= nul;
        return mu_json_pass_value(&decoder->cursor, MU_JSON_DEPTH_MAX - 1, extra);
}

static int decode_member(struct mu_decoder *decoder)
{
        struct mu_json_cursor *cursor = &decoder->cursor;
        struct mu_json_slice key;
        struct mu_json_slice raw;
        bool nul;

        if (mu_json_peek(cursor) != '"')
                return mu_json_refuse(cursor, MU_REASON_JSON_SYNTAX);
        raw.bytes = cursor->body + *cursor->at + 1;

        int r = mu_decoder_string(decoder, &key, &nul);

        if (r < 0)
                return r;
        if (!mu_json_pass_char(cursor, ':'))
                return mu_json_refuse(cursor, MU_REASON_JSON_SYNTAX);

        uint32_t index = mu_field_find(key.bytes, key.count);

        if (index != MU_FIELD_INDEX_UNKNOWN)
                return decode_field(decoder, index);

        /* As written the key ends at the last quote before the colon. */
        const char *end = cursor->body + cursor->at[-1];

        do
                end--;
        while (*end != '"');
        raw.count = (uint32_t)(end - raw.bytes);
        note_unknown(decoder, &key);
        return decode_unknown(decoder, &raw, nul);
}

static char *append(char *at, const struct mu_json_slice *slice)
{
        if (slice->count > 0)
                memcpy(at, slice->bytes, slice->count);
        return at + slice->count;
}

/* Lays the strings behind the struct and claims the record's room. */
static void complete(struct mu_decoder *decoder)
{
        struct mu_object *object = &decoder->object;
        struct mu_record *record = object->record;
        struct mu_json_sink *extra = &object->extra;
        char *at = (char *)(record + 1);

        record->ssid_bytes = (uint8_t)object->strings[MU_STRING_SSID].count;
        record->fg_package_bytes = (uint8_t)object->strings[MU_STRING_FG_PACKAGE].count;
        record->agent_version_bytes = (uint8_t)object->strings[MU_STRING_AGENT_VERSION].count;
        record->boot_id_bytes = (uint8_t)object->strings[MU_STRING_BOOT_ID].count;
        for (int i = 0; i < MU_STRING_COUNT; i++)
                at = append(at, &object->strings[i]);

        if (extra->overflow || extra->unfit) {
                object->item->invalid |= MU_FIELD_EXTRA;
        } else if (extra->bytes > 0) {
                memcpy(at, extra->buffer, extra->bytes);
                at[extra->bytes] = '}';
                record->extra_bytes = (uint16_t)(extra->bytes + 1);
                record->present |= MU_FIELD_EXTRA;
        }
        if (object->item->invalid)
                record->flags |= MU_RECORD_INVALID_FIELDS;
        decoder->records_bytes += (mu_record_bytes(record) + 7u) & ~7u;
        MU_ASSERT(decoder->records_bytes <= MU_RECORDS_BYTES_MAX);
}

static void reset(struct mu_decoder *decoder, struct mu_item *item)
{
        struct mu_object *object = &decoder->object;

        MU_ASSERT(decoder->records_bytes + sizeof(*object->record) <= MU_RECORDS_BYTES_MAX);
        object->record = (struct mu_record *)(void *)(decoder->records + decoder->records_bytes);
        object->item = item;
        memset(object->record, 0, sizeof(*object->record));
        memset(object->strings, 0, sizeof(object->strings));
        object->seen = 0;
        object->unknown_count = 0;
        object->extra = (struct mu_json_sink){
                .buffer = object->extra_buffer,
                .bytes_max = MU_EXTRA_BYTES_MAX - 1, /* the closing brace */
        };
        decoder->scratch_bytes = 0;
        *item = (struct mu_item){
                .ts_us = MU_TIME_ABSENT,
                .sent_at_us = MU_TIME_ABSENT,
                .record_offset = decoder->records_bytes,
                .reason = MU_REASON_NONE,
                .field = MU_FIELD_INDEX_UNKNOWN,
        };
}

int mu_object_decode(struct mu_decoder *decoder, struct mu_item *item)
{
        struct mu_json_cursor *cursor = &decoder->cursor;

        reset(decoder, item);
        if (!mu_json_pass_char(cursor, '{'))
                return mu_json_refuse(cursor, MU_REASON_JSON_SYNTAX);
        if (!mu_json_pass_char(cursor, '}')) {
                do {
                        int r = decode_member(decoder);

                        if (r < 0)
                                return r;
                } while (mu_json_pass_char(cursor, ','));
                if (!mu_json_pass_char(cursor, '}'))
                        return mu_json_refuse(cursor, MU_REASON_JSON_SYNTAX);
        }
        if (!(decoder->object.seen & 1u << MU_FIELD_INDEX_TS))
                object_problem(&decoder->object, MU_REASON_TS_MISSING, MU_FIELD_INDEX_TS);
        if (item->reason == MU_REASON_NONE)
                complete(decoder);
        return 0;
}
