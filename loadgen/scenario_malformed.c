/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario_malformed.c - every kind of bad input in turn, each followed by a good heartbeat.
 *
 * Bad input goes over connections of its own; good heartbeats keep theirs, and must all be
 * acknowledged whatever happens beside them. Kinds that take time (slow or silent clients) may hold
 * a quarter of the connections at most. Closed loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "heartbeat.h"
#include "malformed.h"
#include "scenarios.h"

#define DRIP_EVERY_NS MU_LG_NS_PER_S
#define CUT_AFTER_NS (50 * MU_LG_NS_PER_MS)
#define STEP_NS (20 * MU_LG_NS_PER_MS)
#define TAG_GOOD UINT32_MAX
#define DRIP_START 24u

struct malformed {
        uint32_t kind_next;
        uint32_t device_next;
        uint32_t slow_count; /* connections held by slow kinds */
        uint32_t slow_max;
        bool good_next;
        bool exhausted;
        uint64_t left;
        uint64_t step_ns;
        char *room;         /* a request is built here, then copied */
        uint64_t *acted_ns; /* per connection: last drip, or 0 */
        uint32_t *dripped;  /* per connection: bytes sent so far */
};

static bool is_slow(const struct mu_lg_malformed_kind *kind)
{
        return kind->manner == MU_LG_SEND_DRIP || kind->manner == MU_LG_SEND_HALF ||
               kind->manner == MU_LG_SEND_UNFINISHED;
}

static int start(struct mu_lg_worker *worker)
{
        const struct mu_lg_options *options = worker->run->options;
        struct malformed *state = calloc(1, sizeof(*state));

        if (!state)
                return -ENOMEM;
        worker->state = state;
        state->room = malloc(MU_LG_MALFORMED_ROOM_BYTES);
        state->acted_ns = calloc(worker->conns_count, sizeof(*state->acted_ns));
        state->dripped = calloc(worker->conns_count, sizeof(*state->dripped));
        if (!state->room || !state->acted_ns || !state->dripped)
                return -ENOMEM;
        state->slow_max = worker->conns_count / 4 > 0 ? worker->conns_count / 4 : 1;
        state->left = options->count ? options->count : UINT64_MAX;
        state->good_next = true;
        return 0;
}

/* A device and a bucket of its own for the next request, also when it is bad: some are stored. */
static uint32_t next_device(struct mu_lg_worker *worker, struct malformed *state, uint64_t now_ns,
                            uint32_t *ret_bucket)
{
        uint32_t bucket_max =
                (uint32_t)(mu_lg_run_wall_ms(worker->run, now_ns) / 1000 / MU_LG_BUCKET_S);

        for (uint32_t tried = 0; tried < worker->devices_count; tried++) {
                uint32_t index = worker->device_first + state->device_next;
                struct mu_lg_device *device = mu_lg_worker_device(worker, index);

                state->device_next = (state->device_next + 1) % worker->devices_count;
                if (device->flags & MU_LG_DEVICE_REFUSED)
                        continue;
                *ret_bucket =
                        mu_lg_device_claim(device, worker->run->fleet->first_bucket, bucket_max);
                if (*ret_bucket)
                        return index;
        }
        state->exhausted = true;
        return MU_LG_NONE;
}

static const struct mu_lg_malformed_kind *next_kind(struct malformed *state, uint32_t *ret_index)
{
        for (;;) {
                uint32_t index = state->kind_next;

                state->kind_next = (state->kind_next + 1) % mu_lg_malformed_kinds_count;
                if (is_slow(&mu_lg_malformed_kinds[index]) && state->slow_count >= state->slow_max)
                        continue;
                *ret_index = index;
                return &mu_lg_malformed_kinds[index];
        }
}

static bool send_bad(struct mu_lg_worker *worker, struct malformed *state, struct mu_lg_conn *conn,
                     uint32_t index, uint32_t bucket, uint64_t now_ns)
{
        struct mu_lg_device *device = mu_lg_worker_device(worker, index);
        uint32_t kind_index;
        const struct mu_lg_malformed_kind *kind = next_kind(state, &kind_index);
        struct mu_lg_malformed_input input = {
                .url = &worker->run->url,
                .token = device->token,
                .token_bytes = device->token_bytes,
                .ts_s = (uint64_t)bucket * MU_LG_BUCKET_S,
                .now_s = mu_lg_run_wall_ms(worker->run, now_ns) / 1000,
                .out = state->room,
        };
        uint32_t bytes = kind->build(&input);

        if (!mu_lg_conn_reserve(conn, bytes) || mu_lg_marks_sent(&device->marks, bucket) < 0)
                return false;
        memcpy(conn->out, state->room, bytes);
        mu_lg_conn_close(worker, conn); /* bad input on a connection of its own */
        if (kind->manner == MU_LG_SEND_DRIP)
                bytes = DRIP_START;
        else if (kind->manner != MU_LG_SEND_WHOLE && kind->manner != MU_LG_SEND_UNFINISHED)
                bytes /= 2;
        conn->out_bytes = bytes;
        conn->keep_body_max_bytes = 0;
        conn->raw = true;
        conn->close_after = true;
        conn->request.intended_ns = now_ns;
        conn->request.device = index;
        conn->request.bucket = bucket;
        conn->request.tag = kind_index;
        state->acted_ns[conn->index] = 0;
        state->dripped[conn->index] = bytes;
        worker->stats.malformed.tried[kind_index]++;
        mu_lg_conn_send(worker, conn, now_ns);
        if (is_slow(kind))
                state->slow_count++;
        /* A server may take any of them for a request whose rest is still to come. */
        conn->request.deadline_ns = now_ns + worker->run->options->slow_deadline_ns;
        return true;
}

static bool send_next(struct mu_lg_worker *worker, struct malformed *state, struct mu_lg_conn *conn,
                      uint64_t now_ns)
{
        uint32_t bucket;
        uint32_t index = next_device(worker, state, now_ns, &bucket);

        if (index == MU_LG_NONE) {
                mu_lg_add(&worker->stats.counters.exhausted, 1);
                mu_lg_conn_give(worker, conn);
                return false;
        }
        bool good = state->good_next;

        state->good_next = !good;
        mu_lg_add(&worker->stats.counters.offered, 1);
        if (good) {
                conn->request.tag = TAG_GOOD;
                conn->close_after = false;
                state->left--;
                return mu_lg_heartbeat_send(worker, conn, index, bucket, now_ns, now_ns) == 0;
        }
        if (send_bad(worker, state, conn, index, bucket, now_ns))
                return true;
        (void)mu_lg_worker_fail(worker, -ENOMEM, "out of memory");
        mu_lg_conn_give(worker, conn);
        return false;
}

static void count_answer(struct mu_lg_worker *worker, const struct mu_lg_conn *conn,
                         enum mu_lg_malformed_answer answer, int status)
{
        struct malformed *state = worker->state;
        struct mu_lg_malformed_table *table = &worker->stats.malformed;
        uint32_t index = conn->request.tag;
        const struct mu_lg_malformed_kind *kind = &mu_lg_malformed_kinds[index];
        bool right = kind->expected & MU_LG_EXPECT(answer);

        if (is_slow(kind))
                state->slow_count--;
        /* A shed or limited answer is right for any kind: it says nothing about the input. */
        if (kind->status && status && status != kind->status)
                right = false;
        if (status == 503 || status == 429)
                right = true;
        table->answers[index][answer]++;
        if (status)
                table->status_seen[index] = status;
        if (!right)
                table->wrong[index]++;
}

/* What the slow kinds do meanwhile. */
static void act(struct mu_lg_worker *worker, struct malformed *state, struct mu_lg_conn *conn,
                uint64_t now_ns)
{
        const struct mu_lg_malformed_kind *kind = &mu_lg_malformed_kinds[conn->request.tag];
        uint64_t *acted_ns = &state->acted_ns[conn->index];
        uint64_t since_ns = now_ns - conn->request.sent_ns;

        if (kind->manner == MU_LG_SEND_DRIP &&
            now_ns - (*acted_ns ? *acted_ns : conn->request.sent_ns) >= DRIP_EVERY_NS) {
                *acted_ns = now_ns;
                mu_lg_conn_send_more(worker, conn, conn->out + state->dripped[conn->index]++, 1);
        } else if (kind->manner == MU_LG_SEND_AND_SHUT && *acted_ns == 0 &&
                   since_ns >= CUT_AFTER_NS) {
                *acted_ns = now_ns;
                mu_lg_conn_half_close(conn);
        } else if (kind->manner == MU_LG_SEND_AND_CLOSE && since_ns >= CUT_AFTER_NS) {
                count_answer(worker, conn, MU_LG_MALFORMED_CLOSED, 0);
                mu_lg_conn_abandon(worker, conn);
        }
}

static void act_all(struct mu_lg_worker *worker, struct malformed *state, uint64_t now_ns)
{
        if (now_ns - state->step_ns < STEP_NS)
                return;
        state->step_ns = now_ns;
        for (uint32_t i = 0; i < worker->conns_count; i++) {
                struct mu_lg_conn *conn = &worker->conns[i];

                if (conn->state == MU_LG_CONN_BUSY && conn->raw && conn->request.tag != TAG_GOOD)
                        act(worker, state, conn, now_ns);
        }
}

static uint64_t pump(struct mu_lg_worker *worker, uint64_t now_ns)
{
        struct malformed *state = worker->state;
        struct mu_lg_conn *conn;

        act_all(worker, state, now_ns);
        while (now_ns < worker->run->end_ns && state->left > 0 && !state->exhausted &&
               (conn = mu_lg_conn_take(worker)) != NULL)
                if (!send_next(worker, state, conn, now_ns))
                        break;
        return now_ns + STEP_NS;
}

static void on_reply(struct mu_lg_worker *worker, struct mu_lg_conn *conn, uint64_t now_ns)
{
        int status = conn->reply.status;

        if (!conn->raw) {
                (void)mu_lg_heartbeat_answered(worker, conn, now_ns);
                return;
        }
        if (status / 100 == 2) /* acknowledged all the same: it must be stored */
                mu_lg_marks_acknowledged(&mu_lg_worker_device(worker, conn->request.device)->marks,
                                         conn->request.bucket);
        count_answer(worker, conn,
                     status / 100 == 2   ? MU_LG_MALFORMED_2XX
                     : status / 100 == 4 ? MU_LG_MALFORMED_4XX
                     : status / 100 == 5 ? MU_LG_MALFORMED_5XX
                                         : MU_LG_MALFORMED_OTHER,
                     status);
}

static void on_failure(struct mu_lg_worker *worker, struct mu_lg_conn *conn,
                       enum mu_lg_failure reason, uint64_t now_ns)
{
        (void)now_ns;
        if (!conn->raw)
                return;
        if (reason == MU_LG_FAILURE_CONNECT || reason == MU_LG_FAILURE_TLS)
                mu_lg_add(&worker->stats.counters.failures[reason], 1);
        count_answer(worker, conn,
                     reason == MU_LG_FAILURE_TIMEOUT ? MU_LG_MALFORMED_SILENT
                     : reason == MU_LG_FAILURE_PROTOCOL || reason == MU_LG_FAILURE_CONNECT
                             ? MU_LG_MALFORMED_OTHER
                             : MU_LG_MALFORMED_CLOSED,
                     0);
}

static bool finished(struct mu_lg_worker *worker, uint64_t now_ns)
{
        const struct malformed *state = worker->state;

        return now_ns >= worker->run->end_ns || state->left == 0 || state->exhausted;
}

static void done(struct mu_lg_worker *worker)
{
        struct malformed *state = worker->state;

        if (!state)
                return;
        free(state->room);
        free(state->acted_ns);
        free(state->dripped);
        free(state);
        worker->state = NULL;
}

const struct mu_lg_scenario mu_lg_scenario_malformed = {
        .name = "malformed",
        .start = start,
        .pump = pump,
        .on_reply = on_reply,
        .on_failure = on_failure,
        .finished = finished,
        .done = done,
};
