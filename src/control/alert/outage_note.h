/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outage_note.h - database_away: told while PostgreSQL is away, written down when it is back.
 *
 *   away ── threshold ──▶ note fsynced: id, since, told ──▶ notifier tells directly
 *                            │ kill -9: the note is read at start, nobody is told again
 *   back, and for clear_hold_s ──▶ settle, one transaction: alert, incident, events, the outbox's
 *                            │ 'opened' as sent and 'closed' waiting, all under the note's id
 *                            └▶ the note goes; killed before that: settling again writes nothing
 *
 * A kill between the note and the telling leaves an outage that nobody was told of until it is
 * over: better than one that is told at each start of a daemon that crashes in a loop.
 *
 * Units      *_us since the Unix epoch, *_s.
 * Threads    one thread.
 * Ownership  config's pointers are lent.
 * Errors     negative errno; a note that can't be written or read is trouble for the log, and the
 *            outage is told all the same.
 */
#ifndef MUSTER_CONTROL_ALERT_OUTAGE_NOTE_H
#define MUSTER_CONTROL_ALERT_OUTAGE_NOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_clock;
struct mu_notifier;
struct mu_outage;
struct mu_pg;

struct mu_outage_config {
        const char *directory;        /* data_dir/alerts; made, 0700 */
        struct mu_notifier *notifier; /* NULL: nobody is told */
        const struct mu_clock *clock;
        void (*on_trouble)(void *ctx, const char *detail); /* NULL: nobody */
        void *ctx;
};

/* The rule database_away as it was last read, else its defaults. */
struct mu_outage_rule {
        bool enabled;
        uint32_t threshold_s;
        uint32_t clear_hold_s;
};

MU_MUST_CHECK
int mu_outage_create(const struct mu_outage_config *config, struct mu_outage **ret_outage);
void mu_outage_destroy(struct mu_outage *outage); /* NULL is a no-op */

/* Every few seconds, whether PostgreSQL is there or not: storing as the facts have it. */
void mu_outage_tick(struct mu_outage *outage, bool storing, const struct mu_outage_rule *rule);

/* It is over and has to be written: call settle as soon as PostgreSQL answers. */
bool mu_outage_is_over(const struct mu_outage *outage);
/* In a transaction of its own; wakes the notifier. Not over: a no-op. */
MU_MUST_CHECK
int mu_outage_settle(struct mu_outage *outage, struct mu_pg *pg);

/* For the metrics: an outage that has passed its threshold lasts. */
bool mu_outage_is_firing(const struct mu_outage *outage);

#endif
