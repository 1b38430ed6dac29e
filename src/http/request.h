/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.h - one HTTP request as a handler on the loop sees it.
 *
 * A thin view on h2o's request; nothing is copied until asked for. A connection has at most one
 * request at a time (HTTP/1.1, pipelined requests wait), and the view lies in the connection.
 *
 * Deferring  A handler that can't answer yet takes a struct mu_pending and returns. The handle is a
 *            value: connection and request number. When the request dies first (client cut off,
 *            stop deadline), the handle is dead: mu_pending_request gives NULL. Never keep a
 *            struct mu_request *.
 * Request id X-Request-Id is taken over when it is 1..64 of [A-Za-z0-9._-], otherwise one is made,
 *            on first use. Problems and replies of routes outside the data plane carry it as a
 *            header; a data-plane success does not, so a heartbeat pays nothing for it.
 * Units      bytes; *_us.
 * Threads    The loop's. mu_pending values may travel to other threads and come back.
 * Ownership  Slices live until the reply is sent. Memory from mu_request_alloc too.
 */
#ifndef MUSTER_HTTP_REQUEST_H
#define MUSTER_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/auth_failures.h"
#include "http/loop.h"
#include "http/route.h"
#include "muster/compiler.h"

enum mu_request_limits {
        MU_BODY_PADDING_BYTES = 64,
        MU_REQUEST_ID_BYTES_MAX = 64,
        MU_QUERY_PARAMS_MAX = 32,
        MU_ADDRESS_TEXT_BYTES = 46, /* INET6_ADDRSTRLEN */
};

/* Bytes of somebody else's, not terminated. data NULL: not there. */
struct mu_slice {
        const char *data;
        size_t bytes;
};

struct mu_request;

/* The body, contiguous, with MU_BODY_PADDING_BYTES readable (undefined) bytes behind it. */
struct mu_slice mu_request_body(const struct mu_request *request);
enum mu_method mu_request_method(const struct mu_request *request);
struct mu_slice mu_request_path(const struct mu_request *request);  /* as sent, without query */
struct mu_slice mu_request_query(const struct mu_request *request); /* behind '?', as sent */
const struct mu_route *mu_request_route(const struct mu_request *request);
struct mu_loop *mu_request_loop(const struct mu_request *request);
/* Behind a trusted proxy (proxy.h), this and the address are the client's, not the proxy's. */
bool mu_request_is_tls(const struct mu_request *request);
/* Wall clock, us: when the loop woke up for it. */
int64_t mu_request_received_at_us(const struct mu_request *request);

/* name in lower case. */
struct mu_slice mu_request_header(const struct mu_request *request, const char *name);
/* What follows "Bearer " in Authorization; data NULL when there is none. */
struct mu_slice mu_request_bearer(const struct mu_request *request);
/* True when the media type is type ("application/json"), whatever its parameters. */
bool mu_request_content_type_is(const struct mu_request *request, const char *type);
struct mu_address mu_request_address(const struct mu_request *request);
struct mu_slice mu_request_cookie(const struct mu_request *request, const char *name);
/* NUL-terminated. */
const char *mu_request_id(struct mu_request *request);

/* A path parameter, percent-decoded; data NULL when the pattern has no such name, or when its
 * encoding is broken or hides a NUL. */
struct mu_slice mu_request_param(struct mu_request *request, const char *name);
/* The first query parameter of that name, decoded ('+' is a space). */
struct mu_slice mu_request_query_param(struct mu_request *request, const char *name);

/* Lives as long as the request; never NULL. */
void *mu_request_alloc(struct mu_request *request, size_t bytes);

/* ---- deferred replies ---- */

struct mu_pending {
        struct mu_request *slot; /* private; only valid while number agrees */
        uint64_t number;         /* 0: never given out */
};

/* Call once, in the handler, instead of a reply. */
struct mu_pending mu_request_defer(struct mu_request *request);
/* The request, still unanswered; NULL when it died. On its loop's thread only. */
struct mu_request *mu_pending_request(struct mu_pending pending);

/* ---- text helpers, shared with calls ---- */

/* Percent-decodes in into out (room: in.bytes). -EBADMSG for a broken escape or a NUL. */
MU_MUST_CHECK
int mu_percent_decode(struct mu_slice in, bool plus_is_space, char *out, size_t *ret_bytes);

/* Looks for name in a query string, still encoded; compared after decoding. true when found. */
bool mu_query_find(struct mu_slice query, const char *name, struct mu_slice *ret_encoded);

/* true for 1..MU_REQUEST_ID_BYTES_MAX of [A-Za-z0-9._-]. */
bool mu_request_id_is_sane(struct mu_slice id);

/* "Bearer x" → x, scheme in any case, surrounding blanks cut. */
struct mu_slice mu_bearer_of(struct mu_slice authorization);

bool mu_media_type_is(struct mu_slice content_type, const char *type);

#endif
