/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/foreground.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "linux/machine_file.h"
#include "linux/x11.h"

enum {
        STEP_S = 2,
        TREE_BYTES_MAX = 256 * 1024,
        TREE_DEPTH_MAX = 32,
        SWAY_GET_TREE = 4,
};

/* The head of sway's messages, both ways; numbers in the machine's byte order. */
static const char SWAY_MAGIC[] = {'i', '3', '-', 'i', 'p', 'c'};

struct __attribute__((packed)) sway_head {
        char magic[sizeof(SWAY_MAGIC)];
        uint32_t bytes;
        uint32_t type;
};

void mu_desktop_of_environment(struct mu_desktop *ret_desktop)
{
        *ret_desktop = (struct mu_desktop){.display = getenv("DISPLAY"),
                                           .authority = getenv("XAUTHORITY"),
                                           .wayland = getenv("WAYLAND_DISPLAY"),
                                           .sway = getenv("SWAYSOCK")};
}

static const json_t *focused_of(const json_t *node, int depth)
{
        static const char *const CHILDREN[] = {"nodes", "floating_nodes"};

        if (depth > TREE_DEPTH_MAX)
                return NULL;
        if (json_is_true(json_object_get(node, "focused")))
                return node;
        for (size_t i = 0; i < MU_COUNT_OF(CHILDREN); i++) {
                const json_t *children = json_object_get(node, CHILDREN[i]);

                for (size_t at = 0; at < json_array_size(children); at++) {
                        const json_t *found = focused_of(json_array_get(children, at), depth + 1);

                        if (found)
                                return found;
                }
        }
        return NULL;
}

bool mu_foreground_of_tree(const char *json, size_t bytes, char ret_package[MU_AGENT_PACKAGE_BYTES])
{
        json_t *tree = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, NULL);
        const json_t *focused = focused_of(tree, 0);
        const json_t *properties = json_object_get(focused, "window_properties");
        const char *name = json_string_value(json_object_get(focused, "app_id"));

        if (!name)
                name = json_string_value(json_object_get(properties, "class"));
        if (name)
                mu_machine_clean(ret_package, MU_AGENT_PACKAGE_BYTES, name, strlen(name));
        json_decref(tree);
        return name != NULL;
}

static bool ask_sway_on(int fd, char ret_package[MU_AGENT_PACKAGE_BYTES])
{
        struct sway_head head = {.type = SWAY_GET_TREE};

        memcpy(head.magic, SWAY_MAGIC, sizeof(SWAY_MAGIC));
        if (send(fd, &head, sizeof(head), MSG_NOSIGNAL) != (ssize_t)sizeof(head) ||
            recv(fd, &head, sizeof(head), MSG_WAITALL) != (ssize_t)sizeof(head) ||
            memcmp(head.magic, SWAY_MAGIC, sizeof(SWAY_MAGIC)) != 0 || head.bytes == 0 ||
            head.bytes > TREE_BYTES_MAX)
                return false;
        char *tree = malloc(head.bytes);
        bool found = tree && recv(fd, tree, head.bytes, MSG_WAITALL) == (ssize_t)head.bytes &&
                     mu_foreground_of_tree(tree, head.bytes, ret_package);

        free(tree);
        return found;
}

static bool ask_sway(const char *path, char ret_package[MU_AGENT_PACKAGE_BYTES])
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct timeval wait = {.tv_sec = STEP_S};
        bool found = false;

        if (strlen(path) >= sizeof(address.sun_path))
                return false;
        memcpy(address.sun_path, path, strlen(path));
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return false;
        if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == 0 &&
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) == 0 &&
            connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
                found = ask_sway_on(fd, ret_package);
        close(fd);
        return found;
}

static bool is_set(const char *value)
{
        return value && value[0] != '\0';
}

/* Where the environment does not name the cookies' file it is .Xauthority at home. */
static const char *authority_of(const struct mu_desktop *desktop, char path[MU_MACHINE_PATH_BYTES])
{
        const char *home = getenv("HOME");

        if (is_set(desktop->authority))
                return desktop->authority;
        if (!is_set(home) || mu_machine_path(path, home, "/.Xauthority") < 0)
                return NULL;
        return path;
}

void mu_foreground_read(const char *root, const struct mu_desktop *desktop,
                        struct mu_foreground *ret_foreground)
{
        char path[MU_MACHINE_PATH_BYTES];
        struct mu_x11 answer;

        *ret_foreground = (struct mu_foreground){.idle_s = -1};
        if (is_set(desktop->sway) && ask_sway(desktop->sway, ret_foreground->package))
                return;
        if (!is_set(desktop->display) ||
            mu_x11_ask(root, desktop->display, authority_of(desktop, path), &answer) < 0)
                return;
        memcpy(ret_foreground->package, answer.class, sizeof(answer.class));
        if (!is_set(desktop->wayland)) /* else X sees only what reaches its own windows */
                ret_foreground->idle_s = answer.idle_s;
}
