/* SPDX-License-Identifier: Apache-2.0 */
/* guard_admit.c - who asks, and may they? */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "control/account/account_principal.h"
#include "control/endpoint.h"
#include "control/guard.h"
#include "identity/device_access.h"
#include "identity/device_table.h"
#include "identity/jwt.h"
#include "identity/secrets.h"
#include "identity/token.h"
#include "muster/wire.h"

enum {
        RETRY_AFTER_S = 5,
};

static bool refuse_401(struct mu_ask *ask, const char *slug, const char *sentence)
{
        mu_control_refuse_401(ask->control, ask->call, slug, sentence);
        mu_call_reply_header(ask->call, "www-authenticate", "Bearer realm=\"muster\"");
        return false;
}

/* Signed by us once: no guess, so it does not count against its address. */
static bool refuse_ended(struct mu_ask *ask, const char *slug, const char *sentence)
{
        mu_call_problem(ask->call, 401, slug, NULL, "%s", sentence);
        mu_call_reply_header(ask->call, "www-authenticate", "Bearer realm=\"muster\"");
        return false;
}

/* ---- devices ---- */

/* Under the table's lock instead of as a QSBR reader: whoever frees tokens holds it too, so what is
 * looked at stays, and a worker that sleeps in PostgreSQL never holds back their freeing. The lock
 * is held for two cache misses here and for moments elsewhere. */
static bool admit_device(struct mu_ask *ask)
{
        struct mu_device_table *devices = ask->control->config.devices;
        struct mu_slice token = mu_call_bearer(ask->call);
        uint64_t now_ms = mu_clock_monotonic_ns(ask->control->config.clock) / MU_NS_PER_MS;

        mu_device_table_lock(devices);
        enum mu_device_access access =
                mu_device_identify(devices, token.data, token.bytes, now_ms, &ask->device);

        mu_device_table_unlock(devices);
        if (access == MU_DEVICE_ACCESS_GRANTED) {
                ask->who =
                        (struct mu_principal){.kind = MU_PRINCIPAL_DEVICE, .id = ask->device->id};
                return true;
        }
        const struct mu_device_refusal *refusal = mu_device_refusal(access);

        if (refusal->status == 401)
                return refuse_401(ask, refusal->slug, refusal->sentence);
        if (refusal->status == 503)
                mu_call_problem_retry(ask->call, 503, refusal->slug, RETRY_AFTER_S, "%s",
                                      refusal->sentence);
        else
                mu_call_problem(ask->call, refusal->status, refusal->slug, NULL, "%s",
                                refusal->sentence);
        return false;
}

/* ---- operators ---- */

static bool admit_principal(struct mu_ask *ask, int error)
{
        if (error == 0)
                return true;
        if (error == -ENOENT)
                return refuse_401(ask, "credential-ended",
                                  "This session or token is not valid any more: sign in again, or "
                                  "make a new token.");
        mu_control_failed(ask->control, ask->call, ask->pg, error);
        return false;
}

static bool admit_session(struct mu_ask *ask, struct mu_slice token)
{
        struct mu_jwt_keys *keys = mu_secrets_jwt_keys(ask->control->config.secrets);
        int64_t now_s = mu_clock_realtime_us(ask->control->config.clock) / MU_US_PER_S;
        struct mu_jwt_claims claims;
        int error = mu_jwt_verify(keys, token.data, token.bytes, now_s, &claims);

        if (error == -ETIME)
                return refuse_ended(ask, "token-expired",
                                    "The access token has expired: refresh it, or sign in again.");
        if (error < 0)
                return refuse_401(ask, "token-invalid",
                                  "This is not a valid access token: sign in again.");
        return mu_guard_borrow(ask) &&
               admit_principal(ask, mu_account_principal_by_session(ask->pg, claims.session_id,
                                                                    claims.user_id, &ask->who));
}

static bool admit_api_token(struct mu_ask *ask, struct mu_slice token)
{
        struct mu_digest digest;

        mu_token_digest(token.data, token.bytes, &digest);
        return mu_guard_borrow(ask) &&
               admit_principal(ask, mu_account_principal_by_api_token(ask->pg, &digest, &ask->who));
}

static bool starts_with(struct mu_slice text, const char *prefix)
{
        return text.bytes >= strlen(prefix) && memcmp(text.data, prefix, strlen(prefix)) == 0;
}

static bool admit_bearer(struct mu_ask *ask)
{
        struct mu_slice token = mu_call_bearer(ask->call);

        if (!token.data)
                return refuse_401(ask, "token-missing",
                                  "Sign in, and send the access token or an API token as "
                                  "\"Authorization: Bearer ...\".");
        if (starts_with(token, "mp_") && token.bytes == MU_TOKEN_CHARS)
                return admit_api_token(ask, token);
        if (starts_with(token, "mu_"))
                return refuse_401(ask, "token-of-device",
                                  "A device's token does not open this; it is for operators.");
        return admit_session(ask, token);
}

static enum mu_role role_needed(enum mu_access access)
{
        switch (access) {
        case MU_ACCESS_VIEWER:
                return MU_ROLE_VIEWER;
        case MU_ACCESS_OPERATOR:
                return MU_ROLE_OPERATOR;
        case MU_ACCESS_ADMIN:
                return MU_ROLE_ADMIN;
        case MU_ACCESS_PUBLIC:
        case MU_ACCESS_ADMIN_KEY:
        case MU_ACCESS_DEVICE:
        case MU_ACCESS_OWN:
                break;
        }
        return MU_ROLE_NONE;
}

static bool may(struct mu_ask *ask)
{
        const struct mu_endpoint *endpoint = ask->endpoint;
        enum mu_role needed = role_needed(endpoint->access);

        if (ask->who.role < needed) {
                mu_call_problem(ask->call, 403, "role", NULL,
                                "This needs the role %s; yours is %s. Ask an administrator.",
                                mu_role_name(needed), mu_role_name(ask->who.role));
                return false;
        }
        if (ask->who.kind != MU_PRINCIPAL_API_TOKEN)
                return true;
        if (!endpoint->scope) {
                mu_call_problem(ask->call, 403, "scope", NULL,
                                "No API token can do this; it needs a person who is signed in.");
                return false;
        }
        if (!mu_scopes_contain(ask->who.scopes, endpoint->scope)) {
                mu_call_problem(ask->call, 403, "scope", NULL,
                                "This needs an API token with the scope %s.", endpoint->scope);
                return false;
        }
        return true;
}

static bool brings_admin_key(const struct mu_ask *ask)
{
        return mu_call_header(ask->call, MU_HEADER_ADMIN_KEY).data ||
               mu_call_header(ask->call, MU_HEADER_ADMIN_KEY_OLD).data;
}

static bool admit_admin_key(struct mu_ask *ask)
{
        if (!mu_control_require_admin_key(ask->control, ask->call))
                return false;
        ask->who = (struct mu_principal){.kind = MU_PRINCIPAL_ADMIN_KEY, .role = MU_ROLE_ADMIN};
        return true;
}

static bool admit_operator(struct mu_ask *ask)
{
        if (brings_admin_key(ask)) {
                if (!admit_admin_key(ask))
                        return false;
                if ((ask->endpoint->flags & MU_ENDPOINT_ADMIN_KEY) != 0)
                        return true;
                mu_call_problem(ask->call, 403, "admin-key-unfit", NULL,
                                "The admin key does not open this; it needs a person who is signed "
                                "in, or an API token.");
                return false;
        }
        return admit_bearer(ask) && may(ask);
}

static bool admit(struct mu_ask *ask)
{
        switch (ask->endpoint->access) {
        case MU_ACCESS_PUBLIC:
        case MU_ACCESS_OWN:
                return true;
        case MU_ACCESS_DEVICE:
                return admit_device(ask);
        case MU_ACCESS_ADMIN_KEY:
                return admit_admin_key(ask);
        case MU_ACCESS_VIEWER:
        case MU_ACCESS_OPERATOR:
        case MU_ACCESS_ADMIN:
                break;
        }
        return admit_operator(ask);
}

/* Wrong admin keys and device tokens have a limit of their own (http/auth_failures.h). */
static bool counts_by_address(const struct mu_ask *ask)
{
        return ask->endpoint->access != MU_ACCESS_DEVICE &&
               ask->endpoint->access != MU_ACCESS_ADMIN_KEY && !brings_admin_key(ask);
}

bool mu_guard_admit(struct mu_ask *ask)
{
        if (counts_by_address(ask) && !mu_guard_limit_address(ask))
                return false;
        bool admitted = admit(ask);

        mu_principal_actor(&ask->who, ask->actor, sizeof(ask->actor));
        return admitted && mu_guard_limit_principal(ask);
}
