/* SPDX-License-Identifier: Apache-2.0 */
/* Failed authentications per address: window, fading, forgetting, threads. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/thread.h"
#include "http/auth_failures.h"

#define S(n) ((uint64_t)(n) * (uint64_t)MU_NS_PER_S)

static struct mu_auth_failures *make(uint32_t window_s, uint32_t max, uint32_t addresses)
{
        struct mu_auth_failures_config config = {
                .window_s = window_s, .failures_max = max, .addresses_max = addresses};
        struct mu_auth_failures *table = NULL;

        assert_int_equal(mu_auth_failures_create(&config, &table), 0);
        return table;
}

static struct mu_address ipv4(uint32_t n)
{
        return (struct mu_address){{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, (uint8_t)(n >> 24),
                                    (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static void blocks_above_the_limit_and_fades(void **state)
{
        struct mu_auth_failures *table = make(60, 10, 0);
        uint64_t now = S(600);

        (void)state;
        for (int i = 0; i < 9; i++)
                mu_auth_failures_note(table, ipv4(1), now);
        assert_int_equal(mu_auth_failures_blocked(table, ipv4(1), now), 0);
        mu_auth_failures_note(table, ipv4(1), now);
        uint32_t wait = mu_auth_failures_blocked(table, ipv4(1), now);
        assert_in_range(wait, 60, 62);
        assert_int_equal(mu_auth_failures_blocked(table, ipv4(2), now), 0);
        assert_true(mu_auth_failures_blocked(table, ipv4(1), now + S(59)) > 0);
        /* After what Retry-After said it is free; a window later it is forgotten. */
        assert_int_equal(mu_auth_failures_blocked(table, ipv4(1), now + S(wait)), 0);
        assert_int_equal(mu_auth_failures_blocked(table, ipv4(1), now + S(120)), 0);
        assert_int_equal(mu_auth_failures_noted(table), 10);
        mu_auth_failures_destroy(table);
}

/* Whatever the counts and the moment: never blocked after the time that was told. */
static void retry_after_is_true(void **state)
{
        (void)state;
        for (uint32_t previous = 0; previous < 60; previous += 7) {
                for (uint32_t current = 0; current < 60; current += 9) {
                        for (uint32_t into = 0; into < 60; into += 11) {
                                struct mu_auth_failures *table = make(60, 20, 0);

                                for (uint32_t i = 0; i < previous; i++)
                                        mu_auth_failures_note(table, ipv4(1), S(600));
                                for (uint32_t i = 0; i < current; i++)
                                        mu_auth_failures_note(table, ipv4(1), S(660));
                                uint64_t now = S(660 + into);
                                uint32_t wait = mu_auth_failures_blocked(table, ipv4(1), now);
                                assert_int_equal(
                                        mu_auth_failures_blocked(table, ipv4(1), now + S(wait)), 0);
                                /* And not for long in vain: two seconds earlier it still was. */
                                if (wait > 2)
                                        assert_true(mu_auth_failures_blocked(
                                                            table, ipv4(1), now + S(wait - 2)) > 0);
                                mu_auth_failures_destroy(table);
                        }
                }
        }
}

static void counts_ipv6_by_network(void **state)
{
        struct mu_auth_failures *table = make(60, 2, 0);
        struct mu_address a = {{0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 1}};
        struct mu_address same = {{0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 2, 3}};
        struct mu_address other = {{0x20, 1, 0xd, 0xb8, 0, 0, 0, 2, 1}};

        (void)state;
        mu_auth_failures_note(table, a, S(1));
        mu_auth_failures_note(table, same, S(1));
        assert_true(mu_auth_failures_blocked(table, a, S(1)) > 0);
        assert_true(mu_auth_failures_blocked(table, same, S(1)) > 0);
        assert_int_equal(mu_auth_failures_blocked(table, other, S(1)), 0);
        mu_auth_failures_destroy(table);
}

static void stays_bounded(void **state)
{
        struct mu_auth_failures *table = make(60, 2, 64);

        (void)state;
        for (uint32_t i = 0; i < 100000; i++)
                mu_auth_failures_note(table, ipv4(i), S(1 + i / 1000));
        assert_int_equal(mu_auth_failures_noted(table), 100000);
        assert_true(mu_auth_failures_evicted(table) >= 100000 - 64);
        /* Who failed just now is known; who failed longest ago has gone. */
        mu_auth_failures_note(table, ipv4(99999), S(100));
        assert_true(mu_auth_failures_blocked(table, ipv4(99999), S(100)) > 0);
        mu_auth_failures_destroy(table);
}

static void zero_never_blocks_and_odd_settings_are_refused(void **state)
{
        struct mu_auth_failures *table = make(60, 0, 0);
        struct mu_auth_failures_config wrong = {.window_s = 0, .failures_max = 1};

        (void)state;
        for (int i = 0; i < 1000; i++)
                mu_auth_failures_note(table, ipv4(1), S(1));
        assert_int_equal(mu_auth_failures_blocked(table, ipv4(1), S(1)), 0);
        mu_auth_failures_destroy(table);
        table = NULL;
        assert_int_equal(mu_auth_failures_create(&wrong, &table), -EINVAL);
        wrong.window_s = 3601;
        assert_int_equal(mu_auth_failures_create(&wrong, &table), -EINVAL);
        assert_null(table);
}

static void note_many(void *ctx)
{
        for (uint32_t i = 0; i < 20000; i++) {
                mu_auth_failures_note(ctx, ipv4(7), S(1));
                mu_auth_failures_note(ctx, ipv4(i), S(1));
                (void)mu_auth_failures_blocked(ctx, ipv4(i + 1), S(1));
        }
}

static void counts_from_several_threads(void **state)
{
        struct mu_auth_failures *table = make(3600, 5000, 4096);
        pthread_t threads[4];

        (void)state;
        for (int i = 0; i < 4; i++)
                assert_int_equal(mu_thread_start("note", note_many, table, &threads[i]), 0);
        for (int i = 0; i < 4; i++)
                mu_thread_join(threads[i]);
        assert_int_equal(mu_auth_failures_noted(table), 4 * 2 * 20000);
        mu_auth_failures_destroy(table);
}

static void formats_addresses(void **state)
{
        char text[46];

        (void)state;
        mu_address_format(ipv4(0xc0000201), text);
        assert_string_equal(text, "192.0.2.1");
        mu_address_format((struct mu_address){{0x20, 1, 0xd, 0xb8, [15] = 1}}, text);
        assert_string_equal(text, "2001:db8::1");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(blocks_above_the_limit_and_fades),
                cmocka_unit_test(retry_after_is_true),
                cmocka_unit_test(counts_ipv6_by_network),
                cmocka_unit_test(stays_bounded),
                cmocka_unit_test(zero_never_blocks_and_odd_settings_are_refused),
                cmocka_unit_test(counts_from_several_threads),
                cmocka_unit_test(formats_addresses),
        };

        return cmocka_run_group_tests_name("auth_failures", tests, NULL, NULL);
}
