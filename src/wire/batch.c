/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/heartbeats: everything is decoded while the body is checked, then handed out. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "wire/decoder.h"

/* The envelope and the array come on top of what a heartbeat may nest. */
#define ENVELOPE_DEPTH 2

struct batch {
        int64_t sent_at_us;
        bool sent_at_seen;
        bool heartbeats_seen;
        enum mu_wire_reason reason; /* the first one; MU_REASON_NONE: none */
        const char *field;
};

static void batch_problem(struct batch *batch, enum mu_wire_reason reason, const char *field)
{
        if (batch->reason != MU_REASON_NONE)
                return;
        batch->reason = reason;
        batch->field = field;
}

static int decode_item(struct mu_decoder *decoder, struct batch *batch)
{
        struct mu_item *item;

        if (decoder->item_count == MU_BATCH_ITEMS_MAX) {
                batch_problem(batch, MU_REASON_BATCH_SIZE, "heartbeats");
                return mu_json_pass_value(&decoder->cursor, MU_JSON_DEPTH_MAX, NULL);
        }
        item = &decoder->items[decoder->item_count++];
        if (mu_json_peek(&decoder->cursor) == '{')
                return mu_object_decode(decoder, item);
        *item = (struct mu_item){
                .reason = MU_REASON_ITEM_TYPE,
                .field = MU_FIELD_INDEX_UNKNOWN,
        };
        return mu_json_pass_value(&decoder->cursor, MU_JSON_DEPTH_MAX, NULL);
}

static int decode_items(struct mu_decoder *decoder, struct batch *batch)
{
        struct mu_json_cursor *cursor = &decoder->cursor;

        if (batch->heartbeats_seen)
                batch_problem(batch, MU_REASON_JSON_DUPLICATE_KEY, "heartbeats");
        batch->heartbeats_seen = true;
        if (!mu_json_pass_char(cursor, '[')) {
                batch_problem(batch, MU_REASON_BATCH_TYPE, "heartbeats");
                return mu_json_pass_value(cursor, MU_JSON_DEPTH_MAX + 1, NULL);
        }
        if (mu_json_pass_char(cursor, ']'))
                return 0;
        do {
                int r = decode_item(decoder, batch);

                if (r < 0)
                        return r;
        } while (mu_json_pass_char(cursor, ','));
        return mu_json_pass_char(cursor, ']') ? 0 : mu_json_refuse(cursor, MU_REASON_JSON_SYNTAX);
}

static int decode_sent_at(struct mu_decoder *decoder, struct batch *batch)
{
        int r = mu_decoder_time(decoder, MU_JSON_DEPTH_MAX + 1, &batch->sent_at_us);

        if (batch->sent_at_seen)
                batch_problem(batch, MU_REASON_JSON_DUPLICATE_KEY, "sent_at");
        batch->sent_at_seen = true;
        decoder->batch_sent_at_wrong = r > MU_VALUE_NULL;
        return r < 0 ? r : 0;
}

static bool key_is(const struct mu_json_slice *key, const char *name)
{
        return key->count == strlen(name) && memcmp(key->bytes, name, key->count) == 0;
}

static int decode_member(struct mu_decoder *decoder, struct batch *batch)
{
        struct mu_json_cursor *cursor = &decoder->cursor;
        struct mu_json_slice key;
        bool nul;
        int r;

        decoder->scratch_bytes = 0;
        r = mu_decoder_string(decoder, &key, &nul);
        if (r < 0)
                return r;
        if (!mu_json_pass_char(cursor, ':'))
                return mu_json_refuse(cursor, MU_REASON_JSON_SYNTAX);
        if (key_is(&key, "heartbeats"))
                return decode_items(decoder, batch);
        if (key_is(&key, "sent_at"))
                return decode_sent_at(decoder, batch);
        return mu_json_pass_value(cursor, MU_JSON_DEPTH_MAX + 1, NULL);
}

static int decode_envelope(struct mu_decoder *decoder, struct batch *batch)
{
        struct mu_json_cursor *cursor = &decoder->cursor;

        if (!mu_json_pass_char(cursor, '{')) {
                batch_problem(batch, MU_REASON_BODY_TYPE, NULL);
                return mu_json_pass_value(cursor, MU_JSON_DEPTH_MAX + ENVELOPE_DEPTH, NULL);
        }
        if (!mu_json_pass_char(cursor, '}')) {
                do {
                        int r = decode_member(decoder, batch);

                        if (r < 0)
                                return r;
                } while (mu_json_pass_char(cursor, ','));
                if (!mu_json_pass_char(cursor, '}'))
                        return mu_json_refuse(cursor, MU_REASON_JSON_SYNTAX);
        }
        if (!batch->heartbeats_seen)
                batch_problem(batch, MU_REASON_BATCH_MISSING, "heartbeats");
        return 0;
}

int mu_decode_batch(struct mu_decoder *decoder, const char *body, size_t body_bytes,
                    uint32_t *ret_item_count, int64_t *ret_sent_at_us,
                    struct mu_wire_problem *ret_problem)
{
        struct batch batch = {.sent_at_us = MU_TIME_ABSENT, .reason = MU_REASON_NONE};
        int r;

        decoder->records_bytes = 0;
        decoder->item_count = 0;
        decoder->item_next = 0;
        decoder->batch_sent_at_wrong = false;
        r = mu_json_open(decoder->json, body, body_bytes, &decoder->cursor);
        if (r == 0)
                r = decode_envelope(decoder, &batch);
        if (r == 0)
                r = mu_json_finish(&decoder->cursor);
        if (r < 0 || batch.reason != MU_REASON_NONE)
                decoder->item_count = 0; /* a refused batch has no items */
        if (r < 0)
                return mu_decoder_refuse_json(decoder, ret_problem);
        if (batch.reason != MU_REASON_NONE)
                return mu_decoder_refuse(batch.reason, batch.field, ret_problem);
        *ret_item_count = decoder->item_count;
        *ret_sent_at_us = batch.sent_at_us;
        return 0;
}

static int refuse_item(struct mu_decoder *decoder, uint32_t number, const struct mu_item *item,
                       struct mu_wire_problem *ret_problem)
{
        bool known = item->field != MU_FIELD_INDEX_UNKNOWN;

        (void)snprintf(decoder->field_text, sizeof(decoder->field_text), "heartbeats[%u]%s%s",
                       (unsigned)number, known ? "." : "",
                       known ? mu_wire_fields[item->field].name : "");
        return mu_decoder_refuse(item->reason, decoder->field_text, ret_problem);
}

int mu_decode_batch_next(struct mu_decoder *decoder, struct mu_heartbeat *ret_heartbeat,
                         struct mu_wire_problem *ret_problem)
{
        if (decoder->item_next == decoder->item_count)
                return 0;

        uint32_t number = decoder->item_next++;
        struct mu_item *item = &decoder->items[number];

        if (item->reason != MU_REASON_NONE)
                return refuse_item(decoder, number, item, ret_problem);

        struct mu_record *record =
                (struct mu_record *)(void *)(decoder->records + item->record_offset);

        if (decoder->batch_sent_at_wrong) {
                item->invalid |= MU_FIELD_SENT_AT;
                record->flags |= MU_RECORD_INVALID_FIELDS;
        }
        *ret_heartbeat = (struct mu_heartbeat){
                .record = record,
                .ts_us = item->ts_us,
                .sent_at_us = item->sent_at_us,
                .invalid = item->invalid,
        };
        return 1;
}

void mu_decode_batch_rewind(struct mu_decoder *decoder)
{
        decoder->item_next = 0;
}
