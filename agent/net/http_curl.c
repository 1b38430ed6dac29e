/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_curl.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#ifdef __linux__
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#endif

#include "base/assert.h"
#include "base/text.h"
#include "core/wipe.h"
#include "net/push_channel.h"
#include "net/reply_file.h"
#include "net/retry_after.h"
#include "net/target.h"

enum limits {
        REQUESTS_MAX = 16,
        CONNECTIONS_MAX = 2, /* kept open between requests */
        EXTRA_MAX = 16,
        HEADER_BYTES = 256,
        /* Nothing is due for so long: no connection is kept for it. Clearly less than what a
         * channel's silence may last, which is what a loop at rest waits for. */
        IDLE_MS = 30000,
};

struct transfer {
        struct transfer *next;
        struct mu_net *net;
        CURL *easy;
        struct curl_slist *headers;
        char *body;
        size_t body_bytes;
        mu_agent_reply_fn *done;
        void *done_context;
        struct mu_text reply;
        struct mu_reply_file file;
        int error; /* of ours, while the reply was read */
        char curl_error[CURL_ERROR_SIZE];
};

struct mu_net {
        struct mu_net_options options;
        CURLM *multi;
        CURLSH *share; /* TLS sessions: a shorter handshake with every heartbeat */
        struct transfer *transfers;
        size_t transfer_count;
        size_t calls; /* callbacks given so far */
        bool used;    /* the multi handle may hold connections */
        struct mu_channel *channel;
};

/* ---- life ---- */

static CURLM *create_multi(void)
{
        CURLM *multi = curl_multi_init();

        if (multi &&
            curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX) == CURLM_OK)
                return multi;
        (void)curl_multi_cleanup(multi);
        return NULL;
}

int mu_net_create(const struct mu_net_options *options, struct mu_net **ret_net)
{
        struct mu_net *net;

        MU_ASSERT(options->config && options->user_agent && options->push);
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -ENOMEM;
        net = calloc(1, sizeof(*net));
        if (!net) {
                curl_global_cleanup();
                return -ENOMEM;
        }
        net->options = *options;
        net->multi = create_multi();
        net->share = curl_share_init();
        if (!net->multi || !net->share ||
            curl_share_setopt(net->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) !=
                    CURLSHE_OK) {
                mu_net_destroy(net);
                return -ENOMEM;
        }
        *ret_net = net;
        return 0;
}

static void free_transfer(struct transfer *transfer)
{
        if (!transfer)
                return;
        curl_easy_cleanup(transfer->easy);
        for (struct curl_slist *at = transfer->headers; at; at = at->next)
                mu_agent_wipe(at->data, strlen(at->data)); /* the token */
        curl_slist_free_all(transfer->headers);
        mu_reply_file_abort(&transfer->file);
        mu_text_done(&transfer->reply);
        free(transfer->body);
        free(transfer);
}

static void unlink_transfer(struct transfer *transfer)
{
        struct mu_net *net = transfer->net;
        struct transfer **at = &net->transfers;

        while (*at != transfer)
                at = &(*at)->next;
        *at = transfer->next;
        net->transfer_count--;
        (void)curl_multi_remove_handle(net->multi, transfer->easy);
}

void mu_net_cancel_all(void *context)
{
        struct mu_net *net = context;

        while (net->transfers) {
                struct transfer *transfer = net->transfers;

                unlink_transfer(transfer);
                free_transfer(transfer);
        }
}

void mu_net_destroy(struct mu_net *net)
{
        if (!net)
                return;
        mu_net_cancel_all(net);
        mu_channel_destroy(net->channel);
        (void)curl_multi_cleanup(net->multi);
        (void)curl_share_cleanup(net->share);
        free(net);
        curl_global_cleanup();
}

/* ---- one request ---- */

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
        struct transfer *transfer = context;
        size_t bytes = size * count;
        long status = 0;

        /* A refusal says why in words: those are no file. */
        (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
        if (transfer->file.path && status == 200) {
                transfer->error = mu_reply_file_add(&transfer->file, data, bytes);
                return transfer->error == 0 ? bytes : CURL_WRITEFUNC_ERROR;
        }
        if (bytes > MU_AGENT_REPLY_BYTES_MAX - transfer->reply.bytes)
                transfer->error = -EMSGSIZE;
        else
                mu_text_add_bytes(&transfer->reply, data, bytes);
        if (transfer->error == 0)
                transfer->error = mu_text_status(&transfer->reply);
        return transfer->error == 0 ? bytes : CURL_WRITEFUNC_ERROR;
}

static int add_header(struct transfer *transfer, const char *name, const char *value)
{
        char line[HEADER_BYTES];
        int chars = snprintf(line, sizeof(line), "%s: %s", name, value);

        if (chars < 0 || (size_t)chars >= sizeof(line))
                return -EINVAL;
        for (const char *at = value; *at; at++)
                if ((unsigned char)*at < 0x20 || *at == 0x7f)
                        return -EINVAL;
        struct curl_slist *longer = curl_slist_append(transfer->headers, line);

        mu_agent_wipe(line, sizeof(line));
        if (!longer)
                return -ENOMEM;
        transfer->headers = longer;
        return 0;
}

/* Secrets go to the configured server alone, whatever was asked. */
static int add_authorization(struct transfer *transfer, const struct mu_agent_request *request,
                             const struct mu_net_target *target)
{
        char bearer[MU_AGENT_TOKEN_BYTES + sizeof("Bearer ")];
        int err;

        if (!target->is_server)
                return 0;
        switch (request->authorization) {
        case MU_AGENT_AUTH_TOKEN:
                (void)snprintf(bearer, sizeof(bearer), "Bearer %s",
                               transfer->net->options.config->token);
                err = add_header(transfer, "Authorization", bearer);
                mu_agent_wipe(bearer, sizeof(bearer));
                return err;
        case MU_AGENT_AUTH_ENROLMENT:
                return add_header(transfer, "X-Enrolment-Token", request->secret);
        case MU_AGENT_AUTH_ADMIN_KEY:
                return add_header(transfer, "X-Admin-Key", request->secret);
        default:
                return 0;
        }
}

static int set_headers(struct transfer *transfer, const struct mu_agent_request *request,
                       const struct mu_net_target *target)
{
        int err = add_authorization(transfer, request, target);

        if (err == 0 && request->body)
                err = add_header(transfer, "Content-Type", "application/json");
        if (err == 0 && !request->file)
                err = add_header(transfer, "Accept", "application/json");
        return err;
}

static int set_method(struct transfer *transfer, const struct mu_agent_request *request)
{
        CURLcode code;

        if (strcmp(request->method, "GET") == 0)
                code = curl_easy_setopt(transfer->easy, CURLOPT_HTTPGET, 1L);
        else
                code = curl_easy_setopt(transfer->easy, CURLOPT_POST, 1L);
        if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "POST") != 0)
                return -EINVAL;
        if (strcmp(request->method, "POST") == 0) {
                code |= curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                                         (curl_off_t)transfer->body_bytes);
                code |= curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS,
                                         transfer->body ? transfer->body : "");
        }
        return code == CURLE_OK ? 0 : -ENOMEM;
}

#ifdef TCP_USER_TIMEOUT
/* What was not acknowledged in time is forgotten by the kernel too, also after a close: a report
 * that it delivers minutes after its sent_at looks like a clock that was set. */
static int bound_delivery(void *context, curl_socket_t fd, curlsocktype purpose)
{
        unsigned int most_ms = MU_AGENT_REQUEST_TIMEOUT_MS;

        (void)context;
        (void)purpose;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &most_ms, sizeof(most_ms));
        return CURL_SOCKOPT_OK;
}
#endif

static int set_options(struct transfer *transfer, const struct mu_agent_request *request)
{
        CURL *easy = transfer->easy;
        struct mu_net *net = transfer->net;
        long timeout_ms = request->timeout_ms > 0 ? (long)request->timeout_ms
                                                  : (long)MU_AGENT_REQUEST_TIMEOUT_MS;
        CURLcode code = curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);

        code |= curl_easy_setopt(easy, CURLOPT_SHARE, net->share);
        code |= curl_easy_setopt(easy, CURLOPT_USERAGENT, net->options.user_agent);
        code |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
        code |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_error);
        code |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
        code |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
        code |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
#ifdef TCP_USER_TIMEOUT
        code |= curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, bound_delivery);
#endif
        return code == CURLE_OK ? 0 : -ENOMEM;
}

static int fill(struct transfer *transfer, const struct mu_agent_request *request)
{
        const struct mu_agent_config *config = transfer->net->options.config;
        struct mu_net_target target;
        int err = mu_net_target_find(config, request->path, &target);

        transfer->easy = curl_easy_init();
        if (err == 0 && !transfer->easy)
                err = -ENOMEM;
        if (err == 0 && request->file)
                err = mu_reply_file_init(&transfer->file, request->file, request->file_bytes);
        if (err == 0 && request->body) {
                transfer->body = malloc(request->body_bytes + 1);
                if (!transfer->body)
                        return -ENOMEM;
                memcpy(transfer->body, request->body, request->body_bytes);
                transfer->body_bytes = request->body_bytes;
        }
        if (err == 0)
                err = mu_net_target_set(&target, config, transfer->easy);
        if (err == 0)
                err = set_headers(transfer, request, &target);
        if (err == 0)
                err = set_method(transfer, request);
        if (err == 0)
                err = set_options(transfer, request);
        return err;
}

int mu_net_request(void *context, const struct mu_agent_request *request, mu_agent_reply_fn *done,
                   void *done_context)
{
        struct mu_net *net = context;
        struct transfer *transfer;

        if (net->transfer_count == REQUESTS_MAX)
                return -EBUSY;
        transfer = calloc(1, sizeof(*transfer));
        if (!transfer)
                return -ENOMEM;
        transfer->net = net;
        transfer->done = done;
        transfer->done_context = done_context;
        mu_text_init(&transfer->reply);
        int err = fill(transfer, request);

        if (err == 0 && curl_multi_add_handle(net->multi, transfer->easy) != CURLM_OK)
                err = -ENOMEM;
        if (err < 0) {
                free_transfer(transfer);
                return err;
        }
        net->used = true;
        transfer->next = net->transfers;
        net->transfers = transfer;
        net->transfer_count++;
        return 0;
}

/* ---- its answer ---- */

static const char *header_of(CURL *easy, const char *name)
{
        struct curl_header *header;

        if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
                return NULL;
        return header->value;
}

static int finish_file(struct transfer *transfer, long status)
{
        if (!transfer->file.path || status != 200)
                return 0;
        return mu_reply_file_finish(&transfer->file);
}

static void answer(struct transfer *transfer, CURLcode code)
{
        struct mu_agent_reply reply = {.retry_after_s = -1, .body = "", .sentence = ""};
        long status = 0;

        (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
        reply.error = transfer->error != 0 ? transfer->error : mu_net_error_of(code);
        if (reply.error == 0)
                reply.error = finish_file(transfer, status);
        if (reply.error == 0) {
                reply.status = (int)status;
                reply.retry_after_s = mu_net_retry_after_s(header_of(transfer->easy, "Retry-After"),
                                                           header_of(transfer->easy, "Date"));
                if (transfer->reply.bytes > 0) {
                        reply.body = transfer->reply.data;
                        reply.body_bytes = transfer->reply.bytes;
                }
        } else if (transfer->error == -EMSGSIZE) {
                reply.sentence = "the reply is longer than it may be";
        } else if (code == CURLE_OK || transfer->error != 0) {
                reply.sentence = "the reply could not be written down";
        } else {
                reply.sentence =
                        transfer->curl_error[0] ? transfer->curl_error : curl_easy_strerror(code);
        }
        transfer->net->calls++;
        transfer->done(transfer->done_context, &reply);
}

static void take_answers(struct mu_net *net)
{
        CURLMsg *message;
        int left;

        /* From the start each time: an answer may bring new requests, or cancel all. */
        while ((message = curl_multi_info_read(net->multi, &left))) {
                struct transfer *transfer = NULL;
                CURLcode code = message->data.result;

                if (message->msg != CURLMSG_DONE)
                        continue;
                (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
                unlink_transfer(transfer);
                answer(transfer, code);
                free_transfer(transfer);
        }
}

/* ---- the channel ---- */

int mu_net_push_open(void *context, const char *path)
{
        struct mu_net *net = context;

        if (net->channel)
                return -EALREADY;
        return mu_channel_open(&net->options, path, &net->channel);
}

int mu_net_push_send(void *context, const char *text, size_t bytes)
{
        struct mu_net *net = context;

        return net->channel ? mu_channel_send(net->channel, text, bytes) : -ENOTCONN;
}

/* Inside of an event look_at_channel still holds it, and sees that it is no longer ours. */
void mu_net_push_close(void *context)
{
        struct mu_net *net = context;
        struct mu_channel *channel = net->channel;

        net->channel = NULL;
        if (channel && mu_channel_is_looking(channel))
                mu_channel_abandon(channel);
        else
                mu_channel_destroy(channel);
}

static void look_at_channel(struct mu_net *net)
{
        struct mu_channel *channel = net->channel;
        struct mu_channel_end end;

        if (!channel)
                return;
        size_t before = mu_channel_events(channel);
        bool ended = mu_channel_look(channel, &end);

        net->calls += mu_channel_events(channel) - before;
        if (net->channel != channel) {
                mu_channel_destroy(channel);
                return;
        }
        if (!ended)
                return;
        net->channel = NULL;
        mu_channel_destroy(channel);
        net->calls++;
        if (end.retry_after_s > 0)
                net->options.push(net->options.push_context, MU_AGENT_PUSH_WAIT,
                                  (int)end.retry_after_s, "", 0);
        net->options.push(net->options.push_context, MU_AGENT_PUSH_CLOSED, end.code, end.sentence,
                          strlen(end.sentence));
}

/* ---- waiting ---- */

static int look(struct mu_net *net)
{
        int running;

        if (net->transfers) {
                CURLMcode code = curl_multi_perform(net->multi, &running);

                if (code != CURLM_OK)
                        return code == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO;
                take_answers(net);
        }
        look_at_channel(net);
        return 0;
}

static int sleep_ms(const struct mu_net *net, int timeout_ms)
{
        int channel_ms = net->channel ? mu_channel_wait_ms(net->channel) : -1;

        if (channel_ms < 0)
                return timeout_ms;
        return timeout_ms < 0 || channel_ms < timeout_ms ? channel_ms : timeout_ms;
}

/* An idle connection costs a megabyte here, where roots were read for it, and a socket on the
 * appliance, times the fleet. TLS sessions stay, so the next handshake is a short one. */
static void rest(struct mu_net *net, int timeout_ms)
{
        CURLM *fresh;

        if (!net->used || net->transfers || (timeout_ms >= 0 && timeout_ms < IDLE_MS))
                return;
        fresh = create_multi();
        if (!fresh)
                return;
        (void)curl_multi_cleanup(net->multi);
        net->multi = fresh;
        net->used = false;
#ifdef __GLIBC__
        (void)malloc_trim(0);
#endif
}

int mu_net_wait(struct mu_net *net, const int *extra, size_t extra_count, bool *ret_ready,
                int timeout_ms)
{
        struct curl_waitfd fds[EXTRA_MAX + MU_CHANNEL_SOCKETS_MAX];
        size_t calls = net->calls;
        size_t count = 0;

        MU_ASSERT(extra_count <= EXTRA_MAX);
        int err = look(net);

        if (err < 0)
                return err;
        for (; count < extra_count; count++)
                fds[count] = (struct curl_waitfd){.fd = (curl_socket_t)extra[count],
                                                  .events = CURL_WAIT_POLLIN};
        if (net->channel)
                count += mu_channel_sockets(net->channel, fds + count);
        /* What was called back may have made something due: then this is only a glance. */
        int ms = net->calls == calls ? sleep_ms(net, timeout_ms) : 0;

        if (ms != 0)
                rest(net, timeout_ms);
        CURLMcode code =
                curl_multi_poll(net->multi, fds, (unsigned)count, ms < 0 ? INT32_MAX : ms, NULL);

        if (code != CURLM_OK)
                return code == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO;
        for (size_t i = 0; i < extra_count; i++)
                ret_ready[i] = fds[i].revents != 0;
        return look(net);
}
