/* SPDX-License-Identifier: Apache-2.0 */
#include "http/job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"

/* ---- the copy ---- */

static size_t copy_bytes(const struct mu_request *request)
{
        const h2o_req_t *req = request->h2o;
        size_t bytes =
                req->path.len + req->authority.len + request->body.bytes + MU_BODY_PADDING_BYTES;

        bytes += (req->headers.size + 1) * sizeof(struct mu_job_header);
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

static void copy_headers(struct mu_job *job, const h2o_req_t *req, char **at)
{
        for (size_t i = 0; i < req->headers.size; i++) {
                const h2o_header_t *header = &req->headers.entries[i];
                struct mu_job_header *copy = &job->headers[job->header_count++];

                copy->name = put(at, header->name->base, header->name->len);
                copy->value = put(at, header->value.base, header->value.len);
        }
        struct mu_job_header *host = &job->headers[job->header_count++];
        host->name = (struct mu_slice){"host", 4};
        host->value = put(at, req->authority.base, req->authority.len);
}

static void copy_params(struct mu_job *job, const struct mu_request *request)
{
        const struct mu_route_match *match = request->match;
        const char *path = request->h2o->path.base;

        for (uint32_t i = 0; match && i < match->param_count; i++) {
                const struct mu_route_param *param = &match->params[i];

                job->param_names[i] = (struct mu_slice){param->name, param->name_bytes};
                job->params[i] = (struct mu_slice){job->path.data + (param->value - path),
                                                   param->value_bytes};
                job->param_count++;
        }
}

struct mu_job *mu_job_create(struct mu_request *request)
{
        const h2o_req_t *req = request->h2o;
        size_t bytes = copy_bytes(request);
        struct mu_job *job = malloc(sizeof(*job) + bytes);

        if (!job)
                return NULL;
        memset(job, 0, sizeof(*job));
        job->headers = (struct mu_job_header *)(job + 1);
        char *at = (char *)(job->headers + req->headers.size + 1);

        struct mu_slice target = put(&at, req->path.base, req->path.len);
        struct mu_slice path = mu_request_path(request);
        struct mu_slice query = mu_request_query(request);
        job->path = (struct mu_slice){target.data, path.bytes};
        if (query.data)
                job->query =
                        (struct mu_slice){target.data + (query.data - req->path.base), query.bytes};
        copy_headers(job, req, &at);
        copy_params(job, request);
        job->body = put(&at, request->body.data, request->body.bytes);
        memset(at, 0, MU_BODY_PADDING_BYTES);
        at += MU_BODY_PADDING_BYTES;
        MU_ASSERT(at == (char *)(job + 1) + bytes);

        job->loop = mu_request_loop(request);
        job->route = request->route;
        job->address = mu_request_address(request);
        job->received_at_us = request->received_at_us;
        job->method = request->method;
        job->tls = mu_request_is_tls(request);
        snprintf(job->request_id, sizeof(job->request_id), "%s", mu_request_id(request));
        return job;
}

static void forget_reply(struct mu_job *job)
{
        for (uint32_t i = 0; i < job->reply_header_count; i++)
                free(job->reply_headers[i].value);
        job->reply_header_count = 0;
        free(job->reply);
        job->reply = NULL;
        job->reply_bytes = 0;
        job->status = 0;
}

void mu_job_destroy(struct mu_job *job)
{
        if (!job)
                return;
        forget_reply(job);
        while (job->decoded) {
                struct mu_job_decoded *next = job->decoded->next;

                free(job->decoded);
                job->decoded = next;
        }
        free(job);
}

static void run_delivery(struct mu_mail *mail, struct mu_loop *loop)
{
        struct mu_job *job = (struct mu_job *)mail;
        struct mu_request *request = mu_pending_request(job->pending);

        (void)loop;
        if (request) {
                for (uint32_t i = 0; i < job->reply_header_count; i++)
                        mu_reply_header(request, job->reply_headers[i].name,
                                        job->reply_headers[i].value);
                mu_reply(request, job->status, job->type, job->reply, job->reply_bytes);
        }
        mu_job_destroy(job);
}

void mu_job_deliver(struct mu_job *job)
{
        MU_ASSERT(job->status != 0);
        job->mail.run = run_delivery;
        mu_loop_send(job->loop, &job->mail);
}

/* ---- reading ---- */

struct mu_slice mu_job_body(const struct mu_job *job)
{
        return job->body;
}

enum mu_method mu_job_method(const struct mu_job *job)
{
        return job->method;
}

struct mu_slice mu_job_path(const struct mu_job *job)
{
        return job->path;
}

struct mu_slice mu_job_query(const struct mu_job *job)
{
        return job->query;
}

const struct mu_route *mu_job_route(const struct mu_job *job)
{
        return job->route;
}

bool mu_job_is_tls(const struct mu_job *job)
{
        return job->tls;
}

int64_t mu_job_received_at_us(const struct mu_job *job)
{
        return job->received_at_us;
}

struct mu_address mu_job_address(const struct mu_job *job)
{
        return job->address;
}

const char *mu_job_request_id(const struct mu_job *job)
{
        return job->request_id;
}

struct mu_slice mu_job_header(const struct mu_job *job, const char *name)
{
        size_t bytes = strlen(name);

        for (uint32_t i = 0; i < job->header_count; i++) {
                const struct mu_job_header *header = &job->headers[i];

                if (header->name.bytes == bytes && memcmp(header->name.data, name, bytes) == 0)
                        return header->value;
        }
        return (struct mu_slice){NULL, 0};
}

struct mu_slice mu_job_bearer(const struct mu_job *job)
{
        return mu_bearer_of(mu_job_header(job, "authorization"));
}

bool mu_job_content_type_is(const struct mu_job *job, const char *type)
{
        return mu_media_type_is(mu_job_header(job, "content-type"), type);
}

static struct mu_slice decode(struct mu_job *job, struct mu_slice encoded, bool plus)
{
        struct mu_job_decoded *decoded = malloc(sizeof(*decoded) + encoded.bytes + 1);
        size_t bytes;

        if (!decoded)
                return (struct mu_slice){NULL, 0};
        decoded->next = job->decoded;
        job->decoded = decoded;
        if (mu_percent_decode(encoded, plus, decoded->bytes, &bytes) < 0)
                return (struct mu_slice){NULL, 0};
        decoded->bytes[bytes] = '\0';
        return (struct mu_slice){decoded->bytes, bytes};
}

struct mu_slice mu_job_param(struct mu_job *job, const char *name)
{
        for (uint32_t i = 0; i < job->param_count; i++) {
                if (strlen(name) == job->param_names[i].bytes &&
                    memcmp(name, job->param_names[i].data, job->param_names[i].bytes) == 0)
                        return decode(job, job->params[i], false);
        }
        return (struct mu_slice){NULL, 0};
}

struct mu_slice mu_job_query_param(struct mu_job *job, const char *name)
{
        struct mu_slice encoded;

        if (!mu_query_find(job->query, name, &encoded))
                return (struct mu_slice){NULL, 0};
        return decode(job, encoded, true);
}

/* ---- answering ---- */

static void out_of_memory(struct mu_job *job)
{
        forget_reply(job);
        job->status = 503; /* without a body: there is no memory for one */
        job->type = NULL;
}

void mu_job_reply_owned(struct mu_job *job, int status, const char *type, char *body, size_t bytes)
{
        free(job->reply);
        job->reply = body;
        job->reply_bytes = bytes;
        job->status = status;
        job->type = type;
}

void mu_job_reply(struct mu_job *job, int status, const char *type, const void *body, size_t bytes)
{
        char *copy = NULL;

        if (bytes > 0) {
                copy = malloc(bytes);
                if (!copy) {
                        out_of_memory(job);
                        return;
                }
                memcpy(copy, body, bytes);
        }
        mu_job_reply_owned(job, status, type, copy, bytes);
}

void mu_job_reply_json(struct mu_job *job, int status, const char *json, size_t bytes)
{
        mu_job_reply(job, status, MU_TYPE_JSON, json, bytes);
}

void mu_job_reply_empty(struct mu_job *job, int status)
{
        mu_job_reply(job, status, NULL, NULL, 0);
}

void mu_job_reply_text(struct mu_job *job, int status, const char *type, struct mu_text *text)
{
        char *body;
        size_t bytes;

        if (mu_text_take(text, &body, &bytes) < 0) {
                out_of_memory(job);
                return;
        }
        mu_job_reply_owned(job, status, type, body, bytes);
}

static void problem(struct mu_job *job, int status, const char *slug, const char *field,
                    const char *format, va_list arguments)
{
        char detail[MU_PROBLEM_DETAIL_BYTES_MAX];
        struct mu_text text;

        int length = vsnprintf(detail, sizeof(detail), format, arguments);
        MU_ASSERT(length >= 0);
        mu_text_init(&text);
        mu_problem_format(&text, status, slug, field, detail, strlen(detail), job->request_id);
        mu_job_reply_text(job, status, MU_TYPE_PROBLEM, &text);
        mu_text_done(&text);
}

void mu_job_problem(struct mu_job *job, int status, const char *slug, const char *field,
                    const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        problem(job, status, slug, field, format, arguments);
        va_end(arguments);
}

void mu_job_problem_retry(struct mu_job *job, int status, const char *slug, uint32_t retry_after_s,
                          const char *format, ...)
{
        va_list arguments;
        char seconds[16];

        snprintf(seconds, sizeof(seconds), "%u", retry_after_s);
        va_start(arguments, format);
        problem(job, status, slug, NULL, format, arguments);
        va_end(arguments);
        mu_job_reply_header(job, "retry-after", seconds);
}

void mu_job_reply_header(struct mu_job *job, const char *name, const char *value)
{
        MU_ASSERT(!strpbrk(value, "\r\n") && job->reply_header_count < MU_REPLY_HEADERS_MAX);
        char *copy = strdup(value);

        if (!copy) {
                out_of_memory(job);
                return;
        }
        job->reply_headers[job->reply_header_count++] =
                (struct mu_job_reply_header){.name = name, .value = copy};
}

bool mu_job_replied(const struct mu_job *job)
{
        return job->status != 0;
}
