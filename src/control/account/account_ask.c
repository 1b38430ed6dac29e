/* SPDX-License-Identifier: Apache-2.0 */
#include "control/account/account_ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/account/account.h"
#include "http/cookie.h"

enum {
        BUSY_RETRY_S = 2,
};

/* On plain HTTP, which is loopback's, a browser takes neither Secure nor the prefix. */
#define COOKIE_TLS "__Host-muster_refresh"
#define COOKIE_PLAIN "muster_refresh"

/* ---- bcrypt ---- */

static bool enter(struct mu_ask *ask)
{
        struct mu_account *account = ask->control->account;
        uint32_t running = atomic_load_explicit(&account->bcrypt_running, memory_order_relaxed);

        do {
                if (running >= account->config.bcrypt_parallel_max) {
                        mu_pg_rollback(ask->pg);
                        mu_call_problem_retry(ask->call, 503, "passwords-busy", BUSY_RETRY_S,
                                              "Too many passwords are being checked at the moment; "
                                              "try again.");
                        return false;
                }
        } while (!atomic_compare_exchange_weak_explicit(&account->bcrypt_running, &running,
                                                        running + 1, memory_order_relaxed,
                                                        memory_order_relaxed));
        return true;
}

/* Leaves, and answers a failure of bcrypt itself. */
static bool leave(struct mu_ask *ask, int error)
{
        atomic_fetch_sub_explicit(&ask->control->account->bcrypt_running, 1, memory_order_relaxed);
        if (error == 0)
                return true;
        mu_pg_rollback(ask->pg);
        mu_control_failed(ask->control, ask->call, NULL, error == -EBADMSG ? -EPROTO : error);
        return false;
}

bool mu_account_hash(struct mu_ask *ask, const char *password,
                     char ret_hash[MU_PASSWORD_HASH_BYTES])
{
        if (!enter(ask))
                return false;
        return leave(ask, mu_password_hash(password, strlen(password),
                                           ask->control->account->config.bcrypt_cost, ret_hash));
}

bool mu_account_verify(struct mu_ask *ask, const char *password, const char *hash,
                       bool *ret_matches)
{
        size_t bytes = strlen(password);
        int error = -EBADMSG;

        if (!enter(ask))
                return false;
        if (hash)
                error = mu_password_verify(password, bytes, hash, ret_matches);
        if (error == -EBADMSG) {
                *ret_matches = false;
                error = mu_password_verify_nobody(password, bytes,
                                                  ask->control->account->config.bcrypt_cost);
        }
        return leave(ask, error);
}

bool mu_account_accept_password(struct mu_ask *ask, const char *field, const char *password,
                                const char *user_name)
{
        const char *flaw = mu_password_flaw(password, strlen(password), user_name);

        if (!flaw)
                return true;
        mu_pg_rollback(ask->pg);
        mu_call_problem(ask->call, 400, "password", field, "%s", flaw);
        return false;
}

/* ---- transactions ---- */

void mu_account_failed(struct mu_ask *ask, int error)
{
        mu_ask_failed(ask, error);
        mu_pg_rollback(ask->pg);
}

bool mu_account_ok(struct mu_ask *ask, int error)
{
        if (error < 0)
                mu_account_failed(ask, error);
        return error == 0;
}

bool mu_account_begin(struct mu_ask *ask)
{
        return mu_account_ok(ask, mu_pg_begin(ask->pg));
}

bool mu_account_commit(struct mu_ask *ask)
{
        return mu_account_ok(ask, mu_pg_commit(ask->pg));
}

/* ---- small ones ---- */

void mu_account_now_known(struct mu_ask *ask, const struct mu_principal *who)
{
        ask->who = *who;
        mu_principal_actor(who, ask->actor, sizeof(ask->actor));
}

void mu_account_refuse_locked(struct mu_ask *ask, uint32_t retry_s)
{
        mu_call_problem_retry(ask->call, 429, "login-locked", retry_s,
                              "Too many failed logins with this name; try again in %u s.", retry_s);
}

void mu_account_event(struct mu_ask *ask, enum mu_security_event kind, const char *user,
                      const char *what)
{
        struct mu_address address = mu_call_address(ask->call);
        char principal[MU_PRINCIPAL_NAME_BYTES + 8];

        (void)snprintf(principal, sizeof(principal), "user:%s", user ? user : "");
        mu_security_event(ask->control, kind, &address, user ? principal : NULL, "%s", what);
}

/* ---- the cookie ---- */

static const char *cookie_name(const struct mu_ask *ask)
{
        return mu_call_is_tls(ask->call) ? COOKIE_TLS : COOKIE_PLAIN;
}

struct mu_slice mu_account_cookie(const struct mu_ask *ask)
{
        return mu_call_cookie(ask->call, cookie_name(ask));
}

void mu_account_set_cookie(struct mu_ask *ask, const char *token, int64_t life_s)
{
        const struct mu_cookie cookie = {
                .name = cookie_name(ask),
                .value = token,
                .max_age_s = life_s,
                .same_site = MU_SAME_SITE_STRICT,
                .http_only = true,
                .secure = mu_call_is_tls(ask->call),
        };

        mu_call_set_cookie(ask->call, &cookie);
}

void mu_account_clear_cookie(struct mu_ask *ask)
{
        if (mu_account_cookie(ask).data)
                mu_account_set_cookie(ask, "", 0);
}
