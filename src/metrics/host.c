/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/host.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"

/* The first columns of /proc/stat's "cpu" line, proc(5). */
static const char *const cpu_modes[] = {"user",   "nice", "system",  "idle",
                                        "iowait", "irq",  "softirq", "steal"};

#define CPU_MODES MU_COUNT_OF(cpu_modes)

/* What the last refresh read. */
struct mu_metrics_host {
        char *data_directory; /* owned */
        double load1;
        double load5;
        double load15;
        double memory_total_bytes;
        double memory_available_bytes;
        double cpus;
        double cpu_s[CPU_MODES];
        double data_free_bytes;
        double data_total_bytes;
};

static void read_load(struct mu_metrics_host *host)
{
        double load[3];

        host->load1 = host->load5 = host->load15 = NAN;
        if (getloadavg(load, 3) != 3)
                return;
        host->load1 = load[0];
        host->load5 = load[1];
        host->load15 = load[2];
}

/* A line "Key:   123 kB" of /proc/meminfo, in bytes. */
static double meminfo_bytes(const char *meminfo, const char *key)
{
        const char *line = strstr(meminfo, key);

        if (!line)
                return NAN;
        return strtod(line + strlen(key), NULL) * 1024;
}

static void read_memory(struct mu_metrics_host *host)
{
        char *meminfo;

        host->memory_total_bytes = host->memory_available_bytes = NAN;
        if (mu_fs_read_file("/proc/meminfo", 65536, &meminfo, NULL) < 0)
                return;
        host->memory_total_bytes = meminfo_bytes(meminfo, "MemTotal:");
        host->memory_available_bytes = meminfo_bytes(meminfo, "MemAvailable:");
        free(meminfo);
}

static void read_cpu(struct mu_metrics_host *host)
{
        double ticks = (double)sysconf(_SC_CLK_TCK);
        char *stat;

        host->cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);
        for (size_t i = 0; i < CPU_MODES; i++)
                host->cpu_s[i] = NAN;
        if (mu_fs_read_file("/proc/stat", 1u << 20, &stat, NULL) < 0)
                return;
        if (strncmp(stat, "cpu ", 4) == 0) {
                char *at = stat + 4;

                for (size_t i = 0; i < CPU_MODES; i++) {
                        char *end;
                        double value = strtod(at, &end);

                        if (end == at)
                                break;
                        host->cpu_s[i] = value / ticks;
                        at = end;
                }
        }
        free(stat);
}

static void read_disk(struct mu_metrics_host *host)
{
        uint64_t free_bytes;
        uint64_t total_bytes;

        host->data_free_bytes = host->data_total_bytes = NAN;
        if (mu_fs_space(host->data_directory, &free_bytes, &total_bytes) < 0)
                return;
        host->data_free_bytes = (double)free_bytes;
        host->data_total_bytes = (double)total_bytes;
}

static void refresh(void *context)
{
        struct mu_metrics_host *host = context;

        read_load(host);
        read_memory(host);
        read_cpu(host);
        read_disk(host);
}

static double read_double(void *context)
{
        return *(const double *)context;
}

static void register_all(struct mu_metrics *metrics, struct mu_metrics_host *host)
{
        const struct {
                const char *name;
                const char *help;
                double *value;
        } gauges[] = {
                {"muster_host_load1", "Load average of the last minute.", &host->load1},
                {"muster_host_load5", "Load average of the last 5 minutes.", &host->load5},
                {"muster_host_load15", "Load average of the last 15 minutes.", &host->load15},
                {"muster_host_cpus", "Processors online.", &host->cpus},
                {"muster_host_memory_total_bytes", "Memory of the machine.",
                 &host->memory_total_bytes},
                {"muster_host_memory_available_bytes",
                 "Memory that new work can have without swapping.", &host->memory_available_bytes},
                {"muster_host_data_free_bytes",
                 "Free disk space where the data directory lies, for ordinary users.",
                 &host->data_free_bytes},
                {"muster_host_data_size_bytes",
                 "Size of the file system where the data directory lies.", &host->data_total_bytes},
        };

        for (size_t i = 0; i < MU_COUNT_OF(gauges); i++)
                mu_metrics_gauge_fn(metrics, gauges[i].name, gauges[i].help, MU_NO_LABELS,
                                    read_double, gauges[i].value);
        for (size_t i = 0; i < CPU_MODES; i++)
                mu_metrics_counter_fn(metrics, "muster_host_cpu_seconds_total",
                                      "CPU time of all processors together, by what it went to.",
                                      MU_LABELS({"mode", cpu_modes[i]}), read_double,
                                      &host->cpu_s[i]);
}

int mu_metrics_host_create(struct mu_metrics *metrics, const char *data_directory,
                           struct mu_metrics_host **ret_host)
{
        struct mu_metrics_host *host = calloc(1, sizeof(*host));
        char *copy = strdup(data_directory);

        if (!host || !copy) {
                free(host);
                free(copy);
                return -ENOMEM;
        }
        host->data_directory = copy;
        refresh(host);
        mu_metrics_on_scrape(metrics, refresh, host);
        register_all(metrics, host);
        *ret_host = host;
        return 0;
}

void mu_metrics_host_destroy(struct mu_metrics_host *host)
{
        if (!host)
                return;
        free(host->data_directory);
        free(host);
}
