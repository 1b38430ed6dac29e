/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/text.h"
#include "muster/compiler.h"
#include "net/handshake.h"
#include "net/sha1.h"

/* RFC 6455's own example. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#define HEAD "HTTP/1.1 101 Switching Protocols\r\n"
#define GOOD HEAD "Upgrade: websocket\r\nConnection: Upgrade\r\n"

static const struct mu_handshake HANDSHAKE = {.key = KEY, .accept = ACCEPT};

static void check_sha1(const void *data, size_t bytes, const char *expected)
{
        uint8_t digest[MU_SHA1_BYTES];
        char digits[2 * MU_SHA1_BYTES + 1];

        mu_sha1(data, bytes, digest);
        mu_text_hex(digest, sizeof(digest), digits);
        assert_string_equal(digits, expected);
}

/* FIPS 180's examples, and lengths around a block's end. */
static void test_sha1(void **state)
{
        char *million = malloc(1000000);
        char letters[64];

        (void)state;
        assert_non_null(million);
        memset(million, 'a', 1000000);
        memset(letters, 'a', sizeof(letters));
        check_sha1("", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        check_sha1("abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
        check_sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                   "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
        check_sha1(letters, 55, "c1c8bbdc22796e28c0e15163d20899b65621d65a");
        check_sha1(letters, 63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5");
        check_sha1(letters, 64, "0098ba824b5c16427bd7a1122a5a442a25ec644d");
        check_sha1(million, 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
        free(million);
}

static void test_accept(void **state)
{
        char accept[MU_HANDSHAKE_ACCEPT_BYTES];

        (void)state;
        mu_handshake_accept(KEY, accept);
        assert_string_equal(accept, ACCEPT);
}

static void test_keys_differ(void **state)
{
        struct mu_handshake one;
        struct mu_handshake two;

        (void)state;
        assert_int_equal(mu_handshake_init(&one), 0);
        assert_int_equal(mu_handshake_init(&two), 0);
        assert_int_equal(strlen(one.key), 24);
        assert_string_not_equal(one.key, two.key);
        assert_string_not_equal(one.accept, two.accept);
}

static void test_request(void **state)
{
        struct mu_text text;

        (void)state;
        mu_text_init(&text);
        assert_int_equal(mu_handshake_request(&HANDSHAKE, "https://fleet.example:8443/v1/ws?a=b",
                                              "mu_t", "agent/1", &text),
                         0);
        assert_string_equal(text.data, "GET /v1/ws?a=b HTTP/1.1\r\n"
                                       "Host: fleet.example:8443\r\n"
                                       "Upgrade: websocket\r\n"
                                       "Connection: Upgrade\r\n"
                                       "Sec-WebSocket-Version: 13\r\n"
                                       "Sec-WebSocket-Key: " KEY "\r\n"
                                       "Authorization: Bearer mu_t\r\n"
                                       "User-Agent: agent/1\r\n\r\n");
        mu_text_clear(&text);
        assert_int_equal(mu_handshake_request(&HANDSHAKE, "nowhere", "t", "a", &text), -EINVAL);
        mu_text_done(&text);
}

static void check_reply(const char *reply, int expected, size_t used, int expected_status)
{
        size_t ret_used = 4711;
        int status = 4711;

        assert_int_equal(mu_handshake_reply(&HANDSHAKE, reply, strlen(reply), &ret_used, &status),
                         expected);
        if (expected == 0)
                assert_int_equal(ret_used, used);
        else
                assert_int_equal(ret_used, 4711);
        if (expected == 0 || expected == -EPERM)
                assert_int_equal(status, expected_status);
}

static void test_good_replies(void **state)
{
        static const char *const REPLIES[] = {
                GOOD "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
                GOOD "sec-websocket-accept:" ACCEPT "  \r\n\r\n",
                HEAD "connection: keep-alive, UPGRADE\r\nupgrade: WebSocket\r\n"
                     "Date: now\r\nSEC-WEBSOCKET-ACCEPT:\t" ACCEPT "\r\n\r\n"};

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(REPLIES); i++) {
                char more[512];
                size_t head = strlen(REPLIES[i]);

                check_reply(REPLIES[i], 0, head, 101);
                (void)snprintf(more, sizeof(more), "%s\x81\x05hello\r\n\r\n", REPLIES[i]);
                check_reply(more, 0, head, 101); /* frames come behind it */
                for (size_t cut = 0; cut < head; cut++) {
                        more[cut] = '\0';
                        check_reply(more, -EAGAIN, 0, 0);
                        more[cut] = REPLIES[i][cut];
                }
        }
}

static void test_bad_replies(void **state)
{
        static const char *const REPLIES[] = {
                GOOD "\r\n",
                GOOD "Sec-WebSocket-Accept: \r\n\r\n",
                GOOD "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=\r\n\r\n",
                GOOD "Sec-WebSocket-Accept: " ACCEPT "=\r\n\r\n",
                GOOD "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
                GOOD "Sec-WebSocket-Accept: " ACCEPT
                     "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
                GOOD "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Protocol: x\r\n\r\n",
                HEAD "Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT
                     "\r\n\r\n",
                HEAD "Upgrade: websocket\r\nConnection: close\r\nSec-WebSocket-Accept: " ACCEPT
                     "\r\n\r\n",
                "HTTP/1.0 101 x\r\nUpgrade: websocket\r\n\r\n",
                "HTTP/1.1 1x1 x\r\n\r\n",
                "HTTP/1.1 \r\n\r\n",
                "\r\n\r\n",
                "HELLO\r\n\r\n"};

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(REPLIES); i++)
                check_reply(REPLIES[i], -EPROTO, 0, 0);
        check_reply("HTTP/1.1 401 Unauthorized\r\nX: y\r\n\r\n{}", -EPERM, 0, 401);
        check_reply("HTTP/1.1 503 Later\r\n\r\n", -EPERM, 0, 503);
        check_reply("HTTP/1.1 200 OK\r\n\r\n", -EPERM, 0, 200);
}

static void test_endless_reply(void **state)
{
        char *reply = malloc(MU_HANDSHAKE_REPLY_BYTES_MAX + 64);
        size_t used;
        int status;

        (void)state;
        assert_non_null(reply);
        memset(reply, 'a', MU_HANDSHAKE_REPLY_BYTES_MAX + 64);
        assert_int_equal(mu_handshake_reply(&HANDSHAKE, reply, MU_HANDSHAKE_REPLY_BYTES_MAX - 1,
                                            &used, &status),
                         -EAGAIN);
        assert_int_equal(
                mu_handshake_reply(&HANDSHAKE, reply, MU_HANDSHAKE_REPLY_BYTES_MAX, &used, &status),
                -EMSGSIZE);
        memcpy(reply + MU_HANDSHAKE_REPLY_BYTES_MAX, "\r\n\r\n", 4);
        assert_int_equal(mu_handshake_reply(&HANDSHAKE, reply, MU_HANDSHAKE_REPLY_BYTES_MAX + 4,
                                            &used, &status),
                         -EMSGSIZE);
        free(reply);
}

static void test_header(void **state)
{
        static const char REPLY[] = "HTTP/1.1 503 Retry-After: 1\r\n"
                                    "X-Retry-After: 2\r\n"
                                    "retry-AFTER : 3\r\n"
                                    "Retry-After:\t 4 \r\n"
                                    "Retry-After: 5\r\n"
                                    "Long: 0123456789abcdef\r\n\r\n"
                                    "Late: 6\r\n\r\n";
        char value[16] = "";

        (void)state;
        assert_true(mu_handshake_header(REPLY, strlen(REPLY), "Retry-After", value, 16));
        assert_string_equal(value, "4");
        assert_false(mu_handshake_header(REPLY, strlen(REPLY), "Long", value, 16));
        assert_false(mu_handshake_header(REPLY, strlen(REPLY), "Late", value, 16));
        assert_false(
                mu_handshake_header(REPLY, strlen(REPLY), "HTTP/1.1 503 Retry-After", value, 16));
        assert_false(mu_handshake_header("HTTP/1.1 503 X\r\n\r\n", 18, "Date", value, 16));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sha1),        cmocka_unit_test(test_accept),
                cmocka_unit_test(test_header),      cmocka_unit_test(test_keys_differ),
                cmocka_unit_test(test_request),     cmocka_unit_test(test_good_replies),
                cmocka_unit_test(test_bad_replies), cmocka_unit_test(test_endless_reply),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
