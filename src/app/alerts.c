/* SPDX-License-Identifier: Apache-2.0 */
/* alerts.c - the thread that judges the fleet and the one that tells people of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/app_private.h"
#include "app/log_events.h"
#include "control/alert/alert_thread.h"
#include "control/notify/notifier.h"

enum { TEST_TICK_MS = 5 };

static uint32_t s_of(uint64_t ns)
{
        return (uint32_t)(ns / MU_NS_PER_S);
}

static int create_notifier(struct mu_app *app)
{
        const struct mu_notifier_config config = {
                .database = app->database,
                .outbound = app->outbound,
                .mail = app->mail,
                .secrets = app->secrets,
                .clock = app->clock,
                .metrics = app->metrics,
                .public_url = app->config.alerts_console_url,
                .on_trouble = mu_log_notifier_trouble,
                .ctx = app,
        };

        return mu_notifier_create(&config, &app->notifier);
}

/* A clock that tests set goes by jumps: the thread has to see each of them. */
static uint32_t alert_tick_ms(void)
{
#ifdef MUSTER_FAILPOINTS
        return getenv("MUSTER_TEST_CLOCK") ? TEST_TICK_MS : 0;
#else
        return 0;
#endif
}

static int create_alerts(struct mu_app *app)
{
        char directory[PATH_MAX];
        const struct mu_alert_config config = {
                .database = app->database,
                .devices = app->devices,
                .bus = app->bus,
                .dispatcher = app->dispatcher,
                .notifier = app->notifier,
                .clock = app->clock,
                .metrics = app->metrics,
                .directory = directory,
                .tick_ms = alert_tick_ms(),
                .heartbeat_interval_s = s_of(app->config.ingest_heartbeat_interval),
                .group_devices = (uint32_t)app->config.alerts_group_devices,
                .group_window_s = s_of(app->config.alerts_group_window),
                .group_wait_s = s_of(app->config.alerts_group_wait),
                .facts = mu_app_facts,
                .on_trouble = mu_log_alert_trouble,
                .ctx = app,
        };

        int bytes = snprintf(directory, sizeof(directory), "%s/alerts", app->config.data_dir);

        if (bytes < 0 || (size_t)bytes >= sizeof(directory))
                return -ENAMETOOLONG;
        return mu_alert_thread_create(&config, &app->alerts);
}

int mu_app_create_alerts(struct mu_app *app)
{
        int code = create_notifier(app);

        return code == 0 ? create_alerts(app) : code;
}

int mu_app_start_alerts(struct mu_app *app)
{
        int code = mu_notifier_start(app->notifier);

        return code == 0 ? mu_alert_thread_start(app->alerts) : code;
}

void mu_app_stop_alerts(struct mu_app *app)
{
        mu_alert_thread_stop(app->alerts);
        mu_notifier_stop(app->notifier);
}
