/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smtp.h - mail: a plain-text message to one recipient, through a submission server.
 *
 *   submit ─▶ message built (message.h) ─▶ service "smtp" of outbound.h
 *               accepted ─▶ SENT          4xx, no connection ─▶ another try, backoff with jitter
 *               5xx, TLS or login refused ─▶ REFUSED       tries or patience used up ─▶ GAVE_UP
 *
 * A connection cut after the last byte is tried again: the recipient may get the message twice,
 * with the same Message-ID.
 *
 * Units      *_ms.
 * Threads    create, destroy: one, create before outbound's start, destroy after its stop. submit:
 *            any. done: the outbound thread; it must not block, and may submit.
 * Ownership  submit copies. The outbound is lent and outlives the mailer.
 * Errors     negative errno and, from create, a sentence. An accepted message gets exactly one
 * done.
 */
#ifndef MUSTER_OUTBOUND_SMTP_H
#define MUSTER_OUTBOUND_SMTP_H

#include <stdint.h>

#include "muster/compiler.h"
#include "outbound/outbound.h"

struct mu_mailer;

enum mu_mail_limits {
        MU_MAIL_ADDRESS_BYTES_MAX = 254,
        MU_MAIL_SUBJECT_BYTES_MAX = 400,
        MU_MAIL_BODY_BYTES_MAX = 256 * 1024,
};

struct mu_mailer_config {
        struct mu_outbound *outbound;
        const char *url;           /* smtp://host:587 (STARTTLS) or smtps://host:465 */
        const char *user;          /* NULL or "": no login */
        const char *password_file; /* its first line; needed with user */
        const char *from;          /* a@example.org or: Muster <a@example.org> */
        const char *starttls;     /* "required", "opportunistic" (without user), "never" (loopback);
                                   * NULL: required */
        uint32_t messages_max;    /* in hand; 0: 1,000 */
        uint32_t tries_max;       /* 0: 8 */
        uint32_t backoff_base_ms; /* 0: 2 s */
        uint32_t backoff_cap_ms;  /* 0: 5 min */
        uint32_t timeout_ms;      /* of one try; 0: 60 s */
};

enum mu_mail_outcome {
        MU_MAIL_SENT,
        MU_MAIL_REFUSED,
        MU_MAIL_GAVE_UP,
        MU_MAIL_CANCELLED, /* stop */
};

struct mu_mail_result {
        enum mu_mail_outcome outcome;
        uint32_t tries;
        int status;        /* the server's last reply code; 0: none */
        const char *error; /* a sentence; "" when sent */
};

typedef void mu_mail_done(void *ctx, const struct mu_mail_result *result);

struct mu_mail_message {
        const char *to;      /* one address, ASCII: a@example.org */
        const char *subject; /* UTF-8, one line */
        const char *text;    /* UTF-8, lines end in LF */
        /* [a-z0-9.-]+, up to 64: mails with the same one are shown as one thread; NULL: none. */
        const char *thread;
};

/* error: MU_OUTBOUND_ERROR_BYTES. Reads the password file. */
MU_MUST_CHECK
int mu_mailer_create(const struct mu_mailer_config *config, struct mu_mailer **ret_mailer,
                     char *error);
void mu_mailer_destroy(struct mu_mailer *mailer); /* NULL is a no-op */

/* -EINVAL: not an address, a line break or other control character in address or subject, not
 * UTF-8, thread; -E2BIG; -EAGAIN: too many in hand, counted; -ESHUTDOWN; -ENOMEM. */
MU_MUST_CHECK
int mu_mail_submit(struct mu_mailer *mailer, const struct mu_mail_message *message,
                   mu_mail_done *done, void *ctx);

/* May this be written to? For checking what a person enters: 0 or -EINVAL. */
MU_MUST_CHECK
int mu_mail_check_address(const char *address);

#endif
