/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.c - CPU time of local processes, with all their descendants, from /proc.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parse_units.h"
#include "metrics.h"

struct entry {
        int pid;
        int parent;
        double cpu_s;
        bool counted;
};

/* The fields after the name, which may hold spaces and parentheses of its own. Children that have
 * ended and were waited for are in their parent's cutime and cstime. */
static bool read_entry(int pid, struct entry *entry)
{
        char path[64], text[1024];
        unsigned long long user, system, children_user, children_system;

        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        FILE *file = fopen(path, "re");
        if (!file)
                return false;
        size_t bytes = fread(text, 1, sizeof(text) - 1, file);
        fclose(file);
        text[bytes] = '\0';
        const char *after = strrchr(text, ')');
        if (!after ||
            sscanf(after + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu",
                   &entry->parent, &user, &system, &children_user, &children_system) != 5)
                return false;
        entry->pid = pid;
        entry->counted = false;
        entry->cpu_s = (double)(user + system + children_user + children_system) /
                       (double)sysconf(_SC_CLK_TCK);
        return true;
}

static struct entry *read_all(size_t *ret_count)
{
        DIR *proc = opendir("/proc");
        struct entry *entries = NULL;
        size_t count = 0, capacity = 0;
        const struct dirent *item;
        uint64_t pid;

        if (!proc)
                return NULL;
        while ((item = readdir(proc)) != NULL) {
                if (mu_parse_number(item->d_name, 1, INT_MAX, &pid, NULL) < 0)
                        continue;
                if (count == capacity) {
                        capacity = capacity ? capacity * 2 : 256;
                        struct entry *grown = realloc(entries, capacity * sizeof(*entries));
                        if (!grown)
                                break;
                        entries = grown;
                }
                if (read_entry((int)pid, &entries[count]))
                        count++;
        }
        closedir(proc);
        *ret_count = count;
        return entries;
}

static double sum_tree(struct entry *entries, size_t count, int pid)
{
        double cpu_s = 0;

        for (size_t i = 0; i < count; i++) {
                if (entries[i].pid == pid && !entries[i].counted) {
                        entries[i].counted = true;
                        cpu_s += entries[i].cpu_s;
                } else if (entries[i].parent == pid && !entries[i].counted) {
                        cpu_s += sum_tree(entries, count, entries[i].pid);
                }
        }
        return cpu_s;
}

/* Adds sign times what each process has used until now. */
static void take_readings(struct mu_lg_process_use *use, double sign)
{
        size_t count = 0;
        struct entry *entries = read_all(&count);

        for (uint32_t i = 0; i < use->count; i++) {
                struct mu_lg_process *process = &use->processes[i];
                bool present = false;

                for (size_t e = 0; e < count; e++) {
                        entries[e].counted = false;
                        present = present || entries[e].pid == process->pid;
                }
                process->known = present && (sign < 0 || process->known);
                process->cpu_s += sign * (present ? sum_tree(entries, count, process->pid) : 0);
        }
        free(entries);
}

int mu_lg_process_use_start(struct mu_lg_process_use *use, const char *pids, char *error,
                            size_t error_bytes)
{
        *use = (struct mu_lg_process_use){0};
        while (pids && *pids) {
                size_t bytes = strcspn(pids, ",");
                struct mu_lg_process *process = &use->processes[use->count];

                if (use->count == MU_LG_PROCESSES_MAX ||
                    sscanf(pids, "%31[^=,]=%d", process->name, &process->pid) != 2 ||
                    process->pid <= 0) {
                        snprintf(error, error_bytes,
                                 "--pids: '%.*s' is not NAME=PID, for instance postgres=812",
                                 (int)bytes, pids);
                        return -EINVAL;
                }
                use->count++;
                pids += bytes + (pids[bytes] == ',');
        }
        if (use->count > 0)
                take_readings(use, -1);
        return 0;
}

void mu_lg_process_use_stop(struct mu_lg_process_use *use)
{
        if (use->count > 0)
                take_readings(use, 1);
}
