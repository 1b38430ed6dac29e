/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/actions_private.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "linux/running.h"

enum {
        PROCESSES_MAX = 32,
        END_MS = 10000,   /* for a program that was asked to end */
        SETTLE_MS = 1000, /* for one that was started: it has to be there still */
};

static bool is_named(const struct mu_agent_names *names, const char *name)
{
        for (size_t i = 0; i < names->count; i++)
                if (strcmp(names->names[i], name) == 0)
                        return true;
        return false;
}

bool mu_act_is_allowed(const struct mu_agent_config *config, const char *name)
{
        return (mu_is_unit_name(name) && is_named(&config->services, name)) ||
               (mu_is_program_path(name) && is_named(&config->programs, name));
}

/* {"package"}, or fallback where that is not NULL. */
static int take_name(struct mu_act *act, const json_t *payload, const char *fallback)
{
        const char *name = json_string_value(json_object_get(payload, "package"));

        if (!name)
                name = fallback;
        if (!name || strlen(name) >= sizeof(act->name))
                return -EINVAL;
        if (!mu_act_is_allowed(act->actions->config, name))
                return -EPERM;
        memcpy(act->name, name, strlen(name) + 1);
        return 0;
}

static void unit_ended(void *context, const struct mu_child_end *end)
{
        struct mu_act *act = context;
        char tool[sizeof("systemctl restart ") + sizeof(act->name)];

        (void)snprintf(tool, sizeof(tool), "systemctl %s %s", act->verb, act->name);
        if (mu_act_tool_ended_well(act, tool, end))
                mu_act_done(act, NULL);
}

static void run_systemctl(struct mu_act *act, const char *verb)
{
        const char *const arguments[] = {"--no-ask-password", verb, "--", act->name, NULL};

        act->verb = verb;
        mu_act_run_tool(act, "systemctl", arguments, unit_ended);
}

static void program_started(void *context, const struct mu_child_end *end)
{
        struct mu_act *act = context;

        if (end->settled || (WIFEXITED(end->status) && WEXITSTATUS(end->status) == 0))
                mu_act_done(act, NULL); /* it may have left a daemon behind */
        else if (WIFSIGNALED(end->status))
                mu_act_fail(act, "%s was started and ended at once by signal %d.", act->name,
                            WTERMSIG(end->status));
        else
                mu_act_fail(act, "%s was started and ended at once with exit code %d.", act->name,
                            WEXITSTATUS(end->status));
}

static void start_program(struct mu_act *act)
{
        char path[MU_MACHINE_PATH_BYTES];
        struct mu_child_options options = {
                .program = path, .limit_ms = SETTLE_MS, .apart = true, .for_desktop = true};
        int err = mu_machine_path(path, act->actions->root, "%s", act->name);

        if (!err)
                err = mu_children_start(act->actions->children, &options, program_started, act);
        if (err)
                mu_act_fail(act, "%s can't be started: %s.", act->name, strerror(-err));
}

static void all_ended(struct mu_act *act)
{
        char *result;

        if (act->is_failed)
                mu_act_fail(act, "%s still runs %d s after it was asked to end.", act->name,
                            END_MS / 1000);
        else if (act->then_start)
                start_program(act);
        else if (asprintf(&result, "{\"stopped\":%d}", act->ended_count) < 0)
                mu_act_done(act, NULL);
        else
                mu_act_done(act, result);
}

static void process_ended(void *context, const struct mu_child_end *end)
{
        struct mu_act *act = context;

        act->is_failed |= end->timed_out;
        act->ended_count += !end->timed_out;
        if (--act->waiting_count == 0)
                all_ended(act);
}

/* The descriptor pins the process: after it is open, a look tells whether it is the one we mean. */
static int end_process(struct mu_act *act, pid_t pid)
{
        int pidfd = pidfd_open(pid, 0), err = 0;

        if (pidfd < 0)
                return errno == ESRCH ? 0 : -errno;
        if (!mu_running_is(act->actions->root, act->name, pid) ||
            (pidfd_send_signal(pidfd, SIGTERM, NULL, 0) < 0 && errno == ESRCH)) {
                close(pidfd);
                return 0;
        }
        err = mu_children_follow(act->actions->children, pidfd, END_MS, process_ended, act);
        if (err)
                close(pidfd);
        else
                act->waiting_count++;
        return err;
}

static void stop_program(struct mu_act *act)
{
        pid_t pids[PROCESSES_MAX], other[1];
        const char *root = act->actions->root;
        int found = mu_running_find(root, act->name, true, pids, PROCESSES_MAX), err = 0;

        for (int i = 0; !err && i < found; i++)
                err = end_process(act, pids[i]);
        if (act->waiting_count > 0)
                return; /* what could not be asked to end is told by the reading after */
        if (found < 0 || err)
                mu_act_fail(act, "The processes of %s can't be found or followed: %s.", act->name,
                            strerror(found < 0 ? -found : -err));
        else if (mu_running_find(root, act->name, false, other, 1) > 0)
                mu_act_fail(act, "%s runs as another user, whose programs the agent can't end.",
                            act->name);
        else
                all_ended(act);
}

int mu_act_relaunch(struct mu_act *act, const json_t *payload)
{
        const char *monitored = act->actions->config->monitored_package;
        int err = take_name(act, payload, monitored[0] ? monitored : NULL);

        if (err == -EINVAL) {
                mu_act_fail(act, "No package is named and none is monitored: name one.");
                return 0;
        }
        if (err)
                return err;
        if (act->done) /* else it is the automatic one, which counts its tries itself */
                mu_relaunch_asked(&act->actions->relaunch, act->name, true);
        act->then_start = true;
        if (mu_is_unit_name(act->name))
                run_systemctl(act, "restart");
        else
                stop_program(act);
        return 0;
}

int mu_act_launch(struct mu_act *act, const json_t *payload)
{
        int err = take_name(act, payload, NULL);

        if (err)
                return err;
        mu_relaunch_asked(&act->actions->relaunch, act->name, true);
        if (mu_is_unit_name(act->name))
                run_systemctl(act, "start");
        else if (mu_is_running(act->actions->root, act->name) == MU_AGENT_YES)
                mu_act_done(act, strdup("{\"already_running\":true}"));
        else
                start_program(act);
        return 0;
}

int mu_act_stop(struct mu_act *act, const json_t *payload)
{
        int err = take_name(act, payload, NULL);

        if (err)
                return err;
        mu_relaunch_asked(&act->actions->relaunch, act->name, false);
        if (mu_is_unit_name(act->name))
                run_systemctl(act, "stop");
        else
                stop_program(act);
        return 0;
}
