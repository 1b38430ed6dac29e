/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heartbeat.h - JSON heartbeats, decoded as design §8 says.
 *
 * Only syntax, ts and size refuse a heartbeat; a wrong optional field is stored as NULL and named.
 * The decoder fills a record's content; identity and time (device_id, received_at, observed_at,
 * bucket, offset, flags but INVALID_FIELDS) are the frontend's.
 *
 * Units      *_us since the Unix epoch; bytes.
 * Threads    one decoder per thread.
 * Ownership  Results point into the decoder and are good until its next call.
 * Errors     negative mu_wire_error codes with a sentence naming the field; never more than one.
 */
#ifndef MUSTER_WIRE_HEARTBEAT_H
#define MUSTER_WIRE_HEARTBEAT_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"
#include "muster/record.h"

struct mu_decoder;

enum mu_wire_limits {
        MU_BODY_BYTES_MAX = 256 * 1024,
        MU_BATCH_ITEMS_MAX = 500,
        MU_JSON_DEPTH_MAX = 16,
        MU_INVALID_FIELDS_MAX = 32,
        MU_WIRE_PADDING_BYTES = 64, /* readable bytes the parser wants behind a body */
};

#define MU_TIME_ABSENT INT64_MIN

/* One decoded heartbeat. record and its strings are contiguous, ready to be copied to a port. */
struct mu_heartbeat {
        const struct mu_record *record;
        int64_t ts_us;      /* the device's clock; absurd values were refused */
        int64_t sent_at_us; /* MU_TIME_ABSENT when not sent */
        uint32_t invalid;   /* MU_FIELD_* bits of the fields stored as NULL because they were wrong */
};

/* Why a heartbeat (or a whole body) was refused. field and detail are static or decoder memory. */
struct mu_wire_problem {
        int status;         /* HTTP: 400 or 413 */
        const char *type;   /* short slug: "json-syntax", "ts-missing", ... */
        const char *field;  /* "ts", "heartbeats[3].ts", NULL when the body as a whole */
        const char *detail; /* one sentence */
};

MU_MUST_CHECK
int mu_decoder_create(struct mu_decoder **ret_decoder);
void mu_decoder_destroy(struct mu_decoder *decoder);

/* POST /v1/heartbeat. body has body_bytes; the decoder copies it if the padding is not readable.
 * 0, or -EBADMSG with *ret_problem set. */
MU_MUST_CHECK
int mu_decode_heartbeat(struct mu_decoder *decoder, const char *body, size_t body_bytes,
                        struct mu_heartbeat *ret_heartbeat, struct mu_wire_problem *ret_problem);

/* POST /v1/heartbeats. Opens a batch; then next gives each item in order.
 * 0 with the count and sent_at, or -EBADMSG. */
MU_MUST_CHECK
int mu_decode_batch(struct mu_decoder *decoder, const char *body, size_t body_bytes,
                    uint32_t *ret_item_count, int64_t *ret_sent_at_us,
                    struct mu_wire_problem *ret_problem);
/* 1: an item; 0: no more; -EBADMSG: this item is refused (ret_problem), the batch goes on. */
MU_MUST_CHECK
int mu_decode_batch_next(struct mu_decoder *decoder, struct mu_heartbeat *ret_heartbeat,
                         struct mu_wire_problem *ret_problem);

/* The JSON name of one MU_FIELD_* bit, for invalid_fields. Static. */
const char *mu_field_name(enum mu_record_field field);

#endif
