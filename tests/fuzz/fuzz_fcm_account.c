/* SPDX-License-Identifier: Apache-2.0 */
/* The service account's file: an account that can sign, or one sentence without its content. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "outbound/fcm_account.h"
#include "outbound/outbound.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        struct mu_fcm_account *account = NULL;
        char error[MU_OUTBOUND_ERROR_BYTES] = "";
        struct mu_text jwt;
        int code = mu_fcm_account_parse((const char *)data, bytes, &account, error);

        if (code < 0) {
                MU_ASSERT(!account && code == -EINVAL && *error && !strstr(error, "BEGIN"));
                return 0;
        }
        MU_ASSERT(mu_outbound_check_url(account->token_uri) == 0);
        mu_text_init(&jwt);
        MU_ASSERT(mu_fcm_account_assert(account, account->token_uri, 1, &jwt) == 0);
        MU_ASSERT(strspn(jwt.data, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                   "-_.") == jwt.bytes);
        mu_text_done(&jwt);
        mu_fcm_account_free(account);
        return 0;
}
