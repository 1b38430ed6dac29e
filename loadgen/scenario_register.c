/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario_register.c - registers the devices that have no identity yet, many at a time.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "heartbeat.h"
#include "muster/wire.h"
#include "scenarios.h"

#define TRIES_MAX 8u
#define KEEP_BODY_BYTES 4096u
#define REQUEST_BYTES 2048u

struct registration {
        uint32_t *todo; /* stack of device indices */
        uint32_t todo_count;
        uint32_t failures_in_a_row;
        uint64_t not_before_ns;
};

static int start(struct mu_lg_worker *worker)
{
        struct registration *state = calloc(1, sizeof(*state));

        if (!state)
                return -ENOMEM;
        worker->state = state;
        state->todo = calloc(worker->devices_count + 1, sizeof(*state->todo));
        if (!state->todo)
                return -ENOMEM;
        for (uint32_t i = worker->devices_count; i-- > 0;) {
                uint32_t index = worker->device_first + i;

                if (mu_lg_worker_device(worker, index)->id == 0)
                        state->todo[state->todo_count++] = index;
        }
        return 0;
}

static bool build(struct mu_lg_worker *worker, struct mu_lg_conn *conn, uint32_t index)
{
        const struct mu_lg_run *run = worker->run;
        const struct mu_lg_options *options = run->options;
        char body[256];
        int body_bytes = snprintf(body, sizeof(body),
                                  "{\"alias\":\"load-%08x-%06u\",\"kind\":\"android\","
                                  "\"hardware_id\":\"load-%08x-%06u\",\"agent_version\":\"4.2.1\"}",
                                  run->boot, index, run->boot, index);

        if (!mu_lg_conn_reserve(conn, REQUEST_BYTES))
                return false;
        uint32_t head_bytes = mu_lg_request_head(
                conn->out, REQUEST_BYTES - (uint32_t)body_bytes, &run->url, MU_PATH_REGISTER,
                options->credential_header, options->credential,
                (uint32_t)strlen(options->credential), (uint32_t)body_bytes, false);

        memcpy(conn->out + head_bytes, body, (size_t)body_bytes);
        conn->out_bytes = head_bytes + (uint32_t)body_bytes;
        return true;
}

static uint64_t pump(struct mu_lg_worker *worker, uint64_t now_ns)
{
        struct registration *state = worker->state;
        struct mu_lg_conn *conn;

        if (now_ns < state->not_before_ns)
                return state->not_before_ns;
        while (state->todo_count > 0 && worker->result == 0 &&
               (conn = mu_lg_conn_take(worker)) != NULL) {
                uint32_t index = state->todo[--state->todo_count];

                if (!build(worker, conn, index)) {
                        (void)mu_lg_worker_fail(worker, -ENOMEM, "out of memory");
                        mu_lg_conn_give(worker, conn);
                        break;
                }
                conn->keep_body_max_bytes = KEEP_BODY_BYTES;
                conn->request.intended_ns = now_ns;
                conn->request.device = index;
                mu_lg_add(&worker->stats.counters.offered, 1);
                mu_lg_conn_send(worker, conn, now_ns);
        }
        return MU_LG_NEVER;
}

static void again(struct mu_lg_worker *worker, uint32_t index, uint64_t wait_ns, uint64_t now_ns)
{
        struct registration *state = worker->state;

        state->todo[state->todo_count++] = index;
        state->not_before_ns = now_ns + wait_ns;
}

/* {"hmac":{"key":"<base64>","version":1}}; without it the device's commands can't be checked. */
static void take_key(struct mu_lg_device *device, const json_t *hmac)
{
        const char *text = json_string_value(json_object_get(hmac, "key"));
        json_int_t version = json_integer_value(json_object_get(hmac, "version"));
        uint8_t bytes[MU_COMMAND_KEY_BYTES + 1]; /* with room for the padding */
        size_t count = 0;

        if (!text || version <= 0 || version > UINT32_MAX ||
            !EVP_DecodeBase64(bytes, &count, sizeof(bytes), (const uint8_t *)text, strlen(text)) ||
            count != MU_COMMAND_KEY_BYTES)
                return;
        memcpy(device->key.bytes, bytes, MU_COMMAND_KEY_BYTES);
        device->key.version = (uint32_t)version;
}

/* {"device_id":"17","token":"mu_..."}; false when it isn't that. */
static bool take_identity(struct mu_lg_device *device, const struct mu_lg_reply *reply)
{
        json_t *root = json_loadb(reply->body, reply->body_bytes, 0, NULL);
        const char *id = json_string_value(json_object_get(root, "device_id"));
        const char *token = json_string_value(json_object_get(root, "token"));
        bool good = false;

        if (id && token && strlen(token) <= MU_LG_TOKEN_MAX && token[0] != '\0' &&
            strpbrk(token, " \r\n\t") == NULL) {
                char *end;
                uint64_t value = strtoull(id, &end, 10);

                if (*end == '\0' && value > 0) {
                        *device = (struct mu_lg_device){.id = value};
                        device->token_bytes = (uint8_t)strlen(token);
                        memcpy(device->token, token, device->token_bytes);
                        take_key(device, json_object_get(root, "hmac"));
                        good = true;
                }
        }
        json_decref(root);
        return good;
}

static void on_reply(struct mu_lg_worker *worker, struct mu_lg_conn *conn, uint64_t now_ns)
{
        struct registration *state = worker->state;
        struct mu_lg_device *device = mu_lg_worker_device(worker, conn->request.device);
        const struct mu_lg_reply *reply = &conn->reply;
        const char *body = reply->body_bytes > 0 ? reply->body : "";

        if (reply->status == 503 || reply->status == 429) {
                uint64_t wait_s = reply->retry_after_s > 0 ? (uint64_t)reply->retry_after_s : 1;

                mu_lg_add(&worker->stats.counters.shed, 1);
                again(worker, conn->request.device, wait_s * MU_LG_NS_PER_S, now_ns);
                return;
        }
        if (reply->status == 201 || reply->status == 200) {
                state->failures_in_a_row = 0;
                if (take_identity(device, reply)) {
                        mu_lg_add(&worker->stats.counters.acknowledged, 1);
                        return;
                }
                (void)mu_lg_worker_fail(worker, -EPROTO,
                                        "POST " MU_PATH_REGISTER
                                        " answered %d without device_id and "
                                        "token: %.200s",
                                        reply->status, body);
                return;
        }
        (void)mu_lg_worker_fail(
                worker, -EACCES, "POST " MU_PATH_REGISTER " was refused with %d: %.300s%s",
                reply->status, body,
                reply->status == 401 || reply->status == 403
                        ? " -- check --admin-key-file, MUSTER_ADMIN_KEY or --enrolment-token-file"
                        : "");
}

static void on_failure(struct mu_lg_worker *worker, struct mu_lg_conn *conn,
                       enum mu_lg_failure reason, uint64_t now_ns)
{
        struct registration *state = worker->state;

        if (worker->result < 0)
                return; /* said already */
        if (++state->failures_in_a_row > TRIES_MAX) {
                char detail[128];

                snprintf(detail, sizeof(detail), "%.120s", worker->error);
                (void)mu_lg_worker_fail(worker, -ECONNREFUSED,
                                        "cannot register devices at %s: %s%s%s; is musterd running "
                                        "there?",
                                        worker->run->url.base, mu_lg_failure_text(reason),
                                        detail[0] ? ": " : "", detail);
                return;
        }
        again(worker, conn->request.device, MU_LG_NS_PER_S / 4, now_ns);
}

static bool finished(struct mu_lg_worker *worker, uint64_t now_ns)
{
        const struct registration *state = worker->state;

        (void)now_ns;
        return state->todo_count == 0;
}

static void done(struct mu_lg_worker *worker)
{
        struct registration *state = worker->state;

        if (state)
                free(state->todo);
        free(state);
        worker->state = NULL;
}

const struct mu_lg_scenario mu_lg_scenario_register = {
        .name = "register",
        .start = start,
        .pump = pump,
        .on_reply = on_reply,
        .on_failure = on_failure,
        .finished = finished,
        .done = done,
};
