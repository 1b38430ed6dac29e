/* SPDX-License-Identifier: Apache-2.0 */
#include "base/breaker.h"

#include "base/assert.h"

static void set_state(struct mu_breaker *breaker, enum mu_breaker_state state)
{
        atomic_store_explicit(&breaker->state, (uint32_t)state, memory_order_relaxed);
}

void mu_breaker_init(struct mu_breaker *breaker, const struct mu_breaker_options *options,
                     const struct mu_clock *clock)
{
        MU_ASSERT(options->failures_max >= 1 && options->successes_to_close >= 1);
        MU_ASSERT(options->open_ms >= 1 && options->open_ms_max >= options->open_ms);

        *breaker = (struct mu_breaker){
                .options = *options, .clock = clock, .open_ms = options->open_ms};
        atomic_init(&breaker->state, (uint32_t)MU_BREAKER_CLOSED);
        atomic_init(&breaker->opened_count, 0);
}

static void open_breaker(struct mu_breaker *breaker)
{
        uint64_t opened = atomic_load_explicit(&breaker->opened_count, memory_order_relaxed);

        breaker->probe_at_ns =
                mu_clock_monotonic_ns(breaker->clock) + (uint64_t)breaker->open_ms * MU_NS_PER_MS;
        breaker->failures = 0;
        breaker->successes = 0;
        atomic_store_explicit(&breaker->opened_count, opened + 1, memory_order_relaxed);
        set_state(breaker, MU_BREAKER_OPEN);
}

bool mu_breaker_allow(struct mu_breaker *breaker)
{
        switch (mu_breaker_state(breaker)) {
        case MU_BREAKER_CLOSED:
                return true;
        case MU_BREAKER_OPEN:
                if (mu_clock_monotonic_ns(breaker->clock) < breaker->probe_at_ns)
                        return false;
                set_state(breaker, MU_BREAKER_HALF_OPEN);
                break;
        case MU_BREAKER_HALF_OPEN:
                if (breaker->probing)
                        return false;
                break;
        }
        breaker->probing = true;
        return true;
}

void mu_breaker_success(struct mu_breaker *breaker)
{
        breaker->failures = 0;
        /* OPEN: a call allowed before it opened; only a probe says anything now. */
        if (mu_breaker_state(breaker) != MU_BREAKER_HALF_OPEN)
                return;
        breaker->probing = false;
        breaker->successes++;
        if (breaker->successes < breaker->options.successes_to_close)
                return;
        breaker->open_ms = breaker->options.open_ms;
        set_state(breaker, MU_BREAKER_CLOSED);
}

void mu_breaker_failure(struct mu_breaker *breaker)
{
        switch (mu_breaker_state(breaker)) {
        case MU_BREAKER_CLOSED:
                breaker->failures++;
                if (breaker->failures >= breaker->options.failures_max)
                        open_breaker(breaker);
                break;
        case MU_BREAKER_OPEN:
                break;
        case MU_BREAKER_HALF_OPEN:
                breaker->probing = false;
                if (breaker->open_ms < breaker->options.open_ms_max / 2)
                        breaker->open_ms *= 2;
                else
                        breaker->open_ms = breaker->options.open_ms_max;
                open_breaker(breaker);
                break;
        }
}

uint32_t mu_breaker_wait_ms(const struct mu_breaker *breaker)
{
        uint64_t now = mu_clock_monotonic_ns(breaker->clock);

        if (mu_breaker_state(breaker) != MU_BREAKER_OPEN || now >= breaker->probe_at_ns)
                return 0;
        /* Rounded up: after so long a wait, allow says yes. */
        return (uint32_t)((breaker->probe_at_ns - now + MU_NS_PER_MS - 1) / MU_NS_PER_MS);
}

enum mu_breaker_state mu_breaker_state(const struct mu_breaker *breaker)
{
        return (enum mu_breaker_state)atomic_load_explicit(&breaker->state, memory_order_relaxed);
}

const char *mu_breaker_state_name(enum mu_breaker_state state)
{
        switch (state) {
        case MU_BREAKER_CLOSED:
                return "closed";
        case MU_BREAKER_OPEN:
                return "open";
        case MU_BREAKER_HALF_OPEN:
                return "half-open";
        }
        return "unknown";
}

uint64_t mu_breaker_opened_count(const struct mu_breaker *breaker)
{
        return atomic_load_explicit(&breaker->opened_count, memory_order_relaxed);
}
