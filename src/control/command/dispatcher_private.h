/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatcher_private.h - what dispatcher.c, intake.c, delivery*.c share. Nobody else includes it.
 *
 *   intake (any thread, under its lock) ─ taken at each step ─▶ the dispatcher thread's own lists
 *
 * A step: closed channels of deleted devices, FCM's reports, devices' messages, what is due again,
 * then one chunk of the devices to look at. A statement that fails ends the step: the
 * connection goes back, what was not done stays on its list, and everything is looked at again.
 */
#ifndef MUSTER_CONTROL_COMMAND_DISPATCHER_PRIVATE_H
#define MUSTER_CONTROL_COMMAND_DISPATCHER_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/random.h"
#include "control/command/device_channel.h"
#include "control/command/dispatcher.h"
#include "control/command/intake.h"
#include "control/command/ledger.h"
#include "control/command/resend.h"
#include "metrics/metrics.h"
#include "muster/compiler.h"

struct mu_device;
struct mu_pg;

enum mu_dispatcher_limits {
        MU_DISPATCH_CHUNK = 1000,        /* devices, or messages, of one statement */
        MU_DISPATCH_RESULTS = 100,       /* of a step, in one transaction */
        MU_DISPATCH_CHANGED_MAX = 65536, /* ids noted between two steps; then: everything */
        MU_DISPATCH_TODO_MAX = 1 << 20,
        MU_DISPATCH_INBOUND_MAX = 65536, /* messages of devices that wait */
        MU_DISPATCH_INBOUND_BYTES_MAX = 32 * 1024 * 1024,
};

/* What this process knows of a device's newest push. Lost with it: the ledger knows the rest. */
struct mu_delivery_slot {
        int64_t command_id;                 /* 0: none */
        int64_t in_fcm_id;                  /* the command that FCM has in hand; 0: none */
        uint64_t due_ms;                    /* when to send it again */
        uint64_t timer_ms;                  /* the earliest timer of the device; 0: none */
        uint8_t path;                       /* enum mu_command_path */
};

enum mu_send_result {
        MU_SEND_OK,
        MU_SEND_FAILED,
        MU_SEND_UNREGISTERED,
        MU_SEND_RESULTS,
};

struct mu_dispatcher_metrics {
        struct mu_cell pending;
        struct mu_cell sends[MU_COMMAND_PATH_COUNT][MU_SEND_RESULTS];
        struct mu_cell bad_messages;
        struct mu_cell receipts;
        struct mu_cell results;
        struct mu_cell outages;
        struct mu_cell everything;
        struct mu_histogram *lag_us;
        pthread_mutex_t lock; /* the two below are told by several threads */
        struct mu_cell delivered[MU_COMMAND_PATH_COUNT];
        struct mu_histogram *delivery_us[MU_COMMAND_PATH_COUNT];
};

struct mu_dispatcher {
        struct mu_dispatcher_config config;
        struct mu_channels *channels;
        struct mu_command_counts *counts; /* NULL: not counted */
        struct mu_dispatcher_metrics metrics;
        pthread_t thread;
        bool started;

        /* Intake: any thread, under lock. */
        pthread_mutex_t lock;
        pthread_cond_t wake;
        int64_t *changed; /* MU_DISPATCH_CHANGED_MAX */
        size_t changed_count;
        bool changed_all;
        bool stopping;
        struct mu_inbound_list arrived;
        size_t inbound_count; /* arrived and taken, not yet done */
        size_t inbound_bytes;
        struct mu_fcm_notes reported;

        /* The thread's own. */
        struct mu_pg *pg; /* NULL: away */
        uint64_t tuned;   /* the connection's generation that has our settings; 0: none */
        struct mu_backoff backoff;
        struct mu_random random;
        uint64_t connect_ms; /* not before */
        bool away;           /* told */
        bool everything;
        struct mu_inbound_list inbound; /* not looked at yet */
        struct mu_inbound_list receipts;
        struct mu_inbound_list results;
        uint32_t results_alone; /* so many go in a transaction of their own */
        struct mu_fcm_notes notes;
        int64_t *todo; /* device ids */
        size_t todo_count;
        size_t todo_at;
        size_t todo_room;
        struct mu_delivery_slot *slots; /* [device index] */
        size_t slot_count;
        struct mu_resend resend;
        uint64_t sweep_ms;
};

static inline uint64_t mu_dispatcher_now_ms(const struct mu_dispatcher *dispatcher)
{
        return mu_clock_monotonic_ns(dispatcher->config.clock) / (uint64_t)MU_NS_PER_MS;
}

/* dispatcher.c: one round of work; how long the thread may sleep then, in ms. For tests too. */
uint64_t mu_dispatcher_step(struct mu_dispatcher *dispatcher);
/* The thread's: looks at this device in a later chunk. */
void mu_dispatcher_look(struct mu_dispatcher *dispatcher, int64_t device_id);
void mu_dispatcher_count_pending(struct mu_dispatcher *dispatcher, struct mu_device *device,
                                 uint32_t count);

/* inbound.c: devices' messages, as many as fit one round. 0 or a negative errno of pg/error.h. */
MU_MUST_CHECK
int mu_dispatcher_run_inbound(struct mu_dispatcher *dispatcher);

bool mu_dispatcher_has_inbound(const struct mu_dispatcher *dispatcher);

/* delivery.c: looks at these devices (up to MU_DISPATCH_CHUNK, each once): counts, sends. */
MU_MUST_CHECK
int mu_delivery_look(struct mu_dispatcher *dispatcher, const int64_t *device_ids, size_t count);
/* The device's slot, or NULL (no memory). */
struct mu_delivery_slot *mu_delivery_slot(struct mu_dispatcher *dispatcher,
                                          const struct mu_device *device);
/* Sees that the device is looked at no later than due_ms. */
void mu_delivery_remind(struct mu_dispatcher *dispatcher, struct mu_device *device,
                        uint64_t due_ms);
uint64_t mu_delivery_wait_ms(const struct mu_dispatcher *dispatcher, enum mu_command_path path,
                             uint32_t attempt);

/* delivery_fcm.c: hands a marked command over. 0: a report will come; else why it is not sent. */
MU_MUST_CHECK
int mu_delivery_fcm_send(struct mu_dispatcher *dispatcher, struct mu_device *device,
                         const struct mu_ledger_command *command, uint32_t attempt, bool nudge);
/* Books what FCM reported. 0 or a negative errno of pg/error.h. */
MU_MUST_CHECK
int mu_delivery_run_notes(struct mu_dispatcher *dispatcher);

/* delivery_sql.c: opens the attempt after a first one that FCM itself repeats. */
MU_MUST_CHECK
int mu_delivery_next_attempt(struct mu_pg *pg, struct mu_ledger_key key, enum mu_command_path path,
                             uint32_t *ret_attempt);

/* delivery_metrics.c */
MU_MUST_CHECK
int mu_dispatcher_metrics_create(struct mu_dispatcher *dispatcher);
void mu_dispatcher_metrics_destroy(struct mu_dispatcher *dispatcher);
/* A command came into a state: counted, and told to whoever watches. type NULL: not known. */
void mu_dispatcher_tell(struct mu_dispatcher *dispatcher, int64_t device_id, int64_t command_id,
                        enum mu_command_state state, const struct mu_command_type *type);

#endif
