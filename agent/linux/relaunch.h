/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relaunch.h - settings.auto_relaunch: the monitored unit or program is started again when a
 * reading finds that it does not run.
 *
 *   runs ──▶ found not running ─▶ try ─▶ (60 s) ─▶ try ─▶ (60 s) ─▶ try ─▶ given up
 *    ▲                                                                       │
 *    └────────── seen running at two readings in a row, or asked for ◀───────┘
 *
 * So one that falls over at once is started three times and no more; an operator's stop_package
 * holds until he launches it again. Not known whether it runs: nothing is done. What policy does
 * not list is not touched.
 *
 * Threads: the loop's. Pure: the caller starts it.
 */
#ifndef MUSTER_AGENT_LINUX_RELAUNCH_H
#define MUSTER_AGENT_LINUX_RELAUNCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/platform.h"

enum mu_relaunch_limits {
        MU_RELAUNCH_TRIES_MAX = 3,
        MU_RELAUNCH_PAUSE_S = 60,
        MU_RELAUNCH_SEEN_COUNT = 2, /* running readings that end a row of tries */
};

struct mu_relaunch { /* zeros to begin with */
        char name[MU_AGENT_PACKAGE_BYTES];
        int tries; /* in a row */
        int seen_count;
        uint64_t next_ns;
        bool held; /* an operator stopped it */
};

/* A reading of name. Is it to be started now? Counts that as a try. */
bool mu_relaunch_is_due(struct mu_relaunch *relaunch, const char *name, enum mu_agent_maybe running,
                        uint64_t now_ns);
/* An operator launched it, or stopped it. Another name: nothing to do with us. */
void mu_relaunch_asked(struct mu_relaunch *relaunch, const char *name, bool to_run);

#endif
