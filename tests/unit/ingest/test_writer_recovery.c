/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's state machine through outages, restarts, restored databases and drains. */
#include "base/hash.h"
#include "writer_lanes.h"

/* The database away ---------------------------------------------------------------------------- */

static void starts_after_the_checkpoint(void **state)
{
        struct fixture *f = *state;

        f->database.checkpoint = 40;
        lanes_append_many(f, 100);
        lanes_create(f, 1);
        lanes_pass(f, AGE_US);
        assert_int_equal(f->database.row_count, 60);
        assert_true(f->stores[0].staged_batches > 0); /* it may all be there */
        lanes_append_many(f, 1);
        uint32_t staged = f->stores[0].staged_batches;

        lanes_pass(f, AGE_US);
        assert_int_equal(f->stores[0].staged_batches, staged);
}

static void a_checkpoint_beyond_the_journal_skips_nothing(void **state)
{
        struct fixture *f = *state;

        f->database.checkpoint = 1000;
        lanes_append_many(f, 100);
        lanes_create(f, 1);
        lanes_pass(f, AGE_US);
        lanes_expect_all_stored(f);
        assert_int_equal(f->database.checkpoint, 1000);
}

static void a_lost_reply_is_repeated_once(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 2);
        lanes_append_many(f, 50);
        f->stores[0].lose_next_reply = true;
        f->stores[1].lose_next_reply = true;
        lanes_pass(f, 10000000);
        lanes_expect_all_stored(f);
        assert_int_equal(STAT(f, 0, duplicates) + STAT(f, 1, duplicates), 50);
        assert_int_equal(STAT(f, 0, retries), 1);
        assert_int_equal(f->database.checkpoint, 50);
}

static void an_outage_is_waited_out(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 1);
        lanes_append_many(f, 10);
        lanes_pass(f, AGE_US);
        f->database.down = true;
        lanes_append_many(f, 500);
        lanes_pass(f, 600000000);
        /* Ten minutes: a probe each ten seconds at most, and the breaker opened. */
        assert_in_range(f->stores[0].connects, 20, 160);
        assert_true(mu_breaker_opened_count(mu_writer_core_breaker(f->cores[0])) > 0);
        assert_int_not_equal(mu_breaker_state(mu_writer_core_breaker(f->cores[0])),
                             MU_BREAKER_CLOSED);
        assert_int_equal(f->notes[MU_WRITER_AWAY], 1);
        assert_int_equal(STAT(f, 0, available), 0);
        assert_true(STAT(f, 0, oldest_received_at_us) > 0);
        f->database.down = false;
        f->database.generation++;
        lanes_pass(f, 15000000);
        lanes_expect_all_stored(f);
        assert_int_equal(f->notes[MU_WRITER_BACK], 1);
        assert_int_equal(STAT(f, 0, available), 1);
        assert_int_equal(mu_breaker_state(mu_writer_core_breaker(f->cores[0])), MU_BREAKER_CLOSED);
        assert_int_equal(f->database.checkpoint, 510);

        /* The next outage begins with short waits again. */
        f->database.down = true;
        lanes_append_many(f, 1);
        struct mu_writer_plan plan = lanes_settle(f, 0);

        assert_int_equal(plan.next, MU_WRITER_SLEEP);
        assert_true(plan.deadline_us <= f->now_us + f->config.backoff_base_ms * 1000);
}

static void nothing_is_tried_before_its_time(void **state)
{
        struct fixture *f = *state;

        f->database.down = true;
        lanes_create(f, 1);
        struct mu_writer_plan plan = lanes_settle(f, 0);
        uint32_t connects = f->stores[0].connects;

        assert_int_equal(plan.next, MU_WRITER_SLEEP);
        for (int i = 0; i < 5; i++) {
                struct mu_writer_plan same = mu_writer_core_step(f->cores[0]);

                assert_int_equal(same.next, MU_WRITER_SLEEP);
                assert_int_equal(same.deadline_us, plan.deadline_us);
        }
        assert_int_equal(f->stores[0].connects, connects);
}

static void an_unreadable_place_stops_nothing_before_it(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 1);
        lanes_append_many(f, 20);
        f->journal.unreadable = 11;
        lanes_pass(f, 3000000);
        assert_int_equal(f->database.row_count, 10);
        assert_int_equal(mu_checkpoint_position(&f->checkpoint, 0), 10);
        assert_in_range(STAT(f, 0, journal_errors), 2, 4);
        assert_true(f->notes[MU_WRITER_UNREADABLE] > 0);
        f->journal.unreadable = 0;
        lanes_pass(f, 3000000);
        lanes_expect_all_stored(f);
}

/* Checkpoints ---------------------------------------------------------------------------------- */

static void the_checkpoint_is_the_slowest_lanes(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 3);
        lanes_pass(f, 1000);
        lanes_append_many(f, 100);
        /* Lane 1 does not get to run any more. */
        for (int i = 0; i < 5; i++) {
                (void)lanes_settle(f, 0);
                (void)lanes_settle(f, 2);
                f->now_us += 1100000;
        }
        assert_int_equal(mu_checkpoint_position(&f->checkpoint, 0), 100);
        assert_int_equal(f->database.checkpoint, 0);
        assert_int_equal(f->journal.covered, 0);
        lanes_pass(f, 2200000);
        assert_int_equal(f->database.checkpoint, 100);
        assert_int_equal(f->journal.covered, 100);
        /* A lane without a record of its own follows what it has read. */
        lanes_append(f, 1, 500);
        lanes_pass(f, 2200000);
        assert_int_equal(f->database.checkpoint, 101);
}

static void another_number_of_lanes_loses_nothing(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 3);
        lanes_append_many(f, 200);
        (void)lanes_settle(f, 0);
        f->now_us += AGE_US;
        (void)lanes_settle(f, 0);
        (void)lanes_settle(f, 1);
        lanes_restart(f, 2);
        lanes_append_many(f, 50);
        lanes_pass(f, 2200000);
        lanes_expect_all_stored(f);
        assert_int_equal(f->database.checkpoint, 250);
        lanes_restart(f, 1);
        lanes_append_many(f, 50);
        lanes_pass(f, 2200000);
        lanes_expect_all_stored(f);
}

/* Forgets the rows after seq, as a restored database or a promoted standby does. */
static void forget(struct fixture *f, uint64_t rows_after, uint64_t checkpoint)
{
        uint32_t kept = 0;

        for (uint32_t i = 0; i < f->database.row_count; i++)
                if (f->database.rows[i].seq <= rows_after)
                        f->database.rows[kept++] = f->database.rows[i];
        f->database.row_count = kept;
        f->database.checkpoint = checkpoint;
        f->database.generation++;
}

static void a_restored_database_gets_it_all_again(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 2);
        lanes_append_many(f, 200);
        lanes_pass(f, 2200000);
        assert_int_equal(f->database.checkpoint, 200);
        forget(f, 60, 50);
        lanes_append_many(f, 1);
        lanes_pass(f, 15000000);
        lanes_expect_all_stored(f);
        assert_int_equal(STAT(f, 0, rewinds), 1);
        assert_int_equal(f->notes[MU_WRITER_REWOUND], 1);
        assert_int_equal(f->database.checkpoint, 201);
}

/* Nothing comes in; the keeper finds out by asking. */
static void a_restore_is_noticed_when_idle(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 2);
        lanes_append_many(f, 200);
        lanes_pass(f, 2200000);
        forget(f, 60, 50);
        lanes_pass(f, 15000000);
        lanes_expect_all_stored(f);
        assert_int_equal(f->notes[MU_WRITER_REWOUND], 1);
}

/* The tables were put back under a connection that lives on. */
static void a_restore_in_place_is_noticed(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 2);
        lanes_append_many(f, 200);
        lanes_pass(f, 2200000);
        forget(f, 60, 50);
        f->database.generation--;
        lanes_pass(f, 15000000);
        lanes_expect_all_stored(f);
        assert_int_equal(f->notes[MU_WRITER_REWOUND], 1);
        assert_int_equal(f->notes[MU_WRITER_AWAY], 0);
        assert_int_equal(f->database.checkpoint, 200);
}

/* Rows above the checkpoint are forgotten, the checkpoint itself is not; and the lane that wrote
 * them is idle and does not notice. The checkpoint must not pass them. */
static void rows_above_the_checkpoint_may_be_forgotten(void **state)
{
        struct fixture *f = *state;
        int64_t of_lane[2] = {0, 0};

        for (int64_t device = 1; !of_lane[0] || !of_lane[1]; device++)
                of_lane[mu_hash_u64((uint64_t)device) % 2] = device;
        lanes_create(f, 2);
        lanes_append(f, of_lane[1], 1);
        lanes_pass(f, 2200000);
        assert_int_equal(f->database.checkpoint, 1);
        lanes_append(f, of_lane[1], 2);
        (void)lanes_settle(f, 1);
        f->now_us += AGE_US;
        (void)lanes_settle(f, 1);
        assert_int_equal(f->database.row_count, 2);
        assert_int_equal(mu_checkpoint_position(&f->checkpoint, 1), 2);
        forget(f, 1, 1);
        lanes_append(f, of_lane[0], 1);
        /* Lane 1 does not get to run; the keeper, which has gone back, waits for it. */
        for (int i = 0; i < 10; i++) {
                f->now_us += 1100000;
                (void)lanes_settle(f, 0);
        }
        assert_int_equal(mu_checkpoint_position(&f->checkpoint, 0), 3);
        assert_int_equal(f->database.checkpoint, 1);
        lanes_pass(f, 15000000);
        lanes_expect_all_stored(f);
        assert_int_equal(f->database.checkpoint, 3);
        assert_int_equal(STAT(f, 0, rewinds), 0); /* the row said what it had said */
}

/* Draining ------------------------------------------------------------------------------------- */

static void a_drain_ends_with_the_last_checkpoint(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 2);
        lanes_pass(f, 1000);
        lanes_append_many(f, 150);
        mu_writer_core_drain(f->cores[0]);
        mu_writer_core_drain(f->cores[1]);
        assert_int_equal(lanes_settle(f, 0).next, MU_WRITER_SLEEP); /* waits for the other */
        assert_int_equal(lanes_settle(f, 1).next, MU_WRITER_DRAINED);
        assert_int_equal(lanes_settle(f, 0).next, MU_WRITER_DRAINED);
        lanes_expect_all_stored(f);
        assert_int_equal(f->database.checkpoint, 150);
        assert_true(lanes_flushes(f, MU_FLUSH_DRAIN) > 0);
}

static void a_drain_waits_for_the_database(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 1);
        lanes_append_many(f, 50);
        f->database.down = true;
        mu_writer_core_drain(f->cores[0]);
        lanes_pass(f, 60000000);
        assert_int_equal(lanes_settle(f, 0).next, MU_WRITER_SLEEP);
        f->database.down = false;
        f->database.generation++;
        f->now_us += 20000000;
        assert_int_equal(lanes_settle(f, 0).next, MU_WRITER_DRAINED);
        lanes_expect_all_stored(f);
        assert_int_equal(f->database.checkpoint, 50);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                LANES_TEST(starts_after_the_checkpoint),
                LANES_TEST(a_checkpoint_beyond_the_journal_skips_nothing),
                LANES_TEST(a_lost_reply_is_repeated_once),
                LANES_TEST(an_outage_is_waited_out),
                LANES_TEST(nothing_is_tried_before_its_time),
                LANES_TEST(an_unreadable_place_stops_nothing_before_it),
                LANES_TEST(the_checkpoint_is_the_slowest_lanes),
                LANES_TEST(another_number_of_lanes_loses_nothing),
                LANES_TEST(a_restored_database_gets_it_all_again),
                LANES_TEST(a_restore_is_noticed_when_idle),
                LANES_TEST(a_restore_in_place_is_noticed),
                LANES_TEST(rows_above_the_checkpoint_may_be_forgotten),
                LANES_TEST(a_drain_ends_with_the_last_checkpoint),
                LANES_TEST(a_drain_waits_for_the_database),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
