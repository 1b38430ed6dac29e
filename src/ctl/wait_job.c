/* SPDX-License-Identifier: Apache-2.0 */
/* A job is run, and waited for until it has ended. */
#include <string.h>

#include "ctl/ctl.h"

enum {
        POLL_FIRST_MS = 200,
        POLL_LAST_MS = 3000, /* well below the limit of requests per minute */
        WAIT_DEFAULT_S = 3600,
};

static const char *text_of(const json_t *run, const char *member)
{
        const char *text = json_string_value(json_object_get(run, member));

        return text ? text : "";
}

/* MU_CTL_UNFINISHED: not yet. */
static int code_of(const json_t *run)
{
        const char *state = text_of(run, "state");

        if (strcmp(state, "ok") == 0)
                return MU_CTL_OK;
        return strcmp(state, "failed") == 0 || strcmp(state, "skipped") == 0 ? MU_CTL_FAILED
                                                                             : MU_CTL_UNFINISHED;
}

static void say(const struct mu_ctl *ctl, const json_t *run)
{
        const char *error = text_of(run, "error");

        if (ctl->globals.json)
                mu_ctl_print_json(run);
        else
                (void)printf("%s %s, changed %lld, %.1f s%s%s\n", text_of(run, "job"),
                             text_of(run, "state"),
                             (long long)json_integer_value(json_object_get(run, "changed")),
                             json_number_value(json_object_get(run, "duration_s")),
                             *error ? ": " : "", error);
}

/* One look. MU_CTL_UNFINISHED: not ended, look again after *ret_wait_ms or, where that stays 0, as
 * the caller likes. */
static int look(struct mu_ctl *ctl, const char *path, int64_t *ret_wait_ms)
{
        struct mu_ctl_reply reply = {0};
        int code = mu_ctl_request(ctl, "GET", path, NULL, NULL, NULL, &reply);

        *ret_wait_ms = 0;
        if (code == MU_CTL_OK) {
                code = code_of(reply.json);
                if (code != MU_CTL_UNFINISHED)
                        say(ctl, reply.json);
        } else if (code == MU_CTL_REFUSED && reply.retry_after_s > 0) {
                *ret_wait_ms = reply.retry_after_s * 1000;
                code = MU_CTL_UNFINISHED;
        }
        mu_ctl_reply_done(&reply);
        return code;
}

int mu_ctl_wait_run(struct mu_ctl *ctl, const char *run_id, int64_t wait_s)
{
        int64_t deadline_ms = mu_ctl_monotonic_ms() + (wait_s > 0 ? wait_s : WAIT_DEFAULT_S) * 1000;
        int64_t poll_ms = POLL_FIRST_MS;
        int64_t wait_ms;
        char path[64];

        (void)snprintf(path, sizeof(path), "/admin/job-runs/%s", run_id);
        for (;;) {
                int code = look(ctl, path, &wait_ms);

                if (code != MU_CTL_UNFINISHED)
                        return code;
                wait_ms = wait_ms > 0 ? wait_ms : poll_ms;
                if (mu_ctl_monotonic_ms() + wait_ms > deadline_ms) {
                        mu_ctl_complain("run %s has not ended yet; it goes on.", run_id);
                        return MU_CTL_UNFINISHED;
                }
                mu_ctl_pause_ms(wait_ms);
                poll_ms = poll_ms * 3 / 2 < POLL_LAST_MS ? poll_ms * 3 / 2 : POLL_LAST_MS;
        }
}

int mu_ctl_run_job(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input)
{
        struct mu_ctl_reply reply = {0};
        int code = mu_ctl_request(ctl, verb->method, input->path, NULL, NULL, NULL, &reply);
        const char *id = json_string_value(json_object_get(reply.json, "run_id"));

        if (code == MU_CTL_OK && json_is_true(json_object_get(input->local, "no_wait"))) {
                if (ctl->globals.json)
                        mu_ctl_print_json(reply.json);
                else
                        (void)printf("run %s\n", id);
        } else if (code == MU_CTL_OK && id) {
                code = mu_ctl_wait_run(
                        ctl, id, json_integer_value(json_object_get(input->local, "timeout")));
        }
        mu_ctl_reply_done(&reply);
        return code;
}
