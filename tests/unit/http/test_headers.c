/* SPDX-License-Identifier: Apache-2.0 */
/* Cookies, origins, addresses behind proxies: the rules by themselves. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/cookie.h"
#include "http/origin.h"
#include "http/proxy.h"
#include "muster/compiler.h"

static struct mu_slice slice(const char *text)
{
        return (struct mu_slice){text, strlen(text)};
}

/* ---- cookies ---- */

static void assert_cookie(const char *header, const char *name, const char *expected)
{
        struct mu_slice value = mu_cookie_find(slice(header), name);

        if (!expected) {
                assert_null(value.data);
                return;
        }
        assert_non_null(value.data);
        assert_int_equal(value.bytes, strlen(expected));
        assert_memory_equal(value.data, expected, value.bytes);
}

static void cookies_are_found(void **state)
{
        (void)state;
        assert_cookie("a=1; b=2; c=3", "b", "2");
        assert_cookie("a=1;b=2", "b", "2");
        assert_cookie("  b=2  ; a=1", "b", "2");
        assert_cookie("b=", "b", "");
        assert_cookie("b=\"2\"", "b", "2");
        assert_cookie("b=x=y==", "b", "x=y==");
        assert_cookie("__Host-refresh=abc-_.~", "__Host-refresh", "abc-_.~");
        assert_cookie("bad\x01=x; b=2; ;=; odd", "b", "2"); /* others' mess is theirs */
}

static void doubtful_cookies_are_not(void **state)
{
        char *large = malloc(MU_COOKIE_HEADER_BYTES_MAX + 2);

        (void)state;
        assert_cookie("", "b", NULL);
        assert_cookie("bb=1; ab=1; B=1", "b", NULL);
        assert_cookie("b", "b", NULL);
        assert_cookie("b =2", "b", NULL);
        assert_cookie("b=1; b=1", "b", NULL); /* planted by whom? */
        assert_cookie("b=1 2", "b", NULL);
        assert_cookie("b=1,2", "b", NULL);
        assert_cookie("b=\"1", "b", NULL);
        assert_cookie("b=\xc3\xa9", "b", NULL);
        assert_cookie("b=1\\2", "b", NULL);
        assert_null(mu_cookie_find((struct mu_slice){NULL, 0}, "b").data);
        assert_non_null(large);
        memset(large, 'x', MU_COOKIE_HEADER_BYTES_MAX + 1);
        memcpy(large, "b=1; c=", 7);
        struct mu_slice header = {large, MU_COOKIE_HEADER_BYTES_MAX};
        assert_non_null(mu_cookie_find(header, "b").data);
        header.bytes++;
        assert_null(mu_cookie_find(header, "b").data);
        free(large);
}

static void cookies_are_written(void **state)
{
        char out[MU_COOKIE_BYTES_MAX];
        char large[MU_COOKIE_BYTES_MAX];
        struct mu_cookie cookie = {.name = "__Host-refresh",
                                   .value = "abc",
                                   .max_age_s = 3600,
                                   .same_site = MU_SAME_SITE_STRICT,
                                   .http_only = true,
                                   .secure = true};

        (void)state;
        assert_int_equal(mu_cookie_format(&cookie, out), 0);
        assert_string_equal(out, "__Host-refresh=abc; Path=/; Max-Age=3600; HttpOnly; Secure; "
                                 "SameSite=Strict");
        cookie = (struct mu_cookie){.name = "theme",
                                    .value = "",
                                    .path = "/console",
                                    .max_age_s = MU_COOKIE_SESSION,
                                    .same_site = MU_SAME_SITE_LAX};
        assert_int_equal(mu_cookie_format(&cookie, out), 0);
        assert_string_equal(out, "theme=; Path=/console; SameSite=Lax");
        memset(large, 'x', sizeof(large) - 1);
        large[sizeof(large) - 1] = '\0';
        cookie.value = large;
        assert_int_equal(mu_cookie_format(&cookie, out), -EMSGSIZE);
}

/* ---- origins ---- */

static void origins_are_compared(void **state)
{
        static const struct {
                const char *origin;
                const char *host;
                bool tls;
                bool same;
        } cases[] = {
                {"http://a", "a", false, true},
                {"http://a:80", "a", false, true},
                {"http://a", "a:80", false, true},
                {"https://a", "a:443", true, true},
                {"HTTPS://A.Example:8443", "a.example:8443", true, true},
                {"https://[::1]:8443", "[::1]:8443", true, true},
                {"http://[::1]", "[::1]", false, true},
                {"https://a", "a", false, false},
                {"http://a", "a", true, false},
                {"http://a:81", "a", false, false},
                {"http://a.evil", "a", false, false},
                {"http://a/", "a", false, false},
                {"http://u@a", "a", false, false},
                {"http://a:", "a", false, false},
                {"http://a:080", "a", false, false},
                {"http://a:99999", "a", false, false},
                {"http://", "", false, false},
                {"null", "null", false, false},
                {"ftp://a", "a", false, false},
                {"http://[::1", "[::1", false, false},
                {"http://[a]", "[a]", false, false},
                {"http://a b", "a b", false, false},
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                if (mu_origin_is_host(slice(cases[i].origin), slice(cases[i].host), cases[i].tls) !=
                    cases[i].same)
                        fail_msg("%s against %s", cases[i].origin, cases[i].host);
        }
        assert_false(mu_origin_is_host((struct mu_slice){NULL, 0}, slice("a"), false));
}

static void origin_lists(void **state)
{
        char error[MU_ORIGINS_ERROR_BYTES];
        struct mu_origins *origins = NULL;

        (void)state;
        assert_int_equal(mu_origins_parse(" ,\t", &origins, error), 0);
        assert_null(origins);
        assert_false(mu_origins_contain(NULL, slice("http://a")));
        assert_int_equal(
                mu_origins_parse("https://a.example, http://b.example:3000", &origins, error), 0);
        assert_true(mu_origins_contain(origins, slice("https://a.example:443")));
        assert_true(mu_origins_contain(origins, slice("http://B.example:3000")));
        assert_false(mu_origins_contain(origins, slice("http://a.example")));
        assert_false(mu_origins_contain(origins, slice("http://b.example")));
        assert_false(mu_origins_contain(origins, slice("https://a.example.evil")));
        assert_false(mu_origins_contain(origins, slice("null")));
        assert_false(mu_origins_contain(origins, (struct mu_slice){NULL, 0}));
        mu_origins_destroy(origins);
        assert_int_equal(mu_origins_parse("https://a, a.example", &origins, error), -EINVAL);
        assert_non_null(strstr(error, "\"a.example\" is not an origin"));
        assert_int_equal(mu_origins_parse("https://a/path", &origins, error), -EINVAL);
        assert_int_equal(mu_origins_parse("*", &origins, error), -EINVAL);
}

/* ---- addresses ---- */

static void assert_address(const char *text, const char *expected)
{
        struct mu_address address;
        char printed[MU_ADDRESS_TEXT_BYTES];

        if (!expected) {
                assert_int_equal(mu_address_parse(slice(text), &address), -EINVAL);
                return;
        }
        assert_int_equal(mu_address_parse(slice(text), &address), 0);
        mu_address_format(address, printed);
        assert_string_equal(printed, expected);
}

static void addresses_are_read(void **state)
{
        static const char *const wrong[] = {
                "",       "x",          "1.2.3",   "1.2.3.4:",  "1.2.3.4:x", "1.2.3.256",
                "[::1",   "[::1]x",     "[::1]:",  "[1.2.3.4]", "::1%lo",    "1.2.3.4 ",
                "::1]:1", "1.2.3.4:1:", "unknown", "_hidden",   "[]",        ":::",
        };

        (void)state;
        assert_address("192.0.2.1", "192.0.2.1");
        assert_address("192.0.2.1:8080", "192.0.2.1");
        assert_address("2001:db8::1", "2001:db8::1");
        assert_address("[2001:db8::1]", "2001:db8::1");
        assert_address("[2001:db8::1]:443", "2001:db8::1");
        assert_address("::ffff:192.0.2.1", "192.0.2.1");
        for (size_t i = 0; i < MU_COUNT_OF(wrong); i++)
                assert_address(wrong[i], NULL);
}

static void assert_client(const char *trusted, const char *peer, const char *first,
                          const char *second, const char *expected)
{
        char error[MU_PROXIES_ERROR_BYTES];
        struct mu_slice values[2] = {slice(first), second ? slice(second) : slice("")};
        struct mu_proxies *proxies;
        struct mu_address address;
        char printed[MU_ADDRESS_TEXT_BYTES];

        assert_int_equal(mu_proxies_parse(trusted, &proxies, error), 0);
        assert_int_equal(mu_address_parse(slice(peer), &address), 0);
        mu_address_format(mu_forwarded_client(proxies, address, values, second ? 2 : 1), printed);
        assert_string_equal(printed, expected);
        mu_proxies_destroy(proxies);
}

static void the_client_is_behind_the_trusted(void **state)
{
        static const char trusted[] = "10.0.0.0/8, ::1, 2001:db8::/33";

        (void)state;
        assert_client(trusted, "10.1.1.1", "203.0.113.7", NULL, "203.0.113.7");
        assert_client(trusted, "::1", "203.0.113.7, 10.2.2.2", NULL, "203.0.113.7");
        /* What a client made up stands to the left of what the proxy wrote. */
        assert_client(trusted, "10.1.1.1", "1.1.1.1, 203.0.113.7", NULL, "203.0.113.7");
        assert_client(trusted, "10.1.1.1", "1.1.1.1", "203.0.113.7, 10.9.9.9", "203.0.113.7");
        assert_client(trusted, "10.1.1.1", "203.0.113.7", "10.9.9.9", "203.0.113.7");
        /* Not from a proxy: the header is a claim. */
        assert_client(trusted, "192.0.2.9", "203.0.113.7", NULL, "192.0.2.9");
        assert_client("", "10.1.1.1", "203.0.113.7", NULL, "10.1.1.1");
        /* The last one that is believed stands. */
        assert_client(trusted, "10.1.1.1", "203.0.113.7, unknown", NULL, "10.1.1.1");
        assert_client(trusted, "10.1.1.1", "203.0.113.7, unknown, 10.3.3.3", NULL, "10.3.3.3");
        assert_client(trusted, "10.1.1.1", "", NULL, "10.1.1.1");
        assert_client(trusted, "10.1.1.1", "10.4.4.4, 10.3.3.3", NULL, "10.4.4.4");
        /* Bits that are not whole bytes. */
        assert_client(trusted, "2001:db8:7fff::1", "203.0.113.7", NULL, "203.0.113.7");
        assert_client(trusted, "2001:db8:8000::1", "203.0.113.7", NULL, "2001:db8:8000::1");
        assert_client("0.0.0.0/0", "10.1.1.1", "2001:db8::5", NULL, "2001:db8::5");
}

static void hops_are_bounded(void **state)
{
        char header[16 * (MU_PROXY_HOPS_MAX + 2)];
        int bytes = snprintf(header, sizeof(header), "203.0.113.7");

        (void)state;
        for (int i = 1; i <= MU_PROXY_HOPS_MAX; i++) {
                assert_client("10.0.0.0/8", "10.0.0.1", header, NULL, "203.0.113.7");
                bytes += snprintf(header + bytes, sizeof(header) - (size_t)bytes, ",10.0.0.2");
        }
        assert_client("10.0.0.0/8", "10.0.0.1", header, NULL, "10.0.0.2");
}

static void proxy_lists(void **state)
{
        static const char *const wrong[] = {"10.0.0.0/33", "::/129",     "10.0.0/8",   "x",
                                            "10.0.0.0/",   "10.0.0.0/x", "1.2.3.4:80", "::1/1000"};
        char error[MU_PROXIES_ERROR_BYTES];
        struct mu_proxies *proxies = NULL;

        (void)state;
        assert_int_equal(mu_proxies_parse("", &proxies, error), 0);
        assert_null(proxies);
        for (size_t i = 0; i < MU_COUNT_OF(wrong); i++) {
                assert_int_equal(mu_proxies_parse(wrong[i], &proxies, error), -EINVAL);
                assert_non_null(strstr(error, "is not an address or a network"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(cookies_are_found),
                cmocka_unit_test(doubtful_cookies_are_not),
                cmocka_unit_test(cookies_are_written),
                cmocka_unit_test(origins_are_compared),
                cmocka_unit_test(origin_lists),
                cmocka_unit_test(addresses_are_read),
                cmocka_unit_test(the_client_is_behind_the_trusted),
                cmocka_unit_test(hops_are_bounded),
                cmocka_unit_test(proxy_lists),
        };

        return cmocka_run_group_tests_name("headers", tests, NULL, NULL);
}
