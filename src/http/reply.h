/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.h - answers, on the loop.
 *
 * Exactly one reply per request. The reply goes to the socket before the call returns (or is
 * queued when the peer reads slowly); the request, its slices and its memory are gone then.
 *
 * Headers    Always Date, Connection, Content-Length, and Content-Type when there is a body.
 *            Outside the data plane also X-Request-Id, Cache-Control: no-store,
 *            X-Content-Type-Options, X-Frame-Options, Content-Security-Policy, Referrer-Policy, and
 *            on TLS Strict-Transport-Security; on control routes, where origins are listed
 *            (origin.h), Vary and what CORS says to them. A problem carries X-Request-Id on every
 * route. Errors     mu_reply_problem: RFC 9457 application/problem+json
 *            {"type":"urn:muster:problem:<slug>","title","status","detail","field"?,"request_id"}.
 * Ownership  Bodies are copied, content types are literals. Formatted details need not be UTF-8.
 * Threads    The loop's.
 */
#ifndef MUSTER_HTTP_REPLY_H
#define MUSTER_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/request.h"
#include "muster/compiler.h"

#define MU_TYPE_JSON "application/json"
#define MU_TYPE_PROBLEM "application/problem+json"
#define MU_TYPE_TEXT "text/plain; charset=utf-8"
#define MU_TYPE_HTML "text/html; charset=utf-8"
#define MU_TYPE_BYTES "application/octet-stream"

enum mu_reply_limits {
        MU_PROBLEM_DETAIL_BYTES_MAX = 512, /* longer details are cut */
        MU_REPLY_HEADERS_MAX = 16,
};

/* body may be NULL when bytes is 0. type: one of the literals above or another literal. */
void mu_reply(struct mu_request *request, int status, const char *type, const void *body,
              size_t bytes);
/* The body is not copied but lent, and type with it: left(owner) is called once, on the loop, when
 * neither is read any more (the reply is sent, or its connection gone). */
void mu_reply_lent(struct mu_request *request, int status, const char *type, const void *body,
                   size_t bytes, void (*left)(void *owner), void *owner);
void mu_reply_json(struct mu_request *request, int status, const char *json, size_t bytes);
/* Without body: 204, 304, ... */
void mu_reply_empty(struct mu_request *request, int status);

/* slug: "json-syntax", "token-unknown", ...; field NULL: the request as a whole. */
void mu_reply_problem(struct mu_request *request, int status, const char *slug, const char *field,
                      const char *format, ...) MU_PRINTF(5, 6);
/* The same with Retry-After. */
void mu_reply_problem_retry(struct mu_request *request, int status, const char *slug,
                            uint32_t retry_after_s, const char *format, ...) MU_PRINTF(5, 6);

/* Before the reply. name: a lower-case literal; value is copied; CR and LF in it abort. */
void mu_reply_header(struct mu_request *request, const char *name, const char *value);
void mu_reply_retry_after(struct mu_request *request, uint32_t seconds);
/* Close the connection behind this reply. */
void mu_reply_close(struct mu_request *request);

/* mu_pending_request and mu_reply_json in one; false: the handle was dead, nothing happened. */
bool mu_pending_reply_json(struct mu_pending pending, int status, const char *json, size_t bytes);

/* The reason phrase; "Status" for unknown ones. Static. */
const char *mu_status_text(int status);

/* The body of a problem as text (request_id may be NULL). For calls and other planes. */
struct mu_text;
void mu_problem_format(struct mu_text *text, int status, const char *slug, const char *field,
                       const char *detail, size_t detail_bytes, const char *request_id);

#endif
