/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - names and limits of the device-side HTTP contract: server, agent and load generator.
 *
 * The requests and replies themselves are described in src/wire/README.md. What stands here is
 * stable: fleets in the field depend on it.
 *
 * Units      *_bytes, *_chars (Unicode code points), *_s, *_us as named.
 * Threads    constants and pure functions.
 */
#ifndef MUSTER_WIRE_H
#define MUSTER_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define MU_PATH_REGISTER "/v1/register"
#define MU_PATH_HEARTBEAT "/v1/heartbeat"
#define MU_PATH_HEARTBEATS "/v1/heartbeats"
#define MU_PATH_COMMANDS "/v1/commands"
#define MU_PATH_DEVICE_WS "/v1/device/ws"
#define MU_PATH_ENROLMENT_TOKENS "/admin/enrolment-tokens"
#define MU_PATH_DEVICES "/admin/devices"
#define MU_PATH_VERIFY "/admin/verify"
#define MU_PATH_HEALTH "/health"
#define MU_PATH_READY "/ready"
#define MU_PATH_METRICS "/metrics"

#define MU_HEADER_AUTHORIZATION "authorization" /* Bearer <device token> */
#define MU_HEADER_ADMIN_KEY "x-admin-key"
#define MU_HEADER_ADMIN_KEY_OLD "x-admin" /* accepted and counted */
#define MU_HEADER_ENROLMENT_TOKEN "x-enrolment-token"
#define MU_HEADER_REQUEST_ID "x-request-id"
#define MU_HEADER_RETRY_AFTER "retry-after"

#define MU_CONTENT_TYPE_JSON "application/json"
#define MU_CONTENT_TYPE_PROBLEM "application/problem+json"

enum mu_wire_limits {
        MU_BODY_BYTES_MAX = 256 * 1024,
        MU_BATCH_ITEMS_MAX = 500,
        MU_JSON_DEPTH_MAX = 16,     /* a heartbeat's own object is depth 1 */
        MU_JSON_KEYS_MAX = 256,     /* unknown keys of one heartbeat */
        MU_INVALID_FIELDS_MAX = 32, /* names in one reply's invalid_fields */
        MU_ALIAS_CHARS_MAX = 128,
        MU_HARDWARE_ID_CHARS_MAX = 128,
        MU_FCM_TOKEN_CHARS_MAX = 4096,
        MU_NOTE_CHARS_MAX = 256,
        MU_ENROLMENT_USES_MAX = 1000000,
        MU_ENROLMENT_EXPIRES_S_MIN = 60,
        MU_ENROLMENT_EXPIRES_S_MAX = 31536000,
        MU_ENROLMENT_EXPIRES_S_DEFAULT = 86400,
};

/* ts and sent_at: 0 <= seconds < this (2100-01-01T00:00:00Z). */
#define MU_TS_S_END INT64_C(4102444800)

/* Integers that survive every JSON reader: uptime_s, seq, monitored_last_fg_s. */
#define MU_JSON_INTEGER_MAX (INT64_C(1) << 53)

/* The status of one item in the reply to a batch. */
enum mu_item_status {
        MU_ITEM_STORED = 0,    /* durable: the agent deletes it */
        MU_ITEM_DUPLICATE = 1, /* was stored before: the agent deletes it */
        MU_ITEM_REJECTED = 2,  /* can never be stored: the agent moves it aside */
        MU_ITEM_SHED = 3,      /* not now: the agent keeps it */
        MU_ITEM_STATUS_COUNT = 4,
};

/* How they are written, for the server, the agent and the load generator: a table by status. */
#define MU_ITEM_STATUS_NAMES                                                                       \
        {                                                                                          \
                [MU_ITEM_STORED] = "stored", [MU_ITEM_DUPLICATE] = "duplicate",                    \
                [MU_ITEM_REJECTED] = "rejected", [MU_ITEM_SHED] = "shed"                           \
        }

/* Why a body or an item was refused: name, HTTP status, problem type, sentence. The sentence is
 * the `error` of a rejected item and, with a place added where there is one, a problem's detail. */
#define MU_WIRE_REASONS(X)                                                                         \
        X(JSON_SYNTAX, 400, "json-syntax", "The body is not valid JSON.")                          \
        X(JSON_UTF8, 400, "json-utf8", "The body is not valid UTF-8.")                             \
        X(JSON_DEPTH, 400, "json-depth", "The body is nested too deeply: at most 16 levels.")      \
        X(JSON_NUMBER, 400, "json-number",                                                         \
          "A number is too large: its magnitude must be below 10^308.")                            \
        X(JSON_DUPLICATE_KEY, 400, "json-duplicate-key",                                           \
          "A key occurs twice; send each key once.")                                               \
        X(JSON_KEYS, 400, "json-keys", "There are more than 256 unknown keys; send fewer.")        \
        X(BODY_TYPE, 400, "body-type", "The body must be a JSON object.")                          \
        X(BODY_SIZE, 413, "body-size", "The body is larger than 256 KiB; send less at once.")      \
        X(TS_MISSING, 400, "ts-missing",                                                           \
          "ts is missing: send the device's clock as epoch seconds.")                              \
        X(TS_NULL, 400, "ts-null", "ts is null: send the device's clock as epoch seconds.")        \
        X(TS_TYPE, 400, "ts-type",                                                                 \
          "ts is not a number: send the device's clock as epoch seconds.")                         \
        X(TS_RANGE, 400, "ts-range",                                                               \
          "ts is not a time between 1970 and 2100; it is in seconds, not milliseconds.")           \
        X(TS_WINDOW, 400, "ts-window",                                                             \
          "ts is outside the accepted window, even after correcting the device's clock.")          \
        X(ITEM_TYPE, 400, "item-type", "The item is not a JSON object.")                           \
        X(BATCH_MISSING, 400, "heartbeats-missing",                                                \
          "heartbeats is missing: send an array of up to 500 heartbeats.")                         \
        X(BATCH_TYPE, 400, "heartbeats-type",                                                      \
          "heartbeats is not an array: send an array of up to 500 heartbeats.")                    \
        X(BATCH_SIZE, 413, "heartbeats-size",                                                      \
          "There are more than 500 heartbeats in the batch; send fewer at once.")                  \
        X(KEY_UNKNOWN, 400, "key-unknown", "A key is unknown here.")                               \
        X(FIELD_MISSING, 400, "field-missing", "A required field is missing.")                     \
        X(FIELD_TYPE, 400, "field-type", "A field has the wrong type.")                            \
        X(FIELD_VALUE, 400, "field-value", "A field's value is not acceptable.")

enum mu_wire_reason {
#define MU_WIRE_REASON_ENUM(name, status, type, sentence) MU_REASON_##name,
        MU_WIRE_REASONS(MU_WIRE_REASON_ENUM)
#undef MU_WIRE_REASON_ENUM
                MU_REASON_COUNT,
};

/* Digest of a device's stored buckets, in /admin/verify: the XOR over all of them of
 * mu_verify_mix64(bucket), bucket in epoch seconds. Order does not matter, so both sides add as
 * they go, and one missing, extra or doubled bucket shows. The finaliser of splitmix64. */
static inline uint64_t mu_verify_mix64(uint64_t bucket_s)
{
        uint64_t mixed = bucket_s;

        mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
        return mixed ^ (mixed >> 31);
}

#endif
