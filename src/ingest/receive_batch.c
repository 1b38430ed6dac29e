/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "ingest/frontend_private.h"

static struct mu_batch_wait *take_wait(struct mu_frontend *frontend)
{
        struct mu_batch_wait *wait = frontend->batches_free;

        if (wait)
                frontend->batches_free = wait->next_free;
        return wait;
}

static void give_back(struct mu_frontend *frontend, struct mu_batch_wait *wait)
{
        wait->next_free = frontend->batches_free;
        frontend->batches_free = wait;
}

/* The newest ts of a batch whose items do not all fit the window with the remembered offset, or
 * MU_TIME_ABSENT when they do. Looks at all of them before any is accepted, so that the offset does
 * not depend on their order. */
static int64_t newest_if_astray(struct mu_frontend *frontend, int64_t received_at_us,
                                int32_t remembered_s)
{
        int64_t newest_us = MU_TIME_ABSENT;
        bool astray = false;
        struct mu_heartbeat heartbeat;
        struct mu_wire_problem problem;
        int got;

        while ((got = mu_decode_batch_next(frontend->decoder, &heartbeat, &problem)) != 0) {
                if (got < 0)
                        continue;
                int64_t observed_at_us = heartbeat.ts_us + remembered_s * MU_US_PER_S;

                if (!mu_time_in_window(&frontend->shared->window, received_at_us, observed_at_us))
                        astray = true;
                if (heartbeat.ts_us > newest_us)
                        newest_us = heartbeat.ts_us;
        }
        return astray ? newest_us : MU_TIME_ABSENT;
}

/* Decodes the batch and leaves the decoder before its first item. 0, or -EBADMSG. */
static int open_batch(struct mu_frontend *frontend, struct mu_device *device, struct mu_slice body,
                      struct mu_acceptance *how, uint32_t *ret_item_count,
                      struct mu_wire_problem *ret_problem)
{
        int64_t sent_at_us;
        int error = mu_decode_batch(frontend->decoder, body.data, body.bytes, ret_item_count,
                                    &sent_at_us, ret_problem);

        if (error < 0)
                return error;
        int32_t remembered_s = atomic_load_explicit(&device->clock_offset_s, memory_order_relaxed);

        if (sent_at_us == MU_TIME_ABSENT) {
                sent_at_us = newest_if_astray(frontend, how->received_at_us, remembered_s);
                mu_decode_batch_rewind(frontend->decoder);
        }
        how->clock_offset_s = sent_at_us == MU_TIME_ABSENT
                                      ? remembered_s
                                      : mu_frontend_clock_offset(frontend, device,
                                                                 how->received_at_us, sent_at_us);
        return 0;
}

/* Accepts the items one by one; those that wait are counted in wait->outstanding. */
static void accept_items(struct mu_frontend *frontend, struct mu_batch_wait *wait,
                         const struct mu_acceptance *how)
{
        struct mu_heartbeat heartbeat;
        struct mu_wire_problem problem;
        struct mu_waiting *waiting;

        for (uint32_t item = 0; item < wait->item_count; item++) {
                int got = mu_decode_batch_next(frontend->decoder, &heartbeat, &problem);

                MU_ASSERT(got != 0);
                if (got < 0) {
                        wait->status[item] = MU_ITEM_REJECTED;
                        wait->reason[item] = (uint8_t)problem.reason;
                        mu_cell_add(&frontend->cells->rejected[problem.reason], 1);
                        continue;
                }
                switch (mu_frontend_accept(frontend, wait->device, &heartbeat, how, &waiting)) {
                case MU_ACCEPT_WAITING:
                        waiting->batch = wait;
                        waiting->item = item;
                        wait->outstanding++;
                        break;
                case MU_ACCEPT_DUPLICATE:
                        wait->status[item] = MU_ITEM_DUPLICATE;
                        break;
                case MU_ACCEPT_WINDOW:
                        wait->status[item] = MU_ITEM_REJECTED;
                        wait->reason[item] = MU_REASON_TS_WINDOW;
                        mu_cell_add(&frontend->cells->rejected[MU_REASON_TS_WINDOW], 1);
                        break;
                case MU_ACCEPT_SHED:
                        wait->status[item] = MU_ITEM_SHED;
                        wait->shed_count++;
                        break;
                }
        }
}

static void reply_batch(struct mu_frontend *frontend, struct mu_request *request,
                        const struct mu_batch_wait *wait)
{
        struct mu_text text;

        mu_text_init_fixed(&text, frontend->batch_reply, MU_REPLY_BATCH_BYTES_MAX);
        mu_reply_batch_open(&text);
        for (uint32_t i = 0; i < wait->item_count; i++)
                mu_reply_batch_item(&text, i, wait->status[i], wait->reason[i]);
        mu_reply_batch_close(&text);
        MU_ASSERT(mu_text_status(&text) == 0);
        if (wait->shed_count > 0)
                mu_reply_retry_after(request, mu_frontend_retry_after_s(frontend, wait->device));
        mu_reply_json(request, 200, text.data, text.bytes);
}

void mu_frontend_batch_resolved(struct mu_frontend *frontend, const struct mu_waiting *waiting,
                                bool durable)
{
        struct mu_batch_wait *wait = waiting->batch;

        MU_ASSERT(wait->outstanding > 0);
        wait->status[waiting->item] = durable ? MU_ITEM_STORED : MU_ITEM_SHED;
        if (!durable)
                wait->shed_count++;
        if (--wait->outstanding > 0)
                return;
        struct mu_request *request = mu_pending_request(wait->pending);

        if (request)
                reply_batch(frontend, request, wait);
        else
                mu_cell_add(&frontend->cells->abandoned, 1);
        give_back(frontend, wait);
}

void mu_frontend_receive_batch(struct mu_request *request, void *ctx)
{
        struct mu_frontend *frontend = mu_frontend_of(request);
        struct mu_device *device = mu_frontend_authenticate(frontend, request);
        struct mu_wire_problem problem;
        uint32_t item_count;

        (void)ctx;
        if (!device || !mu_frontend_expect_json(request))
                return;
        struct mu_batch_wait *wait = take_wait(frontend);

        if (!wait) {
                mu_cell_add(&frontend->cells->shed[MU_SHED_WAITING_FULL], 1);
                mu_frontend_reply_shed(frontend, request, device,
                                       "Too many batches are under way; keep this one and send it "
                                       "again.");
                return;
        }
        struct mu_acceptance how = {
                .received_at_us = mu_request_received_at_us(request),
                .backlog = true,
                .quarantined = mu_device_state(device) == MU_DEVICE_QUARANTINED,
        };

        if (open_batch(frontend, device, mu_request_body(request), &how, &item_count, &problem) <
            0) {
                mu_frontend_reply_problem(frontend, request, &problem);
                give_back(frontend, wait);
                return;
        }
        wait->device = device;
        wait->item_count = item_count;
        wait->outstanding = 0;
        wait->shed_count = 0;
        accept_items(frontend, wait, &how);
        if (wait->outstanding > 0) {
                wait->pending = mu_request_defer(request);
                return;
        }
        reply_batch(frontend, request, wait);
        give_back(frontend, wait);
}
