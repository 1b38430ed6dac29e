/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch.c - from h2o's request to the handler, and the end of every request.
 */
#include <string.h>

#include "base/assert.h"
#include "http/hooks.h"
#include "http/offload.h"
#include "http/origin.h"
#include "http/private.h"

static const char no_body[MU_BODY_PADDING_BYTES];

/* The body lies in h2o's input buffer, nearly always with room behind it; otherwise it is copied.
 */
static struct mu_slice padded_body(struct mu_request *request)
{
        h2o_req_t *req = request->h2o;
        h2o_buffer_t *input = mu_request_connection(request)->socket->input;

        if (req->entity.len == 0)
                return (struct mu_slice){no_body, 0};
        const char *room_end = input->_buf + input->capacity;
        if ((size_t)(room_end - (req->entity.base + req->entity.len)) >= MU_BODY_PADDING_BYTES)
                return (struct mu_slice){req->entity.base, req->entity.len};

        char *copy = h2o_mem_alloc_pool(&req->pool, req->entity.len + MU_BODY_PADDING_BYTES);
        memcpy(copy, req->entity.base, req->entity.len);
        memset(copy + req->entity.len, 0, MU_BODY_PADDING_BYTES);
        return (struct mu_slice){copy, req->entity.len};
}

static void bind_request(struct mu_request *request, struct mu_loop *loop, h2o_req_t *req)
{
        MU_ASSERT(!request->h2o);
        request->h2o = req;
        request->started_ns = mu_loop_monotonic_exact_ns(loop);
        request->received_at_us = loop->now_us;
        request->route = NULL;
        request->route_ctx = NULL;
        request->match = NULL;
        request->id = NULL;
        request->route_index = mu_router_count(loop->server->config.router);
        request->method = mu_method_parse(req->method.base, req->method.len);
        request->deferred = false;
        request->body = padded_body(request);
}

/* "GET, HEAD, OPTIONS" */
static void add_methods(struct mu_request *request, const char *name, uint32_t allowed)
{
        char list[96];
        struct mu_text text;

        mu_text_init_fixed(&text, list, sizeof(list));
        for (enum mu_method method = 0; method < MU_METHOD_OTHER; method++) {
                if ((allowed & (1u << method)) == 0)
                        continue;
                if (text.bytes > 0)
                        mu_text_add(&text, ", ");
                mu_text_add(&text, mu_method_name(method));
        }
        mu_reply_header(request, name, list);
}

/* A browser's question whether a page of another origin may send this (CORS preflight). false: not
 * one, or not about the control plane. */
static bool answer_preflight(struct mu_request *request, uint32_t allowed)
{
        const struct mu_server *server = mu_request_loop(request)->server;
        struct mu_slice method = mu_request_header(request, "access-control-request-method");
        struct mu_slice path = mu_request_path(request);
        struct mu_route_match match;

        if (!server->config.cors_origins || request->method != MU_METHOD_OPTIONS || !method.data)
                return false;
        mu_router_match(server->config.router, mu_method_parse(method.data, method.bytes),
                        path.data, path.bytes, &match);
        if (match.index == MU_ROUTE_NONE ||
            (mu_router_at(server->config.router, match.index)->flags & MU_ROUTE_CONTROL) == 0)
                return false;
        mu_cors_add(request, server->config.cors_origins);
        if (mu_origins_contain(server->config.cors_origins, mu_request_header(request, "origin"))) {
                add_methods(request, "access-control-allow-methods", allowed);
                mu_reply_header(request, "access-control-allow-headers",
                                "authorization, content-type, idempotency-key, if-match, "
                                "if-none-match, x-admin-key, x-request-id");
                mu_reply_header(request, "access-control-max-age", "600");
        }
        add_methods(request, "allow", allowed);
        mu_reply_empty(request, 204);
        return true;
}

void mu_reply_path_unknown(struct mu_request *request)
{
        struct mu_slice path = mu_request_path(request);

        request->route = NULL; /* counted as one that nobody answers */
        request->route_index = mu_router_count(mu_request_loop(request)->server->config.router);
        mu_reply_problem(request, 404, "path-unknown", NULL, "There is no %.*s here.",
                         (int)(path.bytes < 200 ? path.bytes : 200), path.data);
}

static void answer_unrouted(struct mu_request *request, uint32_t allowed)
{
        struct mu_slice path = mu_request_path(request);

        if (allowed == 0) {
                mu_reply_path_unknown(request);
                return;
        }
        if (answer_preflight(request, allowed))
                return;
        add_methods(request, "allow", allowed);
        if (request->method == MU_METHOD_OPTIONS) {
                mu_reply_empty(request, 204);
                return;
        }
        h2o_iovec_t method = request->h2o->method;
        mu_reply_problem(request, 405, "method-not-allowed", NULL,
                         "%.*s is not possible on %.*s; Allow lists what is.",
                         (int)(method.len < 32 ? method.len : 32), method.base,
                         (int)(path.bytes < 200 ? path.bytes : 200), path.data);
}

static void call_handler(struct mu_request *request, struct mu_loop *loop)
{
        const struct mu_route *route = request->route;

        if (request->body.bytes > route->body_bytes_max) {
                mu_reply_problem(request, 413, "body-too-large", NULL,
                                 "The body has %zu bytes; %s takes at most %u.",
                                 request->body.bytes, route->path, route->body_bytes_max);
                return;
        }
        if ((route->flags & MU_ROUTE_CONTROL) != 0)
                mu_offload_request(loop->server->config.control, request, route->work,
                                   request->route_ctx);
        else if ((route->flags & MU_ROUTE_PROBE) != 0)
                mu_offload_request(loop->server->config.probe, request, route->work,
                                   request->route_ctx);
        else if ((route->flags & MU_ROUTE_WEBSOCKET) == 0 || mu_ws_check_handshake(request))
                route->handle(request, request->route_ctx);
}

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
        struct mu_connection *connection = mu_connection_of(req->conn);
        struct mu_loop *loop = connection->loop;
        struct mu_request *request = &connection->request;
        const struct mu_router *router = loop->server->config.router;
        struct mu_route_match match;

        (void)self;
        bind_request(request, loop, req);
        uint64_t number = request->number;
        struct mu_slice path = mu_request_path(request);

        mu_router_match(router, request->method, path.data, path.bytes, &match);
        if (match.index == MU_ROUTE_NONE) {
                answer_unrouted(request, match.allowed);
                return 0;
        }
        request->route = mu_router_at(router, match.index);
        request->route_ctx = mu_router_ctx_at(router, match.index);
        request->route_index = match.index;
        if (match.param_count > 0) {
                request->match = h2o_mem_alloc_pool(&req->pool, sizeof(match));
                *request->match = match;
        }
        call_handler(request, loop);
        /* Neither answered nor deferred: the client would wait for ever. */
        MU_ASSERT(request->number != number || request->deferred);
        return 0;
}

struct mu_histogram *mu_request_finish(struct mu_request *request, int status)
{
        struct mu_loop *loop = mu_request_connection(request)->loop;
        struct mu_route_cells *cells = &loop->cells.routes[request->route_index];
        int class = status / 100 - 2;

        MU_ASSERT(request->h2o);
        mu_cell_add(&cells->status[class < 0                    ? 0
                                   : class >= MU_STATUS_CLASSES ? MU_STATUS_CLASSES - 1
                                                                : class],
                    1);
        request->h2o = NULL;
        request->number++;
        return cells->duration_ns;
}

/* h2o disposes of a request; its memory goes when we return. */
static void on_request_disposed(h2o_logger_t *self, h2o_req_t *req)
{
        struct mu_connection *connection = mu_connection_of(req->conn);
        struct mu_request *request = &connection->request;

        (void)self;
        if (request->h2o != req)
                return; /* answered, or an error that h2o answered itself */
        request->h2o = NULL;
        request->number++;
        mu_cell_add(&connection->loop->cells.aborted, 1);
}

void mu_dispatch_install(struct mu_server *server)
{
        h2o_pathconf_t *paths = &server->hostconf->fallback_path;

        h2o_create_handler(paths, sizeof(h2o_handler_t))->on_req = on_request;
        h2o_create_logger(paths, sizeof(h2o_logger_t))->log_access = on_request_disposed;
}

/* ---- deferring ---- */

struct mu_pending mu_request_defer(struct mu_request *request)
{
        MU_ASSERT(request->h2o && !request->deferred);
        request->deferred = true;
        return (struct mu_pending){.slot = request, .number = request->number};
}

struct mu_request *mu_pending_request(struct mu_pending pending)
{
        if (!pending.slot || pending.slot->number != pending.number)
                return NULL;
        MU_ASSERT(pending.slot->h2o);
        return pending.slot;
}
