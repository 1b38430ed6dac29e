/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/nl80211.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_machine.h"
#include "linux/network.h"
#include "linux/wifi.h"

#define IPV4_HEAD                                                                                  \
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
/* 192.0.2.1 and 192.0.2.0/24, as a little-endian kernel writes them. */
#define IPV4_DEFAULT(interface, metric)                                                            \
        interface "\t00000000\t010200C0\t0003\t0\t0\t" metric "\t00000000\t0\t0\t0\n"
#define IPV4_NET(interface) interface "\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
#define ZEROS "00000000000000000000000000000000"
#define IPV6_DEFAULT(interface, flags)                                                             \
        ZEROS " 00 " ZEROS                                                                         \
              " 00 fe800000000000000000000000000001 00000400 00000001 00000000 " flags             \
              " " interface "\n"

static void link_file(struct fake_machine *machine, const char *interface, const char *file,
                      const char *content)
{
        char path[256];

        (void)snprintf(path, sizeof(path), "/sys/class/net/%s/%s", interface, file);
        fake_machine_file(machine, path, content);
}

static void ethernet(struct fake_machine *machine, const char *interface, const char *state)
{
        link_file(machine, interface, "type", "1\n");
        link_file(machine, interface, "operstate", state);
}

static void check(const struct fake_machine *machine, enum mu_agent_network kind,
                  enum mu_agent_maybe validated, const char *interface)
{
        struct mu_network network;

        mu_network_look(machine->root, &network);
        assert_int_equal(network.online, kind != MU_AGENT_NETWORK_OFFLINE);
        assert_int_equal(network.kind, kind);
        assert_int_equal(network.validated, validated);
        assert_string_equal(network.interface, interface);
}

static void test_no_route_is_offline(void **state)
{
        check(*state, MU_AGENT_NETWORK_OFFLINE, MU_AGENT_NO, "");
        fake_machine_file(*state, "/proc/net/route", IPV4_HEAD);
        fake_machine_file(*state, "/proc/net/ipv6_route", IPV6_DEFAULT("lo", "00200200"));
        check(*state, MU_AGENT_NETWORK_OFFLINE, MU_AGENT_NO, "");
}

static void test_the_gateway_has_to_be_there(void **state)
{
        struct fake_machine *machine = *state;

        ethernet(machine, "eth0", "up\n");
        fake_machine_file(machine, "/proc/net/route", IPV4_HEAD IPV4_DEFAULT("eth0", "100"));
        check(machine, MU_AGENT_NETWORK_ETHERNET, MU_AGENT_UNKNOWN, "eth0");
        fake_machine_file(machine, "/proc/net/arp",
                          "IP address       HW type     Flags       HW address            Mask     "
                          "Device\n"
                          "192.0.2.1        0x1         0x2         02:00:00:00:00:09     *        "
                          "eth1\n"
                          "192.0.2.1        0x1         0x0         00:00:00:00:00:00     *        "
                          "eth0\n");
        check(machine, MU_AGENT_NETWORK_ETHERNET, MU_AGENT_NO, "eth0");
        fake_machine_file(machine, "/proc/net/arp",
                          "192.0.2.1        0x1         0x2         02:00:00:00:00:01     *        "
                          "eth0\n");
        check(machine, MU_AGENT_NETWORK_ETHERNET, MU_AGENT_YES, "eth0");
        ethernet(machine, "eth0", "down\n");
        check(machine, MU_AGENT_NETWORK_OFFLINE, MU_AGENT_NO, "");
}

static void test_the_lowest_metric_that_is_up_speaks(void **state)
{
        struct fake_machine *machine = *state;

        ethernet(machine, "eth0", "up\n");
        ethernet(machine, "wlan0", "up\n");
        fake_machine_directory(machine, "/sys/class/net/wlan0/wireless");
        fake_machine_file(machine, "/proc/net/route",
                          IPV4_HEAD IPV4_DEFAULT("wlan0", "600") IPV4_DEFAULT("eth0", "100"));
        check(machine, MU_AGENT_NETWORK_ETHERNET, MU_AGENT_UNKNOWN, "eth0");
        ethernet(machine, "eth0", "down\n");
        check(machine, MU_AGENT_NETWORK_WIFI, MU_AGENT_UNKNOWN, "wlan0");
}

static void test_modems_are_cellular(void **state)
{
        struct fake_machine *machine = *state;

        link_file(machine, "wwan0", "type", "519\n");
        link_file(machine, "wwan0", "operstate", "unknown\n");
        link_file(machine, "wwan0", "carrier", "1\n");
        fake_machine_file(machine, "/proc/net/route",
                          IPV4_HEAD
                          "wwan0\t00000000\t00000000\t0001\t0\t0\t700\t00000000\t0\t0\t0\n");
        check(machine, MU_AGENT_NETWORK_CELLULAR, MU_AGENT_YES, "wwan0"); /* it has no gateway */
        link_file(machine, "wwan0", "type", "1\n"); /* some pretend to be Ethernet */
        check(machine, MU_AGENT_NETWORK_ETHERNET, MU_AGENT_YES, "wwan0");
        link_file(machine, "wwan0", "uevent", "DEVTYPE=wwan\nINTERFACE=wwan0\nIFINDEX=4\n");
        check(machine, MU_AGENT_NETWORK_CELLULAR, MU_AGENT_YES, "wwan0");
}

static void test_tunnels_and_bridges_are_looked_through(void **state)
{
        struct fake_machine *machine = *state;

        link_file(machine, "tun0", "type", "65534\n");
        link_file(machine, "tun0", "operstate", "unknown\n");
        fake_machine_file(machine, "/proc/net/route", IPV4_HEAD IPV4_DEFAULT("tun0", "50"));
        check(machine, MU_AGENT_NETWORK_UNKNOWN, MU_AGENT_UNKNOWN, "tun0");

        ethernet(machine, "br0", "up\n");
        fake_machine_directory(machine, "/sys/class/net/br0/bridge");
        fake_machine_directory(machine, "/sys/class/net/br0/lower_bond0");
        ethernet(machine, "bond0", "up\n");
        fake_machine_directory(machine, "/sys/class/net/bond0/lower_wlan0");
        ethernet(machine, "wlan0", "up\n");
        fake_machine_directory(machine, "/sys/class/net/wlan0/phy80211");
        fake_machine_file(machine, "/proc/net/route",
                          IPV4_HEAD IPV4_DEFAULT("tun0", "50") IPV4_DEFAULT("br0", "100"));
        check(machine, MU_AGENT_NETWORK_WIFI, MU_AGENT_UNKNOWN, "br0");
}

static void test_without_a_default_route_a_network_will_do(void **state)
{
        struct fake_machine *machine = *state;

        ethernet(machine, "docker0", "up\n");
        fake_machine_directory(machine, "/sys/class/net/docker0/bridge");
        ethernet(machine, "eth0", "up\n");
        fake_machine_file(machine, "/proc/net/route",
                          IPV4_HEAD IPV4_NET("docker0") "eth0\t0000FEA9\t00000000\t0001\t0\t0\t1000"
                                                        "\t0000FFFF\t0\t0\t0\n");
        check(machine, MU_AGENT_NETWORK_OFFLINE, MU_AGENT_NO, ""); /* link-local is no way out */
        fake_machine_file(machine, "/proc/net/route", IPV4_HEAD IPV4_NET("eth0"));
        check(machine, MU_AGENT_NETWORK_ETHERNET, MU_AGENT_UNKNOWN, "eth0");
}

static void test_ipv6_alone(void **state)
{
        struct fake_machine *machine = *state;

        ethernet(machine, "eth0", "up\n");
        fake_machine_file(machine, "/proc/net/ipv6_route",
                          "fe800000000000000000000000000000 40 " ZEROS " 00 " ZEROS
                          " 00000100 00000001 00000000 00000001     eth0\n"
                          "ff000000000000000000000000000000 08 " ZEROS " 00 " ZEROS
                          " 00000100 00000004 00000000 00000001     eth0\n"
                          "20010db8000000000000000000000002 80 " ZEROS " 00 " ZEROS
                          " 00000000 00000003 00000000 80200001     eth0\n");
        check(machine, MU_AGENT_NETWORK_OFFLINE, MU_AGENT_NO, "");
        fake_machine_file(machine, "/proc/net/ipv6_route", IPV6_DEFAULT("eth0", "00000003"));
        check(machine, MU_AGENT_NETWORK_ETHERNET, MU_AGENT_UNKNOWN, "eth0");
}

static void test_more_routes_than_are_kept(void **state)
{
        struct fake_machine *machine = *state;
        char routes[4096] = IPV4_HEAD;

        for (int i = 20; i > 0; i--) {
                size_t bytes = strlen(routes);
                char interface[16];

                (void)snprintf(interface, sizeof(interface), "eth%d", i);
                ethernet(machine, interface, "up\n");
                (void)snprintf(routes + bytes, sizeof(routes) - bytes, IPV4_DEFAULT("eth%d", "%d"),
                               i, i);
        }
        fake_machine_file(machine, "/proc/net/route", routes);
        check(machine, MU_AGENT_NETWORK_ETHERNET, MU_AGENT_UNKNOWN, "eth1");
}

/* An answer of nl80211, made by hand. */
static size_t put_attribute(char *message, size_t at, uint16_t type, const void *data, size_t bytes)
{
        struct nlattr attribute = {.nla_len = (uint16_t)(sizeof(attribute) + bytes),
                                   .nla_type = type};

        memcpy(message + at, &attribute, sizeof(attribute));
        memcpy(message + at + sizeof(attribute), data, bytes);
        return at + ((sizeof(attribute) + bytes + 3) & ~(size_t)3);
}

static void test_attributes_of_the_wireless_are_found(void **state)
{
        char message[256] = {0};
        const uint32_t index = 3;
        size_t bytes = sizeof(struct nlmsghdr) + sizeof(struct genlmsghdr), found_bytes = 0;

        (void)state;
        bytes = put_attribute(message, bytes, NL80211_ATTR_IFINDEX, &index, sizeof(index));
        bytes = put_attribute(message, bytes, NL80211_ATTR_SSID, "caf\xc3\xa9", 5);
        const struct nlmsghdr header = {.nlmsg_len = (uint32_t)bytes};

        memcpy(message, &header, sizeof(header));
        const void *found = mu_wifi_attribute(message, bytes, NL80211_ATTR_SSID, &found_bytes);

        assert_non_null(found);
        assert_int_equal(found_bytes, 5);
        assert_memory_equal(found, "caf\xc3\xa9", 5);
        assert_null(mu_wifi_attribute(message, bytes, NL80211_ATTR_WIPHY, &found_bytes));
        /* Broken off anywhere it is no message; copied so that a step too far is seen. */
        for (size_t cut = 0; cut < bytes; cut++) {
                char *part = malloc(cut ? cut : 1);

                assert_non_null(part);
                memcpy(part, message, cut);
                assert_null(mu_wifi_attribute(part, cut, NL80211_ATTR_SSID, &found_bytes));
                free(part);
        }
        /* One that claims to be longer than the message. */
        const struct nlattr long_one = {.nla_len = 64, .nla_type = NL80211_ATTR_SSID};
        size_t short_bytes = sizeof(header) + sizeof(struct genlmsghdr) + sizeof(long_one);
        const struct nlmsghdr short_header = {.nlmsg_len = (uint32_t)short_bytes};
        char *piece = malloc(short_bytes);

        assert_non_null(piece);
        memset(piece, 0, short_bytes);
        memcpy(piece, &short_header, sizeof(short_header));
        memcpy(piece + short_bytes - sizeof(long_one), &long_one, sizeof(long_one));
        assert_null(mu_wifi_attribute(piece, short_bytes, NL80211_ATTR_SSID, &found_bytes));
        free(piece);
        const struct nlattr endless = {.nla_len = 0, .nla_type = NL80211_ATTR_WIPHY};

        memcpy(message + sizeof(struct nlmsghdr) + sizeof(struct genlmsghdr), &endless,
               sizeof(endless));
        assert_null(mu_wifi_attribute(message, bytes, NL80211_ATTR_SSID, &found_bytes));
}

static void test_a_link_that_is_not_wireless_has_no_name(void **state)
{
        char ssid[MU_AGENT_SSID_BYTES] = "before";

        (void)state;
        mu_wifi_ssid("lo", ssid);
        assert_string_equal(ssid, "");
        mu_wifi_ssid("nosuchlink", ssid);
        assert_string_equal(ssid, "");
}

static void write_map(const char *path, unsigned id)
{
        char line[32];
        int bytes = snprintf(line, sizeof(line), "0 %u 1", id);
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0)
                return;
        if (write(fd, line, (size_t)bytes) != bytes)
                (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        close(fd);
}

/* Into a network of our own, with a /sys that shows it. */
static bool leave(void)
{
        unsigned uid = geteuid(), gid = getegid();

        if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
                if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0)
                        return false;
                int fd = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);

                if (fd >= 0 && write(fd, "deny", 4) != 4)
                        (void)fprintf(stderr, "setgroups: %s\n", strerror(errno));
                if (fd >= 0)
                        close(fd);
                write_map("/proc/self/uid_map", uid);
                write_map("/proc/self/gid_map", gid);
        }
        return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
               mount("sysfs", "/sys", "sysfs", 0, NULL) == 0;
}

static int run_ip(const char *line)
{
        char words[128], *rest = words, *argv[16] = {"ip"};
        int count = 1, status;
        pid_t pid;

        (void)snprintf(words, sizeof(words), "%s", line);
        while (count < 15 && (argv[count] = strsep(&rest, " ")))
                count++;
        if (posix_spawnp(&pid, "ip", NULL, NULL, argv, environ) != 0)
                return -1;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status;
}

static void ip(const char *line)
{
        assert_int_equal(run_ip(line), 0);
}

/* Waits for the kernel's word until the network is as wanted. */
static void wait_for(int fd, enum mu_agent_network kind, enum mu_agent_maybe validated)
{
        enum { PATIENCE_MS = 60000 };
        struct mu_network network;

        for (;;) {
                struct pollfd told = {.fd = fd, .events = POLLIN};

                mu_network_look("", &network);
                if (network.kind == kind && network.validated == validated)
                        return;
                assert_int_equal(poll(&told, 1, PATIENCE_MS), 1);
                assert_true(mu_network_listen_read(fd));
        }
}

static void test_the_kernel_tells_of_changes(void **state)
{
        struct mu_network network;
        int fd;

        (void)state;
        if (!leave() || run_ip("link add mu0 type veth peer name mu1") != 0) {
                (void)fprintf(stderr, "SKIPPED: no network of one's own may be made here: the "
                                      "kernel's word of changes was not tested\n");
                skip();
        }
        assert_int_equal(mu_network_listen(&fd), 0);
        assert_false(mu_network_listen_read(fd));
        mu_network_look("", &network);
        assert_false(network.online);
        assert_int_equal(network.kind, MU_AGENT_NETWORK_OFFLINE);

        ip("link set mu1 up");
        ip("link set mu0 up");
        ip("addr add 192.0.2.2/24 dev mu0");
        wait_for(fd, MU_AGENT_NETWORK_ETHERNET, MU_AGENT_UNKNOWN);
        ip("route add default via 192.0.2.1");
        assert_true(mu_network_listen_read(fd)); /* the route is told before ip ends */
        ip("neigh replace 192.0.2.1 lladdr 02:00:00:00:00:01 dev mu0 nud permanent");
        mu_network_look("", &network);
        assert_string_equal(network.interface, "mu0");
        assert_int_equal(network.validated, MU_AGENT_YES);
        ip("link set mu1 down");
        wait_for(fd, MU_AGENT_NETWORK_OFFLINE, MU_AGENT_NO);
        ip("link set mu1 up");
        wait_for(fd, MU_AGENT_NETWORK_ETHERNET, MU_AGENT_YES);
        ip("addr del 192.0.2.2/24 dev mu0");
        wait_for(fd, MU_AGENT_NETWORK_OFFLINE, MU_AGENT_NO);
        close(fd);
}

#define ON_A_MACHINE(test)                                                                         \
        cmocka_unit_test_setup_teardown(test, fake_machine_setup, fake_machine_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                ON_A_MACHINE(test_no_route_is_offline),
                ON_A_MACHINE(test_the_gateway_has_to_be_there),
                ON_A_MACHINE(test_the_lowest_metric_that_is_up_speaks),
                ON_A_MACHINE(test_modems_are_cellular),
                ON_A_MACHINE(test_tunnels_and_bridges_are_looked_through),
                ON_A_MACHINE(test_without_a_default_route_a_network_will_do),
                ON_A_MACHINE(test_ipv6_alone),
                ON_A_MACHINE(test_more_routes_than_are_kept),
                cmocka_unit_test(test_attributes_of_the_wireless_are_found),
                cmocka_unit_test(test_a_link_that_is_not_wireless_has_no_name),
                cmocka_unit_test(test_the_kernel_tells_of_changes), /* last: it leaves for good */
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
