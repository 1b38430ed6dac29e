/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/device.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "linux/foreground.h"
#include "linux/host.h"
#include "linux/network.h"
#include "linux/power.h"
#include "linux/running.h"
#include "linux/session.h"
#include "linux/wifi.h"

struct mu_device {
        const char *root;
        const char *state_directory;
        const struct mu_clock *clock;
        const struct mu_agent_config *config; /* NULL: not yet */
        struct mu_desktop desktop;
        int network_fd; /* -1: the kernel does not tell */
        struct mu_network network;
        char boot_id[MU_AGENT_BOOT_ID_BYTES];
        char monitored[MU_AGENT_PACKAGE_BYTES]; /* whom the next one is about */
        bool was_in_front;
        uint64_t in_front_ns; /* at the last reading that saw it there */
};

/* Without the kernel's word a boot is at least as long as this process. */
static void find_boot_id(struct mu_device *device)
{
        mu_host_boot_id(device->root, device->boot_id);
        if (device->boot_id[0] == '\0')
                (void)snprintf(device->boot_id, sizeof(device->boot_id), "start-%lld",
                               (long long)mu_clock_realtime_us(device->clock));
}

int mu_device_create(const struct mu_device_options *options, struct mu_device **ret_device)
{
        MU_ASSERT(options->root && options->clock);
        struct mu_device *device = calloc(1, sizeof(*device));

        if (!device)
                return -ENOMEM;
        *device = (struct mu_device){.root = options->root,
                                     .state_directory = options->state_directory,
                                     .clock = options->clock,
                                     .config = options->config,
                                     .network_fd = -1};
        /* Where sockets of that family are forbidden, each reading looks itself. */
        if (mu_network_listen(&device->network_fd) < 0)
                device->network_fd = -1;
        mu_desktop_of_environment(&device->desktop);
        mu_network_look(device->root, &device->network);
        find_boot_id(device);
        *ret_device = device;
        return 0;
}

void mu_device_destroy(struct mu_device *device)
{
        if (!device)
                return;
        if (device->network_fd >= 0)
                close(device->network_fd);
        free(device);
}

void mu_device_use_config(struct mu_device *device, const struct mu_agent_config *config)
{
        device->config = config;
}

int mu_device_network_fd(const struct mu_device *device)
{
        return device->network_fd;
}

bool mu_device_network_read(struct mu_device *device)
{
        if (device->network_fd >= 0)
                (void)mu_network_listen_read(device->network_fd);
        mu_network_look(device->root, &device->network);
        return mu_device_is_online(device);
}

/* The host of an URL that config.c has checked: plain http goes to loopback only. */
static bool is_loopback(const char *server)
{
        static const char *const HOSTS[] = {"127.", "localhost", "[::1]"};
        const char *host = strstr(server, "://");

        for (size_t i = 0; host && i < MU_COUNT_OF(HOSTS); i++)
                if (strncmp(host + 3, HOSTS[i], strlen(HOSTS[i])) == 0)
                        return true;
        return false;
}

bool mu_device_is_online(const struct mu_device *device)
{
        return device->network.online || (device->config && is_loopback(device->config->server));
}

static bool is_in_front(const struct mu_device *device, const char *package)
{
        if (mu_is_program_path(device->monitored) || mu_is_unit_name(device->monitored))
                return mu_is_running(device->root, device->monitored) == MU_AGENT_YES;
        return strcmp(device->monitored, package) == 0;
}

static int64_t watch(struct mu_device *device, const char *monitored, const char *package)
{
        uint64_t now_ns = mu_clock_monotonic_ns(device->clock);

        if (strcmp(device->monitored, monitored) != 0) {
                (void)snprintf(device->monitored, sizeof(device->monitored), "%s", monitored);
                device->was_in_front = false;
        }
        if (device->monitored[0] == '\0')
                return -1;
        if (is_in_front(device, package)) {
                device->was_in_front = true;
                device->in_front_ns = now_ns;
        }
        return device->was_in_front ? (int64_t)(now_ns - device->in_front_ns) / MU_NS_PER_S : -1;
}

static void read_network(struct mu_device *device, struct mu_agent_readings *ret_readings)
{
        const struct mu_network *network = &device->network;

        mu_network_look(device->root, &device->network); /* neighbours come and go untold */
        ret_readings->network = network->kind;
        ret_readings->net_validated = network->validated;
        if (network->kind == MU_AGENT_NETWORK_WIFI)
                mu_wifi_ssid(network->interface, ret_readings->ssid);
}

static void add_number(json_t *extra, const char *name, int64_t value)
{
        /* Without memory a member is missing: less is told, nothing wrong. */
        if (value >= 0 && json_object_set_new(extra, name, json_integer(value)) < 0)
                return;
}

static void add_text(json_t *extra, const char *name, const char *value)
{
        if (value[0] && json_object_set_new(extra, name, json_string(value)) < 0)
                return;
}

static json_t *extra_of(const struct mu_device *device, int64_t desktop_idle_s)
{
        int64_t now_s = mu_clock_realtime_us(device->clock) / MU_US_PER_S;
        struct mu_session session;
        struct mu_host_disk disk;
        json_t *extra = json_object();

        if (!extra)
                return NULL;
        mu_session_read(device->root, now_s, &session);
        mu_host_disk(device->root, device->state_directory, &disk);
        add_text(extra, "user", session.user);
        add_text(extra, "session", session.type);
        add_number(extra, "idle_s", desktop_idle_s >= 0 ? desktop_idle_s : session.idle_s);
        add_number(extra, "disk_free_mb", disk.free_mb);
        add_number(extra, "state_disk_free_mb", disk.state_mb);
        return extra;
}

void mu_device_read(struct mu_device *device, const char *monitored,
                    struct mu_agent_readings *ret_readings)
{
        struct mu_foreground foreground;
        struct mu_host_memory memory;
        struct mu_power power;

        mu_power_read(device->root, &power);
        mu_host_memory(device->root, &memory);
        mu_foreground_read(device->root, &device->desktop, &foreground);
        ret_readings->battery = power.battery;
        ret_readings->charging = power.charging;
        ret_readings->power_ok = power.power_ok;
        ret_readings->ram_free_mb = memory.free_mb;
        ret_readings->ram_total_mb = memory.total_mb;
        ret_readings->uptime_s = mu_host_uptime_s(device->root);
        memcpy(ret_readings->boot_id, device->boot_id, sizeof(ret_readings->boot_id));
        read_network(device, ret_readings);
        memcpy(ret_readings->fg_package, foreground.package, sizeof(ret_readings->fg_package));
        ret_readings->monitored_ago_s = watch(device, monitored, foreground.package);
        ret_readings->extra = extra_of(device, foreground.idle_s);
}
