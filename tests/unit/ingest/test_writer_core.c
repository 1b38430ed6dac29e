/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's state machine while the database answers: batches, conflicts, poison, partitions. */
#include "writer_lanes.h"

/* Batches -------------------------------------------------------------------------------------- */

static void a_lone_record_goes_at_once(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 1);
        assert_int_equal(lanes_settle(f, 0).next, MU_WRITER_WAIT_FRAME);
        f->now_us += 10000000;
        lanes_append_many(f, 1);
        assert_int_equal(lanes_settle(f, 0).next, MU_WRITER_WAIT_FRAME);
        assert_int_equal(f->database.row_count, 1);
        assert_int_equal(lanes_flushes(f, MU_FLUSH_IDLE), 1);
        assert_int_equal(mu_checkpoint_position(&f->checkpoint, 0), 1);
}

static void under_load_a_batch_ages(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 1);
        (void)lanes_settle(f, 0);
        /* 200 a second: 60 would come within the age, more than are worth waiting for. */
        for (int i = 0; i < 600; i++) {
                lanes_append_many(f, 1);
                lanes_pass(f, 5000);
        }
        uint64_t by_age = lanes_flushes(f, MU_FLUSH_AGE);

        assert_in_range(by_age, 7, 11);
        assert_int_equal(lanes_flushes(f, MU_FLUSH_ROWS), 0);
        f->now_us += AGE_US;
        (void)lanes_settle(f, 0);
        lanes_expect_all_stored(f);
}

static void a_batch_is_never_older_than_its_age(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 1);
        (void)lanes_settle(f, 0);
        lanes_append_many(f, 60);
        struct mu_writer_plan plan = lanes_settle(f, 0);

        assert_int_equal(plan.next, MU_WRITER_SLEEP);
        assert_true(plan.deadline_us <= f->now_us + AGE_US);
        assert_int_equal(STAT(f, 0, oldest_received_at_us),
                         f->journal.records[1].record.received_at_us);
        f->now_us += AGE_US;
        (void)lanes_settle(f, 0);
        assert_int_equal(f->database.row_count, 60);
        assert_int_equal(f->database.transactions, 1);
        assert_int_equal(lanes_flushes(f, MU_FLUSH_AGE), 1);
        assert_int_equal(STAT(f, 0, oldest_received_at_us), 0);
}

static void rows_fill_a_batch(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 1);
        lanes_append_many(f, 250);
        lanes_pass(f, AGE_US);
        lanes_expect_all_stored(f);
        assert_int_equal(lanes_flushes(f, MU_FLUSH_ROWS), 2);
        assert_int_equal(mu_histogram_max(mu_writer_core_stats(f->cores[0])->batch_rows), ROWS_MAX);
}

static void bytes_fill_a_batch(void **state)
{
        struct fixture *f = *state;

        f->config.batch_rows_max = 1000;
        f->config.batch_bytes_max = MU_BATCH_BYTES_MIN;
        lanes_create(f, 1);
        for (int i = 0; i < 600; i++) {
                lanes_append(f, 1, i);
                f->journal.records[f->journal.durable].record.extra_bytes = MU_EXTRA_BYTES_MAX;
        }
        lanes_pass(f, AGE_US);
        lanes_expect_all_stored(f);
        assert_int_equal(lanes_flushes(f, MU_FLUSH_BYTES), 2);
}

/* Read, found too large for what is left, and read again for the next batch. */
static void a_large_frame_waits_for_the_next_batch(void **state)
{
        struct fixture *f = *state;

        f->config.batch_rows_max = 1000;
        f->config.batch_bytes_max = MU_BATCH_BYTES_MIN;
        lanes_create(f, 1);
        for (int i = 0; i < 200; i++) {
                lanes_append(f, 1, i);
                f->journal.records[f->journal.durable].record.extra_bytes = MU_EXTRA_BYTES_MAX;
        }
        f->journal.large = 180;
        lanes_pass(f, 2 * AGE_US);
        lanes_expect_all_stored(f);
        assert_int_equal(f->database.reject_count, 1);
        assert_int_equal(lanes_flushes(f, MU_FLUSH_BYTES), 1);
        assert_int_equal(mu_checkpoint_position(&f->checkpoint, 0), 200);
}

static void repeats_within_a_batch_are_counted(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 1);
        lanes_append(f, 1, 1);
        lanes_append(f, 1, 1);
        lanes_append(f, 1, 1);
        lanes_pass(f, AGE_US);
        assert_int_equal(f->database.row_count, 1);
        assert_int_equal(f->database.rows[0].seq, 1);
        assert_int_equal(STAT(f, 0, duplicates), 2);
        assert_int_equal(mu_checkpoint_position(&f->checkpoint, 0), 3);
}

/* What becomes of a record --------------------------------------------------------------------- */

static void lanes_share_the_devices(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 3);
        lanes_append_many(f, 300);
        lanes_pass(f, AGE_US);
        lanes_expect_all_stored(f);
        for (uint32_t i = 0; i < 3; i++) {
                assert_true(STAT(f, i, rows) > 0);
                assert_int_equal(mu_checkpoint_position(&f->checkpoint, i), 300);
        }
        assert_int_equal(STAT(f, 0, rows) + STAT(f, 1, rows) + STAT(f, 2, rows), 300);
}

static void deleted_devices_records_are_dropped(void **state)
{
        struct fixture *f = *state;

        f->deleted_device = 3;
        lanes_create(f, 1);
        lanes_append_many(f, 100);
        lanes_pass(f, AGE_US);
        assert_int_equal(STAT(f, 0, deleted), 10);
        assert_int_equal(f->database.row_count, 90);
        for (uint32_t i = 0; i < f->database.row_count; i++)
                assert_int_not_equal(f->database.rows[i].device_id, 3);
        assert_int_equal(mu_checkpoint_position(&f->checkpoint, 0), 100);
}

static void old_and_malformed_records_are_kept_raw(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 1);
        lanes_append(f, 1, 0);
        lanes_append(f, 2, -91 * 8640); /* older than retention */
        lanes_append(f, 3, -89 * 8640);
        lanes_append(f, 4, 0);
        f->journal.types[4] = 9;
        lanes_append(f, 5, 0)->network = 9;
        lanes_append(f, 0, 0);
        lanes_pass(f, AGE_US);
        lanes_expect_all_stored(f);
        assert_int_equal(f->database.row_count, 2);
        assert_int_equal(STAT(f, 0, rejects[MU_VERDICT_EXPIRED]), 1);
        assert_int_equal(STAT(f, 0, rejects[MU_VERDICT_MALFORMED]), 3);
}

/* Conflicts, poison, partitions ---------------------------------------------------------------- */

static void a_conflict_goes_through_staging_until_a_batch_is_clean(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 1);
        (void)lanes_settle(f, 0);
        lanes_append_many(f, 3);
        lanes_pass(f, AGE_US);
        assert_int_equal(f->stores[0].staged_batches, 0);
        lanes_append(f, 1, 0); /* the same as the first: device 1, bucket 0 */
        lanes_append(f, 2, 50);
        lanes_pass(f, AGE_US);
        assert_int_equal(STAT(f, 0, conflicts), 1);
        assert_int_equal(STAT(f, 0, duplicates), 1);
        assert_int_equal(f->database.row_count, 4);
        assert_int_equal(f->stores[0].staged_batches, 1);
        lanes_append(f, 2, 51); /* staged still, and clean */
        lanes_pass(f, AGE_US);
        assert_int_equal(f->stores[0].staged_batches, 2);
        lanes_append(f, 2, 52);
        lanes_pass(f, AGE_US);
        assert_int_equal(f->stores[0].staged_batches, 2);
        assert_int_equal(STAT(f, 0, conflicts), 1);
}

static void poison(struct fixture *f, uint64_t seq)
{
        f->journal.records[seq].record.battery_percent = FAKE_POISON;
}

static bool is_reject(const struct fixture *f, uint64_t seq, uint32_t *ret_transaction)
{
        for (uint32_t i = 0; i < f->database.reject_count; i++)
                if (f->database.rejects[i].seq == seq) {
                        *ret_transaction = f->database.rejects[i].transaction;
                        return f->database.rejects[i].verdict == MU_VERDICT_REFUSED;
                }
        return false;
}

static void poison_is_found_and_its_neighbours_are_stored(void **state)
{
        struct fixture *f = *state;
        static const uint64_t places[] = {1, 2, 37, 38, 39, 60, 100};

        lanes_create(f, 1);
        for (int64_t bucket = 0; bucket < 100; bucket++)
                lanes_append(f, 1, bucket);
        for (size_t i = 0; i < MU_COUNT_OF(places); i++)
                poison(f, places[i]);
        lanes_pass(f, AGE_US);
        lanes_expect_all_stored(f);
        assert_int_equal(f->database.reject_count, MU_COUNT_OF(places));
        assert_int_equal(STAT(f, 0, rejects[MU_VERDICT_REFUSED]), MU_COUNT_OF(places));
        assert_int_equal(f->notes[MU_WRITER_REFUSED], MU_COUNT_OF(places));
        for (size_t i = 0; i < MU_COUNT_OF(places); i++) {
                uint32_t transaction = 0;
                bool shared = false;

                assert_true(is_reject(f, places[i], &transaction));
                for (uint32_t k = 0; k < f->database.row_count; k++)
                        shared = shared || f->database.rows[k].transaction == transaction;
                /* In one transaction with the rows that follow it. */
                assert_true(shared || places[i] == 100);
        }
        assert_int_equal(mu_breaker_opened_count(mu_writer_core_breaker(f->cores[0])), 0);
}

static void a_batch_of_nothing_but_poison_ends(void **state)
{
        struct fixture *f = *state;

        lanes_create(f, 1);
        lanes_append_many(f, 100);
        for (uint64_t seq = 1; seq <= 100; seq++)
                poison(f, seq);
        lanes_pass(f, AGE_US);
        lanes_expect_all_stored(f);
        assert_int_equal(f->database.reject_count, 100);
        assert_true(f->stores[0].batches < 500);
}

static void a_missing_partition_is_made(void **state)
{
        struct fixture *f = *state;

        f->database.missing_day = START_S / MU_S_PER_DAY;
        lanes_create(f, 1);
        lanes_append_many(f, 10);
        lanes_pass(f, AGE_US);
        lanes_expect_all_stored(f);
        assert_int_equal(f->stores[0].ensures, 1);
        assert_int_equal(STAT(f, 0, partitions), 1);
        assert_int_equal(f->notes[MU_WRITER_PARTITIONS], 1);
}

static void partitions_that_do_not_help_are_an_outage(void **state)
{
        struct fixture *f = *state;

        f->database.missing_day = START_S / MU_S_PER_DAY;
        lanes_create(f, 1);
        f->stores[0].partitions_useless = true;
        lanes_append_many(f, 10);
        lanes_pass(f, AGE_US);
        assert_int_equal(f->notes[MU_WRITER_AWAY], 1);
        assert_int_equal(STAT(f, 0, available), 0);
        f->stores[0].partitions_useless = false;
        lanes_pass(f, 60000000);
        lanes_expect_all_stored(f);
        assert_int_equal(f->notes[MU_WRITER_BACK], 1);
}

static void a_day_gone_for_good_is_expired(void **state)
{
        struct fixture *f = *state;

        f->database.gone_day = START_S / MU_S_PER_DAY - 3;
        lanes_create(f, 1);
        lanes_append_many(f, 10);
        lanes_append(f, 1, -3 * 8640);
        lanes_append(f, 2, -3 * 8640);
        lanes_pass(f, AGE_US);
        lanes_expect_all_stored(f);
        assert_int_equal(f->database.reject_count, 2);
        assert_int_equal(STAT(f, 0, rejects[MU_VERDICT_EXPIRED]), 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                LANES_TEST(a_lone_record_goes_at_once),
                LANES_TEST(under_load_a_batch_ages),
                LANES_TEST(a_batch_is_never_older_than_its_age),
                LANES_TEST(rows_fill_a_batch),
                LANES_TEST(bytes_fill_a_batch),
                LANES_TEST(a_large_frame_waits_for_the_next_batch),
                LANES_TEST(repeats_within_a_batch_are_counted),
                LANES_TEST(lanes_share_the_devices),
                LANES_TEST(deleted_devices_records_are_dropped),
                LANES_TEST(old_and_malformed_records_are_kept_raw),
                LANES_TEST(a_conflict_goes_through_staging_until_a_batch_is_clean),
                LANES_TEST(poison_is_found_and_its_neighbours_are_stored),
                LANES_TEST(a_batch_of_nothing_but_poison_ends),
                LANES_TEST(a_missing_partition_is_made),
                LANES_TEST(partitions_that_do_not_help_are_an_outage),
                LANES_TEST(a_day_gone_for_good_is_expired),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
