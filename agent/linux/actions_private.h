/* SPDX-License-Identifier: Apache-2.0 */
/*
 * actions_private.h - what the kinds of actions share. Private to actions*.c.
 *
 *   actions.c             which kinds there are; their beginning and answer
 *   actions_app.c         units and programs
 *   actions_machine.c     lock, reboot
 *   actions_screenshot.c
 *
 * Ownership  an act lives from its beginning to its answer, exactly one of done and fail; after
 *            that it is gone. A beginning may answer too: that is told by the next look.
 */
#ifndef MUSTER_AGENT_LINUX_ACTIONS_PRIVATE_H
#define MUSTER_AGENT_LINUX_ACTIONS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "core/platform.h"
#include "linux/child.h"
#include "linux/machine_file.h"
#include "linux/relaunch.h"
#include "muster/compiler.h"

struct json_t;

enum mu_act_limits {
        MU_ACT_SENTENCE_BYTES = 1024,
        MU_ACT_SAID_BYTES = 400, /* of a tool's output, in a sentence */
        MU_ACT_TOOL_MS = 20000,
};

struct mu_actions {
        const char *root;
        const struct mu_clock *clock;
        const struct mu_agent_config *config; /* NULL: not yet */
        struct mu_children *children;
        struct mu_act *first;
        struct mu_relaunch relaunch;
        uint64_t relaunch_count;
};

struct mu_act {
        struct mu_act *next;
        struct mu_actions *actions;
        int64_t command_id;
        mu_agent_action_fn *done; /* NULL: nobody asked */
        void *done_context;
        bool is_beginning;
        bool is_answered; /* while it began */
        char *result;     /* of that answer */
        bool is_failed;
        char sentence[MU_ACT_SENTENCE_BYTES];

        char name[MU_AGENT_PACKAGE_BYTES]; /* of the unit or program */
        const char *verb;                  /* systemctl's */
        bool then_start;
        int waiting_count; /* processes that are still to end */
        int ended_count;
        int step; /* of a screenshot: how small */
        bool is_user_told;
        bool has_message;
};

/* The beginnings: 0, -EPERM, -ENOMEM, -ENOTSUP. */
MU_MUST_CHECK
int mu_act_relaunch(struct mu_act *act, const struct json_t *payload);
MU_MUST_CHECK
int mu_act_launch(struct mu_act *act, const struct json_t *payload);
MU_MUST_CHECK
int mu_act_stop(struct mu_act *act, const struct json_t *payload);
MU_MUST_CHECK
int mu_act_lock(struct mu_act *act, const struct json_t *payload);
MU_MUST_CHECK
int mu_act_reboot(struct mu_act *act, const struct json_t *payload);
MU_MUST_CHECK
int mu_act_screenshot(struct mu_act *act, const struct json_t *payload);
/* Does policy allow to touch that unit or program? */
bool mu_act_is_allowed(const struct mu_agent_config *config, const char *name);

/* The answers. result: JSON text, or NULL; it is taken (free). */
void mu_act_done(struct mu_act *act, char *result);
void mu_act_fail(struct mu_act *act, const char *format, ...) MU_PRINTF(2, 3);
/* Says in a sentence how a tool ended badly; true: it ended well and nothing was answered. */
bool mu_act_tool_ended_well(struct mu_act *act, const char *tool, const struct mu_child_end *end);

/* A tool of /usr/bin below the root: arguments end with NULL. */
void mu_act_run_tool(struct mu_act *act, const char *tool, const char *const *arguments,
                     mu_child_fn *ended);

#endif
