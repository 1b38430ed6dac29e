/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint.c - the engine: a request's way to its handler and back (endpoint.h has the drawing). */
#include "control/endpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/endpoint_private.h"
#include "control/guard.h"
#include "control/idempotency.h"
#include "muster/wire.h"

enum {
        BODY_BYTES_DEFAULT = 64 * 1024,
};

/* A row as a route's ctx. */
struct bound {
        struct mu_control *control;
        const struct mu_endpoint *endpoint;
};

struct mu_endpoint_table {
        struct bound *bound;
        struct mu_route *routes;
        size_t count;
};

static bool is_unsafe(const struct mu_endpoint *endpoint)
{
        return strcmp(endpoint->method, "GET") != 0 &&
               (endpoint->flags & MU_ENDPOINT_READ_ONLY) == 0;
}

bool mu_endpoint_is_transaction(const struct mu_endpoint *endpoint)
{
        return is_unsafe(endpoint) &&
               (endpoint->flags & (MU_ENDPOINT_OWN_TRANSACTION | MU_ENDPOINT_NO_DATABASE)) == 0;
}

/* ---- input ---- */

static bool refuse_input(struct mu_ask *ask, int error, const struct mu_shape_problem *problem)
{
        if (error == -EBADMSG)
                mu_call_problem(ask->call, problem->status, problem->slug,
                                *problem->path ? problem->path : NULL, "%s", problem->detail);
        else
                mu_control_failed(ask->control, ask->call, NULL, error);
        return false;
}

static bool read_query(struct mu_ask *ask)
{
        static const struct mu_shape none = {.name = "None"};
        const struct mu_shape *shape = ask->endpoint->query;
        struct mu_slice query = mu_call_query(ask->call);
        bool from_agent =
                ask->endpoint->access == MU_ACCESS_DEVICE || ask->endpoint->access == MU_ACCESS_OWN;
        struct mu_shape_problem problem;

        /* An agent in the field may send more than we know of. */
        if (!shape && (query.bytes == 0 || from_agent))
                return true;
        int error = mu_shape_parse_query(shape ? shape : &none, query, &ask->query, &problem);

        return error == 0 || refuse_input(ask, error, &problem);
}

static bool read_body(struct mu_ask *ask)
{
        const struct mu_shape *shape = ask->endpoint->body;
        struct mu_slice body = mu_call_body(ask->call);
        struct mu_shape_problem problem;

        if (!shape || (ask->endpoint->flags & MU_ENDPOINT_RAW_BODY) != 0)
                return true;
        /* A form on a foreign page can send any other type without asking first. */
        if (body.bytes > 0 && mu_call_header(ask->call, "content-type").data &&
            !mu_call_content_type_is(ask->call, MU_CONTENT_TYPE_JSON)) {
                mu_call_problem(ask->call, 415, "content-type", NULL,
                                "The body must be sent as \"Content-Type: application/json\".");
                return false;
        }
        int error = mu_shape_parse_body(shape, body, &ask->body, &problem);

        return error == 0 || refuse_input(ask, error, &problem);
}

/* ---- the handler, and what it leaves ---- */

static bool succeeded(const struct mu_call *call)
{
        return mu_call_status(call) >= 200 && mu_call_status(call) < 400;
}

/* Up to, and without, the COMMIT. False: answered, and to be rolled back. */
static bool work(struct mu_ask *ask, const struct mu_idempotency *key)
{
        if (key->wanted && !mu_idempotency_begin(ask, key))
                return false;
        ask->endpoint->handle(ask);
        if (!succeeded(ask->call))
                return false;
        int error = key->wanted ? mu_idempotency_keep(ask, key) : 0;

        if (error < 0)
                mu_ask_failed(ask, error);
        return error == 0;
}

/* True: committed. */
static bool run_transaction(struct mu_ask *ask)
{
        struct mu_idempotency key;

        if (!mu_idempotency_read(ask, &key))
                return false;
        int error = mu_pg_begin(ask->pg);

        if (error == 0) {
                if (!work(ask, &key)) {
                        mu_pg_rollback(ask->pg);
                        return false;
                }
                error = mu_pg_commit(ask->pg);
        }
        if (error == 0)
                return true;
        mu_ask_failed(ask, error);
        mu_pg_rollback(ask->pg);
        return false;
}

static void run_after_commit(struct mu_ask *ask, bool committed)
{
        for (uint32_t i = 0; i < ask->after_commit_count; i++) {
                if (committed)
                        ask->after_commit[i].call(ask->control, ask->after_commit[i].arg);
                free(ask->after_commit[i].arg);
        }
}

static void handle(struct mu_ask *ask)
{
        bool no_database = (ask->endpoint->flags & MU_ENDPOINT_NO_DATABASE) != 0;

        if (no_database)
                mu_guard_give_back(ask);
        else if (!mu_guard_borrow(ask))
                return;
        /* A stream's head goes out when it begins. */
        if ((ask->endpoint->flags & MU_ENDPOINT_STREAM) != 0)
                mu_guard_limit_fields(ask);
        bool done = true;

        if (mu_endpoint_is_transaction(ask->endpoint))
                done = run_transaction(ask);
        else
                ask->endpoint->handle(ask);
        run_after_commit(ask, done && succeeded(ask->call));
}

static void run(struct mu_call *call, void *state, void *ctx)
{
        const struct bound *bound = ctx;
        struct mu_ask ask = {.call = call, .control = bound->control, .endpoint = bound->endpoint};

        (void)state;
        mu_address_format(mu_call_address(call), ask.address);
        if (mu_guard_admit(&ask) && read_query(&ask) && read_body(&ask))
                handle(&ask);
        mu_guard_give_back(&ask);
        mu_guard_note_refusal(&ask);
        if (!mu_call_streaming(call) && (ask.endpoint->flags & MU_ENDPOINT_STREAM) == 0)
                mu_guard_limit_fields(&ask);
        json_decref(ask.body);
        json_decref(ask.query);
}

/* ---- rows to routes ---- */

static enum mu_route_auth auth_of(const struct mu_endpoint *endpoint)
{
        switch (endpoint->access) {
        case MU_ACCESS_PUBLIC:
                return MU_AUTH_NONE;
        case MU_ACCESS_VIEWER:
        case MU_ACCESS_OPERATOR:
        case MU_ACCESS_ADMIN:
                return MU_AUTH_OPERATOR;
        case MU_ACCESS_ADMIN_KEY:
                return MU_AUTH_ADMIN_KEY;
        case MU_ACCESS_DEVICE:
                return MU_AUTH_DEVICE;
        case MU_ACCESS_OWN:
                break;
        }
        return MU_AUTH_ENROLMENT;
}

static uint32_t body_bytes_of(const struct mu_endpoint *endpoint)
{
        if (endpoint->body_bytes_max > 0)
                return endpoint->body_bytes_max;
        return endpoint->body || (endpoint->flags & MU_ENDPOINT_RAW_BODY) != 0 ? BODY_BYTES_DEFAULT
                                                                               : 0;
}

/* Mistakes of ours. */
static void check_row(const struct mu_endpoint *endpoint)
{
        bool on_loop_types = endpoint->reply_status >= 200 && endpoint->reply_status < 300;

        MU_ASSERT(endpoint->handle && on_loop_types);
        MU_ASSERT(endpoint->limit < MU_LIMIT_GROUP_COUNT);
        MU_ASSERT(endpoint->operation_id && endpoint->tag && endpoint->summary);
}

static struct mu_route route_of(const struct mu_endpoint *endpoint)
{
        check_row(endpoint);
        return (struct mu_route){.method = endpoint->method,
                                 .path = endpoint->path,
                                 .work = run,
                                 .flags = MU_ROUTE_CONTROL,
                                 .body_bytes_max = body_bytes_of(endpoint),
                                 .auth = auth_of(endpoint),
                                 .operation_id = endpoint->operation_id};
}

int mu_endpoint_table_create(struct mu_control *control, struct mu_endpoint_table **ret_table)
{
        size_t count = mu_endpoint_count(control);
        struct mu_endpoint_table *table = calloc(1, sizeof(*table));

        if (!table)
                return -ENOMEM;
        table->count = count;
        table->bound = calloc(count, sizeof(*table->bound));
        table->routes = calloc(count, sizeof(*table->routes));
        if (!table->bound || !table->routes) {
                mu_endpoint_table_destroy(table);
                return -ENOMEM;
        }
        for (size_t i = 0; i < count; i++) {
                table->bound[i] = (struct bound){control, mu_endpoint_at(control, i)};
                table->routes[i] = route_of(mu_endpoint_at(control, i));
        }
        *ret_table = table;
        return 0;
}

void mu_endpoint_table_destroy(struct mu_endpoint_table *table)
{
        if (!table)
                return;
        free(table->bound);
        free(table->routes);
        free(table);
}

int mu_endpoint_table_add(struct mu_endpoint_table *table, struct mu_router *router)
{
        int error = 0;

        for (size_t i = 0; i < table->count && error == 0; i++)
                error = mu_router_add(router, &table->routes[i], 1, &table->bound[i]);
        return error;
}
