/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_mail.h - a notice as mail: one message a recipient, plain text that is read on a phone.
 *
 *   [critical] Device offline: Till 4 (Berlin)      [resolved] 214 devices offline: site Berlin
 *
 * All mails of an incident refer to the same message, so that readers show them as one thread.
 *
 *   send ─▶ each recipient who is not in mailed ─▶ mailer (tries of its own) ─▶ all over: done
 *   again: somebody may still be reached ─▶ keep mailed with the notification, send once more later
 *
 * Units      as notice.h.
 * Threads    send: any. done: the outbound thread, or send's caller when nobody is left to write
 *            to; it must not block.
 * Ownership  Everything given is copied. The mailer is lent.
 * Errors     negative errno from send: done is not called, and nobody was written to. -EINVAL: no
 *            recipients, or more than MU_CHANNEL_TO_MAX; -ENOMEM. Addresses that can't be written
 *            to count as refused.
 */
#ifndef MUSTER_CONTROL_NOTIFY_ALERT_MAIL_H
#define MUSTER_CONTROL_NOTIFY_ALERT_MAIL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "muster/compiler.h"
#include "outbound/smtp.h"

struct mu_notice;

struct mu_alert_mail_result {
        /* SENT: at least one has it, now or before. REFUSED: by all of them, for good. Else GAVE_UP
         * or CANCELLED. The sentence names who did not get it; "" when everybody did. */
        struct mu_mail_result mail;
        /* Somebody did not get it who may yet. False: the notification is over. */
        bool again;
        /* Who is not to be written to again (has it, or refused), for mailed: a JSON object. */
        const char *mailed;
};

typedef void mu_alert_mail_done(void *ctx, const struct mu_alert_mail_result *result);

/* mailed: what the try before gave (kept in alert_notifications.detail, "mailed"); NULL: none. Done
 * is called once, unless this fails. */
MU_MUST_CHECK
int mu_alert_mail_send(struct mu_mailer *mail, const struct mu_notice *notice,
                       const char *const *to, size_t to_count, const char *mailed,
                       mu_alert_mail_done *done, void *ctx);

/* Its parts; both growing and empty. Subject: one line, at most MU_MAIL_SUBJECT_BYTES_MAX. */
void mu_alert_mail_subject(const struct mu_notice *notice, struct mu_text *subject);
void mu_alert_mail_body(const struct mu_notice *notice, struct mu_text *body);

#endif
