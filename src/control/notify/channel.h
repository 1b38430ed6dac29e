/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel.h - what a channel is set up with: checked where it enters, sealed where it rests.
 *
 *   kind      alert_channels.config (in the open)     alert_channels.sealed
 *   discord   {"host": "discord.com"}                 {"url": "https://discord.com/api/webhooks/…"}
 *   webhook   {"host": "…", "allow_private": false}   {"url": …, "secrets": ["whsec_…"], "until":
 * 0} email     {"to": ["a@example.org", …]}            NULL
 *
 * host is shown to people; the URL is a secret as a whole. Sealed: AES-256-GCM (control/seal.h)
 * under a key derived from hmac-master ("alert-channel"), bound to the channel's id.
 *
 * Units      *_us since the Unix epoch.
 * Threads    any.
 * Ownership  mu_channel_secret_done wipes and frees what open, make or rotate filled.
 * Errors     -EINVAL and a sentence for whoever set it up; -EBADMSG: sealed with another key, for
 *            another channel, or damaged; -ENOMEM.
 */
#ifndef MUSTER_CONTROL_NOTIFY_CHANNEL_H
#define MUSTER_CONTROL_NOTIFY_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_secrets;

enum mu_channel_kind {
        MU_CHANNEL_DISCORD,
        MU_CHANNEL_WEBHOOK,
        MU_CHANNEL_EMAIL,
        MU_CHANNEL_KINDS,
};

enum mu_channel_limits {
        MU_CHANNEL_URL_BYTES_MAX = 2000,
        MU_CHANNEL_HOST_BYTES = 161, /* of "host" with NUL */
        MU_CHANNEL_TO_MAX = 20,
        MU_CHANNEL_ERROR_BYTES = 320,
};

/* Whose webhooks are Discord's, unless a setting says otherwise: hosts, commas between. */
#define MU_DISCORD_HOSTS "discord.com,discordapp.com,ptb.discord.com,canary.discord.com"

const char *mu_channel_kind_name(enum mu_channel_kind kind);
/* -ENOENT: no such kind. */
MU_MUST_CHECK
int mu_channel_kind_of(const char *name, enum mu_channel_kind *ret_kind);

/* May messages be sent there? discord: https://HOST/api/webhooks/ID/TOKEN of one of discord_hosts
 * (NULL: Discord's own). webhook: https; without allow_private no loopback and no private address
 * written as one (names are judged by where they lead, at each connection); http to loopback with
 * it. ret_host: MU_CHANNEL_HOST_BYTES, host and port. error: MU_CHANNEL_ERROR_BYTES, never holds
 * the URL. */
MU_MUST_CHECK
int mu_channel_check_url(enum mu_channel_kind kind, const char *url, bool allow_private,
                         const char *discord_hosts, char *ret_host, char *error);

/* What is sealed. */
struct mu_channel_secret {
        char *url;            /* NULL: none (email) */
        char *signing;        /* webhook: "whsec_…" */
        char *signing_before; /* still signs too, until until_us; NULL: none */
        int64_t until_us;
};

/* url is copied; a webhook gets a signing secret of its own (standard_webhook.h). */
MU_MUST_CHECK
int mu_channel_secret_make(enum mu_channel_kind kind, const char *url,
                           struct mu_channel_secret *ret_secret);
/* A new signing secret; the one before signs too until until_us (0: it ends now). */
MU_MUST_CHECK
int mu_channel_secret_rotate(struct mu_channel_secret *secret, int64_t until_us);
void mu_channel_secret_done(struct mu_channel_secret *secret);

/* channel_id: the row's, so insert first, then set its sealed in the same transaction. malloc's. */
MU_MUST_CHECK
int mu_channel_seal(const struct mu_secrets *secrets, int64_t channel_id,
                    const struct mu_channel_secret *secret, uint8_t **ret_sealed,
                    size_t *ret_bytes);
MU_MUST_CHECK
int mu_channel_open(const struct mu_secrets *secrets, int64_t channel_id, const void *sealed,
                    size_t bytes, struct mu_channel_secret *ret_secret);

#endif
