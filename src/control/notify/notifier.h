/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notifier.h - the outbox's reader: brings each edge of an incident to its channels.
 *
 *   alert_notifications (waiting, due) ─▶ silenced? rate? breaker? ─▶ text from the incident as it
 *   is now ─▶ discord.h | webhook.h | alert_mail.h ─▶ sent | later (backoff, jitter) | failed
 *
 * At least once: a row is marked after the other side has answered; killed in between it is sent
 * again, with the same webhook-id. In order per incident and channel. While PostgreSQL is away only
 * mu_notifier_tell_directly speaks, from the channels it remembers: those read since the start, so
 * after a restart without PostgreSQL there are none.
 *
 * What is promised: an edge of an incident that outlives group_wait and is not silenced reaches
 * each of its channels at least once, also late and then in order, within tries_max tries and
 * give_up_s. Nobody hears, but it is counted and stands in the row's error, of what was
 *
 *   'over before it was told'   closed before 'opened' was due: both are dropped
 *   'silenced'                  the same, with a silence that held 'opened' back; what still stands
 *                               when a silence ends is told then
 *   'part of a wider incident'  merged before 'opened' went, or the end of one that was merged
 *   'said since'                an update whose content went with another message
 *   'not told before'           an update or end of what never reached the channel
 *   'the channel is off'        disabled or deleted meanwhile
 *
 * A channel that says it is not there (Discord's 401, 403, 404; a webhook's 410, which disables it)
 * is broken: its error is shown, what waits fails, and nothing is sent until it is changed, or for
 * an hour.
 *
 * Units      *_s.
 * Threads    create, start, stop, destroy: one thread; create before outbound's start, stop before
 *            outbound's stop. wake, reload, tell_directly: any.
 * Ownership  Everything pointed to is lent and outlives it.
 * Errors     negative errno from create and start; later troubles go to on_trouble.
 */
#ifndef MUSTER_CONTROL_NOTIFY_NOTIFIER_H
#define MUSTER_CONTROL_NOTIFY_NOTIFIER_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_clock;
struct mu_database;
struct mu_mailer;
struct mu_metrics;
struct mu_notifier;
struct mu_outbound;
struct mu_secrets;

struct mu_notifier_config {
        struct mu_database *database;
        struct mu_outbound *outbound;
        struct mu_mailer *mail; /* NULL: mail channels fail with a sentence that says so */
        struct mu_secrets *secrets;
        const struct mu_clock *clock;
        struct mu_metrics *metrics; /* NULL: not registered */
        const char *public_url;     /* of the console, for links; "": none */
        uint32_t tries_max;         /* 0: 12 */
        uint32_t give_up_s;         /* 0: a day */
        void (*on_trouble)(void *ctx, const char *detail);
        void *ctx;
};

MU_MUST_CHECK
int mu_notifier_create(const struct mu_notifier_config *config, struct mu_notifier **ret_notifier);
MU_MUST_CHECK
int mu_notifier_start(struct mu_notifier *notifier);
void mu_notifier_stop(struct mu_notifier *notifier); /* not started: a no-op */
void mu_notifier_destroy(struct mu_notifier *notifier);

/* There may be something due: after a commit that put rows into the outbox. NULL is a no-op. */
void mu_notifier_wake(struct mu_notifier *notifier);
/* Channels or silences were changed. NULL is a no-op. */
void mu_notifier_reload(struct mu_notifier *notifier);

/* Without the database: to all enabled immediate channels that take critical alerts of the
 * appliance, as last read. key: makes the webhook-id; the same text with the same key may be told
 * again after a crash. 0: handed over; -ENODATA: no channel known. */
MU_MUST_CHECK
int mu_notifier_tell_directly(struct mu_notifier *notifier, const char *key, bool firing,
                              const char *title, const char *text);

#endif
