/* SPDX-License-Identifier: Apache-2.0 */
/* A command is sent, and its way followed until it has ended. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/ctl.h"

enum {
        POLL_FIRST_MS = 250,
        POLL_LAST_MS = 4000, /* well below the limit of requests per minute */
        WAIT_DEFAULT_S = 300,
};

int64_t mu_ctl_monotonic_ms(void)
{
        return (int64_t)(mu_clock_monotonic_ns(mu_clock_system()) / (uint64_t)MU_NS_PER_MS);
}

void mu_ctl_pause_ms(int64_t ms)
{
        struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

        while (nanosleep(&left, &left) < 0)
                ;
}

static const char *state_of(const json_t *command)
{
        const char *state = json_string_value(json_object_get(command, "state"));

        return state ? state : "?";
}

static bool has_ended(const char *state)
{
        static const char *const ENDS[] = {"done", "failed", "expired", "cancelled"};

        for (size_t i = 0; i < MU_COUNT_OF(ENDS); i++) {
                if (strcmp(state, ENDS[i]) == 0)
                        return true;
        }
        return false;
}

static int code_of(const char *state)
{
        if (strcmp(state, "done") == 0)
                return MU_CTL_OK;
        return strcmp(state, "failed") == 0 ? MU_CTL_FAILED : MU_CTL_UNFINISHED;
}

static void say(const struct mu_ctl *ctl, const json_t *command)
{
        const char *error = json_string_value(json_object_get(command, "error"));

        if (!ctl->globals.json)
                (void)printf("command %s %s%s%s\n",
                             json_string_value(json_object_get(command, "id")), state_of(command),
                             error ? ": " : "", error ? error : "");
}

static int follow(struct mu_ctl *ctl, const char *id, int64_t wait_s)
{
        int64_t deadline_ms = mu_ctl_monotonic_ms() + wait_s * 1000;
        int64_t poll_ms = POLL_FIRST_MS;
        char path[64];
        char shown[32] = "";

        (void)snprintf(path, sizeof(path), "/admin/commands/%s", id);
        for (;;) {
                struct mu_ctl_reply reply = {0};
                int code = mu_ctl_request(ctl, "GET", path, NULL, NULL, NULL, &reply);
                int64_t next_ms = poll_ms;
                bool again = code == MU_CTL_REFUSED && reply.retry_after_s > 0;

                if (again)
                        next_ms = reply.retry_after_s * 1000;
                const json_t *command = json_object_get(reply.json, "command");

                if (code == MU_CTL_OK && strcmp(state_of(command), shown) != 0) {
                        (void)snprintf(shown, sizeof(shown), "%s", state_of(command));
                        say(ctl, command);
                        poll_ms = POLL_FIRST_MS;
                }
                bool ended = code == MU_CTL_OK && has_ended(shown);

                if (ended && ctl->globals.json)
                        mu_ctl_print_json(reply.json);
                mu_ctl_reply_done(&reply);
                if (ended)
                        return code_of(shown);
                if (code != MU_CTL_OK && !again)
                        return code;
                if (mu_ctl_monotonic_ms() + next_ms > deadline_ms) {
                        mu_ctl_complain("command %s is still %s; it goes on: musterctl commands "
                                        "wait %s.",
                                        id, shown, id);
                        return MU_CTL_UNFINISHED;
                }
                mu_ctl_pause_ms(next_ms);
                poll_ms = poll_ms * 3 / 2 < POLL_LAST_MS ? poll_ms * 3 / 2 : POLL_LAST_MS;
        }
}

static int64_t wait_s_of(const struct mu_ctl_input *input)
{
        const json_t *given = json_object_get(input->local, "timeout");

        return given ? json_integer_value(given) : WAIT_DEFAULT_S;
}

int mu_ctl_wait_command(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                        struct mu_ctl_input *input)
{
        (void)verb;
        return follow(ctl, json_string_value(json_object_get(input->local, "id")),
                      wait_s_of(input));
}

int mu_ctl_send_command(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                        struct mu_ctl_input *input)
{
        struct mu_ctl_reply reply = {0};
        int code = mu_ctl_request(ctl, verb->method, input->path, NULL, input->body, NULL, &reply);
        const char *id = json_string_value(json_object_get(reply.json, "id"));

        if (code == MU_CTL_OK && !json_is_true(json_object_get(input->local, "wait"))) {
                if (ctl->globals.json)
                        mu_ctl_print_json(reply.json);
                else
                        say(ctl, reply.json);
        } else if (code == MU_CTL_OK && id) {
                code = follow(ctl, id, wait_s_of(input));
        }
        mu_ctl_reply_done(&reply);
        return code;
}
