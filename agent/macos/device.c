/* SPDX-License-Identifier: Apache-2.0 */
#include "macos/device.h"

#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/ps/IOPSKeys.h>
#include <IOKit/ps/IOPowerSources.h>
#include <jansson.h>
#include <mach/mach.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/param.h>
#include <sys/sysctl.h>
#include <sys/time.h>

#include "base/clock.h"

enum { BYTES_PER_MB = 1024 * 1024, PERCENT = 100, USER_BYTES = 256 };

/* ---- the boot ---- */

static int64_t booted_at_s(void)
{
        struct timeval booted;
        size_t bytes = sizeof(booted);

        if (sysctlbyname("kern.boottime", &booted, &bytes, NULL, 0) != 0)
                return -1;
        return booted.tv_sec;
}

static void find_boot_id(struct mu_macos_device *device)
{
        size_t bytes = sizeof(device->boot_id);

        if (sysctlbyname("kern.bootsessionuuid", device->boot_id, &bytes, NULL, 0) == 0)
                return;
        /* Without the kernel's word a boot is at least as long as this process. */
        (void)snprintf(device->boot_id, sizeof(device->boot_id), "start-%lld",
                       (long long)mu_clock_realtime_us(device->clock));
}

void mu_macos_device_init(struct mu_macos_device *ret_device, const struct mu_clock *clock,
                          const char *state_directory)
{
        *ret_device = (struct mu_macos_device){.clock = clock, .state_directory = state_directory};
        find_boot_id(ret_device);
}

/* ---- power ---- */

static bool get_number(CFDictionaryRef source, CFStringRef key, int *ret_number)
{
        CFTypeRef value = CFDictionaryGetValue(source, key);

        return value && CFGetTypeID(value) == CFNumberGetTypeID() &&
               CFNumberGetValue(value, kCFNumberIntType, ret_number);
}

static bool is_text(CFDictionaryRef source, CFStringRef key, CFStringRef text)
{
        CFTypeRef value = CFDictionaryGetValue(source, key);

        return value && CFGetTypeID(value) == CFStringGetTypeID() && CFEqual(value, text);
}

static void read_source(CFDictionaryRef source, struct mu_agent_readings *readings)
{
        int now;
        int most;

        /* An uninterruptible supply's battery is not the machine's. */
        if (!is_text(source, CFSTR(kIOPSTypeKey), CFSTR(kIOPSInternalBatteryType)))
                return;
        if (get_number(source, CFSTR(kIOPSCurrentCapacityKey), &now) &&
            get_number(source, CFSTR(kIOPSMaxCapacityKey), &most) && most > 0 && now >= 0)
                readings->battery = now < most ? now * PERCENT / most : PERCENT;
        /* One that is full takes no current and is fed all the same. */
        readings->charging =
                is_text(source, CFSTR(kIOPSPowerSourceStateKey), CFSTR(kIOPSACPowerValue))
                        ? MU_AGENT_YES
                        : MU_AGENT_NO;
}

static void read_power(struct mu_agent_readings *readings)
{
        CFTypeRef information = IOPSCopyPowerSourcesInfo();

        if (!information)
                return;
        CFStringRef providing = IOPSGetProvidingPowerSourceType(information); /* not ours */

        if (providing)
                readings->power_ok =
                        CFEqual(providing, CFSTR(kIOPSACPowerValue)) ? MU_AGENT_YES : MU_AGENT_NO;
        CFArrayRef sources = IOPSCopyPowerSourcesList(information);
        CFIndex count = sources ? CFArrayGetCount(sources) : 0;

        for (CFIndex i = 0; i < count; i++) {
                CFDictionaryRef source = IOPSGetPowerSourceDescription(
                        information, CFArrayGetValueAtIndex(sources, i)); /* not ours */

                if (source)
                        read_source(source, readings);
        }
        if (sources)
                CFRelease(sources);
        CFRelease(information);
}

/* ---- memory ---- */

static void read_memory(struct mu_agent_readings *readings)
{
        mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
        mach_port_t host = mach_host_self();
        vm_statistics64_data_t pages;
        uint64_t total = 0;
        size_t bytes = sizeof(total);

        if (sysctlbyname("hw.memsize", &total, &bytes, NULL, 0) == 0)
                readings->ram_total_mb = (int64_t)(total / BYTES_PER_MB);
        /* What a program could have: free, and what is kept only in case it is wanted again. */
        if (host_statistics64(host, HOST_VM_INFO64, (host_info64_t)&pages, &count) == KERN_SUCCESS)
                readings->ram_free_mb =
                        (int64_t)(((uint64_t)pages.free_count + pages.inactive_count) *
                                  vm_kernel_page_size / BYTES_PER_MB);
        (void)mach_port_deallocate(mach_task_self(), host);
}

/* ---- all of it ---- */

static int64_t watch(struct mu_macos_device *device, const char *monitored, const char *package)
{
        uint64_t now_ns = mu_clock_monotonic_ns(device->clock);

        if (strcmp(device->monitored, monitored) != 0) {
                (void)snprintf(device->monitored, sizeof(device->monitored), "%s", monitored);
                device->was_in_front = false;
        }
        if (monitored[0] == '\0')
                return -1;
        if (strcmp(monitored, package) == 0) {
                device->was_in_front = true;
                device->in_front_ns = now_ns;
        }
        return device->was_in_front ? (int64_t)(now_ns - device->in_front_ns) / MU_NS_PER_S : -1;
}

static void add(json_t *extra, const char *name, json_t *value)
{
        /* Without memory a member is missing: less is told, nothing wrong. */
        if (json_object_set_new(extra, name, value) < 0)
                return;
}

static json_t *extra_of(const struct mu_macos_device *device)
{
        int64_t idle_s = mu_macos_idle_s();
        json_t *extra = json_object();
        char user[USER_BYTES] = "";
        struct statfs disk;

        if (!extra)
                return NULL;
        mu_macos_user(user, sizeof(user));
        if (user[0] != '\0')
                add(extra, "user", json_string(user));
        if (idle_s >= 0)
                add(extra, "idle_s", json_integer(idle_s));
        if (statfs(device->state_directory, &disk) == 0)
                add(extra, "disk_free_mb",
                    json_integer((json_int_t)(disk.f_bavail * disk.f_bsize / BYTES_PER_MB)));
        return extra;
}

void mu_macos_device_read(struct mu_macos_device *device, const char *monitored,
                          struct mu_agent_readings *ret_readings)
{
        int64_t now_s = mu_clock_realtime_us(device->clock) / MU_US_PER_S;
        int64_t booted_s = booted_at_s();

        read_power(ret_readings);
        read_memory(ret_readings);
        if (booted_s > 0 && now_s >= booted_s)
                ret_readings->uptime_s = now_s - booted_s;
        ret_readings->network = mu_macos_network();
        mu_macos_foreground(ret_readings->fg_package);
        ret_readings->monitored_ago_s = watch(device, monitored, ret_readings->fg_package);
        memcpy(ret_readings->boot_id, device->boot_id, sizeof(ret_readings->boot_id));
        ret_readings->extra = extra_of(device);
}
