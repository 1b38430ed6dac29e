/* SPDX-License-Identifier: Apache-2.0 */
#include "core/downlink.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "core/downlink_private.h"
#include "core/uplink.h"
#include "muster/wire.h"

/* As many as a reply of MU_AGENT_REPLY_BYTES_MAX surely holds. */
#define FETCH_PATH MU_PATH_COMMANDS "?limit=10"

enum {
        FETCHED_MAX = 50, /* the contract's; what is beyond is not looked at */
        RETRY_AFTER_S_MAX = 3600,
        FORGET_MS = 3600 * 1000,
        SENTENCE_BYTES = 200,
        ASKED_S_MAX = 86400,
        /* Closed so, by the appliance or its handshake. */
        REPLACED = 4001,
        TOKEN_ENDED = 4401,
        DELETED = 4410,
        UNAUTHORIZED = 401,
        GONE = 410,
};

static const struct mu_breaker_options BREAKER = {
        .failures_max = 5,
        .successes_to_close = 1,
        .open_ms = 30000,
        .open_ms_max = MU_AGENT_RETRY_CAP_MS,
};

int mu_agent_downlink_create(struct mu_agent_core *core, struct mu_agent_downlink **ret_downlink)
{
        struct mu_agent_downlink *downlink = calloc(1, sizeof(*downlink));

        if (!downlink)
                return -ENOMEM;
        downlink->core = core;
        mu_backoff_init(&downlink->channel_backoff, MU_AGENT_RETRY_BASE_MS, MU_AGENT_RETRY_CAP_MS);
        mu_backoff_init(&downlink->fetch_backoff, MU_AGENT_RETRY_BASE_MS, MU_AGENT_RETRY_CAP_MS);
        mu_backoff_init(&downlink->results.backoff, MU_AGENT_RETRY_BASE_MS, MU_AGENT_RETRY_CAP_MS);
        mu_breaker_init(&downlink->fetch_breaker, &BREAKER, core->platform->clock);
        mu_breaker_init(&downlink->ack_breaker, &BREAKER, core->platform->clock);
        downlink->forget_ns = mu_downlink_later(mu_agent_now_ns(core), FORGET_MS);
        downlink->turn.waiting = true;
        downlink->results.maybe = true;
        *ret_downlink = downlink;
        return 0;
}

static void close_channel(struct mu_agent_downlink *downlink)
{
        const struct mu_agent_platform *platform = downlink->core->platform;

        if (downlink->channel != MU_AGENT_CHANNEL_CLOSED)
                platform->push_close(platform->context);
        downlink->channel = MU_AGENT_CHANNEL_CLOSED;
}

void mu_agent_downlink_destroy(struct mu_agent_downlink *downlink)
{
        if (!downlink)
                return;
        close_channel(downlink);
        mu_downlink_results_done(downlink);
        mu_downlink_turn_done(downlink);
        free(downlink);
}

/* ---- the channel ---- */

static uint64_t channel_wait_ms(struct mu_agent_downlink *downlink, int code)
{
        uint64_t now_ns = mu_agent_now_ns(downlink->core);
        uint64_t wait_ms;

        if (code == REPLACED || code == TOKEN_ENDED || code == UNAUTHORIZED)
                return MU_DOWNLINK_PAUSE_MS;
        /* One that opened only to be closed is a failure like any other. */
        if (downlink->channel == MU_AGENT_CHANNEL_OPEN &&
            now_ns >= mu_downlink_later(downlink->channel_opened_ns, MU_AGENT_CHANNEL_SILENCE_MS))
                mu_backoff_reset(&downlink->channel_backoff);
        wait_ms = mu_backoff_next_ms(&downlink->channel_backoff, &downlink->core->random);
        return mu_agent_is_frugal(downlink->core) && wait_ms < MU_DOWNLINK_PAUSE_MS
                       ? MU_DOWNLINK_PAUSE_MS
                       : wait_ms;
}

/* So long at least, since the appliance has asked for it. */
static uint64_t as_asked_ms(const struct mu_agent_downlink *downlink, uint64_t wait_ms)
{
        uint64_t now_ns = mu_agent_now_ns(downlink->core);
        uint64_t asked_ms = downlink->channel_asked_ns > now_ns
                                    ? (downlink->channel_asked_ns - now_ns) / MU_NS_PER_MS + 1
                                    : 0;

        return asked_ms > wait_ms ? asked_ms : wait_ms;
}

/* It is closed on the platform's side already. */
static void channel_closed(struct mu_agent_downlink *downlink, int code, const char *why)
{
        struct mu_agent_core *core = downlink->core;
        uint64_t wait_ms = as_asked_ms(downlink, channel_wait_ms(downlink, code));
        char quoted[SENTENCE_BYTES];

        downlink->channel = MU_AGENT_CHANNEL_CLOSED;
        downlink->channel_due_ns = mu_downlink_later(mu_agent_now_ns(core), wait_ms);
        core->changed = true;
        mu_agent_event(core->events, MU_AGENT_INFO, "push.close",
                       "\"code\":%d,\"detail\":%s,\"again_in_ms\":%llu", code,
                       mu_agent_event_text(why, quoted, sizeof(quoted)),
                       (unsigned long long)wait_ms);
        if (code == TOKEN_ENDED || code == UNAUTHORIZED)
                mu_agent_event(core->events, MU_AGENT_WARNING, "auth.refused",
                               "\"path\":\"channel\"");
        if (code == DELETED || code == GONE)
                (void)mu_agent_answer_of(core, &(struct mu_agent_reply){
                                                       .status = GONE,
                                                       .retry_after_s = -1,
                                                       .body = "",
                                               });
        mu_downlink_turn_channel_closed(downlink);
        mu_downlink_results_channel_closed(downlink);
}

void mu_downlink_drop_channel(struct mu_agent_downlink *downlink, const char *why)
{
        const struct mu_agent_platform *platform = downlink->core->platform;

        if (downlink->channel == MU_AGENT_CHANNEL_CLOSED)
                return;
        platform->push_close(platform->context);
        channel_closed(downlink, 0, why);
}

static void open_channel(struct mu_agent_downlink *downlink, uint64_t now_ns)
{
        const struct mu_agent_platform *platform = downlink->core->platform;
        int r = platform->push_open(platform->context, MU_PATH_DEVICE_WS);

        if (r == -ENOTSUP) {
                downlink->has_no_channel = true;
        } else if (r < 0) {
                channel_closed(downlink, r, "It could not be opened.");
        } else {
                downlink->channel = MU_AGENT_CHANNEL_OPENING;
                downlink->channel_due_ns = mu_downlink_later(now_ns, MU_AGENT_CHANNEL_SILENCE_MS);
        }
}

static uint64_t step_channel(struct mu_agent_downlink *downlink, uint64_t now_ns)
{
        if (downlink->channel != MU_AGENT_CHANNEL_CLOSED && now_ns >= downlink->channel_due_ns)
                mu_downlink_drop_channel(downlink, "Nothing was heard on it for 60 s.");
        if (downlink->channel == MU_AGENT_CHANNEL_CLOSED) {
                if (downlink->has_no_channel || !downlink->core->online)
                        return MU_AGENT_NEVER;
                if (now_ns >= downlink->channel_due_ns)
                        open_channel(downlink, now_ns);
        }
        return downlink->has_no_channel ? MU_AGENT_NEVER : downlink->channel_due_ns;
}

static void channel_opened(struct mu_agent_downlink *downlink, uint64_t now_ns)
{
        downlink->channel = MU_AGENT_CHANNEL_OPEN;
        downlink->channel_opened_ns = now_ns;
        downlink->channel_due_ns = mu_downlink_later(now_ns, MU_AGENT_CHANNEL_SILENCE_MS);
        downlink->results.maybe = true;
        downlink->core->changed = true;
        mu_agent_event(downlink->core->events, MU_AGENT_INFO, "push.open",
                       "\"path\":\"" MU_PATH_DEVICE_WS "\"");
}

void mu_agent_downlink_push(struct mu_agent_downlink *downlink, enum mu_agent_push_event event,
                            int code, const char *text, size_t bytes)
{
        uint64_t now_ns = mu_agent_now_ns(downlink->core);

        switch (event) {
        case MU_AGENT_PUSH_OPENED:
                if (downlink->channel == MU_AGENT_CHANNEL_OPENING)
                        channel_opened(downlink, now_ns);
                break;
        case MU_AGENT_PUSH_MESSAGE:
                if (downlink->channel == MU_AGENT_CHANNEL_OPEN)
                        downlink->channel_due_ns =
                                mu_downlink_later(now_ns, MU_AGENT_CHANNEL_SILENCE_MS);
                /* Empty: a ping, which says that the channel lives. Others may come without a
                 * channel: some machines have a push service of their own. */
                if (bytes > 0 && !downlink->core->deleted)
                        mu_downlink_message(downlink, text, bytes);
                break;
        case MU_AGENT_PUSH_WAIT:
                if (code > 0 && downlink->channel != MU_AGENT_CHANNEL_CLOSED)
                        downlink->channel_asked_ns = mu_downlink_later(
                                now_ns,
                                (uint64_t)(code < ASKED_S_MAX ? code : ASKED_S_MAX) * MU_MS_PER_S);
                break;
        case MU_AGENT_PUSH_CLOSED:
                if (downlink->channel != MU_AGENT_CHANNEL_CLOSED)
                        channel_closed(downlink, code, text ? text : "");
                break;
        }
}

enum mu_agent_channel_state mu_agent_downlink_channel(const struct mu_agent_downlink *downlink)
{
        return downlink->channel;
}

/* A channel over the network that was is dead, though nobody has said so. */
void mu_agent_downlink_network(struct mu_agent_downlink *downlink)
{
        struct mu_agent_core *core = downlink->core;

        mu_downlink_drop_channel(downlink, "The network changed.");
        mu_backoff_reset(&downlink->channel_backoff);
        downlink->channel_due_ns = mu_downlink_later(
                mu_agent_now_ns(core),
                as_asked_ms(downlink,
                            mu_backoff_next_ms(&downlink->channel_backoff, &core->random)));
        core->changed = true;
}

/* ---- fetching ---- */

void mu_downlink_want_fetch(struct mu_agent_downlink *downlink)
{
        downlink->fetch_wanted = true;
        downlink->core->changed = true;
}

void mu_agent_downlink_waiting(struct mu_agent_downlink *downlink, int64_t commands)
{
        if (commands > 0 && downlink->channel != MU_AGENT_CHANNEL_OPEN)
                mu_downlink_want_fetch(downlink);
}

/* Not before the pause is over, and later each time that it leads nowhere. */
static void fetch_later(struct mu_agent_downlink *downlink, int64_t retry_after_s)
{
        uint64_t wait_ms =
                MU_AGENT_FETCH_PAUSE_MS +
                (uint64_t)mu_backoff_next_ms(&downlink->fetch_backoff, &downlink->core->random);
        int64_t least_s = retry_after_s < RETRY_AFTER_S_MAX ? retry_after_s : RETRY_AFTER_S_MAX;

        if (least_s > 0 && (uint64_t)(least_s * MU_MS_PER_S) > wait_ms)
                wait_ms = (uint64_t)(least_s * MU_MS_PER_S);
        downlink->fetch_wanted = true;
        downlink->fetch_after_ns = mu_downlink_later(mu_agent_now_ns(downlink->core), wait_ms);
}

static void take_fetched(struct mu_agent_downlink *downlink, const json_t *commands, bool more)
{
        size_t taken[MU_DOWNLINK_REFUSED + 1] = {0};

        for (size_t i = 0; i < json_array_size(commands) && i < FETCHED_MAX; i++)
                taken[mu_downlink_take(downlink, json_array_get(commands, i), "fetch")]++;
        if (taken[MU_DOWNLINK_STALE] > 0 || (more && taken[MU_DOWNLINK_NEW] == 0)) {
                fetch_later(downlink, -1);
                return;
        }
        mu_backoff_reset(&downlink->fetch_backoff);
        downlink->has_more = more;
}

static void read_fetched(struct mu_agent_downlink *downlink, const struct mu_agent_reply *reply)
{
        json_t *body = json_loadb(reply->body, reply->body_bytes, JSON_REJECT_DUPLICATES, NULL);
        const json_t *commands = json_object_get(body, "commands");

        if (json_is_array(commands))
                take_fetched(downlink, commands, json_is_true(json_object_get(body, "more")));
        else
                fetch_later(downlink, -1);
        json_decref(body);
}

static void on_fetched(void *context, const struct mu_agent_reply *reply)
{
        struct mu_agent_downlink *downlink = context;
        struct mu_agent_core *core = downlink->core;
        enum mu_agent_answer said = mu_agent_answer_of(core, reply);

        downlink->is_fetching = false;
        core->changed = true;
        if (said == MU_AGENT_ANSWER_RETRY)
                mu_breaker_failure(&downlink->fetch_breaker);
        else
                mu_breaker_success(&downlink->fetch_breaker);
        switch (said) {
        case MU_AGENT_ANSWER_OK:
                read_fetched(downlink, reply);
                break;
        case MU_AGENT_ANSWER_RETRY:
                /* With little power left the next heartbeat's reply has to say it again. */
                if (!mu_agent_is_frugal(core))
                        fetch_later(downlink, reply->retry_after_s);
                break;
        case MU_AGENT_ANSWER_TOKEN:
                fetch_later(downlink, MU_AGENT_TOKEN_RETRY_MS / MU_MS_PER_S);
                break;
        case MU_AGENT_ANSWER_REFUSED:
        case MU_AGENT_ANSWER_GONE:
                break;
        }
}

static void fetch(struct mu_agent_downlink *downlink, uint64_t now_ns)
{
        const struct mu_agent_platform *platform = downlink->core->platform;
        int r = platform->request(platform->context,
                                  &(struct mu_agent_request){
                                          .method = "GET",
                                          .path = FETCH_PATH,
                                          .authorization = MU_AGENT_AUTH_TOKEN,
                                          .timeout_ms = MU_AGENT_REQUEST_TIMEOUT_MS,
                                  },
                                  on_fetched, downlink);

        if (r < 0) {
                mu_breaker_failure(&downlink->fetch_breaker);
                fetch_later(downlink, -1);
                return;
        }
        downlink->is_fetching = true;
        downlink->fetch_wanted = false;
        downlink->has_more = false;
        downlink->fetch_after_ns = mu_downlink_later(now_ns, MU_AGENT_FETCH_PAUSE_MS);
}

static uint64_t step_fetch(struct mu_agent_downlink *downlink, uint64_t now_ns)
{
        /* What was fetched has been run: the rest, without a pause, for it went on. */
        if (downlink->has_more && !mu_agent_downlink_is_busy(downlink)) {
                downlink->has_more = false;
                downlink->fetch_wanted = true;
                downlink->fetch_after_ns = now_ns;
        }
        if (!downlink->fetch_wanted || downlink->is_fetching || !downlink->core->online)
                return MU_AGENT_NEVER;
        if (now_ns < downlink->fetch_after_ns)
                return downlink->fetch_after_ns;
        if (mu_breaker_allow(&downlink->fetch_breaker))
                fetch(downlink, now_ns);
        else
                downlink->fetch_after_ns = mu_downlink_later(
                        now_ns, 1 + (uint64_t)mu_breaker_wait_ms(&downlink->fetch_breaker));
        return downlink->fetch_wanted ? downlink->fetch_after_ns : MU_AGENT_NEVER;
}

/* ---- a step ---- */

static uint64_t step_forget(struct mu_agent_downlink *downlink, uint64_t now_ns)
{
        struct mu_agent_core *core = downlink->core;
        int r = 0;

        if (now_ns < downlink->forget_ns)
                return downlink->forget_ns;
        /* By a clock that is known to be right. */
        if (core->clock.synced)
                r = mu_agent_command_book_forget(core->book,
                                                 mu_agent_clock_sync_now_us(&core->clock));
        downlink->forget_ns =
                mu_downlink_later(now_ns, r < 0 ? MU_DOWNLINK_STORE_RETRY_MS : FORGET_MS);
        return downlink->forget_ns;
}

uint64_t mu_agent_downlink_step(struct mu_agent_downlink *downlink)
{
        uint64_t now_ns = mu_agent_now_ns(downlink->core);
        uint64_t due_ns;

        if (downlink->core->deleted) {
                close_channel(downlink);
                return MU_AGENT_NEVER;
        }
        due_ns = step_channel(downlink, now_ns);
        due_ns = mu_downlink_earlier(due_ns, mu_downlink_turn_step(downlink, now_ns));
        due_ns = mu_downlink_earlier(due_ns, step_fetch(downlink, now_ns));
        due_ns = mu_downlink_earlier(due_ns, mu_downlink_results_step(downlink, now_ns));
        return mu_downlink_earlier(due_ns, step_forget(downlink, now_ns));
}

bool mu_agent_downlink_is_busy(const struct mu_agent_downlink *downlink)
{
        return downlink->turn.state != MU_DOWNLINK_IDLE || downlink->turn.waiting;
}
