/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>

#include "base/qsbr.h"

/* Freed objects count themselves. */
static void count(void *object)
{
        (*(int *)object)++;
}

static void test_create_refuses_absurd_counts(void **state)
{
        struct mu_qsbr *qsbr = NULL;

        (void)state;
        assert_int_equal(mu_qsbr_create(0, &qsbr), -EINVAL);
        assert_int_equal(mu_qsbr_create(MU_QSBR_READERS_MAX + 1, &qsbr), -EINVAL);
        assert_null(qsbr);
        mu_qsbr_destroy(NULL);
}

static void test_waits_for_every_online_reader(void **state)
{
        struct mu_qsbr *qsbr;
        struct mu_qsbr_reader *a;
        struct mu_qsbr_reader *b;
        int freed = 0;

        (void)state;
        assert_int_equal(mu_qsbr_create(4, &qsbr), 0);
        assert_int_equal(mu_qsbr_reader_register(qsbr, &a), 0);
        assert_int_equal(mu_qsbr_reader_register(qsbr, &b), 0);
        mu_qsbr_quiescent(a); /* before the retirement: does not count */
        assert_int_equal(mu_qsbr_retire(qsbr, &freed, count), 0);
        assert_int_equal(mu_qsbr_reclaim(qsbr), 1);
        mu_qsbr_quiescent(a);
        assert_int_equal(mu_qsbr_reclaim(qsbr), 1);
        assert_int_equal(freed, 0);
        mu_qsbr_quiescent(b);
        assert_int_equal(freed, 0); /* only reclaim frees */
        assert_int_equal(mu_qsbr_reclaim(qsbr), 0);
        assert_int_equal(freed, 1);
        mu_qsbr_reader_unregister(a);
        mu_qsbr_reader_unregister(b);
        mu_qsbr_destroy(qsbr);
        assert_int_equal(freed, 1);
}

static void test_offline_readers_hold_nothing_back(void **state)
{
        struct mu_qsbr *qsbr;
        struct mu_qsbr_reader *reader;
        int freed = 0;

        (void)state;
        assert_int_equal(mu_qsbr_create(1, &qsbr), 0);
        assert_int_equal(mu_qsbr_retire(qsbr, &freed, count), 0);
        assert_int_equal(mu_qsbr_reclaim(qsbr), 0); /* nobody reads */
        assert_int_equal(freed, 1);

        assert_int_equal(mu_qsbr_reader_register(qsbr, &reader), 0);
        mu_qsbr_offline(reader);
        assert_int_equal(mu_qsbr_retire(qsbr, &freed, count), 0);
        assert_int_equal(mu_qsbr_reclaim(qsbr), 0);
        assert_int_equal(freed, 2);

        mu_qsbr_online(reader);
        assert_int_equal(mu_qsbr_retire(qsbr, &freed, count), 0);
        assert_int_equal(mu_qsbr_reclaim(qsbr), 1);
        mu_qsbr_offline(reader);
        assert_int_equal(mu_qsbr_reclaim(qsbr), 0);
        mu_qsbr_reader_unregister(reader);
        mu_qsbr_destroy(qsbr);
        assert_int_equal(freed, 3);
}

static void test_places_run_out_and_come_back(void **state)
{
        struct mu_qsbr *qsbr;
        struct mu_qsbr_reader *readers[3];
        struct mu_qsbr_reader *more = NULL;

        (void)state;
        assert_int_equal(mu_qsbr_create(3, &qsbr), 0);
        for (int i = 0; i < 3; i++)
                assert_int_equal(mu_qsbr_reader_register(qsbr, &readers[i]), 0);
        assert_int_equal(mu_qsbr_reader_register(qsbr, &more), -ENOSPC);
        assert_null(more);
        mu_qsbr_reader_unregister(readers[1]);
        assert_int_equal(mu_qsbr_reader_register(qsbr, &more), 0);
        assert_ptr_equal(more, readers[1]);
        for (int i = 0; i < 3; i++)
                mu_qsbr_reader_unregister(readers[i]);
        mu_qsbr_destroy(qsbr);
}

/* Thousands wait, some are freed in between, in the order of their retirement. */
static void test_the_list_grows_and_slides(void **state)
{
        static int freed[5000];
        struct mu_qsbr *qsbr;
        struct mu_qsbr_reader *reader;

        (void)state;
        assert_int_equal(mu_qsbr_create(1, &qsbr), 0);
        assert_int_equal(mu_qsbr_reader_register(qsbr, &reader), 0);
        for (int i = 0; i < 5000; i++) {
                assert_int_equal(mu_qsbr_retire(qsbr, &freed[i], count), 0);
                if (i % 97 == 0)
                        mu_qsbr_quiescent(reader);
                if (i % 500 == 0) {
                        int seen = i / 97 * 97;

                        assert_int_equal(mu_qsbr_reclaim(qsbr), i - seen);
                        for (int j = 0; j <= i; j++)
                                assert_int_equal(freed[j], j <= seen);
                }
        }
        mu_qsbr_reader_unregister(reader);
        mu_qsbr_destroy(qsbr); /* frees the rest */
        for (int i = 0; i < 5000; i++)
                assert_int_equal(freed[i], 1);
}

static void test_misuse_aborts(void **state)
{
        struct mu_qsbr *qsbr;
        struct mu_qsbr_reader *reader;

        (void)state;
        assert_int_equal(mu_qsbr_create(1, &qsbr), 0);
        assert_int_equal(mu_qsbr_reader_register(qsbr, &reader), 0);
        assert_aborts(mu_qsbr_destroy(qsbr));
        assert_aborts(mu_qsbr_online(reader));
        mu_qsbr_offline(reader);
        assert_aborts(mu_qsbr_offline(reader));
        assert_aborts(mu_qsbr_quiescent(reader));
        mu_qsbr_reader_unregister(reader);
        assert_aborts(mu_qsbr_reader_unregister(reader));
        mu_qsbr_destroy(qsbr);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_create_refuses_absurd_counts),
                cmocka_unit_test(test_waits_for_every_online_reader),
                cmocka_unit_test(test_offline_readers_hold_nothing_back),
                cmocka_unit_test(test_places_run_out_and_come_back),
                cmocka_unit_test(test_the_list_grows_and_slides),
                cmocka_unit_test(test_misuse_aborts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
