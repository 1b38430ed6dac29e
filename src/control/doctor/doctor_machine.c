/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_machine.c - the machine under it: disk, memory, clock, descriptors, kernel. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/timex.h>
#include <sys/utsname.h>

#include "base/fs.h"
#include "control/doctor/doctor.h"

#define GIB (UINT64_C(1) << 30)

enum {
        DISK_FAIL_PERCENT = 5,
        DISK_WARN_PERCENT = 15,
        MEMORY_LEAST_MIB = 900,
        MEMORY_FREE_LEAST_PERCENT = 5,
        DESCRIPTORS_LEAST = 4096,
        KERNEL_MAJOR = 5, /* io_uring that lasts */
        KERNEL_MINOR = 10,
};

static void check_disk(struct mu_doctor *doctor, const char *name, const char *path)
{
        uint64_t free_bytes, total_bytes;
        int err = mu_fs_space(path, &free_bytes, &total_bytes);

        if (err < 0 || total_bytes == 0) {
                mu_doctor_add(doctor, name, MU_DOCTOR_SKIP, NULL, "%s: %s", path, strerror(-err));
                return;
        }
        double percent = 100.0 * (double)free_bytes / (double)total_bytes;
        enum mu_doctor_status status = percent < DISK_FAIL_PERCENT   ? MU_DOCTOR_FAIL
                                       : percent < DISK_WARN_PERCENT ? MU_DOCTOR_WARN
                                                                     : MU_DOCTOR_OK;

        mu_doctor_add(doctor, name, status,
                      "Make room, enlarge the disk, or keep less: retention.heartbeats.",
                      "%s: %.1f GiB of %.1f GiB free (%.0f %%)", path,
                      (double)free_bytes / (double)GIB, (double)total_bytes / (double)GIB, percent);
}

static void check_memory(struct mu_doctor *doctor)
{
        struct sysinfo info;

        if (sysinfo(&info) < 0) {
                mu_doctor_add(doctor, "memory", MU_DOCTOR_SKIP, NULL, "%s", strerror(errno));
                return;
        }
        uint64_t total_mib = (uint64_t)info.totalram * info.mem_unit >> 20;
        uint64_t free_mib = (uint64_t)(info.freeram + info.bufferram) * info.mem_unit >> 20;
        uint64_t swap_mib = (uint64_t)info.totalswap * info.mem_unit >> 20;

        mu_doctor_add(
                doctor, "memory", total_mib < MEMORY_LEAST_MIB ? MU_DOCTOR_WARN : MU_DOCTOR_OK,
                "Give the machine 2 GiB: PostgreSQL and the journal's tail want room.",
                "%llu MiB, %llu MiB of it unused, %llu MiB swap", (unsigned long long)total_mib,
                (unsigned long long)free_mib, (unsigned long long)swap_mib);
}

/* Deadlines of devices and partitions hang on it. */
static void check_clock(struct mu_doctor *doctor)
{
        struct timex state = {.modes = 0};
        int code = adjtimex(&state);

        if (code < 0)
                mu_doctor_add(doctor, "clock", MU_DOCTOR_SKIP, NULL, "the kernel does not say: %s",
                              strerror(errno));
        else if (code == TIME_ERROR || (state.status & STA_UNSYNC) != 0)
                mu_doctor_add(doctor, "clock", MU_DOCTOR_WARN,
                              "Run chrony or systemd-timesyncd. In a container the host does it, "
                              "and this may be wrong.",
                              "the kernel's clock is not synchronised");
        else
                mu_doctor_add(doctor, "clock", MU_DOCTOR_OK, NULL, "synchronised");
}

static void check_descriptors(struct mu_doctor *doctor, const struct mu_doctor_settings *settings)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
                mu_doctor_add(doctor, "descriptors", MU_DOCTOR_SKIP, NULL, "%s", strerror(errno));
                return;
        }
        bool small = limit.rlim_max < DESCRIPTORS_LEAST ||
                     (settings->http_connections_max > 0 &&
                      limit.rlim_max < settings->http_connections_max);

        mu_doctor_add(doctor, "descriptors", small ? MU_DOCTOR_WARN : MU_DOCTOR_OK,
                      "Raise the limit: LimitNOFILE= of the systemd unit, or ulimit -n. Each "
                      "connection needs one.",
                      "%llu may be open", (unsigned long long)limit.rlim_max);
}

static void check_kernel(struct mu_doctor *doctor)
{
        struct utsname name;
        int major = 0;
        int minor = 0;

        (void)uname(&name);
        bool known = sscanf(name.release, "%d.%d", &major, &minor) == 2;
        bool old =
                known && (major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR));

        mu_doctor_add(doctor, "kernel", old ? MU_DOCTOR_WARN : MU_DOCTOR_OK,
                      "Use Debian 12's kernel (6.1) or a newer one.", "%s %s", name.sysname,
                      name.release);
}

void mu_doctor_machine(struct mu_doctor *doctor, const struct mu_doctor_settings *settings)
{
        check_disk(doctor, "disk", settings->data_directory);
        if (strncmp(settings->journal_directory, settings->data_directory,
                    strlen(settings->data_directory)) != 0)
                check_disk(doctor, "journal-disk", settings->journal_directory);
        check_memory(doctor);
        check_clock(doctor);
        check_descriptors(doctor, settings);
        check_kernel(doctor);
}
