/* SPDX-License-Identifier: Apache-2.0 */
/* The archiver, as the settings want it. */
#include <limits.h>
#include <stdio.h>

#include "app/app_private.h"
#include "app/log_events.h"
#include "base/fs.h"
#include "jobs/archiver.h"

int mu_app_create_archiver(struct mu_app *app)
{
        const struct mu_config *settings = &app->config;
        struct mu_archiver_config config;
        char directory[PATH_MAX], sentence[PATH_MAX + 64];

        if (settings->archive_dir[0])
                (void)snprintf(directory, sizeof(directory), "%s", settings->archive_dir);
        else
                (void)snprintf(directory, sizeof(directory), "%s/archive", settings->data_dir);
        mu_archiver_config_init(&config, app->database, directory);
        config.clock = app->clock;
        config.metrics = app->metrics;
        config.bandwidth = settings->archive_bandwidth;
        config.keep_s[MU_PARENT_HEARTBEATS] =
                (int64_t)(settings->retention_heartbeats / MU_NS_PER_S);
        config.keep_s[MU_PARENT_ALERT_EVENTS] = (int64_t)(settings->retention_alerts / MU_NS_PER_S);
        config.keep_s[MU_PARENT_SECURITY_EVENTS] =
                (int64_t)(settings->retention_security_events / MU_NS_PER_S);
        config.keep_restored_s = (int64_t)(settings->archive_keep_restored / MU_NS_PER_S);
        config.window_days = (uint32_t)(settings->ingest_window_back / MU_NS_PER_S / MU_S_PER_DAY);
        config.on_event = mu_log_archive;
        int code = mu_fs_make_directories(directory, 0700);

        if (code == 0)
                return mu_archiver_create(&config, &app->archiver);
        (void)snprintf(sentence, sizeof(sentence), "The archive's directory can't be made: %s",
                       directory);
        return mu_app_fail(code, "archive.unusable", sentence);
}
