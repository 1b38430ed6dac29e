/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notifier_channel.h - a channel in memory: what it is set up with, what it may do now.
 *
 * Threads    the notifier's.
 * Ownership  The notifier owns its channels; one that is no longer listed goes with its last job.
 */
#ifndef MUSTER_CONTROL_NOTIFY_NOTIFIER_CHANNEL_H
#define MUSTER_CONTROL_NOTIFY_NOTIFIER_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/breaker.h"
#include "control/notify/channel.h"
#include "control/notify/notifier_job.h"
#include "muster/compiler.h"

struct mu_notifier;
struct mu_pg;

struct mu_notifier_channel {
        struct mu_notifier_channel *next;
        int64_t id;
        int64_t updated_us;
        enum mu_channel_kind kind;
        bool listed; /* by the last reading; else it goes with its last job */
        bool takes_direct;
        bool allow_private;
        bool failing; /* its error stands in the database */
        bool broken;
        uint64_t broken_until_ns;
        uint32_t rate_per_min;
        char *name;
        struct mu_channel_secret secret;
        char **to;
        size_t to_count;
        char unusable[MU_NOTIFIER_ERROR_BYTES]; /* why, "" usable */
        struct mu_breaker breaker;
        double tokens;
        uint64_t tokens_at_ns;
        uint64_t resume_ns; /* told to wait until then */
        struct mu_notifier_job *jobs[MU_NOTIFIER_SLOTS];
        struct mu_notifier_job *direct;
        uint32_t job_count; /* also directs that wait */
};

/* Anew from the database; what is known of each goes on unless it was changed. */
MU_MUST_CHECK
int mu_notifier_read_channels(struct mu_notifier *notifier, struct mu_pg *pg);
struct mu_notifier_channel *mu_notifier_channel(struct mu_notifier *notifier, int64_t id);
/* May something go out now, as far as limits go? Fills up its tokens. */
bool mu_channel_may_send(struct mu_notifier_channel *channel, const struct mu_notifier *notifier);
void mu_channel_spend(struct mu_notifier_channel *channel);
/* Where its next job goes; NULL: it has as many as it may. */
struct mu_notifier_job **mu_channel_slot(struct mu_notifier_channel *channel);
/* When it may again, ns; for one that may not. */
uint64_t mu_channel_next_ns(const struct mu_notifier_channel *channel,
                            const struct mu_notifier *notifier);
bool mu_channel_is_broken(struct mu_notifier_channel *channel, const struct mu_notifier *notifier);
/* Frees those that are no longer listed and have no job. */
void mu_notifier_sweep_channels(struct mu_notifier *notifier);
void mu_notifier_free_channels(struct mu_notifier *notifier);

#endif
