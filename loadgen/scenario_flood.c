/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario_flood.c - as fast as the connections go, or at a given rate.
 *
 * Without --rate each connection sends its next heartbeat when the last is answered: a closed loop,
 * where a slow server slows its load; latency then equals service time. With --rate the heartbeats'
 * moments are fixed beforehand and latency counts from them, whether or not a connection was free.
 *
 * Devices take turns over all connections; each heartbeat claims its device's next 10-s bucket.
 */
#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "heartbeat.h"
#include "scenarios.h"
#include "schedule.h"

struct flood {
        uint32_t device_next; /* within the worker's slice */
        uint64_t left;        /* of --count */
        struct mu_lg_pacer pacer;
        bool exhausted;
};

static int start(struct mu_lg_worker *worker)
{
        const struct mu_lg_options *options = worker->run->options;
        struct flood *flood = calloc(1, sizeof(*flood));

        if (!flood)
                return -ENOMEM;
        worker->state = flood;
        flood->left = mu_lg_share(options->count, worker->run->threads_count, worker->index);
        if (options->count == 0)
                flood->left = UINT64_MAX;
        mu_lg_pacer_init(&flood->pacer, options->rate, worker->run->threads_count, worker->index);
        return 0;
}

/* The next device with a bucket to spare; its index, the bucket in *ret_bucket. */
static uint32_t next_heartbeat(struct mu_lg_worker *worker, struct flood *flood, uint64_t now_ns,
                               uint32_t *ret_bucket)
{
        uint64_t wall_ms = mu_lg_run_wall_ms(worker->run, now_ns);
        uint32_t bucket_max = (uint32_t)(wall_ms / 1000 / MU_LG_BUCKET_S);

        for (uint32_t tried = 0; tried < worker->devices_count; tried++) {
                uint32_t index = worker->device_first + flood->device_next;
                struct mu_lg_device *device = mu_lg_worker_device(worker, index);

                if (++flood->device_next == worker->devices_count)
                        flood->device_next = 0;
                if (device->flags & MU_LG_DEVICE_REFUSED)
                        continue;
                *ret_bucket =
                        mu_lg_device_claim(device, worker->run->fleet->first_bucket, bucket_max);
                if (*ret_bucket)
                        return index;
        }
        return MU_LG_NONE;
}

/* One heartbeat over a free connection; false when there is none to send. */
static bool send_one(struct mu_lg_worker *worker, struct flood *flood, struct mu_lg_conn *conn,
                     uint64_t intended_ns, uint64_t now_ns)
{
        uint32_t bucket;
        uint32_t index = next_heartbeat(worker, flood, now_ns, &bucket);

        if (index == MU_LG_NONE) {
                flood->exhausted = true;
                mu_lg_add(&worker->stats.counters.exhausted, 1);
                mu_lg_conn_give(worker, conn);
                return false;
        }
        flood->left--;
        conn->close_after = false;
        return mu_lg_heartbeat_send(worker, conn, index, bucket, intended_ns, now_ns) == 0;
}

static uint64_t pump_closed(struct mu_lg_worker *worker, struct flood *flood, uint64_t now_ns)
{
        struct mu_lg_conn *conn;

        if (now_ns >= worker->run->end_ns)
                return MU_LG_NEVER;
        while (flood->left > 0 && !flood->exhausted && (conn = mu_lg_conn_take(worker)) != NULL) {
                mu_lg_add(&worker->stats.counters.offered, 1);
                if (!send_one(worker, flood, conn, now_ns, now_ns))
                        break;
        }
        return worker->run->end_ns;
}

static uint64_t pump_paced(struct mu_lg_worker *worker, struct flood *flood, uint64_t now_ns)
{
        struct mu_lg_pacer *pacer = &flood->pacer;
        uint64_t limit_ns = now_ns < worker->run->end_ns ? now_ns : worker->run->end_ns;
        uint64_t due_ns;

        /* First notice what has become due: how late we notice is the generator's own lateness. */
        while ((due_ns = mu_lg_pacer_due(pacer, worker->run->start_ns, pacer->noticed)) <=
                       limit_ns &&
               pacer->noticed - pacer->taken < flood->left) {
                mu_histogram_record(worker->stats.lateness, now_ns - due_ns);
                mu_lg_add(&worker->stats.counters.offered, 1);
                pacer->noticed++;
        }
        while (pacer->taken < pacer->noticed && !flood->exhausted) {
                struct mu_lg_conn *conn = mu_lg_conn_take(worker);

                if (!conn)
                        break;
                uint64_t intended_ns = mu_lg_pacer_due(pacer, worker->run->start_ns, pacer->taken);
                pacer->taken++;
                if (!send_one(worker, flood, conn, intended_ns, now_ns))
                        break;
        }
        return due_ns;
}

static uint64_t pump(struct mu_lg_worker *worker, uint64_t now_ns)
{
        struct flood *flood = worker->state;

        if (worker->run->options->rate > 0)
                return pump_paced(worker, flood, now_ns);
        return pump_closed(worker, flood, now_ns);
}

static void on_reply(struct mu_lg_worker *worker, struct mu_lg_conn *conn, uint64_t now_ns)
{
        (void)mu_lg_heartbeat_answered(worker, conn, now_ns);
}

static void on_failure(struct mu_lg_worker *worker, struct mu_lg_conn *conn,
                       enum mu_lg_failure reason, uint64_t now_ns)
{
        (void)worker;
        (void)conn;
        (void)reason;
        (void)now_ns;
}

static bool finished(struct mu_lg_worker *worker, uint64_t now_ns)
{
        const struct flood *flood = worker->state;
        bool queue_empty = flood->pacer.taken == flood->pacer.noticed;

        if (flood->exhausted || flood->left == 0)
                return true;
        if (now_ns < worker->run->end_ns)
                return false;
        /* Heartbeats whose time came before the end are still sent: leaving them out would hide
         * the slowest. A server that never catches up ends the run at the timeout. */
        return queue_empty || now_ns > worker->run->end_ns + worker->run->options->timeout_ns;
}

static void done(struct mu_lg_worker *worker)
{
        free(worker->state);
        worker->state = NULL;
}

const struct mu_lg_scenario mu_lg_scenario_flood = {
        .name = "flood",
        .start = start,
        .pump = pump,
        .on_reply = on_reply,
        .on_failure = on_failure,
        .finished = finished,
        .done = done,
};
