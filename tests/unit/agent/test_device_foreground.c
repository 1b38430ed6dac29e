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
#include <jansson.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "fake_machine.h"
#include "linux/device.h"
#include "linux/foreground.h"
#include "linux/x11.h"

#define COOKIE_NAME "MIT-MAGIC-COOKIE-1"
#define COOKIE "0123456789abcdef"

enum {
        ROOT_WINDOW = 0x123,
        ACTIVE_WINDOW = 0x200005,
        ACTIVE_ATOM = 300,
        SAVER_OPCODE = 144,
        IDLE_MS = 65999,
};

/* What is wrong with the server. */
enum fault {
        NONE,
        HANGS_AT_ONCE,
        HANGS_LATER,
        ENDLESS_GREETING,
        ENDLESS_REPLY,
        ENDLESS_EVENTS,
        NO_WINDOW,
        WINDOW_IS_GONE,
        NO_SAVER,
        CLASS_BROKEN_OFF,
};

/* An X server of one connection. */
struct server {
        struct fake_machine *machine;
        enum fault fault;
        int listen_fd;
        pthread_t thread;
};

static bool get(int fd, void *ret_data, size_t bytes)
{
        return bytes == 0 || recv(fd, ret_data, bytes, MSG_WAITALL) == (ssize_t)bytes;
}

static bool put(int fd, const void *data, size_t bytes)
{
        return send(fd, data, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

static void put32(unsigned char *to, uint32_t value)
{
        memcpy(to, &value, sizeof(value));
}

/* Until the other side gives up. */
static void hang(int fd)
{
        char byte;

        while (recv(fd, &byte, 1, 0) > 0)
                ;
}

static bool greet(const struct server *server, int fd)
{
        static const char vendor[] = "Someone's"; /* 9 bytes, 12 with their padding */
        unsigned char head[12], name[20], cookie[16], answer[8 + 32 + 12 + 8 + 40] = {0};
        const uint16_t version = 11, words = (sizeof(answer) - 8) / 4, endless = UINT16_MAX;

        if (!get(fd, head, sizeof(head)))
                return false;
        bool trusted = head[6] == strlen(COOKIE_NAME) && head[8] == sizeof(cookie);

        if (trusted)
                trusted = get(fd, name, sizeof(name)) && get(fd, cookie, sizeof(cookie)) &&
                          memcmp(name, COOKIE_NAME, strlen(COOKIE_NAME)) == 0 &&
                          memcmp(cookie, COOKIE, sizeof(cookie)) == 0;
        memcpy(answer + 2, &version, sizeof(version));
        if (!trusted) {
                (void)put(fd, answer, 8);
                return false;
        }
        answer[0] = 1;
        memcpy(answer + 6, server->fault == ENDLESS_GREETING ? &endless : &words, sizeof(words));
        answer[8 + 16] = sizeof(vendor) - 1;
        answer[8 + 20] = 1; /* screen */
        answer[8 + 21] = 1; /* format */
        memcpy(answer + 8 + 32, vendor, sizeof(vendor) - 1);
        put32(answer + 8 + 32 + 12 + 8, ROOT_WINDOW);
        return put(fd, answer, sizeof(answer));
}

static bool reply(int fd, unsigned char head[32], const void *data, size_t bytes)
{
        unsigned char padded[64] = {0};
        size_t padded_bytes = (bytes + 3) / 4 * 4;

        if (bytes > 0)
                memcpy(padded, data, bytes);
        head[0] = 1;
        if (head[4] == 0)
                put32(head + 4, (uint32_t)(padded_bytes / 4));
        return put(fd, head, 32) && put(fd, padded, padded_bytes);
}

static bool property(const struct server *server, int fd, const unsigned char *request)
{
        static const char class[] = "kiosk\0Kiosk-Shell";
        unsigned char head[32] = {0};
        const uint32_t active = server->fault == NO_WINDOW ? 0 : ACTIVE_WINDOW;
        uint32_t window, name;

        memcpy(&window, request + 4, sizeof(window));
        memcpy(&name, request + 8, sizeof(name));
        if (window == ROOT_WINDOW && name == ACTIVE_ATOM) {
                head[1] = 32;
                put32(head + 16, 1);
                return reply(fd, head, &active, sizeof(active));
        }
        if (server->fault == WINDOW_IS_GONE) {
                head[1] = 3; /* BadWindow */
                return put(fd, head, sizeof(head));
        }
        if (window == ACTIVE_WINDOW && name == 67) {
                size_t bytes = server->fault == CLASS_BROKEN_OFF ? 5 : sizeof(class);

                head[1] = 8;
                put32(head + 16, (uint32_t)bytes);
                return reply(fd, head, class, bytes);
        }
        return false;
}

static bool answer(const struct server *server, int fd, const unsigned char *request, size_t bytes)
{
        unsigned char head[32] = {0}, event[32] = {12}; /* Expose: nobody asked for it */

        if (server->fault == HANGS_LATER)
                hang(fd);
        while (server->fault == ENDLESS_EVENTS)
                if (!put(fd, event, sizeof(event)))
                        return false;
        if (!put(fd, event, sizeof(event)))
                return false;
        if (server->fault == ENDLESS_REPLY) {
                memset(head + 4, 0xff, 4);
                head[0] = 1;
                return put(fd, head, sizeof(head));
        }
        switch (request[0]) {
        case 16: /* InternAtom */
                if (memmem(request, bytes, "_NET_ACTIVE_WINDOW", 18) && request[1] == 1)
                        put32(head + 8, ACTIVE_ATOM);
                return reply(fd, head, NULL, 0);
        case 20: /* GetProperty */
                return property(server, fd, request);
        case 98: /* QueryExtension */
                head[8] =
                        server->fault != NO_SAVER && memmem(request, bytes, "MIT-SCREEN-SAVER", 16);
                head[9] = SAVER_OPCODE;
                return reply(fd, head, NULL, 0);
        case SAVER_OPCODE:
                put32(head + 16, IDLE_MS);
                return request[1] == 1 && reply(fd, head, NULL, 0);
        default:
                return false;
        }
}

static void *serve(void *context)
{
        const struct server *server = context;
        int fd = accept(server->listen_fd, NULL, NULL);
        unsigned char request[128];
        uint16_t words;

        if (fd < 0)
                return NULL;
        if (server->fault == HANGS_AT_ONCE)
                hang(fd);
        if (greet(server, fd))
                while (get(fd, request, 4)) {
                        memcpy(&words, request + 2, sizeof(words));
                        if (words == 0 || words * 4U > sizeof(request) ||
                            !get(fd, request + 4, words * 4U - 4) ||
                            !answer(server, fd, request, words * 4U))
                                break;
                }
        close(fd);
        return NULL;
}

static void start(struct server *server, struct fake_machine *machine, enum fault fault)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        *server = (struct server){.machine = machine, .fault = fault};
        fake_machine_directory(machine, "/tmp/.X11-unix");
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/tmp/.X11-unix/X7",
                       machine->root);
        (void)unlink(address.sun_path);
        server->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(server->listen_fd >= 0);
        assert_int_equal(bind(server->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(server->listen_fd, 4), 0);
        assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop(struct server *server)
{
        (void)shutdown(server->listen_fd, SHUT_RDWR); /* where nobody came */
        assert_int_equal(pthread_join(server->thread, NULL), 0);
        close(server->listen_fd);
}

/* A file of cookies: another display's first, then ours. */
static void cookies(struct fake_machine *machine, const char *number, const char *cookie,
                    char ret_path[128])
{
        static const char other[] = "\1\0\0\4host\0\1"
                                    "6\0\022" COOKIE_NAME "\0\020AAAAAAAAAAAAAAAA";
        char file[256];
        size_t bytes = sizeof(other) - 1;

        memcpy(file, other, bytes);
        memcpy(file + bytes, "\1\0\0\4host\0\1", 10);
        file[bytes + 10] = number[0];
        memcpy(file + bytes + 11, "\0\022" COOKIE_NAME "\0\020", 22);
        memcpy(file + bytes + 33, cookie, 16);
        fake_machine_data(machine, "/run/cookies", file, bytes + 49);
        (void)snprintf(ret_path, 128, "%s/run/cookies", machine->root);
}

static int ask(struct fake_machine *machine, enum fault fault, struct mu_x11 *ret_answer)
{
        struct server server;
        char path[128];

        cookies(machine, "7", COOKIE, path);
        start(&server, machine, fault);
        int err = mu_x11_ask(machine->root, ":7.0", path, ret_answer);

        stop(&server);
        return err;
}

static void check(struct fake_machine *machine, enum fault fault, const char *class, int64_t idle_s)
{
        struct mu_x11 answer;

        assert_int_equal(ask(machine, fault, &answer), 0);
        assert_string_equal(answer.class, class);
        assert_int_equal(answer.idle_s, idle_s);
}

static void test_the_class_and_the_idle_time(void **state)
{
        check(*state, NONE, "Kiosk-Shell", 65);
        check(*state, NO_WINDOW, "", 65);
        check(*state, WINDOW_IS_GONE, "", 65);
        check(*state, CLASS_BROKEN_OFF, "", 65);
        check(*state, NO_SAVER, "Kiosk-Shell", -1);
}

static void test_no_server_holds_us_up(void **state)
{
        struct mu_x11 answer = {.class = "before"};

        assert_int_equal(ask(*state, HANGS_AT_ONCE, &answer), -ETIMEDOUT);
        assert_int_equal(ask(*state, HANGS_LATER, &answer), -ETIMEDOUT);
        assert_true(ask(*state, ENDLESS_GREETING, &answer) < 0);
        assert_int_equal(ask(*state, ENDLESS_REPLY, &answer), -EPROTO);
        assert_int_equal(ask(*state, ENDLESS_EVENTS, &answer), -EPROTO);
        assert_string_equal(answer.class, "before");
}

static void test_a_cookie_is_needed(void **state)
{
        struct fake_machine *machine = *state;
        struct mu_x11 answer;
        struct server server;
        char path[128];

        start(&server, machine, NONE);
        assert_int_equal(mu_x11_ask(machine->root, ":7", NULL, &answer), -EACCES);
        stop(&server);
        cookies(machine, "7", "fedcba9876543210", path);
        start(&server, machine, NONE);
        assert_int_equal(mu_x11_ask(machine->root, ":7", path, &answer), -EACCES);
        stop(&server);
        cookies(machine, "8", COOKIE, path); /* of another display */
        start(&server, machine, NONE);
        assert_int_equal(mu_x11_ask(machine->root, ":7", path, &answer), -EACCES);
        stop(&server);
        fake_machine_data(machine, "/run/cookies", "\1\0\0\4ho", 6); /* broken off */
        start(&server, machine, NONE);
        assert_int_equal(mu_x11_ask(machine->root, ":7", path, &answer), -EACCES);
        stop(&server);
}

static void test_displays_elsewhere_are_not_asked(void **state)
{
        const struct fake_machine *machine = *state;
        struct mu_x11 answer;

        assert_int_equal(mu_x11_ask(machine->root, "far.example:0", NULL, &answer), -ENOTSUP);
        assert_int_equal(mu_x11_ask(machine->root, "", NULL, &answer), -ENOTSUP);
        assert_int_equal(mu_x11_ask(machine->root, ":x", NULL, &answer), -ENOTSUP);
        assert_int_equal(mu_x11_ask(machine->root, ":7x", NULL, &answer), -ENOTSUP);
        assert_int_equal(mu_x11_ask(machine->root, ":7", NULL, &answer), -ENOENT);
}

static void test_sway_tells_the_focused(void **state)
{
        static const char TREE[] =
                "{\"name\":\"root\",\"focused\":false,\"nodes\":[{\"nodes\":[],\"floating_nodes\":["
                "{\"focused\":false,\"app_id\":\"other\",\"nodes\":[]}]},{\"nodes\":[{\"focused\":"
                "%s,\"name\":\"a secret title\",\"app_id\":%s,\"window_properties\":{\"class\":"
                "\"XTerm\",\"title\":\"a secret title\"},\"nodes\":[]}]}]}";
        char package[MU_AGENT_PACKAGE_BYTES] = "", tree[1024];
        int bytes = snprintf(tree, sizeof(tree), TREE, "true", "\"org.example.Till\"");

        (void)state;
        assert_true(mu_foreground_of_tree(tree, (size_t)bytes, package));
        assert_string_equal(package, "org.example.Till");
        bytes = snprintf(tree, sizeof(tree), TREE, "true", "null");
        assert_true(mu_foreground_of_tree(tree, (size_t)bytes, package));
        assert_string_equal(package, "XTerm");
        bytes = snprintf(tree, sizeof(tree), TREE, "false", "\"x\"");
        assert_false(mu_foreground_of_tree(tree, (size_t)bytes, package));
        assert_false(mu_foreground_of_tree(tree, 40, package));
        assert_false(mu_foreground_of_tree("[]", 2, package));
}

static uint64_t now_ns(void *context)
{
        return *(const uint64_t *)context;
}

static int64_t now_us(void *context)
{
        (void)context;
        return INT64_C(1763730300000000);
}

static int64_t ago(struct mu_device *device, const char *monitored)
{
        struct mu_agent_readings readings = {.monitored_ago_s = -2};

        mu_device_read(device, monitored, &readings);
        json_decref(readings.extra);
        return readings.monitored_ago_s;
}

static void test_a_device_tells_it_all(void **state)
{
        struct fake_machine *machine = *state;
        uint64_t now = 50 * (uint64_t)MU_NS_PER_S;
        const struct mu_clock clock = {now_ns, now_us, &now};
        struct mu_agent_config config = {.server = "http://127.0.0.1:8080"};
        const struct mu_device_options options = {.root = machine->root, .clock = &clock};
        struct mu_agent_readings readings = {.doze_whitelisted = MU_AGENT_UNKNOWN};
        struct mu_device *device;
        struct server server;
        char path[128];

        cookies(machine, "7", COOKIE, path);
        assert_int_equal(setenv("DISPLAY", ":7", 1), 0);
        assert_int_equal(setenv("XAUTHORITY", path, 1), 0);
        assert_int_equal(unsetenv("WAYLAND_DISPLAY"), 0);
        assert_int_equal(unsetenv("SWAYSOCK"), 0);
        fake_machine_file(machine, "/run/systemd/sessions/1",
                          "USER=kim\nSTATE=active\nTYPE=x11\nCLASS=user\nSEAT=seat0\n");
        assert_int_equal(mu_device_create(&options, &device), 0);
        start(&server, machine, NONE);
        mu_device_read(device, "Kiosk-Shell", &readings);
        stop(&server);
        assert_string_equal(readings.fg_package, "Kiosk-Shell");
        assert_int_equal(readings.monitored_ago_s, 0);
        assert_int_equal(readings.network, MU_AGENT_NETWORK_OFFLINE);
        assert_int_equal(readings.battery, -1);
        assert_string_equal(readings.boot_id, "start-1763730300000000"); /* never "" */
        assert_int_equal(readings.doze_whitelisted, MU_AGENT_UNKNOWN);
        assert_string_equal(json_string_value(json_object_get(readings.extra, "user")), "kim");
        assert_string_equal(json_string_value(json_object_get(readings.extra, "session")), "x11");
        assert_int_equal(json_integer_value(json_object_get(readings.extra, "idle_s")), 65);
        assert_non_null(json_object_get(readings.extra, "disk_free_mb"));
        json_decref(readings.extra);

        now += 30 * (uint64_t)MU_NS_PER_S; /* no server: nothing is seen in front */
        assert_int_equal(ago(device, "Kiosk-Shell"), 30);
        assert_int_equal(ago(device, "kiosk.service"), -1); /* another, never seen */
        fake_machine_file(machine, "/sys/fs/cgroup/cgroup.procs", "");
        fake_machine_file(machine, "/sys/fs/cgroup/cgroup.controllers", "cpu\n");
        fake_machine_file(machine, "/sys/fs/cgroup/system.slice/kiosk.service/cgroup.events",
                          "populated 1\n");
        assert_int_equal(ago(device, "kiosk.service"), 0);
        assert_int_equal(ago(device, ""), -1);

        assert_false(mu_device_is_online(device));
        mu_device_use_config(device, &config);
        assert_true(mu_device_is_online(device)); /* loopback needs no network */
        (void)snprintf(config.server, sizeof(config.server), "https://fleet.example");
        assert_false(mu_device_network_read(device));
        fake_machine_file(machine, "/proc/net/route",
                          "eth0 00000000 010200C0 0003 0 0 100 00000000 0 0 0\n");
        assert_true(mu_device_network_read(device));
        mu_device_destroy(device);
        assert_int_equal(unsetenv("DISPLAY"), 0);
}

#define ON_A_MACHINE(test)                                                                         \
        cmocka_unit_test_setup_teardown(test, fake_machine_setup, fake_machine_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                ON_A_MACHINE(test_the_class_and_the_idle_time),
                ON_A_MACHINE(test_no_server_holds_us_up),
                ON_A_MACHINE(test_a_cookie_is_needed),
                ON_A_MACHINE(test_displays_elsewhere_are_not_asked),
                cmocka_unit_test(test_sway_tells_the_focused),
                ON_A_MACHINE(test_a_device_tells_it_all),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
