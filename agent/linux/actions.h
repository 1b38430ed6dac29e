/* SPDX-License-Identifier: Apache-2.0 */
/*
 * actions.h - what a Linux machine can be told to do: platform.act. Children are followed without
 * blocking; there is no shell, no inherited environment, and a time limit on each.
 *
 *   relaunch_app, launch_package, stop_package   {"package"}: a unit of policy.services, by
 *                systemctl; or a program of policy.programs, started apart from us and ended by
 *                SIGTERM to those of its processes that are ours; what those started in turn is
 *                theirs to end (a unit ends it all). relaunch_app without a package means the
 *                monitored one.
 *   lock         loginctl lock-sessions
 *   reboot       policy.reboot; after {"delay_s"}. It is answered only when it fails: a machine
 *                that goes down answers by coming up again (command_book.h)
 *   screenshot   policy.screenshot; grim or import; a JPEG small enough for a result. Whoever sits
 *                there is told by notify-send, with the {"reason"}, before it is taken; the result
 *                says whether that worked
 *   others       -ENOTSUP
 *
 * Threads    the loop's. Ownership: config outlives the actions; a started program outlives us.
 * Errors     -ENOTSUP, -EPERM as platform.act; whatever else goes wrong is an answer's sentence.
 */
#ifndef MUSTER_AGENT_LINUX_ACTIONS_H
#define MUSTER_AGENT_LINUX_ACTIONS_H

#include <stdint.h>

#include "core/config.h"
#include "core/platform.h"
#include "muster/compiler.h"

struct mu_actions;
struct mu_device_options;

MU_MUST_CHECK
int mu_actions_create(const struct mu_device_options *options, struct mu_actions **ret_actions);
/* Actions under way get no answer; tools that still run are killed, programs go on. */
void mu_actions_destroy(struct mu_actions *actions);
/* Until there is one, every action is forbidden. */
void mu_actions_use_config(struct mu_actions *actions, const struct mu_agent_config *config);

/* platform.act; context is the mu_actions. */
MU_MUST_CHECK
int mu_actions_run(void *actions, const struct mu_agent_action *action, mu_agent_action_fn *done,
                   void *done_context);
/* A descriptor (epoll) that is readable when a child has something to say or ended, or a time is
 * up; and that. */
int mu_actions_fd(const struct mu_actions *actions);
void mu_actions_look(struct mu_actions *actions);

/* settings.auto_relaunch: call it after each reading (relaunch.h). How often it has acted. */
uint64_t mu_actions_auto_relaunch(struct mu_actions *actions);

#endif
