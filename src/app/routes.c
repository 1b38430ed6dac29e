/* SPDX-License-Identifier: Apache-2.0 */
/* routes.c - what the daemon answers and to whom, as JSON: tests compare it with what they expect.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "app/app_private.h"
#include "control/endpoint.h"
#include "http/route.h"

static const char *access_name(enum mu_access access)
{
        switch (access) {
        case MU_ACCESS_PUBLIC:
                return "public";
        case MU_ACCESS_VIEWER:
                return "viewer";
        case MU_ACCESS_OPERATOR:
                return "operator";
        case MU_ACCESS_ADMIN:
                return "admin";
        case MU_ACCESS_ADMIN_KEY:
                return "admin-key";
        case MU_ACCESS_DEVICE:
                return "device";
        case MU_ACCESS_OWN:
                break;
        }
        return "own";
}

static const char *auth_name(enum mu_route_auth auth)
{
        switch (auth) {
        case MU_AUTH_NONE:
                return "public";
        case MU_AUTH_DEVICE:
                return "device";
        case MU_AUTH_ENROLMENT:
                return "own";
        case MU_AUTH_ADMIN_KEY:
                return "admin-key";
        case MU_AUTH_OPERATOR:
                break;
        }
        return "operator";
}

static json_t *endpoint_of(const struct mu_endpoint *endpoint)
{
        static const char *const limits[MU_LIMIT_GROUP_COUNT] = {
                [MU_LIMIT_GENERAL] = "general", [MU_LIMIT_NONE] = "none",
                [MU_LIMIT_LOGIN] = "login",     [MU_LIMIT_RESET] = "reset",
                [MU_LIMIT_BULK] = "bulk",
        };

        return json_pack("{s:s, s:s, s:s, s:b, s:s?, s:s, s:s}", "method", endpoint->method, "path",
                         endpoint->path, "access", access_name(endpoint->access), "admin_key",
                         (endpoint->flags & MU_ENDPOINT_ADMIN_KEY) != 0, "scope", endpoint->scope,
                         "limit", limits[endpoint->limit], "operation_id", endpoint->operation_id);
}

static json_t *route_of(const struct mu_route *route)
{
        return json_pack("{s:s, s:s, s:s, s:b, s:b, s:s?}", "method", route->method, "path",
                         route->path, "access", auth_name(route->auth), "websocket",
                         (route->flags & MU_ROUTE_WEBSOCKET) != 0, "data_plane",
                         (route->flags & MU_ROUTE_DATA_PLANE) != 0, "operation_id",
                         route->operation_id);
}

static int add_all(struct mu_app *app, json_t *list)
{
        int error = mu_app_add_routes(app);

        for (uint32_t i = 0; error == 0 && i < mu_router_count(app->router); i++)
                error = json_array_append_new(list, route_of(mu_router_at(app->router, i)));
        for (size_t i = 0; error == 0 && i < mu_endpoint_count(NULL); i++)
                error = json_array_append_new(list, endpoint_of(mu_endpoint_at(NULL, i)));
        return error;
}

int mu_app_print_routes(FILE *out)
{
        struct mu_app *app = calloc(1, sizeof(*app));
        json_t *list = json_array();
        int error = app && list ? mu_router_create(&app->router) : -ENOMEM;

        if (error == 0)
                error = add_all(app, list);
        if (error == 0 && (json_dumpf(list, out, JSON_INDENT(1)) < 0 || fputc('\n', out) == EOF))
                error = -EIO;
        json_decref(list);
        if (app)
                mu_router_destroy(app->router);
        free(app);
        return error;
}
