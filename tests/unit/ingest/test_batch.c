/* SPDX-License-Identifier: Apache-2.0 */
/* A batch on its way: sorting, repeats, limits; each device's newest; days to leaves; encoding. */
#include "ingest/batch.h"

#include <errno.h>
#include <stdlib.h>

#include "base/random.h"
#include "ingest/copy_row.h"
#include "ingest/last_status.h"
#include "ingest/partition_route.h"
#include "ingest/status_array.h"
#include "records.h"
#include "unit.h"

#define NOON_S (INT64_C(20000) * MU_S_PER_DAY + 43200)

static int setup(void **state)
{
        struct mu_batch *batch = calloc(1, sizeof(*batch));

        *state = batch;
        return batch ? mu_batch_init(batch, 1000, MU_BATCH_BYTES_MIN) : -1;
}

static int teardown(void **state)
{
        mu_batch_done(*state);
        free(*state);
        return 0;
}

static void add(struct mu_batch *batch, int64_t device_id, int64_t bucket, uint64_t seq)
{
        struct test_record test;

        test_record_init(&test, device_id, NOON_S + bucket * MU_BUCKET_S);
        test_add(batch, &test, seq);
}

static struct mu_store_request whole(const struct mu_batch *batch)
{
        return (struct mu_store_request){.batch = batch, .count = batch->count};
}

static void limits_are_checked(void **state)
{
        struct mu_batch batch;

        (void)state;
        assert_int_equal(mu_batch_init(&batch, 0, 1 << 20), -EINVAL);
        assert_int_equal(mu_batch_init(&batch, MU_BATCH_ROWS_MAX + 1, 1 << 20), -EINVAL);
        assert_int_equal(mu_batch_init(&batch, 10, MU_BATCH_BYTES_MIN - 1), -EINVAL);
}

/* Against the plain definition: sorted, each key once, and of each key the lowest seq. */
static void seal_sorts_and_folds(void **state)
{
        struct mu_batch *batch = *state;
        struct mu_random random;

        mu_random_seed(&random, 1);
        for (int round = 0; round < 50; round++) {
                uint32_t count = 1 + (uint32_t)mu_random_below(&random, 1000);
                static uint64_t first[20][20];

                memset(first, 0, sizeof(first));
                for (uint64_t seq = 1; seq <= count; seq++) {
                        int64_t device = (int64_t)mu_random_below(&random, 20);
                        int64_t bucket = (int64_t)mu_random_below(&random, 20);

                        add(batch, 1 + device, bucket, seq);
                        if (first[device][bucket] == 0)
                                first[device][bucket] = seq;
                }
                mu_batch_seal(batch);
                assert_int_equal(batch->count + batch->repeats, count);
                for (uint32_t i = 0, at = 0; i < 400; i++) {
                        if (first[i / 20][i % 20] == 0)
                                continue;
                        assert_true(at < batch->count);
                        assert_int_equal(batch->entries[at].device_id, 1 + i / 20);
                        assert_int_equal(batch->entries[at].bucket_s,
                                         NOON_S + (int64_t)(i % 20) * MU_BUCKET_S);
                        assert_int_equal(batch->entries[at].seq, first[i / 20][i % 20]);
                        at++;
                }
                mu_batch_clear(batch);
        }
}

static void payloads_are_copies(void **state)
{
        struct mu_batch *batch = *state;
        struct test_record test;

        test_record_init(&test, 5, NOON_S);
        test_set_ssid(&test, "before");
        test_add(batch, &test, 1);
        test.record.device_id = 6;
        memcpy(test.strings, "after!", 6);
        test_add(batch, &test, 2);
        mu_batch_seal(batch);
        assert_memory_equal((const char *)batch->entries[0].payload + sizeof(struct mu_record),
                            "before", 6);
        assert_memory_equal((const char *)batch->entries[1].payload + sizeof(struct mu_record),
                            "after!", 6);
        assert_int_equal((uintptr_t)batch->entries[1].payload % 8, 0);
}

static void a_full_batch_says_so(void **state)
{
        struct mu_batch *batch = *state;
        struct test_record test;
        struct mu_frame frame;

        for (uint64_t seq = 1; seq <= 1000; seq++) {
                assert_false(mu_batch_rows_full(batch));
                add(batch, 1, (int64_t)seq, seq);
        }
        assert_true(mu_batch_rows_full(batch));
        test_record_init(&test, 1, NOON_S);
        frame = test_frame(&test, 1001);
        assert_int_equal(mu_batch_add(batch, &frame, MU_VERDICT_STORE), -ENOBUFS);
        mu_batch_clear(batch);

        test.record.extra_bytes = MU_EXTRA_BYTES_MAX;
        uint64_t seq = 0;

        while (!mu_batch_bytes_full(batch))
                test_add(batch, &test, ++seq);
        /* Not before the next record might not fit. */
        assert_true(batch->arena_bytes - batch->used_bytes < MU_RECORD_BYTES_MAX + 8);
        assert_in_range(seq, 200, 260);
}

static void only_whole_records_are_records(void **state)
{
        struct test_record test;
        struct mu_frame frame;

        (void)state;
        test_record_init(&test, 1, NOON_S);
        frame = test_frame(&test, 1);
        assert_true(mu_frame_is_record(&frame));
        frame.payload_bytes--;
        assert_false(mu_frame_is_record(&frame));
        frame.payload_bytes = 4;
        assert_false(mu_frame_is_record(&frame));
        frame = test_frame(&test, 1);
        frame.type = MU_FRAME_RECORD + 1;
        assert_false(mu_frame_is_record(&frame));
        frame = test_frame(&test, 1);
        test.record.observed_at_us = INT64_MIN;
        assert_false(mu_frame_is_record(&frame));
        test.record.observed_at_us = 0;
        test.record.bucket_s = MU_BATCH_TIME_S_END;
        assert_false(mu_frame_is_record(&frame));
        test.record.bucket_s = MU_BATCH_TIME_S_END - 1;
        assert_true(mu_frame_is_record(&frame));
        test.record.network = MU_NETWORK_OFFLINE + 1;
        assert_false(mu_frame_is_record(&frame));
}

static void full_status(struct mu_batch *batch, int64_t bucket, int64_t received_s,
                        int32_t offset_s, uint64_t seq)
{
        struct test_record test;

        test_record_init(&test, 3, NOON_S + bucket * MU_BUCKET_S);
        test.record.received_at_us = received_s * MU_US_PER_S;
        test.record.clock_offset_s = offset_s;
        test.record.seq = (int64_t)seq;
        test_add(batch, &test, seq);
}

static void the_newest_of_each_device(void **state)
{
        struct mu_batch *batch = *state;
        struct mu_last_status status;
        uint32_t at = 0;

        add(batch, 2, 0, 1);
        full_status(batch, 9, 100, 10, 2); /* newest content */
        full_status(batch, 4, 300, 30, 3); /* newest arrival */
        full_status(batch, 5, 200, 20, 4);
        full_status(batch, 5, 400, 40, 5); /* a repeat: its arrival counts, its row does not */
        add(batch, 4, 0, 6);
        mu_batch_seal(batch);
        mu_batch_refuse(batch, batch->count - 1, "22P02"); /* device 4: no row, no status */
        struct mu_store_request request = whole(batch);

        assert_true(mu_last_status_next(&request, &at, &status));
        assert_int_equal(status.content->device_id, 2);
        assert_true(mu_last_status_next(&request, &at, &status));
        assert_int_equal(status.content->device_id, 3);
        assert_int_equal(status.content->seq, 2);
        assert_int_equal(status.received_at_us, 400 * MU_US_PER_S);
        assert_int_equal(status.clock_offset_s, 30);
        assert_false(mu_last_status_next(&request, &at, &status));
}

static void many(struct mu_batch *batch, int64_t day, uint32_t rows, uint64_t *seq)
{
        for (uint32_t i = 0; i < rows; i++)
                add(batch, 1 + i, day * 8640, ++*seq);
}

static void days_are_routed_by_window_and_size(void **state)
{
        struct mu_batch *batch = *state;
        int64_t today = NOON_S / MU_S_PER_DAY;
        struct mu_route route;
        uint64_t seq = 0;

        many(batch, 0, 200, &seq);
        many(batch, -1, MU_ROUTE_LEAF_ROWS_MIN, &seq);
        many(batch, -2, MU_ROUTE_LEAF_ROWS_MIN - 1, &seq);
        many(batch, -8, 100, &seq);
        many(batch, 2, 100, &seq);
        mu_batch_seal(batch);
        mu_batch_expire_day(batch, today + 2);
        struct mu_store_request request = whole(batch);

        mu_route_plan(&request, today - 7, today + 1, &route);
        assert_int_equal(route.leaf_count, 2);
        assert_true(mu_route_is_leaf(&route, today));
        assert_true(mu_route_is_leaf(&route, today - 1));
        assert_false(mu_route_is_leaf(&route, today - 2));
        assert_int_equal(route.parent_rows, MU_ROUTE_LEAF_ROWS_MIN - 1 + 100);
        assert_int_equal(route.rejects, 100);
        assert_int_equal(route.leaves[0].rows + route.leaves[1].rows + route.parent_rows +
                                 route.rejects,
                         batch->count);
}

static void a_lone_day_goes_to_its_leaf_however_small(void **state)
{
        struct mu_batch *batch = *state;
        int64_t today = NOON_S / MU_S_PER_DAY;
        struct mu_route route;

        add(batch, 1, 0, 1);
        mu_batch_seal(batch);
        struct mu_store_request request = whole(batch);

        mu_route_plan(&request, today - 7, today + 1, &route);
        assert_int_equal(route.leaf_count, 1);
        assert_int_equal(route.parent_rows, 0);
        /* Outside of the window only the parent knows whether the leaf is still attached. */
        mu_route_plan(&request, today + 1, today + 2, &route);
        assert_int_equal(route.leaf_count, 0);
        assert_int_equal(route.parent_rows, 1);
}

static void more_days_than_leaves_go_through_the_parent(void **state)
{
        struct mu_batch *batch = *state;
        int64_t today = NOON_S / MU_S_PER_DAY;
        struct mu_route route;
        uint64_t seq = 0;

        for (int64_t day = 0; day < MU_ROUTE_LEAVES_MAX + 4; day++)
                add(batch, 1, -day * 8640, ++seq);
        mu_batch_seal(batch);
        struct mu_store_request request = whole(batch);

        mu_route_plan(&request, today - 40, today + 1, &route);
        assert_int_equal(route.leaf_count, 0);
        assert_int_equal(route.parent_rows, MU_ROUTE_LEAVES_MAX + 4);
}

/* The longest record of all stays within what the buffers reserve for one. */
static void the_longest_row_fits(void **state)
{
        struct mu_batch *batch = *state;
        static uint8_t row[MU_COPY_ROW_BYTES_MAX];
        struct mu_status_array array;
        struct test_record test;

        test_record_init(&test, INT64_MAX, NOON_S);
        memset(test.strings, 'x', sizeof(test.strings));
        test.record.ssid_bytes = MU_SSID_BYTES_MAX;
        test.record.fg_package_bytes = MU_FG_PACKAGE_BYTES_MAX;
        test.record.agent_version_bytes = MU_AGENT_VERSION_BYTES_MAX;
        test.record.boot_id_bytes = MU_BOOT_ID_BYTES_MAX;
        test.record.extra_bytes = MU_EXTRA_BYTES_MAX;
        test.record.network = MU_NETWORK_CELLULAR;
        test.record.present = (1u << MU_FIELD_COUNT) - 1;
        assert_in_range(mu_copy_heartbeat(row, &test.record) - row, MU_RECORD_BYTES_MAX,
                        MU_COPY_ROW_BYTES_MAX);

        test_add(batch, &test, 1);
        mu_batch_seal(batch);
        struct mu_store_request request = whole(batch);

        mu_status_array_init(&array);
        assert_int_equal(mu_status_array_encode(&array, &request, 12345), 0);
        assert_int_equal(array.count, 1);
        mu_status_array_done(&array);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(limits_are_checked),
                CASE(seal_sorts_and_folds),
                CASE(payloads_are_copies),
                CASE(a_full_batch_says_so),
                CASE(only_whole_records_are_records),
                CASE(the_newest_of_each_device),
                CASE(days_are_routed_by_window_and_size),
                CASE(a_lone_day_goes_to_its_leaf_however_small),
                CASE(more_days_than_leaves_go_through_the_parent),
                CASE(the_longest_row_fits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
