/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/status.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "linux/status_private.h"

#define NAME "status.sock"

enum { BACKLOG = 4, ANSWERS_MAX = 4 };

/* ---- the socket ---- */

int mu_status_place(const char *directory, int *ret_directory, struct sockaddr_un *ret_address)
{
        int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
        (void)snprintf(ret_address->sun_path, sizeof(ret_address->sun_path),
                       "/proc/self/fd/%d/" NAME, fd);
        *ret_directory = fd;
        return 0;
}

/* Ours alone from its first moment: bind makes the file with the socket's own mode. */
static int bind_here(int fd, int directory, const struct sockaddr_un *address)
{
        if (unlinkat(directory, NAME, 0) < 0 && errno != ENOENT)
                return -errno;
        if (fchmod(fd, 0600) < 0 ||
            bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
            fchmodat(directory, NAME, 0600, 0) < 0 || listen(fd, BACKLOG) < 0)
                return -errno;
        return 0;
}

int mu_status_open(const char *state_directory, int *ret_fd)
{
        struct sockaddr_un address;
        int directory;
        int err = mu_status_place(state_directory, &directory, &address);

        if (err < 0)
                return err;
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        err = fd < 0 ? -errno : bind_here(fd, directory, &address);
        (void)close(directory);
        if (err == 0)
                *ret_fd = fd;
        else if (fd >= 0)
                (void)close(fd);
        return err;
}

void mu_status_close(const char *state_directory, int fd)
{
        int directory;

        if (fd < 0)
                return;
        (void)close(fd);
        directory = open(state_directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0)
                return;
        (void)unlinkat(directory, NAME, 0);
        (void)close(directory);
}

/* ---- what is said ---- */

static const char *name_of(enum mu_agent_channel_state state)
{
        switch (state) {
        case MU_AGENT_CHANNEL_OPEN:
                return "open";
        case MU_AGENT_CHANNEL_OPENING:
                return "opening";
        default:
                return "closed";
        }
}

static void add_time(struct mu_text *text, const char *name, int64_t at_us)
{
        if (at_us == 0)
                mu_text_add_format(text, ",\"%s\":null", name);
        else
                mu_text_add_format(text, ",\"%s\":%.3f", name, (double)at_us / 1e6);
}

/* Seconds from now, of a monotonic time; null: never. */
static void add_wait(struct mu_text *text, const char *name, uint64_t at_ns, uint64_t now_ns)
{
        if (at_ns == UINT64_MAX)
                mu_text_add_format(text, ",\"%s\":null", name);
        else
                mu_text_add_format(text, ",\"%s\":%.3f", name,
                                   at_ns > now_ns ? (double)(at_ns - now_ns) / 1e9 : 0.0);
}

static const char *word(bool value)
{
        return value ? "true" : "false";
}

static void add_state(struct mu_text *text, const struct mu_agent_state *state,
                      const struct mu_status_facts *facts)
{
        const struct mu_agent_queue_state *queue = &state->queue;
        const struct mu_agent_uplink_state *uplink = &state->uplink;
        uint64_t now_ns = mu_clock_monotonic_ns(facts->clock);

        mu_text_add_format(text,
                           ",\"queue\":{\"heartbeats\":%" PRIu32 ",\"results\":%" PRIu32
                           ",\"aside\":%" PRIu32 ",\"bytes\":%" PRId64,
                           queue->heartbeats, queue->results, queue->aside, queue->bytes);
        add_time(text, "oldest_at", queue->oldest_us);
        mu_text_add(text, "}");
        add_time(text, "last_delivery_at", uplink->delivered_at_us);
        mu_text_add_format(text, ",\"delivered\":%" PRIu64 ",\"failed\":%" PRIu64,
                           uplink->delivered, uplink->failed);
        add_wait(text, "next_heartbeat_in_s", uplink->next_heartbeat_ns, now_ns);
        add_wait(text, "retry_in_s", uplink->retry_ns, now_ns);
        mu_text_add_format(text, ",\"clock_offset_s\":%.3f,\"clock_synced\":%s",
                           (double)state->clock_offset_us / 1e6, word(state->clock_synced));
        mu_text_add_format(text, ",\"push_channel\":\"%s\",\"online\":%s", name_of(state->channel),
                           word(state->online));
        mu_text_add_format(text, ",\"token_refused\":%s,\"deleted\":%s", word(state->token_refused),
                           word(state->deleted));
}

int mu_status_write(struct mu_agent *agent, const struct mu_status_facts *facts,
                    struct mu_text *text)
{
        const struct mu_agent_config *config = mu_agent_get_config(agent);
        struct mu_agent_state state;
        int err = mu_agent_get_state(agent, &state);

        if (err < 0)
                return err;
        mu_text_add_format(text, "{\"running\":true,\"pid\":%d,\"version\":\"%s\"", (int)getpid(),
                           facts->version);
        mu_text_add_format(text, ",\"device_id\":\"%" PRId64 "\",\"server\":", config->device_id);
        mu_text_add_json(text, config->server, strlen(config->server));
        add_time(text, "started_at", facts->started_at_us);
        add_state(text, &state, facts);
        mu_text_add(text, "}\n");
        return mu_text_status(text);
}

void mu_status_answer(int fd, struct mu_agent *agent, const struct mu_status_facts *facts)
{
        char buffer[MU_STATUS_BYTES_MAX];
        struct mu_text text;

        for (int i = 0; i < ANSWERS_MAX; i++) {
                int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (client < 0)
                        return;
                mu_text_init_fixed(&text, buffer, sizeof(buffer));
                if (mu_status_write(agent, facts, &text) == 0)
                        (void)send(client, text.data, text.bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
                (void)close(client);
        }
}
