/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/fcm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/mem.h>

#include "base/assert.h"
#include "outbound/fcm_private.h"

enum {
        MESSAGES = 10000,
        ATTEMPTS = 8,
        BACKOFF_BASE_MS = 1000,
        BACKOFF_CAP_MS = 60000,
        TIMEOUT_MS = 15000,
        CONCURRENCY = 64,
        QUOTA_S = 60, /* what Google asks for after a 429 without Retry-After */
        PAUSE_S_MAX = 3600,
        PAUSE_JITTER = 10, /* up to a tenth more */
        HTTP_UNAUTHORIZED = 401,
        HTTP_NOT_FOUND = 404,
        HTTP_TIMEOUT = 408,
        HTTP_TOO_MANY = 429,
};

static const char default_endpoint[] = "https://fcm.googleapis.com";

static const char *const outcome_names[] = {
        [MU_FCM_WILL_RETRY] = "will_retry",     [MU_FCM_SENT] = "sent",
        [MU_FCM_UNREGISTERED] = "unregistered", [MU_FCM_REFUSED] = "refused",
        [MU_FCM_GAVE_UP] = "gave_up",           [MU_FCM_CANCELLED] = "cancelled",
};

const char *mu_fcm_outcome_name(enum mu_fcm_outcome outcome)
{
        return outcome_names[outcome];
}

/* ---- lists ---- */

static void link_last(struct mu_fcm_list *list, struct mu_fcm_queued *message)
{
        message->list = list;
        message->next = NULL;
        message->previous = list->last;
        if (list->last)
                list->last->next = message;
        else
                list->first = message;
        list->last = message;
}

static void unlink_message(struct mu_fcm_queued *message)
{
        struct mu_fcm_list *list = message->list;

        MU_ASSERT(list);
        if (message->previous)
                message->previous->next = message->next;
        else
                list->first = message->next;
        if (message->next)
                message->next->previous = message->previous;
        else
                list->last = message->previous;
        message->list = NULL;
        message->next = message->previous = NULL;
        mu_timers_cancel(&message->fcm->outbound->timers, &message->timer);
}

/* ---- ending ---- */

static void report(struct mu_fcm_queued *message, const struct mu_fcm_report *report)
{
        mu_cell_add(&message->fcm->outcomes[report->outcome], 1);
        message->callback(message->ctx, report);
}

static void free_message(struct mu_fcm_queued *message)
{
        mu_text_done(&message->body);
        free(message);
}

/* The final report, off every list. */
static void finish(struct mu_fcm_queued *message, const struct mu_fcm_report *final)
{
        struct mu_fcm *fcm = message->fcm;

        atomic_fetch_sub(&fcm->in_hand, 1); /* the callback may send anew */
        report(message, final);
        free_message(message);
}

static void finish_unsent(struct mu_fcm_queued *message, enum mu_fcm_outcome outcome,
                          const char *sentence)
{
        const struct mu_fcm_report final = {
                .outcome = outcome, .error_code = "", .error = sentence, .message_id = ""};

        finish(message, &final);
}

static void end_list(struct mu_fcm_list *list, enum mu_fcm_outcome outcome, const char *sentence)
{
        struct mu_fcm_list taken = *list;

        /* What a callback sends anew is not of this list. */
        *list = (struct mu_fcm_list){NULL, NULL};
        for (struct mu_fcm_queued *message = taken.first; message; message = message->next)
                message->list = &taken;
        while (taken.first) {
                struct mu_fcm_queued *message = taken.first;

                unlink_message(message);
                finish_unsent(message, outcome, sentence);
        }
}

void mu_fcm_end_ready(struct mu_fcm *fcm, enum mu_fcm_outcome outcome, const char *sentence)
{
        end_list(&fcm->ready, outcome, sentence);
}

/* ---- ready and waiting ---- */

static void make_ready(struct mu_fcm_queued *message)
{
        struct mu_fcm *fcm = message->fcm;

        link_last(&fcm->ready, message);
        mu_timers_set(&fcm->outbound->timers, &message->timer, message->deadline_ns);
}

static void on_timer(struct mu_timer *timer)
{
        struct mu_fcm_queued *message =
                (struct mu_fcm_queued *)((char *)timer - offsetof(struct mu_fcm_queued, timer));
        struct mu_fcm *fcm = message->fcm;
        bool expired = message->list == &fcm->ready;

        unlink_message(message);
        if (expired) {
                finish_unsent(message, MU_FCM_GAVE_UP,
                              "The message's time to live ended before it could be sent.");
                return;
        }
        make_ready(message);
        mu_fcm_pump(fcm);
}

static bool is_paused(const struct mu_fcm *fcm)
{
        return mu_outbound_now_ns(fcm->outbound) < fcm->paused_until_ns;
}

static void on_pause_end(struct mu_timer *timer)
{
        struct mu_fcm *fcm = (struct mu_fcm *)((char *)timer - offsetof(struct mu_fcm, pause));

        mu_cell_set(&fcm->paused, 0);
        mu_fcm_pump(fcm);
}

/* The whole project is over its quota. */
static void pause_sends(struct mu_fcm *fcm, uint64_t wait_ms)
{
        uint64_t until_ns = mu_outbound_now_ns(fcm->outbound) + wait_ms * (uint64_t)MU_NS_PER_MS;

        if (until_ns <= fcm->paused_until_ns)
                return;
        if (!is_paused(fcm))
                mu_outbound_trouble(fcm->outbound, "fcm",
                                    "Google says that too much is being sent: all messages wait "
                                    "for %llu s.",
                                    (unsigned long long)(wait_ms / MU_MS_PER_S));
        fcm->paused_until_ns = until_ns;
        mu_cell_set(&fcm->paused, 1);
        mu_timers_set(&fcm->outbound->timers, &fcm->pause, until_ns);
}

/* ---- what an attempt came to ---- */

struct verdict {
        enum mu_fcm_outcome outcome; /* WILL_RETRY: if tries and ttl allow */
        uint64_t wait_ms;
        bool ready; /* waits for token or pause, not for its timer */
};

static uint64_t backoff_ms(struct mu_fcm_queued *message)
{
        return mu_backoff_next_ms(&message->backoff, &message->fcm->outbound->random);
}

static struct verdict judge_throttled(struct mu_fcm_queued *message,
                                      const struct mu_outbound_result *result,
                                      const struct mu_fcm_reply *reply)
{
        struct mu_fcm *fcm = message->fcm;
        uint32_t wait_s = result->has_retry_after ? result->retry_after_s : QUOTA_S;
        uint64_t wait_ms = (wait_s < PAUSE_S_MAX ? wait_s : PAUSE_S_MAX) * (uint64_t)MU_MS_PER_S;

        wait_ms += mu_random_below(&fcm->outbound->random, wait_ms / PAUSE_JITTER + 1);
        if (reply->device_quota)
                return (struct verdict){.outcome = MU_FCM_WILL_RETRY, .wait_ms = wait_ms};
        pause_sends(fcm, wait_ms);
        return (struct verdict){.outcome = MU_FCM_WILL_RETRY, .wait_ms = wait_ms, .ready = true};
}

static struct verdict judge_answer(struct mu_fcm_queued *message,
                                   const struct mu_outbound_result *result,
                                   const struct mu_fcm_reply *reply)
{
        struct mu_fcm *fcm = message->fcm;
        struct verdict verdict = {.outcome = MU_FCM_REFUSED};

        if (result->status == HTTP_UNAUTHORIZED &&
            strcmp(reply->error_code, "THIRD_PARTY_AUTH_ERROR") != 0) {
                mu_fcm_access_drop(fcm, message->token_number);
                if (!message->unauthorized)
                        verdict = (struct verdict){.outcome = MU_FCM_WILL_RETRY, .ready = true};
                message->unauthorized = true;
                return verdict;
        }
        mu_fcm_access_accepted(fcm);
        if (result->status >= 200 && result->status < 300)
                verdict.outcome = MU_FCM_SENT;
        else if (result->status == HTTP_NOT_FOUND && reply->from_details &&
                 strcmp(reply->error_code, "UNREGISTERED") == 0)
                verdict.outcome = MU_FCM_UNREGISTERED;
        else if (result->status == HTTP_TOO_MANY)
                verdict = judge_throttled(message, result, reply);
        else if (result->status >= 500 || result->status == HTTP_TIMEOUT)
                verdict = (struct verdict){.outcome = MU_FCM_WILL_RETRY,
                                           .wait_ms = result->has_retry_after
                                                              ? result->retry_after_s *
                                                                        (uint64_t)MU_MS_PER_S
                                                              : backoff_ms(message)};
        return verdict;
}

/* May there be another attempt after so long? */
static enum mu_fcm_outcome bound(const struct mu_fcm_queued *message, uint64_t wait_ms)
{
        const struct mu_fcm *fcm = message->fcm;
        uint64_t next_ns = mu_outbound_now_ns(fcm->outbound) + wait_ms * (uint64_t)MU_NS_PER_MS;

        if (fcm->outbound->draining)
                return MU_FCM_CANCELLED;
        if (message->attempts >= fcm->attempts_max || next_ns >= message->deadline_ns)
                return MU_FCM_GAVE_UP;
        return MU_FCM_WILL_RETRY;
}

static void write_error(const struct mu_outbound_result *result, const struct mu_fcm_reply *reply,
                        char *sentence, size_t room)
{
        if (result->outcome != MU_OUTBOUND_ANSWERED)
                (void)snprintf(sentence, room, "%s", result->error);
        else if (result->status < 200 || result->status >= 300)
                (void)snprintf(sentence, room, "FCM answered %d%s%s%s%s", result->status,
                               *reply->error_code ? " " : "", reply->error_code,
                               *reply->message ? ": " : ".", reply->message);
}

static void conclude(struct mu_fcm_queued *message, struct verdict verdict,
                     struct mu_fcm_report *attempt)
{
        struct mu_fcm *fcm = message->fcm;

        if (verdict.outcome == MU_FCM_WILL_RETRY)
                verdict.outcome = bound(message, verdict.wait_ms);
        attempt->outcome = verdict.outcome;
        if (verdict.outcome != MU_FCM_WILL_RETRY) {
                finish(message, attempt);
                return;
        }
        attempt->retry_in_ms = (uint32_t)verdict.wait_ms;
        if (verdict.ready) {
                make_ready(message);
        } else {
                link_last(&fcm->waiting, message);
                mu_timers_set(&fcm->outbound->timers, &message->timer,
                              mu_outbound_now_ns(fcm->outbound) +
                                      verdict.wait_ms * (uint64_t)MU_NS_PER_MS);
        }
        report(message, attempt);
}

static void on_result(void *ctx, const struct mu_outbound_result *result)
{
        struct mu_fcm_queued *message = ctx;
        struct mu_fcm *fcm = message->fcm;
        struct mu_fcm_reply reply;
        char sentence[MU_OUTBOUND_ERROR_BYTES] = "";
        struct verdict verdict = {.outcome = MU_FCM_GAVE_UP};

        fcm->active_count--;
        mu_fcm_reply_parse(result->body, result->body_bytes, &reply);
        write_error(result, &reply, sentence, sizeof(sentence));
        bool attempted =
                result->outcome == MU_OUTBOUND_ANSWERED || result->outcome == MU_OUTBOUND_FAILED;

        message->attempts += attempted;
        struct mu_fcm_report attempt = {
                .attempt = attempted ? message->attempts : 0,
                .http_status = result->outcome == MU_OUTBOUND_ANSWERED ? result->status : 0,
                .error_code = reply.error_code,
                .error = sentence,
                .message_id = reply.message_id,
                .latency_us = result->duration_us,
        };

        if (result->outcome == MU_OUTBOUND_ANSWERED)
                verdict = judge_answer(message, result, &reply);
        else if (result->outcome == MU_OUTBOUND_FAILED)
                verdict = (struct verdict){.outcome = MU_FCM_WILL_RETRY,
                                           .wait_ms = backoff_ms(message)};
        else if (result->outcome == MU_OUTBOUND_CANCELLED)
                verdict.outcome = MU_FCM_CANCELLED;
        conclude(message, verdict, &attempt);
        mu_fcm_pump(fcm);
}

/* ---- sending ---- */

static int post_message(struct mu_fcm_queued *message, uint64_t left_ns)
{
        struct mu_fcm *fcm = message->fcm;
        char authorization[sizeof("Bearer ") + MU_FCM_ACCESS_TOKEN_BYTES_MAX];
        const struct mu_outbound_header headers[] = {
                {"Content-Type", "application/json; charset=utf-8"},
                {"Authorization", authorization},
        };
        struct mu_outbound_request request = {.service = fcm->service,
                                              .method = "POST",
                                              .url = fcm->send_url,
                                              .headers = headers,
                                              .header_count = MU_COUNT_OF(headers),
                                              .timeout_ms = fcm->timeout_ms,
                                              .done = on_result,
                                              .ctx = message};
        struct mu_text body;
        uint64_t left_ms = left_ns / (uint64_t)MU_NS_PER_MS + 1;
        uint64_t ttl_s = (left_ns + (uint64_t)MU_NS_PER_S - 1) / (uint64_t)MU_NS_PER_S;

        request.wait_ms_max = left_ms < UINT32_MAX ? (uint32_t)left_ms : UINT32_MAX;
        (void)snprintf(authorization, sizeof(authorization), "Bearer %s", fcm->access.token.value);
        mu_text_init(&body);
        int code = mu_fcm_message_end(&message->body, (uint32_t)ttl_s, &body);

        if (code == 0) {
                request.body = body.data;
                request.body_bytes = body.bytes;
                code = mu_outbound_send(fcm->outbound, &request);
        }
        OPENSSL_cleanse(authorization, sizeof(authorization));
        mu_text_done(&body);
        return code;
}

static void send_first(struct mu_fcm *fcm)
{
        struct mu_fcm_queued *message = fcm->ready.first;
        uint64_t now_ns = mu_outbound_now_ns(fcm->outbound);

        unlink_message(message);
        message->token_number = fcm->access.number;
        if (now_ns >= message->deadline_ns) {
                finish_unsent(message, MU_FCM_GAVE_UP,
                              "The message's time to live ended before it could be sent.");
        } else if (post_message(message, message->deadline_ns - now_ns) < 0) {
                finish_unsent(message, MU_FCM_GAVE_UP, "There was no memory to send it.");
        } else {
                fcm->active_count++;
        }
}

void mu_fcm_pump(struct mu_fcm *fcm)
{
        while (fcm->ready.first && fcm->active_count < CONCURRENCY && !is_paused(fcm) &&
               mu_fcm_access_is_valid(fcm))
                send_first(fcm);
        /* While stopping nothing is waited for that is not under way. */
        if (fcm->outbound->draining &&
            (is_paused(fcm) || (!mu_fcm_access_is_valid(fcm) && !fcm->access.fetching)))
                mu_fcm_end_ready(fcm, MU_FCM_CANCELLED, "The appliance is stopping.");
}

static void run_message(struct mu_outbound_job *job)
{
        struct mu_fcm_queued *message = (struct mu_fcm_queued *)job;

        make_ready(message);
        mu_fcm_pump(message->fcm);
}

int mu_fcm_send(struct mu_fcm *fcm, const struct mu_fcm_message *given, mu_fcm_callback *callback,
                void *ctx)
{
        struct mu_fcm_queued *message = calloc(1, sizeof(*message));

        MU_ASSERT(callback);
        if (!message)
                return -ENOMEM;
        message->fcm = fcm;
        message->callback = callback;
        message->ctx = ctx;
        message->job.run = run_message;
        message->timer.fire = on_timer;
        mu_text_init(&message->body);
        mu_backoff_init(&message->backoff, fcm->backoff_base_ms, fcm->backoff_cap_ms);
        message->deadline_ns =
                mu_outbound_now_ns(fcm->outbound) + given->ttl_s * (uint64_t)MU_NS_PER_S;
        int code = mu_fcm_message_write(given, &message->body);
        bool counted = code == 0;

        if (counted && atomic_fetch_add(&fcm->in_hand, 1) >= fcm->messages_max) {
                atomic_fetch_add_explicit(&fcm->service->queue_full, 1, memory_order_relaxed);
                code = -EAGAIN;
        }
        if (code == 0)
                code = mu_outbound_post(fcm->outbound, &message->job);
        if (code == 0)
                return 0;
        if (counted)
                atomic_fetch_sub(&fcm->in_hand, 1);
        free_message(message);
        return code;
}

/* ---- life ---- */

static void start_part(struct mu_outbound_part *part)
{
        mu_fcm_access_fetch((struct mu_fcm *)part);
}

static void drain_part(struct mu_outbound_part *part)
{
        struct mu_fcm *fcm = (struct mu_fcm *)part;

        mu_fcm_access_stop(fcm);
        mu_timers_cancel(&fcm->outbound->timers, &fcm->pause);
        end_list(&fcm->waiting, MU_FCM_CANCELLED, "The appliance is stopping.");
        mu_fcm_pump(fcm);
}

static void cancel_part(struct mu_outbound_part *part)
{
        mu_fcm_end_ready((struct mu_fcm *)part, MU_FCM_CANCELLED, "The appliance is stopping.");
}

static double read_in_hand(void *context)
{
        return (double)atomic_load(&((struct mu_fcm *)context)->in_hand);
}

static void register_metrics(struct mu_fcm *fcm, struct mu_metrics *metrics)
{
        static const char tokens[] = "muster_fcm_access_tokens_total";
        static const char tokens_help[] = "Access tokens asked of Google, by what came of it.";

        for (size_t i = 0; i < MU_COUNT_OF(outcome_names); i++)
                mu_metrics_counter(metrics, "muster_fcm_reports_total",
                                   "Messages by how they ended, and attempts to be repeated "
                                   "(will_retry).",
                                   MU_LABELS({"outcome", outcome_names[i]}), &fcm->outcomes[i]);
        mu_metrics_counter(metrics, tokens, tokens_help, MU_LABELS({"result", "ok"}),
                           &fcm->tokens_fetched);
        mu_metrics_counter(metrics, tokens, tokens_help, MU_LABELS({"result", "failed"}),
                           &fcm->tokens_failed);
        mu_metrics_gauge(metrics, "muster_fcm_paused",
                         "1 while Google's quota holds all messages back.", MU_NO_LABELS,
                         &fcm->paused);
        mu_metrics_gauge_fn(metrics, "muster_fcm_in_hand", "Messages accepted and not ended.",
                            MU_NO_LABELS, read_in_hand, fcm);
}

MU_PRINTF(2, 3)
static int make_url(char **ret_url, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        int bytes = vasprintf(ret_url, format, arguments);

        va_end(arguments);
        if (bytes < 0) {
                *ret_url = NULL;
                return -ENOMEM;
        }
        return mu_outbound_check_url(*ret_url);
}

static int make_urls(struct mu_fcm *fcm, const struct mu_fcm_config *config, char *error)
{
        bool own = config->endpoint && *config->endpoint;
        const char *endpoint = own ? config->endpoint : default_endpoint;
        size_t bytes = strlen(endpoint);

        while (bytes > 0 && endpoint[bytes - 1] == '/')
                bytes--;
        if (make_url(&fcm->send_url, "%.*s/v1/projects/%s/messages:send", (int)bytes, endpoint,
                     fcm->account->project_id) < 0) {
                (void)snprintf(error, MU_OUTBOUND_ERROR_BYTES,
                               "fcm.endpoint must be an https URL such as %s.", default_endpoint);
                return -EINVAL;
        }
        own = config->token_uri && *config->token_uri;
        if (make_url(&fcm->token_uri, "%s", own ? config->token_uri : fcm->account->token_uri) <
            0) {
                (void)snprintf(error, MU_OUTBOUND_ERROR_BYTES,
                               "fcm.token_uri must be an https URL, or empty for the service "
                               "account file's own.");
                return -EINVAL;
        }
        return 0;
}

static int add_services(struct mu_fcm *fcm, struct mu_outbound *outbound, char *error)
{
        const struct mu_outbound_service_config messages = {
                .name = "fcm", .concurrency_max = CONCURRENCY, .http2 = true};
        const struct mu_outbound_service_config tokens = {
                .name = "oauth", .concurrency_max = 1, .http2 = true};
        int code = mu_outbound_add_service(outbound, &messages, &fcm->service);

        if (code == 0)
                code = mu_outbound_add_service(outbound, &tokens, &fcm->oauth);
        if (code < 0)
                (void)snprintf(error, MU_OUTBOUND_ERROR_BYTES, "FCM can't be set up: %s.",
                               strerror(-code));
        return code;
}

static void configure(struct mu_fcm *fcm, const struct mu_fcm_config *config)
{
        fcm->messages_max = config->messages_max ? config->messages_max : MESSAGES;
        fcm->attempts_max = config->attempts_max ? config->attempts_max : ATTEMPTS;
        fcm->backoff_base_ms = config->backoff_base_ms ? config->backoff_base_ms : BACKOFF_BASE_MS;
        fcm->backoff_cap_ms = config->backoff_cap_ms ? config->backoff_cap_ms : BACKOFF_CAP_MS;
        if (fcm->backoff_cap_ms < fcm->backoff_base_ms)
                fcm->backoff_cap_ms = fcm->backoff_base_ms;
        fcm->timeout_ms = config->timeout_ms ? config->timeout_ms : TIMEOUT_MS;
        fcm->pause.fire = on_pause_end;
        fcm->part = (struct mu_outbound_part){
                .start = start_part, .drain = drain_part, .cancel = cancel_part};
}

int mu_fcm_create(const struct mu_fcm_config *config, struct mu_fcm **ret_fcm, char *error)
{
        struct mu_fcm *fcm = calloc(1, sizeof(*fcm));

        if (!fcm) {
                (void)snprintf(error, MU_OUTBOUND_ERROR_BYTES, "There is no memory for FCM.");
                return -ENOMEM;
        }
        int code = mu_fcm_account_load(config->service_account, &fcm->account, error);

        if (code == 0)
                code = make_urls(fcm, config, error);
        if (code == 0)
                code = add_services(fcm, config->outbound, error);
        if (code < 0) {
                mu_fcm_destroy(fcm);
                return code;
        }
        fcm->outbound = config->outbound;
        configure(fcm, config);
        mu_fcm_access_init(fcm);
        if (fcm->outbound->metrics)
                register_metrics(fcm, fcm->outbound->metrics);
        mu_outbound_add_part(fcm->outbound, &fcm->part);
        *ret_fcm = fcm;
        return 0;
}

void mu_fcm_destroy(struct mu_fcm *fcm)
{
        if (!fcm)
                return;
        MU_ASSERT(atomic_load(&fcm->in_hand) == 0);
        OPENSSL_cleanse(&fcm->access.token, sizeof(fcm->access.token));
        mu_fcm_account_free(fcm->account);
        free(fcm->send_url);
        free(fcm->token_uri);
        free(fcm);
}
