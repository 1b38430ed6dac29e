/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <string.h>

#include <errno.h>

#include "base/clock.h"
#include "linux/actions_private.h"

enum {
        REBOOT_DELAY_S_MAX = 3600,
        STILL_UP_MS = 300000, /* a machine that goes down has stopped us by then */
};

static void locked(void *context, const struct mu_child_end *end)
{
        struct mu_act *act = context;

        if (!mu_act_tool_ended_well(act, "loginctl lock-sessions", end))
                return;
        mu_act_done(act, act->has_message ? strdup("{\"message_shown\":false}") : NULL);
}

int mu_act_lock(struct mu_act *act, const json_t *payload)
{
        static const char *const arguments[] = {"--no-ask-password", "lock-sessions", NULL};

        /* The lock screens of Linux have no place for a message: the result says so. */
        act->has_message = json_object_get(payload, "message") != NULL;
        mu_act_run_tool(act, "loginctl", arguments, locked);
        return 0;
}

static void still_up(void *context, const struct mu_child_end *end)
{
        (void)end;
        mu_act_fail(context,
                    "systemctl reboot was accepted, but the machine is still up %d s "
                    "later.",
                    STILL_UP_MS / 1000);
}

static void reboot_asked(void *context, const struct mu_child_end *end)
{
        struct mu_act *act = context;

        if (!mu_act_tool_ended_well(act, "systemctl reboot", end))
                return;
        int err = mu_children_timer(act->actions->children, STILL_UP_MS, still_up, act);

        if (err)
                mu_act_fail(act, "systemctl reboot was accepted, but can't be followed: %s.",
                            strerror(-err));
}

static void reboot_due(void *context, const struct mu_child_end *end)
{
        static const char *const arguments[] = {"--no-ask-password", "reboot", NULL};

        (void)end;
        mu_act_run_tool(context, "systemctl", arguments, reboot_asked);
}

int mu_act_reboot(struct mu_act *act, const json_t *payload)
{
        json_int_t delay_s = json_integer_value(json_object_get(payload, "delay_s"));

        if (!act->actions->config->may_reboot)
                return -EPERM;
        if (delay_s < 0 || delay_s > REBOOT_DELAY_S_MAX)
                return -EINVAL;
        return mu_children_timer(act->actions->children, (uint32_t)(delay_s * MU_MS_PER_S),
                                 reboot_due, act);
}
