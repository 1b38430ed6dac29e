/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/host.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "linux/machine_file.h"

enum {
        KIB_PER_MB = 1024,
        MB_SHIFT = 20,
        MEMINFO_BYTES = 4096,
        STAT_LINE_BYTES = 256,
};

static int64_t kib_after(const char *text, const char *name)
{
        const char *found = strstr(text, name);
        char *end;

        if (!found)
                return -1;
        long long kib = strtoll(found + strlen(name), &end, 10);

        return end != found + strlen(name) && kib >= 0 ? kib : -1;
}

void mu_host_memory(const char *root, struct mu_host_memory *ret_memory)
{
        char path[MU_MACHINE_PATH_BYTES], text[MEMINFO_BYTES];

        *ret_memory = (struct mu_host_memory){-1, -1};
        if (mu_machine_path(path, root, "/proc/meminfo") < 0 ||
            mu_machine_read(text, sizeof(text), path) < 0)
                return;
        int64_t free_kib = kib_after(text, "MemAvailable:");
        int64_t total_kib = kib_after(text, "MemTotal:");

        ret_memory->free_mb = free_kib < 0 ? -1 : free_kib / KIB_PER_MB;
        ret_memory->total_mb = total_kib < 0 ? -1 : total_kib / KIB_PER_MB;
}

int64_t mu_host_uptime_s(const char *root)
{
        char path[MU_MACHINE_PATH_BYTES], text[64], *end;

        if (mu_machine_path(path, root, "/proc/uptime") < 0 ||
            mu_machine_read(text, sizeof(text), path) < 0)
                return -1;
        long long seconds = strtoll(text, &end, 10);

        return end == text || seconds < 0 ? -1 : seconds;
}

/* btime of /proc/stat, which has a line for each core and interrupt before it. */
static bool boot_moment(const char *root, long long *ret_seconds)
{
        char path[MU_MACHINE_PATH_BYTES], line[STAT_LINE_BYTES];
        bool found = false;

        if (mu_machine_path(path, root, "/proc/stat") < 0)
                return false;
        FILE *file = fopen(path, "re");

        if (!file)
                return false;
        while (!found && fgets(line, sizeof(line), file))
                found = strncmp(line, "btime ", 6) == 0;
        fclose(file);
        if (found)
                *ret_seconds = strtoll(line + 6, NULL, 10);
        return found;
}

void mu_host_boot_id(const char *root, char ret_boot_id[MU_AGENT_BOOT_ID_BYTES])
{
        char path[MU_MACHINE_PATH_BYTES], text[MU_AGENT_BOOT_ID_BYTES];
        long long seconds;

        ret_boot_id[0] = '\0';
        if (mu_machine_path(path, root, "/proc/sys/kernel/random/boot_id") == 0 &&
            mu_machine_read(text, sizeof(text), path) == 0 && text[0] != '\0')
                mu_machine_clean(ret_boot_id, MU_AGENT_BOOT_ID_BYTES, text, strlen(text));
        else if (boot_moment(root, &seconds))
                (void)snprintf(ret_boot_id, MU_AGENT_BOOT_ID_BYTES, "btime-%lld", seconds);
}

static int64_t free_mb(const char *path)
{
        uint64_t free_bytes;

        return mu_fs_space(path, &free_bytes, NULL) < 0 ? -1 : (int64_t)(free_bytes >> MB_SHIFT);
}

void mu_host_disk(const char *root, const char *state_directory, struct mu_host_disk *ret_disk)
{
        char top[MU_MACHINE_PATH_BYTES];
        struct stat of_top, of_state;

        *ret_disk = (struct mu_host_disk){-1, -1};
        if (mu_machine_path(top, root, "/") < 0)
                return;
        ret_disk->free_mb = free_mb(top);
        if (state_directory && stat(top, &of_top) == 0 && stat(state_directory, &of_state) == 0 &&
            of_top.st_dev != of_state.st_dev)
                ret_disk->state_mb = free_mb(state_directory);
}
