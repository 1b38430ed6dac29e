/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario_fleet.c - a fleet of devices that each report at moments of their own.
 *
 *   steady      every device at its interval, or when the server said (next_heartbeat_in_s)
 *   compressed  the same with the devices' clocks running N times faster, from 6 days back on
 *   storm       all devices at once: each at a random moment of a short window, in rounds
 *
 * Open loop: a heartbeat's moment is fixed before it is sent and latency counts from it, also while
 * it waits for a connection. After a refusal to take load (503) or a failure a device keeps the
 * heartbeat and repeats it, as the agent does; a storm only counts.
 */
#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "heartbeat.h"
#include "scenarios.h"
#include "schedule.h"

#define BACKOFF_FIRST_S 2u
#define BACKOFF_MAX_S 300u

struct pace {
        uint32_t repeat_bucket; /* kept for another try; 0: none */
        uint16_t failures_in_a_row;
        uint16_t round;
        uint64_t intended_ns; /* of the heartbeat that waits in the queue */
};

struct fleet {
        struct mu_lg_schedule schedule;
        struct pace *paces; /* per device of the slice */
        uint32_t *queue;    /* due, waiting for a connection: ring of devices_count */
        uint32_t queue_head;
        uint32_t queue_count;
        uint32_t base_bucket; /* compressed: where the virtual clocks start */
        uint64_t left;
        bool planned;
        bool bound; /* a connection per device, kept open */
        bool exhausted;
};

static const struct mu_lg_options *options_of(const struct mu_lg_worker *worker)
{
        return worker->run->options;
}

static bool is_storm(const struct mu_lg_worker *worker)
{
        return options_of(worker)->scenario == MU_LG_STORM;
}

static uint64_t speed_of(const struct mu_lg_worker *worker)
{
        return options_of(worker)->scenario == MU_LG_COMPRESSED ? options_of(worker)->speed : 1;
}

/* Virtual time must begin after everything the devices have sent before. */
static uint32_t find_base_bucket(struct mu_lg_worker *worker)
{
        uint32_t base = worker->run->fleet->first_bucket;

        for (uint32_t i = 0; i < worker->devices_count; i++) {
                uint32_t newest =
                        mu_lg_worker_device(worker, worker->device_first + i)->bucket_newest;

                if (newest >= base)
                        base = newest + 1;
        }
        return base;
}

static void plan_first(struct mu_lg_worker *worker, struct fleet *fleet)
{
        const struct mu_lg_options *options = options_of(worker);
        uint64_t spread_ns =
                is_storm(worker) ? options->window_ns : options->interval_ns / speed_of(worker);

        for (uint32_t i = 0; i < worker->devices_count; i++) {
                uint64_t phase_ns = mu_random_below(&worker->random, spread_ns + 1);

                mu_lg_schedule_add(&fleet->schedule, worker->run->start_ns + phase_ns, i);
        }
        fleet->planned = true;
}

static int start(struct mu_lg_worker *worker)
{
        const struct mu_lg_options *options = options_of(worker);
        struct fleet *fleet = calloc(1, sizeof(*fleet));

        if (!fleet)
                return -ENOMEM;
        worker->state = fleet;
        fleet->paces = calloc(worker->devices_count + 1, sizeof(*fleet->paces));
        fleet->queue = calloc(worker->devices_count + 1, sizeof(*fleet->queue));
        if (!fleet->paces || !fleet->queue ||
            mu_lg_schedule_init(&fleet->schedule, worker->devices_count) < 0)
                return -ENOMEM;
        fleet->base_bucket = find_base_bucket(worker);
        fleet->left = options->count ? mu_lg_share(options->count, worker->run->threads_count,
                                                   worker->index)
                                     : UINT64_MAX;
        fleet->bound = options->keep_alive && worker->conns_count >= worker->devices_count;
        for (uint32_t i = 0; i < worker->conns_count; i++)
                worker->conns[i].bound = fleet->bound;
        return 0;
}

/* The bucket of a heartbeat sent now; 0: this device has none to spare. */
static uint32_t bucket_for(struct mu_lg_worker *worker, struct fleet *fleet, uint32_t i,
                           uint64_t now_ns)
{
        struct mu_lg_device *device = mu_lg_worker_device(worker, worker->device_first + i);
        uint32_t real = (uint32_t)(mu_lg_run_wall_ms(worker->run, now_ns) / 1000 / MU_LG_BUCKET_S);
        uint32_t bucket = real;

        if (fleet->paces[i].repeat_bucket)
                return fleet->paces[i].repeat_bucket;
        if (options_of(worker)->scenario == MU_LG_COMPRESSED) {
                uint64_t virtual_s =
                        (now_ns - worker->run->start_ns) * speed_of(worker) / MU_LG_NS_PER_S;

                bucket = fleet->base_bucket + (uint32_t)(virtual_s / MU_LG_BUCKET_S);
                if (bucket > real) {
                        fleet->exhausted = true;
                        return 0;
                }
        }
        if (options_of(worker)->scenario != MU_LG_COMPRESSED)
                return mu_lg_device_claim_live(device, real);
        return mu_lg_device_claim(device, bucket, real);
}

/* Storms: the next round's moment does not depend on the last one's answer. */
static void plan_round(struct mu_lg_worker *worker, struct fleet *fleet, uint32_t i)
{
        const struct mu_lg_options *options = options_of(worker);
        struct pace *pace = &fleet->paces[i];

        if (++pace->round >= options->rounds_count)
                return;
        mu_lg_schedule_add(&fleet->schedule,
                           worker->run->start_ns + pace->round * options->round_gap_ns +
                                   mu_random_below(&worker->random, options->window_ns + 1),
                           i);
}

/* After an ordinary answer: when the server said, else the interval with a tenth of jitter. */
static void plan_next(struct mu_lg_worker *worker, struct fleet *fleet, uint32_t i,
                      int64_t next_in_s, uint64_t now_ns)
{
        uint64_t wait_ns, jitter_ns;

        if (next_in_s > 0) {
                wait_ns = (uint64_t)next_in_s * MU_LG_NS_PER_S;
                jitter_ns = mu_random_below(&worker->random, MU_LG_NS_PER_S);
        } else {
                uint64_t interval_ns = options_of(worker)->interval_ns;

                wait_ns = interval_ns - interval_ns / 10;
                jitter_ns = mu_random_below(&worker->random, interval_ns / 5 + 1);
        }
        mu_lg_schedule_add(&fleet->schedule, now_ns + (wait_ns + jitter_ns) / speed_of(worker), i);
}

/* The heartbeat is kept: again after what the server asked for, or a backoff with full jitter. */
static void plan_repeat(struct mu_lg_worker *worker, struct fleet *fleet, uint32_t i,
                        uint32_t bucket, int64_t retry_after_s, uint64_t now_ns)
{
        struct pace *pace = &fleet->paces[i];
        uint64_t wait_ns;

        pace->repeat_bucket = bucket;
        if (retry_after_s >= 0) {
                wait_ns = (uint64_t)retry_after_s * MU_LG_NS_PER_S +
                          mu_random_below(&worker->random, MU_LG_NS_PER_S);
        } else {
                uint64_t cap_s = (uint64_t)BACKOFF_FIRST_S
                                 << (pace->failures_in_a_row < 8 ? pace->failures_in_a_row : 8);

                if (cap_s > BACKOFF_MAX_S)
                        cap_s = BACKOFF_MAX_S;
                pace->failures_in_a_row++;
                wait_ns = mu_random_below(&worker->random, cap_s * MU_LG_NS_PER_S);
        }
        mu_lg_schedule_add(&fleet->schedule, now_ns + wait_ns / speed_of(worker), i);
}

static void notice_due(struct mu_lg_worker *worker, struct fleet *fleet, uint64_t now_ns)
{
        uint64_t limit_ns = now_ns < worker->run->end_ns ? now_ns : worker->run->end_ns;

        while (mu_lg_schedule_next_ns(&fleet->schedule) <= limit_ns && fleet->left > 0) {
                struct mu_lg_due due = mu_lg_schedule_take(&fleet->schedule);
                uint32_t tail = (fleet->queue_head + fleet->queue_count) % worker->devices_count;

                fleet->paces[due.device].intended_ns = due.at_ns;
                fleet->queue[tail] = due.device;
                fleet->queue_count++;
                fleet->left--;
                mu_lg_add(&worker->stats.counters.offered, 1);
                mu_histogram_record(worker->stats.lateness, now_ns - due.at_ns);
        }
}

/* The queue's first, over a connection; false when it must wait for one. */
static bool send_first(struct mu_lg_worker *worker, struct fleet *fleet, uint64_t now_ns)
{
        uint32_t i = fleet->queue[fleet->queue_head];
        struct mu_lg_conn *conn = fleet->bound ? &worker->conns[i] : mu_lg_conn_take(worker);

        if (!conn)
                return false;
        conn->is_free = false;
        fleet->queue_head = (fleet->queue_head + 1) % worker->devices_count;
        fleet->queue_count--;

        uint32_t bucket = bucket_for(worker, fleet, i, now_ns);
        if (bucket == 0) {
                mu_lg_add(&worker->stats.counters.exhausted, 1);
                mu_lg_conn_give(worker, conn);
                if (is_storm(worker))
                        plan_round(worker, fleet, i);
                else if (!fleet->exhausted)
                        plan_next(worker, fleet, i, MU_LG_BUCKET_S, now_ns);
                return true;
        }
        fleet->paces[i].repeat_bucket = 0;
        conn->close_after = !options_of(worker)->keep_alive;
        return mu_lg_heartbeat_send(worker, conn, worker->device_first + i, bucket,
                                    fleet->paces[i].intended_ns, now_ns) == 0;
}

static uint64_t pump(struct mu_lg_worker *worker, uint64_t now_ns)
{
        struct fleet *fleet = worker->state;

        if (!fleet->planned)
                plan_first(worker, fleet);
        notice_due(worker, fleet, now_ns);
        while (fleet->queue_count > 0 && send_first(worker, fleet, now_ns))
                ;
        return mu_lg_schedule_next_ns(&fleet->schedule);
}

static void on_reply(struct mu_lg_worker *worker, struct mu_lg_conn *conn, uint64_t now_ns)
{
        struct fleet *fleet = worker->state;
        uint32_t i = conn->request.device - worker->device_first;
        enum mu_lg_answer answer = mu_lg_heartbeat_answered(worker, conn, now_ns);

        if (answer == MU_LG_GONE)
                return;
        if (is_storm(worker)) {
                plan_round(worker, fleet, i);
        } else if (answer == MU_LG_SHED) {
                plan_repeat(worker, fleet, i, conn->request.bucket, conn->reply.retry_after_s,
                            now_ns);
        } else if (answer == MU_LG_UNEXPECTED) {
                plan_repeat(worker, fleet, i, conn->request.bucket, -1, now_ns);
        } else {
                fleet->paces[i].failures_in_a_row = 0;
                plan_next(worker, fleet, i,
                          mu_lg_json_number(conn->reply.body, conn->reply.body_bytes,
                                            "next_heartbeat_in_s"),
                          now_ns);
        }
}

static void on_failure(struct mu_lg_worker *worker, struct mu_lg_conn *conn,
                       enum mu_lg_failure reason, uint64_t now_ns)
{
        struct fleet *fleet = worker->state;
        uint32_t i = conn->request.device - worker->device_first;

        (void)reason;
        if (is_storm(worker))
                plan_round(worker, fleet, i);
        else
                plan_repeat(worker, fleet, i, conn->request.bucket, -1, now_ns);
}

static bool finished(struct mu_lg_worker *worker, uint64_t now_ns)
{
        const struct fleet *fleet = worker->state;
        uint64_t grace_ns = worker->run->options->timeout_ns;
        bool no_more = now_ns >= worker->run->end_ns || fleet->left == 0 || fleet->exhausted ||
                       fleet->schedule.count == 0;

        return no_more && (fleet->queue_count == 0 || (worker->run->end_ns != MU_LG_NEVER &&
                                                       now_ns > worker->run->end_ns + grace_ns));
}

static void done(struct mu_lg_worker *worker)
{
        struct fleet *fleet = worker->state;

        if (!fleet)
                return;
        mu_lg_schedule_done(&fleet->schedule);
        free(fleet->paces);
        free(fleet->queue);
        free(fleet);
        worker->state = NULL;
}

const struct mu_lg_scenario mu_lg_scenario_fleet = {
        .name = "fleet",
        .start = start,
        .pump = pump,
        .on_reply = on_reply,
        .on_failure = on_failure,
        .finished = finished,
        .done = done,
};
