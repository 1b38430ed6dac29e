/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/actions.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/assert.h"
#include "linux/actions_private.h"
#include "linux/device.h"
#include "linux/running.h"

struct kind {
        const char *type;
        int (*begin)(struct mu_act *act, const struct json_t *payload);
};

static const struct kind KINDS[] = {
        {"relaunch_app", mu_act_relaunch}, {"launch_package", mu_act_launch},
        {"stop_package", mu_act_stop},     {"lock", mu_act_lock},
        {"reboot", mu_act_reboot},         {"screenshot", mu_act_screenshot},
};

int mu_actions_create(const struct mu_device_options *options, struct mu_actions **ret_actions)
{
        MU_ASSERT(options->root && options->clock);
        struct mu_actions *actions = calloc(1, sizeof(*actions));

        if (!actions)
                return -ENOMEM;
        *actions = (struct mu_actions){
                .root = options->root, .clock = options->clock, .config = options->config};
        int err = mu_children_create(options->clock, &actions->children);

        if (err) {
                free(actions);
                return err;
        }
        *ret_actions = actions;
        return 0;
}

static void free_act(struct mu_act *act)
{
        free(act->result);
        free(act);
}

void mu_actions_destroy(struct mu_actions *actions)
{
        if (!actions)
                return;
        mu_children_destroy(actions->children);
        while (actions->first) {
                struct mu_act *act = actions->first;

                actions->first = act->next;
                free_act(act);
        }
        free(actions);
}

void mu_actions_use_config(struct mu_actions *actions, const struct mu_agent_config *config)
{
        actions->config = config;
}

int mu_actions_fd(const struct mu_actions *actions)
{
        return mu_children_fd(actions->children);
}

void mu_actions_look(struct mu_actions *actions)
{
        mu_children_look(actions->children);
}

static void forget(struct mu_act *act)
{
        struct mu_act **at = &act->actions->first;

        while (*at != act)
                at = &(*at)->next;
        *at = act->next;
        free_act(act);
}

static void answer(struct mu_act *act)
{
        if (act->is_beginning) {
                act->is_answered = true;
                return;
        }
        if (act->done)
                act->done(act->done_context, act->command_id, act->is_failed ? NULL : act->result,
                          act->is_failed ? act->sentence : NULL);
        forget(act);
}

void mu_act_done(struct mu_act *act, char *result)
{
        act->result = result;
        answer(act);
}

void mu_act_fail(struct mu_act *act, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(act->sentence, sizeof(act->sentence), format, arguments);
        va_end(arguments);
        act->is_failed = true;
        answer(act);
}

/* What a tool said, on one line. */
static void said(const struct mu_child_end *end, char ret_text[MU_ACT_SAID_BYTES + 1])
{
        char line[MU_ACT_SAID_BYTES + 1];
        size_t bytes =
                end->output_bytes < MU_ACT_SAID_BYTES ? end->output_bytes : MU_ACT_SAID_BYTES;

        for (size_t i = 0; i < bytes; i++)
                line[i] = isspace((unsigned char)end->output[i]) ? ' ' : end->output[i];
        while (bytes > 0 && line[bytes - 1] == ' ')
                bytes--;
        mu_machine_clean(ret_text, MU_ACT_SAID_BYTES + 1, line, bytes);
}

bool mu_act_tool_ended_well(struct mu_act *act, const char *tool, const struct mu_child_end *end)
{
        char text[MU_ACT_SAID_BYTES + 1];

        if (end->timed_out) {
                mu_act_fail(act, "%s did not end in time and was stopped.", tool);
                return false;
        }
        if (WIFSIGNALED(end->status)) {
                mu_act_fail(act, "%s was ended by signal %d.", tool, WTERMSIG(end->status));
                return false;
        }
        if (WEXITSTATUS(end->status) == 0)
                return true;
        said(end, text);
        mu_act_fail(act, "%s failed with exit code %d%s%s", tool, WEXITSTATUS(end->status),
                    text[0] ? ": " : ", without a word.", text);
        return false;
}

void mu_act_run_tool(struct mu_act *act, const char *tool, const char *const *arguments,
                     mu_child_fn *ended)
{
        char path[MU_MACHINE_PATH_BYTES];
        struct mu_child_options options = {.program = path,
                                           .arguments = arguments,
                                           .limit_ms = MU_ACT_TOOL_MS,
                                           .output_max = MU_ACT_SAID_BYTES,
                                           .output_all = true};
        int err = mu_machine_path(path, act->actions->root, "/usr/bin/%s", tool);

        if (strcmp(tool, "systemctl") == 0)
                options.limit_ms *= 6; /* a unit may take 90 s to stop, and some to start */
        if (!err)
                err = mu_children_start(act->actions->children, &options, ended, act);
        if (err)
                mu_act_fail(act, "%s can't be run: %s.", path, strerror(-err));
}

static void tell_beginning(void *context, const struct mu_child_end *end)
{
        (void)end;
        answer(context);
}

static int begin(struct mu_actions *actions, const struct kind *kind, const struct json_t *payload,
                 const struct mu_act *form)
{
        struct mu_act *act = malloc(sizeof(*act));

        if (!act)
                return -ENOMEM;
        *act = *form;
        act->actions = actions;
        act->is_beginning = true;
        act->next = actions->first;
        actions->first = act;
        int err = kind->begin(act, payload);

        act->is_beginning = false;
        if (!err && act->is_answered)
                err = mu_children_timer(actions->children, 0, tell_beginning, act);
        if (err)
                forget(act);
        return err;
}

int mu_actions_run(void *context, const struct mu_agent_action *action, mu_agent_action_fn *done,
                   void *done_context)
{
        struct mu_actions *actions = context;
        const struct mu_act form = {
                .command_id = action->command_id, .done = done, .done_context = done_context};

        for (size_t i = 0; i < MU_COUNT_OF(KINDS); i++) {
                if (strcmp(action->type, KINDS[i].type) != 0)
                        continue;
                return actions->config ? begin(actions, &KINDS[i], action->payload, &form) : -EPERM;
        }
        return -ENOTSUP;
}

static bool is_busy_with(const struct mu_actions *actions, const char *name)
{
        for (const struct mu_act *act = actions->first; act; act = act->next)
                if (strcmp(act->name, name) == 0)
                        return true;
        return false;
}

uint64_t mu_actions_auto_relaunch(struct mu_actions *actions)
{
        const struct mu_agent_config *config = actions->config;
        const struct mu_act nobody = {0};

        if (!config || !config->auto_relaunch || config->monitored_package[0] == '\0' ||
            !mu_act_is_allowed(config, config->monitored_package) ||
            is_busy_with(actions, config->monitored_package))
                return actions->relaunch_count;
        enum mu_agent_maybe running = mu_is_running(actions->root, config->monitored_package);

        /* Without memory there is no try; the next reading comes to the same. */
        if (mu_relaunch_is_due(&actions->relaunch, config->monitored_package, running,
                               mu_clock_monotonic_ns(actions->clock)) &&
            begin(actions, &KINDS[0], NULL, &nobody) == 0)
                actions->relaunch_count++;
        return actions->relaunch_count;
}
