/* SPDX-License-Identifier: Apache-2.0 */
#include "http/route.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

struct entry {
        const struct mu_route *route;
        void *ctx;
        uint32_t path_bytes;
        enum mu_method method;
        bool pattern; /* has a {parameter} */
};

struct mu_router {
        struct entry *entries; /* as added: the index is the caller's handle */
        uint32_t *order;       /* data plane first, then literals, then patterns */
        uint32_t count;
        uint32_t literal_count; /* of order */
        uint32_t rest;          /* MU_ROUTE_REST's index, or MU_ROUTE_NONE */
        bool sealed;
};

static const char *const method_names[] = {
        [MU_METHOD_GET] = "GET",         [MU_METHOD_HEAD] = "HEAD",   [MU_METHOD_POST] = "POST",
        [MU_METHOD_PUT] = "PUT",         [MU_METHOD_PATCH] = "PATCH", [MU_METHOD_DELETE] = "DELETE",
        [MU_METHOD_OPTIONS] = "OPTIONS", [MU_METHOD_OTHER] = "OTHER",
};

enum mu_method mu_method_parse(const char *method, size_t bytes)
{
        /* The hot one first. */
        if (bytes == 4 && memcmp(method, "POST", 4) == 0)
                return MU_METHOD_POST;
        for (enum mu_method i = 0; i < MU_METHOD_OTHER; i++) {
                if (strlen(method_names[i]) == bytes && memcmp(method_names[i], method, bytes) == 0)
                        return i;
        }
        return MU_METHOD_OTHER;
}

const char *mu_method_name(enum mu_method method)
{
        MU_ASSERT(method <= MU_METHOD_OTHER);
        return method_names[method];
}

/* ---- building ---- */

int mu_router_create(struct mu_router **ret_router)
{
        struct mu_router *router = calloc(1, sizeof(*router));

        if (!router)
                return -ENOMEM;
        router->entries = calloc(MU_ROUTES_MAX, sizeof(*router->entries));
        router->order = calloc(MU_ROUTES_MAX, sizeof(*router->order));
        router->rest = MU_ROUTE_NONE;
        if (!router->entries || !router->order) {
                mu_router_destroy(router);
                return -ENOMEM;
        }
        *ret_router = router;
        return 0;
}

void mu_router_destroy(struct mu_router *router)
{
        if (!router)
                return;
        free(router->entries);
        free(router->order);
        free(router);
}

/* Mistakes of ours: a route that could never match, or would hide another. */
static void check_route(const struct mu_router *router, const struct mu_route *route,
                        enum mu_method method)
{
        bool offloaded = (route->flags & (MU_ROUTE_CONTROL | MU_ROUTE_PROBE)) != 0;
        size_t params = 0;

        MU_ASSERT(method != MU_METHOD_OTHER && method != MU_METHOD_HEAD &&
                  method != MU_METHOD_OPTIONS);
        MU_ASSERT(route->path[0] == '/');
        MU_ASSERT(route->path[1] == '\0' || route->path[strlen(route->path) - 1] != '/');
        MU_ASSERT(offloaded ? route->work && !route->handle : route->handle && !route->work);
        MU_ASSERT(!(offloaded && (route->flags & MU_ROUTE_DATA_PLANE) != 0));
        MU_ASSERT((route->flags & MU_ROUTE_WEBSOCKET) == 0 ||
                  (!offloaded && method == MU_METHOD_GET));
        for (const char *at = route->path; (at = strchr(at, '{')) != NULL; at++) {
                MU_ASSERT(at[-1] == '/' && at[1] != '}' && strchr(at, '}'));
                MU_ASSERT(strchr(at, '}')[1] == '/' || strchr(at, '}')[1] == '\0');
                params++;
        }
        MU_ASSERT(params <= MU_ROUTE_PARAMS_MAX);
        for (uint32_t i = 0; i < router->count; i++)
                MU_ASSERT(router->entries[i].method != method ||
                          strcmp(router->entries[i].route->path, route->path) != 0);
}

int mu_router_add(struct mu_router *router, const struct mu_route *routes, size_t route_count,
                  void *ctx)
{
        MU_ASSERT(!router->sealed && route_count <= MU_ROUTES_MAX - router->count);
        for (size_t i = 0; i < route_count; i++) {
                const struct mu_route *route = &routes[i];
                enum mu_method method = mu_method_parse(route->method, strlen(route->method));

                check_route(router, route, method);
                if (strcmp(route->path, MU_ROUTE_REST) == 0) {
                        MU_ASSERT(method == MU_METHOD_GET);
                        router->rest = router->count;
                }
                router->entries[router->count++] =
                        (struct entry){.route = route,
                                       .ctx = ctx,
                                       .path_bytes = (uint32_t)strlen(route->path),
                                       .method = method,
                                       .pattern = strchr(route->path, '{') != NULL};
        }
        return 0;
}

static bool belongs(const struct entry *entry, int pass)
{
        bool data_plane = (entry->route->flags & MU_ROUTE_DATA_PLANE) != 0;

        if (entry->pattern)
                return pass == 2;
        return pass == (data_plane ? 0 : 1);
}

void mu_router_seal(struct mu_router *router)
{
        uint32_t n = 0;

        for (int pass = 0; pass < 3; pass++) {
                for (uint32_t i = 0; i < router->count; i++) {
                        if (belongs(&router->entries[i], pass))
                                router->order[n++] = i;
                }
                if (pass == 1)
                        router->literal_count = n;
        }
        MU_ASSERT(n == router->count);
        router->sealed = true;
}

uint32_t mu_router_count(const struct mu_router *router)
{
        return router->count;
}

const struct mu_route *mu_router_at(const struct mu_router *router, uint32_t index)
{
        MU_ASSERT(index < router->count);
        return router->entries[index].route;
}

void *mu_router_ctx_at(const struct mu_router *router, uint32_t index)
{
        MU_ASSERT(index < router->count);
        return router->entries[index].ctx;
}

/* ---- matching ---- */

/* One segment of pattern against one of path; both stand behind a slash. */
static bool match_pattern(const char *pattern, const char *path, size_t path_bytes,
                          struct mu_route_match *match)
{
        const char *end = path + path_bytes;

        match->param_count = 0;
        while (*pattern && path < end) {
                if (*pattern != '{') {
                        if (*pattern++ != *path++)
                                return false;
                        continue;
                }
                const char *name = pattern + 1;
                const char *close = strchr(name, '}');
                const char *value = path;

                while (path < end && *path != '/')
                        path++;
                if (path == value)
                        return false;
                match->params[match->param_count++] =
                        (struct mu_route_param){.name = name,
                                                .name_bytes = (uint32_t)(close - name),
                                                .value = value,
                                                .value_bytes = (uint32_t)(path - value)};
                pattern = close + 1;
        }
        return *pattern == '\0' && path == end;
}

static bool match_path(const struct entry *entry, const char *path, size_t path_bytes,
                       struct mu_route_match *match)
{
        if (entry->pattern)
                return match_pattern(entry->route->path, path, path_bytes, match);
        return entry->path_bytes == path_bytes && memcmp(entry->route->path, path, path_bytes) == 0;
}

void mu_router_match(const struct mu_router *router, enum mu_method method, const char *path,
                     size_t path_bytes, struct mu_route_match *ret_match)
{
        enum mu_method wanted = method == MU_METHOD_HEAD ? MU_METHOD_GET : method;

        MU_ASSERT(router->sealed);
        ret_match->index = MU_ROUTE_NONE;
        ret_match->param_count = 0;
        ret_match->allowed = 0;
        if (path_bytes > 1 && path[path_bytes - 1] == '/' && path[path_bytes - 2] != '/')
                path_bytes--;
        for (uint32_t i = 0; i < router->count; i++) {
                const struct entry *entry = &router->entries[router->order[i]];

                /* A literal path hides the patterns that it would fit too. */
                if (i == router->literal_count && ret_match->allowed != 0)
                        break;
                if (!match_path(entry, path, path_bytes, ret_match))
                        continue;
                if (entry->method == wanted) {
                        ret_match->index = router->order[i];
                        return;
                }
                ret_match->allowed |= 1u << entry->method;
        }
        ret_match->param_count = 0;
        if (ret_match->allowed == 0 && wanted == MU_METHOD_GET)
                ret_match->index = router->rest;
        if ((ret_match->allowed & (1u << MU_METHOD_GET)) != 0)
                ret_match->allowed |= 1u << MU_METHOD_HEAD;
        if (ret_match->allowed != 0)
                ret_match->allowed |= 1u << MU_METHOD_OPTIONS;
}
