/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdbool.h>

#include "base/hash.h"
#include "base/link_table.h"
#include "base/random.h"

enum { THINGS = 3000 };

struct thing {
        struct mu_link link;
        uint64_t number;
        bool in;
};

static struct thing *find(const struct mu_link_table *table, const struct thing *like)
{
        struct mu_link *link = mu_link_table_first(table, like->link.hash);

        for (; link; link = link->next) {
                if (((struct thing *)link)->number == like->number)
                        return (struct thing *)link;
        }
        return NULL;
}

static void count_in(struct mu_link *link, void *ctx)
{
        assert_true(((struct thing *)link)->in);
        ++*(uint32_t *)ctx;
}

/* hash: 1 of many slots, or one slot for all. */
static void run(uint64_t hash_mask)
{
        static struct thing things[THINGS];
        struct mu_link_table table = {0};
        struct mu_random random;
        uint32_t in = 0, seen = 0;

        mu_random_seed(&random, 11);
        for (uint64_t i = 0; i < THINGS; i++)
                things[i] = (struct thing){.link.hash = mu_hash_u64(i) & hash_mask, .number = i};
        assert_null(find(&table, &things[0]));
        for (int round = 0; round < 20000; round++) {
                struct thing *thing = &things[mu_random_below(&random, THINGS)];

                assert_ptr_equal(find(&table, thing), thing->in ? thing : NULL);
                if (thing->in) {
                        mu_link_table_remove(&table, &thing->link);
                        in--;
                } else {
                        assert_int_equal(mu_link_table_reserve(&table), 0);
                        mu_link_table_add(&table, &thing->link);
                        in++;
                }
                thing->in = !thing->in;
                assert_int_equal(table.count, in);
        }
        for (size_t i = 0; i < THINGS; i++)
                assert_ptr_equal(find(&table, &things[i]), things[i].in ? &things[i] : NULL);
        mu_link_table_each(&table, count_in, &seen);
        assert_int_equal(seen, in);
        mu_link_table_done(&table);
        assert_int_equal(table.count, 0);
}

static void test_finds_what_is_in_it(void **state)
{
        (void)state;
        run(UINT64_MAX);
}

static void test_one_chain(void **state)
{
        (void)state;
        run(0);
}

static void test_add_needs_room(void **state)
{
        struct mu_link_table table = {0};
        struct mu_link link = {.hash = 1};

        (void)state;
        assert_aborts(mu_link_table_add(&table, &link));
        assert_int_equal(mu_link_table_reserve(&table), 0);
        assert_aborts(mu_link_table_remove(&table, &link));
        mu_link_table_done(&table);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_finds_what_is_in_it),
                cmocka_unit_test(test_one_chain),
                cmocka_unit_test(test_add_needs_room),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
