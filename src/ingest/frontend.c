/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/frontend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/qsbr.h"
#include "ingest/frontend_private.h"
#include "muster/histogram.h"

static const struct mu_route routes[] = {
        {.method = "POST",
         .path = MU_PATH_HEARTBEAT,
         .handle = mu_frontend_receive_heartbeat,
         .flags = MU_ROUTE_DATA_PLANE,
         .body_bytes_max = MU_BODY_BYTES_MAX,
         .auth = MU_AUTH_DEVICE,
         .operation_id = "sendHeartbeat"},
        {.method = "POST",
         .path = MU_PATH_HEARTBEATS,
         .handle = mu_frontend_receive_batch,
         .flags = MU_ROUTE_DATA_PLANE,
         .body_bytes_max = MU_BODY_BYTES_MAX,
         .auth = MU_AUTH_DEVICE,
         .operation_id = "sendHeartbeats"},
};

const struct mu_route *const mu_frontend_routes = routes;
const size_t mu_frontend_route_count = MU_COUNT_OF(routes);

/* ---- accepting ---- */

int32_t mu_frontend_clock_offset(struct mu_frontend *frontend, struct mu_device *device,
                                 int64_t received_at_us, int64_t sent_at_us)
{
        int32_t remembered_s = atomic_load_explicit(&device->clock_offset_s, memory_order_relaxed);
        int32_t offset_s = mu_clock_offset_measure(remembered_s, received_at_us, sent_at_us);

        if (offset_s != remembered_s) {
                atomic_store_explicit(&device->clock_offset_s, offset_s, memory_order_relaxed);
                mu_device_table_note(frontend->shared->devices, device, MU_EVENT_CLOCK_OFFSET);
        }
        return offset_s;
}

static void count_invalid(struct mu_frontend *frontend, uint32_t invalid)
{
        for (; invalid; invalid &= invalid - 1)
                mu_cell_add(&frontend->cells->invalid[__builtin_ctz(invalid)], 1);
}

/* Writes the record into the port. The caller made sure that there is a waiting place. */
static bool commit(struct mu_frontend *frontend, const struct mu_device *device,
                   const struct mu_heartbeat *heartbeat, const struct mu_acceptance *how,
                   int64_t observed_at_us, int64_t bucket_s)
{
        uint32_t bytes = mu_record_bytes(heartbeat->record);
        struct mu_record *record = mu_port_reserve(frontend->port, bytes);

        if (!record)
                return false;
        memcpy(record, heartbeat->record, bytes);
        record->device_id = device->id;
        record->received_at_us = how->received_at_us;
        record->observed_at_us = observed_at_us;
        record->bucket_s = bucket_s;
        record->clock_offset_s = how->clock_offset_s;
        if (how->clock_offset_s != 0)
                record->flags |= MU_RECORD_CLOCK_SKEWED;
        if (how->quarantined)
                record->flags |= MU_RECORD_QUARANTINED;
        if (how->backlog)
                record->flags |= MU_RECORD_BACKLOG;
        uint64_t ticket = mu_port_commit(frontend->port);

        MU_ASSERT(ticket == frontend->committed + 1);
        frontend->committed = ticket;
        return true;
}

enum mu_accept mu_frontend_accept(struct mu_frontend *frontend, struct mu_device *device,
                                  const struct mu_heartbeat *heartbeat,
                                  const struct mu_acceptance *how, struct mu_waiting **ret_waiting)
{
        struct mu_frontend_cells *cells = frontend->cells;
        int64_t observed_at_us = heartbeat->ts_us + how->clock_offset_s * MU_US_PER_S;

        if (!mu_time_in_window(&frontend->shared->window, how->received_at_us, observed_at_us))
                return MU_ACCEPT_WINDOW;
        int64_t bucket_s = mu_time_bucket_s(observed_at_us);

        if (heartbeat->invalid)
                count_invalid(frontend, heartbeat->invalid);
        if (mu_dedupe_seen(frontend->shared->dedupe, device->index, bucket_s)) {
                mu_cell_add(&cells->duplicates, 1);
                return MU_ACCEPT_DUPLICATE;
        }
        if (frontend->committed - frontend->resolved > frontend->waiting_mask) {
                mu_cell_add(&cells->shed[MU_SHED_WAITING_FULL], 1);
                return MU_ACCEPT_SHED;
        }
        if (!commit(frontend, device, heartbeat, how, observed_at_us, bucket_s)) {
                mu_cell_add(&cells->shed[MU_SHED_RING_FULL], 1);
                return MU_ACCEPT_SHED;
        }
        if (how->clock_offset_s != 0)
                mu_cell_add(&cells->skewed, 1);
        if (how->quarantined)
                mu_cell_add(&cells->quarantined, 1);
        if (how->received_at_us - observed_at_us > MU_LATE_US)
                mu_cell_add(&cells->late, 1);
        struct mu_waiting *waiting =
                &frontend->waiting[frontend->committed & frontend->waiting_mask];

        *waiting = (struct mu_waiting){
                .device = device, .bucket_s = bucket_s, .invalid = heartbeat->invalid};
        *ret_waiting = waiting;
        return MU_ACCEPT_WAITING;
}

/* ---- answering ---- */

uint32_t mu_frontend_retry_after_s(struct mu_frontend *frontend, struct mu_device *device)
{
        uint32_t least_s =
                atomic_load_explicit(&frontend->shared->retry_after_s, memory_order_relaxed);

        if (!device)
                return least_s;
        uint32_t retry_after_s = mu_retry_after_spread_s(least_s, device->id);

        atomic_store_explicit(&device->announced_s, retry_after_s, memory_order_relaxed);
        return retry_after_s;
}

void mu_frontend_reply_shed(struct mu_frontend *frontend, struct mu_request *request,
                            struct mu_device *device, const char *why)
{
        mu_reply_problem_retry(request, 503, "overloaded",
                               mu_frontend_retry_after_s(frontend, device), "%s", why);
}

void mu_frontend_reply_problem(struct mu_frontend *frontend, struct mu_request *request,
                               const struct mu_wire_problem *problem)
{
        mu_cell_add(&frontend->cells->rejected[problem->reason], 1);
        mu_reply_problem(request, problem->status, problem->type, problem->field, "%s",
                         problem->detail);
}

void mu_frontend_reply_heartbeat(struct mu_frontend *frontend, struct mu_request *request,
                                 struct mu_device *device, uint32_t invalid, bool duplicate)
{
        char buffer[MU_REPLY_HEARTBEAT_BYTES_MAX];
        struct mu_text text;
        int64_t now_us = mu_loop_now_us(frontend->loop);
        uint32_t interval_s = atomic_load_explicit(&device->interval_s, memory_order_relaxed);
        struct mu_heartbeat_reply reply = {
                .server_time_us = now_us,
                .duplicate = duplicate,
                .invalid = invalid,
        };

        if (interval_s == 0)
                interval_s = frontend->shared->heartbeat_interval_s;
        reply.next_heartbeat_in_s = mu_next_heartbeat_s(device->id, interval_s, now_us);
        if (mu_device_state(device) != MU_DEVICE_QUARANTINED)
                reply.commands =
                        atomic_load_explicit(&device->commands_pending, memory_order_relaxed);
        atomic_store_explicit(&device->announced_s, reply.next_heartbeat_in_s,
                              memory_order_relaxed);
        mu_text_init_fixed(&text, buffer, sizeof(buffer));
        mu_reply_heartbeat(&text, &reply);
        MU_ASSERT(mu_text_status(&text) == 0);
        mu_reply_json(request, duplicate ? 200 : 202, text.data, text.bytes);
}

static void resolve(struct mu_frontend *frontend, const struct mu_waiting *waiting, bool durable)
{
        if (durable) {
                /* Only now: a mark before the fdatasync could answer for a record that is lost. */
                mu_dedupe_mark(frontend->shared->dedupe, waiting->device->index, waiting->bucket_s);
                mu_cell_add(&frontend->cells->acknowledged, 1);
        } else {
                mu_cell_add(&frontend->cells->shed[MU_SHED_NOT_DURABLE], 1);
        }
        if (waiting->batch) {
                mu_frontend_batch_resolved(frontend, waiting, durable);
                return;
        }
        struct mu_request *request = mu_pending_request(waiting->pending);

        if (!request)
                mu_cell_add(&frontend->cells->abandoned, 1);
        else if (durable)
                mu_frontend_reply_heartbeat(frontend, request, waiting->device, waiting->invalid,
                                            false);
        else
                mu_frontend_reply_shed(frontend, request, waiting->device,
                                       "The journal could not write this heartbeat; keep it and "
                                       "send it again.");
}

/* The journal resolved some tickets: answer them, in order. */
static void on_verdicts(void *ctx)
{
        struct mu_frontend *frontend = ctx;
        struct mu_port_verdict verdict;

        while (mu_port_poll(frontend->port, &verdict)) {
                MU_ASSERT(verdict.first == frontend->resolved + 1);
                MU_ASSERT(verdict.last <= frontend->committed);
                while (frontend->resolved < verdict.last) {
                        /* A reply can let the next pipelined request in, which takes a place
                         * further on: this one is free only after it was answered. */
                        const struct mu_waiting waiting =
                                frontend->waiting[(frontend->resolved + 1) &
                                                  frontend->waiting_mask];

                        resolve(frontend, &waiting, verdict.durable);
                        frontend->resolved++;
                }
        }
}

/* ---- lifecycle ---- */

static void wait_begins(void *ctx)
{
        struct mu_frontend *frontend = ctx;

        mu_qsbr_offline(frontend->reader);
}

static void wait_ended(void *ctx)
{
        struct mu_frontend *frontend = ctx;

        mu_qsbr_online(frontend->reader);
}

static void register_counters(struct mu_frontend *frontend, struct mu_metrics *metrics)
{
        static const char *const shed_reasons[] = {"ring_full", "waiting_full", "not_durable"};
        static const char *const refusals[] = {"token_missing",   "token_unknown",
                                               "token_undecided", "device_deleted",
                                               "device_deleting", "rate_limited"};
        const struct mu_frontend_cells *cells = frontend->cells;

        mu_metrics_counter(metrics, "muster_heartbeats_acknowledged_total",
                           "Heartbeats durable in the journal and answered so.", MU_NO_LABELS,
                           &cells->acknowledged);
        mu_metrics_counter(metrics, "muster_heartbeats_duplicate_total",
                           "Heartbeats acknowledged before, found in the dedupe cache.",
                           MU_NO_LABELS, &cells->duplicates);
        mu_metrics_counter(metrics, "muster_heartbeats_late_total",
                           "Heartbeats accepted more than 10 minutes after they were observed.",
                           MU_NO_LABELS, &cells->late);
        mu_metrics_counter(metrics, "muster_heartbeats_skewed_total",
                           "Heartbeats accepted with a corrected device clock.", MU_NO_LABELS,
                           &cells->skewed);
        mu_metrics_counter(metrics, "muster_heartbeats_quarantined_total",
                           "Heartbeats accepted from devices under suspicion of being a clone.",
                           MU_NO_LABELS, &cells->quarantined);
        mu_metrics_counter(metrics, "muster_clones_detected_total",
                           "Devices put in quarantine because two machines use one token.",
                           MU_NO_LABELS, &cells->clones);
        mu_metrics_counter(metrics, "muster_heartbeats_abandoned_total",
                           "Replies whose client had gone before the journal was done.",
                           MU_NO_LABELS, &cells->abandoned);
        for (size_t i = 0; i < MU_COUNT_OF(shed_reasons); i++)
                mu_metrics_counter(metrics, "muster_heartbeats_shed_total",
                                   "Heartbeats answered 503: try again later.",
                                   MU_LABELS({"reason", shed_reasons[i]}), &cells->shed[i]);
        for (size_t i = 0; i < MU_COUNT_OF(refusals); i++)
                mu_metrics_counter(metrics, "muster_device_requests_refused_total",
                                   "Requests refused for their token.",
                                   MU_LABELS({"reason", refusals[i]}), &cells->refused[i]);
        for (int i = 0; i < MU_REASON_COUNT; i++)
                mu_metrics_counter(metrics, "muster_heartbeats_rejected_total",
                                   "Heartbeats and batches refused for what they say.",
                                   MU_LABELS({"reason", mu_reason_type((enum mu_wire_reason)i)}),
                                   &cells->rejected[i]);
        for (unsigned i = 0; i < MU_FIELD_COUNT; i++)
                mu_metrics_counter(metrics, "muster_heartbeat_invalid_fields_total",
                                   "Optional fields stored as NULL because they were wrong.",
                                   MU_LABELS({"field", mu_field_name(1u << i)}),
                                   &cells->invalid[i]);
        mu_metrics_histogram(metrics, "muster_heartbeat_decode_seconds",
                             "Time to decode a heartbeat; one in 16 is measured.", MU_NO_LABELS,
                             frontend->decode_ns, 1e-9, &mu_bounds_latency_s);
}

static int allocate(struct mu_frontend *frontend, uint32_t waiting_max)
{
        frontend->waiting = calloc(waiting_max, sizeof(*frontend->waiting));
        frontend->batches = calloc(MU_FRONTEND_BATCHES_MAX, sizeof(*frontend->batches));
        frontend->batch_reply = malloc(MU_REPLY_BATCH_BYTES_MAX);
        frontend->cells = aligned_alloc(MU_CACHELINE_BYTES, sizeof(*frontend->cells));
        if (!frontend->waiting || !frontend->batches || !frontend->batch_reply || !frontend->cells)
                return -ENOMEM;
        memset(frontend->cells, 0, sizeof(*frontend->cells));
        for (size_t i = 0; i < MU_FRONTEND_BATCHES_MAX; i++) {
                frontend->batches[i].next_free = frontend->batches_free;
                frontend->batches_free = &frontend->batches[i];
        }
        int error = mu_histogram_create(&frontend->decode_ns);

        if (error == 0)
                error = mu_decoder_create(&frontend->decoder);
        if (error == 0)
                error = mu_qsbr_reader_register(frontend->shared->qsbr, &frontend->reader);
        return error;
}

int mu_frontend_create(struct mu_frontend_shared *shared, struct mu_loop *loop,
                       struct mu_port *port, uint32_t waiting_max, struct mu_metrics *metrics,
                       struct mu_frontend **ret_frontend)
{
        MU_ASSERT(waiting_max > 0 && (waiting_max & (waiting_max - 1)) == 0);
        struct mu_frontend *frontend = calloc(1, sizeof(*frontend));

        if (!frontend)
                return -ENOMEM;
        *frontend = (struct mu_frontend){
                .shared = shared, .loop = loop, .port = port, .waiting_mask = waiting_max - 1};
        int error = allocate(frontend, waiting_max);

        if (error == 0)
                error = mu_loop_add_fd(loop, mu_port_eventfd(port), on_verdicts, frontend);
        if (error < 0) {
                mu_frontend_destroy(frontend);
                return error;
        }
        mu_loop_set_user(loop, frontend);
        mu_loop_set_wait_hooks(loop, wait_begins, wait_ended, frontend);
        register_counters(frontend, metrics);
        *ret_frontend = frontend;
        return 0;
}

void mu_frontend_destroy(struct mu_frontend *frontend)
{
        if (!frontend)
                return;
        if (frontend->reader)
                mu_qsbr_reader_unregister(frontend->reader);
        mu_decoder_destroy(frontend->decoder);
        mu_histogram_destroy(frontend->decode_ns);
        free(frontend->cells);
        free(frontend->batch_reply);
        free(frontend->batches);
        free(frontend->waiting);
        free(frontend);
}
