/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_thread_private.h - the alert thread's own state, for alert_thread.c (rounds),
 * alert_inputs.c (what is judged), alert_database.c (what is read and written) and alert_metrics.c.
 * Nobody else includes it.
 */
#ifndef MUSTER_CONTROL_ALERT_ALERT_THREAD_PRIVATE_H
#define MUSTER_CONTROL_ALERT_ALERT_THREAD_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/backoff.h"
#include "base/bus.h"
#include "base/clock.h"
#include "base/random.h"
#include "control/alert/alert_engine.h"
#include "control/alert/alert_fleet.h"
#include "control/alert/alert_thread.h"
#include "control/alert/appliance_rules.h"
#include "control/alert/incident_book.h"
#include "control/alert/liveness.h"
#include "metrics/metrics.h"
#include "muster/compiler.h"
#include "muster/histogram.h"

struct mu_outage;
struct mu_pg;

enum {
        MU_ALERT_CHANGED_MAX = 4096, /* more devices are all of them */
};

struct mu_alert_metrics {
        struct mu_cell firing[MU_RULE_COUNT];
        struct mu_cell fired[MU_RULE_COUNT];
        struct mu_cell resolved[MU_RULE_COUNT];
        struct mu_cell pending[MU_RULE_COUNT];
        struct mu_cell ticks;
        struct mu_cell waiting;
        struct mu_cell incidents;
        struct mu_cell failures;
        struct mu_cell refused;
        struct mu_cell lost; /* of the bus */
        struct mu_histogram *commit_ns;
        struct mu_histogram *detection_ms;
};

struct mu_alert_thread {
        struct mu_alert_config config;
        pthread_t thread;
        bool started;

        pthread_mutex_t lock;
        pthread_cond_t wake;
        bool stopping;      /* under lock */
        bool reload_wanted; /* under lock */

        /* The rest is the thread's. */
        struct mu_moment now;
        int64_t start_us;
        bool listening;

        struct mu_alert_engine *engine;
        struct mu_incident_book *book; /* NULL until the first load */
        struct mu_alert_fleet *fleet;
        struct mu_liveness *liveness;
        struct mu_outage *outage;
        struct mu_bus_reader reader;

        /* The database. */
        struct mu_pg *pg;
        struct mu_backoff backoff;
        struct mu_random random;
        uint32_t statement_ms;
        uint32_t changes_max;   /* in a transaction: fewer when one was refused */
        uint32_t refused_alone; /* how often in a row */
        uint64_t connect_ms;
        bool away;       /* told so */
        bool rows_known; /* engine and book are as the database */
        bool ever_known;

        /* What has to be read. */
        bool fleet_wanted;
        bool statuses_wanted;   /* being read, in pieces */
        bool statuses_again;    /* from the first device on, once those are read */
        int64_t statuses_after; /* the last device that was read */
        int64_t changed[MU_ALERT_CHANGED_MAX];
        uint32_t changed_count;
        int64_t cut[MU_ALERT_CHANGED_MAX]; /* whose status did not fit the bus */
        uint32_t cut_count;

        int64_t *observed_us; /* by device: of the content judged last */
        uint32_t observed_count;

        bool sweep_wanted;
        bool silent_missed; /* an edge of liveness did not reach the engine: no memory */
        bool remedy_wanted;
        uint64_t sweep_ms;
        uint64_t facts_ms;
        uint64_t slow_ms;
        uint64_t remedy_ms;
        struct mu_appliance_facts facts;
        struct mu_appliance_slow slow;

        struct mu_alert_metrics metrics;
};

/* ---- alert_inputs.c ---- */

struct mu_content;

void mu_alert_look(struct mu_alert_thread *alerts); /* the clock, and who listens */
void mu_alert_read_bus(struct mu_alert_thread *alerts);
void mu_alert_tick_liveness(struct mu_alert_thread *alerts);
void mu_alert_judge_content(struct mu_alert_thread *alerts, int64_t device_id,
                            const struct mu_content *content);
/* What no rule applies to any more ends. */
void mu_alert_sweep(struct mu_alert_thread *alerts);
void mu_alert_judge_appliance(struct mu_alert_thread *alerts);
/* The offline rule's thresholds go to the liveness. */
int mu_alert_set_thresholds(struct mu_alert_thread *alerts);
void mu_alert_trouble(struct mu_alert_thread *alerts, const char *detail);

/* ---- alert_database.c ---- */

/* Reads what is wanted, writes what waits. */
void mu_alert_work(struct mu_alert_thread *alerts);
void mu_alert_let_go(struct mu_alert_thread *alerts);

/* ---- alert_metrics.c ---- */

MU_MUST_CHECK
int mu_alert_metrics_create(struct mu_alert_thread *alerts);
void mu_alert_metrics_refresh(struct mu_alert_thread *alerts);
void mu_alert_metrics_destroy(struct mu_alert_thread *alerts);

#endif
