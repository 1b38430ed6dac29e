/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"

static void print(const struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                  const struct mu_ctl_reply *reply)
{
        const json_t *rows = verb->rows ? json_object_get(reply->json, verb->rows) : NULL;

        if (!reply->json) {
                if (verb->done && !ctl->globals.json)
                        (void)puts(verb->done);
        } else if (ctl->globals.json) {
                mu_ctl_print_json(reply->json);
        } else if (rows) {
                mu_ctl_print_rows(rows, verb->columns);
        } else {
                mu_ctl_print_object(reply->json);
        }
}

/* The next page's query. A cursor is base64url: nothing in it needs encoding. */
static char *next_query(const char *query, const char *cursor)
{
        char *next = NULL;

        if (asprintf(&next, "%s%scursor=%s", query ? query : "", query ? "&" : "", cursor) < 0)
                return NULL;
        return next;
}

/* All pages as one reply. */
static int gather(struct mu_ctl *ctl, struct mu_ctl_input *input, struct mu_ctl_reply *whole)
{
        const char *rows = input->verb->rows;
        json_t *list = json_object_get(whole->json, rows);
        int code = MU_CTL_OK;

        while (code == MU_CTL_OK) {
                const char *cursor = json_string_value(json_object_get(whole->json, "next_cursor"));
                struct mu_ctl_reply page = {0};

                if (!cursor)
                        return MU_CTL_OK;
                char *query = next_query(input->query, cursor);

                if (!query)
                        return MU_CTL_REFUSED;
                code = mu_ctl_request(ctl, "GET", input->path, query, NULL, NULL, &page);
                if (code == MU_CTL_OK) {
                        (void)json_array_extend(list, json_object_get(page.json, rows));
                        (void)json_object_set(whole->json, "next_cursor",
                                              json_object_get(page.json, "next_cursor"));
                        if (!json_object_get(page.json, "next_cursor"))
                                (void)json_object_del(whole->json, "next_cursor");
                }
                free(query);
                mu_ctl_reply_done(&page);
        }
        return code;
}

int mu_ctl_send_and_print(struct mu_ctl *ctl, struct mu_ctl_input *input)
{
        const struct mu_ctl_verb *verb = input->verb;
        struct mu_ctl_reply reply = {0};
        int code = verb->public ? mu_ctl_request_bare(ctl, input->path, input->body, false, &reply)
                                : mu_ctl_request(ctl, verb->method, input->path, input->query,
                                                 input->body, NULL, &reply);

        if (code == MU_CTL_OK && verb->rows && ctl->globals.all)
                code = gather(ctl, input, &reply);
        if (code == MU_CTL_OK) {
                print(ctl, verb, &reply);
                if (verb->rows && json_is_string(json_object_get(reply.json, "next_cursor")) &&
                    !ctl->globals.json)
                        (void)fputs("There is more: --all shows it.\n", stderr);
        }
        mu_ctl_reply_done(&reply);
        return code;
}

int mu_ctl_run(struct mu_ctl *ctl, struct mu_ctl_input *input)
{
        const struct mu_ctl_verb *verb = input->verb;
        char question[256];

        if (verb->confirm && !ctl->globals.yes) {
                (void)snprintf(question, sizeof(question), "%s: this can't be undone. Go on?",
                               verb->summary);
                if (!mu_ctl_confirm(question))
                        return MU_CTL_REFUSED;
        }
        return verb->run ? verb->run(ctl, verb, input) : mu_ctl_send_and_print(ctl, input);
}

/* ---- verbs with a way of their own ---- */

int mu_ctl_export(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input)
{
        const char *name = json_string_value(json_object_get(input->local, "output"));
        FILE *sink = name ? fopen(name, "wxe") : stdout;
        struct mu_ctl_reply reply = {0};

        if (!sink) {
                mu_ctl_complain("%s can't be made: %s.", name, strerror(errno));
                return MU_CTL_USAGE;
        }
        int code = mu_ctl_request(ctl, verb->method, input->path, input->query, NULL, sink, &reply);
        bool written = name ? fclose(sink) == 0 : fflush(sink) == 0;

        if (code == MU_CTL_OK && !written) {
                mu_ctl_complain("%s could not be written: %s.", name ? name : "the output",
                                strerror(errno));
                code = MU_CTL_REFUSED;
        }
        if (code != MU_CTL_OK && name)
                (void)remove(name);
        mu_ctl_reply_done(&reply);
        return code;
}

int mu_ctl_verify_audit(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                        struct mu_ctl_input *input)
{
        struct mu_ctl_reply reply = {0};
        int code = mu_ctl_request(ctl, verb->method, input->path, NULL, NULL, NULL, &reply);

        if (code == MU_CTL_OK) {
                print(ctl, verb, &reply);
                if (!json_is_true(json_object_get(reply.json, "ok")))
                        code = MU_CTL_FAILED;
        }
        mu_ctl_reply_done(&reply);
        return code;
}

int mu_ctl_call(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input)
{
        const char *method = json_string_value(json_object_get(input->local, "method"));
        const char *path = json_string_value(json_object_get(input->local, "path"));
        json_t *body = json_object_get(input->local, "body");
        struct mu_ctl_reply reply = {0};

        (void)verb;
        if (path[0] != '/') {
                mu_ctl_complain("the path must begin with /: /admin/devices.");
                return MU_CTL_USAGE;
        }
        int code = mu_ctl_request(ctl, method, path, NULL, body, NULL, &reply);

        if (code == MU_CTL_OK && reply.json)
                mu_ctl_print_json(reply.json);
        else if (code == MU_CTL_OK)
                (void)fputs(reply.body, stdout);
        mu_ctl_reply_done(&reply);
        return code;
}
