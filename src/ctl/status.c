/* SPDX-License-Identifier: Apache-2.0 */
/* musterctl status: the fleet now or at a moment, counted and listed. */
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"

static long long number(const json_t *object, const char *member)
{
        return (long long)json_integer_value(json_object_get(object, member));
}

static void print_counts(const json_t *counts)
{
        (void)printf("%lld devices: %lld online, %lld late, %lld silent, %lld never heard of\n",
                     number(counts, "devices"), number(counts, "online"), number(counts, "late"),
                     number(counts, "silent"), number(counts, "never"));
}

/* Whether it takes heartbeats, and what is wrong. The reply of a probe that says 503 is one too. */
static void print_ready(const json_t *ready)
{
        const json_t *reason;
        size_t i;

        (void)printf("%s", json_is_true(json_object_get(ready, "ready")) ? "ready" : "not ready");
        json_array_foreach(json_object_get(ready, "degraded"), i, reason)(void)
                printf("%s%s", i > 0 ? ", " : "; degraded: ", json_string_value(reason));
        (void)printf("; %lld heartbeats wait for the database\n",
                     number(json_object_get(ready, "backlog"), "records"));
}

static int now(struct mu_ctl *ctl, const char *query)
{
        struct mu_ctl_reply ready = {0};
        struct mu_ctl_reply counts = {0};
        int code = mu_ctl_request(ctl, "GET", "/ready", NULL, NULL, NULL, &ready);
        bool is_ready = code == MU_CTL_OK;

        if (is_ready || json_object_get(ready.json, "ready"))
                code = mu_ctl_request(ctl, "GET", "/admin/status/summary", query, NULL, NULL,
                                      &counts);
        if (code == MU_CTL_OK && ctl->globals.json) {
                json_t *both = json_pack("{s:O, s:O}", "ready", ready.json, "fleet", counts.json);

                mu_ctl_print_json(both);
                json_decref(both);
        } else if (code == MU_CTL_OK) {
                print_ready(ready.json);
                print_counts(counts.json);
        }
        mu_ctl_reply_done(&ready);
        mu_ctl_reply_done(&counts);
        return code == MU_CTL_OK && !is_ready ? MU_CTL_FAILED : code;
}

/* The counts, to be read first by people; programs get the list alone. */
static int then(struct mu_ctl *ctl, struct mu_ctl_input *input, const char *summary_query)
{
        struct mu_ctl_reply counts = {0};
        int code = MU_CTL_OK;

        if (!ctl->globals.json)
                code = mu_ctl_request(ctl, "GET", "/admin/status/summary", summary_query, NULL,
                                      NULL, &counts);
        if (code == MU_CTL_OK && !ctl->globals.json)
                print_counts(counts.json);
        mu_ctl_reply_done(&counts);
        return code == MU_CTL_OK ? mu_ctl_send_and_print(ctl, input) : code;
}

/* The summary takes no page: "limit" is left out. */
static char *without_limit(const char *query)
{
        char *copy = strdup(query ? query : "");
        char *limit = copy ? strstr(copy, "limit=") : NULL;

        if (!limit || (limit > copy && limit[-1] != '&'))
                return copy;
        char *end = limit + strcspn(limit, "&");

        memmove(limit, *end ? end + 1 : end, strlen(*end ? end + 1 : end) + 1);
        if (limit > copy && !*limit)
                limit[-1] = '\0';
        return copy;
}

int mu_ctl_status(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input)
{
        bool at = input->query &&
                  (strncmp(input->query, "at=", 3) == 0 || strstr(input->query, "&at="));
        char *query = without_limit(input->query);
        int code = MU_CTL_REFUSED;

        (void)verb;
        if (query)
                code = at ? then(ctl, input, query) : now(ctl, *query ? query : NULL);
        free(query);
        return code;
}
