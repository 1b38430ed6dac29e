/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "identity/clone.h"
#include "ingest/frontend_private.h"
#include "muster/histogram.h"

/* Decodes; every sixteenth time also measures how long that took. */
static int decode(struct mu_frontend *frontend, struct mu_slice body,
                  struct mu_heartbeat *ret_heartbeat, struct mu_wire_problem *ret_problem)
{
        if (frontend->sampled++ % MU_FRONTEND_SAMPLE != 0)
                return mu_decode_heartbeat(frontend->decoder, body.data, body.bytes, ret_heartbeat,
                                           ret_problem);
        uint64_t began_ns = mu_loop_monotonic_exact_ns(frontend->loop);
        int error = mu_decode_heartbeat(frontend->decoder, body.data, body.bytes, ret_heartbeat,
                                        ret_problem);

        mu_histogram_record(frontend->decode_ns,
                            mu_loop_monotonic_exact_ns(frontend->loop) - began_ns);
        return error;
}

static void watch_for_clones(struct mu_frontend *frontend, struct mu_device *device,
                             const struct mu_heartbeat *heartbeat)
{
        const struct mu_record *record = heartbeat->record;
        const uint32_t needed = MU_FIELD_BOOT_ID | MU_FIELD_SEQ;
        struct mu_record_strings strings;
        uint32_t live = MU_DEVICE_LIVE;

        if ((record->present & needed) != needed)
                return;
        mu_record_strings(record, &strings);
        if (!mu_clone_observe(device, strings.boot_id, record->boot_id_bytes, heartbeat->ts_us,
                              record->seq))
                return;
        mu_cell_add(&frontend->cells->clones, 1);
        if (atomic_compare_exchange_strong(&device->state, &live, MU_DEVICE_QUARANTINED))
                mu_device_table_note(frontend->shared->devices, device, MU_EVENT_QUARANTINED);
}

/* The offset that this heartbeat is to be read with. Without sent_at the clock is measured only
 * when ts makes no sense otherwise. */
static int32_t offset_of(struct mu_frontend *frontend, struct mu_device *device,
                         const struct mu_heartbeat *heartbeat, int64_t received_at_us)
{
        int32_t remembered_s = atomic_load_explicit(&device->clock_offset_s, memory_order_relaxed);
        int64_t sent_at_us = heartbeat->sent_at_us;

        if (sent_at_us == MU_TIME_ABSENT) {
                int64_t observed_at_us = heartbeat->ts_us + remembered_s * MU_US_PER_S;

                if (mu_time_in_window(&frontend->shared->window, received_at_us, observed_at_us))
                        return remembered_s;
                sent_at_us = heartbeat->ts_us;
        }
        return mu_frontend_clock_offset(frontend, device, received_at_us, sent_at_us);
}

void mu_frontend_receive_heartbeat(struct mu_request *request, void *ctx)
{
        struct mu_frontend *frontend = mu_frontend_of(request);
        struct mu_device *device = mu_frontend_authenticate(frontend, request);
        struct mu_heartbeat heartbeat;
        struct mu_wire_problem problem;

        (void)ctx;
        if (!device || !mu_frontend_expect_json(request))
                return;
        if (decode(frontend, mu_request_body(request), &heartbeat, &problem) < 0) {
                mu_frontend_reply_problem(frontend, request, &problem);
                return;
        }
        watch_for_clones(frontend, device, &heartbeat);
        struct mu_acceptance how = {
                .received_at_us = mu_request_received_at_us(request),
                .quarantined = mu_device_state(device) == MU_DEVICE_QUARANTINED,
        };
        struct mu_waiting *waiting;

        how.clock_offset_s = offset_of(frontend, device, &heartbeat, how.received_at_us);
        switch (mu_frontend_accept(frontend, device, &heartbeat, &how, &waiting)) {
        case MU_ACCEPT_WAITING:
                waiting->pending = mu_request_defer(request);
                break;
        case MU_ACCEPT_DUPLICATE:
                mu_frontend_reply_heartbeat(frontend, request, device, heartbeat.invalid, true);
                break;
        case MU_ACCEPT_WINDOW:
                problem = (struct mu_wire_problem){
                        .status = mu_reason_status(MU_REASON_TS_WINDOW),
                        .reason = MU_REASON_TS_WINDOW,
                        .type = mu_reason_type(MU_REASON_TS_WINDOW),
                        .field = "ts",
                        .detail = mu_reason_sentence(MU_REASON_TS_WINDOW),
                };
                mu_frontend_reply_problem(frontend, request, &problem);
                break;
        case MU_ACCEPT_SHED:
                mu_frontend_reply_shed(frontend, request, device,
                                       "The appliance takes no more heartbeats at the moment; keep "
                                       "this one and send it again.");
                break;
        }
}
