/* SPDX-License-Identifier: Apache-2.0 */
#include "http/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "http/hooks.h"
#include "http/origin.h"
#include "http/private.h"
#include "muster/histogram.h"

static const struct {
        int status;
        const char *text;
} statuses[] = {
        /* The hot ones first. */
        {202, "Accepted"},
        {200, "OK"},
        {101, "Switching Protocols"},
        {201, "Created"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {422, "Unprocessable Content"},
        {423, "Locked"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {507, "Insufficient Storage"},
};

const char *mu_status_text(int status)
{
        for (size_t i = 0; i < MU_COUNT_OF(statuses); i++) {
                if (statuses[i].status == status)
                        return statuses[i].text;
        }
        return "Status";
}

/* ---- headers ---- */

static void add_header(struct mu_request *request, const char *name, const char *value)
{
        h2o_req_t *req = request->h2o;

        h2o_add_header_by_str(&req->pool, &req->res.headers, name, strlen(name), 1, NULL, value,
                              strlen(value));
}

void mu_reply_header(struct mu_request *request, const char *name, const char *value)
{
        MU_ASSERT(!strpbrk(value, "\r\n"));
        h2o_iovec_t copy = h2o_strdup(&request->h2o->pool, value, SIZE_MAX);

        add_header(request, name, copy.base);
}

void mu_reply_retry_after(struct mu_request *request, uint32_t seconds)
{
        char value[16];

        snprintf(value, sizeof(value), "%u", seconds);
        mu_reply_header(request, "retry-after", value);
}

void mu_reply_close(struct mu_request *request)
{
        request->h2o->http1_is_persistent = 0;
}

static bool has_header(const struct mu_request *request, const char *name)
{
        return mu_headers_find(&request->h2o->res.headers, name, strlen(name)).data != NULL;
}

/* The pages of listed origins may read replies of the control plane. Whatever the origin, the reply
 * depends on it. */
static void add_cors_headers(struct mu_request *request)
{
        const struct mu_origins *origins = mu_request_loop(request)->server->config.cors_origins;

        if (!origins || !request->route || (request->route->flags & MU_ROUTE_CONTROL) == 0)
                return;
        mu_cors_add(request, origins);
        if (mu_origins_contain(origins, mu_request_header(request, "origin")))
                add_header(request, "access-control-expose-headers",
                           "x-request-id, retry-after, ratelimit, ratelimit-policy, etag, "
                           "location, content-disposition");
}

void mu_cors_add(struct mu_request *request, const struct mu_origins *origins)
{
        struct mu_slice origin = mu_request_header(request, "origin");
        h2o_req_t *req = request->h2o;

        add_header(request, "vary", "Origin");
        if (!mu_origins_contain(origins, origin))
                return;
        /* The slice lives as long as the request. */
        h2o_add_header_by_str(&req->pool, &req->res.headers,
                              H2O_STRLIT("access-control-allow-origin"), 1, NULL, origin.data,
                              origin.bytes);
        add_header(request, "access-control-allow-credentials", "true");
}

/* For what a browser may show. A page that needs more than nothing sets its own policy. */
static void add_security_headers(struct mu_request *request)
{
        if (!has_header(request, "cache-control"))
                add_header(request, "cache-control", "no-store");
        if (!has_header(request, "content-security-policy"))
                add_header(request, "content-security-policy",
                           "default-src 'none'; frame-ancestors 'none'");
        add_header(request, "x-content-type-options", "nosniff");
        add_header(request, "x-frame-options", "DENY");
        add_header(request, "referrer-policy", "no-referrer");
        if (mu_request_is_tls(request))
                add_header(request, "strict-transport-security", "max-age=31536000");
        add_cors_headers(request);
}

static bool is_data_plane(const struct mu_request *request)
{
        return request->route && (request->route->flags & MU_ROUTE_DATA_PLANE) != 0;
}

/* ---- sending ---- */

/* body lies in the request's pool. */
static void send_reply(struct mu_request *request, int status, const char *type, h2o_iovec_t body)
{
        static h2o_generator_t generator; /* h2o wants one; it never calls it for a whole reply */
        struct mu_loop *loop = mu_request_loop(request);
        h2o_req_t *req = request->h2o;
        bool without_body = request->method == MU_METHOD_HEAD || status == 204 || status == 304;

        MU_ASSERT(req);
        req->res.status = status;
        req->res.reason = mu_status_text(status);
        /* 204 and 304 have no Content-Length; h2o leaves it out when it is SIZE_MAX, and the
         * chunked coding too for these. */
        req->res.content_length = status == 204 || status == 304 ? SIZE_MAX : body.len;
        if (type)
                h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, type,
                               strlen(type));
        if (mu_loop_stopping(loop))
                req->http1_is_persistent = 0;
        uint64_t started_ns = request->started_ns;
        struct mu_histogram *duration_ns = mu_request_finish(request, status);
        h2o_start_response(req, &generator);
        h2o_send(req, &body, without_body || body.len == 0 ? 0 : 1, H2O_SEND_STATE_FINAL);
        mu_histogram_record(duration_ns, mu_loop_monotonic_exact_ns(loop) - started_ns);
}

void mu_reply(struct mu_request *request, int status, const char *type, const void *body,
              size_t bytes)
{
        h2o_iovec_t copy = {NULL, 0};

        MU_ASSERT(request->h2o);
        if (bytes > 0)
                copy = h2o_strdup(&request->h2o->pool, body, bytes);
        if (!is_data_plane(request)) {
                add_header(request, "x-request-id", mu_request_id(request));
                add_security_headers(request);
        }
        send_reply(request, status, type, copy);
}

struct lent {
        void (*left)(void *owner);
        void *owner;
};

static void end_lending(void *memory)
{
        struct lent *lent = memory;

        lent->left(lent->owner);
}

void mu_reply_lent(struct mu_request *request, int status, const char *type, const void *body,
                   size_t bytes, void (*left)(void *owner), void *owner)
{
        MU_ASSERT(request->h2o && !is_data_plane(request));
        /* Goes with the request's pool: after the last byte, whatever ends the request. */
        struct lent *lent = h2o_mem_alloc_shared(&request->h2o->pool, sizeof(*lent), end_lending);

        *lent = (struct lent){.left = left, .owner = owner};
        add_header(request, "x-request-id", mu_request_id(request));
        add_security_headers(request);
        send_reply(request, status, type, h2o_iovec_init(body, bytes));
}

void mu_reply_stream_head(struct mu_request *request, int status, const char *type)
{
        h2o_req_t *req = request->h2o;

        add_header(request, "x-request-id", mu_request_id(request));
        add_security_headers(request);
        h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, type,
                       strlen(type));
        req->res.status = status;
        req->res.reason = mu_status_text(status);
        req->res.content_length = SIZE_MAX; /* chunks */
        if (mu_loop_stopping(mu_request_loop(request)))
                req->http1_is_persistent = 0;
}

void mu_reply_json(struct mu_request *request, int status, const char *json, size_t bytes)
{
        mu_reply(request, status, MU_TYPE_JSON, json, bytes);
}

void mu_reply_empty(struct mu_request *request, int status)
{
        mu_reply(request, status, NULL, NULL, 0);
}

/* ---- problems ---- */

#define FIELD_BYTES_MAX 128 /* a name that a client made up may be longer */

void mu_problem_format(struct mu_text *text, int status, const char *slug, const char *field,
                       const char *detail, size_t detail_bytes, const char *request_id)
{
        mu_text_add(text, "{\"type\":\"urn:muster:problem:");
        mu_text_add(text, slug);
        mu_text_add(text, "\",\"title\":");
        mu_text_add_json(text, mu_status_text(status), strlen(mu_status_text(status)));
        mu_text_add_format(text, ",\"status\":%d,\"detail\":", status);
        mu_text_add_json(text, detail, detail_bytes);
        if (field) {
                mu_text_add(text, ",\"field\":");
                mu_text_add_json(text, field, strnlen(field, FIELD_BYTES_MAX));
        }
        if (request_id) {
                mu_text_add(text, ",\"request_id\":");
                mu_text_add_json(text, request_id, strlen(request_id));
        }
        mu_text_add(text, "}\n");
}

/* Escapes make at most six bytes of one. */
#define PROBLEM_BYTES_MAX (6 * MU_PROBLEM_DETAIL_BYTES_MAX + 2048)

static void reply_problem(struct mu_request *request, int status, const char *slug,
                          const char *field, const char *format, va_list arguments)
{
        char detail[MU_PROBLEM_DETAIL_BYTES_MAX];
        struct mu_text text;
        const char *id = mu_request_id(request);
        char *body = mu_request_alloc(request, PROBLEM_BYTES_MAX);

        int length = vsnprintf(detail, sizeof(detail), format, arguments);
        MU_ASSERT(length >= 0);
        mu_text_init_fixed(&text, body, PROBLEM_BYTES_MAX);
        mu_problem_format(&text, status, slug, field, detail, strlen(detail), id);
        MU_ASSERT(mu_text_status(&text) == 0);
        add_header(request, "x-request-id", id);
        if (!is_data_plane(request))
                add_security_headers(request);
        send_reply(request, status, MU_TYPE_PROBLEM, h2o_iovec_init(body, text.bytes));
}

void mu_reply_problem(struct mu_request *request, int status, const char *slug, const char *field,
                      const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        reply_problem(request, status, slug, field, format, arguments);
        va_end(arguments);
}

void mu_reply_problem_retry(struct mu_request *request, int status, const char *slug,
                            uint32_t retry_after_s, const char *format, ...)
{
        va_list arguments;

        mu_reply_retry_after(request, retry_after_s);
        va_start(arguments, format);
        reply_problem(request, status, slug, NULL, format, arguments);
        va_end(arguments);
}

bool mu_pending_reply_json(struct mu_pending pending, int status, const char *json, size_t bytes)
{
        struct mu_request *request = mu_pending_request(pending);

        if (!request)
                return false;
        mu_reply_json(request, status, json, bytes);
        return true;
}
