/* SPDX-License-Identifier: Apache-2.0 */
/*
 * account.h - what people's accounts keep for as long as the daemon runs, and the first account.
 *
 * bcrypt    A hash takes a worker for a fifth of a second. At the most parallel_max run at once, so
 *           that however many log in, a worker is left for the rest; more are answered 503.
 * Units     *_s.
 * Threads   create, destroy: one. The rest: any worker.
 * Ownership secrets and reset_url are lent and outlive it. Keys are wiped on destroy.
 * Errors    negative errno.
 */
#ifndef MUSTER_CONTROL_ACCOUNT_ACCOUNT_H
#define MUSTER_CONTROL_ACCOUNT_ACCOUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "identity/secrets.h"
#include "muster/compiler.h"

struct mu_pg;

/* 0 in any of them: its default. */
struct mu_account_config {
        uint32_t bcrypt_cost;         /* 4..16; 12 */
        uint32_t bcrypt_parallel_max; /* 1 */
        uint32_t access_life_s;       /* of an access token; 15 min */
        uint32_t session_life_s;      /* whatever happens; 30 days */
        uint32_t session_idle_s;      /* unless it is refreshed; 7 days */
        uint32_t reset_life_s;        /* 1 h */
        uint32_t lock_failures;       /* failed logins of a name in a row before it locks; 5 */
        uint32_t lock_base_s;         /* the first lock; each further failure doubles it; 15 s */
        uint32_t lock_max_s;          /* 15 min */
        const char *reset_url;        /* page that a reset mail leads to, or NULL */
};

struct mu_account {
        struct mu_account_config config; /* every default filled in */
        uint8_t refresh_key[MU_SECRET_KEY_BYTES];
        _Atomic uint32_t bcrypt_running;
};

MU_MUST_CHECK
int mu_account_create(const struct mu_account_config *config, const struct mu_secrets *secrets,
                      struct mu_account **ret_account);
void mu_account_destroy(struct mu_account *account); /* NULL is a no-op */

/* Makes the user "admin" with the password in secrets/admin-password if there is no user at all.
 * error: MU_SECRET_ERROR_BYTES, a sentence for every failure; those of the database as pg/error.h
 * has them, -EBADMSG, -EPERM and others of the file. */
MU_MUST_CHECK
int mu_account_make_first(const struct mu_account *account, const struct mu_secrets *secrets,
                          struct mu_pg *pg, bool *ret_made, char *error);

#endif
