/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_news.h - what has to be told once a change of commands is committed: the dispatcher, who
 * watches live, the counters.
 *
 * Threads    any. Ownership: one malloc'd block each, so that the engine can free it.
 */
#ifndef MUSTER_CONTROL_COMMAND_COMMAND_NEWS_H
#define MUSTER_CONTROL_COMMAND_COMMAND_NEWS_H

#include <stddef.h>
#include <stdint.h>

#include "control/command/command_type.h"
#include "control/command/ledger.h"
#include "muster/compiler.h"

struct mu_ask;
struct mu_control;
struct mu_metrics;
struct mu_command_counts;

struct mu_command_note {
        int64_t device_id;
        int64_t id;
        const struct mu_command_type *type; /* NULL: a type of another release */
        enum mu_command_state state;
};

struct mu_command_news {
        size_t count;
        struct mu_command_note notes[];
};

/* Room for count notes, zeroed; NULL: no memory. */
MU_MUST_CHECK
struct mu_command_news *mu_command_news_create(size_t count);
/* mu_ask_after_commit's call: tells all of it. */
void mu_command_news_tell(struct mu_control *control, void *news);
/* One note, after the commit; false: answered. */
MU_MUST_CHECK
bool mu_ask_command_changed(struct mu_ask *ask, const struct mu_command_note *note);

/* muster_commands_total{type,state}: commands that came into a state. */
MU_MUST_CHECK
int mu_command_counts_create(struct mu_metrics *metrics, struct mu_command_counts **ret_counts);
void mu_command_counts_destroy(struct mu_command_counts *counts); /* NULL is a no-op */
/* counts or type NULL: a no-op. */
void mu_command_counts_add(struct mu_command_counts *counts, const struct mu_command_type *type,
                           enum mu_command_state state, uint64_t n);

#endif
