/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox.h - puts what people are to be told into alert_notifications, in the transaction that
 * made it happen. The notifier (notifier.h) brings it out; wake it after the commit.
 *
 *   opened   a row for each enabled, immediate channel that takes the incident: rule, least
 *            severity, tags and sites of its devices (device: its own; group: any member's; the
 *            appliance's incidents go to channels with any tags and sites)
 *   updated  where 'opened' went or waits: one waiting row, however often it changes; the
 * incident's version is counted up here. A channel that takes the incident only now (more severe,
 *            another member) gets 'opened' instead. For one that was merged: said so where 'opened'
 *            went
 *   closed   where 'opened' went or waits, once; never for one that was merged
 *
 * What a message says is read when it is sent (notice.h), so that an incident may go on changing.
 *
 * Units      *_us since the Unix epoch.
 * Threads    that of the connection.
 * Errors     negative errno of pg/error.h.
 */
#ifndef MUSTER_CONTROL_NOTIFY_OUTBOX_H
#define MUSTER_CONTROL_NOTIFY_OUTBOX_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_pg;

/* As in the database: mu_notice_kind_name. */
enum mu_notice_kind {
        MU_NOTICE_OPENED,
        MU_NOTICE_UPDATED,
        MU_NOTICE_CLOSED,
        MU_NOTICE_TEST,
        MU_NOTICE_DIGEST,
        MU_NOTICE_KINDS,
};

const char *mu_notice_kind_name(enum mu_notice_kind kind);
/* -ENOENT: no such kind. */
MU_MUST_CHECK
int mu_notice_kind_of(const char *name, enum mu_notice_kind *ret_kind);

/* In the open transaction, in one statement. kind: opened, updated, closed. at_us: when it
 * happened; due_us: not told before. The incidents are as the transaction has them by now. ret_rows
 * may be NULL: rows added or made to say more. */
MU_MUST_CHECK
int mu_alert_outbox_add(struct mu_pg *pg, const int64_t *incident_ids, size_t count,
                        enum mu_notice_kind kind, int64_t at_us, int64_t due_us,
                        uint64_t *ret_rows);

/* A text that is no incident's, for one channel: kind test or digest. A test is tried once, and
 * also through a channel that is taken for broken. data: more for webhooks, a JSON object, or NULL.
 * -ENOENT: no such channel, or it is off. */
MU_MUST_CHECK
int mu_alert_outbox_add_text(struct mu_pg *pg, int64_t channel_id, enum mu_notice_kind kind,
                             const char *title, const char *text, const char *data, int64_t at_us,
                             int64_t *ret_notification_id);

#endif
