/* SPDX-License-Identifier: Apache-2.0 */
/* Where the console's files lie, and that they are read: an appliance without them serves all else.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app_private.h"
#include "base/log.h"
#include "http/console.h"

static void unusable(const char *sentence)
{
        mu_log(MU_LOG_WARNING, "console.unusable", MU_LOG_STR("detail", sentence));
}

/* Beside the program: where it is installed, and where it is built. NULL: in neither. To be freed.
 */
static char *directory_beside_program(void)
{
        static const char *const places[] = {"../share/muster/ui", "../../ui"};
        char program[PATH_MAX], path[PATH_MAX + 64];
        ssize_t bytes = readlink("/proc/self/exe", program, sizeof(program) - 1);

        if (bytes <= 0)
                return NULL;
        program[bytes] = '\0';
        char *slash = strrchr(program, '/');

        if (!slash)
                return NULL;
        *slash = '\0';
        for (size_t i = 0; i < MU_COUNT_OF(places); i++) {
                (void)snprintf(path, sizeof(path), "%s/%s/manifest.json", program, places[i]);
                if (access(path, R_OK) != 0)
                        continue;
                *strrchr(path, '/') = '\0';
                return realpath(path, NULL);
        }
        return NULL;
}

static void read_console(struct mu_app *app, const char *directory)
{
        char error[MU_SITE_ERROR_BYTES];

        if (mu_console_read(app->console, directory, error) < 0) {
                unusable(error);
                return;
        }
        struct mu_site *site = mu_console_site(app->console);

        mu_log(MU_LOG_INFO, "console.read", MU_LOG_STR("directory", directory),
               MU_LOG_UINT("files", mu_site_file_count(site)),
               MU_LOG_UINT("bytes", mu_site_bytes(site)));
        mu_site_unref(site);
}

void mu_app_read_console(struct mu_app *app)
{
        const char *wanted = app->config.console_dir;

        if (strcmp(wanted, "none") == 0) {
                mu_console_close(app->console);
                return;
        }
        if (*wanted) {
                read_console(app, wanted);
                return;
        }
        char *found = directory_beside_program();

        if (found)
                read_console(app, found);
        else
                unusable("No console lies beside musterd: ./muster up builds it, and console.dir "
                         "says where else it may lie.");
        free(found);
}

int mu_app_create_console(struct mu_app *app)
{
        int code = mu_console_create(MUSTER_VERSION, &app->console);

        if (code == 0)
                mu_app_read_console(app);
        return code;
}
