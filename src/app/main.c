/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/app.h"
#include "app/backup_tool.h"
#include "app/config.h"
#include "app/web.h"

enum exit_code {
        EXIT_FINE = 0,
        EXIT_TROUBLE = 1,
        EXIT_USAGE = 2, /* the configuration is wrong */
};

static int run(struct mu_config *config, char **argv)
{
        struct mu_app *app;

        if (mu_app_start(config, argv, &app) < 0)
                return EXIT_TROUBLE;
        int error = mu_app_run(app);

        mu_app_stop(app);
        return error < 0 ? EXIT_TROUBLE : EXIT_FINE;
}

/* Lists that only their own parsers understand. */
static int check_web(const struct mu_config *config, char *error)
{
        struct mu_web web;
        int code = mu_web_init(&web, config, error);

        if (code == 0)
                mu_web_done(&web);
        return code;
}

int main(int argc, char **argv)
{
        enum mu_config_action action;
        int code = 0;
        struct mu_config config;
        char error[MU_CONFIG_ERROR_BYTES];

        if (mu_backup_tool_is(argc, argv))
                return mu_backup_tool(argc, argv, environ);
        if (mu_config_load(argc, argv, environ, &config, &action, error) < 0) {
                (void)fprintf(stderr, "musterd: %s\n", error);
                return EXIT_USAGE;
        }
        if ((action == MU_CONFIG_RUN || action == MU_CONFIG_CHECK) &&
            check_web(&config, error) < 0) {
                (void)fprintf(stderr, "musterd: %s\n", error);
                mu_config_done(&config);
                return EXIT_USAGE;
        }
        switch (action) {
        case MU_CONFIG_RUN:
                return run(&config, argv);
        case MU_CONFIG_CHECK:
                mu_config_print(&config, stdout);
                break;
        case MU_CONFIG_HELP:
                mu_config_print_help(stdout);
                break;
        case MU_CONFIG_ROUTES:
                code = mu_app_print_routes(stdout);
                break;
        case MU_CONFIG_VERSION:
                (void)puts("musterd " MUSTER_VERSION);
                break;
        }
        mu_config_done(&config);
        return code < 0 ? EXIT_TROUBLE : EXIT_FINE;
}
