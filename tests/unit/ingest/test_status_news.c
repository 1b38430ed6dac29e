/* SPDX-License-Identifier: Apache-2.0 */
/* What the bus is told of a committed batch: each device's newest, once, with its strings. */
#include "ingest/status_news.h"

#include <stdlib.h>

#include "records.h"
#include "unit.h"

#define NOON_S (INT64_C(20000) * MU_S_PER_DAY + 43200)

struct fixture {
        struct mu_batch batch;
        struct mu_bus *bus;
        struct mu_bus_reader reader;
        struct mu_bus_event events[512];
};

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        *state = f;
        return f && mu_batch_init(&f->batch, 1000, MU_BATCH_BYTES_MIN) == 0 &&
                               mu_bus_create(512, &f->bus) == 0
                       ? 0
                       : -1;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        mu_bus_unwatch(&f->reader);
        mu_bus_destroy(f->bus);
        mu_batch_done(&f->batch);
        free(f);
        return 0;
}

static uint32_t publish(struct fixture *f)
{
        uint64_t lost;
        uint32_t count;

        mu_batch_seal(&f->batch);
        const struct mu_store_request request = {.batch = &f->batch, .count = f->batch.count};

        mu_status_news_publish(f->bus, &request);
        count = mu_bus_read(&f->reader, f->events, 512, &lost);
        assert_int_equal(lost, 0);
        return count;
}

static void set_strings(struct test_record *test, const char *package, const char *version)
{
        test->record.fg_package_bytes = (uint8_t)test_append(test, package);
        test->record.agent_version_bytes = (uint8_t)test_append(test, version);
        test->record.present |= MU_FIELD_FG_PACKAGE | MU_FIELD_AGENT_VERSION;
}

static void nobody_watches(void **state)
{
        struct fixture *f = *state;
        struct test_record test;

        test_record_init(&test, 1, NOON_S);
        test_add(&f->batch, &test, 1);
        mu_batch_seal(&f->batch);
        const struct mu_store_request request = {.batch = &f->batch, .count = 1};

        mu_status_news_publish(NULL, &request);
        mu_status_news_publish(f->bus, &request);
        mu_bus_watch(f->bus, &f->reader);
        uint64_t lost;

        assert_int_equal(mu_bus_read(&f->reader, f->events, 512, &lost), 0);
}

static void each_device_once_with_its_newest(void **state)
{
        struct fixture *f = *state;
        uint64_t seq = 1;

        mu_bus_watch(f->bus, &f->reader);
        for (int64_t device = 1; device <= 200; device++) {
                for (int i = 2; i >= 0; i--) { /* the oldest is received last */
                        struct test_record test;

                        test_record_init(&test, device, NOON_S + i * MU_BUCKET_S);
                        test.record.received_at_us = (NOON_S + 100 - i) * MU_US_PER_S;
                        test.record.present = MU_FIELD_BATTERY;
                        test.record.battery_percent = (uint8_t)(device % 50 + i);
                        test_add(&f->batch, &test, seq++);
                }
        }
        assert_int_equal(publish(f), 200);
        for (uint32_t i = 0; i < 200; i++) {
                const struct mu_bus_event *event = &f->events[i];

                assert_int_equal(event->kind, MU_BUS_STATUS);
                assert_int_equal(event->device_id, i + 1);
                assert_int_equal(event->as.status.observed_at_us,
                                 (NOON_S + 2 * MU_BUCKET_S) * MU_US_PER_S);
                assert_int_equal(event->as.status.received_at_us, (NOON_S + 100) * MU_US_PER_S);
                assert_int_equal(event->as.status.battery_percent, (i + 1) % 50 + 2);
        }
}

static void strings_are_whole_or_cut(void **state)
{
        struct fixture *f = *state;
        struct test_record test;
        char package[73];

        mu_bus_watch(f->bus, &f->reader);
        memset(package, 'p', sizeof(package));
        package[MU_BUS_STATUS_STRINGS_BYTES - 3] = '\0';
        test_record_init(&test, 1, NOON_S);
        test_set_ssid(&test, "not for the bus");
        set_strings(&test, package, "1.2");
        test_add(&f->batch, &test, 1);
        test_record_init(&test, 2, NOON_S);
        set_strings(&test, package, "1.23");
        test_add(&f->batch, &test, 2);
        assert_int_equal(publish(f), 2);

        const struct mu_bus_status *status = &f->events[0].as.status;

        assert_false(status->cut);
        assert_int_equal(status->fg_package_bytes, MU_BUS_STATUS_STRINGS_BYTES - 3);
        assert_memory_equal(status->strings, package, MU_BUS_STATUS_STRINGS_BYTES - 3);
        assert_int_equal(status->agent_version_bytes, 3);
        assert_memory_equal(status->strings + status->fg_package_bytes, "1.2", 3);
        assert_true(f->events[1].as.status.cut);
        assert_int_equal(f->events[1].as.status.fg_package_bytes, 0);
}

static void refused_rows_are_no_news(void **state)
{
        struct fixture *f = *state;
        struct test_record test;

        mu_bus_watch(f->bus, &f->reader);
        for (int64_t device = 1; device <= 3; device++) {
                test_record_init(&test, device, NOON_S);
                test_add(&f->batch, &test, (uint64_t)device);
        }
        mu_batch_seal(&f->batch);
        mu_batch_refuse(&f->batch, 1, "22021");
        const struct mu_store_request request = {.batch = &f->batch, .count = 3};
        uint64_t lost;

        mu_status_news_publish(f->bus, &request);
        assert_int_equal(mu_bus_read(&f->reader, f->events, 512, &lost), 2);
        assert_int_equal(f->events[0].device_id, 1);
        assert_int_equal(f->events[1].device_id, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(nobody_watches),
                TEST(each_device_once_with_its_newest),
                TEST(strings_are_whole_or_cut),
                TEST(refused_rows_are_no_news),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
