/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/network.h"

#include <dirent.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "linux/machine_file.h"

enum {
        LINE_BYTES = 256,
        WAYS_MAX = 8,
        DEPTH_MAX = 4, /* a VLAN on a bond on a bridge */
};

#define ROUTE_LOCAL 0x80000000U /* of /proc/net/ipv6_route: to an address of ours */

struct way {
        char interface[IF_NAMESIZE];
        uint32_t metric;
        uint32_t gateway; /* IPv4, as the kernel writes it; 0: none, or IPv6 */
        bool is_ipv6;
        bool is_default;
};

struct ways {
        size_t count;
        struct way of[WAYS_MAX]; /* default ones first, then by metric */
};

static bool is_before(const struct way *one, const struct way *other)
{
        if (one->is_default != other->is_default)
                return one->is_default;
        return one->metric < other->metric;
}

static void add_way(struct ways *ways, const struct way *way)
{
        size_t place = 0;

        while (place < ways->count && !is_before(way, &ways->of[place]))
                place++;
        if (place == WAYS_MAX)
                return;
        size_t moved = (ways->count < WAYS_MAX ? ways->count : WAYS_MAX - 1) - place;

        memmove(&ways->of[place + 1], &ways->of[place], moved * sizeof(*way));
        ways->of[place] = *way;
        if (ways->count < WAYS_MAX)
                ways->count++;
}

/* Where /sys says nothing, the route is believed. */
static bool link_is_up(const char *root, const char *interface)
{
        char directory[MU_MACHINE_PATH_BYTES], state[32];
        int64_t carrier;

        if (mu_machine_path(directory, root, "/sys/class/net/%s", interface) < 0)
                return false;
        if (mu_machine_read_in(state, sizeof(state), directory, "operstate") < 0)
                return true;
        if (strcmp(state, "unknown") == 0) /* a driver that does not tell: tunnels and the like */
                return mu_machine_read_int_in(&carrier, directory, "carrier") < 0 || carrier != 0;
        return strcmp(state, "up") == 0;
}

static bool is_bridge(const char *root, const char *interface)
{
        char directory[MU_MACHINE_PATH_BYTES];

        return mu_machine_path(directory, root, "/sys/class/net/%s", interface) == 0 &&
               mu_machine_has(directory, "bridge");
}

static void consider(const char *root, struct ways *ways, const struct way *way)
{
        if (strcmp(way->interface, "lo") == 0 || !link_is_up(root, way->interface) ||
            (!way->is_default && is_bridge(root, way->interface)))
                return;
        add_way(ways, way);
}

static void take_ipv4_line(const char *root, const char *line, struct ways *ways)
{
        struct way way = {0};
        unsigned destination, gateway, flags, metric, mask;
        unsigned char bytes[4]; /* in the order of the network */

        _Static_assert(IF_NAMESIZE == 16, "the format below");
        if (sscanf(line, "%15s %x %x %x %*d %*d %u %x", way.interface, &destination, &gateway,
                   &flags, &metric, &mask) != 6 ||
            !(flags & RTF_UP) || (flags & RTF_REJECT))
                return;
        memcpy(bytes, &destination, sizeof(bytes));
        if (bytes[0] == 169 && bytes[1] == 254)
                return;
        way.is_default = destination == 0 && mask == 0;
        way.gateway = gateway;
        way.metric = metric;
        consider(root, ways, &way);
}

static void take_ipv6_line(const char *root, const char *line, struct ways *ways)
{
        struct way way = {.is_ipv6 = true};
        char destination[33];
        unsigned prefix, metric, flags;

        if (sscanf(line, "%32s %x %*s %*x %*s %x %*x %*x %x %15s", destination, &prefix, &metric,
                   &flags, way.interface) != 5 ||
            !(flags & RTF_UP) || (flags & RTF_REJECT) || (flags & ROUTE_LOCAL))
                return;
        way.is_default = prefix == 0 && strspn(destination, "0") == 32;
        if (strncmp(destination, "fe8", 3) == 0 || strncmp(destination, "ff", 2) == 0)
                return;
        way.metric = metric;
        consider(root, ways, &way);
}

static void take_file(const char *root, const char *name, struct ways *ways,
                      void (*take)(const char *root, const char *line, struct ways *ways))
{
        char path[MU_MACHINE_PATH_BYTES], line[LINE_BYTES];

        if (mu_machine_path(path, root, "/proc/net/%s", name) < 0)
                return;
        FILE *file = fopen(path, "re");

        if (!file)
                return;
        while (fgets(line, sizeof(line), file))
                take(root, line, ways);
        fclose(file);
}

static enum mu_agent_network kind_of(const char *root, const char *interface, int depth);

/* The first real link that a bridge, bond or VLAN stands on. */
static enum mu_agent_network kind_below(const char *root, const char *directory, int depth)
{
        enum mu_agent_network kind = MU_AGENT_NETWORK_UNKNOWN;
        const struct dirent *entry;
        DIR *links = depth < DEPTH_MAX ? opendir(directory) : NULL;

        if (!links)
                return kind;
        while (kind == MU_AGENT_NETWORK_UNKNOWN && (entry = readdir(links)))
                if (strncmp(entry->d_name, "lower_", 6) == 0 && link_is_up(root, entry->d_name + 6))
                        kind = kind_of(root, entry->d_name + 6, depth + 1);
        closedir(links);
        return kind;
}

static enum mu_agent_network kind_of(const char *root, const char *interface, int depth)
{
        char directory[MU_MACHINE_PATH_BYTES], uevent[512] = "";
        int64_t type = -1;

        if (mu_machine_path(directory, root, "/sys/class/net/%s", interface) < 0)
                return MU_AGENT_NETWORK_UNKNOWN;
        if (mu_machine_has(directory, "wireless") || mu_machine_has(directory, "phy80211"))
                return MU_AGENT_NETWORK_WIFI;
        if (mu_machine_read_in(uevent, sizeof(uevent), directory, "uevent") == 0 &&
            strstr(uevent, "DEVTYPE=wwan"))
                return MU_AGENT_NETWORK_CELLULAR;
        enum mu_agent_network below = kind_below(root, directory, depth);

        if (below != MU_AGENT_NETWORK_UNKNOWN)
                return below;
        if (mu_machine_read_int_in(&type, directory, "type") < 0 ||
            mu_machine_has(directory, "tun_flags"))
                return MU_AGENT_NETWORK_UNKNOWN;
        if (type == ARPHRD_RAWIP)
                return MU_AGENT_NETWORK_CELLULAR;
        return type == ARPHRD_ETHER ? MU_AGENT_NETWORK_ETHERNET : MU_AGENT_NETWORK_UNKNOWN;
}

/* /proc/net/arp: is there a link address for the gateway? */
static enum mu_agent_maybe neighbour_of(const char *root, const struct way *way)
{
        char path[MU_MACHINE_PATH_BYTES], line[LINE_BYTES];
        enum mu_agent_maybe answer = MU_AGENT_UNKNOWN;

        if (mu_machine_path(path, root, "/proc/net/arp") < 0)
                return answer;
        FILE *file = fopen(path, "re");

        if (!file)
                return answer;
        while (answer == MU_AGENT_UNKNOWN && fgets(line, sizeof(line), file)) {
                unsigned part[4], flags;
                char device[IF_NAMESIZE];
                unsigned char bytes[4];
                uint32_t address;

                if (sscanf(line, "%u.%u.%u.%u %*x %x %*s %*s %15s", &part[0], &part[1], &part[2],
                           &part[3], &flags, device) != 6)
                        continue;
                for (size_t i = 0; i < sizeof(bytes); i++)
                        bytes[i] = (unsigned char)part[i];
                memcpy(&address, bytes, sizeof(address));
                if (address == way->gateway && strcmp(device, way->interface) == 0)
                        answer = flags & ATF_COM ? MU_AGENT_YES : MU_AGENT_NO;
        }
        fclose(file);
        return answer;
}

static enum mu_agent_maybe validated_of(const char *root, const struct ways *ways)
{
        if (ways->count == 0)
                return MU_AGENT_NO;
        for (size_t i = 0; i < ways->count; i++) {
                const struct way *way = &ways->of[i];

                if (way->is_ipv6 || !way->is_default)
                        continue;
                return way->gateway == 0 ? MU_AGENT_YES : neighbour_of(root, way);
        }
        return MU_AGENT_UNKNOWN;
}

void mu_network_look(const char *root, struct mu_network *ret_network)
{
        struct ways ways = {0};

        take_file(root, "route", &ways, take_ipv4_line);
        take_file(root, "ipv6_route", &ways, take_ipv6_line);
        *ret_network = (struct mu_network){.online = ways.count > 0,
                                           .kind = MU_AGENT_NETWORK_OFFLINE,
                                           .validated = validated_of(root, &ways)};
        if (ways.count == 0)
                return;
        ret_network->kind = MU_AGENT_NETWORK_UNKNOWN;
        for (size_t i = 0; i < ways.count; i++) {
                const char *interface = ways.of[i].interface;
                enum mu_agent_network kind = kind_of(root, interface, 0);

                if (kind != MU_AGENT_NETWORK_UNKNOWN || i == 0)
                        memcpy(ret_network->interface, interface, IF_NAMESIZE);
                ret_network->kind = kind;
                if (kind != MU_AGENT_NETWORK_UNKNOWN)
                        return;
        }
}

int mu_network_listen(int *ret_fd)
{
        struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                      .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR |
                                                   RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
                                                   RTMGRP_IPV6_ROUTE};
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

        if (fd < 0)
                return -errno;
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
                int err = -errno;

                close(fd);
                return err;
        }
        *ret_fd = fd;
        return 0;
}

bool mu_network_listen_read(int fd)
{
        bool told = false;

        MU_ASSERT(fd >= 0);
        for (;;) {
                char start[1];
                ssize_t got = recv(fd, start, sizeof(start), MSG_TRUNC | MSG_DONTWAIT);

                if (got >= 0 || errno == ENOBUFS) /* more was told than the socket holds */
                        told = true;
                else if (errno != EINTR)
                        return told;
        }
}
