/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.h - which function answers which method and path.
 *
 * Matching   On the path as sent, byte for byte: nothing is normalised, and an encoded literal
 *            ("/%76") matches nothing. A parameter {name} takes one non-empty segment and is
 *            percent-decoded. One trailing slash is ignored. Data-plane routes are tried first, by
 *            length and memcmp; then literals, then patterns, in the order they were added.
 *            HEAD is answered by GET without its body, OPTIONS by 204 and Allow; a known path with
 *            another method is 405 with Allow. MU_ROUTE_REST, a GET, takes the paths that no other
 *            route knows with any method.
 * Threads    add and seal: one thread, at start. Sealed it is read-only, any thread.
 * Ownership  Route tables and their strings are lent for ever (static const).
 * Errors     add: -ENOMEM; a malformed or doubled route is a mistake of ours and aborts.
 */
#ifndef MUSTER_HTTP_ROUTE_H
#define MUSTER_HTTP_ROUTE_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_request;
struct mu_call;
struct mu_router;

enum mu_method {
        MU_METHOD_GET,
        MU_METHOD_HEAD,
        MU_METHOD_POST,
        MU_METHOD_PUT,
        MU_METHOD_PATCH,
        MU_METHOD_DELETE,
        MU_METHOD_OPTIONS,
        MU_METHOD_OTHER, /* known to no route */
};

enum mu_route_flag {
        MU_ROUTE_DATA_PLANE = 1u << 0, /* on the loop, tried first, replies without extra headers */
        MU_ROUTE_CONTROL = 1u << 1,    /* work runs on a control worker */
        MU_ROUTE_PROBE = 1u << 2,      /* work runs on the probe worker, never behind PostgreSQL */
        MU_ROUTE_WEBSOCKET = 1u << 3,  /* GET, on the loop: handle accepts (websocket.h) */
        MU_ROUTE_ANY_ORIGIN = 1u << 4, /* with WEBSOCKET: whatever page asks */
};

/* Who may call: a hint for documentation and tests; the handler does the check. */
enum mu_route_auth {
        MU_AUTH_NONE,
        MU_AUTH_DEVICE,    /* Authorization: Bearer mu_... */
        MU_AUTH_ENROLMENT, /* X-Admin-Key or X-Enrolment-Token */
        MU_AUTH_ADMIN_KEY, /* X-Admin-Key */
        MU_AUTH_OPERATOR,  /* JWT or API token */
};

enum mu_route_limits {
        MU_ROUTE_PARAMS_MAX = 4,
        MU_ROUTES_MAX = 512,
};

struct mu_route {
        const char *method; /* "GET", "POST", ... never HEAD or OPTIONS */
        const char *path;   /* "/v1/heartbeat", "/admin/devices/{id}" */
        /* On the loop, when neither CONTROL nor PROBE: replies, defers or both later. */
        void (*handle)(struct mu_request *request, void *ctx);
        /* On a worker otherwise; state is what the pool's start made for this worker. */
        void (*work)(struct mu_call *call, void *state, void *ctx);
        uint32_t flags;          /* MU_ROUTE_* */
        uint32_t body_bytes_max; /* 0: the body must be empty (413) */
        enum mu_route_auth auth;
        const char *operation_id; /* OpenAPI; NULL: not documented */
};

MU_MUST_CHECK
int mu_router_create(struct mu_router **ret_router);
void mu_router_destroy(struct mu_router *router); /* NULL is a no-op */

/* ctx is given to the handlers of these routes. May be called once per module. */
MU_MUST_CHECK
int mu_router_add(struct mu_router *router, const struct mu_route *routes, size_t route_count,
                  void *ctx);
void mu_router_seal(struct mu_router *router);

/* Introspection: for metrics, OpenAPI and the test of undocumented routes. */
uint32_t mu_router_count(const struct mu_router *router);
const struct mu_route *mu_router_at(const struct mu_router *router, uint32_t index);
void *mu_router_ctx_at(const struct mu_router *router, uint32_t index);

struct mu_route_param {
        const char *name; /* in the pattern, not terminated */
        uint32_t name_bytes;
        uint32_t value_bytes;
        const char *value; /* in the request's path, still encoded */
};

struct mu_route_match {
        uint32_t index; /* of mu_router_at; MU_ROUTE_NONE */
        uint32_t param_count;
        uint32_t allowed; /* bits 1 << enum mu_method of the methods that this path knows */
        struct mu_route_param params[MU_ROUTE_PARAMS_MAX];
};

#define MU_ROUTE_NONE UINT32_MAX
#define MU_ROUTE_REST "/*"

enum mu_method mu_method_parse(const char *method, size_t bytes);
const char *mu_method_name(enum mu_method method);

/* path without query. index is set when path and method are known; otherwise allowed tells 404
 * (0) from 405. HEAD finds GET's route. */
void mu_router_match(const struct mu_router *router, enum mu_method method, const char *path,
                     size_t path_bytes, struct mu_route_match *ret_match);

#endif
