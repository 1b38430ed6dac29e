/* SPDX-License-Identifier: Apache-2.0 */
/* Design §2 rule 6 on real files, with errors from failpoints. The simulator has the breadth. */
#include "base/failpoint.h"
#include "journal_fixture.h"

static int faults_teardown(void **state)
{
        mu_failpoint_disarm_all();
        return fixture_teardown(state);
}

static void arm(const char *specification)
{
        assert_int_equal(mu_failpoint_arm(specification), 0);
}

static void check_all_there(struct fixture *f)
{
        struct mu_reader *reader;

        assert_int_equal(mu_reader_open(f->journal, 0, &reader), 0);
        fixture_read(reader, 1, f->written);
        assert_int_equal(fixture_status(f).missing_records, 0);
        assert_int_equal(fixture_status(f).damaged_bytes, 0);
        mu_reader_close(reader);
}

/* One failure is healed without anybody noticing. */
static void heal(struct fixture *f, const char *specification)
{
        fixture_start(f);
        fixture_write(f, 100, true);
        arm(specification);
        fixture_write(f, 100, true);
        assert_int_equal(fixture_status(f).rewritten_groups, 1);
        assert_int_equal(fixture_status(f).state, MU_JOURNAL_ACCEPTING);
        check_all_there(f);
        fixture_stop(f);
        fixture_open(f);
        assert_int_equal(mu_journal_durable_seq(f->journal), f->written);
        check_all_there(f);
        fixture_close(f);
}

static void test_failed_write_is_rewritten(void **state)
{
        struct fixture *f = *state;

        heal(f, "journal.write=error:EIO*1");
}

static void test_failed_sync_is_rewritten(void **state)
{
        struct fixture *f = *state;

        heal(f, "journal.sync=error:EIO*1");
        mu_failpoint_disarm_all();
        f->config.avoid_io_uring = true;
        heal(f, "journal.sync=error:ECANCELED*1");
}

/* While neither segment nor fresh one takes writes the answer is "not durable", at once. */
static void test_dead_disk_refuses_and_comes_back(void **state)
{
        struct fixture *f = *state;
        struct mu_reader *reader;
        struct mu_port_verdict verdict;
        struct mu_frame frame;
        uint64_t last = 0;

        fixture_start(f);
        fixture_write(f, 50, true);
        arm("journal.write=error:ENOSPC;journal.prepare=error:ENOSPC");
        for (int i = 0; i < 5; i++)
                fixture_write(f, 10, false);
        assert_int_equal(fixture_status(f).state, MU_JOURNAL_REFUSING);
        assert_int_equal(mu_journal_durable_seq(f->journal), 50);
        mu_failpoint_disarm_all();
        do {
                assert_true(fixture_commit(f->port, ++f->written));
                verdict = fixture_verdict(f->port);
        } while (!verdict.durable);
        assert_int_equal(fixture_status(f).state, MU_JOURNAL_ACCEPTING);

        assert_int_equal(mu_reader_open(f->journal, 0, &reader), 0);
        for (int i = 0; i < 51; i++) {
                assert_int_equal(mu_reader_next(reader, &frame), 1);
                assert_true(frame.seq > last);
                last = frame.seq;
        }
        fixture_check_payload(&frame, f->written);
        assert_int_equal(mu_reader_next(reader, &frame), 0);
        mu_reader_close(reader);
        fixture_stop(f);
}

static void test_segment_that_cannot_be_prepared_is_tried_again(void **state)
{
        struct fixture *f = *state;

        arm("journal.prepare=error:ENOSPC*3");
        fixture_start(f);
        while (fixture_status(f).write_errors < 3) {
                assert_true(fixture_commit(f->port, ++f->written));
                (void)fixture_verdict(f->port);
        }
        f->written = 0;
        fixture_stop(f);
        fixture_start(f);
        fixture_write(f, 2000, true);
        fixture_stop(f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, faults_teardown)
                TEST(test_failed_write_is_rewritten),
                TEST(test_failed_sync_is_rewritten),
                TEST(test_dead_disk_refuses_and_comes_back),
                TEST(test_segment_that_cannot_be_prepared_is_tried_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
