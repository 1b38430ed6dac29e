/* SPDX-License-Identifier: Apache-2.0 */
#include "http/call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "http/cookie.h"
#include "http/stream.h"

/* ---- the copy ---- */

static size_t copy_bytes(const struct mu_request *request)
{
        const h2o_req_t *req = request->h2o;
        size_t bytes =
                req->path.len + req->authority.len + request->body.bytes + MU_BODY_PADDING_BYTES;

        bytes += (req->headers.size + 1) * sizeof(struct mu_call_header);
        for (size_t i = 0; i < req->headers.size; i++)
                bytes += req->headers.entries[i].name->len + req->headers.entries[i].value.len;
        return bytes;
}

static struct mu_slice put(char **at, const void *data, size_t bytes)
{
        struct mu_slice slice = {*at, bytes};

        if (bytes > 0)
                memcpy(*at, data, bytes);
        *at += bytes;
        return slice;
}

static void copy_headers(struct mu_call *call, const h2o_req_t *req, char **at)
{
        for (size_t i = 0; i < req->headers.size; i++) {
                const h2o_header_t *header = &req->headers.entries[i];
                struct mu_call_header *copy = &call->headers[call->header_count++];

                copy->name = put(at, header->name->base, header->name->len);
                copy->value = put(at, header->value.base, header->value.len);
        }
        struct mu_call_header *host = &call->headers[call->header_count++];
        host->name = (struct mu_slice){"host", 4};
        host->value = put(at, req->authority.base, req->authority.len);
}

static void copy_params(struct mu_call *call, const struct mu_request *request)
{
        const struct mu_route_match *match = request->match;
        const char *path = request->h2o->path.base;

        for (uint32_t i = 0; match && i < match->param_count; i++) {
                const struct mu_route_param *param = &match->params[i];

                call->param_names[i] = (struct mu_slice){param->name, param->name_bytes};
                call->params[i] = (struct mu_slice){call->path.data + (param->value - path),
                                                    param->value_bytes};
                call->param_count++;
        }
}

struct mu_call *mu_call_create(struct mu_request *request)
{
        const h2o_req_t *req = request->h2o;
        size_t bytes = copy_bytes(request);
        struct mu_call *call = malloc(sizeof(*call) + bytes);

        if (!call)
                return NULL;
        memset(call, 0, sizeof(*call));
        call->headers = (struct mu_call_header *)(call + 1);
        char *at = (char *)(call->headers + req->headers.size + 1);

        struct mu_slice target = put(&at, req->path.base, req->path.len);
        struct mu_slice path = mu_request_path(request);
        struct mu_slice query = mu_request_query(request);
        call->path = (struct mu_slice){target.data, path.bytes};
        if (query.data)
                call->query =
                        (struct mu_slice){target.data + (query.data - req->path.base), query.bytes};
        copy_headers(call, req, &at);
        copy_params(call, request);
        call->body = put(&at, request->body.data, request->body.bytes);
        memset(at, 0, MU_BODY_PADDING_BYTES);
        at += MU_BODY_PADDING_BYTES;
        MU_ASSERT(at == (char *)(call + 1) + bytes);

        call->loop = mu_request_loop(request);
        call->route = request->route;
        call->address = mu_request_address(request);
        call->received_at_us = request->received_at_us;
        call->method = request->method;
        call->tls = mu_request_is_tls(request);
        snprintf(call->request_id, sizeof(call->request_id), "%s", mu_request_id(request));
        return call;
}

static void forget_reply(struct mu_call *call)
{
        for (uint32_t i = 0; i < call->reply_header_count; i++)
                free(call->reply_headers[i].value);
        call->reply_header_count = 0;
        free(call->reply);
        call->reply = NULL;
        call->reply_bytes = 0;
        call->status = 0;
}

void mu_call_destroy(struct mu_call *call)
{
        if (!call)
                return;
        forget_reply(call);
        while (call->decoded) {
                struct mu_call_decoded *next = call->decoded->next;

                free(call->decoded);
                call->decoded = next;
        }
        free(call);
}

void mu_call_add_headers(const struct mu_call *call, struct mu_request *request)
{
        for (uint32_t i = 0; i < call->reply_header_count; i++)
                mu_reply_header(request, call->reply_headers[i].name, call->reply_headers[i].value);
}

static void run_delivery(struct mu_mail *mail, struct mu_loop *loop)
{
        struct mu_call *call = (struct mu_call *)mail;
        struct mu_request *request = mu_pending_request(call->pending);

        (void)loop;
        if (request) {
                mu_call_add_headers(call, request);
                mu_reply(request, call->status, call->type, call->reply, call->reply_bytes);
        }
        mu_call_destroy(call);
}

void mu_call_deliver(struct mu_call *call)
{
        MU_ASSERT(call->status != 0);
        call->mail.run = run_delivery;
        mu_loop_send(call->loop, &call->mail);
}

/* ---- reading ---- */

struct mu_slice mu_call_body(const struct mu_call *call)
{
        return call->body;
}

enum mu_method mu_call_method(const struct mu_call *call)
{
        return call->method;
}

struct mu_slice mu_call_path(const struct mu_call *call)
{
        return call->path;
}

struct mu_slice mu_call_query(const struct mu_call *call)
{
        return call->query;
}

const struct mu_route *mu_call_route(const struct mu_call *call)
{
        return call->route;
}

bool mu_call_is_tls(const struct mu_call *call)
{
        return call->tls;
}

int64_t mu_call_received_at_us(const struct mu_call *call)
{
        return call->received_at_us;
}

struct mu_address mu_call_address(const struct mu_call *call)
{
        return call->address;
}

const char *mu_call_request_id(const struct mu_call *call)
{
        return call->request_id;
}

struct mu_slice mu_call_header(const struct mu_call *call, const char *name)
{
        size_t bytes = strlen(name);

        for (uint32_t i = 0; i < call->header_count; i++) {
                const struct mu_call_header *header = &call->headers[i];

                if (header->name.bytes == bytes && memcmp(header->name.data, name, bytes) == 0)
                        return header->value;
        }
        return (struct mu_slice){NULL, 0};
}

struct mu_slice mu_call_cookie(const struct mu_call *call, const char *name)
{
        return mu_cookie_find(mu_call_header(call, "cookie"), name);
}

struct mu_slice mu_call_bearer(const struct mu_call *call)
{
        return mu_bearer_of(mu_call_header(call, "authorization"));
}

bool mu_call_content_type_is(const struct mu_call *call, const char *type)
{
        return mu_media_type_is(mu_call_header(call, "content-type"), type);
}

static struct mu_slice decode(struct mu_call *call, struct mu_slice encoded, bool plus)
{
        struct mu_call_decoded *decoded = malloc(sizeof(*decoded) + encoded.bytes + 1);
        size_t bytes;

        if (!decoded)
                return (struct mu_slice){NULL, 0};
        decoded->next = call->decoded;
        call->decoded = decoded;
        if (mu_percent_decode(encoded, plus, decoded->bytes, &bytes) < 0)
                return (struct mu_slice){NULL, 0};
        decoded->bytes[bytes] = '\0';
        return (struct mu_slice){decoded->bytes, bytes};
}

struct mu_slice mu_call_param(struct mu_call *call, const char *name)
{
        for (uint32_t i = 0; i < call->param_count; i++) {
                if (strlen(name) == call->param_names[i].bytes &&
                    memcmp(name, call->param_names[i].data, call->param_names[i].bytes) == 0)
                        return decode(call, call->params[i], false);
        }
        return (struct mu_slice){NULL, 0};
}

struct mu_slice mu_call_query_param(struct mu_call *call, const char *name)
{
        struct mu_slice encoded;

        if (!mu_query_find(call->query, name, &encoded))
                return (struct mu_slice){NULL, 0};
        return decode(call, encoded, true);
}

/* ---- answering ---- */

static void out_of_memory(struct mu_call *call)
{
        MU_ASSERT(!call->stream);
        forget_reply(call);
        call->status = 503; /* without a body: there is no memory for one */
        call->type = NULL;
}

void mu_call_reply_owned(struct mu_call *call, int status, const char *type, char *body,
                         size_t bytes)
{
        MU_ASSERT(!call->stream); /* the loop reads it, and the client has its beginning already */
        free(call->reply);
        call->reply = body;
        call->reply_bytes = bytes;
        call->status = status;
        call->type = type;
}

void mu_call_reply(struct mu_call *call, int status, const char *type, const void *body,
                   size_t bytes)
{
        char *copy = NULL;

        if (bytes > 0) {
                copy = malloc(bytes);
                if (!copy) {
                        out_of_memory(call);
                        return;
                }
                memcpy(copy, body, bytes);
        }
        mu_call_reply_owned(call, status, type, copy, bytes);
}

void mu_call_reply_json(struct mu_call *call, int status, const char *json, size_t bytes)
{
        mu_call_reply(call, status, MU_TYPE_JSON, json, bytes);
}

void mu_call_reply_empty(struct mu_call *call, int status)
{
        mu_call_reply(call, status, NULL, NULL, 0);
}

void mu_call_reply_text(struct mu_call *call, int status, const char *type, struct mu_text *text)
{
        char *body;
        size_t bytes;

        if (mu_text_take(text, &body, &bytes) < 0) {
                out_of_memory(call);
                return;
        }
        mu_call_reply_owned(call, status, type, body, bytes);
}

static void problem(struct mu_call *call, int status, const char *slug, const char *field,
                    const char *format, va_list arguments)
{
        char detail[MU_PROBLEM_DETAIL_BYTES_MAX];
        struct mu_text text;

        int length = vsnprintf(detail, sizeof(detail), format, arguments);
        MU_ASSERT(length >= 0);
        mu_text_init(&text);
        mu_problem_format(&text, status, slug, field, detail, strlen(detail), call->request_id);
        mu_call_reply_text(call, status, MU_TYPE_PROBLEM, &text);
        mu_text_done(&text);
}

void mu_call_problem(struct mu_call *call, int status, const char *slug, const char *field,
                     const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        problem(call, status, slug, field, format, arguments);
        va_end(arguments);
}

void mu_call_problem_retry(struct mu_call *call, int status, const char *slug,
                           uint32_t retry_after_s, const char *format, ...)
{
        va_list arguments;
        char seconds[16];

        snprintf(seconds, sizeof(seconds), "%u", retry_after_s);
        va_start(arguments, format);
        problem(call, status, slug, NULL, format, arguments);
        va_end(arguments);
        mu_call_reply_header(call, "retry-after", seconds);
}

void mu_call_reply_header(struct mu_call *call, const char *name, const char *value)
{
        MU_ASSERT(!strpbrk(value, "\r\n") && call->reply_header_count < MU_REPLY_HEADERS_MAX);
        MU_ASSERT(!call->stream);
        char *copy = strdup(value);

        if (!copy) {
                out_of_memory(call);
                return;
        }
        call->reply_headers[call->reply_header_count++] =
                (struct mu_call_reply_header){.name = name, .value = copy};
}

void mu_call_set_cookie(struct mu_call *call, const struct mu_cookie *cookie)
{
        char value[MU_COOKIE_BYTES_MAX];

        if (mu_cookie_format(cookie, value) < 0)
                mu_call_problem(call, 500, "cookie-too-long", NULL,
                                "The server made a cookie that is too long: a defect of it.");
        else
                mu_call_reply_header(call, "set-cookie", value);
}

bool mu_call_replied(const struct mu_call *call)
{
        return call->status != 0;
}

int mu_call_status(const struct mu_call *call)
{
        return call->status;
}

const char *mu_call_reply_type(const struct mu_call *call)
{
        return call->type;
}

struct mu_slice mu_call_reply_bytes(const struct mu_call *call)
{
        return (struct mu_slice){call->reply, call->reply_bytes};
}

void mu_call_clear_reply(struct mu_call *call)
{
        MU_ASSERT(!call->stream);
        forget_reply(call);
        call->type = NULL;
}

/* ---- streaming ---- */

int mu_call_stream_begin(struct mu_call *call, int status, const char *type)
{
        /* Another status has no chunks in h2o, and its breaking off would not be seen. */
        MU_ASSERT(!call->stream && status == 200 && type);
        if (!mu_offload_enter_stream(call->offload)) {
                mu_call_clear_reply(call);
                mu_call_problem_retry(call, 503, "overloaded", 5,
                                      "Too many downloads are running already; try again later.");
                return -EBUSY;
        }
        mu_call_reply_owned(call, status, type, NULL, 0);
        int error = mu_stream_create(call, &call->stream);
        if (error) {
                mu_offload_leave_stream(call->offload);
                out_of_memory(call);
        }
        return error;
}

int mu_call_stream_write(struct mu_call *call, const void *data, size_t bytes)
{
        MU_ASSERT(call->stream);
        return mu_stream_write(call->stream, data, bytes);
}

int mu_call_stream_end(struct mu_call *call)
{
        MU_ASSERT(call->stream);
        return mu_stream_end(call->stream);
}

bool mu_call_streaming(const struct mu_call *call)
{
        return call->stream != NULL;
}

void mu_call_stream_leave(struct mu_call *call)
{
        if (!call->stream)
                return;
        mu_stream_leave(call->stream);
        call->stream = NULL;
        mu_offload_leave_stream(call->offload);
}
