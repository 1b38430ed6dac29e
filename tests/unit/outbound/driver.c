/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver.c - the outbound module as a program, for test_driver.py: a JSON object a line in, what
 * the callbacks say a JSON object a line out. The first line holds the configuration.
 */
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/thread.h"
#include "outbound/fcm.h"
#include "outbound/outbound.h"
#include "outbound/smtp.h"

enum { THREADS_MAX = 8, PAIRS_MAX = 70, NAME_BYTES = 16 };

struct driver {
        struct mu_metrics *metrics;
        struct mu_outbound *outbound;
        struct mu_mailer *mail;
        struct mu_fcm *fcm;
        struct mu_outbound_service *services[MU_OUTBOUND_SERVICES_MAX];
        char names[MU_OUTBOUND_SERVICES_MAX][NAME_BYTES];
        size_t service_count;
        pthread_mutex_t out;
};

/* A request under way; freed with its last callback. */
struct ticket {
        struct driver *driver;
        json_int_t id;
};

static void say(struct driver *driver, json_t *event)
{
        char *line = json_dumps(event, JSON_COMPACT);

        MU_ASSERT(line);
        pthread_mutex_lock(&driver->out);
        (void)printf("%s\n", line);
        (void)fflush(stdout);
        pthread_mutex_unlock(&driver->out);
        free(line);
        json_decref(event);
}

static const char *string_of(const json_t *object, const char *name)
{
        return json_string_value(json_object_get(object, name));
}

static uint32_t number_of(const json_t *object, const char *name)
{
        return (uint32_t)json_integer_value(json_object_get(object, name));
}

static struct ticket *new_ticket(struct driver *driver, json_int_t id)
{
        struct ticket *ticket = malloc(sizeof(*ticket));

        MU_ASSERT(ticket);
        *ticket = (struct ticket){.driver = driver, .id = id};
        return ticket;
}

static void refused(struct ticket *ticket, int code)
{
        say(ticket->driver,
            json_pack("{s:s, s:I, s:i}", "event", "refused", "id", ticket->id, "code", -code));
        free(ticket);
}

/* ---- callbacks ---- */

static void on_trouble(void *ctx, const char *service, const char *detail)
{
        say(ctx,
            json_pack("{s:s, s:s, s:s}", "event", "trouble", "service", service, "detail", detail));
}

static void on_http(void *ctx, const struct mu_outbound_result *result)
{
        static const char *const outcomes[] = {"answered", "failed", "not_sent", "cancelled"};
        struct ticket *ticket = ctx;

        MU_ASSERT(strlen(result->body) <= result->body_bytes);
        say(ticket->driver,
            json_pack("{s:s, s:I, s:s, s:i, s:s, s:s%, s:i, s:I}", "event", "http", "id",
                      ticket->id, "outcome", outcomes[result->outcome], "status", result->status,
                      "error", result->error, "body", result->body, result->body_bytes,
                      "retry_after_s", result->has_retry_after ? (int)result->retry_after_s : -1,
                      "duration_us", (json_int_t)result->duration_us));
        free(ticket);
}

static void on_mail(void *ctx, const struct mu_mail_result *result)
{
        static const char *const outcomes[] = {"sent", "refused", "gave_up", "cancelled"};
        struct ticket *ticket = ctx;

        say(ticket->driver,
            json_pack("{s:s, s:I, s:s, s:i, s:i, s:s}", "event", "mail", "id", ticket->id,
                      "outcome", outcomes[result->outcome], "tries", (int)result->tries, "status",
                      result->status, "error", result->error));
        free(ticket);
}

static void on_fcm(void *ctx, const struct mu_fcm_report *report)
{
        struct ticket *ticket = ctx;

        say(ticket->driver,
            json_pack("{s:s, s:I, s:s, s:i, s:i, s:s, s:s, s:s, s:i}", "event", "fcm", "id",
                      ticket->id, "outcome", mu_fcm_outcome_name(report->outcome), "attempt",
                      (int)report->attempt, "status", report->http_status, "code",
                      report->error_code, "error", report->error, "message_id", report->message_id,
                      "retry_in_ms", (int)report->retry_in_ms));
        if (report->outcome != MU_FCM_WILL_RETRY)
                free(ticket);
}

/* ---- commands ---- */

static void do_http(struct driver *driver, const json_t *command)
{
        struct mu_outbound_header headers[MU_OUTBOUND_HEADERS_MAX];
        const char *service = string_of(command, "service");
        const char *body = string_of(command, "body");
        struct mu_outbound_request request = {.method = string_of(command, "method"),
                                              .url = string_of(command, "url"),
                                              .headers = headers,
                                              .body = body,
                                              .body_bytes = body ? strlen(body) : 0,
                                              .timeout_ms = number_of(command, "timeout_ms"),
                                              .wait_ms_max = number_of(command, "wait_ms"),
                                              .reply_bytes_max = number_of(command, "reply_max"),
                                              .done = on_http};
        const char *name;
        json_t *value;

        for (size_t i = 0; i < driver->service_count; i++)
                if (strcmp(driver->names[i], service) == 0)
                        request.service = driver->services[i];
        json_object_foreach(json_object_get(command, "headers"), name, value)
        {
                headers[request.header_count++] =
                        (struct mu_outbound_header){name, json_string_value(value)};
        }
        request.ctx = new_ticket(driver, number_of(command, "id"));
        int code = mu_outbound_submit(driver->outbound, &request);

        if (code < 0)
                refused(request.ctx, code);
}

static void do_mail(struct driver *driver, const json_t *command)
{
        const struct mu_mail_message message = {.to = string_of(command, "to"),
                                                .subject = string_of(command, "subject"),
                                                .text = string_of(command, "text")};
        struct ticket *ticket = new_ticket(driver, number_of(command, "id"));
        int code = mu_mail_submit(driver->mail, &message, on_mail, ticket);

        if (code < 0)
                refused(ticket, code);
}

static void send_fcm(struct driver *driver, const json_t *command, json_int_t id, const char *token)
{
        struct mu_fcm_pair pairs[PAIRS_MAX];
        struct mu_fcm_message message = {.token = token,
                                         .data = pairs,
                                         .ttl_s = number_of(command, "ttl_s"),
                                         .collapse_key = string_of(command, "collapse")};
        struct ticket *ticket = new_ticket(driver, id);
        const char *key;
        json_t *value;

        json_object_foreach(json_object_get(command, "data"), key, value)
        {
                MU_ASSERT(message.data_count < PAIRS_MAX);
                pairs[message.data_count++] = (struct mu_fcm_pair){key, json_string_value(value)};
        }
        int code = mu_fcm_send(driver->fcm, &message, on_fcm, ticket);

        if (code < 0)
                refused(ticket, code);
}

struct flood {
        struct driver *driver;
        const json_t *command;
        json_int_t first;
        json_int_t count;
};

static void run_flood(void *context)
{
        struct flood *flood = context;

        for (json_int_t i = 0; i < flood->count; i++) {
                char token[32];

                (void)snprintf(token, sizeof(token), "device-%lld", (long long)(flood->first + i));
                send_fcm(flood->driver, flood->command, flood->first + i, token);
        }
}

/* {"count": n, "threads": m}: ids 0 .. n*m-1, tokens device-0 .. */
static void do_flood(struct driver *driver, const json_t *command)
{
        struct flood floods[THREADS_MAX];
        pthread_t threads[THREADS_MAX];
        uint32_t thread_count = number_of(command, "threads");

        MU_ASSERT(thread_count <= THREADS_MAX);
        for (uint32_t i = 0; i < thread_count; i++) {
                uint32_t count = number_of(command, "count");

                floods[i] = (struct flood){.driver = driver,
                                           .command = command,
                                           .first = (json_int_t)i * count,
                                           .count = count};
                MU_ASSERT(mu_thread_start("flood", run_flood, &floods[i], &threads[i]) == 0);
        }
        for (uint32_t i = 0; i < thread_count; i++)
                mu_thread_join(threads[i]);
}

static void do_metrics(struct driver *driver)
{
        char *text;
        size_t bytes;

        MU_ASSERT(mu_metrics_render(driver->metrics, &text, &bytes) == 0);
        say(driver, json_pack("{s:s, s:s}", "event", "metrics", "text", text));
        free(text);
}

static void obey(struct driver *driver, const json_t *command)
{
        const char *what = string_of(command, "do");

        if (strcmp(what, "http") == 0) {
                do_http(driver, command);
        } else if (strcmp(what, "mail") == 0) {
                do_mail(driver, command);
        } else if (strcmp(what, "fcm") == 0) {
                send_fcm(driver, command, number_of(command, "id"), string_of(command, "token"));
        } else if (strcmp(what, "flood") == 0) {
                do_flood(driver, command);
        } else if (strcmp(what, "metrics") == 0) {
                do_metrics(driver);
        } else if (strcmp(what, "start") == 0) {
                MU_ASSERT(mu_outbound_start(driver->outbound) == 0);
        } else {
                MU_ASSERT(strcmp(what, "stop") == 0);
                mu_outbound_stop(driver->outbound, number_of(command, "deadline_ms"));
                say(driver, json_pack("{s:s}", "event", "stopped"));
        }
}

/* ---- configuration ---- */

static void add_services(struct driver *driver, const json_t *list)
{
        const json_t *entry;
        size_t i;

        json_array_foreach(list, i, entry)
        {
                const json_t *breaker = json_object_get(entry, "breaker");
                struct mu_outbound_service_config config = {
                        .name = driver->names[i],
                        .concurrency_max = number_of(entry, "concurrency"),
                        .http2 = json_is_true(json_object_get(entry, "http2")),
                };

                if (breaker)
                        config.breaker = (struct mu_breaker_options){
                                .failures_max = number_of(breaker, "failures"),
                                .successes_to_close = 1,
                                .open_ms = number_of(breaker, "open_ms"),
                                .open_ms_max = number_of(breaker, "open_ms")};
                (void)snprintf(driver->names[i], NAME_BYTES, "%s", string_of(entry, "name"));
                MU_ASSERT(mu_outbound_add_service(driver->outbound, &config,
                                                  &driver->services[i]) == 0);
                driver->service_count++;
        }
}

static int make_mail(struct driver *driver, const json_t *given, char *error)
{
        const struct mu_mailer_config config = {
                .outbound = driver->outbound,
                .url = string_of(given, "url"),
                .user = string_of(given, "user"),
                .password_file = string_of(given, "password_file"),
                .from = string_of(given, "from"),
                .starttls = string_of(given, "starttls"),
                .messages_max = number_of(given, "messages_max"),
                .tries_max = number_of(given, "tries_max"),
                .backoff_base_ms = number_of(given, "backoff_base_ms"),
                .backoff_cap_ms = number_of(given, "backoff_cap_ms"),
                .timeout_ms = number_of(given, "timeout_ms"),
        };

        return given ? mu_mailer_create(&config, &driver->mail, error) : 0;
}

static int make_fcm(struct driver *driver, const json_t *given, char *error)
{
        const struct mu_fcm_config config = {
                .outbound = driver->outbound,
                .service_account = string_of(given, "service_account"),
                .endpoint = string_of(given, "endpoint"),
                .token_uri = string_of(given, "token_uri"),
                .messages_max = number_of(given, "messages_max"),
                .attempts_max = number_of(given, "attempts_max"),
                .backoff_base_ms = number_of(given, "backoff_base_ms"),
                .backoff_cap_ms = number_of(given, "backoff_cap_ms"),
                .timeout_ms = number_of(given, "timeout_ms"),
        };

        return given ? mu_fcm_create(&config, &driver->fcm, error) : 0;
}

static int make_all(struct driver *driver, const json_t *given, char *error)
{
        const struct mu_outbound_config config = {
                .ca_file = string_of(given, "ca_file"),
                .queue_max = number_of(given, "queue_max"),
                .metrics = driver->metrics,
                .on_trouble = on_trouble,
                .ctx = driver,
        };
        int code = mu_outbound_create(&config, &driver->outbound, error);

        if (code < 0)
                return code;
        add_services(driver, json_object_get(given, "services"));
        code = make_mail(driver, json_object_get(given, "smtp"), error);
        return code < 0 ? code : make_fcm(driver, json_object_get(given, "fcm"), error);
}

static json_t *read_line(char **buffer, size_t *room)
{
        ssize_t bytes = getline(buffer, room, stdin);

        if (bytes <= 0)
                return NULL;
        json_t *object = json_loadb(*buffer, (size_t)bytes, JSON_ALLOW_NUL, NULL);

        MU_ASSERT(object);
        return object;
}

int main(void)
{
        struct driver driver = {0};
        char error[MU_OUTBOUND_ERROR_BYTES] = "";
        char *buffer = NULL;
        size_t room = 0;
        json_t *object = read_line(&buffer, &room);

        MU_ASSERT(object && mu_metrics_create(&driver.metrics) == 0);
        pthread_mutex_init(&driver.out, NULL);
        int code = make_all(&driver, object, error);

        if (code == 0 && !json_is_true(json_object_get(object, "held")))
                MU_ASSERT(mu_outbound_start(driver.outbound) == 0);
        json_decref(object);
        say(&driver,
            json_pack("{s:s, s:i, s:s}", "event", "created", "code", -code, "error", error));
        while (code == 0 && (object = read_line(&buffer, &room))) {
                obey(&driver, object);
                json_decref(object);
        }
        mu_outbound_stop(driver.outbound, 0);
        mu_mailer_destroy(driver.mail);
        mu_fcm_destroy(driver.fcm);
        mu_metrics_destroy(driver.metrics);
        mu_outbound_destroy(driver.outbound);
        pthread_mutex_destroy(&driver.out);
        free(buffer);
        return 0;
}
