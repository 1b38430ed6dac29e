/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heartbeat.h - JSON heartbeats, decoded as design §8 says.
 *
 * Only syntax, ts and size refuse a heartbeat; a wrong optional field is stored as NULL and named.
 * The decoder fills a record's content; identity and time (device_id, received_at, observed_at,
 * bucket, offset, flags but INVALID_FIELDS) are the frontend's and are 0 here. What each field
 * accepts stands in README.md.
 *
 * Units      *_us since the Unix epoch; bytes.
 * Threads    one decoder per thread.
 * Ownership  The body is read only during the call and needs no padding. Results point into the
 *            decoder and are good until its next mu_decode_heartbeat or mu_decode_batch. Of a
 *            problem, type is static, and so is detail when it is about an item; field is good
 *            until the next call of any of these.
 * Errors     -EBADMSG with the first problem that was found; syntax anywhere in the body comes
 *            before everything else. No allocation after create.
 */
#ifndef MUSTER_WIRE_HEARTBEAT_H
#define MUSTER_WIRE_HEARTBEAT_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"
#include "muster/record.h"
#include "muster/wire.h"

struct mu_decoder;

#define MU_TIME_ABSENT INT64_MIN

/* One decoded heartbeat. record and its strings are contiguous, ready to be copied to a port. */
struct mu_heartbeat {
        const struct mu_record *record;
        int64_t ts_us;      /* the device's clock; absurd values were refused */
        int64_t sent_at_us; /* the heartbeat's own; MU_TIME_ABSENT when not sent */
        uint32_t invalid; /* MU_FIELD_* bits of the fields stored as NULL because they were wrong */
};

/* Why a heartbeat (or a whole body) was refused. */
struct mu_wire_problem {
        int status;                 /* HTTP: 400 or 413 */
        enum mu_wire_reason reason; /* what a frontend keeps of a rejected item */
        const char *type;           /* short slug: "json-syntax", "ts-missing", ... */
        const char *field;          /* "ts", "heartbeats[3].ts", NULL when the body as a whole */
        const char *detail;         /* one sentence */
};

/* 0, or -ENOMEM. */
MU_MUST_CHECK
int mu_decoder_create(struct mu_decoder **ret_decoder);
void mu_decoder_destroy(struct mu_decoder *decoder); /* NULL is a no-op */

/* POST /v1/heartbeat. 0, or -EBADMSG with *ret_problem set. */
MU_MUST_CHECK
int mu_decode_heartbeat(struct mu_decoder *decoder, const char *body, size_t body_bytes,
                        struct mu_heartbeat *ret_heartbeat, struct mu_wire_problem *ret_problem);

/* POST /v1/heartbeats. Decodes the whole body; then next gives each item in order.
 * 0 with the count and sent_at (MU_TIME_ABSENT when not sent or wrong; when it was wrong, each item
 * carries MU_FIELD_SENT_AT in invalid), or -EBADMSG: the body as a whole is refused. */
MU_MUST_CHECK
int mu_decode_batch(struct mu_decoder *decoder, const char *body, size_t body_bytes,
                    uint32_t *ret_item_count, int64_t *ret_sent_at_us,
                    struct mu_wire_problem *ret_problem);
/* 1: an item; 0: no more; -EBADMSG: this item is refused (ret_problem), the batch goes on. */
MU_MUST_CHECK
int mu_decode_batch_next(struct mu_decoder *decoder, struct mu_heartbeat *ret_heartbeat,
                         struct mu_wire_problem *ret_problem);
/* Before the first item again: the batch was decoded as a whole, so this costs nothing. */
void mu_decode_batch_rewind(struct mu_decoder *decoder);

/* The JSON name of one MU_FIELD_* bit, for invalid_fields. Static. */
const char *mu_field_name(enum mu_record_field field);

/* The parts of a reason. Static. */
int mu_reason_status(enum mu_wire_reason reason);
const char *mu_reason_type(enum mu_wire_reason reason);
const char *mu_reason_sentence(enum mu_wire_reason reason);

#endif
