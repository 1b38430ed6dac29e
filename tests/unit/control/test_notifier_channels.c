/* SPDX-License-Identifier: Apache-2.0 */
/* When a channel is to be looked at again: not at once, and again, while nothing holds it up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/notify/notifier_private.h"

static uint64_t now_ns = 1000 * (uint64_t)MU_NS_PER_S;

/* Time passes while one looks at the clock, as it does in life. */
static uint64_t monotonic_ns(void *context)
{
        (void)context;
        return ++now_ns;
}

static int64_t realtime_us(void *context)
{
        (void)context;
        return 0;
}

static const struct mu_clock CLOCK = {.monotonic_ns = monotonic_ns, .realtime_us = realtime_us};

static const struct mu_breaker_options BREAKER = {
        .failures_max = 1, .successes_to_close = 1, .open_ms = 5000, .open_ms_max = 5000};

static struct mu_notifier_channel idle_channel(void)
{
        struct mu_notifier_channel channel = {
                .listed = true, .rate_per_min = 20, .tokens = 5, .tokens_at_ns = now_ns};

        mu_breaker_init(&channel.breaker, &BREAKER, &CLOCK);
        return channel;
}

static void one_that_may_send_is_not_waited_for(void **state)
{
        struct mu_notifier notifier = {.config.clock = &CLOCK};
        struct mu_notifier_channel channel = idle_channel();
        uint64_t before_ns = now_ns;

        (void)state;
        assert_true(mu_channel_next_ns(&channel, &notifier) <= before_ns);
}

static void an_open_breaker_and_an_empty_bucket_are(void **state)
{
        struct mu_notifier notifier = {.config.clock = &CLOCK};
        struct mu_notifier_channel channel = idle_channel();
        uint64_t before_ns = now_ns;

        (void)state;
        channel.tokens = 0;
        assert_true(mu_channel_next_ns(&channel, &notifier) >=
                    before_ns + 3 * (uint64_t)MU_NS_PER_S);
        channel.tokens = 5;
        mu_breaker_failure(&channel.breaker);
        assert_true(mu_channel_next_ns(&channel, &notifier) > before_ns);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_that_may_send_is_not_waited_for),
                cmocka_unit_test(an_open_breaker_and_an_empty_bucket_are),
        };

        return cmocka_run_group_tests_name("control/notifier_channels", tests, NULL, NULL);
}
