/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"

struct expected {
        const char *text;
        int status;
        bool keep_alive;
        int64_t retry_after_s;
        const char *body;
};

static const struct expected good[] = {
        {"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nhello", 202, true, -1, "hello"},
        {"HTTP/1.1 202\r\ncontent-length:0\r\n\r\n", 202, true, -1, ""},
        {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, false, -1, "ok"},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 200, true, -1,
         "ok"},
        {"HTTP/1.1 503 x\r\nRetry-After:  17 \r\nConnection: Close\r\nContent-Length: 0\r\n\r\n",
         503, false, 17, ""},
        {"HTTP/1.1 503 x\r\nRetry-After: Fri, 31 Dec 1999\r\nContent-Length: 0\r\n\r\n", 503, true,
         -1, ""},
        {"HTTP/1.1 200 OK\r\nConnection: upgrade, close\r\nContent-Length: 0\r\n\r\n", 200, false,
         -1, ""},
        {"HTTP/1.1 204 None\r\n\r\n", 204, true, -1, ""},
        {"HTTP/1.1 304 Same\r\nContent-Length: 90\r\n\r\n", 304, true, -1, ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n"
         "0\r\nTrailer: 1\r\n\r\n",
         200, true, -1, "abc0123456789"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 Big\r\nContent-Length: 1\r\n\r\nx", 413, true,
         -1, "x"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 200, true, -1,
         "abc"},
};

static void check(const struct mu_lg_reply *reply, const struct expected *want)
{
        assert_true(mu_lg_reply_complete(reply));
        assert_int_equal(reply->status, want->status);
        assert_int_equal(reply->keep_alive, want->keep_alive);
        assert_int_equal(reply->retry_after_s, want->retry_after_s);
        assert_int_equal(reply->body_bytes, strlen(want->body));
        if (want->body[0])
                assert_string_equal(reply->body, want->body);
}

/* However the bytes are cut in two or three, the answer is the same. */
static void test_every_cut(void **state)
{
        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(good); i++) {
                size_t bytes = strlen(good[i].text);

                for (size_t a = 0; a <= bytes; a++) {
                        for (size_t b = a; b <= bytes; b += 7) {
                                const size_t cuts[] = {0, a, b, bytes};
                                struct mu_lg_reply reply;

                                mu_lg_reply_init(&reply);
                                mu_lg_reply_next(&reply, 4096);
                                for (size_t c = 0; c < 3; c++) {
                                        size_t n = cuts[c + 1] - cuts[c];

                                        assert_int_equal(
                                                mu_lg_reply_feed(&reply, good[i].text + cuts[c], n),
                                                n);
                                }
                                check(&reply, &good[i]);
                                mu_lg_reply_done(&reply);
                        }
                }
        }
}

/* What follows a complete answer is not taken. */
static void test_stops_at_the_end(void **state)
{
        static const char two[] = "HTTP/1.1 202 A\r\nContent-Length: 1\r\n\r\nx"
                                  "HTTP/1.1 200 B\r\nContent-Length: 0\r\n\r\n";
        struct mu_lg_reply reply;

        (void)state;
        mu_lg_reply_init(&reply);
        mu_lg_reply_next(&reply, 0);
        ssize_t used = mu_lg_reply_feed(&reply, two, sizeof(two) - 1);
        assert_int_equal(used, 38);
        assert_int_equal(reply.status, 202);
        assert_int_equal(reply.body_bytes, 0);
        mu_lg_reply_next(&reply, 0);
        assert_int_equal(mu_lg_reply_feed(&reply, two + used, sizeof(two) - 1 - (size_t)used),
                         sizeof(two) - 1 - (size_t)used);
        assert_int_equal(reply.status, 200);
        mu_lg_reply_done(&reply);
}

static void test_bad_answers_are_errors(void **state)
{
        static const char *const bad[] = {
                "HTTP/2 200 OK\r\n\r\n",
                "SSH-2.0-OpenSSH\r\n",
                "HTTP/1.1 2x2 OK\r\n\r\n",
                "HTTP/1.1 2022 OK\r\n\r\n",
                "HTTP/1.1 099 OK\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
                "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
                "HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1234567890abcdef0\r\n",
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(bad); i++) {
                struct mu_lg_reply reply;

                mu_lg_reply_init(&reply);
                mu_lg_reply_next(&reply, 4096);
                assert_int_equal(mu_lg_reply_feed(&reply, bad[i], strlen(bad[i])), -EPROTO);
                assert_non_null(reply.error);
                mu_lg_reply_done(&reply);
        }
}

static void test_end_of_stream(void **state)
{
        struct mu_lg_reply reply;

        (void)state;
        mu_lg_reply_init(&reply);
        mu_lg_reply_next(&reply, 100);
        assert_int_equal(mu_lg_reply_eof(&reply), -EPROTO); /* nothing at all */

        mu_lg_reply_next(&reply, 100);
        assert_int_equal(mu_lg_reply_feed(&reply, "HTTP/1.1 200 OK\r\n\r\nto the end", 29), 29);
        assert_false(mu_lg_reply_complete(&reply));
        assert_int_equal(mu_lg_reply_eof(&reply), 0);
        assert_string_equal(reply.body, "to the end");
        assert_false(reply.keep_alive);

        mu_lg_reply_next(&reply, 100);
        assert_int_equal(
                mu_lg_reply_feed(&reply, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", 41),
                41);
        assert_int_equal(mu_lg_reply_eof(&reply), -EPROTO);
        mu_lg_reply_done(&reply);
}

static void test_limits(void **state)
{
        struct mu_lg_reply reply;
        char *line = malloc(9000);

        (void)state;
        assert_non_null(line);
        memset(line, 'a', 9000);
        mu_lg_reply_init(&reply);
        mu_lg_reply_next(&reply, 2); /* keeps two bytes of the body, counts all */
        assert_int_equal(
                mu_lg_reply_feed(&reply, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde", 43),
                43);
        assert_true(mu_lg_reply_complete(&reply));
        assert_string_equal(reply.body, "ab");

        mu_lg_reply_next(&reply, 0);
        assert_int_equal(mu_lg_reply_feed(&reply, "HTTP/1.1 200 OK\r\n", 17), 17);
        assert_int_equal(mu_lg_reply_feed(&reply, line, 9000), -EPROTO);
        mu_lg_reply_done(&reply);
        free(line);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_cut),
                cmocka_unit_test(test_stops_at_the_end),
                cmocka_unit_test(test_bad_answers_are_errors),
                cmocka_unit_test(test_end_of_stream),
                cmocka_unit_test(test_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
