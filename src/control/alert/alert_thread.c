/* SPDX-License-Identifier: Apache-2.0 */
/* alert_thread.c - the alert thread's round, and its life. */
#include "control/alert/alert_thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/test_clock.h"
#include "base/thread.h"
#include "base/wait.h"
#include "control/alert/alert_thread_private.h"
#include "control/alert/outage_note.h"
#include "identity/device_table.h"

enum {
        TICK_MS = 500,
        CONNECT_BASE_MS = 100,
        CONNECT_CAP_MS = 2000,
};

/* ---- what the engine asks ---- */

static const struct mu_rule *rule_of(void *context, uint32_t device, enum mu_alert_rule rule)
{
        const struct mu_alert_thread *alerts = context;

        return mu_alert_fleet_rule(alerts->fleet, device, rule);
}

static void place_of(void *context, uint32_t device, const char **ret_site, uint64_t *ret_network)
{
        const struct mu_alert_thread *alerts = context;
        const struct mu_device *known = mu_device_table_at(alerts->config.devices, device);

        *ret_site = mu_alert_fleet_site(alerts->fleet, device);
        *ret_network = atomic_load_explicit(&known->network, memory_order_relaxed);
}

/* ---- a round ---- */

/* False: it is time to stop. */
static bool take_orders(struct mu_alert_thread *alerts)
{
        pthread_mutex_lock(&alerts->lock);
        bool go_on = !alerts->stopping;

        if (alerts->reload_wanted)
                alerts->fleet_wanted = true;
        alerts->reload_wanted = false;
        pthread_mutex_unlock(&alerts->lock);
        return go_on;
}

static void sleep_a_tick(struct mu_alert_thread *alerts)
{
        uint64_t deadline_ns = mu_wait_deadline_ns(alerts->config.tick_ms);

        pthread_mutex_lock(&alerts->lock);
        while (!alerts->stopping && !alerts->reload_wanted &&
               mu_wait_until(&alerts->wake, &alerts->lock, deadline_ns))
                ;
        pthread_mutex_unlock(&alerts->lock);
}

static void run_round(struct mu_alert_thread *alerts)
{
        mu_alert_look(alerts);
        mu_alert_read_bus(alerts);
        mu_alert_tick_liveness(alerts);
        mu_alert_engine_mature(alerts->engine, alerts->now);
        mu_alert_judge_appliance(alerts);
        mu_alert_sweep(alerts);
        mu_alert_work(alerts);
        mu_alert_metrics_refresh(alerts);
}

static void run(void *context)
{
        struct mu_alert_thread *alerts = context;

        while (take_orders(alerts)) {
                run_round(alerts);
#ifdef MUSTER_FAILPOINTS
                mu_test_clock_looked(alerts->config.clock);
#endif
                sleep_a_tick(alerts);
        }
        mu_bus_unwatch(&alerts->reader);
        mu_alert_let_go(alerts);
}

/* ---- life ---- */

static int create_parts(struct mu_alert_thread *alerts)
{
        const struct mu_alert_config *config = &alerts->config;
        const struct mu_alert_engine_config engine = {
                .rule = rule_of, .place = place_of, .ctx = alerts};
        const struct mu_outage_config outage = {
                .directory = config->directory,
                .notifier = config->notifier,
                .clock = config->clock,
                .on_trouble = config->on_trouble,
                .ctx = config->ctx,
        };
        int error = mu_alert_fleet_create(config->devices, &alerts->fleet);

        if (error == 0)
                error = mu_alert_engine_create(&engine, &alerts->engine);
        if (error == 0)
                error = mu_outage_create(&outage, &alerts->outage);
        if (error == 0)
                error = mu_random_seed_from_system(&alerts->random);
        if (error == 0)
                error = mu_alert_metrics_create(alerts);
        return error;
}

int mu_alert_thread_create(const struct mu_alert_config *config, struct mu_alert_thread **ret)
{
        struct mu_alert_thread *alerts = calloc(1, sizeof(*alerts));

        if (!alerts)
                return -ENOMEM;
        alerts->config = *config;
        if (alerts->config.tick_ms == 0)
                alerts->config.tick_ms = TICK_MS;
        alerts->fleet_wanted = true;
        pthread_mutex_init(&alerts->lock, NULL);
        mu_wait_init(&alerts->wake);
        mu_backoff_init(&alerts->backoff, CONNECT_BASE_MS, CONNECT_CAP_MS);
        int error = create_parts(alerts);

        if (error < 0) {
                mu_alert_thread_destroy(alerts);
                return error;
        }
        *ret = alerts;
        return 0;
}

/* A start counts as a stamp: so not before. */
static int watch_devices(struct mu_alert_thread *alerts)
{
        mu_alert_look(alerts);
        alerts->start_us = alerts->now.real_us;
        const struct mu_liveness_config config = {
                .devices = alerts->config.devices,
                .heartbeat_interval_s = alerts->config.heartbeat_interval_s,
                /* Until the rules are read nobody is silent: they may say longer, or never. */
                .threshold_s = MU_LIVENESS_THRESHOLD_MAX_S,
        };
        const struct mu_liveness_now now = {
                .monotonic_ms = (uint64_t)alerts->now.mono_ms,
                .real_us = alerts->now.real_us,
                .listening = alerts->listening,
        };

        return mu_liveness_create(&config, &now, &alerts->liveness);
}

int mu_alert_thread_start(struct mu_alert_thread *alerts)
{
        MU_ASSERT(!alerts->started);
        int error = watch_devices(alerts);

        if (error == 0)
                error = mu_thread_start("alert", run, alerts, &alerts->thread);
        alerts->started = error == 0;
        return error;
}

void mu_alert_thread_stop(struct mu_alert_thread *alerts)
{
        if (!alerts || !alerts->started)
                return;
        pthread_mutex_lock(&alerts->lock);
        alerts->stopping = true;
        pthread_cond_signal(&alerts->wake);
        pthread_mutex_unlock(&alerts->lock);
        mu_thread_join(alerts->thread);
        alerts->started = false;
}

void mu_alert_thread_destroy(struct mu_alert_thread *alerts)
{
        if (!alerts)
                return;
        MU_ASSERT(!alerts->started);
        mu_alert_metrics_destroy(alerts);
        mu_outage_destroy(alerts->outage);
        mu_liveness_destroy(alerts->liveness);
        mu_incident_book_destroy(alerts->book);
        mu_alert_engine_destroy(alerts->engine);
        mu_alert_fleet_destroy(alerts->fleet);
        free(alerts->observed_us);
        pthread_cond_destroy(&alerts->wake);
        pthread_mutex_destroy(&alerts->lock);
        free(alerts);
}

void mu_alert_thread_reload(struct mu_alert_thread *alerts)
{
        pthread_mutex_lock(&alerts->lock);
        alerts->reload_wanted = true;
        pthread_cond_signal(&alerts->wake);
        pthread_mutex_unlock(&alerts->lock);
}
