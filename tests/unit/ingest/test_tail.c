/* SPDX-License-Identifier: Apache-2.0 */
/* One thread; tail_order.c has several. */
#include <errno.h>
#include <string.h>

#include "ingest/journal_format.h"
#include "ingest/tail.h"
#include "unit.h"

enum { LIVE = 4, PAYLOAD = 500, FRAMES = 5 };

static int setup(void **state)
{
        return mu_tail_create(MU_JOURNAL_BLOCK_BYTES, LIVE, 1, (struct mu_tail **)state);
}

static int teardown(void **state)
{
        mu_tail_destroy(*state);
        return 0;
}

/* A chunk with FRAMES frames, seq the first; published up to the last but unpublished ones. */
static void fill(struct mu_tail *tail, uint64_t seq, int published)
{
        unsigned char *memory;
        uint64_t ordinal = mu_tail_newest(tail, &memory);
        uint32_t at = 0;

        for (int i = 0; i < FRAMES; i++) {
                struct mu_frame_header *header = (void *)(memory + at);

                *header = (struct mu_frame_header){.payload_bytes = PAYLOAD,
                                                   .type = MU_FRAME_RECORD,
                                                   .magic = MU_FRAME_MAGIC,
                                                   .seq = seq + (uint64_t)i};
                memset(header + 1, (int)(seq + (uint64_t)i), PAYLOAD);
                at += mu_frame_stride(PAYLOAD);
                if (i + 1 == published)
                        mu_tail_publish(tail, ordinal, at);
        }
}

static void expect(struct mu_tail *tail, struct mu_tail_cursor *cursor, uint64_t seq)
{
        struct mu_frame frame;

        assert_true(mu_tail_next(tail, cursor, seq - 1, &frame));
        assert_int_equal(frame.seq, seq);
        assert_int_equal(frame.payload_bytes, PAYLOAD);
        assert_int_equal(*(const unsigned char *)frame.payload, (unsigned char)seq);
}

static void test_frames_come_in_order_over_chunks(void **state)
{
        struct mu_tail *tail = *state;
        struct mu_tail_cursor cursor = {0};

        fill(tail, 1, FRAMES);
        mu_tail_advance(tail, 6);
        fill(tail, 6, FRAMES);
        assert_true(mu_tail_seek(tail, &cursor, 0));
        for (uint64_t seq = 1; seq <= 10; seq++)
                expect(tail, &cursor, seq);
        mu_tail_leave(tail, &cursor);
        assert_true(mu_tail_seek(tail, &cursor, 7));
        assert_int_equal(cursor.ordinal, 1);
        expect(tail, &cursor, 8);
        mu_tail_leave(tail, &cursor);
}

static void test_unpublished_is_not_seen(void **state)
{
        struct mu_tail *tail = *state;
        struct mu_tail_cursor cursor = {0};
        struct mu_frame frame;

        fill(tail, 1, 2);
        assert_true(mu_tail_seek(tail, &cursor, 0));
        expect(tail, &cursor, 1);
        expect(tail, &cursor, 2);
        assert_false(mu_tail_next(tail, &cursor, 2, &frame));
        assert_null(cursor.memory);
}

static void test_a_failed_groups_place_is_passed_over(void **state)
{
        struct mu_tail *tail = *state;
        struct mu_tail_cursor cursor = {0};
        unsigned char *memory;

        fill(tail, 1, FRAMES);
        (void)mu_tail_newest(tail, &memory);
        struct mu_frame_header *pad = (void *)memory;

        /* As the journal does it: one pad over the first two frames. */
        pad->type = MU_FRAME_PAD;
        pad->payload_bytes = 2 * mu_frame_stride(PAYLOAD) - (uint32_t)sizeof(*pad);
        assert_true(mu_tail_seek(tail, &cursor, 0));
        expect(tail, &cursor, 3);
        mu_tail_leave(tail, &cursor);
}

static void test_what_is_too_old_is_elsewhere(void **state)
{
        struct mu_tail *tail = *state;
        struct mu_tail_cursor cursor = {0};

        for (uint64_t chunk = 0; chunk < 10; chunk++) {
                fill(tail, chunk * FRAMES + 1, FRAMES);
                mu_tail_advance(tail, (chunk + 1) * FRAMES + 1);
        }
        assert_false(mu_tail_seek(tail, &cursor, 30));
        assert_null(cursor.memory);
        assert_true(mu_tail_seek(tail, &cursor, 35));
        expect(tail, &cursor, 36);
        mu_tail_leave(tail, &cursor);
}

static void test_lent_memory_is_left_alone(void **state)
{
        struct mu_tail *tail = *state;
        struct mu_tail_cursor cursors[MU_JOURNAL_READERS_MAX];

        /* Every reader stands in another chunk, long retired, and nothing is overwritten. */
        for (uint32_t i = 0; i < MU_JOURNAL_READERS_MAX; i++) {
                cursors[i] = (struct mu_tail_cursor){.slot = i};
                fill(tail, i * (uint64_t)FRAMES + 1, FRAMES);
                assert_true(mu_tail_seek(tail, &cursors[i], i * (uint64_t)FRAMES));
                mu_tail_advance(tail, (i + 1) * (uint64_t)FRAMES + 1);
        }
        for (uint64_t chunk = MU_JOURNAL_READERS_MAX; chunk < 200; chunk++) {
                fill(tail, chunk * FRAMES + 1, FRAMES);
                mu_tail_advance(tail, (chunk + 1) * FRAMES + 1);
        }
        for (uint32_t i = 0; i < MU_JOURNAL_READERS_MAX; i++) {
                struct mu_frame frame;

                for (uint64_t seq = i * (uint64_t)FRAMES + 1; seq <= (i + 1) * (uint64_t)FRAMES;
                     seq++)
                        expect(tail, &cursors[i], seq);
                assert_false(mu_tail_next(tail, &cursors[i], (i + 1) * (uint64_t)FRAMES, &frame));
        }
}

static void test_wrong_sizes_are_refused(void **state)
{
        struct mu_tail *tail = NULL;

        (void)state;
        assert_int_equal(mu_tail_create(1000, LIVE, 1, &tail), -EINVAL);
        assert_int_equal(mu_tail_create(0, LIVE, 1, &tail), -EINVAL);
        assert_int_equal(mu_tail_create(MU_JOURNAL_BLOCK_BYTES, 1, 1, &tail), -EINVAL);
        assert_null(tail);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
                TEST(test_frames_come_in_order_over_chunks),
                TEST(test_unpublished_is_not_seen),
                TEST(test_a_failed_groups_place_is_passed_over),
                TEST(test_what_is_too_old_is_elsewhere),
                TEST(test_lent_memory_is_left_alone),
                TEST(test_wrong_sizes_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
