/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake.h - what other threads hand to the dispatcher, and how. Private to the dispatcher's files.
 *
 * Threads    take_message: loops. take_report: outbound. take_device: loops. The rest: the
 *            dispatcher's thread.
 * Ownership  What is handed over is copied; items belong to the dispatcher until dropped. A try
 *            belongs to FCM until its final report, which lies in it.
 * Errors     a full intake is an answer: false.
 */
#ifndef MUSTER_CONTROL_COMMAND_INTAKE_H
#define MUSTER_CONTROL_COMMAND_INTAKE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/websocket.h"
#include "muster/compiler.h"
#include "outbound/fcm.h"

struct mu_device;
struct mu_dispatcher;

enum mu_intake_limits {
        MU_NOTE_TEXT_BYTES = 256,
};

/* A message of a device. */
struct mu_inbound {
        struct mu_inbound *next;
        struct mu_device *device;
        struct mu_ws_handle from;
        json_t *body; /* NULL: not parsed yet */
        int64_t command_id;
        bool is_result;
        size_t bytes;
        char data[];
};

struct mu_inbound_list {
        struct mu_inbound *head;
        struct mu_inbound *tail;
};

/* What FCM reported. */
struct mu_fcm_note {
        struct mu_fcm_note *next;
        struct mu_fcm_try *try;
        enum mu_fcm_outcome outcome;
        uint32_t fcm_attempt; /* of this message, from 1 */
        uint32_t number;      /* of the ledger; 0: not numbered yet */
        int http_status;
        int64_t latency_us;
        int64_t retry_at_us; /* 0: none */
        char message_id[MU_NOTE_TEXT_BYTES];
        char error[MU_NOTE_TEXT_BYTES];
};

/* A message in FCM's hand. */
struct mu_fcm_try {
        struct mu_dispatcher *dispatcher;
        struct mu_device *device;
        int64_t command_id;
        uint32_t attempt; /* of the ledger, that the next report is about */
        bool nudge;
        struct mu_fcm_note last; /* the final report: it can't be lost for want of memory */
        char token[];
};

struct mu_fcm_notes {
        struct mu_fcm_note *head;
        struct mu_fcm_note *tail;
};

MU_MUST_CHECK
bool mu_dispatcher_take_message(void *ctx, struct mu_device *device, struct mu_ws_handle from,
                                const char *data, size_t bytes);
void mu_dispatcher_take_report(void *ctx, const struct mu_fcm_report *report); /* ctx: the try */
void mu_dispatcher_take_device(void *ctx, struct mu_device *device);
/* Moves what came to the thread's own lists; false: time to stop. */
MU_MUST_CHECK
bool mu_dispatcher_take_intake(struct mu_dispatcher *dispatcher);
/* Sleeps until something comes, or wait_ms have passed. */
void mu_dispatcher_sleep(struct mu_dispatcher *dispatcher, uint64_t wait_ms);
/* The message was dealt with. */
void mu_dispatcher_drop_message(struct mu_dispatcher *dispatcher, struct mu_inbound *message);
void mu_dispatcher_drop_note(struct mu_fcm_note *note); /* a final one: the try with it */
void mu_dispatcher_free_intake(struct mu_dispatcher *dispatcher);

#endif
