/* SPDX-License-Identifier: Apache-2.0 */
/* The journal on real files: written, read back, reopened, full, recycled. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "ingest/journal_format.h"
#include "journal_fixture.h"
#include "metrics/metrics.h"

static void test_written_is_read_back(void **state)
{
        struct fixture *f = *state;
        struct mu_reader *reader;

        fixture_start(f);
        assert_int_equal(mu_reader_open(f->journal, 0, &reader), 0);
        fixture_read(reader, 1, 0);
        fixture_write(f, 1, true);
        fixture_read(reader, 1, 1);
        fixture_write(f, 3000, true);
        assert_int_equal(mu_journal_durable_seq(f->journal), 3001);
        fixture_read(reader, 2, 3001);
        assert_int_equal(mu_reader_position(reader), 3001);

        mu_reader_seek(reader, 100);
        fixture_read(reader, 101, 3001);
        mu_reader_close(reader);
        fixture_stop(f);
}

static void test_plain_io_does_the_same(void **state)
{
        struct fixture *f = *state;

        f->config.avoid_io_uring = true;
        test_written_is_read_back(state);
        fixture_open(f);
        assert_false(fixture_status(f).io_uring);
        assert_int_equal(fixture_status(f).recovered_records, 3001);
        fixture_close(f);
}

static void test_survives_reopening(void **state)
{
        struct fixture *f = *state;
        struct mu_journal_status before;

        fixture_start(f);
        before = fixture_status(f);
        fixture_write(f, 500, true);
        fixture_stop(f);
        for (int i = 0; i < 5; i++) {
                struct mu_reader *reader;

                fixture_start(f);
                struct mu_journal_status status = fixture_status(f);

                assert_memory_equal(status.id, before.id, sizeof(status.id));
                assert_int_equal(status.durable_seq, f->written);
                assert_int_equal(status.recovered_records, f->written);
                assert_int_equal(status.torn_bytes, 0);
                assert_int_equal(status.damaged_bytes, 0);
                assert_int_equal(mu_reader_open(f->journal, 0, &reader), 0);
                fixture_read(reader, 1, f->written);
                fixture_write(f, 700, true);
                fixture_read(reader, f->written - 699, f->written);
                assert_int_equal(fixture_status(f).missing_records, 0);
                mu_reader_close(reader);
                fixture_stop(f);
        }
}

static void test_sequences_start_above_the_checkpoint(void **state)
{
        struct fixture *f = *state;
        struct mu_reader *reader;
        struct mu_frame frame;

        fixture_start(f);
        fixture_write(f, 10, true);
        fixture_stop(f);
        f->config.sequence_min = 5000;
        fixture_start(f);
        assert_int_equal(mu_reader_open(f->journal, 5000, &reader), 0);
        fixture_write(f, 1, true);
        assert_int_equal(mu_reader_next(reader, &frame), 1);
        assert_int_equal(frame.seq, 5001);
        mu_reader_seek(reader, 10);
        assert_int_equal(mu_reader_next(reader, &frame), 1);
        assert_int_equal(frame.seq, 5001);
        assert_int_equal(fixture_status(f).missing_records, 0);
        mu_reader_close(reader);
        fixture_stop(f);
}

static void test_slow_reader_falls_back_to_disk_and_returns(void **state)
{
        struct fixture *f = *state;
        struct mu_reader *slow, *fast;
        struct mu_frame frame;

        fixture_start(f);
        fixture_write(f, 10, true);
        assert_int_equal(mu_reader_open(f->journal, 0, &slow), 0);
        assert_int_equal(mu_reader_open(f->journal, 0, &fast), 0);
        assert_int_equal(mu_reader_next(slow, &frame), 1);
        /* Far more than the tail holds; what slow was lent stays as it is. */
        fixture_write(f, 5000, true);
        fixture_check_payload(&frame, 1);
        fixture_read(slow, 2, f->written);
        fixture_read(fast, 1, f->written);
        fixture_write(f, 5, true);
        fixture_read(slow, f->written - 4, f->written);
        mu_reader_close(slow);
        mu_reader_close(fast);
        fixture_stop(f);
}

static void test_full_sheds_and_goes_on_when_covered(void **state)
{
        struct fixture *f = *state;
        struct mu_reader *reader;
        bool durable = true;

        f->config.capacity_bytes = 4 * f->config.segment_bytes;
        f->config.keep_covered_bytes = 0;
        fixture_start(f);
        while (durable) {
                while (fixture_commit(f->port, f->written + 1))
                        f->written++;
                durable = fixture_verdict(f->port).durable;
        }
        assert_int_equal(fixture_status(f).state, MU_JOURNAL_FULL);
        assert_true(fixture_status(f).used_bytes <= f->config.capacity_bytes);

        uint64_t durable_seq = mu_journal_durable_seq(f->journal);

        assert_int_equal(mu_reader_open(f->journal, 0, &reader), 0);
        fixture_read(reader, 1, durable_seq);
        mu_journal_set_covered(f->journal, durable_seq);
        do {
                while (fixture_commit(f->port, f->written + 1))
                        f->written++;
                durable = fixture_verdict(f->port).durable;
        } while (!durable);
        assert_int_equal(fixture_status(f).state, MU_JOURNAL_ACCEPTING);
        assert_true(fixture_status(f).used_bytes <= f->config.capacity_bytes);
        mu_reader_close(reader);
        fixture_stop(f);
}

/* Through many recycled segments, and a restart in one. */
static void test_recycled_segments_never_show_old_frames(void **state)
{
        struct fixture *f = *state;
        struct mu_reader *reader;

        f->config.capacity_bytes = 5 * f->config.segment_bytes;
        f->config.keep_covered_bytes = 0;
        for (int i = 0; i < 4; i++) {
                fixture_start(f);
                assert_int_equal(mu_reader_open(f->journal, f->written, &reader), 0);
                for (int j = 0; j < 40; j++) {
                        uint64_t from = f->written + 1;

                        fixture_write(f, 200, true);
                        fixture_read(reader, from, f->written);
                        mu_journal_set_covered(f->journal, f->written);
                }
                assert_int_equal(fixture_status(f).damaged_bytes, 0);
                assert_int_equal(fixture_status(f).missing_records, 0);
                assert_true(fixture_status(f).oldest_seq > 1);
                mu_reader_close(reader);
                fixture_stop(f);
        }
        fixture_open(f);
        assert_int_equal(fixture_status(f).torn_bytes, 0);
        assert_int_equal(fixture_status(f).durable_seq, f->written);
        fixture_close(f);
}

static void test_identity_is_found_in_the_segments(void **state)
{
        struct fixture *f = *state;
        struct mu_journal_status before;
        char path[128];

        fixture_start(f);
        before = fixture_status(f);
        fixture_write(f, 10, true);
        fixture_stop(f);
        (void)snprintf(path, sizeof(path), "%s/journal.id", f->directory);
        assert_int_equal(unlink(path), 0);
        fixture_open(f);
        struct mu_journal_status after = fixture_status(f);

        assert_memory_equal(after.id, before.id, sizeof(after.id));
        assert_int_equal(after.durable_seq, 10);
        fixture_close(f);
        assert_int_equal(access(path, F_OK), 0);
}

static void test_wrong_configuration_is_refused(void **state)
{
        struct fixture *f = *state;
        struct mu_journal_config config = f->config;

        config.segment_bytes = config.group_bytes_max;
        assert_int_equal(mu_journal_open(&config, &f->journal), -EINVAL);
        config = f->config;
        config.tail_bytes = config.group_bytes_max;
        assert_int_equal(mu_journal_open(&config, &f->journal), -EINVAL);
        config = f->config;
        config.capacity_bytes = config.segment_bytes;
        assert_int_equal(mu_journal_open(&config, &f->journal), -EINVAL);
        assert_null(f->journal);
}

static void test_waiting_reader_is_woken(void **state)
{
        struct fixture *f = *state;
        struct mu_reader *reader;

        fixture_start(f);
        assert_int_equal(mu_reader_open(f->journal, 0, &reader), 0);
        mu_reader_wake(reader);
        mu_reader_wait(reader, UINT64_MAX / 2);
        assert_true(fixture_commit(f->port, ++f->written));
        mu_reader_wait(reader, UINT64_MAX / 2);
        fixture_read(reader, 1, 1);
        mu_reader_wait(reader, 0);
        mu_reader_close(reader);
        fixture_stop(f);
}

static void test_metrics_tell_what_happened(void **state)
{
        struct fixture *f = *state;
        struct mu_metrics *metrics;
        size_t bytes;
        char *text;

        fixture_start(f);
        fixture_write(f, 300, true);
        assert_int_equal(mu_metrics_create(&metrics), 0);
        assert_int_equal(mu_journal_register_metrics(f->journal, metrics), 0);
        assert_int_equal(mu_metrics_render(metrics, &text, &bytes), 0);
        assert_non_null(strstr(text, "muster_journal_records_total 300\n"));
        assert_non_null(strstr(text, "muster_journal_durable_sequence 300\n"));
        assert_non_null(strstr(text, "muster_journal_group_records_sum 300\n"));
        assert_non_null(strstr(text, "muster_journal_state 0\n"));
        free(text);
        mu_metrics_destroy(metrics);
        fixture_stop(f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
                TEST(test_written_is_read_back),
                TEST(test_plain_io_does_the_same),
                TEST(test_survives_reopening),
                TEST(test_sequences_start_above_the_checkpoint),
                TEST(test_slow_reader_falls_back_to_disk_and_returns),
                TEST(test_full_sheds_and_goes_on_when_covered),
                TEST(test_recycled_segments_never_show_old_frames),
                TEST(test_identity_is_found_in_the_segments),
                TEST(test_wrong_configuration_is_refused),
                TEST(test_waiting_reader_is_woken),
                TEST(test_metrics_tell_what_happened),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
