/* SPDX-License-Identifier: Apache-2.0 */
/* A server behind a proxy, called by other pages, with cookies: over real requests. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/cookie.h"
#include "http/origin.h"
#include "http/proxy.h"
#include "muster/compiler.h"
#include "server_fixture.h"

static struct site site;
static struct mu_proxies *proxies;
static struct mu_origins *origins;

/* ---- handlers ---- */

static void work_who(struct mu_call *call, void *state, void *ctx)
{
        char address[MU_ADDRESS_TEXT_BYTES], text[256];
        struct mu_slice cookie = mu_call_cookie(call, "sid");

        (void)state;
        (void)ctx;
        mu_address_format(mu_call_address(call), address);
        int bytes =
                snprintf(text, sizeof(text), "from=%s tls=%d sid=%.*s", address,
                         mu_call_is_tls(call), (int)cookie.bytes, cookie.data ? cookie.data : "");
        mu_call_reply(call, 200, MU_TYPE_TEXT, text, (size_t)bytes);
        mu_call_set_cookie(call, &(struct mu_cookie){.name = "__Host-a",
                                                     .value = "1",
                                                     .max_age_s = 60,
                                                     .http_only = true,
                                                     .secure = true});
        mu_call_set_cookie(call, &(struct mu_cookie){.name = "b", .value = "2"});
}

static void handle_who(struct mu_request *request, void *ctx)
{
        char address[MU_ADDRESS_TEXT_BYTES], text[256];
        struct mu_slice cookie = mu_request_cookie(request, "sid");

        (void)ctx;
        mu_address_format(mu_request_address(request), address);
        int bytes = snprintf(text, sizeof(text), "from=%s tls=%d sid=%.*s allowed=%d", address,
                             mu_request_is_tls(request), (int)cookie.bytes,
                             cookie.data ? cookie.data : "", mu_request_origin_allowed(request));
        mu_reply(request, 200, MU_TYPE_TEXT, text, (size_t)bytes);
}

static const struct mu_route routes[] = {
        {.method = "GET", .path = "/who", .work = work_who, .flags = MU_ROUTE_CONTROL},
        {.method = "DELETE", .path = "/who", .work = work_who, .flags = MU_ROUTE_CONTROL},
        {.method = "GET", .path = "/v1/who", .handle = handle_who, .flags = MU_ROUTE_DATA_PLANE},
};

static int setup(void **state)
{
        (void)state;
        site_init(&site);
        site.routes = routes;
        site.route_count = MU_COUNT_OF(routes);
        return 0;
}

static void trust(const char *text)
{
        char error[MU_PROXIES_ERROR_BYTES];

        assert_int_equal(mu_proxies_parse(text, &proxies, error), 0);
        site.config.trusted_proxies = proxies;
}

static void allow(const char *text)
{
        char error[MU_ORIGINS_ERROR_BYTES];

        assert_int_equal(mu_origins_parse(text, &origins, error), 0);
        site.config.cors_origins = origins;
}

static int teardown(void **state)
{
        (void)state;
        site_done(&site);
        mu_proxies_destroy(proxies);
        mu_origins_destroy(origins);
        proxies = NULL;
        origins = NULL;
        return 0;
}

#define GET(path, headers) "GET " path " HTTP/1.1\r\nHost: t\r\n" headers "\r\n"
#define FORWARDED "X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"

static void a_trusted_proxy_is_believed(void **state)
{
        struct peer peer;
        struct answer answer;

        (void)state;
        trust("127.0.0.0/8");
        site_start(&site);
        peer_open(&peer, site.port);
        peer_ask(&peer, GET("/who", FORWARDED), 200, "from=203.0.113.7 tls=1");
        peer_ask(&peer, GET("/v1/who", FORWARDED "Origin: https://t\r\n"), 200,
                 "from=203.0.113.7 tls=1 sid= allowed=1");
        peer_ask(&peer, GET("/who", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.8\r\n"),
                 200, "from=203.0.113.8 tls=0");
        peer_ask(&peer, GET("/who", "X-Forwarded-Proto: https, http\r\n"), 200,
                 "from=127.0.0.1 tls=0");
        peer_send(&peer, GET("/who", FORWARDED));
        peer_receive(&peer, false, &answer);
        assert_non_null(strstr(answer.head, "strict-transport-security: "));
        answer_done(&answer);
        peer_close(&peer);
}

static void nobody_else_is(void **state)
{
        struct peer peer;

        (void)state;
        trust("192.0.2.0/24");
        site_start(&site);
        peer_open(&peer, site.port);
        peer_ask(&peer, GET("/who", FORWARDED), 200, "from=127.0.0.1 tls=0");
        peer_ask(&peer, GET("/v1/who", FORWARDED), 200, "from=127.0.0.1 tls=0");
        peer_close(&peer);
}

static void cookies_go_both_ways(void **state)
{
        struct peer peer;
        struct answer answer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        peer_ask(&peer, GET("/v1/who", "Cookie: a=b; sid=xyz\r\n"), 200, "sid=xyz");
        peer_send(&peer, GET("/who", "Cookie: a=b; sid=xyz\r\n"));
        peer_receive(&peer, false, &answer);
        assert_non_null(strstr(answer.body, "sid=xyz"));
        assert_non_null(strstr(answer.head, "set-cookie: __Host-a=1; Path=/; Max-Age=60; HttpOnly; "
                                            "Secure; SameSite=Strict\r\n"));
        assert_non_null(
                strstr(answer.head, "set-cookie: b=2; Path=/; Max-Age=0; SameSite=Strict\r\n"));
        answer_done(&answer);
        peer_close(&peer);
}

/* head must have has (NULL: anything) and must not have lacks. */
static void expect_head(struct peer *peer, const char *request, int status, const char *has,
                        const char *lacks)
{
        struct answer answer;

        peer_send(peer, request);
        peer_receive(peer, strncmp(request, "HEAD", 4) == 0, &answer);
        if (answer.status != status || (has && !strstr(answer.head, has)) ||
            (lacks && strstr(answer.head, lacks)))
                fail_msg("%s\nexpected %d with \"%s\" and without \"%s\"", answer.head, status,
                         has ? has : "", lacks ? lacks : "");
        answer_done(&answer);
}

#define ORIGIN "Origin: https://console.example\r\n"
#define EVIL "Origin: https://evil.example\r\n"
#define ASK_DELETE "Access-Control-Request-Method: DELETE\r\n"
#define OPTIONS(path, headers) "OPTIONS " path " HTTP/1.1\r\nHost: t\r\n" headers "\r\n"
#define ALLOW_ORIGIN "access-control-allow-origin: https://console.example\r\n"

static void listed_origins_may_read(void **state)
{
        struct peer peer;

        (void)state;
        allow("https://console.example");
        site_start(&site);
        peer_open(&peer, site.port);
        expect_head(&peer, GET("/who", ORIGIN), 200, ALLOW_ORIGIN, NULL);
        expect_head(&peer, GET("/who", ORIGIN), 200, "access-control-allow-credentials: true\r\n",
                    NULL);
        expect_head(&peer, GET("/who", ORIGIN), 200, "vary: Origin\r\n", NULL);
        expect_head(&peer, GET("/who", EVIL), 200, "vary: Origin\r\n", "access-control");
        expect_head(&peer, GET("/who", ""), 200, "vary: Origin\r\n", "access-control");
        expect_head(&peer, GET("/v1/who", ORIGIN), 200, NULL, "access-control"); /* devices' */
        expect_head(&peer, GET("/nowhere", ORIGIN), 404, NULL, "access-control");
        peer_close(&peer);
}

static void preflights_are_answered(void **state)
{
        struct peer peer;

        (void)state;
        allow("https://console.example");
        site_start(&site);
        peer_open(&peer, site.port);
        expect_head(&peer, OPTIONS("/who", ORIGIN ASK_DELETE), 204, ALLOW_ORIGIN, NULL);
        expect_head(&peer, OPTIONS("/who", ORIGIN ASK_DELETE), 204,
                    "access-control-allow-methods: GET, HEAD, DELETE, OPTIONS\r\n", NULL);
        expect_head(&peer, OPTIONS("/who", ORIGIN ASK_DELETE), 204,
                    "access-control-allow-headers: authorization, content-type, idempotency-key",
                    NULL);
        expect_head(&peer, OPTIONS("/who", ORIGIN ASK_DELETE), 204,
                    "access-control-max-age: 600\r\n", NULL);
        expect_head(&peer, OPTIONS("/who", EVIL ASK_DELETE), 204, "allow: GET", "access-control");
        expect_head(&peer, OPTIONS("/who", ORIGIN), 204, "allow: GET", "access-control");
        expect_head(&peer, OPTIONS("/who", ORIGIN "Access-Control-Request-Method: PUT\r\n"), 204,
                    "allow: GET", "access-control");
        expect_head(&peer, OPTIONS("/v1/who", ORIGIN "Access-Control-Request-Method: GET\r\n"), 204,
                    "allow: GET", "access-control");
        expect_head(&peer, OPTIONS("/nowhere", ORIGIN ASK_DELETE), 404, NULL, "access-control");
        peer_close(&peer);
}

static void without_a_list_there_is_no_cors(void **state)
{
        struct peer peer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        expect_head(&peer, GET("/who", ORIGIN), 200, NULL, "access-control");
        expect_head(&peer, GET("/who", ORIGIN), 200, NULL, "vary");
        expect_head(&peer, OPTIONS("/who", ORIGIN ASK_DELETE), 204, "allow: ", "access-control");
        peer_close(&peer);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(a_trusted_proxy_is_believed), T(nobody_else_is),
                T(cookies_go_both_ways),        T(listed_origins_may_read),
                T(preflights_are_answered),     T(without_a_list_there_is_no_cors),
        };

        return cmocka_run_group_tests_name("front", tests, NULL, NULL);
}
