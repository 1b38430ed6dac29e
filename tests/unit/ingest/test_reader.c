/* SPDX-License-Identifier: Apache-2.0 */
/* Frontends, journal and readers as threads, all waiting for each other: no wake-up is lost, and
 * every reader sees every record once, in one order. */
#include <errno.h>
#include <stdatomic.h>

#include "base/thread.h"
#include "journal_fixture.h"

enum { FRONTENDS = 3, READERS = 4, RECORDS_EACH = 3000, PORT_BYTES = 64 << 10 };

struct frontend {
        struct mu_port *port;
        uint64_t first; /* of its records */
        _Atomic uint64_t durable;
};

struct reading {
        struct mu_reader *reader;
        uint64_t sum;
        uint64_t count;
        _Atomic bool *stop;
};

/* Commits as long as there is room, then waits for verdicts. */
static void run_frontend(void *context)
{
        struct frontend *frontend = context;
        uint64_t sent = 0;

        for (uint64_t resolved = 0; resolved < RECORDS_EACH;) {
                while (sent < RECORDS_EACH &&
                       fixture_commit(frontend->port, frontend->first + sent))
                        sent++;
                struct mu_port_verdict verdict = fixture_verdict(frontend->port);

                assert_true(verdict.durable);
                assert_int_equal(verdict.first, resolved + 1);
                resolved = verdict.last;
        }
}

static void run_reader(void *context)
{
        struct reading *reading = context;
        uint64_t last = 0;

        for (;;) {
                struct mu_frame frame;
                int err = mu_reader_next(reading->reader, &frame);

                if (err == 0 && atomic_load(reading->stop))
                        return;
                if (err == 0) {
                        mu_reader_wait(reading->reader, UINT64_MAX / 2);
                        continue;
                }
                assert_int_equal(err, 1);
                assert_int_equal(frame.seq, last + 1);
                last = frame.seq;
                const struct mu_record *record = frame.payload;

                fixture_check_payload(&frame, (uint64_t)record->device_id);
                reading->sum += (uint64_t)record->device_id;
                reading->count++;
        }
}

static void test_threads_see_everything(void **state)
{
        struct fixture *f = *state;
        struct frontend frontends[FRONTENDS];
        struct reading readings[READERS];
        pthread_t frontend_threads[FRONTENDS];
        pthread_t reader_threads[READERS];
        _Atomic bool stop = false;
        uint64_t records = FRONTENDS * RECORDS_EACH;

        assert_int_equal(mu_journal_open(&f->config, &f->journal), 0);
        for (uint64_t i = 0; i < FRONTENDS; i++) {
                frontends[i].first = i * RECORDS_EACH + 1;
                assert_int_equal(mu_port_create(PORT_BYTES, &frontends[i].port), 0);
                assert_int_equal(mu_journal_add_port(f->journal, frontends[i].port), 0);
        }
        assert_int_equal(mu_journal_start(f->journal), 0);
        for (int i = 0; i < READERS; i++) {
                readings[i] = (struct reading){.stop = &stop};
                assert_int_equal(mu_reader_open(f->journal, 0, &readings[i].reader), 0);
                assert_int_equal(
                        mu_thread_start("reader", run_reader, &readings[i], &reader_threads[i]), 0);
        }
        for (int i = 0; i < FRONTENDS; i++)
                assert_int_equal(mu_thread_start("frontend", run_frontend, &frontends[i],
                                                 &frontend_threads[i]),
                                 0);
        for (int i = 0; i < FRONTENDS; i++)
                mu_thread_join(frontend_threads[i]);
        mu_journal_drain(f->journal);
        assert_int_equal(mu_journal_durable_seq(f->journal), records);
        atomic_store(&stop, true);
        for (int i = 0; i < READERS; i++) {
                mu_reader_wake(readings[i].reader);
                mu_thread_join(reader_threads[i]);
                assert_int_equal(readings[i].count, records);
                assert_int_equal(readings[i].sum, records * (records + 1) / 2);
                mu_reader_close(readings[i].reader);
        }
        assert_int_equal(fixture_status(f).missing_records, 0);
        assert_int_equal(fixture_status(f).damaged_bytes, 0);
        mu_journal_close(f->journal);
        for (int i = 0; i < FRONTENDS; i++)
                mu_port_destroy(frontends[i].port);
}

/* The file of a segment that a reader stands in is not used again under it. */
static void test_segment_with_a_reader_is_not_recycled(void **state)
{
        struct fixture *f = *state;
        struct mu_reader *old;
        struct mu_frame frame;

        f->config.keep_covered_bytes = 0;
        fixture_start(f);
        fixture_write(f, 2000, true);
        assert_int_equal(mu_reader_open(f->journal, 0, &old), 0);
        for (uint64_t seq = 1; seq <= 20; seq++)
                assert_int_equal(mu_reader_next(old, &frame), 1);
        mu_journal_set_covered(f->journal, f->written);
        /* Through all of the capacity: everything covered is dropped or recycled. */
        for (int i = 0; i < 20; i++) {
                fixture_write(f, 2000, true);
                mu_journal_set_covered(f->journal, f->written);
        }
        assert_true(fixture_status(f).oldest_seq > 21);
        for (uint64_t seq = 21; seq <= 300; seq++) {
                assert_int_equal(mu_reader_next(old, &frame), 1);
                assert_int_equal(frame.seq, seq);
                fixture_check_payload(&frame, seq);
        }
        mu_reader_close(old);
        fixture_stop(f);
}

static void test_readers_are_bounded(void **state)
{
        struct fixture *f = *state;
        struct mu_reader *readers[MU_JOURNAL_READERS_MAX];
        struct mu_reader *more = NULL;

        fixture_open(f);
        for (int i = 0; i < MU_JOURNAL_READERS_MAX; i++)
                assert_int_equal(mu_reader_open(f->journal, 0, &readers[i]), 0);
        assert_int_equal(mu_reader_open(f->journal, 0, &more), -ENOSPC);
        assert_null(more);
        mu_reader_close(readers[7]);
        assert_int_equal(mu_reader_open(f->journal, 0, &readers[7]), 0);
        for (int i = 0; i < MU_JOURNAL_READERS_MAX; i++)
                mu_reader_close(readers[i]);
        fixture_close(f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
                TEST(test_threads_see_everything),
                TEST(test_segment_with_a_reader_is_not_recycled),
                TEST(test_readers_are_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
