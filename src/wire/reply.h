/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.h - the JSON bodies that devices get back.
 *
 * Each function adds one whole JSON document (or the named part of one) to a text; a fixed one over
 * the frontend's buffer of MU_REPLY_*_BYTES_MAX always fits.
 *
 * Units      server_time: epoch seconds with exactly three decimals, made from *_us by cutting.
 * Threads    any; no state.
 * Errors     those of the text (base/text.h), sticky, asked once at the end.
 */
#ifndef MUSTER_WIRE_REPLY_H
#define MUSTER_WIRE_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "muster/wire.h"

enum mu_device_reply_limits {
        MU_REPLY_HEARTBEAT_BYTES_MAX = 640,
        MU_REPLY_ITEM_BYTES_MAX = 160,
        MU_REPLY_BATCH_BYTES_MAX = 64 + MU_BATCH_ITEMS_MAX * MU_REPLY_ITEM_BYTES_MAX,
};

/* 202 (or 200 with duplicate) to POST /v1/heartbeat. */
struct mu_heartbeat_reply {
        int64_t server_time_us;
        uint32_t next_heartbeat_in_s;
        uint32_t commands;
        bool update;
        bool duplicate;   /* adds "duplicate":true */
        uint32_t invalid; /* MU_FIELD_* bits; when not 0, adds "invalid_fields":[names] */
};

void mu_reply_heartbeat(struct mu_text *text, const struct mu_heartbeat_reply *reply);

/* 200 to POST /v1/heartbeats: open, one item each in order, close. reason counts only for
 * MU_ITEM_REJECTED: its sentence becomes the item's "error". */
void mu_reply_batch_open(struct mu_text *text);
void mu_reply_batch_item(struct mu_text *text, uint32_t index, enum mu_item_status status,
                         enum mu_wire_reason reason);
void mu_reply_batch_close(struct mu_text *text);

/* 201 to POST /v1/register. Strings as they are; hmac_key is given as text (base64). */
struct mu_register_reply {
        int64_t device_id;
        const char *token;
        const char *hmac_key;
        uint32_t hmac_version;
        uint32_t heartbeat_interval_s;
        uint32_t next_heartbeat_in_s;
};

void mu_reply_register(struct mu_text *text, const struct mu_register_reply *reply);

/* Decimal digits. */
void mu_reply_add_integer(struct mu_text *text, int64_t value);

#endif
