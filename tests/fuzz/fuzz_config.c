/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file: any bytes give a configuration or one sentence. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "app/config.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char flag[64];
        char *arguments[] = {flag, flag};
        char *environment[] = {NULL};
        char error[MU_CONFIG_ERROR_BYTES] = "";
        enum mu_config_action action;
        struct mu_config config;
        int fd = memfd_create("config", MFD_CLOEXEC);

        MU_ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
        (void)snprintf(flag, sizeof(flag), "--config=/proc/self/fd/%d", fd);
        int code = mu_config_load(2, arguments, environment, &config, &action, error);

        close(fd);
        if (code < 0) {
                MU_ASSERT(code == -EINVAL && strlen(error) > 10);
                return 0;
        }
        FILE *to = fopen("/dev/null", "we");

        MU_ASSERT(to && action == MU_CONFIG_RUN && config.data_dir);
        mu_config_print(&config, to);
        (void)fclose(to);
        mu_config_done(&config);
        return 0;
}
