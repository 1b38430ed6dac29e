/* SPDX-License-Identifier: Apache-2.0 */
/* Channels of one kind each, a test that is waited for, monitoring as the fleet has it. */
#include <string.h>

#include "ctl/ctl.h"

enum {
        POLL_FIRST_MS = 200,
        POLL_LAST_MS = 2000,
        TEST_S = 120,
};

/* "alerts add-discord": the kind stands behind the hyphen. */
int mu_ctl_add_channel(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                       struct mu_ctl_input *input)
{
        if (json_object_set_new(input->body, "kind", json_string(strrchr(verb->words, '-') + 1)) <
            0)
                return MU_CTL_FAILED;
        return mu_ctl_send_and_print(ctl, input);
}

/* ---- a test ---- */

static int say(const struct mu_ctl *ctl, const json_t *notification)
{
        const char *state = json_string_value(json_object_get(notification, "state"));
        const char *error = json_string_value(json_object_get(notification, "error"));
        bool sent = state && strcmp(state, "sent") == 0;

        if (ctl->globals.json)
                mu_ctl_print_json(notification);
        else if (sent)
                (void)puts("Sent; see whether it has arrived.");
        else
                mu_ctl_complain("it could not be sent: %s", error ? error : "no reason is known.");
        return sent ? MU_CTL_OK : MU_CTL_FAILED;
}

static bool is_over(const json_t *notification)
{
        const char *state = json_string_value(json_object_get(notification, "state"));

        return state && strcmp(state, "waiting") != 0;
}

static int follow(struct mu_ctl *ctl, const char *id)
{
        int64_t deadline_ms = mu_ctl_monotonic_ms() + TEST_S * (int64_t)MU_MS_PER_S;
        int64_t poll_ms = POLL_FIRST_MS;
        char path[64];

        (void)snprintf(path, sizeof(path), "/admin/alert-notifications/%.20s", id);
        for (;;) {
                struct mu_ctl_reply reply = {0};
                int code = mu_ctl_request(ctl, "GET", path, NULL, NULL, NULL, &reply);
                bool over = code == MU_CTL_OK && is_over(reply.json);

                if (over)
                        code = say(ctl, reply.json);
                mu_ctl_reply_done(&reply);
                if (over || code != MU_CTL_OK)
                        return code;
                if (mu_ctl_monotonic_ms() + poll_ms > deadline_ms) {
                        mu_ctl_complain("it is still on its way: musterctl alerts told lists it.");
                        return MU_CTL_UNFINISHED;
                }
                mu_ctl_pause_ms(poll_ms);
                poll_ms = poll_ms * 3 / 2 < POLL_LAST_MS ? poll_ms * 3 / 2 : POLL_LAST_MS;
        }
}

int mu_ctl_test_channel(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                        struct mu_ctl_input *input)
{
        struct mu_ctl_reply reply = {0};
        int code = mu_ctl_request(ctl, verb->method, input->path, NULL, NULL, NULL, &reply);
        const char *id = json_string_value(json_object_get(reply.json, "notification_id"));

        if (code == MU_CTL_OK)
                code = id ? follow(ctl, id) : MU_CTL_FAILED;
        mu_ctl_reply_done(&reply);
        return code;
}

/* ---- monitoring ---- */

int mu_ctl_reset_monitoring(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                            struct mu_ctl_input *input)
{
        (void)verb;
        json_decref(input->body);
        input->body = json_pack("{s:n, s:n, s:n, s:n, s:n, s:n}", "enabled", "package",
                                "display_name", "threshold_min", "auto_remediate", "auto_relaunch");
        if (!input->body)
                return MU_CTL_FAILED;
        return mu_ctl_send_and_print(ctl, input);
}
