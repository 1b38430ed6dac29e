/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/random.h"
#include "base/ring_private.h"

#define BYTES MU_RING_BYTES_MIN

static struct mu_ring *new_ring(uint64_t first_index)
{
        struct mu_ring *ring;

        assert_int_equal(mu_ring_create_at(BYTES, first_index, &ring), 0);
        return ring;
}

static void put(struct mu_ring *ring, size_t bytes, unsigned char fill)
{
        unsigned char *item = mu_ring_reserve(ring, bytes);

        assert_non_null(item);
        assert_int_equal((uintptr_t)item % 8, 0);
        memset(item, fill, bytes);
        mu_ring_commit(ring, bytes);
}

static void assert_next(struct mu_ring *ring, size_t bytes, unsigned char fill)
{
        size_t got = 0;
        const unsigned char *item = mu_ring_peek(ring, &got);

        assert_non_null(item);
        assert_int_equal((uintptr_t)item % 8, 0);
        assert_int_equal(got, bytes);
        for (size_t i = 0; i < bytes; i++)
                assert_int_equal(item[i], fill);
}

static void assert_empty(struct mu_ring *ring)
{
        size_t bytes = 77;

        assert_null(mu_ring_peek(ring, &bytes));
        assert_int_equal(bytes, 77);
}

static void test_create_refuses_other_sizes(void **state)
{
        const size_t wrong[] = {
                0,
                1,
                BYTES - 1,
                BYTES / 2,
                BYTES + 8,
                MU_RING_BYTES_MAX + 1ul,
                2ul * MU_RING_BYTES_MAX,
        };
        struct mu_ring *ring = NULL;

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(wrong); i++) {
                assert_int_equal(mu_ring_create(wrong[i], &ring), -EINVAL);
                assert_null(ring);
        }
        assert_int_equal(mu_ring_create(MU_RING_BYTES_MAX, &ring), 0);
        assert_int_equal(mu_ring_capacity_bytes(ring), MU_RING_BYTES_MAX);
        mu_ring_destroy(ring);
        mu_ring_destroy(NULL);
}

static void test_items_come_in_order(void **state)
{
        struct mu_ring *ring = new_ring(0);

        (void)state;
        assert_empty(ring);
        for (unsigned char i = 1; i <= 20; i++)
                put(ring, i * 11u, i);
        for (unsigned char i = 1; i <= 20; i++)
                assert_next(ring, i * 11u, i);
        assert_empty(ring);
        mu_ring_release(ring);
        assert_int_equal(mu_ring_used_bytes(ring), 0);
        mu_ring_destroy(ring);
}

static void test_commit_shrinks_and_abandon_hides(void **state)
{
        struct mu_ring *ring = new_ring(0);
        unsigned char *first = mu_ring_reserve(ring, 3000);

        (void)state;
        assert_empty(ring); /* reserved is not committed */
        memset(first, 5, 10);
        mu_ring_commit(ring, 10);
        assert_int_equal(mu_ring_used_bytes(ring), 8 + 16);

        unsigned char *second = mu_ring_reserve(ring, 100);
        assert_ptr_equal(second, first + 16 + 8);
        mu_ring_abandon(ring);
        assert_int_equal(mu_ring_used_bytes(ring), 8 + 16);
        assert_ptr_equal(mu_ring_reserve(ring, 8), second);
        memset(second, 6, 8);
        mu_ring_commit(ring, 8);

        assert_next(ring, 10, 5);
        assert_next(ring, 8, 6);
        assert_empty(ring);
        mu_ring_destroy(ring);
}

/* 64 items of 1016 + 8 bytes fill it to the last byte. */
static void fill(struct mu_ring *ring)
{
        for (unsigned char i = 0; i < BYTES / 1024; i++)
                put(ring, 1016, i);
}

static void test_full_until_released(void **state)
{
        struct mu_ring *ring = new_ring(0);

        (void)state;
        fill(ring);
        assert_int_equal(mu_ring_used_bytes(ring), BYTES);
        assert_null(mu_ring_reserve(ring, 1));

        assert_next(ring, 1016, 0);
        assert_null(mu_ring_reserve(ring, 1)); /* peeked is not released */
        mu_ring_release(ring);
        assert_int_equal(mu_ring_used_bytes(ring), BYTES - 1024);
        assert_null(mu_ring_reserve(ring, 1017));
        put(ring, 1016, 200);
        assert_null(mu_ring_reserve(ring, 1));

        for (unsigned char i = 1; i < BYTES / 1024; i++)
                assert_next(ring, 1016, i);
        assert_next(ring, 1016, 200);
        assert_empty(ring);
        mu_ring_destroy(ring);
}

static void test_unpeek_puts_the_last_one_back(void **state)
{
        struct mu_ring *ring = new_ring(0);

        (void)state;
        fill(ring);
        assert_next(ring, 1016, 0);
        assert_next(ring, 1016, 1);
        assert_next(ring, 1016, 2);
        mu_ring_unpeek(ring);
        mu_ring_release(ring); /* items 0 and 1 */
        assert_int_equal(mu_ring_used_bytes(ring), BYTES - 2048);
        put(ring, 1016, 100);
        put(ring, 1016, 101);
        assert_null(mu_ring_reserve(ring, 1));
        assert_next(ring, 1016, 2);
        mu_ring_unpeek(ring);
        assert_next(ring, 1016, 2);
        mu_ring_release(ring);
        assert_int_equal(mu_ring_used_bytes(ring), BYTES - 1024);
        mu_ring_destroy(ring);
}

/* An unpeeked item behind a pad: the pad is put back with it. */
static void test_unpeek_at_the_wrap(void **state)
{
        struct mu_ring *ring = new_ring(BYTES - 64);

        (void)state;
        put(ring, 40, 1); /* 16 bytes are left before the end */
        put(ring, 100, 2);
        assert_int_equal(mu_ring_used_bytes(ring), 48 + 16 + 8 + 104);
        assert_next(ring, 40, 1);
        assert_next(ring, 100, 2);
        mu_ring_unpeek(ring);
        mu_ring_release(ring);
        assert_int_equal(mu_ring_used_bytes(ring), 16 + 8 + 104);
        assert_next(ring, 100, 2);
        mu_ring_release(ring);
        assert_int_equal(mu_ring_used_bytes(ring), 0);
        assert_empty(ring);
        mu_ring_destroy(ring);
}

/* An abandoned reservation behind a pad leaves no trace of either. */
static void test_abandon_at_the_wrap(void **state)
{
        struct mu_ring *ring = new_ring(BYTES - 64);

        (void)state;
        assert_non_null(mu_ring_reserve(ring, 100));
        mu_ring_abandon(ring);
        assert_int_equal(mu_ring_used_bytes(ring), 0);
        assert_empty(ring);
        put(ring, 56, 3); /* fits the 64 bytes before the end exactly */
        assert_int_equal(mu_ring_used_bytes(ring), 64);
        put(ring, 8, 4);
        assert_int_equal(mu_ring_used_bytes(ring), 64 + 16);
        assert_next(ring, 56, 3);
        assert_next(ring, 8, 4);
        assert_empty(ring);
        mu_ring_destroy(ring);
}

/* The largest item fits an empty ring wherever the indices stand, also where they wrap. */
static void test_largest_item_fits_everywhere(void **state)
{
        (void)state;
        for (uint64_t offset = 0; offset < BYTES; offset += 1000 * 8) {
                struct mu_ring *ring = new_ring(offset);

                put(ring, MU_RING_ITEM_BYTES_MAX, 9);
                assert_next(ring, MU_RING_ITEM_BYTES_MAX, 9);
                mu_ring_destroy(ring);
        }
        for (uint64_t before_wrap = 8; before_wrap < 4096; before_wrap += 8) {
                struct mu_ring *ring = new_ring(UINT64_MAX - before_wrap + 1);

                put(ring, 100, 1);
                put(ring, MU_RING_ITEM_BYTES_MAX, 2);
                put(ring, 1, 3);
                assert_next(ring, 100, 1);
                assert_next(ring, MU_RING_ITEM_BYTES_MAX, 2);
                assert_next(ring, 1, 3);
                mu_ring_release(ring);
                assert_int_equal(mu_ring_used_bytes(ring), 0);
                mu_ring_destroy(ring);
        }
}

#define MODEL_ITEMS 8192u

/* What the ring should hold, as a plain queue of sizes; the item's content tells its number. */
struct model {
        size_t bytes[MODEL_ITEMS];
        uint64_t released;
        uint64_t peeked;
        uint64_t committed;
        bool may_unpeek;
};

static void model_produce(struct mu_ring *ring, struct model *model, struct mu_random *random)
{
        size_t reserved = 1 + mu_random_below(random, mu_random_below(random, 20) == 0
                                                              ? MU_RING_ITEM_BYTES_MAX
                                                              : 3000);
        size_t bytes = 1 + mu_random_below(random, reserved);
        unsigned char *item = mu_ring_reserve(ring, reserved);

        if (!item) {
                /* Never refused while header, item and the worst pad would fit. */
                assert_true(mu_ring_used_bytes(ring) + 2 * (reserved + 16) > BYTES);
                return;
        }
        memset(item, 0xee, reserved);
        if (mu_random_below(random, 10) == 0) {
                mu_ring_abandon(ring);
                return;
        }
        memset(item, (int)(model->committed & 0xff), bytes);
        model->bytes[model->committed % MODEL_ITEMS] = bytes;
        model->committed++;
        mu_ring_commit(ring, bytes);
}

static void model_peek(struct mu_ring *ring, struct model *model)
{
        if (model->peeked == model->committed) {
                assert_empty(ring);
                return;
        }
        assert_next(ring, model->bytes[model->peeked % MODEL_ITEMS],
                    (unsigned char)(model->peeked & 0xff));
        model->peeked++;
        model->may_unpeek = true;
}

static void test_against_a_plain_queue(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct mu_ring *ring = new_ring(UINT64_MAX - 7 - 8 * seed * 5000);
                struct model model = {.committed = 0};
                struct mu_random random;

                mu_random_seed(&random, seed);
                for (int i = 0; i < 4000; i++) {
                        uint64_t dice = mu_random_below(&random, 100);

                        if (dice < 45) {
                                model_produce(ring, &model, &random);
                        } else if (dice < 90) {
                                model_peek(ring, &model);
                        } else if (dice < 95 && model.may_unpeek) {
                                mu_ring_unpeek(ring);
                                model.peeked--;
                                model.may_unpeek = false;
                        } else {
                                mu_ring_release(ring);
                                model.released = model.peeked;
                                model.may_unpeek = false;
                        }
                }
                assert_true(model.released > 500);
                mu_ring_destroy(ring);
        }
}

static void test_misuse_aborts(void **state)
{
        struct mu_ring *ring = new_ring(0);
        size_t bytes;

        (void)state;
        assert_aborts(mu_ring_commit(ring, 8));
        assert_aborts(mu_ring_abandon(ring));
        assert_aborts(mu_ring_unpeek(ring));
        assert_aborts((void)!mu_ring_reserve(ring, 0));
        assert_aborts((void)!mu_ring_reserve(ring, MU_RING_ITEM_BYTES_MAX + 1));
        assert_non_null(mu_ring_reserve(ring, 100));
        assert_aborts((void)!mu_ring_reserve(ring, 100));
        assert_aborts(mu_ring_commit(ring, 101));
        assert_aborts(mu_ring_commit(ring, 0));
        mu_ring_commit(ring, 100);
        assert_non_null(mu_ring_peek(ring, &bytes));
        mu_ring_unpeek(ring);
        assert_aborts(mu_ring_unpeek(ring));
        assert_non_null(mu_ring_peek(ring, &bytes));
        mu_ring_release(ring);
        assert_aborts(mu_ring_unpeek(ring));
        mu_ring_destroy(ring);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_create_refuses_other_sizes),
                cmocka_unit_test(test_items_come_in_order),
                cmocka_unit_test(test_commit_shrinks_and_abandon_hides),
                cmocka_unit_test(test_full_until_released),
                cmocka_unit_test(test_unpeek_puts_the_last_one_back),
                cmocka_unit_test(test_unpeek_at_the_wrap),
                cmocka_unit_test(test_abandon_at_the_wrap),
                cmocka_unit_test(test_largest_item_fits_everywhere),
                cmocka_unit_test(test_against_a_plain_queue),
                cmocka_unit_test(test_misuse_aborts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
