/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.h - an RFC 5322 message: plain text in UTF-8, quoted-printable, lines of at most 76.
 *
 * Nothing that could begin a header line of its own gets in: addresses and names with control
 * characters are refused, a subject or name that is not plain ASCII becomes encoded words
 * (RFC 2047).
 *
 * Units      bytes. Threads: any.
 * Ownership  The text is the caller's.
 * Errors     -EINVAL (see below), -E2BIG, -ENOMEM.
 */
#ifndef MUSTER_OUTBOUND_MESSAGE_H
#define MUSTER_OUTBOUND_MESSAGE_H

#include <stdint.h>

#include "base/text.h"
#include "muster/compiler.h"
#include "outbound/smtp.h"

/* "Name <a@b>" or "a@b", taken apart. */
struct mu_mailbox {
        char address[MU_MAIL_ADDRESS_BYTES_MAX + 1];
        char name[128]; /* UTF-8; "" without one */
};

/* -EINVAL: no address in it, or a name with control characters. */
MU_MUST_CHECK
int mu_mailbox_parse(const char *text, struct mu_mailbox *ret_mailbox);

/* The whole message, lines ended by CRLF, added to an empty text. id: unique, [a-z0-9]+. -EINVAL:
 * address, subject or text are not what smtp.h wants. */
MU_MUST_CHECK
int mu_message_build(const struct mu_mailbox *from, const struct mu_mail_message *message,
                     int64_t now_s, const char *id, struct mu_text *to);

#endif
