/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/relaunch.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static void begin_row(struct mu_relaunch *relaunch)
{
        relaunch->tries = 0;
        relaunch->seen_count = 0;
        relaunch->next_ns = 0;
        relaunch->held = false;
}

static void begin_with(struct mu_relaunch *relaunch, const char *name)
{
        if (strcmp(relaunch->name, name) == 0)
                return;
        (void)snprintf(relaunch->name, sizeof(relaunch->name), "%s", name);
        begin_row(relaunch);
}

bool mu_relaunch_is_due(struct mu_relaunch *relaunch, const char *name, enum mu_agent_maybe running,
                        uint64_t now_ns)
{
        begin_with(relaunch, name);
        if (running == MU_AGENT_YES && ++relaunch->seen_count >= MU_RELAUNCH_SEEN_COUNT)
                begin_row(relaunch);
        if (running != MU_AGENT_NO)
                return false;
        relaunch->seen_count = 0;
        if (relaunch->held || relaunch->tries >= MU_RELAUNCH_TRIES_MAX ||
            now_ns < relaunch->next_ns)
                return false;
        relaunch->tries++;
        relaunch->next_ns = now_ns + (uint64_t)(MU_RELAUNCH_PAUSE_S * MU_NS_PER_S);
        return true;
}

void mu_relaunch_asked(struct mu_relaunch *relaunch, const char *name, bool to_run)
{
        if (relaunch->name[0] && strcmp(relaunch->name, name) != 0)
                return;
        begin_with(relaunch, name);
        begin_row(relaunch);
        relaunch->held = !to_run;
}
