/* SPDX-License-Identifier: Apache-2.0 */
/* What steps back comes forward again, here and in the server. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "pg/background.h"

static bool may_come_back(void)
{
        struct rlimit nice;

        return geteuid() == 0 || (getrlimit(RLIMIT_NICE, &nice) == 0 && nice.rlim_cur >= 20);
}

static void thread_and_backend_step_back(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        pid_t backend = PQbackendPID(mu_pg_raw(pg));
        int lowered = may_come_back() ? SCHED_IDLE : SCHED_OTHER;
        struct mu_background background;

        mu_background_begin(pg, &background);
        assert_int_equal(background.backend, backend);
        assert_int_equal(sched_getscheduler(0), lowered);
        assert_int_equal(sched_getscheduler(backend), lowered);
        mu_background_end(&background);
        assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
        assert_int_equal(sched_getscheduler(backend), SCHED_OTHER);
        mu_database_release(test->database, pg);
}

static void a_lost_connection_leaves_the_thread(void **state)
{
        struct test_pg *test = *state;
        struct mu_pg *pg = test_pg_acquire(test);
        struct mu_background background;

        mu_pg_disconnect(pg);
        mu_background_begin(pg, &background);
        assert_int_equal(background.backend, 0);
        mu_background_end(&background);
        assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
        mu_database_release(test->database, pg);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(thread_and_backend_step_back),
                cmocka_unit_test(a_lost_connection_leaves_the_thread),
        };

        return cmocka_run_group_tests_name("pg/background", tests, test_pg_group_setup,
                                           test_pg_group_teardown);
}
