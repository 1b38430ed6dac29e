/* SPDX-License-Identifier: Apache-2.0 */
#include "control/guard.h"

#include <errno.h>
#include <openssl/mem.h>
#include <stdlib.h>

#include "control/rate_limit.h"
#include "control/security/security_event.h"
#include "identity/secrets.h"

enum {
        ADDRESSES_MAX = 65536,
        ACCOUNTS_MAX = 8192,
};

int mu_guard_create(struct mu_control *control, struct mu_guard **ret_guard)
{
        struct mu_guard *guard = calloc(1, sizeof(*guard));
        const struct mu_rate_rule *rules = control->config.limits;

        if (!guard)
                return -ENOMEM;
        int error = mu_rate_table_create(rules, MU_LIMIT_RULES, ADDRESSES_MAX, &guard->addresses);

        if (error == 0)
                error = mu_rate_table_create(rules, MU_LIMIT_RULES, ACCOUNTS_MAX, &guard->accounts);
        if (error == 0)
                error = mu_security_events_create(control, &guard->events);
        if (error < 0) {
                mu_guard_destroy(guard);
                return error;
        }
        mu_secrets_derive(control->config.secrets, "idempotency-reply", guard->reply_key);
        *ret_guard = guard;
        return 0;
}

void mu_guard_destroy(struct mu_guard *guard)
{
        if (!guard)
                return;
        mu_rate_table_destroy(guard->addresses);
        mu_rate_table_destroy(guard->accounts);
        mu_security_events_destroy(guard->events);
        OPENSSL_cleanse(guard->reply_key, sizeof(guard->reply_key));
        free(guard);
}

bool mu_guard_borrow(struct mu_ask *ask)
{
        if (!ask->pg)
                ask->pg = mu_control_borrow(ask->control, ask->call);
        return ask->pg != NULL;
}

void mu_guard_give_back(struct mu_ask *ask)
{
        if (ask->pg)
                mu_control_give_back(ask->control, ask->pg);
        ask->pg = NULL;
}

void mu_guard_note_refusal(struct mu_ask *ask)
{
        struct mu_address address = mu_call_address(ask->call);
        enum mu_security_event kind;

        /* A failed login is an event of its own (account/). */
        if (ask->endpoint->limit == MU_LIMIT_LOGIN && mu_call_status(ask->call) != 429)
                return;
        switch (mu_call_status(ask->call)) {
        case 401:
                kind = MU_SECURITY_UNAUTHENTICATED;
                break;
        case 403:
                kind = MU_SECURITY_FORBIDDEN;
                break;
        case 429:
                kind = MU_SECURITY_LIMITED;
                break;
        default:
                return;
        }
        mu_security_event(ask->control, kind, &address,
                          ask->who.kind == MU_PRINCIPAL_NOBODY ? NULL : ask->actor, "%s %s",
                          ask->endpoint->method, ask->endpoint->path);
}
