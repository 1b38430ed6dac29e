/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario_backlog.c - every device comes back with a full queue and drains it in batches.
 *
 * A device drains over one connection, batch after batch, as the agent does, and obeys each item's
 * answer: stored and duplicate are deleted, rejected moved aside, shed kept. 413 and 400 halve the
 * batch; a single item still refused is moved aside. 503 keeps all until Retry-After has passed.
 * Closed loop: --connections devices drain at a time, the next begins when one has finished.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "heartbeat.h"
#include "muster/wire.h"
#include "scenarios.h"
#include "schedule.h"

#define KEEP_BODY_BYTES (256u * 1024u)
#define HEAD_BYTES_MAX 512u
#define BACKOFF_NS (2 * MU_LG_NS_PER_S)
#define TRIES_MAX 10u

/* A device that is draining. */
struct drain {
        uint32_t *buckets; /* still in the queue, oldest first */
        uint32_t count;
        uint32_t sending_count; /* the first so many are under way */
        uint32_t batch_max;
        uint32_t tries;
};

struct backlog {
        struct drain *drains;          /* per device of the slice */
        struct mu_lg_schedule waiting; /* devices with a time to go on */
        uint32_t next_device;
        uint32_t active_count;
};

static int start(struct mu_lg_worker *worker)
{
        struct backlog *backlog = calloc(1, sizeof(*backlog));

        if (!backlog)
                return -ENOMEM;
        worker->state = backlog;
        backlog->drains = calloc(worker->devices_count + 1, sizeof(*backlog->drains));
        if (!backlog->drains)
                return -ENOMEM;
        return mu_lg_schedule_init(&backlog->waiting, worker->devices_count);
}

/* The device's queue, as it would have grown while there was no network. */
static int fill_queue(struct mu_lg_worker *worker, struct drain *drain, uint32_t index)
{
        uint64_t wanted = worker->run->options->backlog_items_count;
        struct mu_lg_device *device = mu_lg_worker_device(worker, index);
        uint32_t bucket_max = (uint32_t)(worker->run->start_wall_ms / 1000 / MU_LG_BUCKET_S);

        drain->buckets = malloc(wanted * sizeof(*drain->buckets));
        if (!drain->buckets)
                return -ENOMEM;
        drain->batch_max = MU_BATCH_ITEMS_MAX;
        while (drain->count < wanted) {
                uint32_t bucket =
                        mu_lg_device_claim(device, worker->run->fleet->first_bucket, bucket_max);

                if (bucket == 0) {
                        mu_lg_add(&worker->stats.counters.exhausted, wanted - drain->count);
                        break;
                }
                if (mu_lg_marks_sent(&device->marks, bucket) < 0)
                        return -ENOMEM;
                drain->buckets[drain->count++] = bucket;
        }
        mu_lg_add(&worker->stats.counters.offered, drain->count);
        return 0;
}

static void device_finished(struct mu_lg_worker *worker, struct drain *drain)
{
        struct backlog *backlog = worker->state;

        free(drain->buckets);
        *drain = (struct drain){0};
        backlog->active_count--;
        mu_lg_add(&worker->stats.counters.devices_done, 1);
}

static int build(struct mu_lg_worker *worker, struct mu_lg_conn *conn, struct drain *drain,
                 uint32_t index, uint64_t now_ns)
{
        struct mu_lg_device *device = mu_lg_worker_device(worker, index);
        uint32_t items_max = drain->count < drain->batch_max ? drain->count : drain->batch_max;
        uint32_t room = HEAD_BYTES_MAX + MU_BODY_BYTES_MAX;
        uint64_t sent_at_ms = mu_lg_run_wall_ms(worker->run, now_ns);

        if (!mu_lg_conn_reserve(conn, room))
                return -ENOMEM;
        /* The body goes behind room for the head, whose length is known only afterwards. */
        char *body = conn->out + HEAD_BYTES_MAX;
        uint32_t bytes = (uint32_t)snprintf(
                body, MU_BODY_BYTES_MAX, "{\"sent_at\":%llu.%03u,\"heartbeats\":[",
                (unsigned long long)(sent_at_ms / 1000), (unsigned)(sent_at_ms % 1000));
        uint32_t items = 0;

        while (items < items_max && bytes + MU_LG_ITEM_BYTES_MAX + 3 < MU_BODY_BYTES_MAX) {
                if (items > 0)
                        body[bytes++] = ',';
                bytes += mu_lg_heartbeat_json(body + bytes, worker->run->boot, device, index,
                                              drain->buckets[items], 0, ++device->seq);
                items++;
        }
        body[bytes++] = ']';
        body[bytes++] = '}';
        char head[HEAD_BYTES_MAX];
        uint32_t head_bytes = mu_lg_request_head(head, sizeof(head), &worker->run->url,
                                                 MU_PATH_HEARTBEATS, "Authorization: Bearer",
                                                 device->token, device->token_bytes, bytes, false);
        memcpy(conn->out, head, head_bytes);
        memmove(conn->out + head_bytes, body, bytes);
        conn->out_bytes = head_bytes + bytes;
        drain->sending_count = items;
        return 0;
}

static bool send_batch(struct mu_lg_worker *worker, struct mu_lg_conn *conn, uint32_t i,
                       uint64_t now_ns)
{
        struct backlog *backlog = worker->state;
        struct drain *drain = &backlog->drains[i];
        uint32_t index = worker->device_first + i;

        if (build(worker, conn, drain, index, now_ns) < 0) {
                (void)mu_lg_worker_fail(worker, -ENOMEM, "out of memory");
                mu_lg_conn_give(worker, conn);
                return false;
        }
        conn->keep_body_max_bytes = KEEP_BODY_BYTES;
        conn->close_after = false;
        conn->raw = false;
        conn->request.intended_ns = now_ns;
        conn->request.device = index;
        mu_lg_conn_send(worker, conn, now_ns);
        return true;
}

/* A device whose wait is over, else one that has not begun; MU_LG_NONE when there is neither. */
static uint32_t next_to_send(struct mu_lg_worker *worker, struct backlog *backlog, uint64_t now_ns)
{
        if (mu_lg_schedule_next_ns(&backlog->waiting) <= now_ns)
                return mu_lg_schedule_take(&backlog->waiting).device;
        while (backlog->next_device < worker->devices_count) {
                uint32_t i = backlog->next_device++;
                struct drain *drain = &backlog->drains[i];

                backlog->active_count++;
                if (fill_queue(worker, drain, worker->device_first + i) < 0) {
                        (void)mu_lg_worker_fail(worker, -ENOMEM, "out of memory");
                        return MU_LG_NONE;
                }
                if (drain->count > 0)
                        return i;
                device_finished(worker, drain);
        }
        return MU_LG_NONE;
}

static uint64_t pump(struct mu_lg_worker *worker, uint64_t now_ns)
{
        struct backlog *backlog = worker->state;
        struct mu_lg_conn *conn;

        while (now_ns < worker->run->end_ns && worker->result == 0 &&
               (conn = mu_lg_conn_take(worker)) != NULL) {
                uint32_t i = next_to_send(worker, backlog, now_ns);

                if (i == MU_LG_NONE) {
                        mu_lg_conn_give(worker, conn);
                        break;
                }
                if (!send_batch(worker, conn, i, now_ns))
                        break;
        }
        return mu_lg_schedule_next_ns(&backlog->waiting);
}

static void go_on(struct mu_lg_worker *worker, uint32_t i, uint64_t wait_ns, uint64_t now_ns)
{
        struct backlog *backlog = worker->state;
        struct drain *drain = &backlog->drains[i];

        drain->sending_count = 0;
        if (drain->count == 0)
                device_finished(worker, drain);
        else
                mu_lg_schedule_add(&backlog->waiting, now_ns + wait_ns, i);
}

/* MU_ITEM_STATUS_COUNT: none of the wire's. */
static enum mu_item_status read_status(const char *status)
{
        static const char *const names[MU_ITEM_STATUS_COUNT] = MU_ITEM_STATUS_NAMES;
        uint32_t i = 0;

        while (i < MU_ITEM_STATUS_COUNT && strcmp(names[i], status) != 0)
                i++;
        return (enum mu_item_status)i;
}

/* What one item's answer means; true when the item leaves the queue. */
static bool settle_item(struct mu_lg_worker *worker, struct mu_lg_device *device, uint32_t bucket,
                        const char *status, uint64_t now_ns)
{
        struct mu_lg_counters *counters = &worker->stats.counters;
        struct mu_lg_slot *slot = mu_lg_worker_slot(worker, now_ns);

        switch (read_status(status)) {
        case MU_ITEM_STORED:
                mu_lg_add(&counters->acknowledged, 1);
                slot->acknowledged++;
                break;
        case MU_ITEM_DUPLICATE:
                mu_lg_add(&counters->duplicate, 1);
                slot->duplicate++;
                break;
        case MU_ITEM_REJECTED:
                mu_lg_add(&counters->rejected, 1);
                mu_lg_add(&counters->moved_aside, 1);
                slot->failed++;
                return true;
        case MU_ITEM_SHED:
                mu_lg_add(&counters->shed, 1);
                slot->shed++;
                return false;
        case MU_ITEM_STATUS_COUNT:
                mu_lg_add(&counters->unexpected, 1);
                return false;
        }
        mu_lg_marks_acknowledged(&device->marks, bucket);
        return true;
}

/* 200 with results in order; false when it is not that, and then all is kept. */
static bool settle_items(struct mu_lg_worker *worker, struct drain *drain,
                         const struct mu_lg_conn *conn, uint64_t now_ns)
{
        json_t *root = json_loadb(conn->reply.body, conn->reply.body_bytes, 0, NULL);
        const json_t *results = json_object_get(root, "results");
        uint32_t kept = 0;

        if (json_array_size(results) != drain->sending_count) {
                json_decref(root);
                return false;
        }
        for (uint32_t item = 0; item < drain->sending_count; item++) {
                const char *status =
                        json_string_value(json_object_get(json_array_get(results, item), "status"));

                if (!settle_item(worker, mu_lg_worker_device(worker, conn->request.device),
                                 drain->buckets[item], status ? status : "", now_ns))
                        drain->buckets[kept++] = drain->buckets[item];
        }
        json_decref(root);
        uint32_t unsent = drain->count - drain->sending_count;

        memmove(drain->buckets + kept, drain->buckets + drain->sending_count,
                unsent * sizeof(*drain->buckets));
        drain->count = kept + unsent;
        return true;
}

static void settle_refusal(struct mu_lg_worker *worker, struct drain *drain)
{
        if (drain->sending_count > 1) {
                drain->batch_max = (drain->sending_count + 1) / 2;
                return;
        }
        mu_lg_add(&worker->stats.counters.rejected, 1);
        mu_lg_add(&worker->stats.counters.moved_aside, 1);
        drain->count--;
        memmove(drain->buckets, drain->buckets + 1, drain->count * sizeof(*drain->buckets));
}

/* Keeps everything and tries later, but not for ever: a device gives up after TRIES_MAX. */
static void try_later(struct mu_lg_worker *worker, struct drain *drain, uint32_t i,
                      int64_t retry_after_s, uint64_t now_ns)
{
        uint64_t wait_ns = retry_after_s >= 0
                                   ? (uint64_t)retry_after_s * MU_LG_NS_PER_S +
                                             mu_random_below(&worker->random, MU_LG_NS_PER_S)
                                   : mu_random_below(&worker->random, BACKOFF_NS);

        if (retry_after_s < 0 && ++drain->tries >= TRIES_MAX)
                drain->count = 0;
        go_on(worker, i, wait_ns, now_ns);
}

static void on_reply(struct mu_lg_worker *worker, struct mu_lg_conn *conn, uint64_t now_ns)
{
        struct backlog *backlog = worker->state;
        uint32_t i = conn->request.device - worker->device_first;
        struct drain *drain = &backlog->drains[i];
        int status = conn->reply.status;

        if (status == 200) {
                uint32_t before = drain->count;

                if (!settle_items(worker, drain, conn, now_ns)) {
                        mu_lg_add(&worker->stats.counters.failures[MU_LG_FAILURE_PROTOCOL], 1);
                        try_later(worker, drain, i, -1, now_ns);
                        return;
                }
                bool progress = drain->count < before;
                if (progress)
                        drain->tries = 0;
                if (progress && conn->reply.retry_after_s < 0)
                        go_on(worker, i, 0, now_ns);
                else
                        try_later(worker, drain, i, conn->reply.retry_after_s, now_ns);
        } else if (status == 413 || status == 400) {
                settle_refusal(worker, drain);
                go_on(worker, i, 0, now_ns);
        } else if (status == 401 || status == 410) {
                mu_lg_worker_device(worker, conn->request.device)->flags |= MU_LG_DEVICE_REFUSED;
                mu_lg_add(&worker->stats.counters.rejected, drain->sending_count);
                drain->count = 0;
                go_on(worker, i, 0, now_ns);
        } else {
                mu_lg_add(status == 503 || status == 429 ? &worker->stats.counters.shed
                                                         : &worker->stats.counters.unexpected,
                          drain->sending_count);
                try_later(worker, drain, i, conn->reply.retry_after_s, now_ns);
        }
}

static void on_failure(struct mu_lg_worker *worker, struct mu_lg_conn *conn,
                       enum mu_lg_failure reason, uint64_t now_ns)
{
        struct backlog *backlog = worker->state;
        uint32_t i = conn->request.device - worker->device_first;

        (void)reason;
        try_later(worker, &backlog->drains[i], i, -1, now_ns);
}

static bool finished(struct mu_lg_worker *worker, uint64_t now_ns)
{
        const struct backlog *backlog = worker->state;

        return now_ns >= worker->run->end_ns ||
               (backlog->next_device == worker->devices_count && backlog->active_count == 0);
}

static void done(struct mu_lg_worker *worker)
{
        struct backlog *backlog = worker->state;

        if (!backlog)
                return;
        for (uint32_t i = 0; backlog->drains && i < worker->devices_count; i++)
                free(backlog->drains[i].buckets);
        free(backlog->drains);
        mu_lg_schedule_done(&backlog->waiting);
        free(backlog);
        worker->state = NULL;
}

const struct mu_lg_scenario mu_lg_scenario_backlog = {
        .name = "backlog",
        .start = start,
        .pump = pump,
        .on_reply = on_reply,
        .on_failure = on_failure,
        .finished = finished,
        .done = done,
};
