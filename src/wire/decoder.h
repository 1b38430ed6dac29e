/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decoder.h - what heartbeat.c, object.c and batch.c share of a decoder.
 *
 *   body ─ json ─▶ object (one heartbeat being decoded) ─▶ records: [record strings][record …
 *                                                          items:   where each lies, or why not
 *
 * Bounds     records: 500 structs with their padding, and strings and extra, which are never longer
 *            than the body they came from. scratch: resolved escapes, shorter than the body too.
 */
#ifndef MUSTER_WIRE_DECODER_H
#define MUSTER_WIRE_DECODER_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/record.h"
#include "wire/field.h"
#include "wire/heartbeat.h"
#include "wire/json.h"

#define MU_RECORDS_BYTES_MAX                                                                       \
        (MU_BODY_BYTES_MAX + MU_BATCH_ITEMS_MAX * (sizeof(struct mu_record) + 8))

#define MU_REASON_NONE MU_REASON_COUNT

/* One heartbeat, decoded or refused. */
struct mu_item {
        int64_t ts_us;
        int64_t sent_at_us;
        uint32_t record_offset;
        uint32_t invalid;
        enum mu_wire_reason reason; /* MU_REASON_NONE: a good one */
        uint32_t field; /* of mu_wire_fields, for the problem; MU_FIELD_INDEX_UNKNOWN: none */
};

/* The heartbeat that is being decoded. Reset by mu_object_decode. */
struct mu_object {
        struct mu_record *record;
        struct mu_item *item;
        struct mu_json_slice strings[MU_STRING_COUNT];
        struct mu_json_sink extra;
        uint32_t seen; /* bit per index of mu_wire_fields */
        uint32_t unknown_count;
        uint32_t doubled; /* of unknown_keys, when that is the problem */
        uint32_t unknown_hashes[MU_JSON_KEYS_MAX];
        struct mu_json_slice unknown_keys[MU_JSON_KEYS_MAX];
        char extra_buffer[MU_EXTRA_BYTES_MAX];
};

struct mu_decoder {
        struct mu_json *json;
        struct mu_json_cursor cursor;

        unsigned char *records; /* 8-byte aligned */
        uint32_t records_bytes;
        struct mu_item items[MU_BATCH_ITEMS_MAX];
        uint32_t item_count;
        uint32_t item_next;
        bool batch_sent_at_wrong;

        char *scratch;
        uint32_t scratch_bytes;
        struct mu_object object;

        char field_text[64]; /* of the last problem */
        char detail_text[160];
};

/* Passes the object at the cursor, which is a '{', and fills *item. 0, whatever the item's reason,
 * or -EBADMSG: the body is not JSON. */
MU_MUST_CHECK
int mu_object_decode(struct mu_decoder *decoder, struct mu_item *item);

/* Passes a string and resolves its escapes. The slice is in the body or in scratch. */
MU_MUST_CHECK
int mu_decoder_string(struct mu_decoder *decoder, struct mu_json_slice *ret_slice, bool *ret_nul);

/* What a value was. Positive: it was passed, and is not what was asked for. */
enum mu_value_verdict {
        MU_VALUE_GOOD = 0,
        MU_VALUE_NULL,
        MU_VALUE_TYPE,  /* neither a number nor null */
        MU_VALUE_RANGE, /* a number out of range */
};

/* Passes any value; a time in *ret_us when it is a good one. A mu_value_verdict or -EBADMSG. */
MU_MUST_CHECK
int mu_decoder_time(struct mu_decoder *decoder, uint32_t depth_max, int64_t *ret_us);

/* -EBADMSG, with the problem told for the body as a whole. */
MU_MUST_CHECK
int mu_decoder_refuse(enum mu_wire_reason reason, const char *field,
                      struct mu_wire_problem *ret_problem);
/* The same from what the cursor says. */
MU_MUST_CHECK
int mu_decoder_refuse_json(struct mu_decoder *decoder, struct mu_wire_problem *ret_problem);

#endif
