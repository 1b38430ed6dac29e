/* SPDX-License-Identifier: Apache-2.0 */
/* The purge job and the tidying of selections, on a real PostgreSQL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/failpoint.h"
#include "fixture.h"
#include "jobs/jobs.h"
#include "pg/partition.h"

#define DAY_S MU_S_PER_DAY
#define NOON_S INT64_C(1795262400) /* 2026-11-21T12:00:00Z */

static struct test_pg *postgres;

/* Devices 1 to 6, of which 1 to 4 are deleted, with 6,000 rows each on three days, and a bulk
 * deletion of 1 to 5 (5 was put back since) that may be purged past sequence 100. */
static const char FILL[] =
        "TRUNCATE devices, heartbeats, selections, bulk_deletions, ingest_checkpoint,"
        " ingest_rejects, audit_log RESTART IDENTITY CASCADE;"
        "INSERT INTO devices (alias, kind, enrolled_by, deleted_at)"
        " SELECT i, 'android', 'test', CASE WHEN i <= 4 THEN now() END"
        " FROM generate_series(1, 6) AS i;"
        "INSERT INTO heartbeats (device_id, bucket, received_at, observed_at, clock_offset_s,"
        " flags) SELECT d, b, b, b, 0, 0 FROM generate_series(1, 6) AS d,"
        " generate_series(timestamptz '2026-11-19 00:00Z', '2026-11-21 23:59:59Z',"
        " interval '43.2 seconds') AS b;"
        "INSERT INTO ingest_rejects (journal_id, seq, device_id, reason, record)"
        " SELECT decode(repeat('aa', 16), 'hex'), i, i, 'data', 'x'"
        " FROM generate_series(1, 6) AS i;"
        "INSERT INTO selections (expires_at, device_count, created_by)"
        " VALUES (now() - interval '1 hour', 5, 'user:a');"
        "INSERT INTO selection_devices SELECT 1, i FROM generate_series(1, 5) AS i;"
        "INSERT INTO bulk_deletions (selection_id, deleted_at, journal_id, journal_seq,"
        " device_count, purge_history, state, actor)"
        " VALUES (1, now(), decode(repeat('aa', 16), 'hex'), 100, 5, true, 'purging', 'user:a');"
        "INSERT INTO ingest_checkpoint VALUES (decode(repeat('aa', 16), 'hex'), 100);";

enum { ROWS_OF_DEVICE = 6000 };

static uint8_t journal_id[16];

static struct mu_jobs_config config_of(void)
{
        struct mu_jobs_config config;

        memset(journal_id, 0xaa, sizeof(journal_id));
        mu_jobs_config_init(&config, postgres->database);
        config.journal_id = journal_id;
        return config;
}

static int setup(void **state)
{
        struct mu_pg *pg = test_pg_acquire(postgres);

        assert_int_equal(mu_partitions_ensure(pg, MU_PARENT_HEARTBEATS,
                                              mu_partition_day(NOON_S) - 9,
                                              mu_partition_day(NOON_S) + 2, NULL),
                         0);
        test_pg_run(pg, FILL);
        *state = pg;
        return 0;
}

static int teardown(void **state)
{
        mu_database_release(postgres->database, *state);
        return 0;
}

static uint64_t purge(struct mu_pg *pg)
{
        struct mu_jobs_config config = config_of();
        uint64_t changed = 0;

        assert_int_equal(mu_job_purge(&config, pg, &changed), 0);
        return changed;
}

/* The job's turns, until it finds nothing to do. */
static uint64_t purge_all(struct mu_pg *pg)
{
        uint64_t rows = 0;

        while (test_pg_number(pg, "SELECT count(*) FROM bulk_deletions WHERE state <> 'done'") > 0)
                rows += purge(pg);
        return rows;
}

static void assert_purged(struct mu_pg *pg)
{
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM heartbeats WHERE device_id <= 4"),
                         0);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM heartbeats"), 2 * ROWS_OF_DEVICE);
        assert_int_equal(test_pg_number(pg, "SELECT rows_purged FROM bulk_deletions"),
                         4 * ROWS_OF_DEVICE);
        assert_int_equal(test_pg_number(pg, "SELECT days_total - days_done FROM bulk_deletions"),
                         0);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM ingest_rejects"), 2);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM audit_log"
                                            " WHERE action = 'device.purged'"),
                         1);
}

/* A device that lives is never purged, even where a selection names it. */
static void only_the_deleted_are_purged(void **state)
{
        struct mu_pg *pg = *state;

        assert_int_equal(purge_all(pg), 4 * ROWS_OF_DEVICE + 4); /* and the refused records */
        assert_purged(pg);
        assert_int_equal(purge(pg), 0);
}

static void it_waits_for_the_checkpoint(void **state)
{
        struct mu_pg *pg = *state;

        test_pg_run(pg, "UPDATE ingest_checkpoint SET seq = 99");
        assert_int_equal(purge(pg), 0);
        test_pg_run(pg, "TRUNCATE ingest_checkpoint");
        assert_int_equal(purge(pg), 0);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM heartbeats"), 6 * ROWS_OF_DEVICE);
        assert_int_equal(test_pg_number(pg,
                                        "SELECT count(*) FROM bulk_deletions WHERE purge_from_at IS"
                                        " NULL AND state = 'purging'"),
                         1);
        test_pg_run(pg, "INSERT INTO ingest_checkpoint"
                        " VALUES (decode(repeat('aa', 16), 'hex'), 100)");
        purge_all(pg);
        assert_purged(pg);
}

/* Its journal was replaced: nothing of it can come any more. */
static void another_journal_is_not_waited_for(void **state)
{
        struct mu_pg *pg = *state;

        test_pg_run(pg, "UPDATE bulk_deletions SET journal_id = decode(repeat('bb', 16), 'hex'),"
                        " journal_seq = 1000000");
        purge_all(pg);
        assert_purged(pg);
}

static void devices_must_be_deleted_first(void **state)
{
        struct mu_pg *pg = *state;

        test_pg_run(pg, "UPDATE bulk_deletions SET state = 'deleting'");
        assert_int_equal(purge(pg), 0);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM heartbeats"), 6 * ROWS_OF_DEVICE);
}

#ifdef MUSTER_FAILPOINTS
/* Cut off at every step in turn, it loses none and counts none twice. */
static void interrupted_it_goes_on(void **state)
{
        struct mu_pg *pg = *state;
        struct mu_jobs_config config = config_of();
        int failures = 0;

        while (test_pg_number(pg, "SELECT count(*) FROM bulk_deletions WHERE state <> 'done'") >
               0) {
                uint64_t changed = 0;

                assert_int_equal(mu_failpoint_arm("purge.step=error:EIO@2"), 0);
                failures += mu_job_purge(&config, pg, &changed) < 0;
                assert_false(mu_pg_in_transaction(pg));
        }
        mu_failpoint_disarm_all();
        assert_true(failures > 4);
        assert_purged(pg);
}
#endif

/* Several at once: the oldest first, each to its end. */
static void one_after_the_other(void **state)
{
        struct mu_pg *pg = *state;

        test_pg_run(pg, "INSERT INTO selections (expires_at, device_count, created_by)"
                        " VALUES (now(), 1, 'user:a');"
                        "INSERT INTO selection_devices VALUES (2, 6);"
                        "INSERT INTO bulk_deletions (selection_id, journal_id, journal_seq,"
                        " device_count, purge_history, state, actor) SELECT 2, journal_id, 101, 1,"
                        " true, 'purging', 'user:a' FROM bulk_deletions;"
                        "UPDATE devices SET deleted_at = now() WHERE id = 6");
        purge(pg);
        while (test_pg_number(pg, "SELECT count(*) FROM bulk_deletions WHERE state = 'done'") == 0)
                purge(pg);
        /* The second waits for its own sequence. */
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM heartbeats WHERE device_id = 6"),
                         ROWS_OF_DEVICE);
        test_pg_run(pg, "UPDATE ingest_checkpoint SET seq = 101");
        purge_all(pg);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM heartbeats"), ROWS_OF_DEVICE);
}

static void selections_go_when_nobody_needs_them(void **state)
{
        struct mu_pg *pg = *state;
        struct mu_jobs_config config = config_of();
        uint64_t changed = 0;

        test_pg_run(pg, "INSERT INTO selections (expires_at, device_count, created_by)"
                        " SELECT now() + i * interval '10 minutes', 0, 'user:a'"
                        " FROM generate_series(-25, 2) AS i WHERE i <> 0");
        assert_int_equal(mu_job_selections(&config, pg, &changed), 0);
        assert_int_equal(changed, 25);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM selections WHERE id = 1"), 1);
        test_pg_run(pg, "UPDATE bulk_deletions SET state = 'done'");
        changed = 0;
        assert_int_equal(mu_job_selections(&config, pg, &changed), 0);
        assert_int_equal(changed, 1);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM selection_devices"), 0);
        assert_int_equal(test_pg_number(pg, "SELECT count(*) FROM bulk_deletions"
                                            " WHERE selection_id IS NULL"),
                         1);
}

static int group_setup(void **state)
{
        int error = test_pg_group_setup(state);

        postgres = *state;
        return error;
}

static int group_teardown(void **state)
{
        *state = postgres;
        return test_pg_group_teardown(state);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(only_the_deleted_are_purged),
                TEST(it_waits_for_the_checkpoint),
                TEST(another_journal_is_not_waited_for),
                TEST(devices_must_be_deleted_first),
#ifdef MUSTER_FAILPOINTS
                TEST(interrupted_it_goes_on),
#endif
                TEST(one_after_the_other),
                TEST(selections_go_when_nobody_needs_them),
        };

        return cmocka_run_group_tests_name("purge", tests, group_setup, group_teardown);
}
