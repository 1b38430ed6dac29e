/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discord.h - notices as Discord's webhooks want them, and what Discord answers
 * (discord.com/developers/docs: resources/webhook, resources/message, topics/rate-limits).
 *
 *   opened   POST  URL?wait=true                  whole; the message's id is kept
 *   updated  PATCH URL/messages/ID                whole, in place; gone there: posted anew
 *   closed   PATCH URL/messages/ID                whole, its resolved look, then
 *            POST  URL?wait=true                  recovery, short: an edit notifies nobody
 *
 * One embed: title 256, description 4096, field name 256 and value 1024, 6,000 in all. Discord
 * counts code points; we count UTF-16 units, which is never less. What people typed is cut at
 * characters, escaped, and pings nobody (allowed_mentions).
 *
 * Units      *_ms.
 * Threads    any.
 * Ownership  *ret_json is malloc's.
 * Errors     -ENOMEM; -EBADMSG: no JSON object of Discord's.
 */
#ifndef MUSTER_CONTROL_NOTIFY_DISCORD_H
#define MUSTER_CONTROL_NOTIFY_DISCORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_notice;

enum mu_discord_limits {
        MU_DISCORD_ID_BYTES = 24, /* of a message, with NUL */
        MU_DISCORD_TEXT_BYTES = 160,
        MU_DISCORD_PAUSE_MS_MAX = 3600 * 1000, /* a longer one is cut to this */
};

enum mu_discord_look {
        MU_DISCORD_WHOLE,
        MU_DISCORD_RECOVERY,
};

MU_MUST_CHECK
int mu_discord_write(const struct mu_notice *notice, enum mu_discord_look look, char **ret_json,
                     size_t *ret_bytes);

/* Of a reply's body; what is not there is 0, "" or false. */
struct mu_discord_reply {
        char id[MU_DISCORD_ID_BYTES]; /* of a message: digits */
        uint32_t retry_after_ms;      /* of a 429 */
        bool has_retry_after;
        bool global; /* that limit is the address's, not the webhook's */
        int code;    /* 10008 unknown message, 10015 unknown webhook, 50027 token invalid ... */
        char text[MU_DISCORD_TEXT_BYTES]; /* printable */
};

enum mu_discord_codes {
        MU_DISCORD_UNKNOWN_MESSAGE = 10008,
        MU_DISCORD_UNKNOWN_WEBHOOK = 10015,
};

MU_MUST_CHECK
int mu_discord_read(const char *body, size_t bytes, struct mu_discord_reply *ret_reply);

/* How long nothing more may be sent, from X-RateLimit-Remaining and X-RateLimit-Reset-After
 * (NULL: not there). 0: go on. */
uint32_t mu_discord_pause_ms(const char *remaining, const char *reset_after);

#endif
