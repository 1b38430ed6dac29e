/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fcm_account.h - Google's service account: its key file, and the assertion that is traded for an
 * access token (RFC 7523; RS256 of RFC 7518 3.3).
 *
 * Units      seconds since 1970. Threads: any; an account is read-only.
 * Ownership  The caller frees the account; strings live with it.
 * Errors     negative errno and a sentence (MU_OUTBOUND_ERROR_BYTES) about what is wrong in the
 *            file, never its content.
 */
#ifndef MUSTER_OUTBOUND_FCM_ACCOUNT_H
#define MUSTER_OUTBOUND_FCM_ACCOUNT_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "muster/compiler.h"

struct evp_pkey_st;

struct mu_fcm_account {
        char *project_id;
        char *client_email;
        char *key_id; /* "" without one */
        char *token_uri;
        struct evp_pkey_st *key;
};

MU_MUST_CHECK
int mu_fcm_account_parse(const char *json, size_t bytes, struct mu_fcm_account **ret_account,
                         char *error);
/* The sentence names the file. */
MU_MUST_CHECK
int mu_fcm_account_load(const char *path, struct mu_fcm_account **ret_account, char *error);
void mu_fcm_account_free(struct mu_fcm_account *account); /* NULL is a no-op */

/* A signed JWT for an hour, added to the text. 0 or -ENOMEM, -EIO. */
MU_MUST_CHECK
int mu_fcm_account_assert(const struct mu_fcm_account *account, const char *audience, int64_t now_s,
                          struct mu_text *to);

#endif
