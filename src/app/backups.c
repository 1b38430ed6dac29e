/* SPDX-License-Identifier: Apache-2.0 */
/* backups.c - who starts backups, from the settings. */
#include <stddef.h>
#include <unistd.h>

#include "app/app_private.h"
#include "backup/runner.h"
#include "base/clock.h"

int mu_app_create_backups(struct mu_app *app)
{
        const struct mu_config *config = &app->config;
        const struct mu_backup_runner_config runner = {
                .arguments = app->argv + 1,
                .environment = environ,
                .data_directory = config->data_dir,
                .directory = config->backup_directory,
                .directories = config->backup_directories,
                .at = config->backup_at,
                .interval_s = config->backup_interval / MU_NS_PER_S,
                .check_interval_s = config->backup_check_interval / MU_NS_PER_S,
                .metrics = app->metrics,
                .on_line = mu_log_backup,
        };

        return mu_backup_runner_create(&runner, &app->backups);
}
