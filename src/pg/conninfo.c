/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/conninfo.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"

/* Only where the operator says nothing. A server that vanished without a word is noticed within
 * about half a minute; of several hosts the one that takes writes is used. */
static const char *const DEFAULTS[][2] = {
        {"application_name", "musterd"}, {"target_session_attrs", "read-write"},
        {"keepalives_idle", "15"},       {"keepalives_interval", "5"},
        {"keepalives_count", "3"},       {"tcp_user_timeout", "30000"},
};

static int own(struct mu_conninfo *conninfo, const char *text, const char **ret_copy)
{
        char *copy = strdup(text);

        if (!copy)
                return -ENOMEM;
        MU_ASSERT(conninfo->owned_count < MU_COUNT_OF(conninfo->owned));
        conninfo->owned[conninfo->owned_count++] = copy;
        *ret_copy = copy;
        return 0;
}

static int add(struct mu_conninfo *conninfo, const char *keyword, const char *value)
{
        uint32_t i = conninfo->count;
        int err = own(conninfo, keyword, &conninfo->keywords[i]);

        if (!err)
                err = own(conninfo, value, &conninfo->values[i]);
        if (err)
                return err;
        MU_ASSERT(conninfo->count < MU_CONNINFO_KEYS_MAX);
        conninfo->count++;
        return 0;
}

static const char *given(const PQconninfoOption *options, const char *keyword)
{
        for (const PQconninfoOption *option = options; option->keyword; option++)
                if (strcmp(option->keyword, keyword) == 0)
                        return option->val && option->val[0] ? option->val : NULL;
        return NULL;
}

/* Session settings; ours last, so that they stand. */
static int add_options(struct mu_conninfo *conninfo, const PQconninfoOption *options,
                       uint32_t statement_timeout_ms)
{
        const char *theirs = given(options, "options");
        struct mu_text text;
        char *joined;
        size_t bytes;

        mu_text_init(&text);
        if (theirs)
                mu_text_add_format(&text, "%s ", theirs);
        mu_text_add_format(&text,
                           "-c statement_timeout=%u -c idle_in_transaction_session_timeout=60000 "
                           "-c timezone=UTC -c datestyle=ISO -c standard_conforming_strings=on",
                           statement_timeout_ms);
        int err = mu_text_take(&text, &joined, &bytes);

        if (err) {
                mu_text_done(&text);
                return err;
        }
        err = add(conninfo, "options", joined);
        free(joined);
        return err;
}

static void describe(struct mu_conninfo *conninfo, const PQconninfoOption *options)
{
        static const char *const keywords[] = {"host", "hostaddr", "port", "dbname", "user"};
        struct mu_text text;

        mu_text_init_fixed(&text, conninfo->description, sizeof(conninfo->description));
        for (size_t i = 0; i < MU_COUNT_OF(keywords); i++) {
                const char *value = given(options, keywords[i]);

                if (value)
                        mu_text_add_format(&text, "%s%s=%s", text.bytes ? " " : "", keywords[i],
                                           value);
        }
        if (text.bytes == 0)
                mu_text_add(&text, "libpq's defaults");
}

static int fill(struct mu_conninfo *conninfo, const PQconninfoOption *options,
                uint32_t statement_timeout_ms)
{
        int err = 0;

        for (const PQconninfoOption *option = options; option->keyword && !err; option++)
                if (given(options, option->keyword) && strcmp(option->keyword, "options") != 0 &&
                    strcmp(option->keyword, "client_encoding") != 0)
                        err = add(conninfo, option->keyword, option->val);
        for (size_t i = 0; i < MU_COUNT_OF(DEFAULTS) && !err; i++)
                if (!given(options, DEFAULTS[i][0]))
                        err = add(conninfo, DEFAULTS[i][0], DEFAULTS[i][1]);
        if (!err)
                err = add(conninfo, "client_encoding", "UTF8");
        if (!err)
                err = add_options(conninfo, options, statement_timeout_ms);
        return err;
}

int mu_conninfo_init(struct mu_conninfo *conninfo, const char *text, uint32_t statement_timeout_ms,
                     struct mu_pg_error *ret_error)
{
        char *message = NULL;
        PQconninfoOption *options = PQconninfoParse(text, &message);

        *conninfo = (struct mu_conninfo){0};
        if (!options) {
                PQfreemem(message); /* quotes the text, password and all */
                mu_pg_error_format(ret_error, "08001",
                                   "the database URL can't be read: write "
                                   "postgresql://user@host:port/dbname, with special characters "
                                   "in the password percent-encoded, or key=value pairs");
                return -EINVAL;
        }
        int err = fill(conninfo, options, statement_timeout_ms);

        describe(conninfo, options);
        PQconninfoFree(options);
        if (err)
                mu_conninfo_done(conninfo);
        return err;
}

void mu_conninfo_done(struct mu_conninfo *conninfo)
{
        for (uint32_t i = 0; i < conninfo->owned_count; i++) {
                /* Among them may be a password: it must not lie about in freed memory. */
                explicit_bzero(conninfo->owned[i], strlen(conninfo->owned[i]));
                free(conninfo->owned[i]);
        }
        *conninfo = (struct mu_conninfo){0};
}
