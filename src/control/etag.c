/* SPDX-License-Identifier: Apache-2.0 */
#include "control/etag.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/site.h"

enum {
        DIGEST_BYTES = 16,
        TAG_BYTES = 2 * DIGEST_BYTES + 3, /* quoted, with NUL */
};

/* -ENOMEM. */
static int tag_of(const json_t *written, char ret_tag[TAG_BYTES])
{
        char *text = written ? json_dumps(written, JSON_COMPACT | JSON_SORT_KEYS) : strdup("{}");
        uint8_t digest[SHA256_DIGEST_LENGTH];
        int at = 0;

        if (!text)
                return -ENOMEM;
        SHA256((const uint8_t *)text, strlen(text), digest);
        free(text);
        ret_tag[at++] = '"';
        for (size_t i = 0; i < DIGEST_BYTES; i++)
                at += snprintf(ret_tag + at, (size_t)(TAG_BYTES - at), "%02x", digest[i]);
        ret_tag[at++] = '"';
        ret_tag[at] = '\0';
        return 0;
}

void mu_etag_add(struct mu_ask *ask, const json_t *written)
{
        char tag[TAG_BYTES];

        if (tag_of(written, tag) == 0)
                mu_call_reply_header(ask->call, "etag", tag);
        else
                mu_ask_failed(ask, -ENOMEM);
}

bool mu_etag_is_asked(const struct mu_ask *ask)
{
        return mu_call_header(ask->call, "if-match").data != NULL;
}

void mu_etag_refuse(struct mu_ask *ask, const char *what)
{
        mu_call_problem(ask->call, 412, "changed-meanwhile", NULL,
                        "Somebody changed this %s since you read it, so nothing was done. Read it "
                        "again, and make your change to what it is now.",
                        what);
}

bool mu_etag_allows(struct mu_ask *ask, const json_t *written, const char *what)
{
        char tag[TAG_BYTES];

        if (!mu_etag_is_asked(ask))
                return true;
        if (tag_of(written, tag) < 0) {
                mu_ask_failed(ask, -ENOMEM);
                return false;
        }
        if (mu_etag_is_strongly_among(mu_call_header(ask->call, "if-match"), tag))
                return true;
        mu_etag_refuse(ask, what);
        return false;
}
