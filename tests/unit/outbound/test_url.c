/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/unit.h"

#include <errno.h>
#include <string.h>

#include "outbound/outbound.h"
#include "outbound/url.h"

static void where_requests_may_go(void **state)
{
        static const char *const good[] = {
                "https://fcm.googleapis.com/v1/projects/p/messages:send",
                "https://example.org:8443/x?y=z",
                "https://[2001:db8::1]/",
                "http://127.0.0.1:8080/token",
                "http://127.9.9.9/",
                "http://[::1]:80/",
                "http://localhost/",
        };
        static const char *const bad[] = {
                "",
                "example.org",
                "http://example.org/",
                "http://127.0.0.1.example.org/",
                "http://localhost.example.org/",
                "http://10.0.0.1/",
                "http://[::2]/",
                "https://user:password@example.org/",
                "https://user@example.org/",
                "https://example.org/\r\nX: y",
                "https://example.org/a b",
                "ftp://127.0.0.1/",
                "file:///etc/passwd",
                "gopher://127.0.0.1/",
                "smtp://127.0.0.1/",
                "https://",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                assert_int_equal(mu_outbound_check_url(good[i]), 0);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(mu_outbound_check_url(bad[i]), -EINVAL);
        assert_int_equal(mu_outbound_check_url(NULL), -EINVAL);
}

/* Any other writing of an address must not pass for loopback, nor loopback for another. */
static void other_writings_of_an_address(void **state)
{
        static const char *const schemes[] = {"http", NULL};
        struct mu_url url;

        (void)state;
        assert_int_equal(mu_url_parse("http://0x7f.1/", schemes, &url), 0);
        assert_true(url.loopback);
        assert_int_equal(mu_url_parse("http://0x0a000001/", schemes, &url), 0);
        assert_false(url.loopback);
}

static void a_text_names_no_more_than_the_origin(void **state)
{
        static const char *const schemes[] = {"https", NULL};
        struct mu_url url;

        (void)state;
        assert_int_equal(
                mu_url_parse("https://hooks.example.org:8443/secret?key=secret#x", schemes, &url),
                0);
        assert_string_equal(url.origin, "https://hooks.example.org:8443");
        assert_string_equal(url.scheme, "https");
        assert_false(url.loopback);
        assert_int_equal(mu_url_parse("http://127.0.0.1/", schemes, &url), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(where_requests_may_go),
                cmocka_unit_test(other_writings_of_an_address),
                cmocka_unit_test(a_text_names_no_more_than_the_origin),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
