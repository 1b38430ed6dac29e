/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The archive: what is asked of the appliance, and a verification of the files alone, which needs
 * neither appliance nor database.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "archive/verify.h"
#include "ctl/ctl.h"

enum {
        POLL_FIRST_MS = 300,
        POLL_LAST_MS = 4000, /* well below the limit of requests per minute */
        WAIT_DEFAULT_S = 24 * 3600,
};

static const char *local(const struct mu_ctl_input *input, const char *key)
{
        return json_string_value(json_object_get(input->local, key));
}

/* ---- the files alone ---- */

struct findings {
        bool json;
        json_t *problems;
};

static void on_problem(void *context, const char *file, const char *detail)
{
        struct findings *findings = context;

        (void)json_array_append_new(findings->problems,
                                    json_pack("{s:s, s:s}", "file", file, "detail", detail));
        if (!findings->json)
                (void)printf("%s: %s\n", file, detail);
}

static int verify_directory(const struct mu_ctl *ctl, const char *directory)
{
        struct findings findings = {.json = ctl->globals.json, .problems = json_array()};
        const struct mu_archive_check check = {.on_problem = on_problem, .context = &findings};
        struct mu_archive_totals totals;
        int err = mu_archive_check_tree(directory, &check, &totals);

        if (err && err != -EBADMSG) {
                mu_ctl_complain("%s can't be read: %s.", directory, strerror(-err));
                json_decref(findings.problems);
                return MU_CTL_USAGE;
        }
        if (ctl->globals.json) {
                json_t *report =
                        json_pack("{s:b, s:I, s:I, s:I, s:I, s:O}", "ok", !err, "days",
                                  (json_int_t)totals.days, "files", (json_int_t)totals.files,
                                  "rows", (json_int_t)totals.rows, "stored_bytes",
                                  (json_int_t)totals.stored_bytes, "problems", findings.problems);

                mu_ctl_print_json(report);
                json_decref(report);
        } else {
                (void)printf("%" PRIu64 " days, %" PRIu64 " files, %" PRIu64 " rows: %s\n",
                             totals.days, totals.files, totals.rows,
                             err ? "not as they were written"
                                 : "as they were written, in one chain");
        }
        json_decref(findings.problems);
        return err ? MU_CTL_FAILED : MU_CTL_OK;
}

/* ---- requests ---- */

/* /admin/archives/heartbeats/2026-11-21 and what stands behind; false: said what is wrong. */
static bool path_of(const struct mu_ctl_input *input, const char *behind, char *path, size_t room)
{
        const char *parent = local(input, "parent");
        const char *day = local(input, "day");
        int64_t number;

        parent = parent ? parent : "heartbeats";
        if (!day || mu_archive_date_parse(day, &number) < 0) {
                mu_ctl_complain("a day of the archive is written like 2026-11-21.");
                return false;
        }
        if (parent[strspn(parent, "abcdefghijklmnopqrstuvwxyz_")] != '\0' ||
            (size_t)snprintf(path, room, "/admin/archives/%s/%s%s", parent, day, behind) >= room) {
                mu_ctl_complain("%s is no table of the archive; heartbeats or alert_events.",
                                parent);
                return false;
        }
        return true;
}

/* Until the request has ended: its reply, to be done with by the caller. */
static int follow(struct mu_ctl *ctl, const char *id, struct mu_ctl_reply *ret_reply)
{
        int64_t deadline_ms = mu_ctl_monotonic_ms() + WAIT_DEFAULT_S * 1000;
        int64_t poll_ms = POLL_FIRST_MS;
        char path[64];

        (void)snprintf(path, sizeof(path), "/admin/archive-requests/%s", id);
        for (;;) {
                *ret_reply = (struct mu_ctl_reply){0};
                int code = mu_ctl_request(ctl, "GET", path, NULL, NULL, NULL, ret_reply);
                int64_t next_ms = poll_ms;
                const char *state = json_string_value(json_object_get(ret_reply->json, "state"));

                if (code == MU_CTL_REFUSED && ret_reply->retry_after_s > 0)
                        next_ms = ret_reply->retry_after_s * 1000;
                else if (code != MU_CTL_OK || !state)
                        return code;
                else if (strcmp(state, "done") == 0)
                        return MU_CTL_OK;
                else if (strcmp(state, "failed") == 0)
                        return MU_CTL_FAILED;
                if (mu_ctl_monotonic_ms() + next_ms > deadline_ms)
                        return MU_CTL_UNFINISHED;
                mu_ctl_reply_done(ret_reply);
                mu_ctl_pause_ms(next_ms);
                poll_ms = poll_ms * 3 / 2 < POLL_LAST_MS ? poll_ms * 3 / 2 : POLL_LAST_MS;
        }
}

static void print_problems(const json_t *problems)
{
        size_t i;
        json_t *problem;

        json_array_foreach(problems, i, problem)
        {
                (void)printf("%s: %s\n", json_string_value(json_object_get(problem, "file")),
                             json_string_value(json_object_get(problem, "detail")));
        }
}

static int say(const struct mu_ctl *ctl, const json_t *request, int code)
{
        const char *detail = json_string_value(json_object_get(request, "detail"));
        const json_t *ok = json_object_get(request, "ok");

        if (code == MU_CTL_OK && json_is_false(ok))
                code = MU_CTL_FAILED;
        if (ctl->globals.json) {
                mu_ctl_print_json(request);
                return code;
        }
        print_problems(json_object_get(request, "problems"));
        (void)printf("%s %s %s: %s%s%s\n", json_string_value(json_object_get(request, "kind")),
                     json_string_value(json_object_get(request, "parent")),
                     json_string_value(json_object_get(request, "day")),
                     json_is_false(ok)  ? "not as it was written"
                     : json_is_true(ok) ? "as it was written"
                                        : json_string_value(json_object_get(request, "state")),
                     detail ? ": " : "", detail ? detail : "");
        return code;
}

int mu_ctl_archive_ask(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                       struct mu_ctl_input *input)
{
        struct mu_ctl_reply reply = {0};
        char path[256];

        if (!path_of(input, strrchr(verb->path, '/'), path, sizeof(path)))
                return MU_CTL_USAGE;
        int code = mu_ctl_request(ctl, "POST", path, NULL, input->body, NULL, &reply);
        const char *id = json_string_value(json_object_get(reply.json, "id"));

        if (code == MU_CTL_OK && id && !json_is_true(json_object_get(input->local, "no_wait"))) {
                struct mu_ctl_reply end = {0};

                code = follow(ctl, id, &end);
                if (end.json && (code == MU_CTL_OK || code == MU_CTL_FAILED))
                        code = say(ctl, end.json, code);
                mu_ctl_reply_done(&end);
        } else if (code == MU_CTL_OK) {
                code = say(ctl, reply.json, code);
        }
        mu_ctl_reply_done(&reply);
        return code;
}

int mu_ctl_archive_show(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                        struct mu_ctl_input *input)
{
        struct mu_ctl_reply reply = {0};
        char path[256];

        (void)verb;
        if (!path_of(input, "", path, sizeof(path)))
                return MU_CTL_USAGE;
        int code = mu_ctl_request(ctl, "GET", path, NULL, NULL, NULL, &reply);

        if (code == MU_CTL_OK && ctl->globals.json) {
                mu_ctl_print_json(reply.json);
        } else if (code == MU_CTL_OK) {
                mu_ctl_print_object(json_object_get(reply.json, "archive"));
                mu_ctl_print_rows(json_object_get(reply.json, "requests"),
                                  "id kind state by=requested_by finished=finished_at ok detail");
        }
        mu_ctl_reply_done(&reply);
        return code;
}

/* ---- all days ---- */

/* What the list says of the days, page by page; the first that is wrong decides. */
static int say_all(struct mu_ctl *ctl, json_t *ret_damaged)
{
        char query[160] = "limit=2000";
        bool more = true;
        int code = MU_CTL_OK;

        while (more && code == MU_CTL_OK) {
                struct mu_ctl_reply reply = {0};
                size_t i;
                json_t *day;

                code = mu_ctl_request(ctl, "GET", "/admin/archives", query, NULL, NULL, &reply);
                json_array_foreach(json_object_get(reply.json, "archives"), i, day)
                {
                        if (json_is_false(json_object_get(day, "verify_ok")))
                                (void)json_array_append(ret_damaged, day);
                }
                const char *cursor = json_string_value(json_object_get(reply.json, "next_cursor"));

                more = cursor != NULL;
                if (more)
                        (void)snprintf(query, sizeof(query), "limit=2000&cursor=%s", cursor);
                mu_ctl_reply_done(&reply);
        }
        return code;
}

static int verify_all(struct mu_ctl *ctl)
{
        struct mu_ctl_reply reply = {0};
        json_t *body = json_object();
        int code = mu_ctl_request(ctl, "POST", "/admin/archives/verify", NULL, body, NULL, &reply);
        const char *last = json_string_value(json_object_get(reply.json, "last_request_id"));
        json_int_t days = json_integer_value(json_object_get(reply.json, "days"));
        json_t *damaged = json_array();

        json_decref(body);
        if (code == MU_CTL_OK && last) {
                struct mu_ctl_reply end = {0};

                code = follow(ctl, last, &end);
                mu_ctl_reply_done(&end);
                if (code == MU_CTL_OK || code == MU_CTL_FAILED)
                        code = say_all(ctl, damaged);
        }
        if (code == MU_CTL_OK && ctl->globals.json) {
                json_t *report = json_pack("{s:b, s:I, s:O}", "ok", json_array_size(damaged) == 0,
                                           "days", days, "damaged", damaged);

                mu_ctl_print_json(report);
                json_decref(report);
        } else if (code == MU_CTL_OK) {
                mu_ctl_print_rows(damaged, "parent day problem=verify_detail");
                (void)printf("%" JSON_INTEGER_FORMAT " days: %zu not as they were written\n", days,
                             json_array_size(damaged));
        }
        if (code == MU_CTL_OK && json_array_size(damaged) > 0)
                code = MU_CTL_FAILED;
        json_decref(damaged);
        mu_ctl_reply_done(&reply);
        return code;
}

int mu_ctl_archive_verify(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                          struct mu_ctl_input *input)
{
        const char *directory = local(input, "directory");

        if (directory)
                return verify_directory(ctl, directory);
        if (ctl->globals.all && !local(input, "day"))
                return verify_all(ctl);
        return mu_ctl_archive_ask(ctl, verb, input);
}
