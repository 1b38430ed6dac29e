/* SPDX-License-Identifier: Apache-2.0 */
/* Escapes, query strings, small header values. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/request.h"

static struct mu_slice slice(const char *text)
{
        return (struct mu_slice){text, strlen(text)};
}

static void assert_decodes(const char *in, bool plus, const char *expected)
{
        char out[64];
        size_t bytes = 99;

        assert_int_equal(mu_percent_decode(slice(in), plus, out, &bytes), 0);
        assert_int_equal(bytes, strlen(expected));
        assert_memory_equal(out, expected, bytes);
}

static void decodes(void **state)
{
        static const char *const broken[] = {"%", "%4", "a%", "%zz", "%4z", "%z4", "%00", "x%00y"};
        char out[64];
        size_t bytes = 99;

        (void)state;
        assert_decodes("", false, "");
        assert_decodes("a%41%2f%2F%7e", false, "aA//~");
        assert_decodes("a+b", false, "a+b");
        assert_decodes("a+b%2B", true, "a b+");
        assert_decodes("%C3%A9", true, "\xc3\xa9");
        assert_decodes("%2541", true, "%41"); /* once */
        for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
                assert_int_equal(mu_percent_decode(slice(broken[i]), true, out, &bytes), -EBADMSG);
        assert_int_equal(mu_percent_decode((struct mu_slice){"a\0b", 3}, true, out, &bytes),
                         -EBADMSG);
        assert_int_equal(bytes, 99); /* untouched on failure */
}

static void assert_finds(const char *query, const char *name, const char *expected)
{
        struct mu_slice value = {NULL, 0};
        bool found = mu_query_find(slice(query), name, &value);

        assert_int_equal(found, expected != NULL);
        if (expected) {
                assert_int_equal(value.bytes, strlen(expected));
                assert_memory_equal(value.data, expected, value.bytes);
        }
}

static void finds_query_parameters(void **state)
{
        char many[512] = "";

        (void)state;
        assert_finds("a=1&b=2", "b", "2");
        assert_finds("a=1&a=2", "a", "1");
        assert_finds("a", "a", "");
        assert_finds("a=", "a", "");
        assert_finds("&&a=1=2&", "a", "1=2");
        assert_finds("%61=1", "a", "1");
        assert_finds("a+b=1", "a b", "1");
        assert_finds("ab=1", "a", NULL);
        assert_finds("a=1", "ab", NULL);
        assert_finds("%=1&a=2", "a", "2");
        assert_finds("%00=1", "", NULL);
        assert_finds("", "a", NULL);
        assert_false(mu_query_find((struct mu_slice){NULL, 0}, "a", &(struct mu_slice){0}));
        /* Bounded: the 33rd parameter is not looked at. */
        for (int i = 0; i < 33; i++)
                snprintf(many + strlen(many), 16, "p%d=1&", i);
        assert_finds(many, "p31", "1");
        assert_finds(many, "p32", NULL);
}

static void judges_request_ids(void **state)
{
        char long_id[66];

        (void)state;
        memset(long_id, 'a', 65);
        long_id[65] = '\0';
        assert_true(mu_request_id_is_sane(slice("a")));
        assert_true(mu_request_id_is_sane(slice("Az09._-")));
        assert_false(mu_request_id_is_sane(slice("")));
        assert_false(mu_request_id_is_sane((struct mu_slice){NULL, 0}));
        assert_false(mu_request_id_is_sane(slice("a b")));
        assert_false(mu_request_id_is_sane(slice("a\"b")));
        assert_false(mu_request_id_is_sane(slice(long_id)));
        assert_true(mu_request_id_is_sane((struct mu_slice){long_id, 64}));
}

static void assert_bearer(const char *header, const char *expected)
{
        struct mu_slice token = mu_bearer_of(slice(header));

        if (!expected) {
                assert_null(token.data);
                return;
        }
        assert_non_null(token.data);
        assert_int_equal(token.bytes, strlen(expected));
        assert_memory_equal(token.data, expected, token.bytes);
}

static void finds_bearers(void **state)
{
        (void)state;
        assert_bearer("Bearer mu_x", "mu_x");
        assert_bearer("bEaReR   mu_x  ", "mu_x");
        assert_bearer("Bearer", NULL);
        assert_bearer("Bearer ", NULL);
        assert_bearer("Bearer    ", NULL);
        assert_bearer("Basic abc", NULL);
        assert_bearer("", NULL);
        assert_null(mu_bearer_of((struct mu_slice){NULL, 0}).data);
}

static void compares_media_types(void **state)
{
        (void)state;
        assert_true(mu_media_type_is(slice("application/json"), "application/json"));
        assert_true(mu_media_type_is(slice("Application/JSON; charset=utf-8"), "application/json"));
        assert_true(mu_media_type_is(slice("application/json ;x"), "application/json"));
        assert_false(mu_media_type_is(slice("application/jsonx"), "application/json"));
        assert_false(mu_media_type_is(slice("application/json x"), "application/json"));
        assert_false(mu_media_type_is(slice("text/plain"), "application/json"));
        assert_false(mu_media_type_is((struct mu_slice){NULL, 0}, "application/json"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(decodes),
                cmocka_unit_test(finds_query_parameters),
                cmocka_unit_test(judges_request_ids),
                cmocka_unit_test(finds_bearers),
                cmocka_unit_test(compares_media_types),
        };

        return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
