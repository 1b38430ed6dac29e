/* SPDX-License-Identifier: Apache-2.0 */
/* guard_limit.c - a request against the limits of its address and its account. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "control/guard.h"
#include "control/rate_limit.h"

enum {
        FIELD_BYTES = 128,
        KEY_BYTES = 160,
};

static const char *const NAMES[MU_LIMIT_RULES] = {"general", "reset", "bulk"};

const char *mu_guard_rule_name(uint32_t rule)
{
        return NAMES[rule];
}

/* False: nothing limits this endpoint. */
static bool rule_of(const struct mu_endpoint *endpoint, uint32_t *ret_rule)
{
        if (strncmp(endpoint->path, "/api/", 5) != 0 && strncmp(endpoint->path, "/admin/", 7) != 0)
                return false;
        switch (endpoint->limit) {
        case MU_LIMIT_GENERAL:
        case MU_LIMIT_LOGIN:
                *ret_rule = 0;
                return true;
        case MU_LIMIT_RESET:
                *ret_rule = 1;
                return true;
        case MU_LIMIT_BULK:
                *ret_rule = 2;
                return true;
        case MU_LIMIT_NONE:
        case MU_LIMIT_GROUP_COUNT:
                break;
        }
        return false;
}

void mu_guard_limit_fields(struct mu_ask *ask)
{
        const struct mu_rate_verdict *verdict = &ask->limit;
        const struct mu_rate_rule *rule;
        char policy[FIELD_BYTES];
        char state[FIELD_BYTES];
        uint32_t index;

        if (!verdict->limited || !rule_of(ask->endpoint, &index))
                return;
        rule = &ask->control->config.limits[index];
        int policy_bytes = snprintf(policy, sizeof(policy), "\"%s\";q=%u;w=%u", NAMES[index],
                                    rule->max, rule->window_s);
        int state_bytes = snprintf(state, sizeof(state), "\"%s\";r=%u;t=%u", NAMES[index],
                                   verdict->remaining, verdict->reset_s);

        if (rule->burst_max > 0) {
                (void)snprintf(policy + policy_bytes, sizeof(policy) - (size_t)policy_bytes,
                               ", \"burst\";q=%u;w=%u", rule->burst_max, rule->burst_window_s);
                (void)snprintf(state + state_bytes, sizeof(state) - (size_t)state_bytes,
                               ", \"burst\";r=%u;t=%u", verdict->burst_remaining,
                               verdict->burst_reset_s);
        }
        mu_call_reply_header(ask->call, "ratelimit-policy", policy);
        mu_call_reply_header(ask->call, "ratelimit", state);
}

/* The tighter one is what the client should know. */
static void remember(struct mu_ask *ask, const struct mu_rate_verdict *verdict)
{
        bool tighter = !ask->limit.limited || !verdict->allowed ||
                       verdict->remaining < ask->limit.remaining ||
                       verdict->burst_remaining < ask->limit.burst_remaining;

        if (verdict->limited && tighter)
                ask->limit = *verdict;
}

static bool take(struct mu_ask *ask, struct mu_rate_table *table, const void *key, size_t key_bytes,
                 const char *label, const char *whose)
{
        struct mu_rate_verdict verdict;
        uint32_t rule;

        if (!rule_of(ask->endpoint, &rule))
                return true;
        mu_rate_take(table, rule, key, key_bytes, label,
                     mu_clock_monotonic_ns(ask->control->config.clock), &verdict);
        remember(ask, &verdict);
        if (verdict.allowed)
                return true;
        mu_call_problem_retry(ask->call, 429, "rate-limit", verdict.retry_after_s,
                              "Too many requests from this %s (limit: %s%s); try again in %u s.",
                              whose, NAMES[rule], verdict.by_burst ? ", in a burst" : "",
                              verdict.retry_after_s);
        return false;
}

/* Whoever has one IPv6 address has the /64. */
static size_t significant_bytes(const struct mu_address *address)
{
        static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

        return memcmp(address->bytes, mapped, sizeof(mapped)) == 0 ? 16 : 8;
}

bool mu_guard_limit_address(struct mu_ask *ask)
{
        struct mu_address address = mu_call_address(ask->call);

        return take(ask, ask->control->guard->addresses, address.bytes, significant_bytes(&address),
                    ask->address, "address");
}

bool mu_guard_limit_account(struct mu_ask *ask, const char *account)
{
        char key[KEY_BYTES];
        int bytes = snprintf(key, sizeof(key), "name:%.120s", account);

        return take(ask, ask->control->guard->accounts, key, (size_t)bytes, "an account's name",
                    "account");
}

/* An API token counts as itself: it is what got loose. */
bool mu_guard_limit_principal(struct mu_ask *ask)
{
        if (ask->who.kind != MU_PRINCIPAL_USER && ask->who.kind != MU_PRINCIPAL_API_TOKEN)
                return true;
        return take(ask, ask->control->guard->accounts, ask->actor, strlen(ask->actor), ask->actor,
                    "account");
}
