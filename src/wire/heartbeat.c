/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/heartbeat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "wire/decoder.h"

int mu_decoder_create(struct mu_decoder **ret_decoder)
{
        struct mu_decoder *decoder = calloc(1, sizeof(*decoder));
        int r;

        MU_ASSERT(ret_decoder);
        if (!decoder)
                return -ENOMEM;
        decoder->records = calloc(1, MU_RECORDS_BYTES_MAX);
        decoder->scratch = malloc(MU_BODY_BYTES_MAX);
        r = mu_json_create(MU_BODY_BYTES_MAX, &decoder->json);
        if (r == 0 && (!decoder->records || !decoder->scratch))
                r = -ENOMEM;
        if (r < 0) {
                mu_decoder_destroy(decoder);
                return r;
        }
        *ret_decoder = decoder;
        return 0;
}

void mu_decoder_destroy(struct mu_decoder *decoder)
{
        if (!decoder)
                return;
        mu_json_destroy(decoder->json);
        free(decoder->records);
        free(decoder->scratch);
        free(decoder);
}

int mu_decoder_refuse(enum mu_wire_reason reason, const char *field,
                      struct mu_wire_problem *ret_problem)
{
        *ret_problem = (struct mu_wire_problem){
                .status = mu_reason_status(reason),
                .reason = reason,
                .type = mu_reason_type(reason),
                .field = field,
                .detail = mu_reason_sentence(reason),
        };
        return -EBADMSG;
}

int mu_decoder_refuse_json(struct mu_decoder *decoder, struct mu_wire_problem *ret_problem)
{
        const struct mu_json_cursor *cursor = &decoder->cursor;
        int r = mu_decoder_refuse(cursor->reason, NULL, ret_problem);

        /* Without a walk (bad UTF-8, an open string) there is no place to tell. */
        if (!cursor->at)
                return r;
        (void)snprintf(decoder->detail_text, sizeof(decoder->detail_text),
                       "%s The place is byte %u of the body.", ret_problem->detail,
                       (unsigned)*cursor->at);
        ret_problem->detail = decoder->detail_text;
        return r;
}

/* A doubled key is named, whatever its name: as much of it as fits, whole characters. */
static const char *problem_field(struct mu_decoder *decoder, const struct mu_item *item)
{
        const struct mu_object *object = &decoder->object;

        if (item->field != MU_FIELD_INDEX_UNKNOWN)
                return mu_wire_fields[item->field].name;
        if (item->reason != MU_REASON_JSON_DUPLICATE_KEY)
                return NULL;

        const struct mu_json_slice *key = &object->unknown_keys[object->doubled];
        uint32_t count = key->count;

        if (count >= sizeof(decoder->field_text)) {
                count = sizeof(decoder->field_text) - 1;
                while (count > 0 && ((uint8_t)key->bytes[count] & 0xc0) == 0x80)
                        count--;
        }
        memcpy(decoder->field_text, key->bytes, count);
        decoder->field_text[count] = '\0';
        return decoder->field_text;
}

int mu_decode_heartbeat(struct mu_decoder *decoder, const char *body, size_t body_bytes,
                        struct mu_heartbeat *ret_heartbeat, struct mu_wire_problem *ret_problem)
{
        struct mu_json_cursor *cursor = &decoder->cursor;
        struct mu_item *item = &decoder->items[0];
        int r = mu_json_open(decoder->json, body, body_bytes, cursor);
        bool object;

        decoder->records_bytes = 0;
        decoder->item_count = 0;
        decoder->item_next = 0;
        if (r < 0)
                return mu_decoder_refuse_json(decoder, ret_problem);
        object = mu_json_peek(cursor) == '{';
        if (object)
                r = mu_object_decode(decoder, item);
        else
                r = mu_json_pass_value(cursor, MU_JSON_DEPTH_MAX, NULL);
        if (r == 0)
                r = mu_json_finish(cursor);
        if (r < 0)
                return mu_decoder_refuse_json(decoder, ret_problem);
        if (!object)
                return mu_decoder_refuse(MU_REASON_BODY_TYPE, NULL, ret_problem);
        if (item->reason != MU_REASON_NONE)
                return mu_decoder_refuse(item->reason, problem_field(decoder, item), ret_problem);
        *ret_heartbeat = (struct mu_heartbeat){
                .record = decoder->object.record,
                .ts_us = item->ts_us,
                .sent_at_us = item->sent_at_us,
                .invalid = item->invalid,
        };
        return 0;
}
