/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer.c - one request: checked and copied, queued, handed to curl, ended.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/mem.h>

#include "base/assert.h"
#include "outbound/private.h"
#include "outbound/retry_after.h"

enum {
        TIMEOUT_MS = 30000,
        CONNECT_MS_MAX = 10000,
        WAIT_MS = 60000,
        REPLY_BYTES = 64 * 1024,
        SMTP_UNAVAILABLE = 421,
        HTTP_TOO_MANY = 429,
};

static const char *const http_schemes[] = {"https", "http", NULL};

static int check_url(const char *url, struct mu_url *ret_url)
{
        struct mu_url parsed;
        int code = mu_url_parse(url, http_schemes, &parsed);

        if (code < 0)
                return code;
        if (strcmp(parsed.scheme, "https") != 0 && !parsed.loopback)
                return -EINVAL;
        *ret_url = parsed;
        return 0;
}

int mu_outbound_check_url(const char *url)
{
        struct mu_url parsed;

        return check_url(url, &parsed);
}

struct mu_transfer *mu_transfer_new(struct mu_outbound_service *service, size_t more_bytes)
{
        struct mu_transfer *transfer = calloc(1, sizeof(*transfer) + more_bytes);

        if (!transfer)
                return NULL;
        transfer->service = service;
        transfer->block_bytes = more_bytes;
        transfer->timeout_ms = TIMEOUT_MS;
        transfer->wait_ms_max = WAIT_MS;
        transfer->reply_bytes_max = REPLY_BYTES;
        mu_text_init(&transfer->reply);
        return transfer;
}

void mu_transfer_free(struct mu_transfer *transfer)
{
        MU_ASSERT(!transfer->easy && !transfer->patience.set);
        /* Tokens and keys do not stay in freed memory. */
        for (struct curl_slist *line = transfer->headers; line; line = line->next)
                OPENSSL_cleanse(line->data, strlen(line->data));
        curl_slist_free_all(transfer->headers);
        OPENSSL_cleanse(transfer + 1, transfer->block_bytes);
        if (transfer->reply.data)
                OPENSSL_cleanse(transfer->reply.data, transfer->reply.bytes);
        mu_text_done(&transfer->reply);
        free(transfer);
}

/* ---- what a request must look like ---- */

static bool is_one_line(const char *text)
{
        for (; *text; text++)
                if ((unsigned char)*text < ' ' && *text != '\t')
                        return false;
        return true;
}

static int add_headers(struct mu_transfer *transfer, const struct mu_outbound_request *request)
{
        struct mu_text line;
        /* curl would wait a second for "100 Continue" with a longer body. */
        struct curl_slist *list = curl_slist_append(NULL, "Expect:");
        int code = list ? 0 : -ENOMEM;

        mu_text_init(&line);
        for (size_t i = 0; code == 0 && i < request->header_count; i++) {
                const struct mu_outbound_header *header = &request->headers[i];

                if (!is_one_line(header->name) || !is_one_line(header->value) || !*header->name ||
                    strpbrk(header->name, ": \t")) {
                        code = -EINVAL;
                        break;
                }
                mu_text_clear(&line);
                mu_text_add(&line, header->name);
                mu_text_add(&line, ": ");
                mu_text_add(&line, header->value);
                code = mu_text_status(&line);
                struct curl_slist *longer = code == 0 ? curl_slist_append(list, line.data) : NULL;

                if (longer)
                        list = longer;
                else
                        code = -ENOMEM;
        }
        if (line.data)
                OPENSSL_cleanse(line.data, line.bytes);
        mu_text_done(&line);
        transfer->headers = list;
        return code;
}

static int prepare_http(struct mu_transfer *transfer, CURL *easy);

int mu_transfer_new_http(const struct mu_outbound_request *request, struct mu_transfer **ret)
{
        struct mu_url url;
        int code = check_url(request->url, &url);

        MU_ASSERT(request->done && request->service && request->method);
        if (code < 0)
                return code;
        if (request->public_only && strcmp(url.scheme, "https") != 0)
                return -EINVAL;
        if (request->body_bytes > MU_OUTBOUND_BODY_BYTES_MAX ||
            request->header_count > MU_OUTBOUND_HEADERS_MAX)
                return -E2BIG;
        size_t url_bytes = strlen(request->url) + 1;
        size_t method_bytes = strlen(request->method) + 1;
        struct mu_transfer *transfer =
                mu_transfer_new(request->service, url_bytes + method_bytes + request->body_bytes);

        if (!transfer)
                return -ENOMEM;
        char *at = (char *)(transfer + 1);

        transfer->target = memcpy(at, request->url, url_bytes);
        transfer->method = memcpy(at + url_bytes, request->method, method_bytes);
        if (request->body)
                transfer->body =
                        memcpy(at + url_bytes + method_bytes, request->body, request->body_bytes);
        transfer->body_bytes = request->body_bytes;
        transfer->url = url;
        transfer->prepare = prepare_http;
        transfer->done = request->done;
        transfer->ctx = request->ctx;
        transfer->public_only = request->public_only;
        transfer->reply_headers = request->reply_headers;
        if (request->timeout_ms)
                transfer->timeout_ms = request->timeout_ms;
        if (request->wait_ms_max)
                transfer->wait_ms_max = request->wait_ms_max;
        if (request->reply_bytes_max)
                transfer->reply_bytes_max = request->reply_bytes_max;
        code = add_headers(transfer, request);
        if (code < 0) {
                mu_transfer_free(transfer);
                return code;
        }
        *ret = transfer;
        return 0;
}

/* ---- what curl is told ---- */

static size_t take_reply(char *piece, size_t one, size_t bytes, void *ctx)
{
        struct mu_transfer *transfer = ctx;

        (void)one; /* always 1 */
        if (bytes > transfer->reply_bytes_max - transfer->reply.bytes) {
                transfer->reply_too_large = true;
                return bytes + 1; /* curl ends the transfer */
        }
        mu_text_add_bytes(&transfer->reply, piece, bytes);
        return mu_text_status(&transfer->reply) == 0 ? bytes : bytes + 1;
}

static int prepare_http(struct mu_transfer *transfer, CURL *easy)
{
        bool post = strcmp(transfer->method, "POST") == 0;
        long version = transfer->service->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
        CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, transfer->target);

        code |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, transfer->url.scheme);
        code |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
        code |= curl_easy_setopt(easy, CURLOPT_PIPEWAIT, (long)transfer->service->http2);
        code |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
        code |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "muster/" MUSTER_VERSION);
        code |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
        if (post || transfer->body) {
                code |= curl_easy_setopt(easy, CURLOPT_POST, 1L);
                code |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                                         (curl_off_t)transfer->body_bytes);
                code |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                                         transfer->body ? transfer->body : "");
        }
        if (strcmp(transfer->method, "HEAD") == 0)
                code |= curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        else if (!post)
                code |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, transfer->method);
        code |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_reply);
        code |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
        return code == CURLE_OK ? 0 : -EINVAL;
}

/* What holds for every kind. */
static int prepare(struct mu_transfer *transfer, CURL *easy)
{
        const struct mu_outbound *outbound = transfer->service->outbound;
        uint32_t connect_ms =
                transfer->timeout_ms < CONNECT_MS_MAX ? transfer->timeout_ms : CONNECT_MS_MAX;
        CURLcode code = curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);

        code |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
        code |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        code |= curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
        code |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)transfer->timeout_ms);
        code |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
        /* A name server that does not answer must not hold the thread past the timeout. */
        code |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
        code |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
        code |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
        code |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
        code |= curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        /* The system's authorities stay: Debian's curl finds them in CAPATH too. */
        if (outbound->ca_file)
                code |= curl_easy_setopt(easy, CURLOPT_CAINFO, outbound->ca_file);
        if (transfer->url.loopback)
                code |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
        if (transfer->public_only)
                code |= mu_transfer_guard(transfer, easy);
        return code == CURLE_OK ? transfer->prepare(transfer, easy) : -EINVAL;
}

/* ---- queue and active list ---- */

static void unlink_queued(struct mu_transfer *transfer)
{
        struct mu_outbound_service *service = transfer->service;

        if (transfer->previous)
                transfer->previous->next = transfer->next;
        else
                service->first = transfer->next;
        if (transfer->next)
                transfer->next->previous = transfer->previous;
        else
                service->last = transfer->previous;
        transfer->next = transfer->previous = NULL;
        mu_cell_set(&service->queued, mu_cell_get(&service->queued) - 1);
        mu_timers_cancel(&service->outbound->timers, &transfer->patience);
}

static void link_active(struct mu_transfer *transfer)
{
        struct mu_outbound_service *service = transfer->service;
        struct mu_outbound *outbound = service->outbound;

        transfer->next = outbound->active;
        if (outbound->active)
                outbound->active->previous = transfer;
        outbound->active = transfer;
        mu_cell_set(&service->active, ++service->active_count);
}

static void unlink_active(struct mu_transfer *transfer)
{
        struct mu_outbound_service *service = transfer->service;

        if (transfer->previous)
                transfer->previous->next = transfer->next;
        else
                service->outbound->active = transfer->next;
        if (transfer->next)
                transfer->next->previous = transfer->previous;
        mu_cell_set(&service->active, --service->active_count);
}

/* The one place where a transfer ends. Off every list by now. */
static void finish(struct mu_transfer *transfer, const struct mu_outbound_result *result)
{
        struct mu_outbound *outbound = transfer->service->outbound;

        if (transfer->counted)
                atomic_fetch_sub(&outbound->accepted, 1);
        transfer->done(transfer->ctx, result);
        mu_transfer_free(transfer);
}

/* Ended before anything went out. */
static void finish_unsent(struct mu_transfer *transfer, enum mu_outbound_outcome outcome)
{
        char sentence[MU_OUTBOUND_ERROR_BYTES];
        const char *why = outcome == MU_OUTBOUND_CANCELLED
                                  ? "the appliance is stopping"
                                  : "it had to wait too long, because the service is taken for "
                                    "away or too much is before it";
        struct mu_outbound_result result = {.outcome = outcome, .error = sentence, .body = ""};

        (void)snprintf(sentence, sizeof(sentence), "%s: not sent, %s.", transfer->url.origin, why);
        mu_service_finished(
                transfer->service,
                outcome == MU_OUTBOUND_CANCELLED ? MU_OUTBOUND_STOPPED : MU_OUTBOUND_EXPIRED, 0);
        finish(transfer, &result);
}

static void lose_patience(struct mu_timer *timer)
{
        struct mu_transfer *transfer =
                (struct mu_transfer *)((char *)timer - offsetof(struct mu_transfer, patience));

        unlink_queued(transfer);
        finish_unsent(transfer, MU_OUTBOUND_NOT_SENT);
}

void mu_transfer_queue(struct mu_transfer *transfer)
{
        struct mu_outbound_service *service = transfer->service;
        struct mu_outbound *outbound = service->outbound;

        transfer->previous = service->last;
        if (service->last)
                service->last->next = transfer;
        else
                service->first = transfer;
        service->last = transfer;
        mu_cell_add(&service->queued, 1);
        transfer->patience.fire = lose_patience;
        mu_timers_set(&outbound->timers, &transfer->patience,
                      mu_outbound_now_ns(outbound) +
                              (uint64_t)transfer->wait_ms_max * MU_NS_PER_MS);
}

/* ---- ending what was under way ---- */

/* What became of it, for the metrics; sets outcome and status. */
static enum mu_outbound_cell judge(const struct mu_transfer *transfer, CURLcode code,
                                   struct mu_outbound_result *result)
{
        long status = 0;

        (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
        result->status = (int)status;
        result->outcome = MU_OUTBOUND_ANSWERED;
        if (transfer->mail) {
                if (code == CURLE_OK)
                        return MU_OUTBOUND_OK;
                if (status >= 400)
                        return status >= 500 ? MU_OUTBOUND_REFUSED : MU_OUTBOUND_UNAVAILABLE;
        } else if (code == CURLE_OK) {
                if (status == HTTP_TOO_MANY)
                        return MU_OUTBOUND_THROTTLED;
                if (status >= 500)
                        return MU_OUTBOUND_UNAVAILABLE;
                return status >= 200 && status < 300 ? MU_OUTBOUND_OK : MU_OUTBOUND_REFUSED;
        }
        result->outcome = MU_OUTBOUND_FAILED;
        result->curl_code = (int)code;
        return MU_OUTBOUND_NO_ANSWER;
}

static void tell_breaker(struct mu_transfer *transfer, enum mu_outbound_cell cell,
                         const struct mu_outbound_result *result)
{
        bool away = cell == MU_OUTBOUND_NO_ANSWER && !transfer->reply_too_large &&
                    !transfer->service->no_breaker;

        /* A mail server's 4xx is often about one recipient. */
        if (cell == MU_OUTBOUND_UNAVAILABLE && !transfer->service->no_breaker)
                away = !transfer->mail || result->status == SMTP_UNAVAILABLE;
        if (away)
                mu_breaker_failure(&transfer->service->breaker);
        else
                mu_breaker_success(&transfer->service->breaker);
}

static void read_retry_after(const struct mu_transfer *transfer, struct mu_outbound_result *result)
{
        struct curl_header *header;
        int64_t now_s = mu_clock_realtime_us(transfer->service->outbound->clock) / MU_US_PER_S;

        if (transfer->mail || curl_easy_header(transfer->easy, "Retry-After", 0, CURLH_HEADER, -1,
                                               &header) != CURLHE_OK)
                return;
        result->has_retry_after = mu_retry_after_parse(header->value, strlen(header->value), now_s,
                                                       &result->retry_after_s) == 0;
}

static void keep_headers(const struct mu_transfer *transfer, struct mu_outbound_result *result,
                         char kept[][MU_OUTBOUND_REPLY_HEADER_BYTES])
{
        for (size_t i = 0; transfer->reply_headers && transfer->reply_headers[i]; i++) {
                struct curl_header *header;

                MU_ASSERT(i < MU_OUTBOUND_REPLY_HEADERS_MAX);
                if (curl_easy_header(transfer->easy, transfer->reply_headers[i], 0, CURLH_HEADER,
                                     -1, &header) != CURLHE_OK ||
                    strlen(header->value) >= MU_OUTBOUND_REPLY_HEADER_BYTES)
                        continue;
                (void)snprintf(kept[i], MU_OUTBOUND_REPLY_HEADER_BYTES, "%s", header->value);
                result->headers[i] = kept[i];
        }
}

static void describe(const struct mu_transfer *transfer, CURLcode code, char *sentence, size_t room)
{
        const char *what = transfer->error;

        /* A proxy's address may hold a password. */
        if (!*what || strcasestr(what, "proxy"))
                what = curl_easy_strerror(code);
        if (transfer->reply_too_large)
                (void)snprintf(sentence, room, "%s answered with more than %zu bytes.",
                               transfer->url.origin, transfer->reply_bytes_max);
        else if (transfer->refused_address)
                (void)snprintf(sentence, room,
                               "%s leads to an address that is not of the public Internet, "
                               "which is not allowed here.",
                               transfer->url.origin);
        else
                (void)snprintf(sentence, room, "%s: %s.", transfer->url.origin, what);
}

static uint64_t duration_us(const struct mu_transfer *transfer)
{
        return (mu_outbound_now_ns(transfer->service->outbound) - transfer->started_ns) /
               (uint64_t)MU_NS_PER_US;
}

static void drop_easy(struct mu_transfer *transfer)
{
        (void)curl_multi_remove_handle(transfer->service->outbound->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
        transfer->easy = NULL;
}

static void end_active(struct mu_transfer *transfer, CURLcode code)
{
        char sentence[MU_OUTBOUND_ERROR_BYTES] = "";
        char kept[MU_OUTBOUND_REPLY_HEADERS_MAX][MU_OUTBOUND_REPLY_HEADER_BYTES];
        struct mu_outbound_result result = {.error = sentence,
                                            .duration_us = duration_us(transfer),
                                            .refused_address = transfer->refused_address};
        enum mu_outbound_cell cell = judge(transfer, code, &result);

        if (code != CURLE_OK)
                describe(transfer, code, sentence, sizeof(sentence));
        read_retry_after(transfer, &result);
        keep_headers(transfer, &result, kept);
        result.body = transfer->reply.data ? transfer->reply.data : "";
        result.body_bytes = transfer->reply.bytes;
        unlink_active(transfer);
        drop_easy(transfer);
        tell_breaker(transfer, cell, &result);
        mu_service_finished(transfer->service, cell, result.duration_us);
        finish(transfer, &result);
}

static void start(struct mu_transfer *transfer)
{
        struct mu_outbound *outbound = transfer->service->outbound;
        CURL *easy = curl_easy_init();

        unlink_queued(transfer);
        link_active(transfer);
        MU_ASSERT(easy); /* no memory: the process cannot go on anyhow */
        transfer->easy = easy;
        transfer->started_ns = mu_outbound_now_ns(outbound);
        if (prepare(transfer, easy) < 0 || curl_multi_add_handle(outbound->multi, easy) != CURLM_OK)
                end_active(transfer, CURLE_FAILED_INIT);
}

uint64_t mu_transfers_start(struct mu_outbound *outbound)
{
        uint64_t until_ns = UINT64_MAX;

        for (size_t i = 0; i < outbound->service_count; i++) {
                struct mu_outbound_service *service = outbound->services[i];

                while (service->first && service->active_count < service->concurrency_max &&
                       mu_breaker_allow(&service->breaker))
                        start(service->first);
                /* Else the end of one that is under way decides. */
                if (!service->first || service->active_count >= service->concurrency_max ||
                    mu_breaker_state(&service->breaker) != MU_BREAKER_OPEN)
                        continue;
                uint64_t retry_ns = mu_outbound_now_ns(outbound) +
                                    mu_breaker_wait_ms(&service->breaker) * MU_NS_PER_MS;

                until_ns = retry_ns < until_ns ? retry_ns : until_ns;
        }
        return until_ns;
}

bool mu_transfers_reap(struct mu_outbound *outbound)
{
        struct CURLMsg *message;
        bool any = false;
        int left;

        while ((message = curl_multi_info_read(outbound->multi, &left))) {
                struct mu_transfer *transfer;
                CURLcode code = message->data.result;

                MU_ASSERT(message->msg == CURLMSG_DONE);
                MU_ASSERT(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer) ==
                          CURLE_OK);
                end_active(transfer, code);
                any = true;
        }
        return any;
}

bool mu_transfers_any(const struct mu_outbound *outbound)
{
        for (size_t i = 0; i < outbound->service_count; i++)
                if (outbound->services[i]->first || outbound->services[i]->active_count > 0)
                        return true;
        return false;
}

void mu_transfers_cancel(struct mu_outbound *outbound)
{
        while (outbound->active) {
                struct mu_transfer *transfer = outbound->active;

                unlink_active(transfer);
                drop_easy(transfer);
                mu_breaker_success(&transfer->service->breaker); /* nobody's fault */
                finish_unsent(transfer, MU_OUTBOUND_CANCELLED);
        }
        for (size_t i = 0; i < outbound->service_count; i++)
                while (outbound->services[i]->first) {
                        struct mu_transfer *transfer = outbound->services[i]->first;

                        unlink_queued(transfer);
                        finish_unsent(transfer, MU_OUTBOUND_CANCELLED);
                }
}
