/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake.c - what other threads bring to the dispatcher: bounded, copied, under one short lock.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/wait.h"
#include "control/command/dispatcher_private.h"
#include "identity/device_table.h"

/* ---- changed devices ---- */

void mu_dispatcher_changed(struct mu_dispatcher *dispatcher, const int64_t *device_ids,
                           size_t count)
{
        if (!dispatcher || count == 0)
                return;
        pthread_mutex_lock(&dispatcher->lock);
        if (count > MU_DISPATCH_CHANGED_MAX - dispatcher->changed_count) {
                dispatcher->changed_all = true;
                dispatcher->changed_count = 0;
        } else if (!dispatcher->changed_all) {
                memcpy(dispatcher->changed + dispatcher->changed_count, device_ids,
                       count * sizeof(*device_ids));
                dispatcher->changed_count += count;
        }
        pthread_cond_signal(&dispatcher->wake);
        pthread_mutex_unlock(&dispatcher->lock);
}

void mu_dispatcher_take_device(void *ctx, struct mu_device *device)
{
        mu_dispatcher_changed(ctx, &device->id, 1);
}

/* ---- devices' messages ---- */

bool mu_dispatcher_take_message(void *ctx, struct mu_device *device, struct mu_ws_handle from,
                                const char *data, size_t bytes)
{
        struct mu_dispatcher *dispatcher = ctx;
        struct mu_inbound *message = malloc(sizeof(*message) + bytes);

        if (!message)
                return false;
        *message = (struct mu_inbound){.device = device, .from = from, .bytes = bytes};
        memcpy(message->data, data, bytes);
        pthread_mutex_lock(&dispatcher->lock);
        bool room = dispatcher->inbound_count < MU_DISPATCH_INBOUND_MAX &&
                    bytes <= MU_DISPATCH_INBOUND_BYTES_MAX - dispatcher->inbound_bytes;

        if (room) {
                if (dispatcher->arrived.tail)
                        dispatcher->arrived.tail->next = message;
                else
                        dispatcher->arrived.head = message;
                dispatcher->arrived.tail = message;
                dispatcher->inbound_count++;
                dispatcher->inbound_bytes += bytes;
                pthread_cond_signal(&dispatcher->wake);
        }
        pthread_mutex_unlock(&dispatcher->lock);
        if (!room)
                free(message);
        return room;
}

void mu_dispatcher_drop_message(struct mu_dispatcher *dispatcher, struct mu_inbound *message)
{
        pthread_mutex_lock(&dispatcher->lock);
        dispatcher->inbound_count--;
        dispatcher->inbound_bytes -= message->bytes;
        pthread_mutex_unlock(&dispatcher->lock);
        json_decref(message->body);
        free(message);
}

/* ---- FCM's reports, on the outbound thread ---- */

void mu_dispatcher_take_report(void *ctx, const struct mu_fcm_report *report)
{
        struct mu_fcm_try *try = ctx;
        struct mu_dispatcher *dispatcher = try->dispatcher;
        bool final = report->outcome != MU_FCM_WILL_RETRY;
        struct mu_fcm_note *note = final ? &try->last : malloc(sizeof(*note));

        if (!note)
                return; /* the attempt stays 'started' in the books */
        *note = (struct mu_fcm_note){
                .try = try,
                .outcome = report->outcome,
                .fcm_attempt = report->attempt,
                .http_status = report->http_status,
                .latency_us = (int64_t)report->latency_us,
        };
        if (!final)
                note->retry_at_us = mu_clock_realtime_us(dispatcher->config.clock) +
                                    report->retry_in_ms * MU_US_PER_MS;
        (void)snprintf(note->message_id, sizeof(note->message_id), "%s", report->message_id);
        (void)snprintf(note->error, sizeof(note->error), "%s%s%s", report->error_code,
                       *report->error_code ? ": " : "", report->error);
        pthread_mutex_lock(&dispatcher->lock);
        if (dispatcher->reported.tail)
                dispatcher->reported.tail->next = note;
        else
                dispatcher->reported.head = note;
        dispatcher->reported.tail = note;
        pthread_cond_signal(&dispatcher->wake);
        pthread_mutex_unlock(&dispatcher->lock);
}

void mu_dispatcher_drop_note(struct mu_fcm_note *note)
{
        struct mu_fcm_try *try = note->try;

        if (note == &try->last)
                free(try);
        else
                free(note);
}

/* ---- the thread's side ---- */

static void append_inbound(struct mu_inbound_list *to, struct mu_inbound_list *from)
{
        if (!from->head)
                return;
        if (to->tail)
                to->tail->next = from->head;
        else
                to->head = from->head;
        to->tail = from->tail;
        *from = (struct mu_inbound_list){0};
}

static void append_notes(struct mu_fcm_notes *to, struct mu_fcm_notes *from)
{
        if (!from->head)
                return;
        if (to->tail)
                to->tail->next = from->head;
        else
                to->head = from->head;
        to->tail = from->tail;
        *from = (struct mu_fcm_notes){0};
}

bool mu_dispatcher_take_intake(struct mu_dispatcher *dispatcher)
{
        pthread_mutex_lock(&dispatcher->lock);
        append_inbound(&dispatcher->inbound, &dispatcher->arrived);
        append_notes(&dispatcher->notes, &dispatcher->reported);
        if (dispatcher->changed_all)
                dispatcher->everything = true;
        for (size_t i = 0; i < dispatcher->changed_count; i++)
                mu_dispatcher_look(dispatcher, dispatcher->changed[i]);
        dispatcher->changed_all = false;
        dispatcher->changed_count = 0;
        bool go_on = !dispatcher->stopping;

        pthread_mutex_unlock(&dispatcher->lock);
        return go_on;
}

static bool something_came(const struct mu_dispatcher *dispatcher)
{
        return dispatcher->changed_all || dispatcher->changed_count > 0 ||
               dispatcher->arrived.head || dispatcher->reported.head || dispatcher->stopping;
}

void mu_dispatcher_sleep(struct mu_dispatcher *dispatcher, uint64_t wait_ms)
{
        uint64_t deadline_ns = mu_wait_deadline_ns(wait_ms);

        pthread_mutex_lock(&dispatcher->lock);
        while (!something_came(dispatcher) &&
               mu_wait_until(&dispatcher->wake, &dispatcher->lock, deadline_ns))
                ;
        pthread_mutex_unlock(&dispatcher->lock);
}

void mu_dispatcher_free_intake(struct mu_dispatcher *dispatcher)
{
        struct mu_inbound *message;
        struct mu_fcm_note *note;

        append_inbound(&dispatcher->inbound, &dispatcher->arrived);
        append_inbound(&dispatcher->inbound, &dispatcher->receipts);
        append_inbound(&dispatcher->inbound, &dispatcher->results);
        append_notes(&dispatcher->notes, &dispatcher->reported);
        while ((message = dispatcher->inbound.head)) {
                dispatcher->inbound.head = message->next;
                mu_dispatcher_drop_message(dispatcher, message);
        }
        while ((note = dispatcher->notes.head)) {
                dispatcher->notes.head = note->next;
                mu_dispatcher_drop_note(note);
        }
        free(dispatcher->changed);
}
