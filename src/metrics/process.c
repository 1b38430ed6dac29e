/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/process.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fs.h"

/* What the last refresh read. */
struct mu_metrics_process {
        struct mu_cell build_info; /* 1 */
        double cpu_s;
        double resident_bytes;
        double virtual_bytes;
        double threads;
        double started_at_s;
        double open_fds;
        double max_fds;
};

/* When the machine booted, seconds since the epoch; what starttime in stat counts from. */
static double booted_at_s(void)
{
        double booted_at = NAN;
        char *stat;

        if (mu_fs_read_file("/proc/stat", 1u << 20, &stat, NULL) < 0)
                return NAN;
        const char *line = strstr(stat, "\nbtime ");
        if (line)
                booted_at = strtod(line + strlen("\nbtime "), NULL);
        free(stat);
        return booted_at;
}

/* /proc/self/stat, proc(5): fields are counted from 1, and 2 (the name) may hold anything. */
static void read_stat(struct mu_metrics_process *process)
{
        double ticks = (double)sysconf(_SC_CLK_TCK);
        uint64_t utime;
        uint64_t stime;
        uint64_t threads;
        uint64_t started;
        uint64_t virtual_bytes;
        uint64_t resident_pages;
        char *stat;

        if (mu_fs_read_file("/proc/self/stat", 65536, &stat, NULL) < 0)
                return;
        const char *state = strrchr(stat, ')');
        if (state &&
            sscanf(state + 1,
                   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
                   " %*d %*d %*d %*d %" SCNu64 " %*d %" SCNu64 " %" SCNu64 " %" SCNu64,
                   &utime, &stime, &threads, &started, &virtual_bytes, &resident_pages) == 6) {
                process->cpu_s = (double)(utime + stime) / ticks;
                process->threads = (double)threads;
                process->started_at_s = booted_at_s() + (double)started / ticks;
                process->virtual_bytes = (double)virtual_bytes;
                process->resident_bytes = (double)resident_pages * (double)sysconf(_SC_PAGESIZE);
        }
        free(stat);
}

static double count_open_fds(void)
{
        DIR *entries = opendir("/proc/self/fd");
        double count = -1; /* the descriptor that is reading */

        if (!entries)
                return NAN;
        for (struct dirent *entry; (entry = readdir(entries));)
                count += entry->d_name[0] != '.';
        (void)closedir(entries);
        return count;
}

static double read_max_fds(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return NAN;
        return limit.rlim_cur == RLIM_INFINITY ? INFINITY : (double)limit.rlim_cur;
}

static void refresh(void *context)
{
        struct mu_metrics_process *process = context;

        process->cpu_s = NAN;
        process->threads = NAN;
        process->started_at_s = NAN;
        process->virtual_bytes = NAN;
        process->resident_bytes = NAN;
        read_stat(process);
        process->open_fds = count_open_fds();
        process->max_fds = read_max_fds();
}

static double read_double(void *context)
{
        return *(const double *)context;
}

int mu_metrics_process_create(struct mu_metrics *metrics, const char *program, const char *version,
                              struct mu_metrics_process **ret_process)
{
        struct mu_metrics_process *process = calloc(1, sizeof(*process));

        if (!process)
                return -ENOMEM;
        mu_cell_set(&process->build_info, 1);
        refresh(process);

        mu_metrics_on_scrape(metrics, refresh, process);
        mu_metrics_gauge(metrics, "muster_build_info", "What is running; always 1.",
                         MU_LABELS({"program", program}, {"version", version}),
                         &process->build_info);
        mu_metrics_counter_fn(metrics, "process_cpu_seconds_total",
                              "Total user and system CPU time spent in seconds.", MU_NO_LABELS,
                              read_double, &process->cpu_s);
        mu_metrics_gauge_fn(metrics, "process_resident_memory_bytes",
                            "Resident memory size in bytes.", MU_NO_LABELS, read_double,
                            &process->resident_bytes);
        mu_metrics_gauge_fn(metrics, "process_virtual_memory_bytes",
                            "Virtual memory size in bytes.", MU_NO_LABELS, read_double,
                            &process->virtual_bytes);
        mu_metrics_gauge_fn(metrics, "process_open_fds", "Number of open file descriptors.",
                            MU_NO_LABELS, read_double, &process->open_fds);
        mu_metrics_gauge_fn(metrics, "process_max_fds", "Maximum number of open file descriptors.",
                            MU_NO_LABELS, read_double, &process->max_fds);
        mu_metrics_gauge_fn(metrics, "process_threads", "Number of threads.", MU_NO_LABELS,
                            read_double, &process->threads);
        mu_metrics_gauge_fn(metrics, "process_start_time_seconds",
                            "Start time of the process since unix epoch in seconds.", MU_NO_LABELS,
                            read_double, &process->started_at_s);
        *ret_process = process;
        return 0;
}

void mu_metrics_process_destroy(struct mu_metrics_process *process)
{
        free(process);
}
