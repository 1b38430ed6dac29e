/* SPDX-License-Identifier: Apache-2.0 */
/* Matching of methods and paths, without a server. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/route.h"

static void handle(struct mu_request *request, void *ctx)
{
        (void)request;
        (void)ctx;
}

static const struct mu_route routes[] = {
        {.method = "GET", .path = "/a/{id}", .handle = handle},
        {.method = "DELETE", .path = "/a/{id}", .handle = handle},
        {.method = "GET", .path = "/a/special", .handle = handle},
        {.method = "GET", .path = "/a/{id}/b/{name}", .handle = handle},
        {.method = "POST", .path = "/hot", .handle = handle, .flags = MU_ROUTE_DATA_PLANE},
        {.method = "GET", .path = "/", .handle = handle},
        {.method = "PATCH", .path = "/a/special", .handle = handle},
};

static struct mu_router *router;

static int setup(void **state)
{
        (void)state;
        assert_int_equal(mu_router_create(&router), 0);
        assert_int_equal(mu_router_add(router, routes, sizeof(routes) / sizeof(routes[0]), &router),
                         0);
        mu_router_seal(router);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        mu_router_destroy(router);
        return 0;
}

static struct mu_route_match match(enum mu_method method, const char *path)
{
        struct mu_route_match found;

        mu_router_match(router, method, path, strlen(path), &found);
        return found;
}

#define BIT(method) (1u << MU_METHOD_##method)

static void finds_literals_before_patterns(void **state)
{
        (void)state;
        assert_int_equal(match(MU_METHOD_POST, "/hot").index, 4);
        assert_int_equal(match(MU_METHOD_POST, "/hot/").index, 4);
        assert_int_equal(match(MU_METHOD_GET, "/a/special").index, 2);
        assert_int_equal(match(MU_METHOD_GET, "/").index, 5);
        assert_int_equal(match(MU_METHOD_HEAD, "/").index, 5);
        assert_ptr_equal(mu_router_ctx_at(router, 3), &router);
        assert_int_equal(match(MU_METHOD_DELETE, "/a/special").index, MU_ROUTE_NONE);
        assert_int_equal(match(MU_METHOD_DELETE, "/a/special").allowed,
                         BIT(GET) | BIT(HEAD) | BIT(PATCH) | BIT(OPTIONS));
}

static void takes_parameters(void **state)
{
        (void)state;
        struct mu_route_match found = match(MU_METHOD_GET, "/a/1%20/b/x");
        assert_int_equal(found.index, 3);
        assert_int_equal(found.param_count, 2);
        assert_int_equal(found.params[0].name_bytes, 2);
        assert_memory_equal(found.params[0].name, "id", 2);
        assert_int_equal(found.params[0].value_bytes, 4);
        assert_memory_equal(found.params[0].value, "1%20", 4);
        assert_memory_equal(found.params[1].name, "name", 4);
        assert_memory_equal(found.params[1].value, "x", 1);
        assert_int_equal(match(MU_METHOD_GET, "/a/1").param_count, 1);
        assert_int_equal(match(MU_METHOD_GET, "/a/1/").param_count, 1);
}

static void tells_404_from_405(void **state)
{
        static const char *const unknown[] = {"/a",      "/a/",        "//",    "/a//b/x", "/a/1/b",
                                              "/a/1/b/", "/a/1/b/x/y", "/hott", "/ho",     "*",
                                              "",        "/A/1",       "/a/1//"};

        (void)state;
        for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
                struct mu_route_match found = match(MU_METHOD_GET, unknown[i]);

                assert_int_equal(found.index, MU_ROUTE_NONE);
                assert_int_equal(found.allowed, 0);
                assert_int_equal(found.param_count, 0);
        }
        assert_int_equal(match(MU_METHOD_GET, "/hot").allowed, BIT(POST) | BIT(OPTIONS));
        assert_int_equal(match(MU_METHOD_PUT, "/a/1").allowed,
                         BIT(GET) | BIT(HEAD) | BIT(DELETE) | BIT(OPTIONS));
        assert_int_equal(match(MU_METHOD_OTHER, "/a/1").index, MU_ROUTE_NONE);
}

static void the_rest_takes_what_nobody_knows(void **state)
{
        static const struct mu_route rest[] = {
                {.method = "GET", .path = MU_ROUTE_REST, .handle = handle}};

        (void)state;
        struct mu_router *sealed = router;

        assert_int_equal(mu_router_create(&router), 0);
        assert_int_equal(mu_router_add(router, rest, 1, NULL), 0);
        assert_int_equal(mu_router_add(router, routes, sizeof(routes) / sizeof(routes[0]), NULL),
                         0);
        mu_router_seal(router);
        assert_int_equal(match(MU_METHOD_GET, "/nowhere/x").index, 0);
        assert_int_equal(match(MU_METHOD_HEAD, "/nowhere/").index, 0);
        assert_int_equal(match(MU_METHOD_GET, "//").index, 0);
        assert_int_equal(match(MU_METHOD_POST, "/nowhere").index, MU_ROUTE_NONE);
        assert_int_equal(match(MU_METHOD_POST, "/nowhere").allowed, 0);
        assert_int_equal(match(MU_METHOD_OPTIONS, "/nowhere").allowed, 0);
        assert_int_equal(match(MU_METHOD_GET, "/a/special").index, 3);
        assert_int_equal(match(MU_METHOD_GET, "/hot").index, MU_ROUTE_NONE); /* 405 stays 405 */
        mu_router_destroy(router);
        router = sealed;
}

static void parses_methods(void **state)
{
        (void)state;
        assert_int_equal(mu_method_parse("GET", 3), MU_METHOD_GET);
        assert_int_equal(mu_method_parse("GETX", 3), MU_METHOD_GET);
        assert_int_equal(mu_method_parse("GETX", 4), MU_METHOD_OTHER);
        assert_int_equal(mu_method_parse("get", 3), MU_METHOD_OTHER);
        assert_int_equal(mu_method_parse("OTHER", 5), MU_METHOD_OTHER);
        assert_int_equal(mu_method_parse("", 0), MU_METHOD_OTHER);
        assert_string_equal(mu_method_name(MU_METHOD_DELETE), "DELETE");
}

static void adding_must_abort(const struct mu_route *route)
{
        int status = 0;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
                struct mu_router *fresh;

                (void)signal(SIGABRT, SIG_DFL); /* cmocka would catch it */
                (void)close(STDERR_FILENO);
                if (mu_router_create(&fresh) == 0 && mu_router_add(fresh, routes, 1, NULL) == 0)
                        _exit(mu_router_add(fresh, route, 1, NULL));
                _exit(1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void malformed_routes_abort(void **state)
{
        static const struct mu_route wrong[] = {
                {.method = "GET", .path = "/a/{id}", .handle = handle}, /* doubled */
                {.method = "HEAD", .path = "/x", .handle = handle},
                {.method = "BREW", .path = "/x", .handle = handle},
                {.method = "GET", .path = "x", .handle = handle},
                {.method = "GET", .path = "/x/", .handle = handle},
                {.method = "GET", .path = "/x{id}", .handle = handle},
                {.method = "GET", .path = "/{id", .handle = handle},
                {.method = "GET", .path = "/{}", .handle = handle},
                {.method = "GET", .path = "/{a}/{b}/{c}/{d}/{e}", .handle = handle},
                {.method = "GET", .path = "/x"},
                {.method = "GET", .path = "/x", .handle = handle, .flags = MU_ROUTE_CONTROL},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                adding_must_abort(&wrong[i]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(finds_literals_before_patterns),
                cmocka_unit_test(takes_parameters),
                cmocka_unit_test(tells_404_from_405),
                cmocka_unit_test(the_rest_takes_what_nobody_knows),
                cmocka_unit_test(parses_methods),
                cmocka_unit_test(malformed_routes_abort),
        };

        return cmocka_run_group_tests_name("route", tests, setup, teardown);
}
