/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notifier_channels.c - the channels in memory: what they are set up with, what they may do now.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/notify/notifier_private.h"
#include "control/notify/notifier_sql.h"
#include "pg/query.h"

enum {
        BREAKER_FAILURES = 3,
        BREAKER_OPEN_MS = 10 * 1000,
        BREAKER_OPEN_MS_MAX = 10 * 60 * 1000,
        BROKEN_S = 3600,
        BURST_PART = 4, /* of a minute's messages at once */
};

enum channel_column {
        CHANNEL_ID,
        CHANNEL_KIND,
        CHANNEL_NAME,
        CHANNEL_UPDATED,
        CHANNEL_RATE,
        CHANNEL_CONFIG,
        CHANNEL_SEALED,
        CHANNEL_DIRECT,
        CHANNEL_BROKEN,
        CHANNEL_FAILING,
};

struct mu_notifier_channel *mu_notifier_channel(struct mu_notifier *notifier, int64_t id)
{
        for (struct mu_notifier_channel *at = notifier->channels; at; at = at->next)
                if (at->id == id && at->listed)
                        return at;
        return NULL;
}

/* ---- limits ---- */

static double burst_of(const struct mu_notifier_channel *channel)
{
        uint32_t burst = channel->rate_per_min / BURST_PART;

        return burst > 1 ? burst : 1;
}

static uint64_t told_until_ns(const struct mu_notifier_channel *channel,
                              const struct mu_notifier *notifier)
{
        uint64_t until_ns = channel->resume_ns;

        if (channel->kind == MU_CHANNEL_DISCORD && notifier->discord_resume_ns > until_ns)
                until_ns = notifier->discord_resume_ns;
        return until_ns;
}

bool mu_channel_may_send(struct mu_notifier_channel *channel, const struct mu_notifier *notifier)
{
        uint64_t now_ns = mu_notifier_now_ns(notifier);
        double gone_s = (double)(now_ns - channel->tokens_at_ns) / (double)MU_NS_PER_S;

        channel->tokens += gone_s * channel->rate_per_min / 60;
        if (channel->tokens > burst_of(channel))
                channel->tokens = burst_of(channel);
        channel->tokens_at_ns = now_ns;
        return now_ns >= told_until_ns(channel, notifier) && channel->tokens >= 1;
}

struct mu_notifier_job **mu_channel_slot(struct mu_notifier_channel *channel)
{
        size_t slots = channel->kind == MU_CHANNEL_EMAIL ? MU_NOTIFIER_SLOTS : 1;

        for (size_t i = 0; i < slots; i++)
                if (!channel->jobs[i])
                        return &channel->jobs[i];
        return NULL;
}

void mu_channel_spend(struct mu_notifier_channel *channel)
{
        channel->tokens -= 1;
}

uint64_t mu_channel_next_ns(const struct mu_notifier_channel *channel,
                            const struct mu_notifier *notifier)
{
        uint64_t until_ns = told_until_ns(channel, notifier);
        uint64_t token_ns = channel->tokens_at_ns;

        if (channel->tokens < 1)
                token_ns += (uint64_t)((1 - channel->tokens) * 60 * (double)MU_NS_PER_S /
                                       channel->rate_per_min) +
                            1;
        uint64_t wait_ms = mu_breaker_wait_ms(&channel->breaker);

        until_ns = until_ns > token_ns ? until_ns : token_ns;
        /* Not "now" where nothing is to be waited for: that is always later than the caller's now,
         * who would come at once, and again. */
        if (wait_ms == 0)
                return until_ns;
        uint64_t breaker_ns = mu_notifier_now_ns(notifier) + wait_ms * (uint64_t)MU_NS_PER_MS;

        return until_ns > breaker_ns ? until_ns : breaker_ns;
}

bool mu_channel_is_broken(struct mu_notifier_channel *channel, const struct mu_notifier *notifier)
{
        if (channel->broken && mu_notifier_now_ns(notifier) >= channel->broken_until_ns)
                channel->broken = false;
        return channel->broken;
}

/* ---- reading them ---- */

static void free_settings(struct mu_notifier_channel *channel)
{
        mu_channel_secret_done(&channel->secret);
        for (size_t i = 0; i < channel->to_count; i++)
                free(channel->to[i]);
        free(channel->to);
        free(channel->name);
        channel->to = NULL;
        channel->to_count = 0;
        channel->name = NULL;
}

static void free_channel(struct mu_notifier_channel *channel)
{
        free_settings(channel);
        free(channel);
}

static int read_recipients(struct mu_notifier_channel *channel, const json_t *config)
{
        const json_t *list = json_object_get(config, "to");
        size_t count = json_array_size(list);

        if (count > MU_CHANNEL_TO_MAX)
                count = MU_CHANNEL_TO_MAX;
        channel->to = calloc(count + 1, sizeof(*channel->to));
        if (!channel->to)
                return -ENOMEM;
        for (size_t i = 0; i < count; i++) {
                const char *address = json_string_value(json_array_get(list, i));

                if (!address)
                        continue;
                channel->to[channel->to_count] = strdup(address);
                if (!channel->to[channel->to_count])
                        return -ENOMEM;
                channel->to_count++;
        }
        return 0;
}

static int open_secret(struct mu_notifier *notifier, struct mu_notifier_channel *channel,
                       struct mu_pg_bytes sealed)
{
        if (channel->kind == MU_CHANNEL_EMAIL) {
                if (channel->to_count == 0)
                        (void)snprintf(channel->unusable, sizeof(channel->unusable),
                                       "There is no address to write to: enter one.");
                return 0;
        }
        int code = sealed.data ? mu_channel_open(notifier->config.secrets, channel->id, sealed.data,
                                                 sealed.bytes, &channel->secret)
                               : -EBADMSG;

        if (code == -EBADMSG || (code == 0 && !channel->secret.url)) {
                (void)snprintf(channel->unusable, sizeof(channel->unusable),
                               "Its address can't be read: it was stored with other secrets. Enter "
                               "it anew.");
                return 0;
        }
        return code;
}

static int read_settings(struct mu_notifier *notifier, struct mu_notifier_channel *channel,
                         const struct mu_pg_result *rows, size_t row)
{
        json_t *config = json_loads(mu_pg_get_text(rows, row, CHANNEL_CONFIG), 0, NULL);
        int code = config ? 0 : -ENOMEM;

        channel->updated_us = mu_pg_get_timestamptz(rows, row, CHANNEL_UPDATED);
        channel->rate_per_min = (uint32_t)mu_pg_get_int(rows, row, CHANNEL_RATE);
        channel->allow_private = json_is_true(json_object_get(config, "allow_private"));
        channel->unusable[0] = '\0';
        channel->name = strdup(mu_pg_get_text(rows, row, CHANNEL_NAME));
        if (code == 0 && !channel->name)
                code = -ENOMEM;
        if (code == 0)
                code = read_recipients(channel, config);
        json_decref(config);
        return code < 0
                       ? code
                       : open_secret(notifier, channel, mu_pg_get_bytea(rows, row, CHANNEL_SEALED));
}

static void forget_troubles(struct mu_notifier *notifier, struct mu_notifier_channel *channel)
{
        const struct mu_breaker_options options = {.failures_max = BREAKER_FAILURES,
                                                   .successes_to_close = 1,
                                                   .open_ms = BREAKER_OPEN_MS,
                                                   .open_ms_max = BREAKER_OPEN_MS_MAX};

        mu_breaker_init(&channel->breaker, &options, notifier->config.clock);
        channel->broken = false;
        channel->tokens = burst_of(channel);
        channel->tokens_at_ns = mu_notifier_now_ns(notifier);
}

static int take_row(struct mu_notifier *notifier, const struct mu_pg_result *rows, size_t row)
{
        int64_t id = mu_pg_get_int(rows, row, CHANNEL_ID);
        struct mu_notifier_channel *channel = notifier->channels;
        bool fresh = false;

        while (channel && channel->id != id)
                channel = channel->next;
        if (!channel) {
                channel = calloc(1, sizeof(*channel));
                if (!channel)
                        return -ENOMEM;
                fresh = true;
                channel->id = id;
                MU_ASSERT(mu_channel_kind_of(mu_pg_get_text(rows, row, CHANNEL_KIND),
                                             &channel->kind) == 0);
                channel->next = notifier->channels;
                notifier->channels = channel;
        }
        bool changed =
                fresh || mu_pg_get_timestamptz(rows, row, CHANNEL_UPDATED) != channel->updated_us;

        free_settings(channel);
        int code = read_settings(notifier, channel, rows, row);

        if (code < 0)
                return code; /* not listed: not used */
        if (changed)
                forget_troubles(notifier, channel);
        if (fresh && mu_pg_get_bool(rows, row, CHANNEL_BROKEN)) {
                channel->broken = true;
                channel->broken_until_ns =
                        mu_notifier_now_ns(notifier) + BROKEN_S * (uint64_t)MU_NS_PER_S;
        }
        channel->failing = mu_pg_get_bool(rows, row, CHANNEL_FAILING);
        channel->takes_direct = mu_pg_get_bool(rows, row, CHANNEL_DIRECT);
        channel->listed = true;
        return 0;
}

int mu_notifier_read_channels(struct mu_notifier *notifier, struct mu_pg *pg)
{
        struct mu_pg_result *rows;
        uint32_t direct = 0;
        int code = mu_pg_query(pg, &mu_notifier_channels_sql, MU_PG_VALUES(), &rows);

        if (code < 0)
                return code;
        for (struct mu_notifier_channel *at = notifier->channels; at; at = at->next)
                at->listed = false;
        for (size_t row = 0; code == 0 && row < mu_pg_rows(rows); row++)
                code = take_row(notifier, rows, row);
        mu_pg_result_free(rows);
        for (struct mu_notifier_channel *at = notifier->channels; at; at = at->next)
                direct += at->listed && at->takes_direct && !*at->unusable;
        atomic_store(&notifier->direct_channels, direct);
        mu_notifier_sweep_channels(notifier);
        return code;
}

void mu_notifier_sweep_channels(struct mu_notifier *notifier)
{
        struct mu_notifier_channel **at = &notifier->channels;

        while (*at) {
                struct mu_notifier_channel *channel = *at;

                if (channel->listed || channel->job_count > 0) {
                        at = &channel->next;
                        continue;
                }
                *at = channel->next;
                free_channel(channel);
        }
}

void mu_notifier_free_channels(struct mu_notifier *notifier)
{
        while (notifier->channels) {
                struct mu_notifier_channel *channel = notifier->channels;

                notifier->channels = channel->next;
                MU_ASSERT(channel->job_count == 0);
                free_channel(channel);
        }
}
