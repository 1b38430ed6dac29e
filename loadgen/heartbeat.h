/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heartbeat.h - the requests that a device makes, as bytes, and what their answers count as.
 *
 * Built from pieces that are fixed for the run; per heartbeat only digits and the token are copied.
 *
 * Threads    A template is read-only once made.
 * Units      bucket: epoch seconds / 10; sent_at in ms since 1970.
 */
#ifndef LOADGEN_HEARTBEAT_H
#define LOADGEN_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "muster/compiler.h"
#include "worker.h"

#define MU_LG_HEARTBEAT_BYTES_MAX 1536u /* a request, head and body */
#define MU_LG_ITEM_BYTES_MAX 640u

/* Writes POST /v1/heartbeat into out (MU_LG_HEARTBEAT_BYTES_MAX); its length. Takes the device's
 * next seq. device_index makes ssid, model and phase differ from device to device. */
uint32_t mu_lg_heartbeat_request(char *out, const struct mu_lg_url *url, uint32_t boot,
                                 struct mu_lg_device *device, uint32_t device_index,
                                 uint32_t bucket, uint64_t sent_at_ms, bool close_after);

/* The JSON object alone (MU_LG_ITEM_BYTES_MAX); sent_at_ms 0 leaves it out, as in a batch. */
uint32_t mu_lg_heartbeat_json(char *out, uint32_t boot, const struct mu_lg_device *device,
                              uint32_t device_index, uint32_t bucket, uint64_t sent_at_ms,
                              uint32_t seq);

/* The head of any other request with a JSON body. credential_header e.g. "Authorization: Bearer".
 */
uint32_t mu_lg_request_head(char *out, uint32_t room_bytes, const struct mu_lg_url *url,
                            const char *path, const char *credential_header, const char *credential,
                            uint32_t credential_bytes, uint32_t body_bytes, bool close_after);

enum mu_lg_answer {
        MU_LG_ACKNOWLEDGED, /* 202 */
        MU_LG_DUPLICATE,    /* 200 */
        MU_LG_SHED,         /* 503, 429 */
        MU_LG_GONE,         /* 401, 410: the device stops */
        MU_LG_REJECTED,     /* other 4xx */
        MU_LG_UNEXPECTED,
};

/* Sends one heartbeat of the device over the connection. -ENOMEM. */
MU_MUST_CHECK
int mu_lg_heartbeat_send(struct mu_lg_worker *worker, struct mu_lg_conn *conn,
                         uint32_t device_index, uint32_t bucket, uint64_t intended_ns,
                         uint64_t now_ns);
/* Counts the answer to one heartbeat and marks the bucket. */
enum mu_lg_answer mu_lg_heartbeat_answered(struct mu_lg_worker *worker, struct mu_lg_conn *conn,
                                           uint64_t now_ns);

/* The value of a key that holds a whole number, in a small JSON body; -1 when it isn't there. */
int64_t mu_lg_json_number(const char *body, size_t bytes, const char *key);

#endif
