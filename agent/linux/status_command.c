/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_command.c - `muster-agent status`: asks the agent that runs, and prints.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "linux/status.h"
#include "linux/status_private.h"

/* ---- asking ---- */

static int read_answer(int fd, struct mu_text *text)
{
        char piece[1024];

        for (;;) {
                struct pollfd descriptor = {.fd = fd, .events = POLLIN};
                int ready = poll(&descriptor, 1, MU_STATUS_WAIT_MS);

                if (ready < 0 && errno == EINTR)
                        continue;
                if (ready <= 0)
                        return ready == 0 ? -ETIMEDOUT : -errno;
                ssize_t got = read(fd, piece, sizeof(piece));

                if (got < 0)
                        return -errno;
                if (got == 0)
                        return text->bytes > 0 ? mu_text_status(text) : -ECONNRESET;
                if (text->bytes + (size_t)got > MU_STATUS_BYTES_MAX)
                        return -EMSGSIZE;
                mu_text_add_bytes(text, piece, (size_t)got);
        }
}

int mu_status_ask(const char *state_directory, struct mu_text *text)
{
        const struct timeval limit = {.tv_sec = MU_STATUS_WAIT_MS / 1000};
        struct sockaddr_un address;
        int directory;
        int fd = -1;
        int err = mu_status_place(state_directory, &directory, &address);

        if (err < 0)
                return err == -ENOENT ? -ECONNREFUSED : err;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
            connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                err = errno == ENOENT ? -ECONNREFUSED : -errno;
        if (err == 0)
                err = read_answer(fd, text);
        if (fd >= 0)
                (void)close(fd);
        (void)close(directory);
        return err;
}

/* ---- printing ---- */

static void print_time(const char *label, const json_t *value, const char *none)
{
        time_t seconds = (time_t)json_number_value(value);
        char date[64];
        struct tm parts;

        if (json_is_number(value) && localtime_r(&seconds, &parts) &&
            strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S %z", &parts) > 0)
                (void)printf("%-16s %s\n", label, date);
        else
                (void)printf("%-16s %s\n", label, none);
}

static void print_wait(const char *label, const json_t *value)
{
        if (json_is_number(value))
                (void)printf("%-16s in %.0f s\n", label, json_number_value(value));
}

static void print_queue(const json_t *queue)
{
        (void)printf("%-16s %lld heartbeats, %lld results, %lld bytes", "queue",
                     (long long)json_integer_value(json_object_get(queue, "heartbeats")),
                     (long long)json_integer_value(json_object_get(queue, "results")),
                     (long long)json_integer_value(json_object_get(queue, "bytes")));
        if (json_integer_value(json_object_get(queue, "aside")) > 0)
                (void)printf("; %lld put aside, which the appliance refused",
                             (long long)json_integer_value(json_object_get(queue, "aside")));
        (void)printf("\n");
        if (json_is_number(json_object_get(queue, "oldest_at")))
                print_time("oldest in it", json_object_get(queue, "oldest_at"), "");
}

static void print_warnings(const json_t *root)
{
        if (json_is_true(json_object_get(root, "deleted")))
                (void)printf("This device was deleted on the appliance: nothing is sent any more. "
                             "Enrol it again with --replace to bring it back.\n");
        if (json_is_true(json_object_get(root, "token_refused")))
                (void)printf("The appliance refuses this device's token: everything is kept and "
                             "tried again every 5 minutes.\n");
        if (json_is_false(json_object_get(root, "online")))
                (void)printf("This machine has no network.\n");
}

static void print_status(const json_t *root)
{
        const char *synced =
                json_is_true(json_object_get(root, "clock_synced")) ? "" : " (from an earlier run)";

        (void)printf("%-16s runs, pid %lld, version %s\n", "agent",
                     (long long)json_integer_value(json_object_get(root, "pid")),
                     json_string_value(json_object_get(root, "version")));
        (void)printf("%-16s %s at %s\n", "device",
                     json_string_value(json_object_get(root, "device_id")),
                     json_string_value(json_object_get(root, "server")));
        print_time("started", json_object_get(root, "started_at"), "");
        print_queue(json_object_get(root, "queue"));
        print_time("last delivery", json_object_get(root, "last_delivery_at"),
                   "none since the start");
        print_wait("next heartbeat", json_object_get(root, "next_heartbeat_in_s"));
        print_wait("next try", json_object_get(root, "retry_in_s"));
        (void)printf("%-16s the appliance's is %+.3f s from ours%s\n", "clock",
                     json_number_value(json_object_get(root, "clock_offset_s")), synced);
        (void)printf("%-16s %s\n", "push channel",
                     json_string_value(json_object_get(root, "push_channel")));
        print_warnings(root);
}

static int say_why(const struct mu_options *options, int err)
{
        char sentence[MU_AGENT_PATH_BYTES + 256];
        struct mu_text text;

        if (err == -ECONNREFUSED)
                (void)snprintf(sentence, sizeof(sentence),
                               "no agent runs with its state in %s; systemctl start muster-agent "
                               "starts the service, muster-agent run runs it here",
                               options->state_dir);
        else
                (void)snprintf(sentence, sizeof(sentence),
                               "the agent with its state in %s can't be asked: %s",
                               options->state_dir, strerror(-err));
        if (options->json) {
                mu_text_init(&text);
                mu_text_add_json(&text, sentence, strlen(sentence));
                (void)printf("{\"running\":%s,\"error\":%s}\n",
                             err == -ECONNREFUSED ? "false" : "null",
                             mu_text_status(&text) == 0 ? text.data : "\"\"");
                mu_text_done(&text);
        } else {
                (void)fprintf(stderr, "muster-agent: %s.\n", sentence);
        }
        return err == -ECONNREFUSED ? MU_EXIT_NOT_RUNNING : MU_EXIT_FAILED;
}

int mu_status_command(const struct mu_options *options)
{
        struct mu_text text;
        json_t *root;

        mu_text_init(&text);
        int err = mu_status_ask(options->state_dir, &text);

        if (err < 0) {
                mu_text_done(&text);
                return say_why(options, err);
        }
        if (options->json) {
                (void)printf("%s", text.data);
                mu_text_done(&text);
                return MU_EXIT_OK;
        }
        root = json_loadb(text.data, text.bytes, 0, NULL);
        mu_text_done(&text);
        if (!json_is_object(root)) {
                json_decref(root);
                return say_why(options, -EBADMSG);
        }
        print_status(root);
        json_decref(root);
        return MU_EXIT_OK;
}
