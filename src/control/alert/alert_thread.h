/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_thread.h - the thread that judges the fleet: reads stamps, stored heartbeats and the
 * appliance's own facts, moves alerts through their states, and writes each transition, its
 * incident, its line in the log and its notifications in one transaction.
 *
 * It alone moves alerts and incidents. Nobody waits for it, and it never waits for anybody while
 * PostgreSQL is away: what changes meanwhile is judged again when it is back, and the outage itself
 * (database_away) is told through what the notifier remembers of the channels (notifier.h).
 *
 * Units      *_s.
 * Threads    create, start, stop, destroy: one thread. reload, wake: any.
 * Ownership  Everything pointed to is lent and outlives it.
 * Errors     negative errno from create and start; later troubles go to on_trouble.
 */
#ifndef MUSTER_CONTROL_ALERT_ALERT_THREAD_H
#define MUSTER_CONTROL_ALERT_ALERT_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_alert_thread;
struct mu_appliance_facts; /* appliance_facts.h */
struct mu_bus;
struct mu_clock;
struct mu_control;
struct mu_database;
struct mu_device_table;
struct mu_dispatcher;
struct mu_metrics;
struct mu_notifier;

struct mu_alert_config {
        struct mu_database *database;
        struct mu_device_table *devices;
        struct mu_bus *bus;
        struct mu_dispatcher *dispatcher; /* told of remediation's commands; NULL: none */
        struct mu_notifier *notifier;     /* woken after each commit; NULL: nobody */
        const struct mu_clock *clock;
        struct mu_metrics *metrics; /* NULL: not registered */
        const char *directory;      /* what must outlive a kill while PostgreSQL is away */
        uint32_t tick_ms;           /* between two looks; 0: 500 */
        uint32_t heartbeat_interval_s;
        uint32_t group_devices;  /* more than so many ... */
        uint32_t group_window_s; /* ... of a site or network within this: one incident */
        uint32_t group_wait_s;   /* a first notification waits for more of its kind */
        /* Whether frontends accept heartbeats now: time without is nobody's silence. NULL: yes. */
        bool (*listening)(void *ctx);
        /* What the appliance's own rules judge; about every 5 s. NULL: none of them. */
        void (*facts)(void *ctx, struct mu_appliance_facts *ret_facts);
        /* A sentence for the log. */
        void (*on_trouble)(void *ctx, const char *detail);
        void *ctx;
};

MU_MUST_CHECK
int mu_alert_thread_create(const struct mu_alert_config *config, struct mu_alert_thread **ret);
MU_MUST_CHECK
int mu_alert_thread_start(struct mu_alert_thread *alerts);
/* The transaction under way ends first. Not started: a no-op. */
void mu_alert_thread_stop(struct mu_alert_thread *alerts);
void mu_alert_thread_destroy(struct mu_alert_thread *alerts); /* NULL is a no-op */

/* Rules or monitoring settings were changed (after the commit): read anew. */
void mu_alert_thread_reload(struct mu_alert_thread *alerts);

#endif
