/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wait.h"

#include "base/clock.h"
#include "base/thread.h"
#include "unit.h"

struct fixture {
        pthread_mutex_t mutex;
        pthread_cond_t changed;
        bool called;
};

static int setup(void **state)
{
        static struct fixture fixture;

        fixture = (struct fixture){0};
        assert_int_equal(pthread_mutex_init(&fixture.mutex, NULL), 0);
        mu_wait_init(&fixture.changed);
        *state = &fixture;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(pthread_cond_destroy(&f->changed), 0);
        assert_int_equal(pthread_mutex_destroy(&f->mutex), 0);
        return 0;
}

static uint64_t now_ns(void)
{
        return mu_clock_monotonic_ns(mu_clock_system());
}

static void call(void *context)
{
        struct fixture *f = context;

        pthread_mutex_lock(&f->mutex);
        f->called = true;
        pthread_cond_signal(&f->changed);
        pthread_mutex_unlock(&f->mutex);
}

static void a_deadline_that_has_passed_is_not_waited_for(void **state)
{
        struct fixture *f = *state;

        pthread_mutex_lock(&f->mutex);
        assert_false(mu_wait_until(&f->changed, &f->mutex, 0));
        assert_false(mu_wait_until(&f->changed, &f->mutex, mu_wait_deadline_ns(0)));
        pthread_mutex_unlock(&f->mutex);
}

static void a_wait_nobody_ends_lasts_until_its_deadline(void **state)
{
        struct fixture *f = *state;
        uint64_t deadline_ns = mu_wait_deadline_ns(20);

        pthread_mutex_lock(&f->mutex);
        while (mu_wait_until(&f->changed, &f->mutex, deadline_ns))
                ;
        pthread_mutex_unlock(&f->mutex);
        assert_true(now_ns() >= deadline_ns);
}

/* With the deadline on the wrong clock it would have passed, or the wait would last for years. */
static void a_call_ends_the_wait(void **state)
{
        struct fixture *f = *state;
        uint64_t deadline_ns = mu_wait_deadline_ns(3600000);
        pthread_t thread;

        pthread_mutex_lock(&f->mutex);
        assert_int_equal(mu_thread_start("caller", call, f, &thread), 0);
        while (!f->called)
                assert_true(mu_wait_until(&f->changed, &f->mutex, deadline_ns));
        pthread_mutex_unlock(&f->mutex);
        mu_thread_join(thread);
}

static void deadlines_are_ms_from_now(void **state)
{
        uint64_t before_ns = now_ns();
        uint64_t deadline_ns = mu_wait_deadline_ns(1500);
        uint64_t after_ns = now_ns();

        (void)state;
        assert_true(deadline_ns >= before_ns + UINT64_C(1500000000));
        assert_true(deadline_ns <= after_ns + UINT64_C(1500000000));
}

#define WAIT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                WAIT_TEST(a_deadline_that_has_passed_is_not_waited_for),
                WAIT_TEST(a_wait_nobody_ends_lasts_until_its_deadline),
                WAIT_TEST(a_call_ends_the_wait),
                cmocka_unit_test(deadlines_are_ms_from_now),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
