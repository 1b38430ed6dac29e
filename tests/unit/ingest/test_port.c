/* SPDX-License-Identifier: Apache-2.0 */
/* One thread plays both sides; port_order.c has two. */
#include <poll.h>
#include <string.h>

#include "ingest/port.h"
#include "ingest/port_journal.h"
#include "unit.h"

static int setup(void **state)
{
        return mu_port_create(64 << 10, (struct mu_port **)state);
}

static int teardown(void **state)
{
        mu_port_destroy(*state);
        return 0;
}

static bool commit(struct mu_port *port, int64_t device_id)
{
        struct mu_record *record = mu_port_reserve(port, sizeof(*record) + 100);

        if (!record)
                return false;
        memset(record, 0, sizeof(*record));
        record->device_id = device_id;
        (void)mu_port_commit(port);
        return true;
}

static void take(struct mu_port *port, int count)
{
        uint32_t bytes;

        for (int i = 0; i < count; i++)
                assert_non_null(mu_port_journal_peek(port, &bytes));
        mu_port_journal_release(port);
}

static void expect(struct mu_port *port, uint64_t first, uint64_t last, bool durable)
{
        struct mu_port_verdict verdict;

        assert_true(mu_port_poll(port, &verdict));
        assert_int_equal(verdict.first, first);
        assert_int_equal(verdict.last, last);
        assert_int_equal(verdict.durable, durable);
}

static void expect_nothing(struct mu_port *port)
{
        struct mu_port_verdict verdict;

        assert_false(mu_port_poll(port, &verdict));
}

static bool is_signalled(const struct mu_port *port)
{
        struct pollfd resolved = {.fd = mu_port_eventfd(port), .events = POLLIN};

        return poll(&resolved, 1, 0) == 1;
}

static void test_record_shrinks_to_what_it_holds(void **state)
{
        struct mu_port *port = *state;
        const struct mu_record *record;
        uint32_t bytes;

        assert_true(commit(port, 7));
        record = mu_port_journal_peek(port, &bytes);
        assert_int_equal(bytes, sizeof(*record));
        assert_int_equal(record->device_id, 7);
        assert_int_equal(mu_port_journal_taken(port), 1);
        mu_port_journal_unpeek(port);
        assert_int_equal(mu_port_journal_taken(port), 0);
        assert_true(mu_port_journal_pending(port));
        take(port, 1);
        assert_false(mu_port_journal_pending(port));
        assert_int_equal(mu_port_used_bytes(port), 0);
}

static void test_full_ring_sheds(void **state)
{
        struct mu_port *port = *state;
        int count = 0;

        while (commit(port, 1))
                count++;
        assert_true(count > 100);
        assert_null(mu_port_reserve(port, sizeof(struct mu_record) + 100));
        take(port, count);
        assert_true(commit(port, 1));
        assert_int_equal(mu_port_capacity_bytes(port), 64 << 10);
}

static void test_verdicts_come_in_runs(void **state)
{
        struct mu_port *port = *state;

        for (int i = 0; i < 10; i++)
                assert_true(commit(port, i));
        take(port, 10);
        expect_nothing(port);
        mu_port_journal_resolve(port, 3, true);
        mu_port_journal_resolve(port, 5, false);
        mu_port_journal_resolve(port, 6, false);
        mu_port_journal_resolve(port, 7, true);
        mu_port_journal_resolve(port, 9, true);
        expect(port, 1, 3, true);
        expect(port, 4, 5, false);
        expect(port, 6, 6, false);
        expect(port, 7, 9, true);
        expect_nothing(port);
        mu_port_journal_resolve(port, 10, false);
        expect(port, 10, 10, false);
        expect_nothing(port);
}

static void test_eventfd_is_level_until_drained(void **state)
{
        struct mu_port *port = *state;

        for (int i = 0; i < 3; i++)
                assert_true(commit(port, i));
        take(port, 3);
        assert_false(is_signalled(port));
        mu_port_journal_resolve(port, 1, true);
        assert_true(is_signalled(port));
        expect(port, 1, 1, true);
        assert_true(is_signalled(port));
        mu_port_journal_resolve(port, 2, true);
        expect(port, 2, 2, true);
        expect_nothing(port);
        assert_false(is_signalled(port));
        mu_port_journal_resolve(port, 3, true);
        assert_true(is_signalled(port));
}

static void test_failed_runs_are_bounded(void **state)
{
        struct mu_port *port = *state;
        uint64_t resolved = 0;

        for (int i = 0; i < 200; i++)
                assert_true(commit(port, i));
        take(port, 200);
        while (mu_port_journal_can_fail(port)) {
                mu_port_journal_resolve(port, ++resolved, true);
                mu_port_journal_resolve(port, ++resolved, false);
        }
        /* What a group in flight, one being filled and one refused still need. */
        for (int i = 0; i < 3; i++)
                mu_port_journal_resolve(port, ++resolved, false);
        expect(port, 1, 1, true);
        assert_false(mu_port_journal_can_fail(port));
        for (int i = 0; i < 8; i++) {
                struct mu_port_verdict verdict;

                assert_true(mu_port_poll(port, &verdict));
        }
        assert_true(mu_port_journal_can_fail(port));
}

static void wake(void *context)
{
        ++*(int *)context;
}

static void test_commit_wakes_a_sleeping_journal_once(void **state)
{
        struct mu_port *port = *state;
        int woken = 0;
        struct mu_port_waker waker = {.wake = wake, .context = &woken};

        mu_port_attach(port, &waker);
        assert_true(commit(port, 1));
        assert_int_equal(woken, 0);
        atomic_store(&waker.sleeping, 1);
        assert_true(commit(port, 2));
        assert_true(commit(port, 3));
        assert_int_equal(woken, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
                TEST(test_record_shrinks_to_what_it_holds),
                TEST(test_full_ring_sheds),
                TEST(test_verdicts_come_in_runs),
                TEST(test_eventfd_is_level_until_drained),
                TEST(test_failed_runs_are_bounded),
                TEST(test_commit_wakes_a_sleeping_journal_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
